"""Between records' values and Arrow: many rows at once, column by column."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import orjson
import pyarrow as pa

from lakehouse.engine import TableSpec
from lakehouse.engine.table.json_text import dump_json
from lakehouse.errors import InvalidArgument

_SHARE_FROM = 64


def as_table(spec: TableSpec, rows: Sequence[dict[str, Any]]) -> pa.Table:
    """Validated values as an Arrow table with all columns of a specification."""
    present: set[str] = set().union(*rows)
    arrays = []
    for column in spec.columns:
        name, type_ = column.name, column.arrow_type
        if name not in present:
            arrays.append(pa.nulls(len(rows), type_))
            continue
        values = [row.get(name) for row in rows]
        first = values[0]
        if not column.json and _constant(values, first):
            arrays.append(pa.repeat(pa.scalar(first, type_), len(rows)))
            continue
        if column.json:
            values = [None if v is None else dump_json(v) for v in values]
        try:
            arrays.append(pa.array(values, type_))
        except (pa.ArrowInvalid, pa.ArrowTypeError, OverflowError) as error:
            raise InvalidArgument(
                f"Column {name!r} of {spec.name!r} takes {column.type} values.", found=str(error)
            ) from error
    return pa.Table.from_arrays(arrays, names=list(spec.column_names))


def _constant(values: list[Any], first: Any) -> bool:
    """Whether all values are one object, as the stamps of a batch are."""
    if type(first) is list:
        return False
    return values[-1] is first and all(v is first for v in values)


def _python_values(column: pa.ChunkedArray) -> list[Any]:
    if not pa.types.is_timestamp(column.type) or len(column) < _SHARE_FROM:
        return list(column.to_pylist())
    # rows of one commit share their times, and making aware datetimes is slow
    encoded = column.combine_chunks().dictionary_encode()
    moments = encoded.dictionary.to_pylist()
    return [None if i is None else moments[i] for i in encoded.indices.to_pylist()]


def as_lists(table: pa.Table, json_columns: frozenset[str]) -> list[list[Any]]:
    """Columns of an Arrow table as lists of Python values, JSON text decoded."""
    columns = []
    for name, column in zip(table.column_names, table.columns, strict=True):
        values = _python_values(column)
        if name in json_columns:
            values = [None if v is None else orjson.loads(v) for v in values]
        columns.append(values)
    return columns


def as_dicts(table: pa.Table, json_columns: frozenset[str]) -> list[dict[str, Any]]:
    """Rows of an Arrow table as dictionaries, JSON text decoded."""
    names = table.column_names
    columns = as_lists(table, json_columns)
    return [dict(zip(names, row, strict=True)) for row in zip(*columns, strict=True)]
