"""What concurrent writers and readers do, at the level of the engine."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from typing import Any

from lakehouse.engine import Changes, Engine
from lakehouse.errors import KeyConflict, RowConflict
from lakehouse.identity import new_uid, new_uids
from tests.faults.jobs import LIMITS, SPECS, Acks, batch_rows, insert_both

COUNTER = "0000000000000000"


def _ready(root: str, db: str | None, acks: str, start: float) -> tuple[Engine, Acks]:
    """An opened engine; all processes of a test go on at the same moment."""
    engine, out = Engine.open(root, SPECS, db=db, limits=LIMITS), Acks(acks)
    time.sleep(max(0.0, start - time.time()))
    return engine, out


def _until_done(engine: Engine, changes: Callable[[], Changes]) -> str:
    """Commit changes that are decided anew whenever another writer changed the row before."""
    while True:
        try:
            return engine.commit(changes()).id
        except RowConflict:
            continue


def write(root: str, db: str | None, acks: str, start: float, commits: int) -> None:
    """Save batches into both tables; in between, count up a row that all writers share."""
    engine, out = _ready(root, db, acks, start)

    def count_up() -> Changes:
        row = engine.state().row("label", COUNTER)
        assert row is not None
        changes = Changes()
        changes.update(
            "label", COUNTER, {"version": row["version"] + 1}, {"version": row["version"]}
        )
        return changes

    for i in range(commits):
        began = time.perf_counter()
        if i % 5 == 4:
            out.write(
                op="count", id=_until_done(engine, count_up), took=time.perf_counter() - began
            )
            continue
        rows = batch_rows(new_uid(), random.choice([1, 1, 1, 20, 350]))
        commit = engine.commit(insert_both(rows))
        took = time.perf_counter() - began
        out.write(op="insert", batch=rows[0]["batch"], size=len(rows), id=commit.id, took=took)


def read(root: str, db: str | None, acks: str, start: float, seconds: float) -> None:
    """Look at states while others write; each shows both tables, or neither, of every commit."""
    engine, out = _ready(root, db, acks, start)
    last, looks = -1, 0
    while looks == 0 or time.time() < start + seconds:
        state = engine.state()
        assert state.seq >= last, "a reader went back in time"
        last = state.seq
        labels, links = state.count("label") - 1, state.count("link")
        assert labels == links, f"torn at {state.seq}: {labels} labels, {links} links"
        if looks % 5 == 0:
            query = """
                SELECT (SELECT count(*) FROM label WHERE batch IS NOT NULL), count(*) FROM link"""
            assert state.sql(query).fetchall() == [(labels, links)]
            past = engine.state_at(random.randint(1, state.seq))
            assert past.arrow("label").num_rows - 1 == past.arrow("link").num_rows
        looks += 1
    out.write(op="read", looks=looks, seq=last)


def take_names(root: str, db: str | None, acks: str, start: float, names: list[str]) -> None:
    """Save every name; where another process was faster, its row is the one."""
    engine, out = _ready(root, db, acks, start)
    random.shuffle(names)
    for name in names:
        uid = new_uid()
        changes = Changes()
        changes.insert("label", [{"uid": uid, "name": name}])
        try:
            engine.commit(changes)
        except KeyConflict as error:
            ((_, uid),) = error.taken
            found = engine.state().row("label", uid)
            assert found is not None
            assert found["name"] == name
        out.write(op="named", name=name, uid=uid)


def take_all_names(root: str, db: str | None, acks: str, start: float, names: list[str]) -> None:
    """Save all names at once; one process of all succeeds, the others learn of every name."""
    engine, out = _ready(root, db, acks, start)
    rows: list[dict[str, Any]] = [
        {"uid": uid, "name": name} for uid, name in zip(new_uids(len(names)), names, strict=True)
    ]
    changes = Changes()
    changes.insert("label", rows)
    try:
        engine.commit(changes)
    except KeyConflict as error:
        out.write(op="lost", uids=sorted(uid for _, uid in error.taken))
    else:
        out.write(op="won", uids=sorted(row["uid"] for row in rows))
