"""Tables that aren't made yet: seen as empty by us, not there for others, made by the first row."""

from __future__ import annotations

import multiprocessing
import os
import sqlite3
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import polars as pl
import pyarrow as pa
import pytest
from pyiceberg.catalog.sql import SqlCatalog

from lakehouse.engine import Changes, Engine, TableSpec
from lakehouse.engine.commit.references import Reference
from lakehouse.engine.health.check import TableCheck
from lakehouse.engine.health.repair import TableRepair
from lakehouse.engine.table.spec import Column
from lakehouse.errors import (
    CommitConflict,
    IntegrityError,
    KeyConflict,
    LakeCorrupt,
    ProtectedRecord,
    RowConflict,
    UnknownField,
)
from lakehouse.identity import new_uid, new_uids
from tests.engine import openness
from tests.engine.lakes import (
    LIMITS,
    LINK,
    SPECS,
    THING,
    files_below,
    insert,
    names,
    read,
    thing,
    things,
    update,
)

FORK = multiprocessing.get_context("fork")


def both(row: dict[str, Any]) -> Changes:
    """A row in each of the two tables."""
    changes = Changes()
    changes.insert("thing", [row])
    changes.insert("link", [{"uid": new_uid(), "thing_uid": row["uid"], "n": 1}])
    return changes


def folders(engine: Engine) -> set[str]:
    """The tables that have a folder."""
    place = Path(engine.folder, "tables")
    return {path.name for path in place.iterdir()} if place.exists() else set()


class TestReading:
    def test_a_new_lake_has_no_table(self, engine: Engine) -> None:
        assert folders(engine) == set()
        assert engine.state().pointers == {}
        (commit,) = engine.log()
        assert (commit.seq, commit.message, commit.tables) == (0, "lake created", ())

    def test_every_reader_sees_the_columns_and_no_row(self, engine: Engine) -> None:
        insert(engine, [{"uid": new_uid(), "n": 1}], "link")
        for state in (engine.state(), engine.state_at(0), engine.state_at(1)):
            assert state.tables == ("link", "thing")
            rows = state.arrow("thing")
            assert (rows.num_rows, state.count("thing"), state.files("thing")) == (0, 0, [])
            types = {c.name: c.arrow_type for c in THING.columns}
            assert dict(zip(rows.schema.names, rows.schema.types, strict=True)) == types
            assert state.row("thing", "x") is None
            assert state.rows("thing", ["x"] * 100) == state.prefix("thing", "") == []
            assert state.in_memory("thing")
            assert state.scan("thing").collect().schema == pl.from_arrow(rows).schema  # type: ignore[union-attr]
            found = state.sql("SELECT *, (SELECT count(*) FROM thing) FROM thing")
            assert found.columns[:-1] == list(THING.column_names)
            assert found.fetchall() == []
        assert engine.state_at(0).count("link") == 0
        assert engine.state_at(1).count("link") == 1

    def test_no_table_of_the_lake(self, engine: Engine) -> None:
        with pytest.raises(UnknownField, match=r"no table 'thin'[\s\S]*thing"):
            engine.state().arrow("thin")

    def test_an_open_state_stays_empty(self, engine: Engine) -> None:
        before = engine.state()
        row = thing(1)
        insert(engine, [row])
        assert (before.count("thing"), engine.state().count("thing")) == (0, 1)
        assert before.sql("SELECT * FROM thing").fetchall() == []

    def test_others_see_no_table(self, lake: Engine) -> None:
        openness.check(lake)
        insert(lake, [thing(1)])
        openness.check(lake)
        assert folders(lake) == {"thing"}

    def test_a_check_finds_nothing_wrong(self, lake: Engine) -> None:
        insert(lake, [thing(1)])
        for deep in (False, True):
            report = TableCheck(lake.site(), deep=deep).run()
            assert report.ok, str(report)
            assert report.notes == report.orphans == []
            assert report.checked["tables"] == 1
        assert TableRepair(lake.site(), dry_run=False).run().steps == []
        report_of_gc = lake.gc(keep=1, min_age=0)
        assert (report_of_gc.superseded, report_of_gc.orphans) == ((), ())
        assert lake.state().pointers.keys() == {"thing"}


class TestFirstWrite:
    def test_only_what_is_written_is_made(self, engine: Engine) -> None:
        row = thing(1)
        assert insert(engine, [row]).tables == ("thing",)
        assert read(engine.state()) == read(Engine.open(engine.root, SPECS).state())
        assert folders(engine) == engine.state().pointers.keys() == {"thing"}
        # nothing before it is named, as if it were a version of the table
        metadata = engine.state().version("thing").metadata
        assert metadata["metadata-log"] == []
        assert len(metadata["snapshots"]) == 1
        assert "parent-snapshot-id" not in metadata["snapshots"][0]
        assert Path(engine.state().pointers["thing"]).name.startswith("00000-")

    def test_all_or_nothing(self, engine: Engine) -> None:
        insert(engine, [{"uid": "L1", "n": 1}], "link")
        changes = Changes()
        changes.insert("thing", [thing(1)])
        changes.insert("link", [{"uid": "L1", "n": 2}])
        with pytest.raises(KeyConflict):
            engine.commit(changes)
        taken = Changes()
        taken.insert("thing", [thing(1), thing(2, n=1 - 2**40)])  # one key twice
        with pytest.raises(KeyConflict):
            engine.commit(taken)
        assert engine.state().pointers.keys() == {"link"}
        engine.commit(both(thing(1)))
        assert (engine.state().count("thing"), engine.state().count("link")) == (1, 2)

    def test_changes_of_rows_that_are_nowhere(self, engine: Engine) -> None:
        with pytest.raises(RowConflict, match="deleted meanwhile"):
            update(engine, thing(1), name="x")
        changes = Changes()
        changes.delete("thing", ["nobody"])
        changes.insert("link", [{"uid": "L1", "n": 1}])
        engine.commit(changes)
        assert engine.state().pointers.keys() == {"link"}

    @pytest.mark.parametrize("rows", [1, 400])
    @pytest.mark.parametrize("arrow", [False, True])
    @pytest.mark.parametrize("if_absent", [False, True])
    def test_every_kind_of_insert(
        self, tmp_path: Path, rows: int, *, arrow: bool, if_absent: bool
    ) -> None:
        engine = Engine.create(str(tmp_path / "lake"), SPECS, limits=LIMITS["tiny"])
        new = things(rows)
        changes = Changes()
        table = THING.encode_rows(new) if arrow else new
        changes.insert("thing", table, if_absent=if_absent)
        engine.commit(changes)
        assert engine.state().rows("thing", [r["uid"] for r in new]) == new
        assert engine.holder("thing", ("n",), (new[-1]["n"],)) == new[-1]["uid"]
        openness.check(engine)
        report = engine.gc(min_age=0)
        assert (report.superseded, report.orphans) == ((), ())
        engine.close()

    def test_expected_to_be_unmade(self, engine: Engine) -> None:
        changes = both(thing(1))
        changes.expect_table("link", engine.state().pointers.get("link"))
        engine.commit(changes)
        late = both(thing(2))
        late.expect_table("link", None)
        with pytest.raises(CommitConflict, match="decided from"):
            engine.commit(late)
        assert engine.state().count("thing") == 1

    def test_checks_see_it_empty(self, engine: Engine) -> None:
        seen = []
        changes = both(thing(1))
        changes.check(lambda version: seen.append(version("link").arrow().num_rows))
        engine.commit(changes)
        assert seen == [0]


def _first_of(root: str, db: str | None, start: Any, limits: str, n: int) -> None:
    engine = Engine.open(root, SPECS, db=db, limits=LIMITS[limits])
    start.wait(30)
    changes = Changes()
    for i in range(2 if limits == "normal" else 150):
        row = thing(1_000 * n + i)
        changes.insert("thing", THING.encode_rows([row]) if i % 2 else [row])
        changes.insert("link", [{"uid": new_uid(), "thing_uid": row["uid"], "n": n}])
    engine.commit(changes)
    engine.close()


class TestTwoAtOnce:
    @pytest.mark.parametrize("limits", ["normal", "tiny"])
    def test_processes_make_the_same_tables(
        self, tmp_path: Path, db: str | None, limits: str
    ) -> None:
        """One makes them, the others write to them; nobody fails and nobody's row is lost."""
        engine = Engine.create(str(tmp_path / "lake"), SPECS, db=db)
        start = FORK.Barrier(4)
        writers = [
            FORK.Process(target=_first_of, args=(engine.root, db, start, limits, n))
            for n in range(4)
        ]
        for writer in writers:
            writer.start()
        for writer in writers:
            writer.join()
        assert [w.exitcode for w in writers] == [0] * 4
        each = 2 if limits == "normal" else 150
        rows = engine.state().arrow("link")["n"].to_pylist()
        assert sorted(rows) == sorted([0, 1, 2, 3] * each)
        assert engine.state().count("thing") == 4 * each
        for table in SPECS:  # one table, not one per process
            made = {
                engine.state_at(seq).version(table.name).metadata["table-uuid"]
                for seq in range(1, 5)
            }
            assert len(made) == 1
        report = TableCheck(engine.site(), deep=True).run()
        assert report.ok, str(report)
        engine.gc(min_age=0)
        assert engine.state().count("thing") == 4 * each
        engine.close()

    def test_a_bulk_insert_beside_other_code(self, tmp_path: Path) -> None:
        """Its files were written with the field ids of a table that others made otherwise."""
        mine = TableSpec("thing", THING.columns, THING.unique)
        reverse = (THING.columns[0], *THING.columns[:0:-1])
        theirs = TableSpec("thing", (*reverse[:4], *reverse[6:]), ())
        limits = LIMITS["tiny"]
        engine = Engine.create(str(tmp_path / "lake"), [mine], limits=limits)
        other = Engine.open(engine.root, [theirs])
        rows = things(200)
        race = engine._committer._race

        def overtaken(*args: Any) -> Any:
            insert(other, [{"uid": "0other", "kind": "theirs"}])
            return race(*args)

        engine._committer._race = overtaken  # type: ignore[method-assign]
        insert(engine, rows)
        state = engine.state()
        assert state.rows("thing", [r["uid"] for r in rows]) == rows
        assert state.row("thing", "0other") == {
            **dict.fromkeys(THING.column_names),
            "uid": "0other",
            "kind": "theirs",
        }
        fresh = Engine.open(engine.root, [mine])
        assert fresh.state().rows("thing", [r["uid"] for r in rows]) == rows
        openness.check(fresh, ("thing",))
        report = engine.gc(keep=1, min_age=0)  # what was prepared in vain is noted, not found
        assert report.orphans == ()
        assert report.superseded
        assert len(files_below(Path(engine.folder), [".parquet"])) == len(
            engine.state().files("thing")
        )
        assert TableCheck(engine.site(), deep=True).run().ok
        for one in (engine, other, fresh):
            one.close()

    def test_many_rows_into_what_other_code_makes_without_a_column(
        self, engine: Engine, db: str | None
    ) -> None:
        """Files of many rows are written before the lock, when the column isn't there yet."""
        narrow = TableSpec("thing", THING.columns[:3], (("name", "kind"),))
        other = Engine.open(engine.root, [narrow], db=db)
        insert(other, [{"uid": "A", "name": "a"}])
        rows = things(LIMITS["normal"].bulk_rows + 5)
        insert(engine, rows)
        assert engine.state().count("thing") == len(rows) + 1
        assert engine.state().row("thing", rows[-1]["uid"]) == rows[-1]
        other.close()

    def test_other_code_makes_it_without_a_column(self, engine: Engine, db: str | None) -> None:
        narrow = TableSpec("thing", THING.columns[:3], (("name", "kind"),))
        other = Engine.open(engine.root, [narrow], db=db)
        insert(other, [{"uid": "A", "name": "a"}])
        assert engine.state().row("thing", "A") == {
            **dict.fromkeys(THING.column_names),
            "uid": "A",
            "name": "a",
        }
        row = thing(3)
        insert(engine, [row])
        assert engine.state().row("thing", row["uid"]) == row
        assert [c.message for c in engine.log(3)] == ["", "schema evolved", ""]
        assert engine.state_at(1).count("thing") == 1
        other.close()

    def test_who_deletes_meets_a_reference_in_a_table_made_meanwhile(self, engine: Engine) -> None:
        """When the deletion was decided there was no table that could name the row."""
        row = thing(1)
        insert(engine, [row])
        changes = Changes()
        changes.delete("thing", [row["uid"]])
        changes.references = lambda table: (
            [Reference("thing_uid", "thing")] if table == "link" else []
        )
        changes.decided = dict(engine.state().pointers)
        insert(engine, [{"uid": "L1", "thing_uid": row["uid"]}], "link")
        with pytest.raises(ProtectedRecord, match="meanwhile"):
            engine.commit(changes)
        assert engine.state().count("thing") == 1


def _ends(engine: Engine, where: str) -> None:
    """Let the process die at a step of its next commit."""

    def dying(step: Callable[..., Any], *, after: bool) -> Callable[..., Any]:
        def run(*args: Any, **kwargs: Any) -> Any:
            if after:
                step(*args, **kwargs)
            os._exit(9)

        return run

    files = engine._files
    if where == "half written":

        def half(writes: Any) -> None:
            type(files).write(files, list(writes)[: len(writes) // 2])
            os._exit(9)

        files.write = half  # type: ignore[method-assign]
    elif where == "written":
        files.write = dying(files.write, after=True)  # type: ignore[method-assign]
    else:
        catalog = engine._catalog
        turn = type(catalog).exclusive

        def exclusive() -> Any:
            manager = turn(catalog)
            enter = manager.__enter__

            class Turn:
                def __enter__(self) -> Any:
                    held = enter()
                    held.swap = dying(held.swap, after=True)
                    return held

                def __exit__(self, *exc: object) -> Any:
                    return manager.__exit__(*exc)  # type: ignore[arg-type]

            return Turn()

        catalog.exclusive = exclusive  # type: ignore[method-assign]


def _killed(root: str, db: str | None, where: str) -> None:
    engine = Engine.open(root, SPECS, db=db)
    _ends(engine, where)
    engine.commit(both(thing(1)))


@pytest.mark.faults
@pytest.mark.parametrize("where", ["half written", "written", "swapped"])
def test_a_first_write_that_is_killed(tmp_path: Path, db: str | None, where: str) -> None:
    engine = Engine.create(str(tmp_path / "lake"), SPECS, db=db)
    victim = FORK.Process(target=_killed, args=(engine.root, db, where))
    victim.start()
    victim.join()
    assert victim.exitcode == 9
    there = where == "swapped"
    for reader in (engine, Engine.open(engine.root, SPECS, db=db)):
        state = reader.state()
        assert state.pointers.keys() == ({"thing", "link"} if there else set())
        assert state.count("thing") == state.count("link") == there
    report = TableCheck(engine.site(), deep=True).run()
    assert report.ok, str(report)
    assert bool(report.orphans) is not there
    row = thing(2)
    engine.commit(both(row))  # names of the dead one's files are no hindrance
    removed = engine.gc(min_age=0)
    assert bool(removed.orphans) is not there
    assert engine.state().row("thing", row["uid"]) == row
    assert engine.state().count("thing") == engine.state().count("link") == 1 + there
    assert TableCheck(engine.site(), deep=True).run().orphans == []
    engine.close()


class TestLost:
    """A table that was written to and has no pointer isn't one that isn't made yet."""

    @pytest.fixture
    def robbed(self, lake: Engine) -> Engine:
        lake.commit(both(thing(1)))
        with sqlite3.connect(f"{lake.folder}/catalog.db") as db:
            db.execute("DELETE FROM iceberg_tables WHERE table_name = 'link'")
        db.close()
        return lake

    def test_is_told_by_all(self, robbed: Engine) -> None:
        lost = "has lost the table 'link'"
        with pytest.raises(LakeCorrupt, match=lost):
            Engine.open(robbed.root, SPECS)
        with pytest.raises(LakeCorrupt, match=lost):
            robbed.state()
        with pytest.raises(LakeCorrupt, match=lost):
            insert(robbed, [{"uid": new_uid()}], "link")
        report = TableCheck(robbed.site(), deep=True).run()
        assert [d.table for d in report.damages] == ["link"]

    def test_is_repaired(self, robbed: Engine) -> None:
        report = TableRepair(robbed.site(), dry_run=False).run()
        assert any("pointer is set again" in step for step in report.steps)
        again = Engine.open(robbed.root, SPECS)
        assert again.state().count("link") == 1
        again.close()

    def test_a_lost_catalog_leaves_them_unmade(self, lake: Engine) -> None:
        row = thing(1)
        insert(lake, [row])
        lake.close()
        for path in Path(lake.folder).glob("catalog.db*"):
            path.unlink()
        site = type(lake.site()).find(lake.root, SPECS)
        TableRepair(site, dry_run=False).run()
        site.close()
        again = Engine.open(lake.root, SPECS)
        assert again.state().pointers.keys() == {"thing"}
        assert again.state().row("thing", row["uid"]) == row
        insert(again, [{"uid": new_uid()}], "link")
        again.close()

    def test_a_reference_to_a_row_of_an_unmade_table_is_mended(self, lake: Engine) -> None:
        insert(lake, [{"uid": "L1", "thing_uid": "nobody"}], "link")
        references = lambda table: (  # noqa: E731
            [Reference("thing_uid", "thing", replaceable=True)] if table == "link" else []
        )
        report = TableRepair(lake.site(), dry_run=False, references=references).run()
        assert any("aren't there" in step for step in report.steps)
        again = Engine.open(lake.root, SPECS)
        assert again.state().row("link", "L1") == {"uid": "L1", "thing_uid": None, "n": None}
        assert TableRepair(again.site(), dry_run=True, references=references).run().steps == []
        again.close()


class TestStockWriters:
    """Another engine may make a table before we do."""

    def made(self, engine: Engine, columns: tuple[Column, ...]) -> None:
        spec = replace(THING, columns=columns, unique=())
        rows = spec.encode_rows([{"uid": uid, "name": uid[-3:]} for uid in new_uids(2)])
        with openness.stock_catalog(engine) as catalog:
            place = f"{engine.folder}/tables/thing"
            catalog.create_table("lake.thing", rows.schema, place).append(rows)

    def test_its_rows_and_keys_are_entered(self, lake: Engine) -> None:
        self.made(lake, (THING.columns[0], THING.columns[2], THING.columns[1]))
        theirs = read(lake.state())
        assert len(theirs) == 2
        assert theirs[0].keys() == set(THING.column_names)
        row = thing(5)
        insert(lake, [row])
        assert lake.state().row("thing", row["uid"]) == row
        key = ("name", "kind"), (theirs[0]["name"], None)
        assert lake.holder("thing", *key) == theirs[0]["uid"]
        assert len(names(lake.state())) == 3

    def test_without_uids_in_front(self, lake: Engine) -> None:
        with openness.stock_catalog(lake) as catalog:
            assert isinstance(catalog, SqlCatalog)
            rows = pa.table({"name": ["a"], "uid": ["b"]})
            catalog.create_table("lake.thing", rows.schema, f"{lake.folder}/tables/thing").append(
                rows
            )
        with pytest.raises(IntegrityError, match="with other columns"):
            insert(lake, [thing(1)])
        insert(Engine.open(lake.root, [LINK]), [{"uid": "L1"}], "link")
