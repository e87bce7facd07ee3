"""Creating, changing and reading a lake, over each catalog."""

from __future__ import annotations

import multiprocessing
import os
import threading
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from pyiceberg.table import StaticTable

from lakehouse.engine import Changes, Engine, Limits, TableSpec
from lakehouse.engine.catalog.place import MARKER
from lakehouse.errors import (
    CommitConflict,
    IntegrityError,
    InvalidArgument,
    KeyConflict,
    LakeExists,
    LakeNotFound,
    LakeTooNew,
    LookupFailed,
    RowConflict,
    UnknownField,
)
from lakehouse.identity import new_uid, new_uids
from tests.engine.lakes import (
    LIMITS,
    LINK,
    SPECS,
    THING,
    WIDER,
    delete,
    files_below,
    insert,
    names,
    read,
    thing,
    things,
    update,
)


class TestMaking:
    def test_create_and_open(self, tmp_path: Path, db: str | None) -> None:
        root = str(tmp_path / "lake")
        made = Engine.create(root, SPECS, db=db, info={"name": "Zoë's", "numbers": [1, None]})
        opened = Engine.open(root, SPECS, db=db)
        assert opened.uid == made.uid
        assert opened.root == made.root == root
        assert (opened.info["name"], opened.info["numbers"]) == ("Zoë's", [1, None])
        assert opened.state().tables == ("link", "thing")
        assert opened.state().count("thing") == 0
        assert opened.state().arrow("thing").schema.names == list(THING.column_names)
        assert [c.message for c in opened.log()] == ["lake created"]
        opened.set_info(name="other")
        made.close()
        assert made.info["name"] in ("other", "Zoë's")
        opened.close()

    def test_a_second_lake_in_the_same_place(self, engine: Engine, db: str | None) -> None:
        with pytest.raises(LakeExists, match="already is a lake"):
            Engine.create(engine.root, SPECS, db=db)

    def test_a_second_lake_in_the_same_catalog(
        self, tmp_path: Path, engine: Engine, db: str | None
    ) -> None:
        url = db or f"sqlite:///{engine.folder}/catalog.db"
        with pytest.raises(LakeExists, match="already holds a lake"):
            Engine.create(str(tmp_path / "other"), SPECS, db=url)
        assert Engine.open(engine.root, SPECS).uid == engine.uid

    def test_no_lake(self, tmp_path: Path) -> None:
        with pytest.raises(LakeNotFound, match="no lake") as error:
            Engine.open(str(tmp_path), SPECS)
        assert "lakehouse init" in str(error.value)
        assert list(tmp_path.iterdir()) == []

    @pytest.mark.parametrize("cut", ["before the tables", "before the marker"])
    def test_a_creation_cut_short_is_completed(
        self, tmp_path: Path, db: str | None, cut: str
    ) -> None:
        root = str(tmp_path / "lake")
        first = Engine.create(root, SPECS if cut == "before the marker" else [], db=db)
        uid = first.uid
        first.close()
        os.unlink(f"{root}/.lakehouse/{MARKER}")
        with pytest.raises(LakeNotFound):
            Engine.open(root, SPECS, db=db)
        second = Engine.create(root, SPECS, db=db)
        assert second.uid == uid
        insert(second, [thing(1)])
        assert Engine.open(root, SPECS, db=db).state().count("thing") == 1

    def test_the_marker_names_the_catalog_without_its_password(
        self, tmp_path: Path, postgres_url: str
    ) -> None:
        schema = f"m_{new_uid()}"
        url = f"{postgres_url.replace('postgres:@', 'postgres:s3cret@')}&schema={schema}"
        engine = Engine.create(str(tmp_path), SPECS, db=url)
        assert "s3cret" not in (tmp_path / ".lakehouse" / MARKER).read_text()
        insert(engine, [thing(1)])
        assert Engine.open(str(tmp_path), SPECS).state().count("thing") == 1

    def test_a_lake_made_by_a_newer_version(self, engine: Engine, db: str | None) -> None:
        engine.set_info(format=99)
        with pytest.raises(LakeTooNew, match="newer version") as error:
            Engine.open(engine.root, SPECS, db=db)
        assert "pip install --upgrade" in str(error.value)

    def test_an_unknown_catalog(self, tmp_path: Path) -> None:
        with pytest.raises(InvalidArgument, match="no catalog for this") as error:
            Engine.create(str(tmp_path / "lake"), SPECS, db="mysql://user:s3cret@host/db")
        assert "s3cret" not in str(error.value)

    def test_bad_specifications(self) -> None:
        from tests.engine.lakes import ThingRow

        with pytest.raises(InvalidArgument, match="names no column"):
            TableSpec.from_model("thing", ThingRow, unique=(("nme",),))


class TestChanging:
    def test_insert_update_delete(self, engine: Engine) -> None:
        rows = [thing(i) for i in range(5)]
        first = insert(engine, rows, message="five", user="zoe", run="r1")
        assert (first.seq, first.tables, first.user) == (1, ("thing",), "zoe")
        assert engine.log(1) == [first]
        state = engine.state()
        assert state.seq == 1
        assert state.rows("thing", [r["uid"] for r in reversed(rows)]) == rows[::-1]
        assert state.row("thing", rows[2]["uid"]) == rows[2]
        assert state.row("thing", "nobody") is None
        update(engine, rows[2], name="new", tags=["a"], extra={"k": 2}, weight=None)
        changed = {**rows[2], "name": "new", "tags": ["a"], "extra": {"k": 2}, "weight": None}
        assert engine.state().row("thing", rows[2]["uid"]) == changed
        assert state.row("thing", rows[2]["uid"]) == rows[2]
        delete(engine, [rows[0]["uid"], "nobody", rows[4]["uid"]])
        assert engine.state().count("thing") == 3
        assert engine.state().row("thing", rows[0]["uid"]) is None
        assert state.count("thing") == 5

    def test_insert_if_absent(self, engine: Engine) -> None:
        rows = [{"uid": uid, "n": i} for i, uid in enumerate(new_uids(3))]
        for some in (rows[:2], rows, rows):
            changes = Changes()
            changes.insert("link", [{**r, "n": r["n"] + 10} for r in some], if_absent=True)
            changes.insert("link", pa.Table.from_pylist(some), if_absent=True)
            engine.commit(changes)
        assert [r["n"] for r in read(engine.state(), "link")] == [10, 11, 12]

    def test_a_uid_is_there_once(self, engine: Engine) -> None:
        row = thing(1)
        insert(engine, [row])
        with pytest.raises(KeyConflict, match="exist already") as error:
            insert(engine, [thing(2), thing(3, uid=row["uid"])])
        assert error.value.taken == ((row["uid"], row["uid"]),)
        twice = thing(4)
        with pytest.raises(KeyConflict, match="exist already"):
            insert(engine, [twice, {**twice, "name": "other", "n": 0}])
        changes = Changes()  # but a row may be replaced
        changes.delete("thing", [row["uid"]])
        changes.insert("thing", [{**row, "name": "replaced"}])
        engine.commit(changes)
        assert names(engine.state()) == ["replaced"]

    def test_all_or_nothing_over_tables(self, engine: Engine) -> None:
        row = thing(1)
        insert(engine, [row])
        changes = Changes()
        changes.insert("link", [{"uid": new_uid(), "thing_uid": row["uid"]}])
        changes.update("thing", row["uid"], {"name": "changed"})
        changes.insert("thing", [thing(2, n=row["n"])])
        with pytest.raises(KeyConflict):
            engine.commit(changes)
        assert engine.state().count("link") == 0
        assert names(engine.state()) == [row["name"]]
        assert [c.seq for c in engine.log()] == [1, 0]
        changes.tables["thing"].inserts.clear()
        assert engine.commit(changes).tables == ("link", "thing")
        assert engine.state().count("link") == 1
        assert names(engine.state()) == ["changed"]

    @pytest.mark.parametrize(
        ("row", "message"),
        [
            ({"name": "no uid"}, "no uid"),
            ({"uid": "u", "nam": 1}, "no column"),
            ({"uid": "u", "n": "three"}, "'n'.*takes long"),
            ({"uid": "u", "n": 2**63}, "'n'.*takes long"),
            ({"uid": "u", "at": "yesterday"}, "'at'.*takes timestamptz"),
            ({"uid": "u", "name": "\ud800"}, "'name'.*takes string"),
        ],
    )
    def test_rows_that_don_t_fit(self, engine: Engine, row: dict[str, Any], message: str) -> None:
        with pytest.raises(InvalidArgument, match=message):
            insert(engine, [row])
        assert engine.state().seq == 0

    def test_tables_that_don_t_fit(self, engine: Engine) -> None:
        for table, message in [
            (pa.table({"uid": ["u"], "nam": [1]}), "no column"),
            (pa.table({"uid": ["u"], "n": ["three"]}), "'n'.*takes int64"),
            (pa.table({"n": [3]}), "no uid"),
            (pa.table({"uid": pa.array(["u", None])}), "no uid"),
        ]:
            changes = Changes()
            changes.insert("thing", table)
            with pytest.raises(InvalidArgument, match=message):
                engine.commit(changes)

    def test_changes_that_make_no_sense(self, engine: Engine) -> None:
        row = thing(1)
        insert(engine, [row])
        with pytest.raises(InvalidArgument, match="nothing to commit"):
            engine.commit(Changes())
        with pytest.raises(InvalidArgument, match="no table 'thng'"):
            insert(engine, [row], table="thng")
        for new, message in [
            ({"uid": "other"}, "never changes"),
            ({"nme": 1}, "no column 'nme'"),
            ({"n": "x"}, "takes int64"),
            ({"n": 2**64}, "takes int64"),
        ]:
            with pytest.raises(InvalidArgument, match=message):
                update(engine, row, **new)
        changes = Changes()
        changes.update("thing", row["uid"], {"name": "x"})
        changes.delete("thing", [row["uid"]])
        with pytest.raises(IntegrityError, match="updated and deleted"):
            engine.commit(changes)
        with pytest.raises(UnknownField, match="thng") as error:
            engine.state().arrow("thng")
        assert "thing" in str(error.value)

    @pytest.mark.parametrize("count", [1, 1_500])
    def test_a_refused_commit_leaves_no_files(self, engine: Engine, count: int) -> None:
        row = thing(0)
        insert(engine, [row])
        before = files_below(Path(engine.folder) / "tables")
        rows = things(count, 1)
        for last in ({**thing(9_999), "n": row["n"]}, {**thing(9_999), "uid": row["uid"]}):
            with pytest.raises(KeyConflict):
                insert(engine, [*rows, last])
        changes = Changes()
        changes.insert("thing", rows)
        changes.update("thing", row["uid"], {"name": "x"}, {"name": "y"})
        with pytest.raises(RowConflict):
            engine.commit(changes)
        assert files_below(Path(engine.folder) / "tables") == before

    def test_many_rows_many_files(self, tmp_path: Path, db: str | None) -> None:
        engine = Engine.create(str(tmp_path / "lake"), SPECS, db=db, limits=LIMITS["tiny"])
        rows = things(2_500)
        insert(engine, rows[:2_000])
        for row in rows[2_000:2_030]:
            insert(engine, [row])
        insert(engine, rows[2_030:])
        delete(engine, [r["uid"] for r in rows[100:1_100]])
        kept = rows[:100] + rows[1_100:]
        for row in kept[5:1_500:300]:
            update(engine, row, name=f"changed {row['n']}")
            row["name"] = f"changed {row['n']}"
        state = engine.state()
        assert state.count("thing") == 1_500
        assert len(state.files("thing")) > 5
        assert state.rows("thing", [r["uid"] for r in kept]) == kept
        for row in kept[::97]:
            assert state.row("thing", row["uid"]) == row
            assert state.prefix("thing", row["uid"][:-1], 99) == [
                r for r in kept if r["uid"].startswith(row["uid"][:-1])
            ]
        with pytest.raises(KeyConflict):
            insert(engine, [thing(9, name=kept[-1]["name"], kind=kept[-1]["kind"], n=1)])
        taken = {r["n"] for r in kept}
        assert engine.holder("thing", ("n",), (rows[100]["n"],)) is None
        assert all(engine.holder("thing", ("n",), (n,)) for n in sorted(taken)[::200])
        insert(engine, rows[100:1_100])
        assert engine.state().count("thing") == 2_500
        engine.close()


class TestUniqueKeys:
    def test_taken_by_another_row(self, engine: Engine) -> None:
        row = thing(1, name="a", kind="x")
        insert(engine, [row])
        with pytest.raises(KeyConflict, match="already taken") as error:
            insert(engine, [thing(2, name="a", kind="x")])
        assert error.value.table == "thing"
        assert [uid for _, uid in error.value.taken] == [row["uid"]]
        assert "name, kind = 'a, x'" in str(error.value)
        insert(engine, [thing(3, name="a", kind="y")])
        insert(engine, [thing(4, name="a", kind=None)])
        with pytest.raises(KeyConflict):  # a null after the first column counts as empty text
            insert(engine, [thing(5, name="a", kind="")])

    def test_claimed_twice_in_one_commit(self, engine: Engine) -> None:
        with pytest.raises(KeyConflict):
            insert(engine, [thing(1, name="a", kind="x"), thing(2, name="a", kind="x")])
        assert engine.state().count("thing") == 0

    def test_null_claims_nothing(self, engine: Engine) -> None:
        insert(engine, [thing(i, name=None, n=None) for i in range(3)])
        insert(engine, [thing(4, name=None, n=None)])
        assert engine.state().count("thing") == 4

    def test_released_by_delete_and_update(self, engine: Engine) -> None:
        first, second = thing(1, name="a", kind="x"), thing(2, name="b", kind="x")
        insert(engine, [first, second])
        assert engine.holder("thing", ("name", "kind"), ("a", "x")) == first["uid"]
        update(engine, first, name="c")
        assert engine.holder("thing", ("name", "kind"), ("a", "x")) is None
        assert engine.holder("thing", ("name", "kind"), ("c", "x")) == first["uid"]
        delete(engine, [second["uid"]])
        insert(engine, [thing(3, name="a", kind="x"), thing(2, name="b", kind="x")])
        update(engine, {**first, "name": "c"}, name=None)
        insert(engine, [thing(5, name="c", kind="x")])
        with pytest.raises(KeyConflict):
            update(engine, {**first, "name": None}, name="a")

    def test_two_rows_exchange_names(self, engine: Engine) -> None:
        a, b = thing(1, name="a", kind="x"), thing(2, name="b", kind="x")
        insert(engine, [a, b])
        changes = Changes()
        changes.update("thing", a["uid"], {"name": "b"}, {"name": "a"})
        changes.update("thing", b["uid"], {"name": "a"}, {"name": "b"})
        engine.commit(changes)
        assert engine.holder("thing", ("name", "kind"), ("a", "x")) == b["uid"]
        assert engine.holder("thing", ("name", "kind"), ("b", "x")) == a["uid"]

    def test_keys_of_every_type(self, tmp_path: Path, db: str | None) -> None:
        columns = ("flag", "weight", "at", "day")
        spec = TableSpec("thing", THING.columns, unique=tuple((c,) for c in columns))
        engine = Engine.create(str(tmp_path / "lake"), [spec], db=db)
        row = thing(4, weight=1.0)
        assert all(row[c] is not None for c in columns if c != "at")
        row["at"] = datetime(2026, 1, 2, 3, 4, 5, 6, tzinfo=UTC)
        insert(engine, [row])
        for column in columns:
            assert engine.holder("thing", (column,), (row[column],)) == row["uid"]
            with pytest.raises(KeyConflict):
                insert(engine, [{"uid": new_uid(), column: row[column]}])
        delete(engine, [row["uid"]])
        insert(engine, [row])
        engine.close()

    def test_very_long_values(self, engine: Engine) -> None:
        long = "ü" * 20_000
        row = thing(1, name=long)
        insert(engine, [row, thing(2, name=long + "x")])
        assert engine.holder("thing", ("name", "kind"), (long, row["kind"])) == row["uid"]
        with pytest.raises(KeyConflict):
            insert(engine, [thing(1, name=long, n=0)])
        update(engine, row, name="short")
        insert(engine, [thing(1, name=long, n=0)])

    def test_claims_beyond_the_specification(self, engine: Engine) -> None:
        changes = Changes()
        row = thing(1)
        changes.insert("thing", [row])
        changes.claim("thing", "thing.family\x1fabc", row["uid"])
        engine.commit(changes)
        other = Changes()
        other.insert("thing", [thing(2)])
        other.claim("thing", "thing.family\x1fabc", "u")
        with pytest.raises(KeyConflict, match="already taken"):
            engine.commit(other)
        other = Changes()
        other.delete("thing", [row["uid"]])
        other.release("thing", "thing.family\x1fabc", row["uid"])
        engine.commit(other)
        assert engine.holders(["thing.family\x1fabc"]) == {}


class TestExpectations:
    def test_what_was_decided_from_a_table_that_moved_is_refused(self, engine: Engine) -> None:
        insert(engine, [thing(1)])
        pointer = engine.state().pointers["thing"]
        for i in (2, 3):
            changes = Changes()
            changes.insert("thing", [thing(i)])
            changes.expect_table("thing", pointer)
            if i == 2:
                engine.commit(changes)
                continue
            with pytest.raises(CommitConflict, match="decided from"):
                engine.commit(changes)
        assert engine.state().count("thing") == 2

    def test_a_row_must_have_the_values_that_were_seen(self, engine: Engine) -> None:
        row = thing(1)
        insert(engine, [row])
        for uid, name in (
            (row["uid"], "other"),
            ("missing", row["name"]),
            (row["uid"], row["name"]),
        ):
            changes = Changes()
            changes.insert("thing", [thing(2)])
            changes.expect_row("thing", uid, {"name": name})
            if (uid, name) == (row["uid"], row["name"]):
                engine.commit(changes)
                continue
            with pytest.raises(CommitConflict, match="save again"):
                engine.commit(changes)
        assert engine.state().count("thing") == 2


class TestRowConflicts:
    def test_different_columns_merge(self, engine: Engine) -> None:
        row = thing(1)
        insert(engine, [row])
        update(engine, row, name="a")
        update(engine, row, weight=2.5)
        found = engine.state().row("thing", row["uid"])
        assert found == {**row, "name": "a", "weight": 2.5}

    @pytest.mark.parametrize(
        ("column", "one", "two"),
        [
            ("weight", 1.5, 2.5),
            ("tags", ["a"], ["b"]),
            ("extra", {"a": 1}, {"a": 2}),
            ("at", datetime(2026, 1, 1, tzinfo=UTC), datetime(2026, 1, 2, tzinfo=UTC)),
            ("flag", True, None),
        ],
    )
    def test_the_same_column_conflicts(
        self, engine: Engine, column: str, one: Any, two: Any
    ) -> None:
        row = thing(1, **{column: None})
        insert(engine, [row])
        update(engine, row, **{column: one})
        with pytest.raises(RowConflict, match="changed by another commit") as error:
            update(engine, row, **{column: two or one})
        assert column in str(error.value)
        update(engine, {**row, column: one}, **{column: two})
        found = engine.state().row("thing", row["uid"])
        assert found is not None
        assert found[column] == two

    def test_values_that_don_t_equal_themselves(self, engine: Engine) -> None:
        row = thing(1, weight=float("nan"))
        insert(engine, [row])
        update(engine, row, weight=1.0)
        assert engine.state().rows("thing", [row["uid"]])[0]["weight"] == 1.0

    def test_without_seen_values_the_last_one_wins(self, engine: Engine) -> None:
        row = thing(1)
        insert(engine, [row])
        for name in ("a", "b"):
            changes = Changes()
            changes.update("thing", row["uid"], {"name": name})
            engine.commit(changes)
        assert names(engine.state()) == ["b"]

    def test_a_deleted_row(self, engine: Engine) -> None:
        row = thing(1)
        insert(engine, [row])
        delete(engine, [row["uid"]])
        with pytest.raises(RowConflict, match="deleted meanwhile"):
            update(engine, row, name="x")


class TestHistory:
    def test_every_way_to_name_a_state(self, engine: Engine) -> None:
        commits = [insert(engine, [thing(i, name=str(i))], message=f"m{i}") for i in range(4)]
        engine.tag("two", commits[1].id)
        engine.tag("ü 'v1'")
        assert {n: c.seq for n, c in engine.tags().items()} == {"two": 2, "ü 'v1'": 4}
        for ref in (commits[1].id, 2, "two", commits[1].time, commits[2].time - timedelta(0, 0, 1)):
            state = engine.state_at(ref)
            assert (state.seq, state.commit_id) == (2, commits[1].id)
            assert names(state) == ["0", "1"]
        assert engine.state_at(0).count("thing") == 0
        assert names(engine.state_at(datetime.now())) == ["0", "1", "2", "3"]
        for ref in (5, -1, True, "nobody", datetime(2000, 1, 1, tzinfo=UTC), 1.5):
            with pytest.raises(LookupFailed):
                engine.state_at(ref)  # type: ignore[arg-type]
        assert [c.message for c in engine.log(2)] == ["m3", "m2"]
        assert len(engine.log()) == 5

    def test_tags_don_t_move(self, engine: Engine) -> None:
        insert(engine, [thing(1)])
        assert engine.tag("v1").seq == 1
        assert engine.tag("v1").seq == 1
        insert(engine, [thing(2)])
        with pytest.raises(InvalidArgument, match="already names commit 1"):
            engine.tag("v1")
        for name in ("", " v2"):
            with pytest.raises(InvalidArgument, match="needs a name"):
                engine.tag(name)
        with pytest.raises(LookupFailed):
            engine.tag("v2", "nobody")
        engine.delete_tag("v1")
        assert engine.tag("v1").seq == 2

    def test_reads_stay_at_their_state(self, engine: Engine) -> None:
        rows = things(30)
        insert(engine, rows[:20])
        state = engine.state()
        relation = state.sql("SELECT count(*), sum(n) FROM thing")
        lazy = state.scan("thing")
        delete(engine, [r["uid"] for r in rows[:10]])
        insert(engine, rows[20:])
        update(engine, rows[15], n=5)
        for row in rows[20:]:
            update(engine, row, name=row["name"] + "!")
        expected = sum(r["n"] for r in rows[:20])
        assert relation.fetchall() == [(20, expected)]
        assert lazy.collect()["n"].sum() == expected
        assert state.count("thing") == 20
        assert state.row("thing", rows[0]["uid"]) == rows[0]
        assert engine.state().sql("SELECT count(*) FROM thing").fetchall() == [(20,)]

    def test_a_state_is_consistent_while_others_write(self, engine: Engine) -> None:
        """A writer moves one unit between two tables; every read sees the same sum."""
        a, b = new_uid(), new_uid()
        changes = Changes()
        changes.insert("thing", [{"uid": a, "n": 0}])
        changes.insert("link", [{"uid": b, "n": 0}])
        engine.commit(changes)
        done = threading.Event()

        def write() -> None:
            for i in range(1, 31):
                moved = Changes()
                moved.update("thing", a, {"n": i})
                moved.update("link", b, {"n": -i})
                engine.commit(moved)
            done.set()

        other = Engine.open(engine.root, SPECS)
        writer = threading.Thread(target=write)
        writer.start()
        seen = set()
        while not done.is_set():
            for reader in (engine, other):
                sums = reader.state().sql("SELECT t.n, l.n FROM thing t, link l").fetchall()
                assert sums[0][0] + sums[0][1] == 0
                seen.add(sums[0][0])
        writer.join()
        other.close()
        assert len(seen) > 1


class TestEvolution:
    def test_a_new_column(self, engine: Engine, db: str | None) -> None:
        rows = things(12)
        insert(engine, rows)
        wider = Engine.open(engine.root, [WIDER, LINK], db=db)
        assert wider.log(1)[0].message == "schema evolved"
        assert wider.state().row("thing", rows[3]["uid"]) == {
            **rows[3],
            "note": None,
            "aliases": None,
        }
        fresh = thing(20, note="ñ", aliases=["a"])
        insert(wider, [fresh])
        update(wider, rows[3], note="later", name="renamed")
        assert wider.state().row("thing", fresh["uid"]) == fresh
        # an engine with the older specification keeps what it doesn't know
        assert engine.state().count("thing") == 13
        insert(engine, [thing(30)])
        update(engine, {"uid": rows[3]["uid"], "name": "renamed"}, name="again")
        found = wider.state().row("thing", rows[3]["uid"])
        assert found is not None
        assert (found["note"], found["name"]) == ("later", "again")
        before = wider.state_at(1)
        schema = StaticTable.from_metadata(before.pointers["thing"]).schema()
        assert [field.name for field in schema.fields] == list(THING.column_names)
        assert sorted(before.arrow("thing").column_names) == sorted(WIDER.column_names)
        assert before.arrow("thing")["note"].null_count == 12
        again = Engine.open(engine.root, [WIDER, LINK], db=db)
        assert again.log(1)[0].message == ""
        again.close()
        wider.close()

    def test_a_new_table(self, engine: Engine, db: str | None) -> None:
        insert(engine, [thing(1)])
        more = Engine.open(engine.root, [*SPECS, TableSpec("note", LINK.columns)], db=db)
        assert "note" not in more.state().pointers
        assert more.log(1)[0].tables == ("thing",)
        insert(more, [{"uid": new_uid(), "n": 1}], table="note")
        assert more.log(1)[0].tables == ("note",)
        assert engine.state().tables == ("link", "note", "thing")
        assert more.state_at(1).pointers.keys() == {"thing"}
        assert more.state_at(1).count("note") == 0
        more.close()

    def test_a_bulk_insert_that_a_new_column_overtakes(
        self, engine: Engine, db: str | None
    ) -> None:
        """The files are written before the lock is taken, under the older schema."""
        rows = things(1_500)
        insert(engine, [thing(9_999)])
        with engine._catalog.exclusive():
            worker = threading.Thread(target=insert, args=(engine, rows))
            worker.start()
            deadline = time.monotonic() + 20
            while len(list(Path(engine.folder).rglob("*.parquet"))) < 2:
                assert time.monotonic() < deadline
                time.sleep(0.01)
            wider = threading.Thread(
                target=lambda: Engine.open(engine.root, [WIDER, LINK], db=db).close()
            )
            wider.start()
            time.sleep(0.2)
        worker.join()
        wider.join()
        opened = Engine.open(engine.root, [WIDER, LINK], db=db)
        assert opened.state().count("thing") == 1_501
        assert opened.state().rows("thing", [rows[7]["uid"]])[0]["note"] is None
        for i in range(12):  # folding meets the files of both schemas
            insert(opened, [thing(20_000 + i, note="n")])
        assert engine.state().arrow("thing").num_rows == 1_513
        opened.close()


def _insert_hundred(root: str, db: str | None, first: int) -> None:
    engine = Engine.open(root, SPECS, db=db)
    for i in range(25):
        insert(engine, [thing(first + i)])
    engine.close()


class TestSharing:
    @pytest.mark.slow
    def test_two_engines(self, engine: Engine, db: str | None) -> None:
        other = Engine.open(engine.root, SPECS, db=db)
        row = thing(1)
        insert(engine, [row])
        assert other.state().row("thing", row["uid"]) == row
        update(other, row, name="x")
        assert names(engine.state()) == ["x"]
        with pytest.raises(KeyConflict):
            insert(other, [thing(2, n=row["n"])])
        assert engine.state() is engine.state()
        other.close()

    def test_a_failed_commit_and_a_tag_hide_no_change(self, engine: Engine, db: str | None) -> None:
        other = Engine.open(engine.root, SPECS, db=db)
        insert(engine, [thing(1)])
        assert engine.state().count("thing") == 1
        insert(other, [thing(2)])
        with pytest.raises(KeyConflict):
            insert(engine, [thing(3, n=thing(1)["n"])])
        assert engine.state().count("thing") == 2
        insert(other, [thing(4)])
        engine.tag("t")
        assert engine.state().count("thing") == 3
        other.close()

    @pytest.mark.slow
    def test_threads(self, engine: Engine) -> None:
        failures: list[BaseException] = []

        def work(first: int) -> None:
            try:
                for i in range(10):
                    row = thing(first + i)
                    insert(engine, [row])
                    assert engine.state().row("thing", row["uid"]) == row
                    update(engine, row, name=f"changed {row['n']}")
                    found = engine.state().row("thing", row["uid"])
                    assert found is not None
                    assert found["name"].startswith("changed")
            except BaseException as error:
                failures.append(error)
                raise

        threads = [threading.Thread(target=work, args=(100 * i,)) for i in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert failures == []
        assert engine.state().count("thing") == 40
        assert len(engine.log()) == 81

    def test_a_forked_child(self, engine: Engine) -> None:
        insert(engine, [thing(1, name="parent")])
        assert engine.state().sql("SELECT count(*) FROM thing").fetchall() == [(1,)]
        pid = os.fork()
        if pid == 0:
            code = 1
            try:
                insert(engine, [thing(2, name="child")])
                rows = engine.state().sql("SELECT name FROM thing").fetchall()
                code = 0 if {("child",), ("parent",)} <= set(rows) else 2
            finally:
                os._exit(code)
        insert(engine, [thing(3, name="parent too")])
        assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
        engine.close()  # the last connection of this process
        assert names(engine.state()) == ["child", "parent", "parent too"]

    def test_a_child_outlives_its_parent_s_connection(self, engine: Engine) -> None:
        """SQLite drops its log with the last connection; a child's must count as one."""
        insert(engine, [thing(0)])
        context = multiprocessing.get_context("fork")
        child = context.Process(target=_write_slowly, args=(engine,))
        child.start()
        for _ in range(5):
            engine.close()
            engine.state()
            time.sleep(0.05)
        engine.close()
        child.join()
        assert child.exitcode == 0
        assert engine.state().count("thing") == 11

    @pytest.mark.slow
    def test_processes(self, engine: Engine, db: str | None) -> None:
        context = multiprocessing.get_context("fork")
        workers = [
            context.Process(target=_insert_hundred, args=(engine.root, db, 1_000 * i))
            for i in range(2)
        ]
        for worker in workers:
            worker.start()
        for worker in workers:
            worker.join()
        assert [w.exitcode for w in workers] == [0, 0]
        assert engine.state().count("thing") == 50
        assert sorted(c.seq for c in engine.log()) == list(range(51))


def _write_slowly(engine: Engine) -> None:
    for i in range(1, 11):
        insert(engine, [thing(i)])
        time.sleep(0.02)


def test_a_large_table_is_scanned_from_its_files(tmp_path: Path) -> None:
    engine = Engine.create(str(tmp_path / "lake"), SPECS, limits=Limits(memory_bytes=10))
    rows = things(40)
    assert engine.state().sql("SELECT * FROM thing").fetchall() == []
    insert(engine, rows)
    wider = Engine.open(engine.root, [WIDER, LINK], limits=Limits(memory_bytes=10))
    insert(wider, [thing(50, note="n'o")])
    query = "SELECT count(*), count(note), sum(n), max(day), count(tags) FROM thing"
    found = wider.state().sql(query).fetchall()
    in_memory = Engine.open(engine.root, [WIDER, LINK]).state()
    assert found == in_memory.sql(query).fetchall()
    lazy = wider.state().scan("thing").sort("uid").collect()
    assert lazy["name"].to_list() == [r["name"] for r in read(in_memory)]
    assert lazy["note"].to_list() == [r["note"] for r in read(in_memory)]
