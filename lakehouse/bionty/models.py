"""All registries and their base classes in one place: `bt.models.CellType`.

Example:
    >>> issubclass(bt.CellType, bt.models.BioRecord)
    True
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from lakehouse.bionty._sources.public import PublicOntology as StaticReference
from lakehouse.bionty._sources.source import Source
from lakehouse.bionty._terms.term import OntologyTerm as HasOntologyId
from lakehouse.bionty._terms.term import Term as BioRecord
from lakehouse.bionty._terms.term import Term as HasSource
from lakehouse.bionty.registries import ENTITIES
from lakehouse.registries.table import DIRECTORY

if TYPE_CHECKING:
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

__all__ = ["BioRecord", "HasOntologyId", "HasSource", "Source", "StaticReference"]


if not TYPE_CHECKING:  # a misspelt name is an error for type checkers

    def __getattr__(name: str) -> Any:
        if name in ENTITIES:
            return DIRECTORY.get(f"bionty.{name}")
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted([*ENTITIES, *__all__])
