"""Curators: validate, standardize and annotate a dataset.

Example:
    >>> curator = ln.curators.DataFrameCurator(df, schema)
    >>> curator.validate()
    >>> curator.cat.standardize("cell_type")
    >>> curator.save_artifact(key="cells.parquet")
"""

from __future__ import annotations

from lakehouse.curators.annotating import annotate_artifact
from lakehouse.curators.categories import CatLookup, DataFrameCatManager
from lakehouse.curators.core import Curator, SlotsCurator
from lakehouse.curators.dictionaries import DictCurator, ExperimentalDictCurator
from lakehouse.curators.models import DatasetModel
from lakehouse.curators.parts import ComponentCurator
from lakehouse.curators.structures import (
    AnnDataCurator,
    DataFrameCurator,
    MuDataCurator,
    SpatialDataCurator,
    TiledbsomaExperimentCurator,
    curator_of,
)
from lakehouse.curators.vectors import CatVector

__all__ = [
    "AnnDataCurator",
    "CatLookup",
    "CatVector",
    "ComponentCurator",
    "Curator",
    "DataFrameCatManager",
    "DataFrameCurator",
    "DatasetModel",
    "DictCurator",
    "ExperimentalDictCurator",
    "MuDataCurator",
    "SlotsCurator",
    "SpatialDataCurator",
    "TiledbsomaExperimentCurator",
    "annotate_artifact",
    "curator_of",
]


def __dir__() -> list[str]:
    return list(__all__)
