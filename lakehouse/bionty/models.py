"""All registries and their base classes in one place: `bt.models.CellType`.

Example:
    >>> issubclass(bt.CellType, bt.models.BioRecord)
    True
"""

from __future__ import annotations

from typing import Any

from lakehouse.bionty.entities import ENTITIES
from lakehouse.bionty.public import PublicOntology as StaticReference
from lakehouse.bionty.source import Source
from lakehouse.bionty.term import OntologyTerm as HasOntologyId
from lakehouse.bionty.term import Term as BioRecord
from lakehouse.bionty.term import Term as HasSource
from lakehouse.registries._table import DIRECTORY

__all__ = ["BioRecord", "HasOntologyId", "HasSource", "Source", "StaticReference"]


def __getattr__(name: str) -> Any:
    if name in ENTITIES:
        return DIRECTORY.get(f"bionty.{name}")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted([*ENTITIES, *__all__])
