"""One curator per structure."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from lakehouse.curation.slots import Part, otype_of
from lakehouse.curators.categories import DataFrameCatManager
from lakehouse.curators.core import Curator
from lakehouse.curators.parts import ComponentCurator
from lakehouse.engine.view import operations
from lakehouse.errors import InvalidArgument, MissingFile
from lakehouse.formats import format_for, format_in
from lakehouse.formats.base import COLUMNS, is_path
from lakehouse.registries import Artifact


@operations
class DataFrameCurator(Curator):
    """Curates a table: a pandas or polars frame, an Arrow table, or a file of one.

    A pandas frame is changed in place; of other tables `dataset` gives the changed one.

    Example:
        >>> curator = DataFrameCurator(df, schema)
        >>> curator.validate()
        >>> curator.save_artifact(key="cells.parquet")
    """

    otype = "DataFrame"

    def _source(self) -> Any:
        if not is_path(self._data):
            return self._data
        folder = Path(self._data).is_dir()
        if not folder and str(self._data).lower().endswith(".parquet"):
            return self._data
        adapter = format_in(self._data) if folder else format_for(str(self._data))
        if adapter is None or adapter.otype != "DataFrame":
            raise InvalidArgument(
                f"{str(self._data)!r} holds no table.", expected="a .parquet, .csv, .arrow … path"
            )
        return adapter.table(self._data, COLUMNS)

    @property
    def _table(self) -> ComponentCurator:
        if COLUMNS not in self._parts:
            self._parts[COLUMNS] = ComponentCurator(
                self._lake, Part(COLUMNS, "table", self._data), self.schema
            )
        return self._parts[COLUMNS]

    @property
    def cat(self) -> DataFrameCatManager:
        """Categorical columns: standardize, add and look up values that are no terms."""
        return self._table.cat

    def rename(self, columns: Mapping[str, str]) -> None:
        """Rename columns: `curator.rename({"celltype": "cell_type"})`."""
        self._table.rename(columns)

    def drop(self, *columns: str) -> None:
        """Drop columns: `curator.drop("note")`."""
        self._table.drop(*columns)

    def reorder(self) -> None:
        """Put the columns of the schema first, in its order."""
        self._table.reorder()

    def convert(self, column: str) -> None:
        """Convert the values of one column to its feature's dtype.

        Raises:
            ValidationError: Values can't be converted; nothing is changed.
        """
        self._table.convert(column)

    @property
    def dataset(self) -> Any:
        """The table, as curation left it."""
        part = self._parts.get(COLUMNS)
        if part is None or (is_path(self._data) and part.part.data is self._opened):
            return self._data
        return part.part.data

    def _open(self) -> dict[str, ComponentCurator]:
        made = super()._open()
        part = made.get(COLUMNS)
        self._opened = None if part is None else part.part.data
        return made

    def _make(self, dataset: Any, **options: Any) -> Artifact:
        return Artifact.from_dataframe(dataset, **options)


@operations
class AnnDataCurator(Curator):
    """Curates an AnnData in memory, backed, or in a file; matrices are never read.

    An AnnData in memory is changed in place.

    Example:
        >>> curator = AnnDataCurator(adata, schema)
        >>> curator.slots["obs"].cat.standardize("cell_type")
    """

    otype = "AnnData"

    def _make(self, dataset: Any, **options: Any) -> Artifact:
        return Artifact.from_anndata(dataset, **options)


@operations
class MuDataCurator(Curator):
    """Curates a MuData: its own `obs` and `uns`, and those of its modalities (`rna:obs`)."""

    otype = "MuData"

    def _make(self, dataset: Any, **options: Any) -> Artifact:
        return Artifact.from_mudata(dataset, **options)


@operations
class SpatialDataCurator(Curator):
    """Curates a SpatialData: `attrs`, and its tables (`tables:table:obs`)."""

    otype = "SpatialData"

    def _make(self, dataset: Any, **options: Any) -> Artifact:
        return Artifact.from_spatialdata(dataset, **options)


@operations
class TiledbsomaExperimentCurator(Curator):
    """Curates a SOMA experiment: `obs`, and its measurements (`ms:RNA.T`)."""

    otype = "tiledbsoma"
    _called = "SOMAExperiment"

    def _make(self, dataset: Any, **options: Any) -> Artifact:
        return Artifact.from_tiledbsoma(dataset, **options)


_BY_OTYPE: dict[str, type[Curator]] = {
    curator.otype: curator
    for curator in (
        DataFrameCurator,
        AnnDataCurator,
        MuDataCurator,
        SpatialDataCurator,
        TiledbsomaExperimentCurator,
    )
}


def curator_of(dataset: Any, schema: Any, **options: Any) -> Curator:
    """The curator for a dataset of any structure, in memory, in a file, or an artifact.

    Args:
        dataset: The dataset.
        schema: What it must look like.
        **options: For the curator, e.g. `features=`.

    Raises:
        InvalidArgument: It has no structure that could be validated.

    Example:
        >>> curator_of("cells.h5ad", schema).check().ok
        True
    """
    otype = otype_of(dataset)
    if isinstance(dataset, Artifact):
        otype = dataset._values.get("otype")
    elif is_path(dataset):
        path = Path(dataset)
        if not path.exists():
            raise MissingFile(f"There is no file or folder {str(path)!r}.")
        adapter = format_for(str(path)) or (format_in(path) if path.is_dir() else None)
        otype = None if adapter is None else adapter.otype
        if adapter is not None and adapter.otype == "AnnData":
            otype = adapter.describe(path).otype  # a .zarr store may hold several structures
    if otype not in _BY_OTYPE:
        raise InvalidArgument(
            "This has no columns to validate.",
            found=otype or (str(dataset) if is_path(dataset) else repr(dataset)),
            expected=", ".join(_BY_OTYPE),
        )
    return _BY_OTYPE[otype](dataset, schema, **options)
