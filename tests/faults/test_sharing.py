"""Lakes that several users share: a group's writers, readers, locks, and mounts without locks."""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import signal
import stat
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import lakehouse as ln
from lakehouse.config import settings
from lakehouse.engine.catalog import sqlite_db
from lakehouse.errors import CatalogUnavailable
from tests.faults.server import REPOSITORY, ForkServer

GROUP, ADA, BOB, GUEST = 54_321, 61_001, 61_002, 61_003
as_root = pytest.mark.skipif(os.geteuid() != 0, reason="needs root, to act as several users")


@pytest.fixture(scope="module")
def server() -> Iterator[ForkServer]:
    with ForkServer("tests.faults.sharing_jobs") as server:
        yield server


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder that others may enter; pytest's own they may not."""
    folder = Path(tempfile.mkdtemp(prefix="lake-"))
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder)


class Users:
    """Users who work in turn or at once, each with a home, under an id of their own."""

    def __init__(self, server: ForkServer, folder: Path) -> None:
        self._server, self._folder = server, folder
        self._count = 0

    def start(self, uid: int | None, job: str, *, umask: int = 0o002, **args: Any) -> Any:
        """Start a job as a user; gives a function that waits for its answer."""
        home = self._folder / f"home-{uid}"
        if not home.exists():
            home.mkdir(mode=0o755)
            if uid is not None:
                os.chown(home, uid, GROUP)
        self._count += 1
        out = home / f"said-{self._count}"
        pid = self._server.start(job, out=str(out), uid=uid, home=str(home), umask=umask, **args)

        def answer() -> Any:
            assert self._server.wait(pid) == 0, f"{job} failed; its traceback is on stderr"
            return json.loads(out.read_text())

        answer.pid, answer.out = pid, out  # type: ignore[attr-defined]
        return answer

    def do(self, uid: int | None, job: str, **args: Any) -> Any:
        """Do a job as a user; its answer."""
        return self.start(uid, job, **args)()


@pytest.fixture
def users(server: ForkServer, folder: Path) -> Users:
    return Users(server, folder)


def shared(folder: Path, mode: int) -> str:
    """A folder of the group; the root of a lake in it."""
    team = folder / "team"
    team.mkdir()
    os.chown(team, ADA, GROUP)
    team.chmod(mode)
    return str(team / "lake")


def modes(root: str) -> dict[str, int]:
    """The modes of all files in a lake."""
    paths = (p for p in Path(root).rglob("*") if p.is_file())
    return {str(p.relative_to(root)): stat.S_IMODE(p.stat().st_mode) for p in paths}


def files(root: str) -> set[str]:
    return {str(p) for p in Path(root).rglob("*")}


@as_root
class TestGroup:
    @pytest.mark.parametrize("umask", [0o002, 0o022])
    def test_two_users_save_in_turn(self, users: Users, folder: Path, umask: int) -> None:
        root = shared(folder, 0o2775)
        names = []
        for uid, name in ((ADA, "0"), (BOB, "1"), (ADA, "2"), (BOB, "3")):
            said = users.do(uid, "saves", umask=umask, root=root, name=name, first=not names)
            names.append(name)
            assert said == [[f"by {n}" for n in names], names]
        found = modes(root)
        assert found.pop(".lakehouse/catalog.db.lock") == 0o660  # who can't write, can't lock
        for path, mode in found.items():
            assert mode & 0o044 == 0o044, (path, oct(mode))
            assert mode & 0o020 or "artifacts" in path, (path, oct(mode))
        for path in Path(root).rglob("*"):
            assert path.stat().st_gid == GROUP
            assert not path.is_dir() or path.stat().st_mode & 0o2070 == 0o2070, path

    def test_both_at_once(self, users: Users, folder: Path) -> None:
        root = shared(folder, 0o2770)
        users.do(ADA, "saves", root=root, name="a", first=True)
        started = [users.start(u, "saves", root=root, name=f"{u}", first=False) for u in (ADA, BOB)]
        for answer in started:
            answer()
        assert users.do(BOB, "saves", root=root, name="z", first=False)[1] == [
            "61001",
            "61002",
            "a",
            "z",
        ]

    def test_a_private_folder_stays_private(self, users: Users, folder: Path) -> None:
        root = shared(folder, 0o2775)
        users.do(ADA, "saves", umask=0o077, root=root, name="a", first=True)
        assert {mode & 0o077 for mode in modes(root).values()} == {0}
        for path in (Path(root), *Path(root).rglob("*")):
            assert path.stat().st_mode & 0o077 == 0, path

    def test_a_lake_of_an_older_version_is_opened_to_the_group(
        self, users: Users, folder: Path
    ) -> None:
        root = shared(folder, 0o2775)
        users.do(ADA, "saves", root=root, name="a", first=True)
        for name in ("catalog.db", "catalog.db.lock"):
            (Path(root) / ".lakehouse" / name).chmod(0o644)
        users.do(ADA, "saves", root=root, name="b", first=False)
        assert users.do(BOB, "saves", root=root, name="c", first=False)[1] == ["a", "b", "c"]

    def test_everybody_is_on_their_own_branch(self, users: Users, folder: Path) -> None:
        root = shared(folder, 0o2775)
        users.do(ADA, "saves", root=root, name="a", first=True)
        assert users.do(ADA, "switches", root=root, branch="ada") == ["main", "ada"]
        assert users.do(BOB, "switches", root=root, branch="bob") == ["main", "bob"]
        assert users.do(ADA, "switches", root=root, branch="more") == ["ada", "more"]
        assert not (Path(root) / ".lakehouse" / "connection.json").exists()

    def test_what_root_saves_locks_nobody_out(self, users: Users, folder: Path) -> None:
        root = shared(folder, 0o755)
        users.do(ADA, "saves", umask=0o022, root=root, name="a", first=True)
        users.do(None, "saves", umask=0o022, root=root, name="b", first=False)
        said = users.do(ADA, "saves", umask=0o022, root=root, name="c", first=False)
        assert said[1] == ["a", "b", "c"]


@as_root
class TestReaders:
    def test_they_do_all_that_reads_and_leave_nothing(self, users: Users, folder: Path) -> None:
        root = shared(folder, 0o2755)
        users.do(ADA, "saves", umask=0o022, root=root, name="a", first=True)
        before = files(root)
        said = users.do(GUEST, "reads", root=root)
        assert said.pop("commands") == dict.fromkeys(("info", "ls", "sql", "log", "gc"), 0)
        assert said == {
            "may write": False,
            "query": ["by a"],
            "load": "a",
            "cache": "a",
            "describe": True,
            "sql": 1,
            "scan": 1,
            "log": True,
            "at": 1,
            "diff": True,
            "tags": 0,
            "user": True,
            "other": 1,
        }
        assert files(root) == before

    @pytest.mark.faults
    @pytest.mark.parametrize("reopen", [1_000, 7])
    @pytest.mark.parametrize("journal", ["wal", "delete"])
    def test_beside_a_writer(
        self, users: Users, folder: Path, reopen: int, journal: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        count = 150 if reopen > 1 else 40
        root = shared(folder, 0o2755)
        users.do(ADA, "saves", umask=0o022, root=root, name="a", first=True)
        if journal == "delete":
            set_journal(root, "delete")
        readers = [users.start(GUEST, "polls", root=root, until=count + 1) for _ in range(2)]
        users.do(ADA, "writes", umask=0o022, root=root, count=count, reopen=reopen)
        for reader in readers:
            seen, polled = reader()
            assert seen == count + 1
            assert polled > 5

    def test_a_log_without_its_memory(self, users: Users, folder: Path) -> None:
        """A copy that was taken beside a writer: the log lies there, the shared memory doesn't."""
        root = shared(folder, 0o2755)
        users.do(ADA, "saves", umask=0o022, root=root, name="a", first=True)
        with ln.open(root) as lake:
            lake.ULabel(name="in the log").save()
            shutil.copytree(root, folder / "copy")
        (folder / "copy/.lakehouse/catalog.db-shm").unlink()
        assert (folder / "copy/.lakehouse/catalog.db-wal").stat().st_size
        copy = Path(root).rename(folder / "team/away").parent / "lake"
        (folder / "copy").rename(copy)
        before = files(str(copy))
        assert users.do(GUEST, "reads", root=root)["query"] == ["by a", "in the log"]
        assert files(str(copy)) == before

    def test_they_cant_hold_the_writers_lock(self, users: Users, folder: Path) -> None:
        root = shared(folder, 0o2755)
        users.do(ADA, "saves", umask=0o022, root=root, name="a", first=True)
        lock = f"{root}/.lakehouse/catalog.db.lock"
        assert users.do(GUEST, "locks", path=lock, seconds=0) == "PermissionError"


def set_journal(root: str, mode: str) -> None:
    """Give a lake's catalog the journal that it would have on a network mount."""
    import sqlite3

    db = sqlite3.connect(f"{root}/.lakehouse/catalog.db")
    assert db.execute(f"PRAGMA journal_mode={mode}").fetchone()[0] == mode
    db.close()


class TestWaiting:
    @pytest.fixture
    def lake(self, tmp_path: Path) -> Iterator[Any]:
        with ln.Lake.create(str(tmp_path / "lake")) as lake:
            yield lake

    @pytest.fixture
    def held(self, lake: Any) -> Iterator[int]:
        descriptor = os.open(f"{lake.root}/.lakehouse/catalog.db.lock", os.O_RDONLY)
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield descriptor
        os.close(descriptor)

    def test_it_is_told_once_and_ends_with_the_holder(
        self, lake: Any, held: int, monkeypatch: pytest.MonkeyPatch, capsys: Any
    ) -> None:
        monkeypatch.setattr(settings, "_lock_timeout", 2.3)
        with pytest.raises(CatalogUnavailable, match="locked by another process") as error:
            lake.ULabel(name="x").save()
        assert "2.3 s" in str(error.value)
        assert "LAKEHOUSE_LOCK_TIMEOUT" in str(error.value)
        assert capsys.readouterr().err.count("waiting for the lake's lock") == 1
        assert lake.ULabel.filter().count() == 0
        fcntl.flock(held, fcntl.LOCK_UN)
        lake.ULabel(name="x").save()  # nothing is stuck
        assert lake.ULabel.filter().count() == 1

    def test_the_lock_of_another_process_names_it(
        self, lake: Any, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        code = "import fcntl, os, sys, time; f = os.open(sys.argv[1], os.O_RDONLY); "
        code += "fcntl.flock(f, fcntl.LOCK_EX); print('held', flush=True); time.sleep(60)"
        lock = f"{lake.root}/.lakehouse/catalog.db.lock"
        holder = subprocess.Popen([sys.executable, "-c", code, lock], stdout=subprocess.PIPE)
        try:
            assert holder.stdout is not None
            holder.stdout.readline()
            monkeypatch.setattr(settings, "_lock_timeout", 0.2)
            with pytest.raises(CatalogUnavailable) as error:
                lake.ULabel(name="x").save()
            if Path("/proc/locks").exists():
                assert f"process {holder.pid}" in str(error.value)
        finally:
            holder.kill()
            holder.communicate()
        lake.ULabel(name="x").save()  # a killed holder's lock is free at once

    def test_who_waits_gets_it_when_it_is_free(self, lake: Any, held: int) -> None:
        threading.Timer(0.3, lambda: fcntl.flock(held, fcntl.LOCK_UN)).start()
        lake.ULabel(name="x").save()
        assert lake.ULabel.filter().count() == 1

    def test_who_left_passes_the_lock_on(
        self, lake: Any, held: int, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(settings, "_lock_timeout", 0.05)
        for i in range(3):
            with pytest.raises(CatalogUnavailable):
                lake.ULabel(name=f"{i}").save()
        monkeypatch.setattr(settings, "_lock_timeout", 20.0)
        fcntl.flock(held, fcntl.LOCK_UN)
        lake.ULabel(name="x").save()
        assert lake.ULabel.filter().to_list("name") == ["x"]

    def test_an_interrupted_wait_is_clean(self, tmp_path: Path, lake: Any, held: int) -> None:
        code = (
            "import sys, lakehouse as ln\nlake = ln.open(sys.argv[1])\nprint('open', flush=True)\n"
            "try: lake.ULabel(name='x').save()\nexcept KeyboardInterrupt: print('stopped')\n"
        )
        child = subprocess.Popen(
            [sys.executable, "-c", code, lake.root],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            cwd=REPOSITORY,
        )
        assert child.stdout is not None
        child.stdout.readline()
        time.sleep(0.5)
        child.send_signal(signal.SIGINT)
        out, err = child.communicate(timeout=20)
        assert (out.strip(), child.returncode) == ("stopped", 0), err
        assert "Traceback" not in err

    def test_sqlites_own_lock(
        self, lake: Any, monkeypatch: pytest.MonkeyPatch, capsys: Any
    ) -> None:
        import sqlite3

        monkeypatch.setattr(settings, "_lock_timeout", 2.5)
        lake.close()
        other = sqlite3.connect(f"{lake.root}/.lakehouse/catalog.db", isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(CatalogUnavailable, match="locked by another process"):
            lake.ULabel(name="x").save()
        assert capsys.readouterr().err.count("waiting for the lake's lock") == 1
        other.execute("ROLLBACK")
        other.close()
        lake.ULabel(name="x").save()

    def test_what_a_holder_wrote_isnt_obeyed_by_a_terminal(
        self, lake: Any, held: int, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        note = {"pid": 1, "host": "\x1b]0;owned\x07", "user": "\x1b[2J", "since": "now"}
        Path(f"{lake.root}/.lakehouse/catalog.db.lock").write_text(json.dumps(note))
        monkeypatch.setattr(settings, "_lock_timeout", 0.05)
        with pytest.raises(CatalogUnavailable) as error:
            lake.ULabel(name="x").save()
        assert "\x1b" not in str(error.value)


SHIM = Path(__file__).with_name("nolock.c")
SAVES = """
import sys, lakehouse as ln
try: lake = ln.open("lake")
except ln.errors.LakehouseError as e: sys.exit(str(e))
for i in range(int(sys.argv[2])):
    try: lake.ULabel(name=f"{sys.argv[1]}-{i}").save()
    except ln.errors.LakehouseError as e: sys.exit(str(e))
    print(f"{sys.argv[1]}-{i}", flush=True)
"""


@pytest.fixture(scope="module")
def shim(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A library under which locks are acknowledged, and exclude nobody."""
    library = tmp_path_factory.mktemp("shim") / "nolock.so"
    subprocess.run(["gcc", "-shared", "-fPIC", "-o", library, SHIM, "-ldl"], check=True)
    return library


@pytest.mark.skipif(shutil.which("gcc") is None, reason="needs gcc, to make locks that don't work")
@pytest.mark.skipif(sys.platform != "linux", reason="needs LD_PRELOAD")
class TestNoLocks:
    @pytest.mark.parametrize(
        ("how", "spares", "works"),
        [
            ("nothing", "", False),
            ("nothing", "flock", False),
            ("nothing", "posix", True),
            ("enolck", "", False),
            ("enolck", "posix", True),
        ],
    )
    def test_what_is_acknowledged_stays(
        self, tmp_path: Path, shim: Path, how: str, spares: str, works: bool
    ) -> None:
        count = 15
        ln.Lake.create(str(tmp_path / "lake")).close()
        env = os.environ | {
            "LD_PRELOAD": str(shim),
            "NOLOCK": how,
            "NOLOCK_SPARES": spares,
            "PYTHONPATH": str(REPOSITORY),
        }
        started = [
            subprocess.Popen(
                [sys.executable, "-c", SAVES, name, str(count)],
                env=env,
                cwd=tmp_path,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
            )
            for name in "abcd"
        ]
        said = [child.communicate(timeout=120) for child in started]
        acknowledged = {name for out, _ in said for name in out.split()}
        with ln.open(str(tmp_path / "lake")) as lake:
            assert set(lake.ULabel.filter().to_list("name")) == acknowledged
        assert len(acknowledged) == (4 * count if works else 0)
        for _, err in said:
            assert works or ("file locks don't work there" in err and "postgresql://" in err)
            assert "Traceback" not in err

    def test_no_lake_is_made_there(self, tmp_path: Path, shim: Path) -> None:
        code = "import lakehouse as ln\nfrom lakehouse.errors import CatalogUnavailable\n"
        code += "try: ln.Lake.create('lake')\nexcept CatalogUnavailable as e: print(e)"
        done = subprocess.run(
            [sys.executable, "-c", code],
            env=os.environ | {"LD_PRELOAD": str(shim), "PYTHONPATH": str(REPOSITORY)},
            cwd=tmp_path,
            capture_output=True,
            text=True,
            check=True,
        )
        assert "file locks don't work there" in done.stdout


class TestNetworkMounts:
    def test_no_log_where_machines_cant_share_its_memory(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        with ln.Lake.create(str(tmp_path / "lake")) as lake:
            lake.ULabel(name="a").save()
            assert Path(f"{lake.root}/.lakehouse/catalog.db-wal").exists()
        monkeypatch.setattr(sqlite_db, "_shared_by_machines", lambda folder: True)
        with ln.open(str(tmp_path / "lake")) as lake:
            lake.ULabel(name="b").save()
            assert not Path(f"{lake.root}/.lakehouse/catalog.db-wal").exists()
            assert lake.ULabel.filter().count() == 2
        monkeypatch.undo()
        with ln.open(str(tmp_path / "lake")) as lake:  # as before on a local disk
            lake.ULabel(name="c").save()
            assert Path(f"{lake.root}/.lakehouse/catalog.db-wal").exists()
            assert lake.ULabel.filter().count() == 3

    def test_a_process_that_has_it_open_with_its_log(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        with ln.Lake.create(str(tmp_path / "lake")) as first:
            first.ULabel(name="a").save()
            monkeypatch.setattr(sqlite_db, "_shared_by_machines", lambda folder: True)
            second = ln.open(str(tmp_path / "lake"))
            second.ULabel(name="b").save()
            first.ULabel(name="c").save()
            assert second.ULabel.filter().count() == first.ULabel.filter().count() == 3
            second.close()
