"""All registries of the core by name, also those that the package's face leaves out.

Example:
    >>> import lakehouse as ln
    >>> ln.models.ArtifactBlock(artifact=artifact, content="# Read me", kind="readme").save()  # doctest: +SKIP
"""

from __future__ import annotations

from typing import Any

from lakehouse.orm import BaseRecord, QuerySet, SQLRecord
from lakehouse.registries import _table

__all__ = ["BaseRecord", "QuerySet", "SQLRecord"]


def __getattr__(name: str) -> Any:
    registries = _table.DIRECTORY.registries
    if name not in registries or "." in name:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return _table.DIRECTORY.get(name)


def __dir__() -> list[str]:
    return sorted([*__all__, *(n for n in _table.DIRECTORY.registries if "." not in n)])
