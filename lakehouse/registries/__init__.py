"""The registries of the core; each is imported when it is first used."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from lakehouse.registries.table import DIRECTORY

if TYPE_CHECKING:
    from lakehouse.registries.artifact import Artifact as Artifact
    from lakehouse.registries.block import Block as Block
    from lakehouse.registries.collection import Collection as Collection
    from lakehouse.registries.feature import Feature as Feature
    from lakehouse.registries.labels import Project as Project
    from lakehouse.registries.labels import Reference as Reference
    from lakehouse.registries.labels import ULabel as ULabel
    from lakehouse.registries.place import Branch as Branch
    from lakehouse.registries.place import Space as Space
    from lakehouse.registries.place import Storage as Storage
    from lakehouse.registries.place import User as User
    from lakehouse.registries.record.record import Record as Record
    from lakehouse.registries.run import Run as Run
    from lakehouse.registries.run import Transform as Transform
    from lakehouse.registries.schema.record import Schema as Schema


if not TYPE_CHECKING:  # a misspelt name is an error for type checkers

    def __getattr__(name: str) -> Any:
        if name not in DIRECTORY.registries:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        return DIRECTORY.get(name)


def __dir__() -> list[str]:
    return [n for n in DIRECTORY.registries if "." not in n]
