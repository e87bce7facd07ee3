"""What writers announce: seen by all while they write, and by nobody afterwards."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from lakehouse.engine.commit import leases as leases_module
from lakehouse.engine.commit.leases import Leases
from lakehouse.engine.files import files_at
from lakehouse.errors import NoWriteAccess


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "lake" / ".lakehouse"


@pytest.fixture
def leases(folder: Path) -> Iterator[Leases]:
    folder.mkdir(parents=True)
    made = Leases(files_at(str(folder.parent)), str(folder))
    yield made
    made.close()


def others(leases: Leases, folder: Path) -> set[str]:
    """What another process sees."""
    return Leases(files_at(str(folder.parent)), str(folder)).announced()


def test_one_file_serves_one_lease_after_another(leases: Leases, folder: Path) -> None:
    for i in range(3):
        lease = leases.new()
        lease.add([f"a{i}", f"b{i}"])
        lease.add([f"c{i}"])
        assert others(leases, folder) == {f"a{i}", f"b{i}", f"c{i}"}
        lease.end()
        assert others(leases, folder) == set()
    (file,) = (folder / "writing").iterdir()
    assert b"a1" not in file.read_bytes()  # at rest it names nothing
    leases.close()
    assert not list((folder / "writing").iterdir())


def test_leases_at_once_have_files_of_their_own(leases: Leases, folder: Path) -> None:
    one, two = leases.new(), leases.new()
    one.add(["a"])
    two.add(["b"])
    one.end()
    assert others(leases, folder) == {"b"}
    two.end()
    with leases.held(["c"]):
        assert others(leases, folder) == {"c"}
    assert others(leases, folder) == set()
    assert len(list((folder / "writing").iterdir())) == 2


def test_a_file_that_somebody_removed_is_made_again(leases: Leases, folder: Path) -> None:
    with leases.held(["a"]):
        pass
    for file in (folder / "writing").iterdir():
        file.unlink()
    with leases.held(["b"]):
        assert others(leases, folder) == {"b"}
    (folder / "writing").rename(folder / "gone")
    with leases.held(["c"]):  # its file is still there, at another place
        pass


def test_a_file_that_rested_long_is_made_again(
    leases: Leases, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with leases.held(["a"]):
        (before,) = (folder / "writing").iterdir()
    now = time.monotonic() + 2 * leases_module._KEPT_SECONDS
    monkeypatch.setattr(time, "monotonic", lambda: now)
    with leases.held(["b"]):
        (after,) = (folder / "writing").iterdir()
        assert after != before


def test_a_child_leaves_its_parents_files(leases: Leases, folder: Path) -> None:
    with leases.held(["one"]), leases.held(["two"]):
        pass
    lease = leases.new()
    lease.add(["parent's"])
    pid = os.fork()
    if pid == 0:
        code = 1
        try:
            own = leases.new()
            own.add(["child's"])
            code = 0 if leases.announced() == {"parent's", "child's"} else 2
            lease.end()  # inherited: nothing happens
            own.end()
            leases.close()
            del own, lease
        finally:
            os._exit(code)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
    assert others(leases, folder) == {"parent's"}
    lease.end()
    assert others(leases, folder) == set()
    assert len(list((folder / "writing").iterdir())) == 2  # both the parent's


def test_a_line_that_is_being_written_says_nothing_yet(leases: Leases, folder: Path) -> None:
    lease = leases.new()
    lease.add(["a"])
    (file,) = (folder / "writing").iterdir()
    whole = file.read_bytes()
    for end in range(whole.index(b"\n") + 1, len(whole)):
        file.write_bytes(whole[:end])
        assert others(leases, folder) <= {"a"}
    file.write_bytes(whole + b'{"odd": 1}\n7\n[1, "b"]\n')
    assert others(leases, folder) == {"a", "b"}


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_who_may_not_write_is_told(leases: Leases, folder: Path) -> None:
    folder.chmod(0o555)
    with pytest.raises(NoWriteAccess):
        leases.new().add(["a"])
