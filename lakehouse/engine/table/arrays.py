"""Python values as Arrow arrays, without pyarrow's own way, which imports pandas.

`pyarrow.array` and `pyarrow.scalar` look for pandas before they look at a list: half a second of
every command that saves something. What isn't exactly of a column's type is left to them.
"""

from __future__ import annotations

from array import array
from collections.abc import Callable, Sequence
from datetime import UTC, date, datetime, timedelta
from itertools import accumulate
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.types as pt

_TEXT = pa.string()
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_DAY_ONE = date(1970, 1, 1).toordinal()
_MICROSECOND = timedelta(microseconds=1)
_MANY = 10_000  # of which pyarrow gains more than pandas takes
_MOST_CHARACTERS = 1 << 29  # in four bytes each they fill the offsets of one array


def array_of(values: Sequence[Any], kind: pa.DataType) -> pa.Array:
    """Values, None where one is missing, as an array of a type.

    Raises:
        pyarrow.ArrowException: A value can't be of this type. Also OverflowError, UnicodeError.

    Example:
        >>> array_of(["a", None], pa.string()).null_count
        1
    """
    known = [value for value in values if value is not None]
    if not known:
        return pa.nulls(len(values), kind)
    if len(values) > _MANY:
        return pa.array(values, kind)
    present = [value is not None for value in values]
    if pt.is_string(kind) and _all(known, str) and sum(map(len, known)) < _MOST_CHARACTERS:
        return _texts(values, present)
    if pt.is_list(kind) and pt.is_string(kind.value_type) and _all(known, list):
        return _lists(values, present, kind)
    for holds, types, store, convert in _FIXED:
        if holds(kind) and _all(known, *types):
            plain = [0 if value is None else convert(value) for value in values]
            return _fixed(plain, present, kind, store)
    return pa.array(values, kind)


def scalar_of(value: Any, kind: pa.DataType = _TEXT) -> pa.Scalar:
    """One value as Arrow's functions take it; one of Python would make them import pandas."""
    return array_of([value], kind)[0]


def _all(values: Sequence[Any], *types: type) -> bool:
    # exactly of a type: a bool is an int, and a subclass may convert otherwise
    return all(type(value) in types for value in values)


def _gaps(present: Sequence[bool]) -> tuple[pa.Buffer | None, int]:
    """The bitmap of what is there, where something is missing, and how much."""
    missing = len(present) - sum(present)
    bits = np.packbits(np.array(present, bool), bitorder="little") if missing else None
    return None if bits is None else pa.py_buffer(bits), missing


def _offsets(lengths: Sequence[int]) -> pa.Buffer:
    # Arrow's offsets are 32-bit integers, one more than there are values
    return pa.py_buffer(array("i", accumulate(lengths, initial=0)))


def _texts(values: Sequence[str | None], present: Sequence[bool]) -> pa.Array:
    encoded = [b"" if value is None else value.encode() for value in values]
    bits, missing = _gaps(present)
    buffers = [bits, _offsets([len(text) for text in encoded]), pa.py_buffer(b"".join(encoded))]
    # nothing checks buffers, and wrong ones crash in C: hence only values of exact types
    return pa.Array.from_buffers(pa.string(), len(values), buffers, missing)


def _lists(
    values: Sequence[list[Any] | None], present: Sequence[bool], kind: pa.DataType
) -> pa.Array:
    items = array_of([item for value in values for item in value or ()], kind.value_type)
    bits, missing = _gaps(present)
    buffers = [bits, _offsets([len(value or ()) for value in values])]
    return pa.Array.from_buffers(kind, len(values), buffers, missing, children=[items])


def _fixed(
    plain: Sequence[Any], present: Sequence[bool], kind: pa.DataType, store: type
) -> pa.Array:
    memory: np.ndarray = np.array(plain, store)  # OverflowError, where a number is too large
    data = np.packbits(memory, bitorder="little") if store is np.bool_ else memory
    bits, missing = _gaps(present)
    return pa.Array.from_buffers(kind, len(plain), [bits, pa.py_buffer(data)], missing)


def _microseconds(moment: datetime) -> int:
    aware = moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)
    return (aware - _EPOCH) // _MICROSECOND


def _days(day: date) -> int:
    return day.toordinal() - _DAY_ONE


def _itself(value: Any) -> Any:
    return value


# Of which Arrow types, from which Python types, as which numbers in memory, and how.
_FIXED: tuple[tuple[Callable[[Any], bool], tuple[type, ...], type, Callable[[Any], Any]], ...] = (
    (pt.is_int64, (int,), np.int64, _itself),
    (pt.is_float64, (float,), np.float64, _itself),
    (pt.is_boolean, (bool,), np.bool_, _itself),
    (lambda kind: kind == pa.timestamp("us", "UTC"), (datetime,), np.int64, _microseconds),
    (pt.is_date32, (date,), np.int32, _days),
)
