from __future__ import annotations

import sys

import pytest

from tests.extensions.package import install
from tests.in_a_lake import in_an_empty_folder, lake

__all__ = ["in_an_empty_folder", "lake"]


@pytest.fixture
def forgotten():
    """Modules of packages that a test installs don't outlive it."""
    before = set(sys.modules)
    yield
    for name in set(sys.modules) - before:
        if name.startswith("lab_"):
            del sys.modules[name]


@pytest.fixture
def on_path(tmp_path, monkeypatch, forgotten):
    """Installs packages and puts them on the path."""

    def put(**options):
        folder = install(tmp_path / f"site{len(list(tmp_path.glob('site*')))}", **options)
        monkeypatch.syspath_prepend(str(folder))
        return folder

    return put


@pytest.fixture
def plates(on_path):
    return on_path()
