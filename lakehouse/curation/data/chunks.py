"""A stretch of one column: an Arrow array, or Python objects that Arrow can't hold."""

from __future__ import annotations

import datetime
import decimal
import numbers
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePath
from typing import Any, TypeAlias

import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.types as pt

from lakehouse._lazy import is_one
from lakehouse.schema import DType
from lakehouse.text.printable import encodable

CHUNK_ROWS = 1 << 18


@dataclass(frozen=True)
class Objects:
    """Values of several types, or of a type that Arrow doesn't have."""

    values: Sequence[Any]

    def __len__(self) -> int:
        return len(self.values)


Chunk: TypeAlias = "pa.Array | Objects"


def is_missing(value: Any) -> bool:
    """Whether a Python value stands for nothing: None, NaN of any type, NA or NaT.

    The one meaning of "missing" for single values; `missing` has it for columns.
    """
    if value is None or isinstance(value, str):  # most values are text
        return value is None
    if is_one(value, "pandas.NA", "pandas.NaT"):
        return True
    if isinstance(value, decimal.Decimal):
        return value.is_nan()  # comparing a signalling one raises
    return isinstance(value, (float, numbers.Number, np.datetime64)) and bool(value != value)


def readable(array: pa.Array) -> pa.Array:
    """The same values in a type for which Arrow has all of its functions."""
    if pt.is_run_end_encoded(array.type):
        return readable(pc.run_end_decode(array))
    if pt.is_dictionary(array.type) and readable_type(array.type) != array.type:
        return pa.DictionaryArray.from_arrays(array.indices, readable(array.dictionary))
    return (
        array if readable_type(array.type) == array.type else array.cast(readable_type(array.type))
    )


def readable_type(arrow: pa.DataType) -> pa.DataType:
    """The type that `readable` gives to arrays of a type."""
    if pt.is_run_end_encoded(arrow):
        return readable_type(arrow.value_type)
    if pt.is_dictionary(arrow):
        inner = readable_type(arrow.value_type)
        return arrow if inner == arrow.value_type else pa.dictionary(arrow.index_type, inner)
    if pt.is_string_view(arrow):
        return pa.large_string()
    return pa.large_binary() if pt.is_binary_view(arrow) else arrow


def joined(chunks: Iterable[Chunk], otherwise: pa.DataType) -> pa.ChunkedArray:
    """The chunks of one column, some of which may hold nothing, or text as categories.

    Args:
        chunks: Those that Arrow holds count.
        otherwise: The type of a column without values, and of one of several types.
    """
    arrays = [chunk for chunk in chunks if not isinstance(chunk, Objects)]
    types = {array.type for array in arrays if not pt.is_null(array.type)}
    if len(types) > 1:
        arrays = [_decoded(array) for array in arrays]
        types = {array.type for array in arrays if not pt.is_null(array.type)}
    if not arrays:
        return pa.chunked_array([], otherwise)
    arrow = types.pop() if len(types) == 1 else otherwise if types else pa.null()
    return pa.chunked_array(
        [array if array.type == arrow else _cast(array, arrow) for array in arrays], arrow
    )


def placed(table: pa.Table, columns: Mapping[int, pa.ChunkedArray]) -> pa.Table:
    """A table with other columns at some positions, all at once: one by one each copies it."""
    if not columns:
        return table
    arrays, fields = table.columns, list(table.schema)
    for at, column in columns.items():
        arrays[at], fields[at] = column, pa.field(fields[at].name, column.type)
    schema = pa.schema(fields, metadata=table.schema.metadata)
    return pa.Table.from_arrays(arrays, schema=schema)


def with_columns(table: pa.Table, columns: Mapping[str, pa.ChunkedArray]) -> pa.Table:
    """A table with other columns in the place of the first of their names, or behind all."""
    at = first_positions(table.column_names)
    table = placed(table, {at[name]: column for name, column in columns.items() if name in at})
    new = {name: column for name, column in columns.items() if name not in at}
    if not new:
        return table
    made = pa.table(new)
    schema = pa.schema([*table.schema, *made.schema], metadata=table.schema.metadata)
    return pa.Table.from_arrays([*table.columns, *made.columns], schema=schema)


def first_positions(names: Sequence[str]) -> dict[str, int]:
    """Where each name stands first."""
    positions: dict[str, int] = {}
    for position, name in enumerate(names):
        positions.setdefault(name, position)
    return positions


def _decoded(array: pa.Array) -> pa.Array:
    return array.dictionary_decode() if pt.is_dictionary(array.type) else array


def _cast(array: pa.Array, arrow: pa.DataType) -> pa.Array:
    return pa.nulls(len(array), arrow) if pt.is_null(array.type) else array.cast(arrow)


def parents(lists: pa.Array) -> pa.Array:
    """For each item that `list_flatten` gives: in which row it stands.

    Arrow's own also counts items that missing lists still hold.
    """
    lengths = pc.fill_null(pc.list_value_length(lists), 0).to_numpy()
    return pa.array(np.repeat(np.arange(len(lists)), lengths), pa.int64())


def missing(chunk: Chunk) -> pa.BooleanArray:
    """Which values are missing; NaN and null categories count."""
    if isinstance(chunk, Objects):
        return pa.array([is_missing(value) for value in chunk.values], pa.bool_())
    if pt.is_dictionary(chunk.type) and chunk.dictionary.null_count:
        return pc.is_null(chunk.dictionary.take(chunk.indices))
    return pc.is_null(chunk, nan_is_null=True)


def python_values(chunk: Chunk) -> list[Any]:
    """The values as Python's own, None where one is missing."""
    if isinstance(chunk, Objects):
        return [None if is_missing(value) else value for value in chunk.values]
    if isinstance(chunk, pa.ExtensionArray):
        return list(chunk.to_pylist())
    if pt.is_floating(chunk.type):
        chunk = pc.if_else(missing(chunk), None, chunk)
    try:
        # several times faster than Arrow's own
        return pl.Series(pl.from_arrow(chunk)).to_list()
    except (pl.exceptions.PolarsError, ValueError, TypeError):
        return list(chunk.to_pylist())


def array_of(values: Iterable[Any]) -> Chunk:
    """Python values as Arrow if they are of one type, else as they are."""
    listed = values if hasattr(values, "__getitem__") else list(values)
    try:
        made = pa.array(listed, from_pandas=True)
        if pt.is_date(made.type) and any(isinstance(v, datetime.datetime) for v in listed):
            return Objects(list(listed))  # of which Arrow would keep the days only
        return readable(made.combine_chunks() if isinstance(made, pa.ChunkedArray) else made)
    except (pa.ArrowException, OverflowError, TypeError, ValueError):
        return Objects(list(listed))


def is_sequence(value: Any) -> bool:
    """Whether a value has items, as lists, sets and arrays have."""
    if isinstance(value, (str, bytes, Mapping)) or getattr(value, "ndim", 1) == 0:
        return False
    return isinstance(value, Iterable)


def is_text(value: Any) -> bool:
    """Whether a value is text that can be stored; a lone surrogate can't."""
    return isinstance(value, str) and encodable(value)


def _is_real(value: Any) -> bool:
    return isinstance(value, (numbers.Real, decimal.Decimal)) and not isinstance(value, bool)


# Every value of a kind passes its test; numpy's scalars register with `numbers`.
_IS: dict[str, Callable[[Any], bool]] = {
    "int": lambda v: isinstance(v, numbers.Integral) and not isinstance(v, bool),
    "float": _is_real,
    "num": _is_real,
    "str": is_text,
    "cat": is_text,
    "url": is_text,
    "path": lambda v: isinstance(v, (str, PurePath)),
    "bool": lambda v: isinstance(v, (bool, np.bool_)),
    "date": lambda v: isinstance(v, datetime.date) and not isinstance(v, datetime.datetime),
    "datetime": lambda v: isinstance(v, datetime.datetime),
    "time": lambda v: isinstance(v, datetime.time),
    "dict": lambda v: isinstance(v, Mapping),
    "bytes": lambda v: isinstance(v, bytes),
    "object": lambda v: True,
}


def accepts_value(dtype: DType, value: Any) -> bool:
    """Whether one present Python value is of a dtype, categories left aside."""
    if dtype.kind == "list":
        item = dtype.item
        return is_sequence(value) and (
            item is None or all(is_missing(v) or accepts_value(item, v) for v in value)
        )
    if dtype.utc and getattr(value, "tzinfo", None) is None:
        return False
    return _IS[dtype.kind](value)
