"""Backups beside writers and gc, and kills of backups and restorations."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

import lakehouse as ln
from lakehouse import storage
from lakehouse.backup import BackupStore, restore
from lakehouse.errors import LakeExists, StorageError
from tests.faults.jobs import Acks
from tests.faults.server import ForkServer
from tests.faults.victims import Victims

pytestmark = pytest.mark.faults

KILLS = int(os.environ.get("LAKEHOUSE_KILLS", "200")) // 20


@pytest.fixture(scope="module")
def server() -> Iterator[ForkServer]:
    with ForkServer("tests.faults.backup_jobs") as server:
        yield server


@pytest.fixture
def lake(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[ln.Lake]:
    monkeypatch.setenv("LAKEHOUSE_USER", "ada")
    with ln.Lake.create(str(tmp_path / "lake")) as made:
        ln.ULabel(name="pair").save()
        ln.Project(name="pair").save()
        yield made


def check(lake: ln.Lake) -> int:
    """A lake is one committed state with all its bytes; the number of its turn."""
    turn = lake.ULabel.get(name="pair").description
    assert lake.Project.get(name="pair").description == turn
    artifacts = lake.Artifact.filter().to_list()
    assert sorted(int(a.description) for a in artifacts) == list(range(int(turn or -1) + 1))
    for artifact in artifacts:
        assert storage.hash_path(str(artifact.path)).hash == artifact.hash
    return int(turn or -1)


@pytest.mark.parametrize("gc", [False, True])
def test_beside_writers(lake: ln.Lake, server: ForkServer, tmp_path: Path, gc: bool) -> None:
    """Each backup is one committed state, though writers and gc don't stop for it."""
    acks = tmp_path / "acks"
    pids = [server.start("write_pairs", root=lake.root, acks=str(acks))]
    if gc:
        pids.append(server.start("collect", root=lake.root, acks=str(tmp_path / "gc"), min_age=30))
    made = []
    try:
        for _ in range(4):
            until = time.monotonic() + 180
            before = len(Acks.read(acks)) if acks.exists() else 0
            while not acks.exists() or len(Acks.read(acks)) < before + 3:
                assert time.monotonic() < until
                time.sleep(0.01)
            acked = sum(a["op"] == "commit" for a in Acks.read(acks))
            backup = lake.backup(tmp_path / "backup")
            assert backup.whole, str(backup)
            made.append((backup.name, acked))
    finally:
        for pid in pids:
            os.kill(pid, signal.SIGKILL)
            server.wait(pid)
    for i, (name, acked) in enumerate(made):
        new = restore(tmp_path / "backup", tmp_path / f"new{i}", at=name)
        assert check(new) + 1 >= acked  # what was acknowledged before the backup is in it
        new.close()


def test_killed_backups(lake: ln.Lake, server: ForkServer, tmp_path: Path) -> None:
    dest = tmp_path / "backup"
    victims = Victims(server, tmp_path)
    for i in range(KILLS):
        (tmp_path / "x.txt").write_text(f"{i}" * 5_000)
        ln.Artifact(tmp_path / "x.txt", key=f"{i}.txt").save()
        victims.round(Path(lake.root), {"back_up": {"dest": str(dest)}}, 1.0)
        if dest.exists():
            store = BackupStore(str(dest))
            names = store.names()
            acked = [a["name"] for a in victims.acks if a["op"] == "backup"]
            assert set(acked) <= set(names)
            for name in names[-3:]:
                assert store.damaged(store.manifest(name)) == []
    assert victims.killed
    lake.backup(dest)
    new = restore(dest, tmp_path / "new")
    assert new.ULabel.filter().count() == lake.ULabel.filter().count()
    assert new.Artifact.get(key="0.txt").load() == "0" * 5_000


def test_killed_restorations(lake: ln.Lake, server: ForkServer, tmp_path: Path) -> None:
    for i in range(20):
        ln.ULabel(name=f"l{i}").save()
        (tmp_path / "x.txt").write_text(f"{i}")
        ln.Artifact(tmp_path / "x.txt", key=f"{i}.txt", description=str(i)).save()
    lake.tag("t", 10)
    lake.backup(tmp_path / "backup")
    start = time.monotonic()
    restore(tmp_path / "backup", tmp_path / "whole").close()
    takes = time.monotonic() - start
    victims = Victims(server, tmp_path)
    for i in range(KILLS):
        root = tmp_path / f"new{i}"
        victims.round(root, {"restore": {"dest": str(tmp_path / "backup")}}, takes)
        try:
            new = restore(tmp_path / "backup", root)
        except LakeExists:  # done, if not told any more before the kill
            new = ln.Lake.open(str(root))
        assert [a.load() for a in new.Artifact.filter().order_by("created_at")] == [
            str(i) for i in range(20)
        ]
        assert new.at("t").ULabel.filter().count() == lake.at("t").ULabel.filter().count()
        assert not list(root.glob(".lakehouse/restoring.json"))
        assert all(row["root"] != lake.root for row in new.state.arrow("storage").to_pylist())
        new.close()
    assert victims.killed


FULL = """
import resource, signal, sys
import lakehouse as ln
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
lake = ln.open(sys.argv[1])
resource.setrlimit(resource.RLIMIT_FSIZE, (20_000_000, 20_000_000))
try:
    lake.backup(sys.argv[2]) if sys.argv[3] == "backup" else ln.setup.restore(sys.argv[2], sys.argv[4])
except ln.errors.StorageError as error:
    print("told:", error)
"""


def test_no_room(lake: ln.Lake, tmp_path: Path) -> None:
    """A write that the system refuses is one error; what was there before stays whole."""
    import subprocess
    import sys

    dest = tmp_path / "backup"
    lake.backup(dest)
    (tmp_path / "big").write_bytes(os.urandom(30_000_000))
    ln.Artifact(tmp_path / "big", key="big").save()

    def run(*words: object) -> str:
        command = [sys.executable, "-c", FULL, *map(str, words)]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout

    assert "told: Could not store" in run(lake.root, dest, "backup")
    store = BackupStore(str(dest))
    assert [store.damaged(store.manifest(n)) for n in store.names()] == [[]]
    assert lake.backup(dest).whole
    assert "told: Could not store" in run(lake.root, dest, "restore", tmp_path / "new")
    assert restore(dest, tmp_path / "new").Artifact.get(key="big").size == 30_000_000


def test_a_place_that_refuses(lake: ln.Lake, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StorageError):
        lake.backup(tmp_path / "file" / "below")
