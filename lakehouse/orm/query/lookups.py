"""The look-ups over one column, as SQL: `name__icontains="cell"` and its two dozen siblings.

Every function takes the column's SQL and a checked value, and gives SQL with `?` and the
values for them. No value ever becomes part of the SQL text.
"""

from __future__ import annotations

import datetime as dt
import os
from collections.abc import Callable
from typing import Any

from lakehouse.errors import FieldValidationError, InvalidArgument, UnknownField, near
from lakehouse.orm.model.meta import Field, aware
from lakehouse.patterns import refusal
from lakehouse.printable import encodable

Sql = tuple[str, list[Any]]

_TEXT: dict[str, str] = {
    "iexact": "lower({c}) = lower(?)",
    "contains": "contains({c}, ?)",
    "icontains": "contains(lower({c}), lower(?))",
    "startswith": "starts_with({c}, ?)",
    "istartswith": "starts_with(lower({c}), lower(?))",
    "endswith": "ends_with({c}, ?)",
    "iendswith": "ends_with(lower({c}), lower(?))",
    "regex": "regexp_matches({c}, ?)",
    "iregex": "regexp_matches({c}, ?, 'i')",
}
_COMPARE = {"exact": "=", "gt": ">", "gte": ">=", "lt": "<", "lte": "<=", "ne": "<>"}
_PARTS = {
    "year": "year({c})",
    "iso_year": "isoyear({c})",
    "quarter": "quarter({c})",
    "month": "month({c})",
    "week": "weekofyear({c})",
    "week_day": "dayofweek({c}) + 1",
    "iso_week_day": "isodow({c})",
    "day": "day({c})",
    "hour": "hour({c})",
    "minute": "minute({c})",
    "second": "second({c})",
}
PARTS = ("date", "time", *_PARTS)
COMPARISONS = ("in", "range", "isnull", *_COMPARE, *_TEXT)
NAMES = (*COMPARISONS, *PARTS)
_LISTS = {"contains": "list_has_all", "overlap": "list_has_any"}
_NUMBERS = ("int", "float")
_AS_TEXT = (*_NUMBERS, "datetime", "date", "time")


class ColumnLookup:
    """One column in a condition: compiles a look-up and its value to SQL.

    Args:
        sql: The column's SQL.
        field: What it holds.
        large: Called with a long list of values; gives SQL that selects them.
    """

    def __init__(self, sql: str, field: Field, large: Callable[[list[Any]], str]) -> None:
        self._sql = sql
        self._field = field
        self._large = large

    def compile(self, path: list[str], value: Any) -> Sql:
        """SQL of the look-up that the rest of the path names.

        Raises:
            UnknownField: There is no such look-up.
            FieldValidationError: The value is of the wrong type.
        """
        field = self._field
        name = path[0] if path else "exact"
        if name in PARTS:
            return self._part(name, path[1:], value)
        if field.kind == "list" and path in (["contains"], ["overlap"], ["len"]):
            return self._list(name, value)
        if len(path) > 1 or name not in NAMES:
            raise self._unknown("__".join(path))
        if name == "isnull":
            return is_null(self._sql, value)
        if value is None:
            return self._null(name)
        if name in ("exact", "ne", "in"):
            self._check_choice(value)
        if name == "in":
            return self._in(operands(value))
        if name == "range":
            low, high = self._pair(value)
            return f"{self._sql} BETWEEN ? AND ?", [self._operand(low), self._operand(high)]
        if name in _TEXT:
            return self._text(name, value)
        if field.kind == "list" and name == "exact" and isinstance(value, str):
            return f"list_contains({self._sql}, ?)", [value]
        return f"{self._sql} {_COMPARE[name]} ?", [self._operand(value)]

    def _null(self, name: str) -> Sql:
        if name not in ("exact", "iexact", "ne"):
            raise FieldValidationError(
                f"The look-up {name!r} on {self._field.name!r} takes no None.",
                hint=f"{self._field.name}__isnull=True",
            )
        return f"{self._sql} IS {'NOT ' if name == 'ne' else ''}NULL", []

    def _text(self, name: str, value: Any) -> Sql:
        field = self._field
        if field.kind in _AS_TEXT and isinstance(value, str | int | float):
            return _TEXT[name].format(c=f"CAST({self._sql} AS VARCHAR)"), [str(value)]
        if field.kind != "str":
            raise FieldValidationError(
                f"The look-up {name!r} needs a text field.",
                found=f"{field.name!r} of {field.registry} ({field.kind})",
            )
        if name in ("regex", "iregex") and not isinstance(value, str):
            raise FieldValidationError("A regular expression is text.", found=repr(value))
        if name in ("regex", "iregex"):
            self._check_pattern(value)
        return _TEXT[name].format(c=self._sql), [self._operand(value)]

    def _check_pattern(self, pattern: str) -> None:
        reason = refusal(pattern)
        if reason is not None:
            raise FieldValidationError(
                f"The look-up on {self._field.name!r} takes a regular expression ({reason}).",
                found=repr(pattern),
            )

    def _list(self, name: str, value: Any) -> Sql:
        """Lists of texts: `contains` all of some values, `overlap`s them, is of a `len`gth."""
        if name == "len":
            return f"len({self._sql}) = ?", [self._length(value)]
        values = [value] if isinstance(value, str) else list(value)
        return f"{_LISTS[name]}({self._sql}, ?::VARCHAR[])", [values]

    def _length(self, value: Any) -> int:
        if not isinstance(value, int):
            raise self._wrong(value, "a number")
        return value

    def _in(self, values: Any) -> Sql:
        if isinstance(values, str) or not hasattr(values, "__iter__"):
            raise FieldValidationError(
                f"The look-up 'in' on {self._field.name!r} takes a list of values.",
                found=repr(values),
            )
        operands = [self._operand(v) for v in values if v is not None]
        if not operands:
            return "false", []
        if len(operands) > 50:
            return f"{self._sql} IN ({self._large(operands)})", []
        return f"{self._sql} IN ({', '.join('?' * len(operands))})", operands

    def _pair(self, value: Any) -> tuple[Any, Any]:
        if not isinstance(value, (tuple, list)) or len(value) != 2:
            raise FieldValidationError("The look-up 'range' takes two values.", found=repr(value))
        return value[0], value[1]

    def _part(self, name: str, rest: list[str], value: Any) -> Sql:
        field = self._field
        if field.kind not in ("datetime", "date"):
            raise self._unknown(name)
        compare = rest[0] if rest else "exact"
        if len(rest) > 1 or compare not in (*_COMPARE, "in", "range", "isnull"):
            raise self._unknown("__".join([name, *rest]))
        kinds: dict[str, Any] = {"date": dt.date | None, "time": dt.time | None}
        sql = part_sql(name, self._sql)
        part = Field(field.registry, f"{field.name}__{name}", kinds.get(name, int | None), ())
        if name == "date" and isinstance(value, dt.datetime):
            value = value.date()
        return ColumnLookup(sql, part, self._large).compile(rest, value)

    def _operand(self, value: Any) -> Any:
        field = self._field
        if field.kind in _NUMBERS:
            value = value.item() if hasattr(value, "item") else value
            if not isinstance(value, (int, float)):
                raise self._wrong(value, "a number")
            return value
        if field.kind == "bool" and type(value) is int and value in (0, 1):
            return bool(value)
        if field.kind in ("datetime", "date") and isinstance(value, int | float):
            raise self._wrong(value, "a moment or a date")
        if field.kind == "datetime":
            if isinstance(value, dt.date) and not isinstance(value, dt.datetime):
                value = dt.datetime(value.year, value.month, value.day)
            found = field.validate(value)
            return aware(found) if isinstance(found, dt.datetime) else found
        if field.kind != "str":
            return field.validate(value)
        if isinstance(value, os.PathLike):
            value = os.fspath(value)
        if not isinstance(value, str):
            raise self._wrong(value, "text")
        return checked_text(field, value)

    def _check_choice(self, value: Any) -> None:
        """Refuse a value that a field of a few words never has."""
        choices = self._field.choices
        for one in value if isinstance(value, list | tuple) else (value,):
            if choices and isinstance(one, str) and one not in choices:
                raise FieldValidationError(
                    f"Invalid {self._field.registry} {self._field.name} {one[:200]!r}.",
                    expected="one of: " + ", ".join(map(repr, choices)),
                )

    def _wrong(self, value: Any, expected: str) -> FieldValidationError:
        return FieldValidationError(
            f"The field {self._field.name!r} of {self._field.registry} is compared with {expected}.",
            found=f"{value!r} ({type(value).__name__})",
        )

    def _unknown(self, name: str) -> UnknownField:
        close = near(name, NAMES)
        return UnknownField(
            f"There is no look-up {name!r} on {self._field.name!r} ({self._field.kind}) of "
            f"{self._field.registry}.",
            expected=", ".join(close or NAMES),
            hint=f"did you mean {close[0]!r}?" if close else None,
        )


def operands(value: Any) -> Any:
    """The values to compare with, where they are those of another query set's field."""
    return value.operands() if hasattr(value, "operands") else value


def checked_text(field: Field, value: str) -> str:
    """Text that can be sent to the database."""
    if not encodable(value):
        raise FieldValidationError(
            f"The field {field.name!r} can't be compared with text that UTF-8 can't encode.",
            found=ascii(value)[:200],
        )
    return str(value)


def part_sql(name: str, column: str) -> str:
    """SQL of a part of a moment, such as its `year`."""
    if name in ("date", "time"):
        return f"CAST(CAST({column} AS TIMESTAMP) AS {name.upper()})"
    return f"({_PARTS[name].format(c=column)})"


def is_null(sql: str, value: Any) -> Sql:
    """SQL of `isnull=True` or `isnull=False`."""
    if not isinstance(value, bool):
        raise InvalidArgument("The look-up 'isnull' takes True or False.", found=repr(value))
    return f"{sql} IS {'' if value else 'NOT '}NULL", []
