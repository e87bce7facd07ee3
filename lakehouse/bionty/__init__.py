"""Biological registries, filled from public ontologies.

Example:
    >>> import lakehouse.bionty as bt
    >>> bt.CellType.import_source("blood-cells")
    >>> bt.CellType(name="my cell state").save()
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from lakehouse.registries.table import DIRECTORY

if TYPE_CHECKING:
    __version__: str
    from lakehouse.bionty import base as base
    from lakehouse.bionty import core as core
    from lakehouse.bionty import models as models
    from lakehouse.bionty import uids as ids
    from lakehouse.bionty import uids as uids
    from lakehouse.bionty._sources.public import PublicOntology as PublicOntology
    from lakehouse.bionty._sources.settings import settings as settings
    from lakehouse.bionty._sources.source import Source as Source
    from lakehouse.bionty.registries import CellLine as CellLine
    from lakehouse.bionty.registries import CellMarker as CellMarker
    from lakehouse.bionty.registries import CellType as CellType
    from lakehouse.bionty.registries import DevelopmentalStage as DevelopmentalStage
    from lakehouse.bionty.registries import Disease as Disease
    from lakehouse.bionty.registries import Ethnicity as Ethnicity
    from lakehouse.bionty.registries import ExperimentalFactor as ExperimentalFactor
    from lakehouse.bionty.registries import Gene as Gene
    from lakehouse.bionty.registries import Organism as Organism
    from lakehouse.bionty.registries import Pathway as Pathway
    from lakehouse.bionty.registries import Phenotype as Phenotype
    from lakehouse.bionty.registries import Protein as Protein
    from lakehouse.bionty.registries import Tissue as Tissue

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
    "settings": "lakehouse.bionty._sources.settings",
    "PublicOntology": "lakehouse.bionty._sources.public",
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
