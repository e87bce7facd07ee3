"""Feature values as JSON texts, and back with their types."""

from __future__ import annotations

import datetime
import math
from typing import Any

import orjson

from lakehouse.engine.json_text import dump_json
from lakehouse.schema import DType

_MOMENTS: dict[str, Any] = {
    "date": datetime.date.fromisoformat,
    "datetime": datetime.datetime.fromisoformat,
    "time": datetime.time.fromisoformat,
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
