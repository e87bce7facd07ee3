"""JSON texts of values: what can't come back as it was is refused.

JSON has no word for NaN and infinities, and its numbers are exact here up to 64 bits.
"""

from __future__ import annotations

import math
from datetime import date, time
from typing import Any

import orjson

from lakehouse.errors import FieldValidationError

_OPTIONS = (
    orjson.OPT_NON_STR_KEYS
    | orjson.OPT_SERIALIZE_NUMPY
    | orjson.OPT_PASSTHROUGH_DATETIME  # orjson 3.13 writes 10 ms as 0.10000 s in times
)
_LEAST, _MOST = -(2**63), 2**64 - 1


def dump_json(value: Any) -> str:
    """JSON text of a value; dates in ISO form, other types as text.

    Raises:
        FieldValidationError: It holds what JSON can't: NaN, an infinity, an integer of more than
            64 bits, two keys of one text, or it holds itself.
    """
    try:
        _check(value)
        return orjson.dumps(value, default=_told, option=_OPTIONS).decode()
    except (TypeError, RecursionError) as error:
        raise _refused(ascii(value)[:200], str(error)) from None


def check_json(value: Any) -> None:
    """Refuse a value that JSON text can't hold.

    Raises:
        FieldValidationError: See `dump_json`.
    """
    try:
        _check(value)
    except RecursionError:
        raise _refused("a value that holds itself, or is too deep", "JSON") from None


def _check(value: Any) -> None:
    kind = type(value)
    if kind is str or kind is bool or value is None:
        return
    if kind is float:
        if not math.isfinite(value):
            raise _refused(repr(value), "a finite number, or None")
    elif kind is int:
        if not _LEAST <= value <= _MOST:
            raise _refused(f"an integer of {value.bit_length()} bits", "at most 64 bits, or text")
    elif isinstance(value, dict):
        # 1 and "1" have one text: one of two values would be lost
        plain = all(type(key) is str for key in value)
        if not plain and len({_key(key) for key in value}) < len(value):
            raise _refused(f"the keys {list(value)!r}"[:200], "keys of different texts")
        for one in value.values():
            _check(one)
    elif isinstance(value, list | tuple):
        for one in value:
            _check(one)
    elif hasattr(value, "dtype") and hasattr(value, "tolist"):  # of NumPy
        _check(value.tolist())
    elif isinstance(value, float | int):  # of a subclass
        _check(float(value) if isinstance(value, float) else int(value))


def _told(value: Any) -> str:
    moment = isinstance(value, date | time)
    return value.isoformat() if moment else str(value)


def _key(key: Any) -> str:
    """The text that a key gets."""
    if isinstance(key, str):
        return key
    return orjson.dumps({key: None}, default=str, option=_OPTIONS).decode()[1:-6].strip('"')


def _refused(found: str, expected: str) -> FieldValidationError:
    return FieldValidationError(
        "A value can't be kept as JSON.",
        found=found,
        expected=expected,
        hint="numbers that are missing are None; larger ones can be kept as text",
    )
