"""Curating one dictionary of feature values, e.g. what was read from a JSON file."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pyarrow as pa

from lakehouse.curation.slots import Part
from lakehouse.curators.parts import ComponentCurator
from lakehouse.curators.structures import DataFrameCurator
from lakehouse.engine.view import operations
from lakehouse.errors import InvalidArgument
from lakehouse.formats.base import COLUMNS
from lakehouse.registries import Artifact


@operations
class DictCurator(DataFrameCurator):
    """Validates a dictionary: each key is a feature, whose value has its dtype.

    Standardizing changes the dictionary. It is saved as a table of one row.

    Args:
        dataset: The dictionary.
        schema: Which keys it must have, and of which dtype: a schema, or a `DatasetModel`.
        require_saved_schema: Whether an unsaved schema is refused.

    Example:
        >>> curator = DictCurator({"temperature": 21.6}, schema)
        >>> curator.validate()
    """

    otype = "dict"

    def __init__(
        self, dataset: Mapping[str, Any], schema: Any, *, require_saved_schema: bool = False
    ) -> None:
        super().__init__(dataset, schema, require_saved_schema=require_saved_schema)

    def _check_type(self, dataset: Any) -> None:
        if not isinstance(dataset, dict):
            raise InvalidArgument(
                "The dataset must be a dict.",
                found=f"{type(dataset).__module__}.{type(dataset).__name__}",
                hint="ln.curators.DataFrameCurator(…) for tables",
            )

    def _open(self) -> dict[str, ComponentCurator]:
        self._check_type(self._data)  # paths and artifacts too
        part = Part(COLUMNS, "values", self._data)
        self._opened = self._data
        return {COLUMNS: ComponentCurator(self._lake, part, self.schema)}

    def _make(self, dataset: Any, **options: Any) -> Artifact:
        rules = self._parts[COLUMNS].rules()
        floats = {name for name, rule in rules.items() if rule.dtype.kind == "float"}
        row = {k: float(v) if k in floats and type(v) is int else v for k, v in dataset.items()}
        table = pa.table({name: _column(name, value) for name, value in row.items()})
        return Artifact.from_dataframe(table, **options)


def _column(name: str, value: Any) -> pa.Array:
    try:
        return pa.array([value])
    except pa.ArrowException as error:
        raise InvalidArgument(
            f"The value of {name!r} can't be stored in a table.",
            found=str(error),
            hint="leave it out, or write it as text",
        ) from error


ExperimentalDictCurator = DictCurator  # its former name
