"""Look-ups on keys of dictionaries: `extra_data__lab__name="A"`.

A value is compared with JSON values of its own type: `3` isn't `"3"`, and `True` isn't `1`.
Places in the dictionary are parameters, too, so a key may be any text.
"""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from lakehouse.engine.table.json_text import dump_json
from lakehouse.errors import FieldValidationError, InvalidArgument
from lakehouse.orm.model.meta import Field
from lakehouse.orm.query.lookups import COMPARISONS, ColumnLookup, Sql
from lakehouse.printable import encodable

_KEYS = {"has_key": " AND ", "has_keys": " AND ", "has_any_keys": " OR "}
_TEXTS = ("iexact", "contains", "icontains", "startswith", "istartswith", "endswith",
          "iendswith", "regex", "iregex")  # fmt: skip
_INTEGERS = "('BIGINT', 'UBIGINT', 'HUGEINT')"
_SIGNS = {"exact": "=", "gt": ">", "gte": ">=", "lt": "<", "lte": "<="}
_HUGE = 2**127  # what DuckDB's largest integers hold


def place_of(keys: Sequence[str]) -> str:
    """The JSON pointer (RFC 6901) of nested keys; numbers are also places in lists.

    A pointer takes each key as it is. In a JSON path backslashes and empty keys are errors.

    Raises:
        InvalidArgument: UTF-8 can't encode a key, so no dictionary has it.
    """
    if not all(map(encodable, keys)):
        raise InvalidArgument(
            "A key can't be looked up, since UTF-8 can't encode it.",
            found=ascii("__".join(keys))[:200],
        )
    return "".join("/" + key.replace("~", "~0").replace("/", "~1") for key in keys)


class JsonLookup:
    """One column of JSON text in a condition: compiles a look-up and its value to SQL.

    Args:
        sql: The column's SQL.
        field: What it holds.
        large: Called with a long list of values; gives SQL that selects them.
    """

    def __init__(self, sql: str, field: Field, large: Callable[[list[Any]], str]) -> None:
        self._sql = sql
        self._field = field
        self._large = large
        self._shown = field.name

    def compile(self, path: list[str], value: Any) -> Sql:
        """SQL of a look-up on the whole dictionary, or on what lies at some keys."""
        name = "exact"
        if path and path[-1] in (*COMPARISONS, *_KEYS):
            *path, name = path
        if name in _KEYS:
            return self._has_keys(path, name, value)
        if not path:
            return self._whole(name, value)
        place = place_of(path)
        self._shown = "__".join([self._field.name, *path])
        if name == "isnull":
            if not isinstance(value, bool):
                raise InvalidArgument("The look-up 'isnull' takes True or False.", found=value)
            return f"json_type({self._sql}, ?) IS {'' if value else 'NOT '}NULL", [place]
        if name == "ne":
            sql, params = self._compare(place, "exact", value)
            return f"NOT coalesce({sql}, false)", params
        return self._compare(place, name, value)

    def _whole(self, name: str, value: Any) -> Sql:
        if name in ("exact", "ne", "contains") and isinstance(value, dict | list):
            sql, params = self._equal(self._sql, [], value, part=name == "contains")
            return (f"NOT coalesce({sql}, false)" if name == "ne" else sql), params
        text = Field(self._field.registry, self._field.name, str | None, ())
        return ColumnLookup(self._sql, text, self._large).compile([name], value)

    def _has_keys(self, path: list[str], name: str, value: Any) -> Sql:
        several = name != "has_key" and isinstance(value, Iterable)
        keys = list(value) if several and not isinstance(value, str) else [value]
        if wrong := [key for key in keys if not isinstance(key, str | int)]:
            raise FieldValidationError(
                f"The look-up {name!r} on {self._field.name!r} takes "
                + ("a key." if name == "has_key" else "a list of keys."),
                found=ascii(wrong[0])[:200],
            )
        tests = [f"json_type({self._sql}, ?) IS NOT NULL" for _ in keys] or ["true"]
        return f"({_KEYS[name].join(tests)})", [place_of([*path, str(k)]) for k in keys]

    def _compare(self, place: str, name: str, value: Any) -> Sql:
        if name == "in":
            if isinstance(value, str) or not hasattr(value, "__iter__"):
                raise InvalidArgument("The look-up 'in' takes a list of values.", found=value)
            parts = [self._compare(place, "exact", v) for v in value]
            sql = " OR ".join(f"({s})" for s, _ in parts) or "false"
            return f"({sql})", [p for _, params in parts for p in params]
        if value is None:
            return f"json_type({self._sql}, ?) = 'NULL'", [place]
        if isinstance(value, dict) or (isinstance(value, list | tuple) and name != "range"):
            return self._equal(f"json_extract({self._sql}, ?)", [place], value)
        sample = value
        if name == "range":
            if not isinstance(value, list | tuple) or len(value) != 2:
                raise InvalidArgument("The look-up 'range' takes two values.", found=value)
            sample = value[0]
        text = f"json_extract_string({self._sql}, ?)"
        kind: Any = str | None
        if name in _TEXTS:
            column, value, test = text, str(value), ""
        elif isinstance(sample, bool):
            column, value, test = text, str(value).lower(), "= 'BOOLEAN'"
        elif isinstance(sample, int | float) or hasattr(sample, "item"):
            if name in (*_SIGNS, "range"):
                return self._number(place, name, value)
            column, kind, test = f"TRY_CAST({text} AS DOUBLE)", float | None, "IN ('DOUBLE')"
        else:
            column, value, test = text, _plain(value), "= 'VARCHAR'"
        field = Field(self._field.registry, self._shown, kind, ())
        sql, params = ColumnLookup(column, field, self._large).compile([name], value)
        if not test:
            return sql, [place, *params]
        return f"(json_type({self._sql}, ?) {test} AND {sql})", [place, place, *params]

    def _number(self, place: str, name: str, value: Any) -> Sql:
        """A comparison of numbers by their values: integers are never rounded to doubles."""
        if name == "range":
            low, high = self._number(place, "gte", value[0]), self._number(place, "lte", value[1])
            return f"({low[0]} AND {high[0]})", [*low[1], *high[1]]
        number = value.item() if hasattr(value, "item") else value
        if isinstance(number, bool) or not isinstance(number, int | float) or number != number:
            raise FieldValidationError(
                f"Numbers of {self._shown!r} are compared with a number.", found=repr(value)
            )
        sign, text = _SIGNS[name], f"json_extract_string({self._sql}, ?)"
        if isinstance(number, float) and number.is_integer():
            number = int(number)
        nearest, limit = _of_doubles(sign, number)
        double = f"TRY_CAST({text} AS DOUBLE) {nearest} CAST(? AS DOUBLE)"
        whole, value = double, repr(limit)  # no stored integer is near
        if isinstance(number, int) and abs(number) < _HUGE:
            whole, value = f"TRY_CAST({text} AS HUGEINT) {sign} CAST(? AS HUGEINT)", str(number)
        kind = f"json_type({self._sql}, ?)"
        sql = f"CASE WHEN {kind} IN {_INTEGERS} THEN {whole} WHEN {kind} = 'DOUBLE' THEN {double} ELSE false END"
        return sql, [place, place, value, place, place, repr(limit)]

    def _equal(self, column: str, places: list[str], value: Any, *, part: bool = False) -> Sql:
        """Equality of dictionaries and lists, whatever the order of the keys."""
        text = dump_json(value)
        sql = f"json_contains({column}, ?)"
        if part:
            return sql, [*places, text]
        # texts of equal length, of which each holds the other, differ in the order of keys only
        return (
            f"({sql} AND json_contains(CAST(? AS JSON), {column})"
            f" AND length(CAST({column} AS VARCHAR)) = ?)",
            [*places, text, text, *places, *places, len(text)],
        )


def _of_doubles(sign: str, number: float) -> tuple[str, float]:
    """A comparison with a number as one with a double, which is true of the same doubles."""
    try:
        nearest = float(number)
    except OverflowError:
        nearest = math.inf if number > 0 else -math.inf
    if nearest == number:  # Python compares integers with doubles exactly
        return sign, nearest
    if sign == "=":
        return "=", math.nan  # which no stored double is
    below = nearest < number
    return {">": ">" if below else ">=", "<": "<=" if below else "<"}[sign[0]], nearest


def _plain(value: Any) -> Any:
    if isinstance(value, list | tuple):
        return [_plain(v) for v in value]
    return value.isoformat() if isinstance(value, dt.date | dt.time) else value
