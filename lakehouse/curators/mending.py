"""What curators do about columns, beside terms: rename, drop, reorder, convert."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from lakehouse._lazy import is_a
from lakehouse.curation import ColumnRule, Failure, Report
from lakehouse.curation.chunks import joined
from lakehouse.curation.coercion import CONVERTIBLE, Coercer
from lakehouse.curation.inputs import source_of
from lakehouse.curation.slots import EXTERNAL, Part
from lakehouse.engine.view import operations
from lakehouse.errors import UnknownColumn, near
from lakehouse.formats.base import COLUMNS

if TYPE_CHECKING:
    from lakehouse.curation import DatasetSpec

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
