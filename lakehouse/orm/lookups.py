"""The look-ups over one column, as SQL: `name__icontains="cell"` and its two dozen siblings.

Every function takes the column's SQL and a checked value, and gives SQL with `?` and the
values for them. No value ever becomes part of the SQL text.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from typing import Any

from lakehouse.errors import FieldValidationError, InvalidArgument, UnknownField, near
from lakehouse.orm.fields import Field, aware

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
NAMES = ("in", "range", "isnull", "date", "time", *_COMPARE, *_TEXT, *_PARTS)
_NUMBERS = ("int", "float")


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
        if field.kind == "json" and path and path[0] not in ("isnull", "exact"):
            return self._json(path, value)
        name = path[0] if path else "exact"
        if name in _PARTS or name in ("date", "time"):
            return self._part(name, path[1:], value)
        if len(path) > 1 or name not in NAMES:
            raise self._unknown("__".join(path))
        if name == "isnull":
            return is_null(self._sql, value)
        if value is None:
            return self._null(name)
        if name == "in":
            return self._in(value)
        if name == "range":
            low, high = self._pair(value)
            return f"{self._sql} BETWEEN ? AND ?", [self._operand(low), self._operand(high)]
        if name in _TEXT:
            return self._text(name, value)
        if field.kind == "list" and name == "exact" and isinstance(value, str):
            return f"list_contains({self._sql}, ?)", [value]
        return f"{self._sql} {_COMPARE[name]} ?", [self._operand(value)]

    def _null(self, name: str) -> Sql:
        if name not in ("exact", "ne"):
            raise FieldValidationError(
                f"The look-up {name!r} on {self._field.name!r} takes no None.",
                hint=f"{self._field.name}__isnull=True",
            )
        return f"{self._sql} IS {'NOT ' if name == 'ne' else ''}NULL", []

    def _text(self, name: str, value: Any) -> Sql:
        field = self._field
        if field.kind == "list" and name in ("contains", "icontains"):
            return f"list_contains({self._sql}, ?)", [str(value)]
        if field.kind != "str":
            raise FieldValidationError(
                f"The look-up {name!r} needs a text field.",
                found=f"{field.name!r} of {field.registry} ({field.kind})",
            )
        if name in ("regex", "iregex") and not isinstance(value, str):
            raise FieldValidationError("A regular expression is text.", found=repr(value))
        return _TEXT[name].format(c=self._sql), [self._operand(value)]

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
        if len(rest) > 1 or compare not in (*_COMPARE, "in", "range"):
            raise self._unknown("__".join([name, *rest]))
        if name in ("date", "time"):
            sql = f"CAST({self._sql} AS {name.upper()})"
            kind: Any = dt.date | None if name == "date" else dt.time | None
        else:
            sql, kind = f"({_PARTS[name].format(c=self._sql)})", int | None
        part = Field(field.registry, f"{field.name}__{name}", kind, ())
        if name == "date" and isinstance(value, dt.datetime):
            value = value.date()
        return ColumnLookup(sql, part, self._large).compile(rest, value)

    def _json(self, path: list[str], value: Any) -> Sql:
        """Keys of a dictionary: `extra__lab__name="A"`, compared as JSON values."""
        name = "exact"
        if len(path) > 1 and path[-1] in (*_COMPARE, *_TEXT, "in", "isnull"):
            *path, name = path
        place = "$" + "".join('."' + key.replace('"', '\\"') + '"' for key in path)
        if name == "isnull":
            sql, values = is_null(f"json_extract_string({self._sql}, ?)", value)
            return sql, [place, *values]
        sample = value[0] if name == "in" and value else value
        text = f"json_extract_string({self._sql}, ?)"
        kind: type = str
        if isinstance(sample, bool):
            sql, value = text, str(value).lower()
        elif isinstance(sample, (int, float)):
            sql, kind = f"TRY_CAST({text} AS DOUBLE)", float
        else:
            sql = text
        field = Field(self._field.registry, "__".join([self._field.name, *path]), kind, ())
        inner, values = ColumnLookup(sql, field, self._large).compile([name], value)
        return inner, [place] * inner.count(text) + values

    def _operand(self, value: Any) -> Any:
        field = self._field
        if field.kind in _NUMBERS:
            value = value.item() if hasattr(value, "item") else value
            if not isinstance(value, (int, float)):
                raise self._wrong(value, "a number")
            return value
        if field.kind == "datetime":
            if isinstance(value, dt.date) and not isinstance(value, dt.datetime):
                value = dt.datetime(value.year, value.month, value.day)
            found = field.validate(value)
            return aware(found) if isinstance(found, dt.datetime) else found
        if field.kind == "str" and not isinstance(value, str):
            raise self._wrong(value, "text")
        return field.validate(value) if field.kind not in ("str",) else checked_text(field, value)

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


def checked_text(field: Field, value: str) -> str:
    """Text that can be sent to the database."""
    try:
        value.encode()
    except UnicodeEncodeError:
        raise FieldValidationError(
            f"The field {field.name!r} can't be compared with text that UTF-8 can't encode.",
            found=ascii(value)[:200],
        ) from None
    return value


def is_null(sql: str, value: Any) -> Sql:
    """SQL of `isnull=True` or `isnull=False`."""
    if not isinstance(value, bool):
        raise InvalidArgument("The look-up 'isnull' takes True or False.", found=repr(value))
    return f"{sql} IS {'' if value else 'NOT '}NULL", []
