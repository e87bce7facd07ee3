"""Comparing stored feature values, which are JSON texts, with a value: exactly, a column at once.

Texts, flags and days are compared as they are written, numbers as 64-bit integers or as
doubles where that loses nothing. Everything else is decoded once per distinct text and compared
by Python, whose integers and doubles compare exactly.
"""

from __future__ import annotations

import datetime
import functools
import operator
from collections.abc import Callable, Sequence
from typing import Any

import orjson
import pyarrow as pa
import pyarrow.compute as pc

from lakehouse.errors import FieldValidationError, UnknownField, near
from lakehouse.features.codec import decoded, encoded
from lakehouse.patterns import found_in, refusal
from lakehouse.schema import DType

ORDER: dict[str, Callable[[Any, Any], bool]] = {
    "gt": operator.gt,
    "gte": operator.ge,
    "lt": operator.lt,
    "lte": operator.le,
}
TEXT: dict[str, Callable[[str, str], bool]] = {
    "iexact": lambda a, b: a.lower() == b.lower(),
    "contains": lambda a, b: b in a,
    "icontains": lambda a, b: b.lower() in a.lower(),
    "startswith": str.startswith,
    "istartswith": lambda a, b: a.lower().startswith(b.lower()),
    "endswith": str.endswith,
    "iendswith": lambda a, b: a.lower().endswith(b.lower()),
    "regex": found_in,
    "iregex": functools.partial(found_in, ignore_case=True),
}
LOOKUPS = ("exact", "in", "ne", "range", "isnull", *ORDER, *TEXT)
_DAY = ("year", "quarter", "month", "day", "week", "week_day", "iso_year", "iso_week_day")
_CLOCK = ("hour", "minute", "second")
PARTS = {"date": _DAY, "datetime": (*_DAY, *_CLOCK), "time": _CLOCK}
"""The parts of dates and times that can be asked for, by the dtype's kind."""
_TAKE: dict[str, Callable[[Any], int]] = {
    **{name: operator.attrgetter(name) for name in ("year", "month", "day", *_CLOCK)},
    "quarter": lambda day: (day.month + 2) // 3,
    "week": lambda day: day.isocalendar()[1],
    "week_day": lambda day: day.isoweekday() % 7 + 1,  # Sunday is 1
    "iso_year": lambda day: day.isocalendar()[0],
    "iso_week_day": lambda day: day.isoweekday(),
}
_NUMBERS = ("int", "float", "num")
_AS_WRITTEN = ("str", "path", "url", "bool", "date", "time")
_WRITTEN_ORDER = ("date", "time")
_INT64 = range(-(2**63), 2**63)
_EXACT = 2**53
_ARROW_ORDER = {
    "gt": pc.greater,
    "gte": pc.greater_equal,
    "lt": pc.less,
    "lte": pc.less_equal,
    "exact": pc.equal,
}

Mask = Any  # a boolean Arrow array, chunked or not


def fulfilling(
    texts: pa.ChunkedArray, name: str, dtype: DType, rest: Sequence[str], value: Any
) -> Mask:
    """Which stored values fulfil a look-up.

    Args:
        texts: JSON texts of one feature's values.
        name: The feature's name, for errors.
        dtype: The feature's dtype.
        rest: What follows the name: keys of a dictionary, then a look-up, or nothing.
        value: What is compared with; checked here.

    Raises:
        UnknownField: There is no such look-up.
        FieldValidationError: The value is of the wrong type.
    """
    keys, look_up = parted(name, dtype, rest)
    if part := _part(dtype, keys):
        return _of_part(texts, dtype, part, _test(name, DType("int"), look_up, value, ()))
    if keys or dtype.kind in ("dict", "object"):
        return _by_python(texts, _test(name, dtype, look_up, value, keys), dtype)
    if look_up == "ne":
        return pc.invert(fulfilling(texts, name, dtype, ["exact"], value))
    if look_up == "range":
        low, high = _pair(name, value)
        found = fulfilling(texts, name, dtype, ["gte"], low)
        return pc.and_(found, fulfilling(texts, name, dtype, ["lte"], high))
    if dtype.kind == "list":
        return _by_python(texts, _test(name, dtype, look_up, value, keys), dtype)
    checked = _operand(name, dtype, look_up, value)
    if look_up in ("exact", "in") and dtype.kind in _AS_WRITTEN:
        wanted = [encoded(v) for v in (checked if look_up == "in" else [checked])]
        return pc.is_in(texts, value_set=pa.array(wanted, pa.string()))
    fast = None
    if look_up in ("regex", "iregex"):
        return _by_pattern(texts, checked, dtype, ignore_case=look_up == "iregex")
    if dtype.kind in _NUMBERS and look_up in _ARROW_ORDER:
        fast = _numbers(texts, look_up, checked)
    elif look_up in ORDER and dtype.kind in _WRITTEN_ORDER:
        fast = _ARROW_ORDER[look_up](texts, pa.scalar(encoded(checked)))
    return (
        _by_python(texts, _test(name, dtype, look_up, value, keys), dtype) if fast is None else fast
    )


def parted(name: str, dtype: DType, rest: Sequence[str]) -> tuple[list[str], str]:
    """The dictionary keys and the look-up that follow a feature's name.

    Raises:
        UnknownField: There is no such look-up.
    """
    *keys, last = rest or ["exact"]
    if last not in LOOKUPS:
        keys, last = [*keys, last], "exact"
    if _part(dtype, keys):
        return keys, last
    if keys and dtype.kind not in ("dict", "object"):
        unknown = "__".join(keys)
        close = near(unknown, LOOKUPS)
        raise UnknownField(
            f"There is no look-up {unknown!r} on the feature {name!r} ({dtype}).",
            expected=", ".join(close or (*LOOKUPS, *PARTS.get(dtype.kind, ()))),
            hint=f"did you mean {close[0]!r}?" if close else None,
        )
    return keys, last


def _part(dtype: DType, keys: Sequence[str]) -> str | None:
    """The part of a date or time that a look-up names, e.g. `year`."""
    return keys[0] if len(keys) == 1 and keys[0] in PARTS.get(dtype.kind, ()) else None


def _of_part(texts: pa.ChunkedArray, dtype: DType, part: str, test: Callable[[Any], bool]) -> Mask:
    def fulfils(found: Any) -> bool:
        if isinstance(found, str):
            found = _moment(part, dtype.kind, found)
        return found is not None and test(_TAKE[part](found))

    return _by_python(texts, fulfils, dtype)


# -- operands --------------------------------------------------------------------------


def _operand(name: str, dtype: DType, look_up: str, value: Any) -> Any:
    if look_up == "in":
        if isinstance(value, str | bytes | dict) or not hasattr(value, "__iter__"):
            raise _wrong(name, "a list of values", value)
        # as for fields, what is missing equals nothing
        return [_operand(name, dtype, "exact", v) for v in value if v is not None]
    value = value.item() if hasattr(value, "item") and not hasattr(value, "meta") else value
    if look_up in TEXT or dtype.kind in ("str", "path", "url"):
        if not isinstance(value, str):
            raise _wrong(name, "text", value)
        if look_up in ("regex", "iregex"):
            reason = refusal(value)
            if reason is not None:
                raise _wrong(name, f"a regular expression ({reason})", value)
        return value
    if dtype.kind in _NUMBERS:
        if not isinstance(value, int | float):
            raise _wrong(name, "a number", value)
        return int(value) if isinstance(value, bool) else value  # as for fields
    if dtype.kind == "bool" and not isinstance(value, bool):
        raise _wrong(name, "True or False", value)
    if dtype.kind in ("date", "datetime", "time"):
        return _moment(name, dtype.kind, value)
    return value


def _moment(name: str, kind: str, value: Any) -> Any:
    """A day, moment or time, of itself or of its ISO text."""
    types: dict[str, Any] = {
        "date": datetime.date, "datetime": datetime.datetime, "time": datetime.time
    }  # fmt: skip
    given = value
    try:
        if isinstance(value, str):
            value = types["datetime" if kind == "date" else kind].fromisoformat(value)
        if kind == "date" and isinstance(value, datetime.datetime):
            value = value.date()
        if kind == "datetime" and type(value) is datetime.date:
            value = datetime.datetime.combine(value, datetime.time())
    except ValueError:
        value = None
    if not isinstance(value, types[kind]):
        raise _wrong(name, f"a {kind}, or its ISO text", given)
    return value


def _pair(name: str, value: Any) -> tuple[Any, Any]:
    if not isinstance(value, tuple | list) or len(value) != 2:
        raise _wrong(name, "two values", value)
    return value[0], value[1]


def _wrong(name: str, expected: str, value: Any) -> FieldValidationError:
    shown = repr(value)
    return FieldValidationError(
        f"The feature {name!r} is compared with {expected}.",
        found=f"{shown if len(shown) < 200 else shown[:200] + '…'} ({type(value).__name__})",
    )


# -- numbers ---------------------------------------------------------------------------


def _numbers(texts: pa.ChunkedArray, look_up: str, value: float) -> Mask | None:
    """A comparison of numbers by Arrow, or None where it might lose a digit."""
    compare = _ARROW_ORDER[look_up]
    try:
        whole = texts.cast(pa.int64())
    except pa.ArrowInvalid:
        pass
    else:
        if isinstance(value, int) and value in _INT64:
            return compare(whole, pa.scalar(value, pa.int64()))
        return None
    if abs(value) > _EXACT:
        return None
    if pc.any(pc.match_substring_regex(texts, r"^-?\d{16,}$")).as_py():
        return None  # a whole number that a double may not hold
    try:
        return compare(texts.cast(pa.float64()), pa.scalar(float(value)))
    except pa.ArrowInvalid:
        return None


# -- everything else -------------------------------------------------------------------


def _by_pattern(texts: pa.ChunkedArray, pattern: str, dtype: DType, *, ignore_case: bool) -> Mask:
    """Match every distinct text, all of them at once."""
    distinct = texts.unique().drop_null()
    values = [decoded(text, dtype) for text in distinct.to_pylist()]
    told = pa.array([_text(v) for v in values], pa.string())
    hits = distinct.filter(
        pc.fill_null(pc.match_substring_regex(told, pattern, ignore_case=ignore_case), False)
    )
    return pc.is_in(texts, value_set=hits)


def _by_python(texts: pa.ChunkedArray, test: Callable[[Any], bool], dtype: DType) -> Mask:
    """Test every distinct value once."""
    distinct = texts.unique()
    hits = [t for t in distinct.to_pylist() if t is not None and test(decoded(t, dtype))]
    return pc.is_in(texts, value_set=pa.array(hits, pa.string()))


def _test(
    name: str, dtype: DType, look_up: str, value: Any, keys: Sequence[str]
) -> Callable[[Any], bool]:
    if look_up == "ne":
        equal = _test(name, dtype, "exact", value, ())
        return lambda found: not equal(_at(found, keys))
    if look_up == "isnull":
        return lambda found: (_at(found, keys) is None) is bool(value)
    if look_up == "range":
        low, high = _pair(name, value)
        value = (low, high)
        return lambda found: (
            _ordered(_at(found, keys), operator.ge, low)
            and _ordered(_at(found, keys), operator.le, high)
        )
    item = dtype.item or DType("object") if dtype.kind == "list" else dtype
    if dtype.kind == "list" and look_up == "contains" and not isinstance(value, str):
        look_up = "exact"  # a member of the list
    whole = dtype.kind == "list" and look_up == "exact" and isinstance(value, list | tuple)
    operand = list(value) if whole else _operand(name, item, look_up, value)
    one = _one(look_up, operand)
    if dtype.kind == "list" and not whole:
        return lambda found: any(one(v) for v in found or ())
    return lambda found: one(_at(found, keys))


def _one(look_up: str, operand: Any) -> Callable[[Any], bool]:
    if look_up == "exact":
        return lambda found: _equal(found, operand)
    if look_up == "in":
        return lambda found: any(_equal(found, v) for v in operand)
    if look_up in ORDER:
        return lambda found: _ordered(found, ORDER[look_up], operand)
    return lambda found: (text := _text(found)) is not None and TEXT[look_up](text, operand)


def _text(found: Any) -> str | None:
    """A value as text look-ups see it: as it is written, which is what fields do, too."""
    if isinstance(found, str) or found is None:
        return found
    if isinstance(found, bool):
        return str(found).lower()
    if isinstance(found, int | float | datetime.date | datetime.time):
        return str(found)
    return None


def _at(found: Any, keys: Sequence[str]) -> Any:
    for key in keys:
        found = found.get(key) if isinstance(found, dict) else None
    return found


def _equal(found: Any, wanted: Any) -> bool:
    if isinstance(found, bool) is not isinstance(wanted, bool):
        return False
    if isinstance(found, datetime.datetime) and isinstance(wanted, datetime.datetime):
        found, wanted = _aware(found), _aware(wanted)
    if isinstance(wanted, datetime.date | datetime.time) and isinstance(found, str):
        wanted = orjson.loads(encoded(wanted))
    return bool(found == wanted)


def _ordered(found: Any, compare: Callable[[Any, Any], bool], wanted: Any) -> bool:
    if found is None or isinstance(found, bool) is not isinstance(wanted, bool):
        return False
    if isinstance(found, datetime.datetime) and isinstance(wanted, datetime.datetime):
        found, wanted = _aware(found), _aware(wanted)
    if isinstance(wanted, datetime.date | datetime.time) and isinstance(found, str):
        wanted = orjson.loads(encoded(wanted))
    try:
        return bool(compare(found, wanted))
    except TypeError:  # a key that holds a text here and a number there
        return False


def _aware(moment: datetime.datetime) -> datetime.datetime:
    """A moment with a time zone; naive ones are meant as UTC."""
    return moment if moment.tzinfo else moment.replace(tzinfo=datetime.UTC)
