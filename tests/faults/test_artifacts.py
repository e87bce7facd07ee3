"""Kills of saves through the public names: no row lacks its bytes, no bulk save is half there."""

from __future__ import annotations

import os
import random
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from pyiceberg.table import StaticTable

from lakehouse import storage
from lakehouse.engine import Changes, Commit
from lakehouse.orm import Lake
from lakehouse.registries.artifact.row import MANAGED
from tests import services
from tests.faults.public_jobs import FILES, LABELS, Acks
from tests.faults.server import ForkServer
from tests.faults.victims import SEED, Victims

pytestmark = pytest.mark.faults

KILLS = int(os.environ.get("LAKEHOUSE_KILLS", "200")) // 2
JOBS = [
    "save_file",
    "save_table",
    "save_versions",
    "save_folder",
    "save_labels",
    "replace_and_delete",
]
WRITERS = 4


@pytest.fixture(scope="module")
def server() -> Iterator[ForkServer]:
    with ForkServer("tests.faults.public_jobs") as server:
        yield server


@pytest.fixture(autouse=True)
def _known_user(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("LAKEHOUSE_CACHE_DIR", str(tmp_path / "cache"))


class Checker:
    """Looks at a lake after kills; content that it has seen whole isn't read again."""

    def __init__(self, lake: Lake) -> None:
        self._lake = lake
        self._seen: set[tuple[str, str]] = set()

    def check(self, acks: list[dict[str, Any]]) -> None:
        self._check_bytes()
        self._check_saved(acks)
        self._check_whole(acks)

    def _rows(self) -> list[dict[str, Any]]:
        return self._lake.state.arrow("artifact").to_pylist()

    def _check_bytes(self) -> None:
        """Every row's bytes are there, as many and the same as the row says."""
        for row in self._rows():
            path = f"{self._lake.root}/{row['storage_key']}"
            assert os.path.exists(path), f"{row['key']} has no bytes"
            if (path, row["hash"]) not in self._seen:
                found = storage.hash_path(path)
                assert (found.hash, found.size) == (row["hash"], row["size"]), row["key"]
                self._seen.add((path, row["hash"]))

    def _check_saved(self, acks: list[dict[str, Any]]) -> None:
        hashes = {row["uid"]: row["hash"] for row in self._rows()}
        for ack in acks:
            if ack["op"] == "artifact":
                assert hashes.get(ack["uid"]) == ack["hash"], "an acknowledged artifact is lost"
            elif ack["op"] == "deleted":
                assert ack["uid"] not in hashes

    def _check_whole(self, acks: list[dict[str, Any]]) -> None:
        state = self._lake.state
        folders = dict(
            state.sql(
                "SELECT split_part(key, '/', 2), count(*) FROM artifact"
                " WHERE key LIKE 'many/%' GROUP BY 1"
            ).fetchall()
        )
        labels = dict(
            state.sql(
                "SELECT description, count(*) FROM ulabel WHERE description IS NOT NULL GROUP BY 1"
            ).fetchall()
        )
        assert set(folders.values()) <= {FILES}, "half of a folder"
        assert set(labels.values()) <= {LABELS}, "half of a bulk save"
        assert {a["batch"] for a in acks if a["op"] == "folder"} <= folders.keys()
        assert {a["batch"] for a in acks if a["op"] == "labels"} <= labels.keys()
        for key in state.sql("SELECT key FROM artifact WHERE key LIKE 'with-labels/%'").fetchall():
            batch = key[0].removeprefix("with-labels/").removesuffix(".txt")
            assert batch in labels, "an artifact without the labels of its transaction"
        unknown = """
            SELECT a.key FROM artifact a LEFT JOIN artifact_snapshot s ON s.uid LIKE a.uid || '%'
            WHERE a.suffix = '.parquet' AND s.uid IS NULL"""
        assert state.sql(unknown).fetchall() == [], "a table without its schema snapshot"
        uids = state.arrow("artifact")["uid"].to_pylist()
        assert len(uids) == len(set(uids))

    def check_stock(self) -> None:
        """Stock pyiceberg reads every table with the same rows; the others have none."""
        state = self._lake.state
        assert not any(state.count(table) for table in set(state.tables) - state.pointers.keys())
        for table in state.pointers:
            theirs = StaticTable.from_metadata(state.pointers[table]).scan().to_arrow().to_pylist()
            ours = state.arrow(table).to_pylist()
            assert sorted(theirs, key=lambda r: r["uid"]) == sorted(ours, key=lambda r: r["uid"])


def run(victims: Victims, lake: Lake, kills: int, signal_: int = signal.SIGKILL) -> None:
    """Kill victims until enough have died, checking after each round."""
    choose = random.Random(SEED)
    print(f"seed {SEED}")
    checker = Checker(lake)
    rounds = 0
    while victims.killed < kills:
        rounds += 1
        jobs: dict[str, dict[str, Any]] = {job: {} for job in choose.sample(JOBS, 2)}
        if choose.random() < 0.2:
            jobs = {**dict([jobs.popitem()]), "collect": {"min_age": 60}}
        victims.round(Path(lake.root), jobs, 0.15, signal_)
        checker.check(victims.acks)
        if rounds % 15 == 0:
            checker.check_stock()
    checker.check_stock()

    lake.gc(keep=1, min_age=0)
    checker.check(victims.acks)
    named = {row["storage_key"] for row in lake.state.arrow("artifact").to_pylist()}
    left = {f"{MANAGED}/{name}" for name in os.listdir(f"{lake.root}/{MANAGED}")}
    assert left == named, "gc left or removed the wrong bytes"


def test_no_row_lacks_its_bytes_and_no_bulk_save_is_half_there(
    server: ForkServer, tmp_path: Path
) -> None:
    with Lake.create(str(tmp_path / "lake")) as lake:
        run(Victims(server, tmp_path), lake, KILLS)
        label = lake.ULabel(name="afterwards").save()
        assert lake.ULabel(name="afterwards").uid == label.uid


def test_replaced_content_under_a_key_is_that_of_its_row(
    server: ForkServer, tmp_path: Path
) -> None:
    with Lake.create(str(tmp_path / "lake")) as lake:
        victims = Victims(server, tmp_path)
        pending = 0
        while victims.killed < KILLS // 2:
            victims.round(Path(lake.root), {"replace_under_a_key": {}}, 0.15)
            pending = 0
            for artifact in lake.Artifact.filter():
                assert storage.hash_path(artifact.path).hash == artifact.hash
                pending += artifact.storage_key.startswith(MANAGED)
        print(f"{victims.killed} killed, {pending} contents aren't at their key yet")
        last = lake.Artifact.filter().last()
        last.replace(_write(tmp_path / "last.txt", "last"))
        last.save()
        assert Path(lake.root, last.key).read_text() == "last"
        lake.gc(keep=1, min_age=0)
        for artifact in lake.Artifact.filter():
            assert artifact.storage_key == artifact.key
            assert storage.hash_path(Path(lake.root, artifact.key)).hash == artifact.hash
        folder = Path(lake.root, MANAGED)
        assert not folder.exists() or not list(folder.iterdir())


def _write(path: Path, text: str) -> Path:
    path.write_text(text)
    return path


def test_an_interrupted_save_keeps_row_and_bytes_together(
    server: ForkServer, tmp_path: Path
) -> None:
    """Ctrl-C unwinds, unlike a kill; what it undoes mustn't have been committed."""
    with Lake.create(str(tmp_path / "lake")) as lake:
        run(Victims(server, tmp_path), lake, KILLS // 2, signal.SIGINT)


def test_an_interrupt_right_after_the_commit_takes_no_bytes_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The moment that random interrupts seldom hit."""
    source = tmp_path / "source.txt"
    source.write_text("content")
    with Lake.create(str(tmp_path / "lake")) as lake:
        commit = lake.engine.commit

        def interrupted(changes: Changes, **kwargs: str) -> Commit:
            commit(changes, **kwargs)
            raise KeyboardInterrupt

        monkeypatch.setattr(lake.engine, "commit", interrupted)
        with pytest.raises(KeyboardInterrupt):
            lake.Artifact(source, key="source.txt").save()
        Checker(lake).check([])
        assert lake.Artifact.get(key="source.txt").path.read_text() == "content"


@pytest.mark.parametrize("catalog", ["sqlite", "postgres"])
def test_equal_labels_from_four_processes_leave_one_each(
    server: ForkServer, tmp_path: Path, catalog: str
) -> None:
    names = [f"name {i}" for i in range(100)]

    def race(db: str | None) -> None:
        root = str(tmp_path / "lake")
        with Lake.create(root, db=db) as lake:
            start = time.time() + 1.5
            files = [tmp_path / f"acks{i}" for i in range(WRITERS)]
            args = {"root": root, "db": db, "start": start, "names": names}
            pids = [server.start("name_labels", acks=str(path), **args) for path in files]
            assert [server.wait(pid) for pid in pids] == [0] * WRITERS
            views = [{a["name"]: a["uid"] for a in Acks.read(path)} for path in files]
            assert views == [views[0]] * WRITERS
            found = lake.state.arrow("ulabel").select(["name", "uid"]).to_pylist()
            assert sorted(r["name"] for r in found) == sorted(names)
            assert {r["name"]: r["uid"] for r in found} == views[0]

    if catalog == "sqlite":
        race(None)
    else:
        with services.postgres() as url:
            race(url)
