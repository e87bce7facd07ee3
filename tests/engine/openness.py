"""Readers that don't know us: every one must see exactly the rows that we see."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import duckdb
import polars as pl
import pyarrow as pa
from pyiceberg.catalog.sql import SqlCatalog
from pyiceberg.table import StaticTable, Table
from sqlalchemy import URL

from lakehouse.engine import Engine, State
from lakehouse.errors import LookupFailed


@contextmanager
def stock_catalog(engine: Engine) -> Iterator[SqlCatalog]:
    """pyiceberg's own catalog on the lake's SQLite file."""
    url = URL.create("sqlite", database=f"{engine.folder}/catalog.db")
    catalog = SqlCatalog("lakehouse", uri=url.render_as_string())
    try:
        yield catalog
    finally:
        catalog.engine.dispose()


def check(engine: Engine, tables: tuple[str, ...] = ("thing", "link")) -> None:
    """Compare every stock reader's rows with the newest state's, and look at the metadata."""
    state = engine.state()
    with stock_catalog(engine) as catalog:
        assert {name for _, name in catalog.list_tables("lake")} == state.pointers.keys()
        for name in tables:
            if name not in state.pointers:  # not made yet: we see no rows, others no table
                assert state.arrow(name).num_rows == state.count(name) == 0
                assert state.arrow(name).column_names == list(engine.specs[name].column_names)
                continue
            table = catalog.load_table(f"lake.{name}")
            assert table.metadata_location == state.pointers[name]
            check_table(state, name, table)
            check_metadata(table)
            check_history(engine, name, table)


def check_table(state: State, name: str, table: Table) -> None:
    """All readers of one table agree."""
    ours = rows_of(state.arrow(name))
    assert len(ours) == state.count(name)
    assert ours == rows_of(table.scan().to_arrow())
    static = StaticTable.from_metadata(state.pointers[name])
    assert ours == rows_of(static.scan().to_arrow())
    assert ours == rows_of(pl.scan_iceberg(state.pointers[name]).collect().to_arrow())
    assert ours == rows_of(planned_by_duckdb(table))
    if ours:  # pruning by the bounds of uids loses nothing
        uid = ours[len(ours) // 2]["uid"]
        assert len(table.scan(row_filter=f"uid == '{uid}'").to_arrow()) == 1
        after = pl.scan_iceberg(state.pointers[name]).filter(pl.col("uid") >= uid).collect()
        assert len(after) == len(ours) - len(ours) // 2


def planned_by_duckdb(table: Table) -> pa.Table:
    """DuckDB's reading of the files that pyiceberg plans, columns matched by field id."""
    types = {
        "string": "VARCHAR",
        "long": "BIGINT",
        "double": "DOUBLE",
        "boolean": "BOOLEAN",
        "timestamptz": "TIMESTAMP WITH TIME ZONE",
        "date": "DATE",
        "list<string>": "VARCHAR[]",
    }
    fields = [
        f"{f.field_id}: {{name: '{f.name}', type: '{types[str(f.field_type)]}', default_value: NULL}}"
        for f in table.schema().fields
    ]
    files = [task.file.file_path for task in table.scan().plan_files()]
    if not files:
        return table.schema().as_arrow().empty_table()
    with duckdb.connect() as connection:
        connection.execute("SET TimeZone = 'UTC'")
        query = f"SELECT * FROM read_parquet(?, schema=MAP {{{', '.join(fields)}}})"
        return connection.sql(query, params=[files]).to_arrow_table()


def check_metadata(table: Table) -> None:
    """The metadata tables work, and the summaries' totals are right."""
    inspect = table.inspect
    for one in (inspect.snapshots, inspect.manifests, inspect.refs, inspect.history):
        one()
    inspect.metadata_log_entries()
    snapshot = table.current_snapshot()
    if snapshot is None:
        return
    files, entries = inspect.files(), inspect.entries()
    assert len(set(files["file_path"].to_pylist())) == len(files)
    live = [e for e in entries.to_pylist() if e["status"] != 2]
    assert {e["data_file"]["file_path"] for e in live} == set(files["file_path"].to_pylist())
    manifests = inspect.manifests().to_pylist()
    listed = sum(m["added_data_files_count"] + m["existing_data_files_count"] for m in manifests)
    assert listed == len(files)
    assert snapshot.summary is not None
    summary = snapshot.summary.additional_properties
    mine = [e for e in entries.to_pylist() if e["snapshot_id"] == snapshot.snapshot_id]
    for status, key in ((1, "added-data-files"), (2, "deleted-data-files")):
        assert int(summary.get(key, 0)) == sum(e["status"] == status for e in mine)
    assert int(summary["total-data-files"]) == len(files)
    assert int(summary["total-records"]) == sum(files["record_count"].to_pylist())
    assert int(summary["total-files-size"]) == sum(files["file_size_in_bytes"].to_pylist())
    check_chain(table)


def check_chain(table: Table) -> None:
    """Each kept snapshot's totals follow from its parent's and from what it says it did."""
    by_id = {s.snapshot_id: s for s in table.metadata.snapshots}
    for snapshot in table.metadata.snapshots:
        parent = by_id.get(snapshot.parent_snapshot_id or 0)
        if parent is None or parent.summary is None or snapshot.summary is None:
            continue
        now = snapshot.summary.additional_properties
        before = parent.summary.additional_properties
        for total, added, removed in (
            ("total-records", "added-records", "deleted-records"),
            ("total-data-files", "added-data-files", "deleted-data-files"),
        ):
            expected = int(before[total]) + int(now.get(added, 0)) - int(now.get(removed, 0))
            assert int(now[total]) == expected
        assert snapshot.sequence_number > parent.sequence_number
    assert table.metadata.last_sequence_number == max(by_id[i].sequence_number for i in by_id)


def check_history(engine: Engine, name: str, table: Table) -> None:
    """Stock travel to the oldest and newest snapshot gives the rows of the commits that made them."""
    kept = table.metadata.snapshots
    for snapshot in (*kept[:1], *kept[1:][-1:]):
        rows = rows_of(table.scan(snapshot_id=snapshot.snapshot_id).to_arrow())
        assert snapshot.summary is not None
        made_by = snapshot.summary.additional_properties.get("lakehouse.commit-id")
        if made_by is None:
            continue
        try:
            then = rows_of(engine.state_at(made_by).arrow(name))
        except LookupFailed:
            continue  # gc has removed our state; stock readers travel to it still
        columns = rows[0].keys() if rows else ()
        assert [{c: row[c] for c in columns} for row in then] == rows
        added = {c for row in then for c in row.keys() - columns}
        assert all(row[c] is None for row in then for c in added)


def rows_of(table: pa.Table) -> list[dict[str, Any]]:
    """Rows in uid order; values as text where they don't equal themselves."""
    rows = table.to_pylist()
    for row in rows:
        for column, value in row.items():
            if value != value:
                row[column] = "NaN"
    return sorted(rows, key=lambda row: str(row["uid"]))
