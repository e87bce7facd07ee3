"""Bulk inserts, and one edit in a large table."""

from __future__ import annotations

import random
import statistics
from collections.abc import Iterator

import pyarrow.parquet as pq

from benchmarks import tables
from benchmarks.harness import Bench, Line, each, median, ms, timed
from lakehouse.engine import Changes


def append(bench: Bench) -> Iterator[Line]:
    """A million registry rows with their unique keys, against the bare Parquet write."""
    rows = bench.size(1_000_000, 100_000)
    ours, raw = [], []
    for i in range(bench.size(5, 3)):
        table = tables.labels(rows, stem=f"label {i}")
        folder = bench.fresh("append")
        raw.append(median(lambda t=table, f=folder: pq.write_table(t, f / "raw.parquet"), 1))
        engine = tables.create(folder)
        ours.append(timed(lambda e=engine, t=table: tables.insert_many(e, t)))
        assert engine.state().count("label") == rows
    limit = 4 * statistics.median(raw)
    yield Line(
        f"bulk append of {rows:,} rows, keys claimed",
        statistics.median(ours),
        "s",
        "≤ 4x raw write_table",
        limit,
        statistics.median(raw),
        "raw pq.write_table",
        note="raw neither fsyncs nor checks a key",
    )


def edit(bench: Bench) -> Iterator[Line]:
    """One row edited among a million."""
    rows = bench.size(1_000_000, 100_000)
    engine = tables.create(bench.fresh("edit"))
    tables.insert_many(engine, tables.labels(rows))
    uids = engine.state().arrow("label")["uid"]
    places = random.Random(7).sample(range(rows), 40)

    def change(at: int) -> None:
        changes = Changes()
        changes.update("label", uids[at].as_py(), {"description": f"edited {at}"})
        engine.commit(changes, message="edit")

    seconds = each(change, places)
    edited = engine.state().row("label", uids[places[-1]].as_py())
    assert edited is not None
    assert edited["description"] == f"edited {places[-1]}"
    slowest = f"slowest {max(seconds) * 1e3:.0f} ms"
    yield Line(
        f"one row edited among {rows:,}",
        ms(statistics.median(seconds)) or 0.0,
        "ms",
        "≤ 15 ms",
        15.0,
        note=slowest,
    )


MEASURES = {"append": append, "edit": edit}
