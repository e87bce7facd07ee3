"""Updates of rows in the memory of one data file: what was seen is checked, columns are replaced."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import orjson
import pyarrow as pa
import pyarrow.compute as pc

from lakehouse.engine.arrays import array_of
from lakehouse.engine.changes import Update
from lakehouse.engine.json_text import dump_json
from lakehouse.engine.spec import TableSpec
from lakehouse.errors import InvalidArgument, RowConflict


def replaced_rows(spec: TableSpec, table: pa.Table, changes: Mapping[int, Update]) -> pa.Table:
    """The rows of a file with updates applied, by the places of their rows.

    Raises:
        InvalidArgument: A column doesn't exist or can't hold its new value, or is the uid.
        RowConflict: A row was changed since the caller saw it.
    """
    columns: dict[str, dict[int, Any]] = {}
    for at, update in changes.items():
        _check_columns(spec, table, update)
        _check_seen(spec, table, at, update)
        for name, value in update.new.items():
            text = name in spec.json_columns and value is not None
            columns.setdefault(name, {})[at] = dump_json(value) if text else value
    for name, values in columns.items():
        index = table.schema.get_field_index(name)
        table = table.set_column(index, name, _replaced(spec, name, table.column(index), values))
    return table


def _replaced(
    spec: TableSpec, name: str, old: pa.ChunkedArray, values: Mapping[int, Any]
) -> pa.Array | pa.ChunkedArray:
    order = sorted(values)
    try:
        fresh = array_of([values[i] for i in order], old.type)
    except (pa.ArrowInvalid, pa.ArrowTypeError, OverflowError, UnicodeError) as error:
        raise InvalidArgument(
            f"Column {name!r} of table {spec.name!r} takes {old.type}.", found=str(error)
        ) from error
    if pa.types.is_list(old.type):
        items = old.to_pylist()
        for i in order:
            items[i] = values[i]
        return array_of(items, old.type)
    mask = array_of([i in values for i in range(len(old))], pa.bool_())
    return pc.replace_with_mask(old.combine_chunks(), mask, fresh)


def _check_columns(spec: TableSpec, table: pa.Table, update: Update) -> None:
    if "uid" in update.new:
        raise InvalidArgument(f"The uid of a row of {spec.name!r} never changes.")
    for name in (*update.new, *update.old):
        if name not in table.column_names:
            raise InvalidArgument(f"Table {spec.name!r} has no column {name!r}.")


def _check_seen(spec: TableSpec, table: pa.Table, at: int, update: Update) -> None:
    for name, seen in update.old.items():
        now = table.column(name)[at].as_py()
        if name in spec.json_columns and now is not None:
            now = orjson.loads(now)
        # equal to the new value isn't enough: of two that count from 5 to 6 one must count again
        if not _same(now, seen):
            uid = table.column(0)[at].as_py()
            raise RowConflict(
                f"The row {uid!r} of {spec.name!r} was changed by another commit.",
                found=f"{name} = {now!r}",
                expected=f"{name} = {seen!r}",
                hint="query the record again, apply the change, and save",
            )


def _same(now: Any, seen: Any) -> bool:
    """Whether two values of a column are the same; JSON values compare as they are stored."""
    if isinstance(seen, dict | list | tuple):
        seen = orjson.loads(dump_json(seen))
    return bool(now == seen) or (now != now and seen != seen)
