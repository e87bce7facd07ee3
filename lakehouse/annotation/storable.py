"""Single feature values as they are kept: missing or not, and of their dtype."""

from __future__ import annotations

import datetime
from pathlib import PurePath
from typing import Any

from lakehouse.annotation.encoding import encodable
from lakehouse.curation.chunks import accepts_value, is_missing
from lakehouse.curation.coercion import coerce_value
from lakehouse.schema import DType

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
