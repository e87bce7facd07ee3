"""The look-ups, `name__icontains="cell"` and its siblings: one table for fields, features and keys.

Each row of `LOOKUPS` says a look-up's name, what it takes, and what it means in SQL, in Arrow and
in Python; each row of `PARTS` a part of a day or moment. A new look-up is a new row. `ask` makes
a checked question of a path and a value; who knows a column, or JSON, answers it in the language
that is the quickest there. `tests/registries/test_lookups_agree.py` compares the three languages.

What has no value fulfils nothing. `ne` and `isnull=True` are the opposites of `exact` and
`isnull=False`, so they also find what has no value. Letters are equal in any case if Unicode's
simple lower case is. Regular expressions are RE2's (`lakehouse/patterns.py`).
"""

from __future__ import annotations

import datetime as dt
import math
import operator
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, NamedTuple

import pyarrow as pa
import pyarrow.compute as pc

from lakehouse.engine.table.json_text import dump_json
from lakehouse.errors import UnknownField, near
from lakehouse.orm.model import operands as take
from lakehouse.orm.model.operands import Subject, checked_keys, family, utc
from lakehouse.patterns import found_in

Sql = tuple[str, list[Any]]
Large = Callable[[list[Any]], str]

MISSING = object()
"""What lies at keys that a dictionary hasn't."""
_INLINE = 50  # longer lists are Arrow tables, not as many parameters
_HUGE = 2**126  # beyond every stored integer, and within DuckDB's largest ones
_LIMITS = {"int": 2**63, "huge": _HUGE}


def same(one: Any, other: Any) -> bool:
    """Equality as JSON knows it, whatever the order of a dictionary's keys."""
    kind = type(one)
    # in Python True is 1, in JSON it isn't
    if kind is not type(other) and family(one) is not family(other):
        return False
    if kind is dict:
        return one.keys() == other.keys() and all(same(v, other[k]) for k, v in one.items())
    if kind is list:
        return len(one) == len(other) and all(map(same, one, other))
    return bool(one == other)


def _ordered(compare: Callable[[Any, Any], bool]) -> Callable[[Any, Any], bool]:
    def holds(found: Any, wanted: Any) -> bool:
        # values of two kinds have no order, and Python would raise where SQL is false
        alike = type(found) is type(wanted) or family(found) is family(wanted)
        return alike and compare(found, wanted)

    return holds


def _within(found: Any, wanted: Any) -> bool:
    low, high = wanted
    return _ordered(operator.ge)(found, low) and _ordered(operator.le)(found, high)


def _part_of(wanted: Any, found: Any) -> bool:
    if isinstance(wanted, dict) and isinstance(found, dict):
        return all(key in found and _part_of(v, found[key]) for key, v in wanted.items())
    if isinstance(wanted, list) and isinstance(found, list):
        return all(any(_part_of(v, one) for one in found) for v in wanted)
    return type(wanted) is type(found) and bool(wanted == found)


def _anywhere(found: Any, wanted: Any) -> bool:
    """Whether a value or anything inside it has all of another, as DuckDB's json_contains."""
    inner = found.values() if isinstance(found, dict) else found if isinstance(found, list) else ()
    return _part_of(wanted, found) or any(_anywhere(one, wanted) for one in inner)


def folded(text: str) -> str:
    """A text in lower case, letter by letter as DuckDB has it."""
    # Python makes two letters of the one, and looks where in a word the other stands
    return text.replace("İ", "i").replace("Σ", "σ").lower()


def _lower(column: Any, wanted: str) -> Any:
    """A column in lower case, to look for a text in it; Arrow knows newer letters than DuckDB."""
    if wanted.isascii():  # no letter beyond ASCII matters
        return pc.utf8_lower(column)
    texts = column.to_pylist()
    return pa.array([None if text is None else folded(text) for text in texts], pa.string())


def written(value: Any) -> str | None:
    """A value as text look-ups see it: as DuckDB writes it, moments in UTC."""
    if isinstance(value, str) or value is None or value is MISSING:
        return value if isinstance(value, str) else None
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, int | float):
        return str(value)
    if isinstance(value, dt.datetime):
        value = utc(value).astimezone(dt.UTC).replace(tzinfo=None).isoformat(" ")
    elif isinstance(value, dt.date | dt.time):
        value = value.isoformat()
    else:
        return dump_json(value)
    # DuckDB writes no zeros at the end of a fraction of a second
    return str(value.rstrip("0") if "." in value else value)


# -- the table ---------------------------------------------------------------------------


class Lookup(NamedTuple):
    """One look-up.

    Attributes:
        name: Its name.
        operand: Checks and converts what it takes.
        sql: SQL over a column `{c}`, with a `?` for each value that it takes.
        arrow: A mask over a column; None where no column of Arrow is asked.
        python: Whether a single value, which isn't null, fulfils it.
        sees: The `value`, or the `text` that it is written as.
        of: The kind that it is for, `list` or `json`; else for every kind of single values.
        rounds: Where a number goes that the column's type hasn't, so that the same numbers of the
            column fulfil it; with None, nothing equals such a number.
        opposite: Whether what doesn't fulfil it is meant.
    """

    name: str
    operand: Callable[[Subject, str, Any], Any]
    sql: str
    arrow: Callable[[Any, Any], Any] | None
    python: Callable[[Any, Any], bool]
    sees: str = "value"
    of: str = ""
    rounds: tuple[str | None, ...] = (None,)
    opposite: bool = False


def _any_case(test: Callable[[Any, str], Any]) -> Callable[[Any, str], Any]:
    return lambda column, text: test(_lower(column, folded(text)), folded(text))


def _folding(test: Callable[[str, str], bool]) -> Callable[[str, str], bool]:
    return lambda found, text: test(folded(found), folded(text))


def _matching(column: Any, pattern: str, *, ignore_case: bool = False) -> Any:
    return pc.match_substring_regex(column, pattern, ignore_case=ignore_case)


def _between(column: Any, pair: Any) -> Any:
    return pc.and_(pc.greater_equal(column, pair[0]), pc.less_equal(column, pair[1]))


def _among(column: Any, values: Sequence[Any]) -> Any:
    # of the column's type: of an empty list Arrow would make nulls
    return pc.is_in(column, pa.array(values, column.type))


def _has(test: Callable[..., bool]) -> Callable[[Any, Any], bool]:
    def holds(found: Any, keys: Any) -> bool:
        known = found if isinstance(found, dict) else ()  # other values have no keys
        return test(key in known for key in keys)

    return holds


def _in(found: Any, wanted: Any) -> bool:
    return any(same(found, one) for one in wanted)


def _all_in(found: Any, wanted: Any) -> bool:
    return all(_in(one, found) for one in wanted)


def _any_in(found: Any, wanted: Any) -> bool:
    return any(_in(one, found) for one in wanted)


_gt, _gte, _lt, _lte = map(_ordered, (operator.gt, operator.ge, operator.lt, operator.le))
_has_all, _has_any = (
    "list_has_all(json_keys({c}), ?::VARCHAR[])",
    "list_has_any(json_keys({c}), ?::VARCHAR[])",
)

_ROWS = (
    # name, operand, SQL, Arrow, Python, and what it sees or is for
    Lookup("exact", take.same_value, "{c} = ?", pc.equal, same),
    Lookup("ne", take.same_value, "{c} = ?", pc.equal, same, opposite=True),
    Lookup("in", take.same_values, "{c} IN ({values})", _among, _in),
    Lookup("gt", take.one_value, "{c} > ?", pc.greater, _gt, rounds=("down",)),
    Lookup("gte", take.one_value, "{c} >= ?", pc.greater_equal, _gte, rounds=("up",)),
    Lookup("lt", take.one_value, "{c} < ?", pc.less, _lt, rounds=("up",)),
    Lookup("lte", take.one_value, "{c} <= ?", pc.less_equal, _lte, rounds=("down",)),
    Lookup("range", take.two_values, "{c} BETWEEN ? AND ?", _between, _within, rounds=("up", "down")),
    Lookup("isnull", take.flag, "{c} IS NOT NULL", lambda c, _: pc.is_valid(c), lambda *_: True, opposite=True),
    Lookup("contains", take.text, "contains({c}, ?)", pc.match_substring, operator.contains, "text"),
    Lookup("startswith", take.text, "starts_with({c}, ?)", pc.starts_with, str.startswith, "text"),
    Lookup("endswith", take.text, "ends_with({c}, ?)", pc.ends_with, str.endswith, "text"),
    Lookup("regex", take.pattern, "regexp_matches({c}, ?)", _matching, found_in, "text"),
    Lookup("iexact", take.text, "lower({c}) = lower(?)", _any_case(pc.equal), _folding(operator.eq), "text"),
    Lookup("icontains", take.text, "contains(lower({c}), lower(?))", _any_case(pc.match_substring), _folding(operator.contains), "text"),
    Lookup("istartswith", take.text, "starts_with(lower({c}), lower(?))", _any_case(pc.starts_with), _folding(str.startswith), "text"),
    Lookup("iendswith", take.text, "ends_with(lower({c}), lower(?))", _any_case(pc.ends_with), _folding(str.endswith), "text"),
    Lookup("iregex", take.pattern, "regexp_matches({c}, ?, 'i')", partial(_matching, ignore_case=True), partial(found_in, ignore_case=True), "text"),
    Lookup("contains", take.items, "list_has_all({c}, ?::VARCHAR[])", None, _all_in, of="list"),
    Lookup("overlap", take.items, "list_has_any({c}, ?::VARCHAR[])", None, _any_in, of="list"),
    Lookup("len", take.length, "len({c}) = ?", None, lambda found, wanted: len(found) == wanted, of="list"),
    Lookup("contains", take.same_value, "json_contains({c}, ?)", None, _anywhere, of="json"),
    Lookup("has_key", take.some_keys, _has_all, None, _has(all), of="json"),
    Lookup("has_keys", take.some_keys, _has_all, None, _has(all), of="json"),
    Lookup("has_any_keys", take.some_keys, _has_any, None, _has(any), of="json"),
)  # fmt: skip
LOOKUPS = {(row.name, row.of): row for row in _ROWS}
"""The look-ups, by their names and the kind that they are for."""
NAMES = {of: [name for name, kind in LOOKUPS if kind in ("", of)] for of in ("", "list", "json")}


class Part(NamedTuple):
    """A part of a day, moment or time, which is compared like a value of a kind.

    Attributes:
        name: Its name.
        kinds: What has it.
        sql: SQL over a column `{c}`.
        python: The part of a moment in UTC.
        kind: What it is.
    """

    name: str
    kinds: tuple[str, ...]
    sql: str
    python: Callable[[Any], Any]
    kind: str = "int"


_DAY, _CLOCK, _BOTH = ("date", "datetime"), ("datetime", "time"), ("datetime",)
PARTS = {
    part.name: part
    for part in (
        Part("year", _DAY, "year({c})", operator.attrgetter("year")),
        Part("iso_year", _DAY, "isoyear({c})", lambda day: day.isocalendar().year),
        Part("quarter", _DAY, "quarter({c})", lambda day: (day.month + 2) // 3),
        Part("month", _DAY, "month({c})", operator.attrgetter("month")),
        Part("week", _DAY, "weekofyear({c})", lambda day: day.isocalendar().week),
        Part("week_day", _DAY, "(dayofweek({c}) + 1)", lambda day: day.isoweekday() % 7 + 1),
        Part("iso_week_day", _DAY, "isodow({c})", lambda day: day.isoweekday()),
        Part("day", _DAY, "day({c})", operator.attrgetter("day")),
        Part("hour", _CLOCK, "hour({c})", operator.attrgetter("hour")),
        Part("minute", _CLOCK, "minute({c})", operator.attrgetter("minute")),
        Part("second", _CLOCK, "second({c})", operator.attrgetter("second")),
        Part("date", _BOTH, "CAST(CAST({c} AS TIMESTAMP) AS DATE)", lambda at: at.date(), "date"),
        Part("time", _BOTH, "CAST(CAST({c} AS TIMESTAMP) AS TIME)", lambda at: at.time(), "time"),
    )
}  # fmt: skip
"""The parts of moments, by their names."""


def part_sql(kind: str, name: str, column: str) -> str | None:
    """SQL of a part of a column of a kind, such as its `year`; None if it has no such part."""
    part = PARTS.get(name)
    return part.sql.format(c=column) if part and kind in part.kinds else None


# -- questions ---------------------------------------------------------------------------


class Question(NamedTuple):
    """A look-up with a checked operand.

    Attributes:
        row: The look-up.
        operand: What it compares with: a value, a tuple of values, or a list.
        kind: The kind of what is compared.
        keys: The keys of a dictionary at which that lies.
        part: The part of a moment that it is.
        each: Whether any item of a list may fulfil it.
        negated: Whether what doesn't fulfil it is meant, and what has no value.
    """

    row: Lookup
    operand: Any
    kind: str
    keys: tuple[str, ...] = ()
    part: Part | None = None
    each: bool = False
    negated: bool = False

    def test(self) -> Callable[[Any], bool]:
        """What tells whether a value, of whose column this is asked, fulfils it.

        `negated` is left aside.
        """
        python, operand, part, keys = self.row.python, self.operand, self.part, self.keys

        def fulfils(value: Any) -> bool:
            return python(value, operand)

        if part is not None:
            take: Callable[[Any], Any] = part.python

            def fulfils(value: Any) -> bool:
                return python(take(_in_utc(value)), operand)

        elif self.row.sees == "text":

            def fulfils(value: Any) -> bool:
                text = written(value)
                return text is not None and python(text, operand)

        elif self.kind in ("datetime", "time"):

            def fulfils(value: Any) -> bool:
                return python(utc(value), operand)

        one: Callable[[Any], bool] = fulfils
        if self.each:
            one = lambda values: any(map(fulfils, values))  # noqa: E731
        if not keys:
            return lambda value: value is not None and one(value)

        def at_keys(value: Any) -> bool:
            for key in keys:
                value = _inside(value, key)
            return value is not MISSING and one(value)

        return at_keys


def _in_utc(value: Any) -> Any:
    away = isinstance(value, dt.datetime) and value.tzinfo not in (None, dt.UTC)
    return value.astimezone(dt.UTC) if away else utc(value) if isinstance(value, dt.time) else value


def _inside(value: Any, key: str) -> Any:
    """What lies at a key of a dictionary, or at a place of a list, as JSON pointers have it."""
    if isinstance(value, dict):
        return value.get(key, MISSING)
    if isinstance(value, list):
        place = key.isascii() and key.isdecimal() and (key == "0" or key[0] != "0")
        return value[int(key)] if place and int(key) < len(value) else MISSING
    return MISSING


def ask(subject: Subject, path: Sequence[str], value: Any) -> Question:
    """The question that the rest of a look-up's path puts to a field or feature.

    Args:
        subject: What is asked.
        path: What follows its name: a part of a moment or keys, then a look-up, or nothing.
        value: What is compared with.

    Raises:
        UnknownField: There is no such look-up.
        FieldValidationError: The value is of the wrong type.
    """
    of = subject.kind if subject.kind in NAMES else ""
    # a last key that is called as a look-up is taken for it: `…__contains__exact` is the key's
    *keys, name = path if path and path[-1] in NAMES[of] else [*path, "exact"]
    part = None
    if of == "json":
        subject = subject._replace(name="__".join([subject.name, *checked_keys(keys)]))
    elif keys:
        part = PARTS.get(keys[0])
        if part is None or len(keys) > 1 or subject.kind not in part.kinds:
            raise _unknown(subject, "__".join(path))
        subject = subject._replace(name=f"{subject.name}__{part.name}", kind=part.kind)
    if value is None and name in ("exact", "iexact", "ne"):
        if keys and of == "json":  # there, null is a value
            name = "ne" if name == "ne" else "exact"
        else:
            name, value = "isnull", name != "ne"
    row = _row(name, of, value)
    if part is not None and row.sees == "text":
        raise _unknown(subject, name)
    # a list is compared with the whole list, a single value with its items
    listed = name in ("exact", "ne") and isinstance(value, list | tuple)
    each = of == "list" and not (listed or row.of or name == "isnull")
    subject = subject._replace(kind=subject.item) if each else subject
    operand = row.operand(subject, name, value)
    negated = row.opposite and operand is not False if name == "isnull" else row.opposite
    return Question(
        row, operand, subject.kind, tuple(keys) if of == "json" else (), part, each, negated
    )


def _row(name: str, of: str, value: Any) -> Lookup:
    """The row for a kind; on dictionaries `contains` is also that of texts."""
    text = (name, of) == ("contains", "json") and not isinstance(value, dict | list | tuple)
    return LOOKUPS[name, of if (name, of) in LOOKUPS and not text else ""]


def _unknown(subject: Subject, name: str) -> UnknownField:
    known = [
        *NAMES.get(subject.kind, NAMES[""]),
        *(p.name for p in PARTS.values() if subject.kind in p.kinds),
    ]
    close = near(name, known)
    return UnknownField(
        f"There is no look-up {name!r} on the {subject.shown} ({subject.kind}).",
        expected=", ".join(close or known),
        hint=f"did you mean {close[0]!r}?" if close else None,
    )


# -- SQL ---------------------------------------------------------------------------------


def row_sql(row: Lookup, column: Sql, operand: Any, large: Large | None = None) -> Sql:
    """SQL of a look-up over a column.

    Args:
        row: The look-up.
        column: SQL of the column, with its values.
        operand: The checked operand.
        large: Called with a long list of values; gives SQL that selects them.
    """
    sql, params = column
    if row.name == "in":
        if not operand:
            return "false", []  # IN () is no SQL
        many = large is not None and len(operand) > _INLINE
        values = large(list(operand)) if large and many else ", ".join("?" * len(operand))
        return row.sql.format(c=sql, values=values), [*params, *([] if many else operand)]
    asked = operand if isinstance(operand, tuple) else (operand,) * row.sql.count("?")
    return row.sql.format(c=sql), [*params, *asked]


def fitted(row: Lookup, operand: Any, kind: str) -> Any:
    """The operand in numbers of a column's type, such that the same ones fulfil the look-up.

    Integers and doubles are never rounded to each other when they are compared.

    Args:
        row: The look-up.
        operand: A number, or a tuple.
        kind: `int` for those of 64 bits, `huge` for DuckDB's of 128, `float` for doubles.
    """
    if not isinstance(operand, tuple):
        return _fit(operand, kind, row.rounds[0])
    rounds = row.rounds * (len(operand) if len(row.rounds) == 1 else 1)
    found = [_fit(one, kind, way) for one, way in zip(operand, rounds, strict=True)]
    # a number that the column can't hold is among nothing
    return tuple(one for one in found if one is not None)


def _fit(number: float, kind: str, way: str | None) -> float | None:
    if kind != "float":
        # so that DuckDB can read it; what is stored lies on the same side of it
        number = max(-_HUGE, min(number, _HUGE))
        if way is None and (number % 1 or not -_LIMITS[kind] <= number < _LIMITS[kind]):
            return None
        return math.ceil(number) if way == "up" else math.floor(number)
    try:
        nearest = float(number)
    except OverflowError:
        nearest = math.inf if number > 0 else -math.inf
    if nearest == number:  # Python compares integers with doubles exactly
        return nearest
    if way is None:
        return None
    if way == "up":
        return nearest if nearest > number else math.nextafter(nearest, math.inf)
    return nearest if nearest < number else math.nextafter(nearest, -math.inf)


def column_sql(column: str, kind: str, question: Question, large: Large) -> Sql:
    """SQL of a question over a column of any kind but JSON, `negated` left aside.

    Args:
        column: The column's SQL.
        kind: The column's kind.
        question: The question.
        large: Called with a long list of values; gives SQL that selects them.
    """
    row, operand = question.row, question.operand
    if question.part is not None:
        column = part_sql(kind, question.part.name, column) or column
    seen = "x" if question.each else column
    if row.sees == "text" and question.kind != "str":
        moment = question.kind == "datetime"  # in UTC, without saying so
        seen = f"CAST({f'CAST({seen} AS TIMESTAMP)' if moment else seen} AS VARCHAR)"
    elif question.kind in ("int", "float") and row.sees == "value" and row.name != "isnull":
        operand = fitted(row, operand, question.kind)
    if not question.each:
        return row_sql(row, (seen, []), operand, large)
    # all values as parameters: a lambda of DuckDB can't have a subquery in it
    sql, params = row_sql(row, (seen, []), operand)
    return f"len(list_filter({column}, lambda x: {sql})) > 0", params
