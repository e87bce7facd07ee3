"""Curators: validate, standardize and annotate a dataset.

Example:
    >>> curator = ln.curators.DataFrameCurator(df, schema)
    >>> curator.validate()
    >>> curator.cat.standardize("cell_type")
    >>> curator.save_artifact(key="cells.parquet")
"""

from __future__ import annotations

from lakehouse.curators.annotate import annotate_artifact
from lakehouse.curators.cat import CatLookup, DataFrameCatManager
from lakehouse.curators.core import (
    AnnDataCurator,
    Curator,
    DataFrameCurator,
    MuDataCurator,
    SlotsCurator,
    SpatialDataCurator,
    TiledbsomaExperimentCurator,
    curator_of,
)
from lakehouse.curators.model.model import DatasetModel
from lakehouse.curators.part import ComponentCurator
from lakehouse.curators.values import CatVector, DictCurator, ExperimentalDictCurator

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
