"""Curating one part of a dataset: the columns of a table, `obs`, gene ids, `uns` …."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from lakehouse._lazy import is_a
from lakehouse.annotation.specs import resolver_of, spec_of
from lakehouse.config import notify
from lakehouse.curation import Report, synonyms_in, validate_values
from lakehouse.curation.checking import validate_part
from lakehouse.curation.chunks import (
    Objects,
    array_of,
    is_missing,
    is_sequence,
    joined,
    with_columns,
)
from lakehouse.curation.coercion import Coercer
from lakehouse.curation.failures import Failures
from lakehouse.curation.inputs import source_of
from lakehouse.curation.slots import EXTERNAL, Part
from lakehouse.curation.slots.stored import StoredFrame
from lakehouse.curation.spec import ColumnRule, DatasetSpec
from lakehouse.curation.standardization import replaced_column
from lakehouse.curators.categories import DataFrameCatManager
from lakehouse.curators.mending import Mending
from lakehouse.engine.view import operations
from lakehouse.errors import InvalidArgument, ValidationError
from lakehouse.printable import printable_line
from lakehouse.registries.artifact.telling import tell_obsolete, tell_unknown
from lakehouse.registries.artifact.validating import (
    changed_columns,
    external_report,
)

if TYPE_CHECKING:
    from lakehouse.orm import Lake


@operations
class ComponentCurator(Mending):
    """Validates and standardizes one part of a dataset.

    Attributes:
        part: The part.
        schema: What it must look like.
        report: What the last validation found; None before.
    """

    def __init__(self, lake: Lake, part: Part, schema: Any, where: str = "curator") -> None:
        self._lake = lake
        self.part = part
        self.schema = schema
        self.report: Report | None = None
        self._where = where
        self._told: str | None = None
        self._gone: str | None = None

    @property
    def dataset(self) -> Any:
        """The data of the part, as curation left it."""
        data = self.part.data
        return data.table() if isinstance(data, StoredFrame) else data

    @cached_property
    def cat(self) -> DataFrameCatManager:
        """Categorical columns: standardize, add and look up values that are no terms."""
        return DataFrameCatManager(self)

    @property
    def slot(self) -> str:  # type: ignore[override]
        """The slot."""
        return self.part.slot

    @property
    def spec(self) -> DatasetSpec:  # type: ignore[override]
        """What the part must look like, by the present state of the registries."""
        return spec_of(self.schema, self._lake.state)

    def rules(self) -> dict[str, ColumnRule]:
        """The rules of the columns that are there, the index included."""
        spec = self.spec
        if self.part.kind == "names":
            return {}
        if self.part.kind == "values":
            return spec.rules_for(self.part.data)
        source = source_of(self.part.data)
        found = spec.rules_for(source.names)
        if spec.index is not None:
            found.setdefault(spec.index.name, spec.index)
        return found

    def check(self, *, saves: bool = True) -> Report:
        """Validate, without raising; the report names the calls that mend what is wrong.

        Args:
            saves: Whether terms that only public sources have become records.
        """
        resolver = resolver_of(self._lake, saves=saves, schema=self.schema)
        if self.slot == EXTERNAL:
            found = external_report(self._lake, self.part.data, self.schema)
        elif self.part.kind == "values":
            found = validate_values(self.part.data, self.spec, resolver, slot=self.slot)
        else:
            found = validate_part(self.part, self.spec, resolver)
            self._told = tell_unknown(self.schema, found, self.part, self._where, self._told)
        self._gone = tell_obsolete(self._lake, found, self.part, self._where, self._gone)
        found.failures = Failures.of(found.failures).map(self._advised)
        if found.ok:
            self._take_over(found)
        self.report = found
        return found

    def validate(self) -> None:
        """Validate the part.

        Raises:
            ValidationError: Something is wrong with it; the error carries the report.
        """
        self.check().raise_for_failures()

    def _take_over(self, report: Report) -> None:
        """The dataset becomes what was validated, where coercion and defaults changed it."""
        if not report.changed:
            changed = {}
        elif self.part.kind == "values":
            self.put(report.table)
            return
        else:
            changed = changed_columns(self.part.data, report)
        for name, rule in self._untyped().items():
            column = changed.setdefault(name, self.column(name))
            if pa.types.is_null(column.type):
                changed[name] = column.cast(rule.fill_type)
        self.put(changed, whole=report.table if report.changed else None)
        if self.spec.ordered_set and set(report.changes) - set(report.columns):
            self._stand_as(report.table.column_names)

    def _untyped(self) -> dict[str, ColumnRule]:
        """Columns of Python objects that coercion makes columns of one type."""
        data = self.part.data
        if self.part.kind != "table" or not is_a(data, "pandas.DataFrame"):
            return {}
        objects = {str(name) for name, dtype in data.dtypes.items() if dtype.name == "object"}
        if not objects:
            return {}
        spec = self.spec
        return {
            name: rule
            for name, rule in self.rules().items()
            if name in objects and spec.coerces(rule) and rule.dtype.kind in _TYPED
        }

    def put(self, columns: Mapping[str, Any], whole: pa.Table | None = None) -> None:
        """Replace columns of the part, in place where the dataset allows that."""
        if not columns:
            return
        if self.part.replace is not None:
            self.part.replace(columns)
            if self.part.kind == "values":
                self.part.data.update(columns)
            return
        if self.part.kind == "values":
            self.part.data.update(columns)
            return
        if self.part.kind == "names":
            raise InvalidArgument(
                f"The names of slot {self.slot!r} can't be replaced here.",
                hint="rename them in the dataset, e.g. adata.var_names = …",
            )
        source = source_of(self.part.data)
        table = source.table() if whole is None else whole
        index = self.spec.index
        if index is not None and source.index and index.name not in table.column_names:
            columns = {source.index if n == index.name else n: c for n, c in columns.items()}
        self.part.data = _like(self.part.data, with_columns(table, columns))

    def synonyms(self, name: str, rule: ColumnRule) -> dict[str, str]:
        """Which values of a column are synonyms, and of which term."""
        return synonyms_in(self.column(name), rule, resolver_of(self._lake))

    def column(self, name: str) -> pa.ChunkedArray:
        """One column of the part, or its index, as texts where it mixes types."""
        if self.part.kind == "values":
            value = self.part.data[name]
            return pa.chunked_array([pa.array(value if isinstance(value, list) else [value])])
        source = source_of(self.part.data)
        key = name if name in source.names else source.index or name
        chunks = [chunks[key] for _, chunks in source.read([key], {key})]
        arrays = [chunk if isinstance(chunk, pa.Array) else _texts(chunk) for chunk in chunks]
        return joined(arrays, pa.string())

    def _check_changeable(self) -> None:
        """Refuse to change what would not be saved."""
        if not self._is_changeable:
            raise InvalidArgument(
                f"The slot {self.slot!r} can't be changed where it is stored.",
                hint="load the dataset, and curate the object",
            )

    def _as_it_was(self, name: str, column: pa.ChunkedArray) -> pa.ChunkedArray:
        """A column that was read as categories, as plain text if it was plain text."""
        if self.part.kind == "values" or not pa.types.is_dictionary(column.type):
            return column
        source = source_of(self.part.data)
        key = name if name in source.names else source.index or name
        before = source.type_of(key)
        plain = before is None or not pa.types.is_dictionary(before)
        return column.cast(column.type.value_type) if plain else column

    def standardize_column(
        self, name: str, rule: ColumnRule, mapping: dict[str, str] | None = None
    ) -> dict[str, str]:
        """Replace a column's synonyms, or what is given, by terms; gives what was replaced."""
        mapping = self.synonyms(name, rule) if mapping is None else mapping
        if mapping:
            self._check_changeable()
            column = self._as_it_was(name, replaced_column(self.column(name), mapping))
            if self.part.kind == "values":
                given = self.part.data[name]
                made = column.to_pylist()
                self.put({name: made if isinstance(given, list) else made[0]})
            else:
                self.put({name: column})
            shown = ", ".join(f"{old!r} → {new!r}" for old, new in list(mapping.items())[:10])
            values = "1 value" if len(mapping) == 1 else f"{len(mapping)} values"
            notify(f"standardized {values} of {name!r}: {shown}", "success")
        if self.report is not None:
            self.check()
        return mapping

    def standardize(self) -> None:
        """Replace all synonyms, and fill in defaults: missing values and missing columns.

        Raises:
            ValidationError: A column is missing that can't be filled: it has no default, and its
                values must not be missing.
        """
        for name, rule in self.rules().items():
            if rule.dtype.all_targets:
                self.standardize_column(name, rule)
        if self.part.kind != "table":
            return
        source = source_of(self.part.data)
        n_rows = source.n_rows if source.n_rows is not None else len(source.table())
        for rule in self.spec.columns:
            if rule.name not in source.names:
                if self._is_changeable:
                    self._add_missing(rule, n_rows)
            elif rule.default is not None:
                self._fill(rule)

    def _add_missing(self, rule: ColumnRule, n_rows: int) -> None:
        """Add a column that isn't there, filled with its default, or with missing values."""
        if not (rule.has_default or rule.nullable):
            if not self.spec.is_required(rule):
                return
            raise ValidationError(
                f"Missing column {rule.name!r} cannot be added because it is not nullable and has "
                "no default value.",
                hint=f"add the column, or give feature {rule.name!r} a default value",
            )
        value = pa.scalar(rule.default, rule.fill_type)
        filled = pa.chunked_array([pa.repeat(value, n_rows)])
        if rule.dtype.kind == "cat":
            filled = filled.dictionary_encode()
        self.put({rule.name: filled})
        notify(f"added the column {rule.name!r}, filled with {rule.default!r}")

    def _fill(self, rule: ColumnRule) -> None:
        """Replace missing values of a column by the default of its feature."""
        coercer = Coercer(rule, convert=False)
        read = source_of(self.part.data).read([rule.name], {rule.name})
        filled = [coercer.apply(chunks[rule.name], 0) for _, chunks in read]
        if any(isinstance(chunk, Objects) for chunk in filled):
            return  # of several types: what is missing is the least of it
        if coercer.changed:
            made = joined(filled, rule.fill_type)
            if pa.types.is_dictionary(made.type):
                made = made.unify_dictionaries()
            self.put({rule.name: self._as_it_was(rule.name, made)})
            notify(f"filled missing values of {rule.name!r} with {rule.default!r}")

    def __repr__(self) -> str:
        known = self.schema is not None
        name = (self.schema.name or f"uid={self.schema.uid}") if known else "none"
        return printable_line(f"{type(self).__name__}(Schema: {name}, {status(self.report)})")


_TYPED = ("int", "float", "datetime")  # the rest is objects in pandas, too


def status(report: Report | None) -> str:
    """What the last validation found, in one word."""
    return "validated" if report is not None and report.ok else "unvalidated"


def _texts(chunk: Objects) -> pa.Array:
    """Mixed values as lists of texts or as texts that can be stored, whatever they hold."""
    if any(map(is_sequence, chunk.values)):
        made = array_of([list(v) if is_sequence(v) else v for v in chunk.values])
        # of texts beside lists no column can be made, so they stay as they are
        return pa.nulls(len(chunk), pa.string()) if isinstance(made, Objects) else made
    told = [None if is_missing(value) else str(value) for value in chunk.values]
    encoded = (text and text.encode("utf-8", "backslashreplace").decode() for text in told)
    return pa.array(encoded, pa.string())


def _like(data: Any, table: pa.Table) -> Any:
    """A changed table as the kind of object that the dataset was."""
    if is_a(data, "polars.DataFrame", "polars.LazyFrame"):
        import polars as pl

        frame = pl.DataFrame(pl.from_arrow(table))
        return frame.lazy() if isinstance(data, pl.LazyFrame) else frame
    return table
