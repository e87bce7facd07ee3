"""Curators: validate, standardize and annotate a dataset.

Example:
    >>> curator = ln.curators.DataFrameCurator(df, schema)  # doctest: +SKIP
    >>> curator.validate()                                  # doctest: +SKIP
    >>> curator.cat.standardize("cell_type")                # doctest: +SKIP
    >>> curator.save_artifact(key="cells.parquet")          # doctest: +SKIP
"""

from __future__ import annotations

from lakehouse.curators.categories import CatLookup, DataFrameCatManager
from lakehouse.curators.core import Curator
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

__all__ = [
    "AnnDataCurator",
    "CatLookup",
    "DataFrameCatManager",
    "Curator",
    "DataFrameCurator",
    "DatasetModel",
    "MuDataCurator",
    "ComponentCurator",
    "SpatialDataCurator",
    "TiledbsomaExperimentCurator",
    "curator_of",
]
