"""Packages that tests can do without."""

from __future__ import annotations

import importlib
import importlib.util
import warnings
from types import ModuleType

import pytest


def installed_or_skip(name: str) -> ModuleType:
    """The module; the test is skipped where its package isn't installed.

    `pytest.importorskip` skips as well where a package is there but one that it imports is not, so
    that a lowest version that nobody can import would pass for one that was tested.
    """
    if importlib.util.find_spec(name.partition(".")[0]) is None:
        pytest.skip(f"{name} is not installed", allow_module_level=True)
    with warnings.catch_warnings():  # what it says when it's imported is its own business
        warnings.simplefilter("ignore")
        return importlib.import_module(name)
