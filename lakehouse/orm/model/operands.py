"""What look-ups take: values are checked and converted once, for fields, features and keys alike."""

from __future__ import annotations

import datetime as dt
import os
from collections.abc import Callable, Iterable, Sequence
from typing import Any, NamedTuple

import orjson

from lakehouse._lazy import is_one
from lakehouse.engine.table.json_text import dump_json
from lakehouse.errors import FieldValidationError, InvalidArgument
from lakehouse.patterns import refusal
from lakehouse.text.printable import encodable

_MOMENTS: dict[str, tuple[Any, Any]] = {  # the type, and the one that reads its text
    "date": (dt.date, dt.datetime),
    "datetime": (dt.datetime, dt.datetime),
    "time": (dt.time, dt.time),
}


class Subject(NamedTuple):
    """What is compared: a field, a feature, or what lies at keys of a dictionary.

    Attributes:
        name: Its name in look-ups.
        kind: `str`, `int`, `float`, `num`, `bool`, `date`, `datetime`, `time`, `list` or `json`.
        what: `field` or `feature`.
        of: The registry of a field.
        item: The kind of a list's items.
        choices: The few words that it may hold, if it may hold no others.
    """

    name: str
    kind: str
    what: str = "field"
    of: str = ""
    item: str = "json"
    choices: tuple[Any, ...] = ()

    @property
    def shown(self) -> str:
        """How errors call it: `field 'name' of ULabel`."""
        return f"{self.what} {self.name!r}" + (f" of {self.of}" if self.of else "")


def family(value: Any) -> Any:
    """Values of one family are compared; a truth is no number, and a moment no day."""
    kind = type(value)
    return float if kind is int else kind


def utc(value: Any) -> Any:
    """A moment with a time zone, naive ones being meant as UTC, or a time of UTC without one."""
    if isinstance(value, dt.datetime):
        return value if value.tzinfo else value.replace(tzinfo=dt.UTC)
    if isinstance(value, dt.time) and value.tzinfo:
        return dt.datetime.combine(dt.date(2000, 1, 1), value).astimezone(dt.UTC).time()
    return value


def _refused(subject: Subject, expected: str, value: Any) -> FieldValidationError:
    return FieldValidationError(
        f"The {subject.shown} is compared with {expected}.",
        found=f"{_shown(value)} ({type(value).__name__})",
        hint=_instead(subject, value),
    )


def _takes(subject: Subject, name: str, what: str, value: Any) -> FieldValidationError:
    return FieldValidationError(
        f"The look-up {name!r} on the {subject.shown} takes {what}.",
        found=_shown(value),
        hint=_instead(subject, value),
    )


def _instead(subject: Subject, value: Any) -> str | None:
    return f"{subject.name}__isnull=True" if _is_nothing(value) else None


def _shown(value: Any) -> str:
    text = ascii(value) if isinstance(value, str) and not encodable(value) else repr(value)
    return text if len(text) < 200 else text[:200] + "…"


def _is_nothing(value: Any) -> bool:
    if value is None or is_one(value, "pandas.NA"):
        return True
    return isinstance(value, float | dt.date) and value != value


def _scalar(value: Any) -> Any:
    """A NumPy scalar as Python's."""
    return value.item() if getattr(value, "ndim", None) == 0 else value


def as_text(subject: Subject, value: Any) -> str:
    """Text, or a path, that can be sent to a database.

    Raises:
        FieldValidationError: It is something else.
    """
    if not isinstance(value, str) and isinstance(value, os.PathLike):
        value = os.fspath(value)
    if not isinstance(value, str):
        raise _refused(subject, "text", value)
    if not encodable(value):
        raise _refused(subject, "text that UTF-8 can encode", value)
    return str(value)


def _as_number(subject: Subject, value: Any) -> Any:
    if not isinstance(value, int | float) or value != value:
        raise _refused(subject, "a number", value)
    return int(value) if isinstance(value, int) else float(value)


def _as_truth(subject: Subject, value: Any) -> bool:
    if type(value) not in (bool, int) or value not in (0, 1):
        raise _refused(subject, "True or False", value)
    return bool(value)


def _as_moment(subject: Subject, value: Any) -> Any:
    """A day, moment or time, of itself or of its ISO text."""
    kind, (wanted, reader), given = subject.kind, _MOMENTS[subject.kind], value
    try:
        value = reader.fromisoformat(value) if isinstance(value, str) else value
    except ValueError:
        value = None
    if kind == "datetime" and type(value) is dt.date:
        value = dt.datetime.combine(value, dt.time())
    if not isinstance(value, wanted) or value != value:
        raise _refused(subject, f"a {kind}, or its ISO text", given)
    if kind == "date":
        return dt.date(value.year, value.month, value.day)
    if kind == "time":
        return utc(value)
    # of a subclass, such as pandas', too
    return utc(dt.datetime.combine(value.date(), value.time(), value.tzinfo))


def _as_json(subject: Subject, value: Any) -> Any:
    """Any value as JSON has it: `3` isn't `"3"`, and `True` isn't `1`."""
    if isinstance(value, bool):
        return value
    if isinstance(value, int | float):
        return _as_number(subject, value)
    if isinstance(value, dt.date | dt.time) and not _is_nothing(value):
        return value.isoformat()
    if isinstance(value, dict | list | tuple) or hasattr(value, "tolist"):
        return orjson.loads(dump_json(value))
    return as_text(subject, value)


_CONVERT: dict[str, Callable[[Subject, Any], Any]] = {
    "str": as_text,
    "bool": _as_truth,
    "json": _as_json,
    **dict.fromkeys(("int", "float", "num"), _as_number),
    **dict.fromkeys(_MOMENTS, _as_moment),
}


def one_value(subject: Subject, name: str, value: Any) -> Any:
    """A value of the subject's kind, which has an order."""
    if value is None:
        raise _takes(subject, name, "no None", value)
    found = _CONVERT[subject.kind](subject, _scalar(value))
    if isinstance(found, dict | list):
        raise _refused(subject, "text, a number, or True or False", value)
    return found


def same_value(subject: Subject, name: str, value: Any) -> Any:
    """A value that may be equal: of the subject's kind, and one of its choices."""
    if subject.kind == "list":
        item = subject._replace(kind=subject.item)
        return [same_value(item, name, one) for one in value]
    if subject.kind == "json":
        return None if value is None else _as_json(subject, _scalar(value))
    found = one_value(subject, name, value)
    if subject.choices and found not in subject.choices:
        raise FieldValidationError(
            f"Invalid {subject.of} {subject.name} {found[:200]!r}.",
            expected="one of: " + ", ".join(map(repr, subject.choices)),
        )
    return found


def several(subject: Subject, name: str, value: Any) -> list[Any]:
    """The values of a list, or of another query set's field; missing ones equal nothing.

    Raises:
        FieldValidationError: It is no list.
    """
    value = value.operands() if hasattr(value, "operands") else value
    if isinstance(value, str | bytes | dict) or not isinstance(value, Iterable):
        raise _takes(subject, name, "a list of values", value)
    return [one for one in map(_scalar, value) if not _is_nothing(one)]


def same_values(subject: Subject, name: str, value: Any) -> Any:
    """Several of which one may be equal."""
    return tuple(same_value(subject, name, one) for one in several(subject, name, value))


def two_values(subject: Subject, name: str, value: Any) -> Any:
    """The least and the greatest value."""
    if not isinstance(value, tuple | list) or len(value) != 2:
        raise _takes(subject, name, "two values", value)
    low, high = (one_value(subject, name, one) for one in value)
    if family(low) is not family(high):
        raise _takes(subject, name, "two values of one type", value)
    return low, high


def text(subject: Subject, name: str, value: Any) -> str:
    """Text to find in text, or a number to find in what is written of values."""
    if subject.kind == "bool":
        raise FieldValidationError(
            f"The look-up {name!r} needs text.", found=f"the {subject.shown} (bool)"
        )
    if value is None:
        raise _takes(subject, name, "no None", value)
    value = _scalar(value)
    number = isinstance(value, int | float) and not isinstance(value, bool)
    if subject.kind != "str" and number and not _is_nothing(value):
        return str(value)
    return as_text(subject, value)


def pattern(subject: Subject, name: str, value: Any) -> str:
    """A regular expression of RE2."""
    found = text(subject, name, value)
    reason = refusal(found)
    if reason is not None:
        raise _takes(subject, name, f"a regular expression ({reason})", value)
    return found


def flag(subject: Subject, name: str, value: Any) -> bool:
    """True or False."""
    if not isinstance(_scalar(value), bool):
        raise _takes(subject, name, "True or False", value)
    return bool(value)


def length(subject: Subject, name: str, value: Any) -> Any:
    """A number of items."""
    return one_value(subject._replace(kind="int"), name, value)


def items(subject: Subject, name: str, value: Any) -> list[Any]:
    """One or several items of a list."""
    values = several(subject, name, value) if isinstance(value, list | tuple | set) else [value]
    return [one_value(subject._replace(kind=subject.item), name, one) for one in values]


def some_keys(subject: Subject, name: str, value: Any) -> list[str]:
    """One or several keys of a dictionary."""
    listed = name != "has_key" and isinstance(value, Iterable) and not isinstance(value, str)
    keys = list(value) if listed else [value]
    if wrong := [key for key in keys if not isinstance(key, str | int)]:
        raise _takes(subject, name, "a list of keys" if listed else "a key", wrong[0])
    return checked_keys([str(key) for key in keys])


def checked_keys(keys: Sequence[str]) -> list[str]:
    """Keys that a dictionary may have.

    Raises:
        InvalidArgument: UTF-8 can't encode one, so no dictionary has it.
    """
    if not all(map(encodable, keys)):
        raise InvalidArgument(
            "A key can't be looked up, since UTF-8 can't encode it.",
            found=ascii("__".join(keys))[:200],
        )
    return list(keys)
