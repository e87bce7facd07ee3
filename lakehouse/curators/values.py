"""One vector of categorical values, whatever holds it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from lakehouse.curation import ColumnRule, DatasetSpec, Report, synonyms_in, validate
from lakehouse.curation.slots import Part
from lakehouse.curation.standardization import replaced_column
from lakehouse.curators.cat import save_new
from lakehouse.curators.core import DataFrameCurator
from lakehouse.curators.part import ComponentCurator
from lakehouse.engine.query.view import operations
from lakehouse.errors import InvalidArgument
from lakehouse.features.reference import Known
from lakehouse.formats.base import COLUMNS
from lakehouse.orm import current_lake
from lakehouse.registries import Artifact
from lakehouse.registries.feature import feature_dtype
from lakehouse.schema import DType
from lakehouse.schemas.spec import resolver_of
from lakehouse.terms.scope import terms_of


@operations
class CatVector:
    """Values of which each must be a term: validated, standardized, or added to the registry.

    Args:
        values_getter: The values, or a function that gives them.
        field: The field of a registry that they are compared with, e.g. `bt.CellType.name`.
        key: What they are called in messages.
        values_setter: Takes the standardized values; without it, they stay in `values`.
        source: The public source that is asked, too.
        feature: The feature that they are values of, whose dtype may narrow the terms.

    Example:
        >>> vector = CatVector(df["cell_type"], bt.CellType.name, "cell_type")
        >>> vector.validate()
        >>> vector.is_validated
        True
    """

    def __init__(
        self,
        values_getter: Callable[[], Iterable[Any]] | Iterable[Any],
        field: Any,
        key: str,
        values_setter: Callable[[list[Any]], Any] | None = None,
        source: Any = None,
        feature: Any = None,
    ) -> None:
        self.feature = feature
        self.report: Report | None = None
        self._values = values_getter
        self._setter = values_setter
        self._lake = current_lake()
        self._rule = ColumnRule(key, _dtype(field, feature, source))
        if not self._rule.dtype.all_targets:
            raise InvalidArgument(
                f"The values of {key!r} are no terms of a registry.",
                found=str(self._rule.dtype),
                expected="a field of a registry, e.g. bt.CellType.name",
            )

    @property
    def values(self) -> Any:
        """The values, as they are now."""
        return self._values() if callable(self._values) else self._values

    @property
    def is_validated(self) -> bool:
        """Whether the last validation found only terms."""
        return self.report is not None and self.report.ok

    @property
    def non_validated(self) -> list[str]:
        """The distinct values that are no terms, by the last validation."""
        return [] if self.report is None else self.report.non_validated().get(self._rule.name, [])

    def _table(self) -> pa.Table:
        values = self.values
        plain = values.to_pylist() if hasattr(values, "to_pylist") else list(values)
        try:
            column = pa.array(plain, from_pandas=True)
        except pa.ArrowException as error:
            raise InvalidArgument(
                f"The values of {self._rule.name!r} are of several types.", found=str(error)
            ) from error
        return pa.table({self._rule.name: column})

    def validate(self) -> None:
        """Compare the values with the registry; `is_validated` and `non_validated` tell more."""
        spec = DatasetSpec(columns=(self._rule,))
        self.report = validate(self._table(), spec, resolver_of(self._lake, saves=True))

    def standardize(self) -> None:
        """Replace synonyms by the terms that they mean."""
        column = self._table()[self._rule.name]
        mapping = synonyms_in(column, self._rule, resolver_of(self._lake))
        if mapping:
            made = replaced_column(column, mapping).to_pylist()
            if self._setter is not None:
                self._setter(made)
            else:
                self._values = made
        self.validate()

    def add_new(self, **create_kwargs: Any) -> None:
        """Save the values that are no terms and no synonyms as terms.

        Args:
            **create_kwargs: Further fields of the new records, e.g. `organism="human"`.
        """
        self.validate()
        assert self.report is not None
        synonyms = self.report.synonyms().get(self._rule.name, {})
        new = [value for value in self.non_validated if value not in synonyms]
        if new:
            save_new(self._lake, self._rule.dtype.all_targets, new, create_kwargs)
            self.validate()

    def records(self) -> list[Any]:
        """The records of the terms among the values."""
        column = self._table()[self._rule.name]
        values = pc.unique(pc.list_flatten(column) if pa.types.is_list(column.type) else column)
        found: list[Any] = []
        for target in self._rule.dtype.all_targets:
            registry = self._lake.directory.get(target.registry)
            terms = terms_of(self._lake.state, registry.meta.table, target)
            known = terms.filter(pc.is_in(terms[target.field], value_set=values))
            found += registry.filter(uid__in=known["uid"].to_pylist())
        return found

    def __repr__(self) -> str:
        shown = "unvalidated"
        if self.report is not None:
            n = len(self.non_validated)
            shown = f"non-validated ({n})" if n else "validated"
        target = self._rule.dtype.all_targets[0]
        field = f"{target.registry}.{target.field}"
        return (
            f"{type(self).__name__}(key={self._rule.name!r}, field={field!r}, "
            f"values={len(self._table())}, {shown})"
        )


def _dtype(field: Any, feature: Any, source: Any) -> DType:
    """The dtype of the terms: the feature's own, or that of the field."""
    if feature is not None:
        return Known.of(feature._values).dtype
    filters = None if source is None else {"source__uid": str(source.uid)}
    return feature_dtype(field, filters)


# -- Curating one dictionary of feature values, e.g. what was read from a JSON file


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
