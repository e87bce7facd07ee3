"""Fixtures of the tests that start in an empty folder, in a lake with the module bionty."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from lakehouse.orm import Lake
from lakehouse.testing import fresh_lake

__all__ = ["in_an_empty_folder", "lake"]


@pytest.fixture(autouse=True)
def in_an_empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    place = tmp_path / "cwd"
    place.mkdir()
    monkeypatch.chdir(place)


@pytest.fixture
def lake(tmp_path: Path) -> Iterator[Lake]:
    with fresh_lake(tmp_path / "lake", user="ada") as made:
        yield made
