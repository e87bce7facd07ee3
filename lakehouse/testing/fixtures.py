"""Fixtures of pytest: `pytest_plugins = ["lakehouse.testing.fixtures"]` in a `conftest.py`."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from lakehouse.orm import Lake
from lakehouse.testing.lakes import fresh_lake


@pytest.fixture
def lake_modules() -> Sequence[str]:
    """The modules of the fixture `lake`; override it for those of an extension."""
    return ("bionty",)


@pytest.fixture
def lake(tmp_path: Path, lake_modules: Sequence[str]) -> Iterator[Lake]:
    """A fresh lake in the test's folder, which is the current one until the test ends."""
    with fresh_lake(tmp_path / "lake", modules=lake_modules) as made:
        yield made
