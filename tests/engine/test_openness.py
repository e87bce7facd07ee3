"""After every kind of write, readers that don't know us see exactly our rows."""

from __future__ import annotations

import shutil
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

import pyarrow as pa
import pytest
from pyiceberg.catalog.sql import SqlCatalog
from pyiceberg.exceptions import CommitFailedException, ValidationException
from pyiceberg.types import StringType

from lakehouse.engine import Changes, Engine, Limits
from lakehouse.engine.commit.committer import FOREIGN
from lakehouse.errors import IntegrityError
from lakehouse.identity import new_uid
from tests.engine.lakes import (
    LIMITS,
    LINK,
    SPECS,
    THING,
    WIDER,
    delete,
    insert,
    names,
    read,
    thing,
    things,
    update,
)
from tests.engine.openness import check, planned_by_duckdb, rows_of, stock_catalog


@pytest.fixture(params=["normal", "tiny"])
def limits(request: pytest.FixtureRequest) -> Limits:
    return LIMITS[request.param]


@pytest.fixture
def engine(tmp_path: Path, limits: Limits) -> Iterator[Engine]:
    engine = Engine.create(str(tmp_path / "lake"), SPECS, limits=limits)
    yield engine
    engine.close()


class TestEveryWrite:
    def test_nothing_yet(self, engine: Engine) -> None:
        check(engine)

    @pytest.mark.slow
    def test_single_rows_and_folds(self, engine: Engine) -> None:
        for i, row in enumerate(things(15)):
            insert(engine, [row])
            if i % 5 in (0, 3):  # before and after folds, with both limits
                check(engine, ("thing",))
        assert len(engine.state().files("thing")) < 15

    @pytest.mark.slow
    def test_bulk(self, engine: Engine, limits: Limits) -> None:
        insert(engine, things(1_200))
        check(engine)
        insert(engine, things(900, 2_000))
        insert(engine, [thing(9_000)])
        check(engine)
        assert (len(engine.state().files("thing")) > 20) is (limits.max_file_rows == 2_048)

    def test_bulk_as_a_table(self, engine: Engine) -> None:
        rows = things(500)
        changes = Changes()
        changes.insert("thing", THING.encode_rows(rows[::-1]))
        changes.insert("link", pa.table({"uid": [new_uid()], "n": pa.array([1], pa.int8())}))
        engine.commit(changes)
        check(engine)

    @pytest.mark.slow
    def test_updates_and_deletes(self, engine: Engine) -> None:
        rows = things(450)
        insert(engine, rows)
        for row in rows[::200]:
            update(engine, row, name=f"changed {row['n']}", weight=None, tags=["ü"], extra={"a": 1})
            check(engine, ("thing",))
        delete(engine, [r["uid"] for r in rows[1:300:2]])
        check(engine)
        delete(engine, [r["uid"] for r in rows[300:]])
        check(engine)
        delete(engine, [r["uid"] for r in rows])
        assert engine.state().count("thing") == 0
        check(engine)
        insert(engine, [thing(1)])
        check(engine)

    def test_everything_in_one_commit(self, engine: Engine) -> None:
        rows = things(300)
        insert(engine, rows)
        changes = Changes()
        changes.insert("thing", [thing(900), thing(901)])
        changes.insert(
            "link", [{"uid": new_uid(), "thing_uid": rows[0]["uid"], "n": i} for i in (1, 2)]
        )
        for row in rows[:250:50]:
            changes.update("thing", row["uid"], {"name": f"changed {row['n']}"})
        changes.delete("thing", [r["uid"] for r in rows[1:250:50]])
        engine.commit(changes)
        check(engine)

    @pytest.mark.slow
    def test_evolution(self, engine: Engine, limits: Limits) -> None:
        rows = things(130)
        insert(engine, rows)
        wider = Engine.open(engine.root, [WIDER, LINK], limits=limits)
        check(wider)
        insert(wider, [thing(500, note="ñ", aliases=["a", "ß"])])
        update(wider, rows[3], note="later")
        check(wider)
        for i in range(10):
            insert(wider, [thing(600 + i, note=str(i))])
        check(wider)
        wider.close()

    def test_gc(self, engine: Engine) -> None:
        for row in things(20):
            insert(engine, [row])
        insert(engine, things(300, 100))
        engine.tag("old", 3)
        engine.gc(keep=1, min_age=0)
        check_kept_snapshots(engine)
        insert(engine, [thing(9_999)])
        engine.gc(keep=1, min_age=0)
        check_kept_snapshots(engine)

    @pytest.mark.slow
    def test_relocation(self, tmp_path: Path, engine: Engine, limits: Limits) -> None:
        rows = things(150)
        insert(engine, rows[:140])
        for row in rows[140:]:
            insert(engine, [row])
        engine.close()
        shutil.copytree(engine.root, tmp_path / "copy")
        shutil.move(engine.root, tmp_path / "moved")
        for place in ("copy", "moved"):
            there = Engine.open(str(tmp_path / place), SPECS, limits=limits)
            check(there)
            assert all(f.startswith(there.root) for f in there.state().files("thing"))
            insert(there, [thing(999, name=place)])
            check(there)
            there.close()


def check_kept_snapshots(engine: Engine) -> None:
    """The rows agree, and every snapshot that the metadata lists can still be read."""
    with stock_catalog(engine) as catalog:
        table = catalog.load_table("lake.thing")
        ours = rows_of(engine.state().arrow("thing"))
        assert ours == rows_of(table.scan().to_arrow())
        assert ours == rows_of(planned_by_duckdb(table))
        assert len(table.metadata.snapshots) > 1
        for snapshot in table.metadata.snapshots:
            table.scan(snapshot_id=snapshot.snapshot_id).to_arrow()


class TestStockWriters:
    """pyiceberg's own writers move our pointers; we notice and enter what they did."""

    def test_append(self, engine: Engine) -> None:
        ours = thing(1, name="ours", kind="x")
        insert(engine, [ours])
        stranger = thing(2, name="theirs", kind="x")
        with stock_catalog(engine) as catalog:
            catalog.load_table("lake.thing").append(stock_rows(catalog, [stranger]))
        state = engine.state()
        assert state.seq == 1
        assert state.rows("thing", [stranger["uid"]]) == [stranger]
        assert engine.holder("thing", ("name", "kind"), ("theirs", "x")) is None
        insert(engine, [thing(3, name="next", kind="x")])
        assert engine.holder("thing", ("name", "kind"), ("theirs", "x")) == stranger["uid"]
        assert [c.message for c in engine.log(3)] == ["", FOREIGN, ""]
        assert engine.log(2)[1].tables == ("thing",)
        assert names(engine.state()) == ["next", "ours", "theirs"]
        assert names(engine.state_at(2)) == ["ours", "theirs"]
        check(engine)

    @pytest.mark.slow
    def test_delete_and_overwrite(self, engine: Engine) -> None:
        rows = things(130)
        insert(engine, rows)
        with stock_catalog(engine) as catalog:
            catalog.load_table("lake.thing").delete(f"uid == '{rows[4]['uid']}'")
            table = catalog.load_table("lake.thing")
            changed = {**rows[7], "name": "overwritten"}
            table.overwrite(
                stock_rows(catalog, [changed]), overwrite_filter=f"uid == '{rows[7]['uid']}'"
            )
        assert engine.state().row("thing", rows[4]["uid"]) is None
        insert(engine, [{**rows[4], "uid": new_uid()}])  # its keys are free again
        key = ("name", "kind")
        assert engine.holder("thing", key, (rows[7]["name"], rows[7]["kind"])) is None
        assert engine.holder("thing", key, ("overwritten", rows[7]["kind"])) == rows[7]["uid"]
        check(engine)
        update(engine, changed, name="ours again")
        check(engine)

    def test_rows_out_of_order_and_without_bounds(self, engine: Engine) -> None:
        rows = things(40)
        insert(engine, rows[10:20])
        with stock_catalog(engine) as catalog:
            with catalog.load_table("lake.thing").transaction() as transaction:
                transaction.set_properties({"write.metadata.metrics.default": "none"})
            table = catalog.load_table("lake.thing")
            table.append(stock_rows(catalog, rows[30:][::-1] + rows[:10][::-1]))
        state = engine.state()
        kept = rows[:20] + rows[30:]
        assert state.rows("thing", [r["uid"] for r in kept]) == kept
        assert state.row("thing", rows[25]["uid"]) is None
        delete(engine, [rows[3]["uid"], rows[35]["uid"]])
        insert(engine, rows[20:30])
        assert engine.state().count("thing") == 38
        check(engine)

    def test_a_repeated_unique_value(self, engine: Engine) -> None:
        ours, stranger = thing(1, name="taken", kind="x"), thing(2, name="taken", kind="x")
        insert(engine, [ours])
        with stock_catalog(engine) as catalog:
            catalog.load_table("lake.thing").append(stock_rows(catalog, [stranger]))
        with pytest.raises(IntegrityError, match="repeat unique values") as error:
            insert(engine, [thing(3)])
        assert "taken" in str(error.value)
        assert ours["uid"] in str(error.value)
        assert engine.state().count("thing") == 2  # reading goes on
        with stock_catalog(engine) as catalog:
            catalog.load_table("lake.thing").delete(f"uid == '{stranger['uid']}'")
        insert(engine, [thing(3)])
        check(engine)

    def test_a_repeated_uid(self, engine: Engine) -> None:
        row = thing(1, name=None, n=None)
        insert(engine, [row])
        with stock_catalog(engine) as catalog:
            catalog.load_table("lake.thing").append(stock_rows(catalog, [{**row, "name": "b"}]))
        with pytest.raises(IntegrityError, match="repeat uids") as error:
            insert(engine, [thing(3)])
        assert row["uid"] in str(error.value)

    @pytest.mark.slow
    def test_gc_before_and_after_we_have_noticed(self, engine: Engine) -> None:
        rows = things(130)
        insert(engine, rows)
        insert(engine, [thing(500)])
        with stock_catalog(engine) as catalog:
            catalog.load_table("lake.thing").delete(f"uid == '{rows[4]['uid']}'")
            catalog.load_table("lake.thing").append(stock_rows(catalog, [thing(600)]))
        engine.gc(keep=1, min_age=0)
        assert engine.state().count("thing") == 131
        check(engine, ("thing",))
        insert(engine, [thing(700)])
        engine.gc(keep=1, min_age=0)
        assert engine.state().count("thing") == 132
        check_kept_snapshots(engine)

    def test_a_new_column(self, engine: Engine) -> None:
        rows = things(3)
        insert(engine, rows)
        with stock_catalog(engine) as catalog:
            table = catalog.load_table("lake.thing")
            with table.update_schema() as schema:
                schema.add_column("theirs", StringType())
            table.append(
                pa.Table.from_pylist(
                    [{"uid": new_uid(), "theirs": "x"}], schema=table.schema().as_arrow()
                )
            )
        insert(engine, [thing(10)])
        update(engine, rows[0], name="changed")
        found = sorted(str(r["theirs"]) for r in read(engine.state()))
        assert found == ["None", "None", "None", "None", "x"]
        check(engine)

    @pytest.mark.slow
    @pytest.mark.parametrize("change", ["update", "delete", "fold"])
    def test_a_stale_stock_overwrite(self, engine: Engine, change: str) -> None:
        """It rewrites a file that we have replaced meanwhile: it must not bring rows back."""
        rows = things(8)
        for row in rows:
            insert(engine, [row])
        with stock_catalog(engine) as catalog:
            table = catalog.load_table("lake.thing")
            transaction = table.transaction()
            transaction.delete(f"n == {rows[2]['n']} or n == {rows[6]['n']}")
            kept = {r["uid"] for r in rows}
            if change == "update":
                update(engine, rows[2], name="ours")
            elif change == "delete":
                delete(engine, [rows[2]["uid"], rows[6]["uid"]])
                kept -= {rows[2]["uid"], rows[6]["uid"]}
            else:
                more = things(12, 100)
                for row in more:
                    insert(engine, [row])
                    kept.add(row["uid"])
            committed = True
            try:
                transaction.commit_transaction()
            except (CommitFailedException, ValidationException):
                committed = False
        found = [r["uid"] for r in read(engine.state())]
        assert len(set(found)) == len(found)
        gone = {rows[2]["uid"], rows[6]["uid"]} if committed else set()
        assert set(found) == kept - gone
        insert(engine, [thing(900)])
        check(engine)

    @pytest.mark.slow
    def test_a_race(self, engine: Engine) -> None:
        """A stock writer doesn't know our lock; the pointers' comparison finds it out."""
        insert(engine, [thing(0)])
        appended = 0

        def append() -> None:
            nonlocal appended
            with stock_catalog(engine) as catalog:
                for i in range(6):
                    row = thing(1_000 + i)
                    # it gives up after four retries, or when five commits have overtaken it
                    with suppress(CommitFailedException, ValidationException):
                        catalog.load_table("lake.thing").append(stock_rows(catalog, [row]))
                        appended += 1

        other = threading.Thread(target=append)
        other.start()
        mine = 0
        while other.is_alive():
            mine += 1
            insert(engine, [thing(mine)])
            time.sleep(0.05)
        other.join()
        assert appended > 0
        assert engine.state().count("thing") == 1 + mine + appended
        insert(engine, [thing(5_000)])
        numbers = [r["n"] for r in read(engine.state())]
        assert all(engine.holder("thing", ("n",), (n,)) for n in numbers)
        check(engine)


def test_a_stock_writer_on_postgres(tmp_path: Path, postgres_url: str) -> None:
    schema = f"stock_{new_uid()}"
    engine = Engine.create(str(tmp_path / "lake"), SPECS, db=f"{postgres_url}&schema={schema}")
    ours, stranger = thing(1, name="ours", kind="x"), thing(2, name="theirs", kind="x")
    insert(engine, [ours])
    assert engine.state().count("thing") == 1
    uri = postgres_url.replace("postgresql://", "postgresql+psycopg://")
    catalog = SqlCatalog("lakehouse", uri=f'{uri}&options=-csearch_path%3D"{schema}"')
    catalog.load_table("lake.thing").append(stock_rows(catalog, [stranger]))
    assert engine.state().rows("thing", [stranger["uid"]]) == [stranger]
    insert(engine, [thing(3)])
    assert engine.holder("thing", ("name", "kind"), ("theirs", "x")) == stranger["uid"]
    assert engine.log(2)[1].message == FOREIGN
    table = catalog.load_table("lake.thing")
    catalog.engine.dispose()
    assert rows_of(table.scan().to_arrow()) == rows_of(engine.state().arrow("thing"))
    engine.close()


def stock_rows(catalog: object, rows: list[dict[str, object]]) -> pa.Table:
    """Rows as a stock writer has them: an Arrow table of the Iceberg schema."""
    plain = THING.encode_rows(rows)
    schema = catalog.load_table("lake.thing").schema().as_arrow()  # type: ignore[attr-defined]
    return plain.cast(schema)


def test_all_kinds_of_values_are_there() -> None:
    """The rows that the tests write hold nulls and every type."""
    rows = things(200)
    for column in THING.column_names[1:]:
        if column not in ("name", "n"):
            assert any(row[column] is None for row in rows)
        assert any(row[column] is not None for row in rows)
    assert any(r["at"] and r["at"] < datetime(1970, 1, 1, tzinfo=UTC) for r in rows)
