"""A fresh working directory, and the command line run in this process or in one of its own."""

from __future__ import annotations

import functools
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import typer.testing
from typer.testing import CliRunner, Result

import lakehouse as ln
from lakehouse.cli import app

Run = Callable[..., Result]


@pytest.fixture(scope="session", autouse=True)
def _one_command_line() -> Iterator[None]:
    """The commands are put together once per process, as users have it, and not for every call."""
    with pytest.MonkeyPatch.context() as patch:
        once = functools.cache(typer.testing._get_command)
        patch.setattr(typer.testing, "_get_command", once)
        yield


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A working directory outside every lake."""
    for name in [name for name in os.environ if name.startswith("LAKEHOUSE_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("LAKEHOUSE_USER", "tester")
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    folder = tmp_path / "work"
    folder.mkdir()
    monkeypatch.chdir(folder)
    ln.setup.close()
    yield folder
    ln.setup.close()


@pytest.fixture
def run(here: Path) -> Run:
    """Run a command in this process: `run("ls", "--limit", "3")`; expects exit code 0."""

    def call(*words: object, code: int = 0, stdin: str | None = None) -> Result:
        result = CliRunner().invoke(app, [str(word) for word in words], input=stdin)
        if result.exception is not None and not isinstance(result.exception, SystemExit):
            raise result.exception
        assert result.exit_code == code, result.output
        return result

    return call


@pytest.fixture
def lake(run: Run) -> Path:
    """A lake in the folder `lake`, to which the working directory is connected."""
    run("init", "--storage", "lake", "--modules", "bionty")
    return Path("lake")


@pytest.fixture
def shell(here: Path) -> Callable[..., subprocess.CompletedProcess[str]]:
    """Run a command in a process of its own."""

    def call(*words: object) -> subprocess.CompletedProcess[str]:
        command = [str(Path(sys.executable).parent / "lakehouse"), *map(str, words)]
        return subprocess.run(command, cwd=here, capture_output=True, text=True, check=False)

    return call
