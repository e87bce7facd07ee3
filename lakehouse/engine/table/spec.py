"""Table specifications: from a pydantic row model to an Iceberg schema.

Example:
    >>> class Row(RowModel):
    ...     name: str | None = None
    >>> TableSpec.from_model("label", Row, unique=(("name",),)).column_names
    ('uid', 'name')
"""

from __future__ import annotations

import types
import typing
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from functools import cached_property
from typing import Any, Union

import orjson
import pyarrow as pa
import pyarrow.compute as pc
from pydantic import BaseModel, ConfigDict

from lakehouse.engine.table.arrays import array_of, scalar_of
from lakehouse.engine.table.json_text import dump_json
from lakehouse.errors import InvalidArgument
from lakehouse.identity import digest_text

KEY_SEPARATOR = "\x1f"
_EMPTY, _SEPARATOR = scalar_of(""), scalar_of(KEY_SEPARATOR)
_KEY_CHARACTERS = 600  # a Postgres index takes 2,704 bytes

TIMESTAMP = pa.timestamp("us", tz="UTC")
_ARROW: dict[str, pa.DataType] = {
    "string": pa.string(),
    "long": pa.int64(),
    "double": pa.float64(),
    "boolean": pa.bool_(),
    "timestamptz": TIMESTAMP,
    "date": pa.date32(),
    "list": pa.list_(pa.string()),
}
_PYTHON: dict[Any, str] = {
    str: "string",
    bool: "boolean",
    int: "long",
    float: "double",
    datetime: "timestamptz",
    date: "date",
}


class RowModel(BaseModel):
    """Base of the pydantic models that describe one row of a table."""

    model_config = ConfigDict(
        extra="forbid", validate_assignment=True, arbitrary_types_allowed=True, defer_build=True
    )

    uid: str


@dataclass(frozen=True)
class Column:
    """One column: its name, its Iceberg type, and whether its text holds JSON."""

    name: str
    type: str
    required: bool = False
    json: bool = False

    @property
    def arrow_type(self) -> pa.DataType:
        """The Arrow type of the column in memory."""
        return _ARROW[self.type]


def _column(name: str, annotation: Any) -> Column:
    base = annotation
    origin = typing.get_origin(annotation)
    if origin in (Union, types.UnionType):
        args = [a for a in typing.get_args(annotation) if a is not type(None)]
        if len(args) != 1:
            # a union of types: JSON text holds any of them
            return Column(name, "string", json=True)
        base = args[0]
        origin = typing.get_origin(base)
    if origin is typing.Annotated:
        return _column(name, typing.get_args(base)[0])
    if origin is typing.Literal:
        return Column(name, "string", required=name == "uid")
    if origin is list and typing.get_args(base) == (str,):
        return Column(name, "list")
    if base in _PYTHON:
        return Column(name, _PYTHON[base], required=name == "uid")
    return Column(name, "string", json=True)


@dataclass(frozen=True)
class KeyScope:
    """Within what unique keys are unique: the rows with one value of a column.

    Attributes:
        column: The column.
        default: The value whose rows claim their keys as if there were no scope; null is
            the same.
        free: Values whose rows claim nothing.
    """

    column: str
    default: str
    free: frozenset[str] = frozenset()


@dataclass(frozen=True)
class TableSpec:
    """What the engine knows of a table.

    Args:
        name: Table name in snake case.
        columns: The columns; the first one is `uid`.
        unique: Unique keys as tuples of column names. A row whose first key column is null
            claims nothing; nulls in the other columns count as empty text.
        scope: Within what the keys are unique, if not in the whole table.
    """

    name: str
    columns: tuple[Column, ...]
    unique: tuple[tuple[str, ...], ...] = field(default=())
    scope: KeyScope | None = None

    @classmethod
    def from_model(
        cls, name: str, model: type[BaseModel], unique: Sequence[Sequence[str]] = ()
    ) -> TableSpec:
        """Derive a specification from a row model's annotations.

        `str, int, float, bool, datetime, date` and `list[str]` have columns of their own;
        everything else (dicts, other lists) is kept as JSON text.
        """
        columns = tuple(_column(n, f.annotation) for n, f in model.model_fields.items())
        if not columns or columns[0].name != "uid":
            raise InvalidArgument(
                f"The row model of table {name!r} must have `uid: str` as its first field.",
                found=[c.name for c in columns][:3],
            )
        known = {c.name for c in columns}
        for key in unique:
            if missing := [c for c in key if c not in known]:
                raise InvalidArgument(
                    f"Unique key {tuple(key)} of {name!r} names no column {missing}."
                )
        return cls(name, columns, tuple(tuple(k) for k in unique))

    @cached_property
    def column_names(self) -> tuple[str, ...]:
        """Names of the columns in order."""
        return tuple(c.name for c in self.columns)

    @cached_property
    def json_columns(self) -> frozenset[str]:
        """Names of the columns whose text holds JSON."""
        return frozenset(c.name for c in self.columns if c.json)

    @cached_property
    def key_columns(self) -> frozenset[str]:
        """The columns on whose values it depends which keys a row claims."""
        named = frozenset(c for key in self.unique for c in key)
        return named if self.scope is None else named | {self.scope.column}

    def key_text(
        self, columns: Sequence[str], values: Sequence[Any], within: str | None = None
    ) -> str | None:
        """The text that claims a unique key, or None where the key claims nothing.

        Args:
            columns: The key's columns.
            values: Their values.
            within: The value of the scope's column; None is the default one.
        """
        # as in SQL, where null is equal to nothing; the other columns count as empty
        if values[0] is None:
            return None
        tail = ""
        if self.scope is not None and within is not None:
            if within in self.scope.free:
                return None
            # none for the default: those keys read as if the table had no scope
            tail = _tail(within) if within != self.scope.default else ""
        head = f"{self.name}.{'+'.join(columns)}{KEY_SEPARATOR}"
        text = KEY_SEPARATOR.join("" if v is None else str(v) for v in values)
        return _short(head + text + tail)

    def keys_of(self, row: Mapping[str, Any]) -> list[str]:
        """All unique keys that a row claims."""
        within = None if self.scope is None else row.get(self.scope.column)
        keys = (self.key_text(cols, [row.get(c) for c in cols], within) for cols in self.unique)
        return [key for key in keys if key is not None]

    def key_columns_of(self, table: pa.Table) -> list[tuple[str, pa.ChunkedArray, pa.ChunkedArray]]:
        """Scope, key texts and uids for every unique key that the rows of a table claim."""
        out = []
        table, tails = self._scoped(table)
        for cols in self.unique:
            if cols[0] not in table.column_names:
                continue  # rows from before the column was added
            first = table[cols[0]]
            valid = pc.is_valid(first) if first.null_count else None
            claiming = table if valid is None else table.filter(valid)
            values = [
                pc.fill_null(_key_column(claiming[c]), _EMPTY)
                if c in claiming.column_names
                else _EMPTY
                for c in cols
            ]
            scope = f"{self.name}.{'+'.join(cols)}"
            keys = pc.binary_join_element_wise(scalar_of(scope), *values, _SEPARATOR)
            if tails is not None:
                ends = tails if valid is None else tails.filter(valid)
                keys = pc.binary_join_element_wise(keys, ends, _EMPTY)
            # in Arrow as long as none is too long; must give what `key_text` gives, to the letter
            if (pc.max(pc.utf8_length(keys)).as_py() or 0) > _KEY_CHARACTERS:
                keys = pa.chunked_array(
                    [array_of([_short(key) for key in keys.to_pylist()], pa.string())]
                )
            out.append((scope, keys, claiming["uid"]))
        return out

    def _scoped(self, table: pa.Table) -> tuple[pa.Table, pa.ChunkedArray | None]:
        """The rows that claim keys, and what the scope adds to their texts, if anything."""
        scope = self.scope
        if scope is None or scope.column not in table.column_names:
            return table, None
        column = pc.fill_null(table[scope.column], scalar_of(scope.default))
        present = {str(v) for v in pc.unique(column).to_pylist()}
        if present & scope.free:
            claiming = pc.invert(
                pc.is_in(column, value_set=array_of(sorted(scope.free), pa.string()))
            )
            table, column = table.filter(claiming), column.filter(claiming)
        if present <= {scope.default, *scope.free}:
            return table, None
        texts = {v: "" if v == scope.default else _tail(v) for v in present}
        return table, pa.chunked_array(
            [array_of([texts[v] for v in column.to_pylist()], pa.string())]
        )

    def keys_of_table(self, table: pa.Table) -> list[tuple[str, str]]:
        """`(key, uid)` for every unique key that the rows of a table claim."""
        return [
            pair
            for _, keys, uids in self.key_columns_of(table)
            for pair in zip(keys.to_pylist(), uids.to_pylist(), strict=True)
        ]

    def encode_rows(self, rows: Sequence[Mapping[str, Any]]) -> pa.Table:
        """Rows as an Arrow table of this specification's columns.

        Raises:
            InvalidArgument: A row has an unknown column or a value of the wrong type.
        """
        known = set(self.column_names)
        for row in rows:
            if extra := set(row) - known:
                raise InvalidArgument(
                    f"Table {self.name!r} has no column {sorted(extra)}.",
                    expected=", ".join(self.column_names),
                )
        arrays = [self._array(c, [row.get(c.name) for row in rows]) for c in self.columns]
        return pa.Table.from_arrays(arrays, names=list(self.column_names))

    def _array(self, column: Column, values: list[Any]) -> pa.Array:
        if column.json:
            values = [None if v is None else dump_json(v) for v in values]
        try:
            return array_of(values, column.arrow_type)
        except (pa.ArrowInvalid, pa.ArrowTypeError, OverflowError, UnicodeError) as error:
            raise InvalidArgument(
                f"Column {column.name!r} of table {self.name!r} takes {column.type} values.",
                found=str(error),
            ) from error

    def decode_row(self, row: dict[str, Any]) -> dict[str, Any]:
        """A row as Python values, JSON text decoded, in place."""
        for name in self.json_columns:
            if (text := row.get(name)) is not None:
                row[name] = orjson.loads(text)
        return row


def _short(key: str) -> str:
    """A key, or where it is too long for an index its beginning and a digest of it."""
    if len(key) <= _KEY_CHARACTERS:
        return key
    digest = digest_text(key.encode("utf-8", "surrogatepass"))
    return f"{key[: _KEY_CHARACTERS - 40]}…{digest}"


def _tail(within: str) -> str:
    """What the text of a key ends with that is unique within a scope."""
    return f"{KEY_SEPARATOR}@{within}"


def _key_column(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """A column as the texts that `str` gives for its values."""
    if pa.types.is_string(column.type) or pa.types.is_integer(column.type):
        # only these: of floats, bools and times Arrow writes other texts than `str` does
        return column.cast(pa.string())
    return pa.chunked_array(
        [array_of([None if v is None else str(v) for v in column.to_pylist()], pa.string())]
    )
