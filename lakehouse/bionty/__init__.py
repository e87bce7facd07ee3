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
    from lakehouse.bionty import base as base
    from lakehouse.bionty import core as core
    from lakehouse.bionty import models as models
    from lakehouse.bionty import uids as ids
    from lakehouse.bionty import uids as uids
    from lakehouse.bionty.bound import Bound, GeneTerm
    from lakehouse.bionty.configuration import settings as settings
    from lakehouse.bionty.public import PublicOntology as PublicOntology
    from lakehouse.bionty.source import Source as Source
    from lakehouse.bionty.term import OntologyTerm

    Organism: type[OntologyTerm]
    Gene: type[GeneTerm]
    Protein: type[Bound]
    CellMarker: type[Bound]
    Tissue: type[OntologyTerm]
    CellType: type[OntologyTerm]
    Disease: type[OntologyTerm]
    CellLine: type[OntologyTerm]
    Phenotype: type[OntologyTerm]
    Pathway: type[OntologyTerm]
    ExperimentalFactor: type[OntologyTerm]
    DevelopmentalStage: type[OntologyTerm]
    Ethnicity: type[OntologyTerm]

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
