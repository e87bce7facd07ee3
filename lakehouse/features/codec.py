"""Feature values as JSON texts, and back with their types."""

from __future__ import annotations

import datetime
import math
from pathlib import PurePath
from typing import Any

import orjson
import pyarrow as pa
import pyarrow.compute as pc

from lakehouse.curation.coercion import coerce_value
from lakehouse.curation.data.chunks import accepts_value, is_missing
from lakehouse.engine.table.json_text import dump_json
from lakehouse.schema import DType


def _time(text: str) -> datetime.time:
    """A time of its ISO text; earlier versions wrote 0.01 s as `.10000`, a digit short."""
    head, _, fraction = text.partition(".")
    return datetime.time.fromisoformat(f"{head}.0{fraction}" if len(fraction) == 5 else text)


_MOMENTS: dict[str, Any] = {
    "date": datetime.date.fromisoformat,
    "datetime": datetime.datetime.fromisoformat,
    "time": _time,
}


def plain(value: Any) -> Any:
    """A value as JSON can hold it; infinities, which it has no word for, become texts."""
    if isinstance(value, float) and math.isinf(value):
        return "Infinity" if value > 0 else "-Infinity"
    if isinstance(value, dict):
        return {key: plain(v) for key, v in value.items()}
    if isinstance(value, list | tuple):
        return [plain(v) for v in value]
    return value


def encodable(value: Any) -> bool:
    """Whether a value can be kept as JSON text and comes back as it was."""
    try:
        text = orjson.dumps(
            plain(value), option=orjson.OPT_NON_STR_KEYS | orjson.OPT_SERIALIZE_NUMPY
        )
    except TypeError:
        return False
    return text is not None


def encoded(value: Any) -> str:
    """The JSON text that is stored for a value."""
    return dump_json(plain(value))


def decoded(text: str, dtype: DType) -> Any:
    """The value that a JSON text of a dtype stands for."""
    return typed(orjson.loads(text), dtype)


def typed(value: Any, dtype: DType) -> Any:
    """A decoded JSON value as its dtype says: days, moments and fractions."""
    if dtype.kind == "list" and isinstance(value, list):
        return value if dtype.item is None else [typed(v, dtype.item) for v in value]
    if isinstance(value, str):
        if dtype.kind in _MOMENTS:
            return _MOMENTS[dtype.kind](value)
        if dtype.kind in ("float", "num"):
            return float(value) if value in ("Infinity", "-Infinity") else value
    if dtype.kind == "float" and type(value) is int:
        return float(value)
    return value


# -- A column of JSON texts as Arrow values of a dtype, all at once where their form allows it


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


# -- Single feature values as they are kept: missing or not, and of their dtype


SEVERAL = (list, tuple, set, frozenset)
"""What holds several values of a feature."""
_PLAIN = {"int": int, "float": float, "bool": bool}
_SMALLEST, _LARGEST = -(2**63), 2**63 - 1
_FROM_TEXT = ("date", "datetime", "time")


def is_null(value: Any) -> bool:
    """Whether a value stands for none: None, NaN, or an empty list or dictionary."""
    if isinstance(value, str | bool | int) or hasattr(value, "_values"):
        return False
    if isinstance(value, dict | list | tuple | set | frozenset):
        return len(value) == 0
    return is_missing(value)


def as_dtype(value: Any, dtype: DType, *, convert: bool = False) -> Any:
    """A value as it is stored for a dtype.

    Raises:
        ValueError: It is of another type. Also TypeError.
    """
    if dtype.kind == "list":
        return _list(value, dtype, convert=convert)
    if convert or (dtype.kind in _FROM_TEXT and isinstance(value, str)):
        value = coerce_value(value, dtype)
    if isinstance(value, str) and not encodable(value):
        raise TypeError("the value can't be kept as JSON text")
    if not accepts_value(dtype, value):
        raise TypeError("correct the value, or set coerce=True on the feature")
    if dtype.kind in _PLAIN:
        number = _PLAIN[dtype.kind](value)
        if type(number) is int and not _SMALLEST <= number <= _LARGEST:
            raise ValueError("integers are kept in 64 bits; a float feature takes larger ones")
        return number
    if dtype.kind == "num":
        return value.item() if hasattr(value, "item") else value
    if isinstance(value, PurePath):
        return str(value)
    if dtype.kind == "datetime" and type(value) is not datetime.datetime:
        return value.to_pydatetime()  # pandas' own
    if not encodable(value):
        raise TypeError("the value can't be kept as JSON text")
    return value


def _list(value: Any, dtype: DType, *, convert: bool) -> list[Any]:
    if hasattr(value, "tolist"):
        value = value.tolist()
    if not isinstance(value, SEVERAL):
        raise TypeError("pass a list")
    item = dtype.item or DType("object")
    return [None if is_missing(v) else as_dtype(v, item, convert=convert) for v in value]
