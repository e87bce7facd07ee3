"""Converting a column's values to its dtype, noting every value that can't be."""

from __future__ import annotations

import datetime
import numbers
import os
import uuid
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.types as pt

from lakehouse.curation.data.chunks import Chunk, Objects, accepts_value, is_missing, missing
from lakehouse.curation.failure import Failure, Tally
from lakehouse.curation.spec import ColumnRule
from lakehouse.schema import DType, infer_dtype

_TRUE = {"true", "t", "yes", "y", "1", "1.0"}
_FALSE = {"false", "f", "no", "n", "0", "0.0"}


class Coercer:
    """Converts and fills one column, chunk by chunk.

    Args:
        rule: The column's rule.
        convert: Whether values of other types are converted.
    """

    name = "coerce"

    def __init__(self, rule: ColumnRule, *, convert: bool) -> None:
        self._rule = rule
        self._convert = convert
        self._tally = Tally()
        self.changed = False

    def settled(self, arrow: pa.DataType | None, null_count: int | None) -> bool:
        """Whether there is nothing to do for a column of this type."""
        filled = not self._rule.has_default or self._rule.default is None or null_count == 0
        return filled and not (self._convert and (arrow is None or self._differs(arrow)))

    def apply(self, chunk: Chunk, start: int) -> Chunk:
        """The chunk as it should be; values that can't be converted become null."""
        result = chunk
        if self._convert and (isinstance(chunk, Objects) or self._differs(chunk.type)):
            result = self._converted(chunk, start)
        if self._rule.default is not None and not isinstance(result, Objects):
            result = self._filled(result)
        self.changed = self.changed or result is not chunk
        return result

    def failures(self, slot: str) -> Iterator[Failure]:
        """The values that could not be converted."""
        for value, count, rows in self._tally:
            yield Failure(
                slot,
                self._rule.name,
                self.name,
                value,
                count,
                rows,
                expected=str(self._rule.dtype),
                hint="correct these values, or change the feature's dtype",
            )

    def _differs(self, arrow: pa.DataType) -> bool:
        dtype: DType = self._rule.dtype
        if pt.is_null(arrow):
            return False
        if dtype.kind == "cat":
            return not (pt.is_dictionary(arrow) and dtype.accepts(arrow))
        plain = arrow.value_type if pt.is_dictionary(arrow) else arrow
        if dtype.kind == "float" and pt.is_integer(plain):
            return True
        return dtype.kind != "dict" and not dtype.accepts(arrow)

    def _filled(self, array: pa.Array) -> pa.Array:
        absent = missing(array)
        if not absent.true_count:
            return array
        try:
            if pt.is_dictionary(array.type) or pt.is_null(array.type):
                plain = array.cast(self._rule.fill_type)
                full = pc.if_else(absent, pa.scalar(self._rule.default, plain.type), plain)
                return full if pt.is_null(array.type) else full.dictionary_encode()
            return pc.if_else(absent, pa.scalar(self._rule.default, array.type), array)
        except (pa.ArrowInvalid, pa.ArrowTypeError, pa.ArrowNotImplementedError):
            return array  # the column is of another type, which the dtype rule says

    def _converted(self, chunk: Chunk, start: int) -> Chunk:
        if self._rule.dtype.kind in ("list", "dict", "object", "bytes"):
            return self._cast_whole(chunk)
        target = self._rule.fill_type
        fast = None if isinstance(chunk, Objects) else _fast_cast(chunk, self._rule.dtype, target)
        array = self._one_by_one(chunk, target, start) if fast is None else fast
        return array.dictionary_encode() if self._rule.dtype.kind == "cat" else array

    def _cast_whole(self, chunk: Chunk) -> Chunk:
        if isinstance(chunk, Objects):
            return chunk
        try:
            return chunk.cast(self._rule.dtype.arrow_type())
        except (pa.ArrowInvalid, pa.ArrowNotImplementedError):
            return chunk  # left to the dtype rule

    def _one_by_one(self, chunk: Chunk, target: pa.DataType, start: int) -> pa.Array:
        """Convert each distinct value, the slow way that finds the ones that fail."""
        convert = _CONVERT[self._rule.dtype.kind]
        values, codes = _distinct(chunk)
        results: list[Any] = []
        failed: set[int] = set()
        for position, value in enumerate(values):
            try:
                made = None if is_missing(value) else pa.scalar(convert(value), target)
                results.append(made and made.as_py())
            except (ValueError, TypeError, ArithmeticError, pa.ArrowException):
                results.append(None)
                failed.add(position)
        if failed:
            listed = range(len(values)) if codes is None else codes.to_pylist()
            for row, code in enumerate(listed, start):
                if code in failed:
                    self._tally.add(_shown(values[code]), 1, (row,))
        made_values = pa.array(results, target)
        return made_values if codes is None else made_values.take(codes)


def _distinct(chunk: Chunk) -> tuple[Sequence[Any], pa.Array | None]:
    """Values and each row's position among them; None where every row has its own."""
    if isinstance(chunk, Objects):
        return chunk.values, None
    if pt.is_nested(chunk.type):
        return chunk.to_pylist(), None
    encoded = chunk if pt.is_dictionary(chunk.type) else chunk.dictionary_encode()
    return encoded.dictionary.to_pylist(), encoded.indices


def _shown(value: Any) -> Any:
    return value if isinstance(value, (str, int, float)) else repr(value)


# From which kinds Arrow converts by our rules. It would also make dates of whole numbers,
# true of 2, and days of moments.
_FAST: dict[str, set[str]] = {
    "int": {"str", "float", "bool"},
    "float": {"str", "int", "bool", "float"},
    "num": {"str", "bool"},
    "str": {"int"},
    "cat": {"str", "int"},
    "path": {"int"},
    "url": {"int"},
    "date": {"str"},
    "datetime": {"str", "date", "datetime"},
    "time": {"str"},
}


def _fast_cast(array: pa.Array, dtype: DType, target: pa.DataType) -> pa.Array | None:
    """Cast a whole column at once; None where that isn't possible, or one value fails."""
    kind = infer_dtype(array.type).kind
    if pt.is_dictionary(array.type) or kind not in _FAST.get(dtype.kind, ()):
        return None
    try:
        if kind == "str" and dtype.kind != "cat":
            array = pc.utf8_trim_whitespace(array)
            if (
                dtype.kind == "int"
                and pc.any(pc.match_substring(array, "x", ignore_case=True)).as_py()
            ):
                return None  # Arrow would read 0x10, as nobody else does
        if pt.is_floating(array.type):
            array = pc.if_else(missing(array), None, array)
        if kind == "datetime" and array.type.tz is None:
            array = pc.assume_timezone(array, "UTC")
        return array.cast(target)
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError):
        return None


def _to_int(value: Any) -> int:
    if isinstance(value, str):
        text = value.strip()
        if "_" in text:
            raise ValueError(text)
        try:
            return int(text)
        except ValueError:
            value = float(text)
    if int(value) != value:
        raise ValueError(value)
    return int(value)


def _to_float(value: Any) -> float:
    if isinstance(value, str) and "_" in value:
        raise ValueError(value)
    return float(value)


def _to_bool(value: Any) -> bool:
    text = str(value).strip().lower()
    if text not in _TRUE and text not in _FALSE:
        raise ValueError(value)
    return text in _TRUE


def _to_str(value: Any) -> str:
    if isinstance(value, (str, numbers.Number, datetime.date, datetime.time)):
        return str(value)
    if isinstance(value, (np.bool_, uuid.UUID, os.PathLike)):
        return str(value)
    raise TypeError(value)


def _to_datetime(value: Any) -> datetime.datetime:
    if isinstance(value, datetime.datetime):
        return value
    if isinstance(value, datetime.date):
        return datetime.datetime.combine(value, datetime.time())
    if not isinstance(value, str):
        raise TypeError(value)
    return datetime.datetime.fromisoformat(value.strip())


def _to_date(value: Any) -> datetime.date:
    moment = _to_datetime(value)
    if moment.time() != datetime.time():
        raise ValueError(value)
    return moment.date()


def _to_time(value: Any) -> datetime.time:
    if isinstance(value, datetime.time):
        return value
    if not isinstance(value, str):
        raise TypeError(value)
    return datetime.time.fromisoformat(value.strip())


_CONVERT: dict[str, Callable[[Any], Any]] = {
    "int": _to_int,
    "float": _to_float,
    "num": _to_float,
    "str": _to_str,
    "path": _to_str,
    "url": _to_str,
    "cat": _to_str,
    "bool": _to_bool,
    "date": _to_date,
    "datetime": _to_datetime,
    "time": _to_time,
}


CONVERTIBLE = frozenset(_CONVERT)
"""The dtypes to which values are converted."""


def coerce_value(value: Any, dtype: DType) -> Any:
    """One Python value as its dtype; the value itself where it already is.

    Raises:
        ValueError: It can't be converted. Also TypeError.
    """
    if accepts_value(dtype, value) or dtype.kind not in _CONVERT:
        return value
    return _CONVERT[dtype.kind](value)
