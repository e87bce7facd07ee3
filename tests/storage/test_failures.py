"""Full disks, refused writes and killed copies, made with real mounts, users and signals."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
import textwrap
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from lakehouse import storage
from lakehouse.errors import NoWriteAccess, StorageError
from lakehouse.storage.local import TEMP_PREFIX

ROOT = Path(__file__).parents[2]


def in_mount_namespace(mount: str, code: str, *args: object) -> subprocess.CompletedProcess[str]:
    """Run Python in a namespace of its own after a shell command that mounts something."""
    namespace = ["unshare", "--mount"]
    if os.geteuid() != 0:
        namespace += ["--user", "--map-root-user"]
    script = f'set -e; {mount}; exec "$@"'
    command = [sys.executable, "-c", textwrap.dedent(code), *map(str, args)]
    return subprocess.run(
        [*namespace, "sh", "-c", script, "sh", *command],
        capture_output=True,
        text=True,
        cwd=ROOT,
        check=False,
        timeout=60,
    )


def mounts_allowed() -> bool:
    return in_mount_namespace("mount -t tmpfs tmpfs /mnt", "print()").returncode == 0


needs_mounts = pytest.mark.skipif(not mounts_allowed(), reason="mounts are refused here")

STORE_AND_REPORT = """
    import os, sys
    from lakehouse import storage
    from lakehouse.errors import StorageError
    source, target, how = sys.argv[1:]
    try:
        if how == "many":
            storage.store_many([(source, f"{target}/f{i}") for i in range(40)])
        elif how == "move":
            storage.move_in(source, target + "/f")
        else:
            storage.store(source, target + "/f")
    except StorageError as error:
        print(type(error).__name__, error, sep="|")
    left = [name for _, _, names in os.walk(target) for name in names]
    print("left", left, os.path.exists(source))
"""


@pytest.mark.slow
@needs_mounts
@pytest.mark.parametrize("how", ["one", "many", "move", "folder"])
def test_disk_full(tmp_path: Path, how: str) -> None:
    source, target = tmp_path / "source", tmp_path / "disk"
    target.mkdir()
    size = 200_000 if how == "many" else 2_000_000
    if how == "folder":
        source.mkdir()
        for i in range(20):
            (source / f"{i}.bin").write_bytes(bytes(size // 20))
    else:
        source.write_bytes(bytes(size))
    mount = f"mount -t tmpfs -o size=1m tmpfs '{target}'"
    done = in_mount_namespace(mount, STORE_AND_REPORT, source, target, how)
    assert done.stdout.startswith("StorageError|Could not store"), done.stderr
    assert "full" in done.stdout
    assert "bytes free" in done.stdout
    assert "left [] True" in done.stdout


@pytest.mark.slow
@needs_mounts
@pytest.mark.parametrize("how", ["one", "many", "move"])
def test_read_only_file_system(tmp_path: Path, how: str) -> None:
    source, target = tmp_path / "source", tmp_path / "disk"
    target.mkdir()
    source.write_bytes(b"x")
    mount = f"mount -t tmpfs -o ro tmpfs '{target}'"
    done = in_mount_namespace(mount, STORE_AND_REPORT, source, target, how)
    assert done.stdout.startswith("NoWriteAccess|"), done.stdout + done.stderr
    assert "left [] True" in done.stdout


@pytest.fixture
def nobody() -> Iterator[None]:
    """Be a user without rights, if the tests run as root."""
    if os.geteuid() != 0:
        yield
        return
    os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(0)


@pytest.fixture
def closed_folder() -> Iterator[Path]:
    """A folder that may be read and not written, with a file `source` in it."""
    with tempfile.TemporaryDirectory() as path:
        folder = Path(path)
        (folder / "source").write_bytes(b"x")
        (folder / "secret").write_bytes(b"x")
        (folder / "secret").chmod(0)
        folder.chmod(0o555)
        yield folder
        folder.chmod(0o755)


def test_permission_denied(closed_folder: Path, nobody: None) -> None:
    with pytest.raises(NoWriteAccess, match="permission to write"):
        storage.store(closed_folder / "source", closed_folder / "copy")
    with pytest.raises(NoWriteAccess, match="permission to write"):
        storage.store_many([(closed_folder / "source", closed_folder / "copy")])
    with pytest.raises(NoWriteAccess):
        storage.remove(closed_folder / "source")
    with pytest.raises(StorageError, match="permission to read") as caught:
        storage.store(closed_folder / "secret", "memory://denied/copy")
    assert not isinstance(caught.value, NoWriteAccess)
    assert not storage.exists("memory://denied/copy")
    assert sorted(os.listdir(closed_folder)) == ["secret", "source"]


def test_target_below_a_file(tmp_path: Path) -> None:
    (tmp_path / "source").write_bytes(b"x")
    (tmp_path / "file").write_bytes(b"keep")
    for call in (storage.store, storage.move_in):
        with pytest.raises(StorageError, match="Could not store"):
            call(tmp_path / "source", tmp_path / "file" / "below")
    assert (tmp_path / "file").read_bytes() == b"keep"
    assert (tmp_path / "source").exists()


def test_file_size_limit(tmp_path: Path) -> None:
    (tmp_path / "source").write_bytes(bytes(300_000))
    (tmp_path / "target").mkdir()
    code = "import resource; resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))\n"
    done = subprocess.run(
        [
            *(sys.executable, "-c", code + textwrap.dedent(STORE_AND_REPORT)),
            *(str(tmp_path / "source"), str(tmp_path / "target"), "one"),
        ],
        capture_output=True,
        text=True,
        cwd=ROOT,
        check=False,
        timeout=60,
    )
    assert done.stdout.startswith("StorageError|Could not store"), done.stderr
    assert "left [] True" in done.stdout


def test_killed_copy_leaves_only_temporary_names(tmp_path: Path) -> None:
    with (tmp_path / "source").open("wb") as file:
        file.truncate(3 << 30)
    target = tmp_path / "target"
    code = "import sys; from lakehouse import storage; storage.store(*sys.argv[1:])"
    command = [sys.executable, "-c", code, str(tmp_path / "source"), str(target / "f")]
    process = subprocess.Popen(command, cwd=ROOT)
    try:
        deadline = time.monotonic() + 30
        while not (target.exists() and os.listdir(target)) and time.monotonic() < deadline:
            time.sleep(0.01)
    finally:
        process.send_signal(signal.SIGKILL)
        process.wait()
    left = os.listdir(target)
    assert left
    assert all(name.startswith(TEMP_PREFIX) for name in left)
