"""Biological registries, filled from public ontologies.

Example:
    >>> import lakehouse.bionty as bt                    # doctest: +SKIP
    >>> bt.CellType.import_source("blood-cells")         # doctest: +SKIP
    >>> bt.CellType(name="my cell state").save()         # doctest: +SKIP
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from lakehouse.registries._table import DIRECTORY

if TYPE_CHECKING:
    from lakehouse.bionty.base import OntologyTerm
    from lakehouse.bionty.cell_type import CellType as CellType
    from lakehouse.bionty.gene import Gene as Gene
    from lakehouse.bionty.organism import Organism as Organism
    from lakehouse.bionty.source import Source as Source

    Tissue: type[OntologyTerm]
    Disease: type[OntologyTerm]
    Phenotype: type[OntologyTerm]
    Pathway: type[OntologyTerm]
    ExperimentalFactor: type[OntologyTerm]
    DevelopmentalStage: type[OntologyTerm]
    CellLine: type[OntologyTerm]
    Ethnicity: type[OntologyTerm]

__all__ = [
    "CellLine",
    "CellType",
    "DevelopmentalStage",
    "Disease",
    "Ethnicity",
    "ExperimentalFactor",
    "Gene",
    "Organism",
    "Pathway",
    "Phenotype",
    "Source",
    "Tissue",
]


def __getattr__(name: str) -> Any:
    full = f"bionty.{name}"
    if full not in DIRECTORY.registries:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return DIRECTORY.get(full)


def __dir__() -> list[str]:
    return [n.removeprefix("bionty.") for n in DIRECTORY.registries if n.startswith("bionty.")]
