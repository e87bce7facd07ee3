"""Curating one part of a dataset: the columns of a table, `obs`, gene ids, `uns` …."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from lakehouse._lazy import is_a
from lakehouse.config import notify
from lakehouse.curation import ColumnRule, Failure, Report, synonyms_in, validate_values
from lakehouse.curation.coercion import CONVERTIBLE, Coercer
from lakehouse.curation.data.chunks import (
    Objects,
    array_of,
    is_missing,
    is_sequence,
    joined,
    with_columns,
)
from lakehouse.curation.data.sources import source_of
from lakehouse.curation.reports.failures import Failures
from lakehouse.curation.slots import EXTERNAL, Part
from lakehouse.curation.slots.annotated import StoredFrame
from lakehouse.curation.spec import DatasetSpec
from lakehouse.curation.standardization import replaced_column
from lakehouse.curation.validation import validate_part
from lakehouse.curators.cat import DataFrameCatManager
from lakehouse.engine.query.view import operations
from lakehouse.errors import InvalidArgument, UnknownColumn, ValidationError, near
from lakehouse.formats.base import COLUMNS
from lakehouse.registries.artifact.validate import (
    changed_columns,
    external_report,
    tell_obsolete,
    tell_unknown,
)
from lakehouse.schemas.spec import resolver_of, spec_of
from lakehouse.text.printable import printable_line

if TYPE_CHECKING:
    from lakehouse.curation import DatasetSpec
    from lakehouse.orm import Lake


# -- What curators do about columns, beside terms: rename, drop, reorder, convert


_ADD = "fix typos, remove non-existent values, or save terms via: {where}.cat.add_new_from({key!r})"
_STANDARDIZE = 'curate synonyms via: {where}.cat.standardize("{key}")'


@operations
class Mending:
    """Changes the columns of one part, in place where its dataset allows that."""

    part: Part
    slot: str
    spec: DatasetSpec
    report: Report | None
    _where: str

    def rename(self, columns: Mapping[str, str]) -> None:
        """Rename columns.

        Args:
            columns: New names by old ones.

        Raises:
            UnknownColumn: There is no such column.

        Example:
            >>> curator.rename({"celltype": "cell_type"})
        """
        self._check_there(*columns)
        data = self._changeable()
        if self.part.kind == "values":
            self._set_values({columns.get(key, key): value for key, value in data.items()})
        elif is_a(data, "pandas.DataFrame"):
            data.columns = data.iloc[:0].rename(columns=dict(columns)).columns
        elif isinstance(data, pa.Table):
            names = [columns.get(name, name) for name in data.column_names]
            kept = data.schema.metadata  # which says what the index is
            self.part.data = data.rename_columns(names).replace_schema_metadata(kept)
        else:
            self.part.data = data.rename(dict(columns))
        self._look_again()

    def drop(self, *columns: str) -> None:
        """Drop columns.

        Raises:
            UnknownColumn: There is no such column.

        Example:
            >>> curator.drop("note")
        """
        self._check_there(*columns)
        data = self._changeable()
        if self.part.kind == "values":
            self._set_values({k: v for k, v in data.items() if k not in columns})
        elif is_a(data, "pandas.DataFrame"):
            for name in dict.fromkeys(columns):
                del data[name]
        elif isinstance(data, pa.Table):
            self.part.data = data.drop_columns(list(columns))
        else:
            self.part.data = data.drop(*columns)
        self._look_again()

    def reorder(self) -> None:
        """Put the columns of the schema first, in its order.

        Example:
            >>> curator.reorder()
        """
        names = self._names()
        wanted = [rule.name for rule in self.spec.columns if rule.name in names]
        order = [*wanted, *(name for name in names if name not in wanted)]
        self._stand_as(order)
        self._look_again()

    def _stand_as(self, order: Sequence[str]) -> None:
        """Put the columns into an order; names that aren't columns are passed over."""
        data, names = self._changeable(), self._names()
        order = [name for name in order if name in names]
        if is_a(data, "pandas.DataFrame"):
            for name in order:
                data[name] = data.pop(name)
        elif isinstance(data, pa.Table):
            index = [name for name in data.column_names if name not in order]
            self.part.data = data.select([*order, *index])
        elif self.part.kind == "table":
            self.part.data = data.select(order)

    def convert(self, column: str) -> None:
        """Convert the values of one column to its feature's dtype.

        Raises:
            UnknownColumn: There is no such column, or no feature of its name.
            ValidationError: Values can't be converted; nothing is changed.

        Example:
            >>> curator.convert("dose")
        """
        rules = self.rules()
        if column not in rules:
            raise UnknownColumn(
                f"{column!r} is no column with a feature.",
                expected=", ".join(near(column, list(rules)) or rules),
            )
        rule = replace(rules[column], default=None, has_default=False)
        coercer = Coercer(rule, convert=True)
        source, chunks, start = source_of(self._changeable()), [], 0
        for n_rows, read in source.read([column], frozenset()):
            chunks.append(coercer.apply(read[column], start))
            start += n_rows
        Report(tuple(coercer.failures(self.slot)), n_rows=start).raise_for_failures()
        self.put({column: joined(chunks, rule.fill_type)})
        self._look_again()

    def rules(self) -> dict[str, ColumnRule]:
        """The rules of the columns that are there."""
        raise UnknownColumn("There are no columns here.")

    def put(self, columns: Mapping[str, Any], whole: pa.Table | None = None) -> None:
        """Replace columns of the part."""
        raise UnknownColumn("There are no columns here.", found=", ".join(columns))

    def check(self, *, saves: bool = True) -> Report:
        """Validate, without raising."""
        return Report()

    def _names(self) -> list[str]:
        if self.part.kind == "values":
            return list(self.part.data)
        if self.part.kind == "names":
            return []  # which are no columns
        return list(source_of(self.part.data).names)

    def _check_there(self, *columns: str) -> None:
        names = self._names()
        for name in columns:
            if name not in names:
                raise UnknownColumn(
                    f"There is no column {name!r}.",
                    expected=", ".join(near(name, names) or names),
                )

    def _changeable(self) -> Any:
        """The part's data as an object whose columns can be changed."""
        self._check_changeable()
        data = self.part.data
        known = ("pandas.DataFrame", "polars.DataFrame", "polars.LazyFrame", "pyarrow.Table")
        if self.part.kind == "values" or is_a(data, *known):
            return data
        return source_of(data).table()

    @property
    def _is_changeable(self) -> bool:
        """Whether what is changed can be saved, in the dataset's place or as a copy of its file."""
        whole = self.part.kind == "table" and self.slot == COLUMNS
        part = self.part
        return part.replace is not None or part.copied or whole or self.slot == EXTERNAL

    def _check_changeable(self) -> None:
        """Refuse to change what would not be saved."""

    def _set_values(self, values: dict[str, Any]) -> None:
        for key in [key for key in self.part.data if key not in values]:
            del self.part.data[key]
        self.part.data.update(values)

    def _look_again(self) -> None:
        if self.report is not None:
            self.check()

    def _advised(self, failure: Failure) -> Failure:
        """The failure with the call on the curator that mends it."""
        said = self._advice(failure)
        _, line, more = failure.hint.partition("\n")  # what else was advised holds here, too
        return failure if said is None else replace(failure, hint=said + line + more)

    def _advice(self, failure: Failure) -> str | None:
        where, key = self._where, failure.column
        fixed = not self._is_changeable
        if failure.rule in ("category", "names") and (failure.synonym_of is None or not fixed):
            text = _ADD if failure.synonym_of is None else _STANDARDIZE
            return text.format(where=where, key=key)
        if self.part.kind != "table":
            return None
        if fixed and failure.rule in ("presence", "extra", "order", "dtype", "category"):
            return None
        if failure.rule in ("presence", "extra") and failure.nearest:
            old, new = failure.nearest[0], key
            if failure.rule == "extra":
                old, new = new, old
            return f"rename it via: {where}.rename({{{old!r}: {new!r}}})"
        if failure.rule == "extra":
            return f"drop it via: {where}.drop({key!r})"
        if failure.rule == "order":
            return f"reorder the columns via: {where}.reorder()"
        if failure.rule == "dtype" and failure.expected.partition("[")[0] in CONVERTIBLE:
            said = failure.hint if "mixes types" in failure.hint else "convert it"
            return f"{said} via: {where}.convert({key!r})"
        own = "" if self.slot == COLUMNS else repr(self.slot)
        rows = self.slot == COLUMNS or self.slot.rpartition(":")[2] == "obs"
        if rows and failure.rule in ("null", "constraint", "rows", "coerce"):
            return f"correct them, or leave these rows out via: good = curator.filter({own}).good"
        return None


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
