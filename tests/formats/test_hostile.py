"""No file makes a raw error of another library, nor takes the memory, whichever way it is read."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parents[2]


@pytest.mark.parametrize(
    ("kind", "megabytes"),
    [
        pytest.param("texts", 2_500, marks=pytest.mark.slow),
        pytest.param("tables", 1_500, marks=pytest.mark.slow),
        pytest.param("annotated", 2_500, marks=pytest.mark.slow),
        pytest.param("stores", 2_500, marks=pytest.mark.slow),
        pytest.param("bombs", 2_500, marks=pytest.mark.slow),
    ],
)
def test_files_made_to_break_readers(kind: str, megabytes: int, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "tests.formats.hostile", str(tmp_path), kind]
    done = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    found = [json.loads(line) for line in done.stdout.splitlines()]
    assert len(found) > 2
    assert {f["file"]: f["escaped"] for f in found if f["escaped"]} == {}
    assert max(f["peak"] for f in found) < megabytes
