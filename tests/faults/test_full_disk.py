"""A full disk: what was acknowledged stays, the error is one and clear, and gc makes room.

The disk is a small tmpfs, mounted in a namespace of the process that fills it.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

MOUNTED = 'mount -t tmpfs -o size=24m tmpfs "$1" && '
ROOT = Path(__file__).parents[2]
LABELS = [f"label {i}" for i in range(12)]


def _mounts() -> bool:
    """Whether a process may mount a disk of its own."""
    if shutil.which("unshare") is None:
        return False
    probe = ["unshare", "-rm", "sh", "-c", "mount -t tmpfs -o size=1m tmpfs /mnt"]
    return subprocess.run(probe, capture_output=True, check=False).returncode == 0


pytestmark = pytest.mark.skipif(
    not _mounts(), reason="needs user namespaces, to mount a small disk"
)


def on_a_small_disk(folder: Path, *jobs: str) -> list[dict[str, Any]]:
    """Run jobs one after another, each in a process of its own, on one small disk."""
    job = f'"{sys.executable}" -m tests.faults.full_disk_jobs'
    script = MOUNTED + " && ".join(f'{job} {name} "$1/lake"' for name in jobs)
    done = subprocess.run(
        ["unshare", "-rm", "sh", "-c", script, "sh", str(folder)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    lines = [line for line in done.stdout.splitlines() if line.startswith("{")]
    assert done.returncode == 0, done.stderr[-3000:]
    return [json.loads(line) for line in lines]


def assert_clear(error: str) -> None:
    assert error.startswith(("StorageError: ", "CatalogUnavailable: ")), error
    assert "nothing was committed" in error
    assert "No space left" in error or "disk is full" in error
    assert "free some space" in error


def test_commits_and_folds(tmp_path: Path) -> None:
    """Wherever in a commit the disk is full: exactly the acknowledged rows are there."""
    (done,) = on_a_small_disk(tmp_path, "commits")
    assert done["count"] > 12 * 7
    assert len(done["errors"]) == 24
    for error in done["errors"]:
        assert_clear(error)
    # it was full in the files of tables, and in the catalog
    assert len({error.partition(":")[0] for error in done["errors"]}) == 2


def test_gc_by_a_new_process(tmp_path: Path) -> None:
    _, read, done, after = on_a_small_disk(tmp_path, "history", "read", "collect", "look")
    assert read["labels"] == LABELS
    assert_clear(read["error"])
    assert done["removed"] > 20
    assert after == {"labels": [*LABELS, "after"], "artifacts": 12}


def test_gc_by_a_process_that_was_there(tmp_path: Path) -> None:
    _, done, after = on_a_small_disk(tmp_path, "history", "open_lake", "look")
    assert done["removed"] > 20
    assert after == {"labels": [*LABELS, "before", "after"], "artifacts": 12}


def test_a_lake_that_was_moved(tmp_path: Path) -> None:
    _, found, after = on_a_small_disk(tmp_path, "history", "move", "look")
    if "error" in found:
        assert_clear(found["error"])
    else:
        assert found["labels"] == LABELS
    assert after == {"labels": [*LABELS, "moved"], "artifacts": 12}
