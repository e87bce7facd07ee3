"""A state machine over the engine, against a plain Python model.

`HYPOTHESIS_PROFILE=long python -m pytest tests/engine/test_machine.py` looks for longer, at
random; the default profile takes the same bounded walk every time.
"""

from __future__ import annotations

import os
import shutil
import sqlite3
import sys
import tempfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)
from pyiceberg.catalog.sql import SqlCatalog
from pyiceberg.table import StaticTable

from lakehouse.engine import Changes, Engine, Limits, State
from lakehouse.engine.commit.committer import FOREIGN
from lakehouse.engine.commit.evolve import EVOLVED
from lakehouse.errors import InvalidArgument, KeyConflict, LookupFailed, RowConflict
from tests.engine.machine_model import (
    NAMES,
    NUMBERS,
    ROWS,
    SPECS,
    UNIQUE,
    VALUES,
    WIDER_SPECS,
    Plan,
    Row,
    Tables,
    TakenError,
    bulk_row,
    keys_of,
    plain,
    plain_rows,
    uid_of,
)


def append_with_stock(root: str, table: str, rows: list[Row]) -> None:
    """Append rows as any other user of pyiceberg would, who makes the table if there is none."""
    catalog = SqlCatalog("lakehouse", uri=f"sqlite:///{root}/.lakehouse/catalog.db")
    spec = next(s for s in SPECS if s.name == table)
    stock = catalog.create_table_if_not_exists(
        ("lake", table), spec.encode_rows([]).schema, f"{root}/.lakehouse/tables/{table}"
    )
    schema = stock.schema().select(*spec.column_names).as_arrow()
    stock.append(spec.encode_rows(rows).cast(schema))
    catalog.close()


WHO = st.integers(0, 1)
TABLE = st.sampled_from(["label", "link"])
_EVERY = 4  # steps between looks through the slower readers


class EngineMachine(RuleBasedStateMachine):
    """Two writers on one lake, and a model of what the lake must hold."""

    limits = Limits()

    def __init__(self) -> None:
        super().__init__()
        self.base = Path(tempfile.mkdtemp(prefix="lh-machine-"))
        self.places = 0
        self.steps = 0
        self.tables: Tables = {"label": {}, "link": {}}
        self.history: dict[int, Tables] = {}
        self.tags: dict[str, int] = {}
        self.floor = 0
        self.foreign = False

    @initialize()
    def create(self) -> None:
        self.root = str(self.base / "lake0")
        self.specs = [SPECS, SPECS]
        self.engines = [Engine.create(self.root, SPECS, limits=self.limits)]
        self.engines.append(Engine.open(self.root, SPECS, limits=self.limits))
        self._note(self.tables)

    def teardown(self) -> None:
        try:
            if hasattr(self, "engines") and sys.exc_info()[0] is None:
                self._check_slow_readers()
                for seq in self._retained():
                    self._same(self.engines[0].state_at(seq), self.history[seq])
                self._close()
        finally:
            shutil.rmtree(self.base)

    # -- helpers ---------------------------------------------------------------------

    def _close(self) -> None:
        for engine in self.engines:
            engine.close()

    def _open(self) -> None:
        self.engines = [Engine.open(self.root, s, limits=self.limits) for s in self.specs]

    def _note(self, before: Tables) -> None:
        """Remember what each new commit holds.

        Foreign changes are entered as commits of their own, and columns added by ones of their
        own: what is committed then comes after them.
        """
        known = max(self.history, default=-1)
        for commit in reversed(self.engines[0].log()):
            if commit.seq > known:
                entered = commit.message in (FOREIGN, EVOLVED)
                self.history[commit.seq] = before if entered else self.tables
                self.foreign = False

    def _commit(self, who: int, plan: Plan, *, seen: bool = False) -> None:
        """Commit in the engine and in the model; both succeed, or both refuse and change nothing."""
        before = self.tables
        changes = plan.changes(before, seen=seen)
        if changes.empty:
            return
        try:
            self.tables = plan.apply(before)
        except TakenError:
            with pytest.raises(KeyConflict):
                self.engines[who].commit(changes)
        else:
            commit = self.engines[who].commit(changes, message="step")
            assert commit.seq == self.engines[1 - who].log(1)[0].seq
        self._note(before)

    def _some(self, data: st.DataObject, table: str, most: int = 3) -> list[str]:
        uids = sorted(self.tables[table])
        if not uids:
            return []
        return data.draw(st.lists(st.sampled_from(uids), max_size=most, unique=True))

    def _fresh(self, data: st.DataObject, table: str, most: int = 2) -> list[dict[str, Any]]:
        numbers = data.draw(st.lists(NUMBERS, max_size=most, unique=True))
        rows = [{"uid": uid_of(n), **data.draw(ROWS[table])} for n in numbers]
        return [r for r in rows if r["uid"] not in self.tables[table]]

    def _known(self, data: st.DataObject, table: str) -> list[dict[str, Any]]:
        """Rows whose uids are there already."""
        return [{"uid": uid, **data.draw(ROWS[table])} for uid in self._some(data, table)]

    def _retained(self) -> list[int]:
        return [s for s in self.history if s >= self.floor or s in self.tags.values()]

    # -- changes ---------------------------------------------------------------------

    @rule(who=WHO, table=TABLE, data=st.data())
    def insert(self, who: int, table: str, data: st.DataObject) -> None:
        self._commit(who, Plan().insert(table, self._fresh(data, table)))

    @rule(
        who=WHO,
        table=TABLE,
        start=NUMBERS,
        size=st.integers(1, 60),
        step=st.integers(1, 5),
        arrow=st.booleans(),
    )
    def insert_bulk(
        self, who: int, table: str, start: int, size: int, step: int, arrow: bool
    ) -> None:
        rows = [bulk_row(table, start + i * step) for i in range(size)]
        rows = [r for r in rows if r["uid"] not in self.tables[table]]
        self._commit(who, Plan().insert(table, rows, arrow=arrow))

    @rule(who=WHO, table=TABLE, data=st.data(), arrow=st.booleans())
    def insert_if_absent(self, who: int, table: str, data: st.DataObject, arrow: bool) -> None:
        rows = self._known(data, table) + self._fresh(data, table)
        self._commit(who, Plan().insert(table, rows, absent=True, arrow=arrow))

    @rule(who=WHO, table=TABLE, data=st.data(), start=NUMBERS, bulk=st.booleans())
    def insert_what_is_there(
        self, who: int, table: str, data: st.DataObject, start: int, bulk: bool
    ) -> None:
        rows = self._fresh(data, table) + self._known(data, table)[:1]
        if bulk:
            rows += [bulk_row(table, start + i) for i in range(10)]
        self._commit(who, Plan().insert(table, rows))

    @rule(who=WHO, data=st.data(), seen=st.booleans())
    def update(self, who: int, data: st.DataObject, seen: bool) -> None:
        plan = Plan()
        for uid in self._some(data, "label"):
            new = data.draw(st.fixed_dictionaries({}, optional=VALUES).filter(bool))
            plan.update("label", uid, new)
        self._commit(who, plan, seen=seen)

    @precondition(lambda self: len(self.tables["label"]) > 1)
    @rule(who=WHO, data=st.data())
    def swap_names(self, who: int, data: st.DataObject) -> None:
        one, two = data.draw(
            st.lists(
                st.sampled_from(sorted(self.tables["label"])), min_size=2, max_size=2, unique=True
            )
        )
        rows = self.tables["label"]
        plan = Plan()
        plan.update("label", one, {c: rows[two].get(c) for c in UNIQUE})
        plan.update("label", two, {c: rows[one].get(c) for c in UNIQUE})
        self._commit(who, plan, seen=True)

    @precondition(lambda self: self.tables["link"])
    @rule(who=WHO, data=st.data())
    def update_what_has_changed(self, who: int, data: st.DataObject) -> None:
        uid = data.draw(st.sampled_from(sorted(self.tables["link"])))
        now = self.tables["link"][uid].get("n")
        changes = Plan().update("link", uid, {"n": 7}).changes(self.tables, seen=False)
        changes.update("link", uid, {}, {"n": 5 if now != 5 else 6})
        with pytest.raises(RowConflict):
            self.engines[who].commit(changes)
        self._note(self.tables)

    @rule(who=WHO, table=TABLE, data=st.data(), most=st.sampled_from([1, 3, 40]))
    def delete(self, who: int, table: str, data: st.DataObject, most: int) -> None:
        self._commit(who, Plan().delete(table, [*self._some(data, table, most), "no-such-row"]))

    @rule(who=WHO, table=TABLE, from_=NUMBERS, width=st.integers(1, 200))
    def delete_range(self, who: int, table: str, from_: int, width: int) -> None:
        low, high = uid_of(from_), uid_of(from_ + width)
        uids = [u for u in sorted(self.tables[table]) if low <= u < high]
        self._commit(who, Plan().delete(table, uids) if uids else Plan())

    @rule(who=WHO, data=st.data())
    def change_both_tables(self, who: int, data: st.DataObject) -> None:
        plan = Plan()
        for table in ("label", "link"):
            touched = self._some(data, table)
            gone = touched[: len(touched) // 2]
            plan.delete(table, gone)
            for uid in touched[len(touched) // 2 :]:
                plan.update(table, uid, {"n": 1} if table == "link" else {"name": data.draw(NAMES)})
            # a row that goes may come back in the same commit
            back = [{"uid": uid, **data.draw(ROWS[table])} for uid in gone[:1]]
            plan.insert(table, back + self._fresh(data, table), absent=data.draw(st.booleans()))
        self._commit(who, plan)

    @precondition(lambda self: keys_of(self.tables))
    @rule(who=WHO, data=st.data(), bulk=st.booleans())
    def take_a_taken_key(self, who: int, data: st.DataObject, bulk: bool) -> None:
        key, uid = data.draw(st.sampled_from(sorted(keys_of(self.tables).items(), key=str)))
        rows = self._fresh(data, "label", 1) + (
            [bulk_row("label", 5_000 + i) for i in range(20)] if bulk else []
        )
        thief = {"uid": uid_of(9_999), **dict(zip(UNIQUE, key, strict=True))}
        changes = Plan().insert("link", [bulk_row("link", 9_999)]).insert("label", [*rows, thief])
        before = self.tables
        with pytest.raises(KeyConflict) as caught:
            self.engines[who].commit(changes.changes(before, seen=False))
        assert uid in {holder for _, holder in caught.value.taken}
        self._note(before)

    @rule(table=TABLE, data=st.data())
    def append_with_stock_pyiceberg(self, table: str, data: st.DataObject) -> None:
        plan = Plan().insert(table, self._fresh(data, table))
        try:
            after = plan.apply(self.tables)
        except TakenError:
            return
        rows = plan.inserts[0][1]
        if not rows:
            return
        append_with_stock(self.root, table, rows)
        self.tables, self.foreign = after, True

    # -- history and maintenance -----------------------------------------------------

    @rule(who=WHO, name=st.sampled_from(["v1", "v2", "v3"]), data=st.data(), newest=st.booleans())
    def tag(self, who: int, name: str, data: st.DataObject, newest: bool) -> None:
        before = self.tables
        seq = None if newest else data.draw(st.sampled_from(sorted(self.history)))
        try:
            named = self.engines[who].tag(name, seq)
        except InvalidArgument:
            self._note(before)
            assert name in self.tags
        except LookupFailed:
            assert seq is not None
            assert seq not in self._retained()
        else:
            self._note(before)
            assert named.seq == (max(self.history) if seq is None else seq)
            self.tags[name] = named.seq

    @precondition(lambda self: self.tags)
    @rule(who=WHO, data=st.data())
    def delete_tag(self, who: int, data: st.DataObject) -> None:
        name = data.draw(st.sampled_from(sorted(self.tags)))
        self.engines[who].delete_tag(name)
        del self.tags[name]

    @rule(who=WHO, data=st.data(), by=st.sampled_from(["seq", "id", "tag", "time"]))
    def travel(self, who: int, data: st.DataObject, by: str) -> None:
        engine = self.engines[who]
        if by == "tag":
            for name, seq in self.tags.items():
                self._same(engine.state_at(name), self.history[seq])
            return
        commit = data.draw(st.sampled_from(engine.log()[:: max(1, len(self.history) // 8)]))
        ref = {"seq": commit.seq, "id": commit.id, "time": commit.time}[by]
        if commit.seq in self._retained():
            self._same(engine.state_at(ref), self.history[commit.seq])
        else:
            with pytest.raises(LookupFailed):
                engine.state_at(ref)

    @rule(who=WHO, keep=st.none() | st.integers(1, 6), age=st.sampled_from([0.0, 3600.0]))
    def gc(self, who: int, keep: int | None, age: float) -> None:
        engine = self.engines[who]
        report = engine.gc(keep=keep, min_age=age)
        if keep is not None:
            self.floor = max(self.floor, max(self.history) - keep + 1)
        assert report.kept_from == self.floor
        again = engine.gc(keep=keep, min_age=age, dry_run=True)
        assert (again.superseded, again.orphans) == ((), ())
        for seq in self._retained()[:: max(1, len(self.history) // 6)]:
            self._same(self.engines[1 - who].state_at(seq), self.history[seq])

    @rule(wider=st.booleans())
    def reopen(self, wider: bool) -> None:
        self._close()
        before = self.tables
        if wider:
            self.specs[1] = WIDER_SPECS
        self._open()
        self._note(before)

    @rule(how=st.sampled_from(["rename", "into itself", "back"]))
    def relocate(self, how: str) -> None:
        """Move the lake's folder: to a new name, below its former path, or to its first path."""
        self._close()
        self.places += 1
        target = self.base / f"lake{self.places}"
        if how == "into itself":
            target = Path(self.root) / "inner"
        elif how == "back":
            target = self.base / "lake0"
        aside = self.base / "aside"
        os.rename(self.root, aside)
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.rmtree(target, ignore_errors=True)
        os.rename(aside, target)
        self.root = str(target)
        before = self.tables
        self._open()
        self._note(before)

    # -- what must hold --------------------------------------------------------------

    def _same(self, state: State, tables: Tables) -> None:
        for table, rows in tables.items():
            found = plain_rows(state.arrow(table)) if table in state.tables else {}
            assert found == {uid: plain(row) for uid, row in rows.items()}, (
                f"{table} at {state.seq}"
            )
            assert state.count(table) == len(rows)

    @invariant()
    def rows_are_the_models(self) -> None:
        if not hasattr(self, "engines"):
            return
        for engine in self.engines:
            self._same(engine.state(), self.tables)
        if not self.foreign:
            self._check_keys()
        self.steps += 1
        if self.steps % _EVERY == 0:
            self._check_slow_readers()

    def _check_keys(self) -> None:
        keys = keys_of(self.tables)
        spec = SPECS[0]
        texts = {spec.key_text(UNIQUE, key): uid for key, uid in keys.items()}
        assert self.engines[0].holders(list(texts)) == texts
        with sqlite3.connect(f"{self.root}/.lakehouse/catalog.db") as db:
            single = db.execute("SELECT count(*) FROM lh_key").fetchone()[0]
            packed = db.execute(
                "SELECT coalesce(sum(length(digests)) / 16, 0) FROM lh_pack"
            ).fetchone()[0]
        db.close()
        assert single + packed == len(keys), "a key is claimed that no row holds"
        for key, uid in list(keys.items())[:3]:
            assert self.engines[1].holder("label", UNIQUE, key) == uid

    def _check_slow_readers(self) -> None:
        state = self.engines[self.steps % 2].state()
        for table, rows in self.tables.items():
            expected = {uid: plain(row) for uid, row in rows.items()}
            assert plain_rows(state.sql(f"SELECT * FROM {table}").to_arrow_table()) == expected
            assert plain_rows(state.scan(table).collect().to_arrow()) == expected
            if table in state.pointers or expected:
                stock = StaticTable.from_metadata(state.pointers[table])
                assert plain_rows(stock.scan().to_arrow()) == expected
            uids = sorted(rows)
            for uid in uids[:: max(1, len(uids) // 5)]:
                assert plain(state.row(table, uid) or {}) == expected[uid]
                near = [u for u in uids if u.startswith(uid[:15])]
                found = [r["uid"] for r in state.prefix(table, uid[:15], 100)]
                assert found == near
            assert [r["uid"] for r in state.rows(table, [*uids, "none"])] == uids
            assert state.row(table, "no-such-row") is None


class SmallMachine(EngineMachine):
    """Small files and manifests: a dropped manifest shows."""

    limits = Limits(min_file_rows=64, max_file_rows=2_048, fold=4, manifest_entries=4)


class TinyMachine(EngineMachine):
    """Many files from few rows; the bulk paths from few rows; tables too large for memory."""

    limits = Limits(
        min_file_rows=8,
        max_file_rows=8,
        fold=2,
        manifest_entries=2,
        memory_bytes=0,
        bulk_rows=4,
        pack_from=6,
    )


_COMMON: dict[str, Any] = {
    "deadline": None,
    "suppress_health_check": list(HealthCheck),
    "print_blob": True,
}
_PROFILES = {
    "ci": settings(
        **_COMMON,
        derandomize=True,
        max_examples=10,
        stateful_step_count=25,
        phases=(Phase.explicit, Phase.generate),
        database=None,
    ),
    "long": settings(**_COMMON, max_examples=150, stateful_step_count=50),
}
PROFILE = _PROFILES[os.environ.get("HYPOTHESIS_PROFILE", "ci")]


@pytest.mark.slow
@pytest.mark.parametrize("machine", [EngineMachine, SmallMachine, TinyMachine])
def test_engine_holds_what_the_model_holds(machine: type[EngineMachine]) -> None:
    run_state_machine_as_test(machine, settings=PROFILE)


def make_table(engine: Engine) -> None:
    """Save the first label, before which no stock writer finds the table."""
    changes = Changes()
    changes.insert("label", [{"uid": uid_of(0), "name": "ours"}])
    engine.commit(changes)


def test_opening_with_a_new_column_enters_what_a_stock_writer_wrote(tmp_path: Path) -> None:
    """Else the column's commit would log the foreign rows, and nobody would claim their keys."""
    root = str(tmp_path / "lake")
    engine = Engine.create(root, SPECS)
    make_table(engine)
    engine.close()
    append_with_stock(root, "label", [{"uid": uid_of(1), "name": "theirs"}])
    engine = Engine.open(root, WIDER_SPECS)
    assert engine.holder("label", UNIQUE, ("theirs", None, None)) == uid_of(1)
    assert [c.message for c in engine.log(2)] == ["schema evolved", FOREIGN]
    engine.close()


def test_a_tag_names_what_a_stock_writer_wrote_too(tmp_path: Path) -> None:
    engine = Engine.create(str(tmp_path / "lake"), SPECS)
    make_table(engine)
    append_with_stock(engine.root, "label", [{"uid": uid_of(1), "name": "theirs"}])
    engine.tag("published")
    assert engine.state_at("published").count("label") == 2
    engine.close()
