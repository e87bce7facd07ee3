"""Fixtures of the format tests."""

from __future__ import annotations

from pathlib import Path

import pytest


@pytest.fixture(scope="class")
def written(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The example of a contract's class as a file, to be copied."""
    suite = request.cls()
    path = tmp_path_factory.mktemp(suite.fmt.name) / f"example{suite.suffix}"
    suite.fmt.write(suite.example(), path)
    return path
