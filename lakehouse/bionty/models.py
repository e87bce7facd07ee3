"""All registries and their base classes in one place: `bt.models.CellType`.

Example:
    >>> issubclass(bt.CellType, bt.models.BioRecord)
    True
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from lakehouse.bionty.entities import ENTITIES
from lakehouse.bionty.public import PublicOntology as StaticReference
from lakehouse.bionty.source import Source
from lakehouse.bionty.term import OntologyTerm as HasOntologyId
from lakehouse.bionty.term import Term as BioRecord
from lakehouse.bionty.term import Term as HasSource
from lakehouse.registries._table import DIRECTORY

if TYPE_CHECKING:
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

__all__ = ["BioRecord", "HasOntologyId", "HasSource", "Source", "StaticReference"]


if not TYPE_CHECKING:  # a misspelt name is an error for type checkers

    def __getattr__(name: str) -> Any:
        if name in ENTITIES:
            return DIRECTORY.get(f"bionty.{name}")
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted([*ENTITIES, *__all__])
