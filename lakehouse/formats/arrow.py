"""In-memory tables as Arrow, and one spelling for types that mean the same."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any

import pyarrow as pa

from lakehouse._lazy import is_a
from lakehouse.errors import InvalidArgument, InvalidData, UnknownField, near
from lakehouse.formats.base import INDEX

ARROW_ERRORS = (pa.ArrowInvalid, pa.ArrowTypeError, pa.ArrowNotImplementedError, pa.ArrowKeyError)

_UNNAMED = "__index_level_"


def is_pandas(obj: object) -> bool:
    """Whether an object is a pandas data frame, or a subclass's."""
    return is_a(obj, "pandas.DataFrame")


def is_polars(obj: object) -> bool:
    """Whether an object is a polars DataFrame or LazyFrame."""
    return is_a(obj, "polars.DataFrame", "polars.LazyFrame")


def oldest_polars_layout() -> Any:
    """The Arrow layout of polars that every other Arrow reader knows."""
    import polars as pl

    return pl.CompatLevel.oldest()


def table_of(obj: Any, columns: Sequence[str] | None = None) -> pa.Table:
    """A pandas, polars or pyarrow table as Arrow, without its index unless asked for.

    Raises:
        InvalidArgument: It is none of these.
        InvalidData: A column mixes types, or two columns have one name.
    """
    if is_pandas(obj):
        return _from_pandas(obj, columns)
    if is_polars(obj):
        chosen = choose(columns, obj.collect_schema().names())
        frame = obj.lazy().select(list(chosen.values())).collect()
        table: pa.Table = frame.to_arrow(compat_level=oldest_polars_layout())
        return table
    if isinstance(obj, pa.RecordBatch):
        obj = pa.Table.from_batches([obj])
    if isinstance(obj, pa.Table):
        return pick(obj, columns, index_of(obj.schema))
    raise InvalidArgument(
        f"A {type(obj).__module__}.{type(obj).__qualname__} is not a table.",
        expected="a pandas or polars DataFrame, a LazyFrame or a pyarrow Table",
    )


def pick(
    table: pa.Table, columns: Sequence[str] | None, index: dict[str, str] | None = None
) -> pa.Table:
    """Columns of a table by the names they were asked for."""
    index = index or {}
    hidden = set(index.values())
    names = [name for name in table.column_names if name not in hidden]
    chosen = choose(columns, names, index)
    if columns is None and not hidden:
        return table.replace_schema_metadata(None)
    arrays = [table.column(name) for name in chosen.values()]
    return pa.table(arrays, names=list(chosen))


def choose(
    columns: Iterable[str] | None, names: Sequence[str], index: dict[str, str] | None = None
) -> dict[str, str]:
    """Asked-for name → stored name.

    Args:
        columns: What is asked for; None for all names.
        names: Columns that exist, without the index.
        index: Name of each index level → stored name.

    Raises:
        UnknownField: A column doesn't exist.
    """
    if columns is None:
        return {name: name for name in names}
    known = {**(index or {}), **{name: name for name in names}}
    if index:
        known.setdefault(INDEX, next(iter(index.values())))
    chosen = {}
    for name in columns:
        if name not in known:
            close = near(str(name), list(known))
            raise UnknownField(
                f"There is no column {name!r}.",
                found=f"{len(known)} columns, the nearest: {close}" if close else list(known)[:20],
                hint=f"columns={close[:1]!r}" if close else None,
            )
        chosen[name] = known[name]
    return chosen


def index_of(schema: pa.Schema) -> dict[str, str]:
    """Index levels by name → stored column, from what pandas notes in a schema's metadata."""
    raw = (schema.metadata or {}).get(b"pandas")
    if raw is None:
        return {}
    levels = [level for level in json.loads(raw).get("index_columns", []) if isinstance(level, str)]
    present = [level for level in levels if level in schema.names]
    return {_index_name(level, place): level for place, level in enumerate(present)}


def _index_name(level: str, place: int) -> str:
    if not level.startswith(_UNNAMED):
        return level
    return INDEX if place == 0 else f"{INDEX}_{place}"


def check_slot(slot: str, known: Iterable[str]) -> None:
    """Raise `InvalidArgument` for a slot that isn't there."""
    slots = list(known)
    if slot not in slots:
        raise InvalidArgument(f"There is no slot {slot!r}.", found=slots, expected="one of these")


def described(schema: pa.Schema, index: dict[str, str]) -> pa.Schema:
    """A schema without its index and metadata, its types in their usual spelling."""
    hidden = set(index.values())
    return pa.schema(
        [
            pa.field(field.name, usual(field.type), nullable=field.nullable)
            for field in schema
            if field.name not in hidden
        ]
    )


def usual(kind: pa.DataType) -> pa.DataType:
    """One spelling for types that differ only in how they lie in memory.

    Example:
        >>> usual(pa.large_list(pa.string_view()))
        ListType(list<item: string>)
    """
    if pa.types.is_large_string(kind) or pa.types.is_string_view(kind):
        return pa.string()
    if pa.types.is_large_binary(kind) or pa.types.is_binary_view(kind):
        return pa.binary()
    if pa.types.is_dictionary(kind):
        return pa.dictionary(pa.int32(), usual(kind.value_type), kind.ordered)
    if pa.types.is_large_list(kind) or pa.types.is_list(kind) or pa.types.is_list_view(kind):
        return pa.list_(usual(kind.value_type))
    if pa.types.is_fixed_size_list(kind):
        return pa.list_(usual(kind.value_type), kind.list_size)
    if pa.types.is_struct(kind):
        return pa.struct([pa.field(f.name, usual(f.type), nullable=f.nullable) for f in kind])
    if pa.types.is_map(kind):
        return pa.map_(usual(kind.key_type), usual(kind.item_type))
    return kind


def _from_pandas(frame: Any, columns: Sequence[str] | None) -> pa.Table:
    names = [str(name) for name in frame.columns]
    repeated = [name for name, count in Counter(names).items() if count > 1]
    if repeated:
        raise InvalidData(
            "The data frame has several columns of one name.",
            found=repeated,
            expected="different names",
        )
    levels = pandas_levels(frame)
    index = {name: f"{_UNNAMED}{place}" for place, name in enumerate(levels)}
    chosen = choose(columns, names, index)
    values = {name: frame.iloc[:, place] for place, name in enumerate(names)}
    values |= {index[name]: level for name, level in levels.items()}
    arrays = [_column(values[name], asked) for asked, name in chosen.items()]
    if not arrays:
        return pa.Table.from_pandas(frame[[]], preserve_index=False)
    return pa.table(arrays, names=list(chosen))


def pandas_levels(frame: Any) -> dict[str, Any]:
    """The index levels of a pandas frame by name; none if rows are merely numbered."""
    index = frame.index
    if is_a(index, "pandas.RangeIndex"):
        return {}
    levels = {}
    for place in range(index.nlevels):
        values = index.get_level_values(place).to_series()
        name = INDEX if place == 0 else f"{INDEX}_{place}"
        levels[name if values.name is None else str(values.name)] = values
    return levels


def _column(values: Any, name: str) -> pa.Array:
    try:
        return pa.array(values, from_pandas=True)
    except ARROW_ERRORS as error:
        kinds = sorted({type(value).__name__ for value in values})
        raise InvalidData(
            f"Column {name!r} can't be one Arrow column.",
            found=f"values of the types {', '.join(kinds)} ({error})",
            expected="one type, or a nested type that Arrow knows",
            hint=f"df[{name!r}] = df[{name!r}].astype(str)",
        ) from error
