from __future__ import annotations

import os
import subprocess
import sys
import textwrap
from pathlib import Path

import pandas as pd
import pytest

import lakehouse as ln
from lakehouse.config import settings
from lakehouse.orm import Lake
from lakehouse.orm.model.context import active_lake, set_process_lake
from lakehouse.registries.artifact.row import MANAGED
from tests.registries.rewound import root as root


@pytest.fixture(autouse=True)
def _as_found(monkeypatch, tmp_path):
    """Every test starts unconnected, in an empty folder, as a known user."""
    for name in ("LAKEHOUSE_ROOT", "LAKEHOUSE_DB", "LAKEHOUSE_VERBOSITY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("LAKEHOUSE_USER", "ada")
    monkeypatch.setenv("LAKEHOUSE_CACHE_DIR", str(tmp_path / "cache"))
    place = tmp_path / "cwd"
    place.mkdir()
    monkeypatch.chdir(place)
    before = settings.creation.search_names
    settings.creation.search_names = False
    assert active_lake() is None
    yield
    set_process_lake(None)
    settings.creation.search_names = before


@pytest.fixture
def lake(tmp_path, _as_found):
    with Lake.create(str(tmp_path / "lake"), modules=["bionty"]) as made:
        yield made


@pytest.fixture
def stored(lake):
    """Gives the files that the lake manages now, by name, without temporary ones."""

    def names() -> list[str]:
        folder = Path(lake.root) / MANAGED
        return sorted(p.name for p in folder.rglob("*") if p.is_file())

    return names


@pytest.fixture
def run_python(lake):
    """Starts Python processes connected to the lake; gives what they print, in order."""

    def run(*codes: str, check: bool = True) -> list[str]:
        paths = os.pathsep.join(p for p in sys.path if p)
        env = {**os.environ, "PYTHONPATH": paths, "LAKEHOUSE_ROOT": lake.root}
        started = [
            subprocess.Popen(
                [sys.executable, "-c", textwrap.dedent(code)],
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
                env=env,
            )
            for code in codes
        ]
        printed = []
        for process in started:
            out, err = process.communicate(timeout=60)
            assert not check or process.returncode == 0, err
            printed.append(out.strip())
        return printed

    return run


def write(path: str | Path, text: str = "x,y\n1,a\n2,b\n") -> str:
    """A file with this text."""
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    Path(path).write_text(text)
    return str(path)


def table_artifact(n: int = 1, **options):
    """An artifact of a table of so many rows."""
    frame = pd.DataFrame({"x": range(n)})
    return ln.Artifact.from_dataframe(frame, key=f"{n}.parquet", **options).save()
