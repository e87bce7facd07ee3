"""A column of JSON texts as Arrow values of a dtype, all at once where their form allows it."""

from __future__ import annotations

from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from lakehouse.annotation.encoding import decoded
from lakehouse.schema import DType

_TYPES: dict[str, pa.DataType] = {
    "int": pa.int64(),
    "float": pa.float64(),
    "num": pa.float64(),
    "bool": pa.bool_(),
    "str": pa.string(),
    "path": pa.string(),
    "url": pa.string(),
    "date": pa.date32(),
    "datetime": pa.timestamp("us"),
    "time": pa.time64("us"),
}
_QUOTED = ("str", "path", "url", "date", "datetime", "time")


def decode(texts: pa.Array, dtype: DType) -> tuple[pa.Array, bool]:
    """Typed values of JSON texts.

    Args:
        texts: The texts, without nulls.
        dtype: Their dtype.

    Returns:
        The values, and whether they stay JSON texts, since Arrow has no type for them.
    """
    kind = dtype.kind
    if kind == "list":
        return _lists(texts, dtype)
    if kind not in _TYPES:
        return texts, True
    try:
        return _cast(texts, kind), False
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError):
        pass
    values = [decoded(text, dtype) for text in texts.to_pylist()]
    try:
        return pa.array(values, _TYPES[kind]), False
    except (pa.ArrowInvalid, pa.ArrowTypeError, OverflowError):
        return texts, True  # moments with and without time zones, or very large numbers


def _cast(texts: pa.Array, kind: str) -> pa.Array:
    if kind not in _QUOTED:
        return texts.cast(_TYPES[kind])
    if pc.any(pc.match_substring(texts, "\\")).as_py():
        raise pa.ArrowInvalid("escaped characters")
    bare = pc.utf8_slice_codeunits(texts, 1, -1)
    return bare if kind in ("str", "path", "url") else bare.cast(_TYPES[kind])


def _lists(texts: pa.Array, dtype: DType) -> tuple[pa.Array, bool]:
    item = None if dtype.item is None else _TYPES.get(dtype.item.kind)
    if item is None:
        return texts, True
    values: list[Any] = [decoded(text, dtype) for text in texts.to_pylist()]
    try:
        return pa.array(values, pa.list_(item)), False
    except (pa.ArrowInvalid, pa.ArrowTypeError, OverflowError):
        return texts, True
