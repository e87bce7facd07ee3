"""A lake that each test of a module may damage: it is put back, in its place, before the next one."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from lakehouse.orm import Lake


@contextmanager
def made_once(base: Path, fill: Callable[[Lake, Path], None]) -> Iterator[Path]:
    """A lake in a folder, filled by a function, beside a copy of it.

    Args:
        base: The folder.
        fill: Is given the new lake and the folder, for files of its own.
    """
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("LAKEHOUSE_USER", "ada")
        with Lake.create(str(base / "lake")) as lake:
            fill(lake, base)
        shutil.copytree(base / "lake", base / "whole")
        yield base / "lake"


def put_back(lake: Path) -> None:
    """Make a lake whole again, as it was made."""
    shutil.rmtree(lake)
    shutil.copytree(lake.with_name("whole"), lake)


@pytest.fixture
def root(original: Path) -> Path:
    """The module's lake in its place, as whole as it was made."""
    put_back(original)
    return original
