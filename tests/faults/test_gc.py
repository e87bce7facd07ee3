"""gc beside running writers, beside another gc, and after clocks that jumped: nothing is lost."""

from __future__ import annotations

import json
import multiprocessing
import os
import sqlite3
import subprocess
import sys
import textwrap
import threading
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from lakehouse import storage
from lakehouse.engine import Engine
from lakehouse.engine.commit.leases import Leases
from lakehouse.orm import Lake
from lakehouse.registries.artifact.row import MANAGED
from tests.engine.lakes import LIMITS, SPECS, insert, names, thing, things

TINY = LIMITS["tiny"]
WRITER = """
    import sys, time
    from lakehouse.orm import Lake
    root, source, count = sys.argv[1], sys.argv[2], int(sys.argv[3])
    name = source.rpartition("/")[2]
    with Lake.open(root) as lake:
        for i in range(count):
            with open(source, "w") as handle:
                handle.write(f"{source} {i}")
            if i % 5:
                lake.Artifact(source, key=f"{name}/{i}.txt").save()
                continue
            with lake.transaction():
                lake.Artifact(source, key=f"{name}/{i}.txt").save()
                time.sleep(0.05)  # bytes lie there, and no commit names them yet
        print("done")
"""


def test_gc_without_an_age_gate_beside_writers_of_artifacts(tmp_path: Path) -> None:
    """Every acknowledged artifact has its bytes, and nothing else is left."""
    with Lake.create(str(tmp_path / "lake")) as lake:
        writers = [
            subprocess.Popen(
                [
                    sys.executable,
                    "-c",
                    textwrap.dedent(WRITER),
                    lake.root,
                    str(tmp_path / f"source-{i}.txt"),
                    "12",
                ],
                stdout=subprocess.PIPE,
            )
            for i in range(2)
        ]
        stop = threading.Event()
        failures: list[BaseException] = []

        def collect() -> None:
            try:
                with Lake.open(lake.root) as other:
                    while not stop.is_set():
                        other.gc(min_age=0)
            except BaseException as error:
                failures.append(error)

        collectors = [threading.Thread(target=collect) for _ in range(2)]  # two gc at once
        for collector in collectors:
            collector.start()
        outputs = [writer.communicate(timeout=240)[0] for writer in writers]
        stop.set()
        for collector in collectors:
            collector.join()
        assert outputs == [b"done\n"] * 2
        assert failures == []
        artifacts = lake.Artifact.filter().to_list()
        assert len(artifacts) == 24
        for artifact in artifacts:
            assert storage.hash_path(artifact.path).hash == artifact.hash
        lake.gc(min_age=0)
        left = {f"{MANAGED}/{name}" for name in os.listdir(f"{lake.root}/{MANAGED}")}
        assert left == {artifact.storage_key for artifact in artifacts}
        assert lake.engine.announced() == set()


def test_rows_written_before_the_lock_are_announced(tmp_path: Path) -> None:
    """A bulk insert writes its files first; gc at any age leaves them alone until it commits."""
    engine = Engine.create(str(tmp_path / "lake"), SPECS, limits=TINY)
    insert(engine, things(10))
    folder = Path(engine.folder) / "tables"
    before = set(folder.rglob("*.parquet"))
    with engine._catalog.exclusive():
        writer = threading.Thread(target=insert, args=(engine, things(2_000, 5_000)))
        writer.start()
        deadline = time.monotonic() + 60
        while len(set(folder.rglob("*.parquet")) - before) < 3:
            assert time.monotonic() < deadline
            time.sleep(0.005)
        collector = threading.Thread(target=engine.gc, kwargs={"keep": 1, "min_age": 0})
        collector.start()
        time.sleep(0.1)
    collector.join()
    writer.join()
    cold = Engine.open(engine.root, SPECS, limits=TINY)
    assert cold.state().arrow("thing").num_rows == 2_010
    cold.close()
    engine.close()


def _announce(folder: str, root: str) -> None:
    from lakehouse.engine.files import files_at

    lease = Leases(files_at(root), folder).new()
    lease.add([f"{root}/.lakehouse/artifacts/from-a-child"])
    os.kill(os.getpid(), 9)


def test_what_a_killed_writer_announced_protects_nothing(tmp_path: Path) -> None:
    with Lake.create(str(tmp_path / "lake")) as lake:
        folder = Path(lake.root, MANAGED)
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "from-a-child").write_text("half")
        (folder / "from-afar").write_text("in flight")
        context = multiprocessing.get_context("spawn")
        child = context.Process(target=_announce, args=(lake.engine.folder, lake.root))
        child.start()
        child.join()
        far = Path(lake.engine.folder, "writing", "far.json")
        note = {"host": "another", "pid": 1, "start": "1", "paths": [f"{folder}/from-afar"]}
        far.write_text(json.dumps(note))
        for damaged in ("{", "[]", '{"paths": 7}', ""):
            Path(lake.engine.folder, "writing", f"{len(damaged)}-damaged.json").write_text(damaged)
        report = lake.gc(min_age=0, dry_run=True)
        assert report.orphans == (f"{folder}/from-a-child",)
        assert len(os.listdir(far.parent)) >= 4  # a dry run tidies nothing
        assert lake.gc(min_age=0).orphans == (f"{folder}/from-a-child",)
        assert (folder / "from-afar").exists()
        week = time.time() - 8 * 24 * 3600
        os.utime(far, (week, week))
        assert lake.gc(min_age=0).orphans == (f"{folder}/from-afar",)
        assert not far.exists()


def test_what_is_written_beside_a_target_first_is_left_alone(tmp_path: Path) -> None:
    with Lake.create(str(tmp_path / "lake")) as lake:
        folder = Path(lake.root, MANAGED)
        folder.mkdir(parents=True, exist_ok=True)
        (folder / ".tmp-0123456789abcdef").write_text("half")
        lease = lake.engine.lease()
        lease.add([f"{folder}/target.txt"])
        assert lake.gc(min_age=0).orphans == ()
        lease.end()
        assert lake.gc(min_age=0).orphans == (f"{folder}/.tmp-0123456789abcdef",)


def test_orphans_in_a_bucket_are_swept(tmp_path: Path) -> None:
    import fsspec

    db = f"sqlite:///{tmp_path}/catalog.db"
    root = f"memory://bucket-{os.getpid()}/lake"
    with Lake.create(root, db=db) as lake:
        source = tmp_path / "a.txt"
        source.write_text("kept")
        kept = lake.Artifact(str(source), key="a.txt").save()
        fs = fsspec.filesystem("memory")
        fs.pipe_file(f"{root}/{MANAGED}/orphan.txt", b"orphan")
        fs.pipe_file(f"{root}/{MANAGED}/folder.zarr/a/b", b"orphan")
        fs.pipe_file(f"{root}2/{MANAGED}/neighbour.txt", b"another lake's")
        expected = {f"{root}/{MANAGED}/orphan.txt", f"{root}/{MANAGED}/folder.zarr"}
        assert set(lake.gc(min_age=0, dry_run=True).orphans) == expected
        assert lake.gc().orphans == ()  # too young
        assert set(lake.gc(min_age=0).orphans) == expected
        assert not fs.exists(f"{root}/{MANAGED}/orphan.txt")
        assert not fs.exists(f"{root}/{MANAGED}/folder.zarr")
        assert fs.exists(f"{root}2/{MANAGED}/neighbour.txt")
        assert fs.cat_file(f"{root}/{kept.storage_key}") == b"kept"
        assert fs.find(f"{root}/.lakehouse/writing") == []
        fs.rm(root.rpartition("/")[0], recursive=True)


@pytest.fixture
def clocks(tmp_path: Path) -> tuple[Engine, list[datetime], list[list[str]]]:
    """A lake of commits an hour apart, and its states."""
    engine = Engine.create(str(tmp_path / "lake"), SPECS, limits=TINY)
    for i in range(10):
        insert(engine, [thing(i, name=f"n{i}")])
    start = datetime.now(UTC) - timedelta(hours=20)
    times = [start + timedelta(hours=i) for i in range(11)]
    _set_times(engine, times)
    return engine, times, [names(engine.state_at(i)) for i in range(11)]


def _set_times(engine: Engine, times: list[datetime]) -> None:
    with sqlite3.connect(f"{engine.folder}/catalog.db") as db:
        for seq, moment in enumerate(times):
            micros = int(moment.timestamp() * 1e6)
            db.execute("UPDATE lh_commit SET time_us = ? WHERE seq = ?", (micros, seq))
    db.close()


def test_a_clock_that_is_days_behind(
    clocks: tuple[Engine, list[datetime], list[list[str]]],
) -> None:
    """The commits of a machine whose clock is behind neither hide nor age the others'."""
    engine, times, states = clocks
    wrong = list(times)
    wrong[7] -= timedelta(days=3)
    wrong[10] -= timedelta(days=3)
    _set_times(engine, wrong)
    minute = timedelta(minutes=1)
    for seq in (0, 1, 2, 3, 4, 5, 8):
        assert names(engine.state_at(times[seq] + minute)) == states[seq]
    assert names(engine.state_at(times[6] + minute)) == states[7]
    assert names(engine.state_at(datetime.now(UTC))) == states[10]
    moment = times[5] - minute
    assert engine.gc(older_than=moment, min_age=0).kept_from == 4
    for seq in range(4, 11):
        assert names(engine.state_at(seq)) == states[seq]
    assert names(engine.state_at(moment)) == states[4]
    engine.close()


def test_a_clock_that_is_days_ahead(
    clocks: tuple[Engine, list[datetime], list[list[str]]],
) -> None:
    engine, times, states = clocks
    wrong = list(times)
    wrong[4] += timedelta(days=30)
    _set_times(engine, wrong)
    assert names(engine.state_at(datetime.now(UTC))) == states[10]
    minute = timedelta(minutes=1)
    assert names(engine.state_at(times[8] + minute)) == states[8]
    assert names(engine.state_at(times[2] + minute)) == states[2]
    # whose clock is wrong isn't known for sure: gc keeps what may be younger
    assert engine.gc(older_than=times[8], min_age=0).kept_from == 3
    assert names(engine.state_at(times[8] + minute)) == states[8]
    engine.close()


def test_moments_never_go_back(clocks: tuple[Engine, list[datetime], list[list[str]]]) -> None:
    engine, times, _ = clocks
    jumps = [0, -50, 3, 400, -2, 7, 0, -90, 60, 1, -1]
    _set_times(engine, [t + timedelta(hours=j) for t, j in zip(times, jumps, strict=True)])
    moments = [times[0] + timedelta(hours=h) for h in range(-100, 600, 7)]
    strict = [engine._catalog.seq_at(m) for m in moments]
    kept = [-1 if seq is None else seq for seq in strict]
    assert kept == sorted(kept)
    logged = {c.seq: c.time for c in engine.log()}
    for moment, seq in zip(moments, kept, strict=True):
        assert all(logged[s] <= moment for s in range(seq + 1))
        asked = engine._catalog.seq_at(moment, datetime.now(UTC))
        assert seq <= (-1 if asked is None else asked)  # gc never removes what `at` gives
    engine.close()


def test_files_from_the_future_are_swept_all_the_same(tmp_path: Path) -> None:
    with Lake.create(str(tmp_path / "lake")) as lake:
        table = Path(lake.engine.folder, "tables", "ulabel", "data")
        managed = Path(lake.root, MANAGED)
        for folder in (table, managed):
            folder.mkdir(parents=True, exist_ok=True)
            (folder / "orphan.parquet").write_bytes(b"x")
            ahead = time.time() + 1e6
            os.utime(folder / "orphan.parquet", (ahead, ahead))
        assert lake.gc().orphans == ()
        assert len(lake.gc(min_age=0).orphans) == 2
