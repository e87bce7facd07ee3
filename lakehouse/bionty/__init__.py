"""Biological registries, filled from public ontologies.

Example:
    >>> import lakehouse.bionty as bt
    >>> bt.CellType.import_source("blood-cells")
    >>> bt.CellType(name="my cell state").save()
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from lakehouse.registries._table import DIRECTORY

if TYPE_CHECKING:
    __version__: str
    from lakehouse.bionty import base as base
    from lakehouse.bionty import core as core
    from lakehouse.bionty import models as models
    from lakehouse.bionty import uids as ids
    from lakehouse.bionty import uids as uids
    from lakehouse.bionty.configuration import settings as settings
    from lakehouse.bionty.entities import CellLine as CellLine
    from lakehouse.bionty.entities import CellMarker as CellMarker
    from lakehouse.bionty.entities import CellType as CellType
    from lakehouse.bionty.entities import DevelopmentalStage as DevelopmentalStage
    from lakehouse.bionty.entities import Disease as Disease
    from lakehouse.bionty.entities import Ethnicity as Ethnicity
    from lakehouse.bionty.entities import ExperimentalFactor as ExperimentalFactor
    from lakehouse.bionty.entities import Gene as Gene
    from lakehouse.bionty.entities import Organism as Organism
    from lakehouse.bionty.entities import Pathway as Pathway
    from lakehouse.bionty.entities import Phenotype as Phenotype
    from lakehouse.bionty.entities import Protein as Protein
    from lakehouse.bionty.entities import Tissue as Tissue
    from lakehouse.bionty.public import PublicOntology as PublicOntology
    from lakehouse.bionty.source import Source as Source

__all__ = [
    "CellLine",
    "CellMarker",
    "CellType",
    "DevelopmentalStage",
    "Disease",
    "Ethnicity",
    "ExperimentalFactor",
    "Gene",
    "Organism",
    "Pathway",
    "Phenotype",
    "Protein",
    "PublicOntology",
    "Source",
    "Tissue",
    "base",
    "core",
    "ids",
    "models",
    "settings",
    "uids",
]

_MODULES = {"base": "base", "core": "core", "ids": "uids", "models": "models", "uids": "uids"}
_OTHERS = {
    "settings": "lakehouse.bionty.configuration",
    "PublicOntology": "lakehouse.bionty.public",
}


if not TYPE_CHECKING:  # a misspelt name is an error for type checkers

    def __getattr__(name: str) -> Any:
        full = f"bionty.{name}"
        if full in DIRECTORY.registries:
            return DIRECTORY.get(full)
        if name in _MODULES:
            return importlib.import_module(f"lakehouse.bionty.{_MODULES[name]}")
        if name in _OTHERS:
            return getattr(importlib.import_module(_OTHERS[name]), name)
        if name == "__version__":
            return importlib.import_module("lakehouse").__version__
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
