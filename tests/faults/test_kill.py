"""Real processes, killed at random moments; then everything must be as if nothing had happened.

`LAKEHOUSE_KILLS` sets how many are killed (200), `LAKEHOUSE_SEED` repeats the same plan.
"""

from __future__ import annotations

import os
import random
import shutil
import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from pyiceberg.catalog.sql import SqlCatalog

from lakehouse.engine import Engine, State
from lakehouse.errors import LakeNotFound, LookupFailed
from tests.faults.jobs import LIMITS, SPECS, WIDER_SPECS, batch_rows, insert_both
from tests.faults.server import ForkServer
from tests.faults.victims import SEED, Victims

pytestmark = pytest.mark.faults

KILLS = int(os.environ.get("LAKEHOUSE_KILLS", "200"))
# job → longest time that a victim may live, in seconds
JOBS = {"single": 0.03, "bulk": 0.12, "edit": 0.08, "collect": 0.08}


@pytest.fixture(scope="module")
def server() -> Iterator[ForkServer]:
    with ForkServer("tests.faults.jobs") as server:
        yield server


def check_batches(state: State, acks: list[dict[str, Any]]) -> None:
    """Every acknowledged batch is there, whole, in both tables; no batch is half there."""
    halves = """
        SELECT coalesce(a.batch, b.batch) FROM
        (SELECT batch, count(*) AS n, max(size) AS size, count(DISTINCT version) AS versions
         FROM label GROUP BY batch) a
        FULL JOIN (SELECT batch, count(*) AS n FROM link GROUP BY batch) b USING (batch)
        WHERE a.n IS DISTINCT FROM a.size OR b.n IS DISTINCT FROM a.n OR a.versions <> 1"""
    assert state.sql(halves).fetchall() == []
    versions = dict(state.sql("SELECT batch, max(version) FROM label GROUP BY batch").fetchall())
    saved = {a["batch"] for a in acks if a["op"] == "insert"}
    deleting = {a["batch"] for a in acks if a["op"] == "deleting"}
    deleted = {a["batch"] for a in acks if a["op"] == "delete"}
    assert saved - deleting <= versions.keys(), "an acknowledged save is lost"
    assert not deleted & versions.keys(), "an acknowledged deletion is undone"
    for ack in acks:
        if ack["op"] == "update" and ack["batch"] in versions:
            assert versions[ack["batch"]] >= ack["version"], "an acknowledged change is lost"


def check_log(engine: Engine, acks: list[dict[str, Any]]) -> None:
    """Every acknowledged commit is in the log, which has no gap."""
    log = engine.log()
    assert {a["id"] for a in acks if "id" in a} <= {c.id for c in log}
    assert [c.seq for c in log] == list(range(len(log) - 1, -1, -1))
    assert [c.parent for c in log[:-1]] == [c.id for c in log[1:]]


def check_keys(engine: Engine, root: Path) -> None:
    """Names are unique, and the keys are exactly those of the rows."""
    table = engine.state().arrow("label")
    keys = dict(zip(table["name"].to_pylist(), table["uid"].to_pylist(), strict=True))
    assert len(keys) == table.num_rows, "a name is there twice"
    texts = {engine.specs["label"].key_text(("name",), (k,)): u for k, u in keys.items()}
    assert engine.holders([t for t in texts if t]) == texts
    db = sqlite3.connect(root / ".lakehouse" / "catalog.db")
    single = db.execute("SELECT count(*) FROM lh_key").fetchone()[0]
    packed = db.execute("SELECT coalesce(sum(length(digests)) / 16, 0) FROM lh_pack").fetchone()[0]
    assert db.execute("PRAGMA integrity_check").fetchone()[0] == "ok"
    db.close()
    assert single + packed == table.num_rows, "a key is claimed that no row holds"


def check_stock(engine: Engine, root: Path) -> None:
    """Stock pyiceberg opens the catalog and reads the same rows."""
    catalog = SqlCatalog("lakehouse", uri=f"sqlite:///{root}/.lakehouse/catalog.db")
    state = engine.state()
    assert {name for _, name in catalog.list_tables("lake")} == state.pointers.keys()
    for table in state.pointers:
        theirs = catalog.load_table(("lake", table)).scan().to_arrow().to_pylist()
        ours = engine.state().arrow(table).to_pylist()
        assert sorted(theirs, key=lambda r: r["uid"]) == sorted(ours, key=lambda r: r["uid"])
    catalog.close()


def check_oldest(root: Path) -> None:
    """The oldest states that can be opened are whole, wherever a gc was cut short."""
    engine = Engine.open(str(root), SPECS, limits=LIMITS)
    floor = int(engine.info.get("gc_floor", 0))
    for seq in range(floor, min(floor + 3, engine.state().seq)):
        state = engine.state_at(seq)
        assert state.arrow("label").num_rows == state.arrow("link").num_rows
        check_batches(state, [])
    engine.close()


def check_gc(root: Path) -> None:
    """Without a new retention gc removes only what no state that can be opened reaches."""
    engine = Engine.open(str(root), SPECS, limits=LIMITS)
    floor = int(engine.info.get("gc_floor", 0))
    newest = engine.log(1)[0].seq
    seqs = sorted({floor, newest, *range(floor, newest, max(1, (newest - floor) // 20))})
    before = {s: [engine.state_at(s).arrow(t) for t in ("label", "link")] for s in seqs}
    report = engine.gc(min_age=0)
    removed = {*report.superseded, *report.orphans}  # superseded: what a killed gc had left
    assert not removed & {f for t in ("label", "link") for f in engine.state().files(t)}
    engine.close()
    fresh = Engine.open(str(root), SPECS, limits=LIMITS)
    for seq, tables in before.items():
        state = fresh.state_at(seq)
        assert [state.arrow(t) for t in ("label", "link")] == tables
    again = fresh.gc(min_age=0)
    assert (again.superseded, again.orphans) == ((), ())
    fresh.close()


def test_nothing_acknowledged_is_lost_and_nothing_is_half_there(
    server: ForkServer, tmp_path: Path
) -> None:
    root = tmp_path / "lake"
    engine = Engine.create(str(root), SPECS, limits=LIMITS)
    engine.commit(insert_both(batch_rows("first", 500)))
    victims = Victims(server, tmp_path)
    choose = random.Random(SEED)
    print(f"seed {SEED}")
    rounds = 0
    while victims.killed < KILLS:
        rounds += 1
        first, second = choose.sample(sorted(JOBS), 2)
        jobs: dict[str, dict[str, Any]] = {first: {}, second: {}}
        if "collect" in jobs:
            alone = choose.random() < 0.4
            # the age gate is what protects a running writer's files; alone, nothing needs it
            jobs = {"collect": {"min_age": 0}} if alone else {**jobs, "collect": {"min_age": 60}}
        victims.round(root, jobs, max(JOBS[j] for j in jobs))
        check_batches(engine.state(), victims.acks)
        if "collect" in jobs:
            check_oldest(root)
        if rounds % 10 == 0:
            check_log(engine, victims.acks)
            check_keys(engine, root)
            check_stock(engine, root)
            check_gc(root)
    check_log(engine, victims.acks)
    check_keys(engine, root)
    check_stock(engine, root)
    check_gc(root)
    engine.close()

    later = Engine.open(str(root), SPECS, limits=LIMITS)
    later.commit(insert_both(batch_rows("last", 500)))
    check_batches(later.state(), [*victims.acks, {"op": "insert", "batch": "last"}])
    check_keys(later, root)
    later.close()


def test_a_creation_that_was_killed_is_completed(server: ForkServer, tmp_path: Path) -> None:
    victims = Victims(server, tmp_path)
    for i in range(20):
        root = tmp_path / f"lake{i}"
        victims.round(root, {"create": {}}, 0.05)
        try:
            engine = Engine.open(str(root), SPECS, limits=LIMITS)
        except LakeNotFound:
            engine = Engine.create(str(root), SPECS, limits=LIMITS)
        engine.commit(insert_both(batch_rows("only", 3)))
        check_stock(engine, root)
        check_gc(root)
        engine.close()


def test_first_writes_that_are_killed(server: ForkServer, tmp_path: Path) -> None:
    """Two processes make the same tables at once, and die on the way."""
    victims = Victims(server, tmp_path)
    print(f"seed {SEED}")
    for i in range(25):
        root = tmp_path / f"lake{i}"
        engine = Engine.create(str(root), SPECS, limits=LIMITS)
        before = len(victims.acks)
        victims.round(root, {"single": {}, "bulk": {}}, 0.02)
        acks = victims.acks[before:]
        assert engine.state().pointers.keys() in ({"label", "link"}, set())
        check_batches(engine.state(), acks)
        check_log(engine, acks)
        check_stock(engine, root)
        engine.commit(insert_both(batch_rows("last", 150)))
        check_batches(engine.state(), [*acks, {"op": "insert", "batch": "last"}])
        check_keys(engine, root)
        check_gc(root)
        engine.close()
    assert victims.killed > 0


def test_an_opening_that_was_killed_while_it_follows_a_move_is_completed(
    server: ForkServer, tmp_path: Path
) -> None:
    root = tmp_path / "lake"
    engine = Engine.create(str(root), SPECS, limits=LIMITS)
    for i in range(30):
        engine.commit(insert_both(batch_rows(f"b{i}", 20)))
    counts = {c.seq: engine.state_at(c.seq).count("label") for c in engine.log()}
    engine.close()
    victims = Victims(server, tmp_path)
    for i in range(20):
        moved = tmp_path / f"moved{i}"
        shutil.copytree(root, moved) if i % 2 else root.rename(moved)
        if i % 2:
            shutil.rmtree(root)
        root = moved
        victims.round(root, {"open_wider": {}}, 0.03)
        engine = Engine.open(str(root), WIDER_SPECS, limits=LIMITS)
        assert engine.state().count("label") == 600
        check_stock(engine, root)
        for seq in random.Random(i).sample(sorted(counts), 5):
            assert engine.state_at(seq).arrow("label").num_rows == counts[seq]
        engine.close()
    assert victims.killed > 0


class CutShortError(Exception):
    """Where a process ends."""


@pytest.mark.parametrize("steps", range(5))
@pytest.mark.parametrize("before", [True, False], ids=["before", "after"])
def test_a_gc_that_ends_at_any_step_leaves_whole_states(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, steps: int, before: bool
) -> None:
    """The moments between two steps that random kills seldom hit."""
    engine = Engine.create(str(tmp_path), SPECS, limits=LIMITS)
    for i in range(12):
        engine.commit(insert_both(batch_rows(f"b{i}", 20)))
    engine.tag("kept", 3)
    done = 0

    def ends(step: Callable[..., Any]) -> Callable[..., Any]:
        def run(*args: Any) -> Any:
            nonlocal done
            if done == steps and before:
                raise CutShortError
            result = step(*args)
            if done == steps:
                raise CutShortError
            done += 1
            return result

        return run

    with monkeypatch.context() as patch:
        for part, name in [(engine._catalog, "set_info"), (engine._catalog, "forget")]:
            patch.setattr(part, name, ends(getattr(part, name)))
        patch.setattr(engine._files, "remove", ends(engine._files.remove))
        with pytest.raises(CutShortError):
            engine.gc(keep=4, min_age=0)
    engine.close()

    opened = 0
    again = Engine.open(str(tmp_path), SPECS, limits=LIMITS)
    for seq in range(1, 13):
        try:
            state = again.state_at(seq)
        except LookupFailed:
            continue
        opened += 1
        assert state.arrow("label").num_rows == state.arrow("link").num_rows == 20 * seq
    assert opened in (5, 12)
    assert again.state_at("kept").seq == 3
    again.gc(keep=4, min_age=0)
    again.close()
    check_gc(tmp_path)
