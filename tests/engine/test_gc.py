"""Garbage collection removes what nobody can reach, and nothing else."""

from __future__ import annotations

import os
import threading
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from lakehouse.engine import Engine
from lakehouse.errors import InvalidArgument, LakeCorrupt, LookupFailed
from tests.engine.lakes import (
    LIMITS,
    SPECS,
    delete,
    files_below,
    insert,
    names,
    thing,
    things,
    update,
)
from tests.engine.openness import check_metadata, stock_catalog

TINY = LIMITS["tiny"]


@pytest.fixture
def engine(tmp_path: Path, db: str | None) -> Engine:
    """A lake with twenty commits of many kinds, on each catalog in turn."""
    engine = Engine.create(str(tmp_path / "lake"), SPECS, db=db, limits=TINY)
    rows = [thing(i, name=f"n{i:03d}") for i in range(200)]
    insert(engine, rows[:150])
    for row in rows[150:165]:
        insert(engine, [row])
    update(engine, rows[4], name="changed")
    delete(engine, [r["uid"] for r in rows[20:60]])
    insert(engine, [{"uid": rows[0]["uid"], "n": 1}], table="link")
    insert(engine, rows[165:])
    assert engine.state().seq == 20
    return engine


def tables(engine: Engine) -> Path:
    return Path(engine.folder) / "tables"


def every_state(engine: Engine) -> dict[int, list[str]]:
    return {s: names(engine.state_at(s)) for s in range(engine.state().seq + 1)}


def reopened(engine: Engine) -> Engine:
    """Another engine, which has nothing cached."""
    return Engine.open(engine.root, SPECS, limits=TINY)


@pytest.mark.slow
@pytest.mark.parametrize("keep", [1, 2, 5, 20, 21, 1_000])
def test_keep(engine: Engine, keep: int) -> None:
    before = every_state(engine)
    floor = max(21 - keep, 0)
    report = engine.gc(keep=keep, min_age=0)
    assert report.kept_from == floor
    assert report.orphans == ()
    assert bool(report.superseded) is (floor > 1)  # the first commit made the table
    assert not {p for p in report.superseded if Path(p).exists()}
    cold = reopened(engine)
    for seq, expected in before.items():
        if seq >= floor:
            assert names(cold.state_at(seq)) == expected
        else:
            with pytest.raises(LookupFailed, match="removed by gc"):
                cold.state_at(seq)
    assert engine.gc(keep=keep, min_age=0).superseded == ()
    assert len(cold.log()) == 21  # who did what stays
    cold.close()


def test_nothing_is_left_that_nobody_reaches(engine: Engine) -> None:
    """Keeping one state leaves what it reaches, and the snapshots that stock readers see."""
    engine.gc(keep=1, min_age=0)
    left = files_below(tables(engine))
    again = engine.gc(keep=1, min_age=0)
    assert (again.superseded, again.orphans) == ((), ())
    assert left == files_below(tables(engine))
    state = engine.state()
    reached = {f for t in state.tables for f in state.files(t)}
    assert reached <= left
    # per table: live data, and what five snapshots and five metadata files name
    assert len([p for p in left if p.endswith(".metadata.json")]) == len(state.pointers)
    if (Path(engine.folder) / "catalog.db").exists():
        with stock_catalog(engine) as catalog:
            table = catalog.load_table("lake.thing")
            check_metadata(table)
            for snapshot in table.metadata.snapshots:
                table.scan(snapshot_id=snapshot.snapshot_id).to_arrow()


def test_older_than(engine: Engine) -> None:
    before = every_state(engine)
    moment = engine.log()[5].time  # of commit 15
    assert engine.gc(older_than=moment, min_age=0).kept_from == 15
    cold = reopened(engine)
    assert names(cold.state_at(15)) == before[15]
    with pytest.raises(LookupFailed):
        cold.state_at(14)
    cold.close()
    # of two limits the one that keeps more holds
    assert engine.gc(older_than=datetime.now(UTC), keep=3, min_age=0).kept_from == 18
    assert engine.gc(older_than=moment - timedelta(days=1), keep=1, min_age=0).kept_from == 18


def test_without_a_retention_all_states_stay(engine: Engine) -> None:
    before = every_state(engine)
    report = engine.gc(min_age=0)
    assert (report.superseded, report.orphans, report.kept_from) == ((), (), 0)
    cold = reopened(engine)
    assert every_state(cold) == before
    cold.close()


def test_keep_nothing(engine: Engine) -> None:
    with pytest.raises(InvalidArgument, match="at least the newest"):
        engine.gc(keep=0)


def test_tags_are_kept(engine: Engine) -> None:
    before = every_state(engine)
    engine.tag("early", 3)
    engine.tag("later", 17)
    engine.gc(keep=1, min_age=0)
    cold = reopened(engine)
    assert names(cold.state_at("early")) == names(cold.state_at(3)) == before[3]
    assert names(cold.state_at("later")) == before[17]
    with pytest.raises(LookupFailed, match="removed by gc"):
        cold.state_at(4)
    with pytest.raises(LookupFailed, match="removed by gc"):
        engine.tag("too late", 4)
    assert "too late" not in engine.tags()
    assert engine.tag("another", 17).seq == 17
    insert(engine, [thing(999)])
    engine.delete_tag("early")
    report = engine.gc(keep=1, min_age=0)
    assert report.superseded
    assert report.orphans == ()
    with pytest.raises(LookupFailed):
        cold.state_at(3)
    assert names(cold.state_at("later")) == before[17]
    cold.close()


def test_a_dry_run_removes_nothing(engine: Engine) -> None:
    orphan = tables(engine) / "thing" / "data" / "left-behind.parquet"
    orphan.write_bytes(b"x" * 1_000)
    before, states = files_below(tables(engine)), every_state(engine)
    dry = engine.gc(keep=2, min_age=0, dry_run=True)
    assert (dry.dry_run, dry.orphans) == (True, (str(orphan),))
    assert files_below(tables(engine)) == before
    cold = reopened(engine)
    assert every_state(cold) == states
    cold.close()
    wet = engine.gc(keep=2, min_age=0)
    assert (wet.superseded, wet.orphans, wet.bytes) == (dry.superseded, dry.orphans, dry.bytes)
    assert before - files_below(tables(engine)) == {*wet.superseded, *wet.orphans}
    assert "would remove" in str(dry)
    assert "removed" in str(wet)


def test_young_orphans_stay(engine: Engine) -> None:
    data = tables(engine) / "thing" / "data"
    for name, days in (("old.parquet", 2), ("young.parquet", 0), ("old.txt", 2), ("o.json.tmp", 2)):
        (data / name).write_bytes(b"x")
        moment = time.time() - days * 86_400
        os.utime(data / name, (moment, moment))
    report = engine.gc()
    assert {Path(p).name for p in report.orphans} == {"old.parquet", "o.json.tmp"}
    assert (data / "young.parquet").exists()
    assert (data / "old.txt").exists()  # none of ours


def test_a_running_writer_is_protected(engine: Engine) -> None:
    """Its files are written before it takes the lock, and named by no commit yet."""
    before = files_below(tables(engine), [".parquet"])
    with engine._catalog.exclusive():
        writer = threading.Thread(target=insert, args=(engine, things(2_000, 5_000)))
        writer.start()
        deadline = time.monotonic() + 20
        while len(files_below(tables(engine), [".parquet"]) - before) < 3:
            assert time.monotonic() < deadline
            time.sleep(0.005)
        collector = threading.Thread(target=engine.gc, kwargs={"keep": 1})
        collector.start()
        time.sleep(0.05)
    collector.join()
    writer.join()
    cold = reopened(engine)
    assert cold.state().arrow("thing").num_rows == 2_160
    cold.close()


def test_writers_and_readers_go_on(engine: Engine) -> None:
    """gc runs again and again, even without an age gate, while others commit single rows."""
    done = threading.Event()
    failures: list[BaseException] = []

    def write() -> None:
        other = reopened(engine)
        try:
            for i in range(30):
                insert(other, [thing(5_000 + i)])
                assert other.state().arrow("thing").num_rows >= 160
        except BaseException as error:
            failures.append(error)
            raise
        finally:
            done.set()
            other.close()

    writer = threading.Thread(target=write)
    writer.start()
    while not done.is_set():
        engine.gc(keep=3, min_age=0)
    writer.join()
    assert failures == []
    cold = reopened(engine)
    assert cold.state().arrow("thing").num_rows == 190
    assert cold.state_at(cold.state().seq - 2).count("thing") == 188
    cold.close()


def test_a_state_in_hand_says_what_happened(engine: Engine) -> None:
    """A reader that holds an old state and reads on after gc gets a clear error."""
    cold = reopened(engine)
    old = cold.state_at(18)
    engine.gc(keep=1, min_age=0)
    with pytest.raises(LakeCorrupt, match="is gone") as error:
        old.arrow("thing")
    assert "gc" in str(error.value)
    cold.close()


def test_gc_killed_halfway_is_finished_by_the_next(engine: Engine) -> None:
    """The pointers of forgotten states go before any file."""
    before = every_state(engine)
    report = engine.gc(keep=3, min_age=0, dry_run=True)
    for path in report.superseded[::2]:  # as if it had been killed while it removed files
        Path(path).unlink()
    again = engine.gc(keep=3, min_age=0)
    assert set(again.superseded) == set(report.superseded[1::2])
    cold = reopened(engine)
    for seq in (18, 19, 20):
        assert names(cold.state_at(seq)) == before[seq]
    cold.close()
