"""SQL of look-ups on dictionaries and what lies at their keys: `extra_data__lab__name="A"`.

What a look-up means is in `lakehouse/orm/query/lookups.py`; here is how DuckDB gets at a value of JSON
text. Places in a dictionary are parameters, so a key may be any text, and values are compared
with JSON values of their own type: `3` isn't `"3"`, and `True` isn't `1`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from lakehouse.engine.table.json_text import dump_json
from lakehouse.orm.model.operands import checked_keys, family
from lakehouse.orm.query.lookups import LOOKUPS, Lookup, Question, Sql, fitted, row_sql

_INTEGERS = "('BIGINT', 'UBIGINT', 'HUGEINT')"
_EXACT = LOOKUPS["exact", ""]
_DOUBLE = "TRY_CAST(json_extract_string({c}, ?) AS DOUBLE)"
_WHOLE = "TRY_CAST(json_extract_string({c}, ?) AS HUGEINT)"
_TEXT = "json_extract_string({c}, ?)"
# doubles as every column of them is written, 1e+22
_WRITTEN = (
    f"CASE WHEN json_type({{c}}, ?) = 'DOUBLE' THEN CAST({_DOUBLE} AS VARCHAR) ELSE {_TEXT} END"
)


def place_of(keys: Sequence[str]) -> str:
    """The JSON pointer (RFC 6901) of nested keys; numbers are also places in lists.

    A pointer takes each key as it is. In a JSON path backslashes and empty keys are errors.

    Raises:
        InvalidArgument: UTF-8 can't encode a key, so no dictionary has it.
    """
    return "".join("/" + k.replace("~", "~0").replace("/", "~1") for k in checked_keys(keys))


def json_sql(column: str, question: Question) -> Sql:
    """SQL of a question over a column of JSON text, `negated` left aside.

    Args:
        column: The column's SQL.
        question: The question.
    """
    row, operand = question.row, question.operand
    at = _At(column, place_of(question.keys))
    if row.name == "isnull":
        return row_sql(row, at("json_type({c}, ?)"), operand)
    if row.of == "json":
        value = dump_json(operand) if row.name == "contains" else operand
        return row_sql(row, at("json_extract({c}, ?)"), value)
    if row.sees == "text":
        # of a whole dictionary the text is as it is stored
        return row_sql(row, at(_WRITTEN) if question.keys else (column, []), operand)
    if row.name != "in":
        return _compared(at, row, operand)
    # values of one type are looked for together
    several: dict[Any, list[Any]] = {}
    for one in operand:
        several.setdefault(family(one), []).append(one)
    together = [several.pop(kind) for kind in (str, float) if kind in several]
    parts = [_compared(at, row, tuple(values)) for values in together]
    parts += [_compared(at, _EXACT, one) for values in several.values() for one in values]
    return _joined(parts, " OR ") if parts else ("false", [])


class _At:
    """A place in a column of JSON text: gives SQL with a parameter for each time it stands there."""

    def __init__(self, column: str, place: str) -> None:
        self._column = column
        self._place = place

    def __call__(self, sql: str) -> Sql:
        return sql.format(c=self._column), [self._place] * sql.count("{c}")

    def inside(self, keys: Sequence[str]) -> _At:
        return _At(self._column, self._place + place_of(keys))

    def is_of(self, kinds: str) -> Sql:
        return self(f"json_type({{c}}, ?) {kinds}")


def _compared(at: _At, row: Lookup, operand: Any) -> Sql:
    """A comparison of values, which must be of the operand's type."""
    sample = operand[0] if isinstance(operand, tuple) else operand
    if sample is None:
        return at.is_of("= 'NULL'")
    if isinstance(sample, dict):
        # without it a dictionary that has more keys would be equal
        size = at("len(json_keys({c}, ?)) = " + str(len(sample)))
        inner = [_compared(at.inside([k]), row, v) for k, v in sample.items()]
        return _joined([at.is_of("= 'OBJECT'"), size, *inner], " AND ")
    if isinstance(sample, list):
        size = at("json_array_length({c}, ?) = " + str(len(sample)))
        inner = [_compared(at.inside([str(i)]), row, v) for i, v in enumerate(sample)]
        return _joined([at.is_of("= 'ARRAY'"), size, *inner], " AND ")
    if isinstance(sample, bool):
        names = (
            tuple(str(v).lower() for v in operand)
            if isinstance(operand, tuple)
            else str(operand).lower()
        )
        return _joined([at.is_of("= 'BOOLEAN'"), row_sql(row, at(_TEXT), names)], " AND ")
    if isinstance(sample, str):
        return _joined([at.is_of("= 'VARCHAR'"), row_sql(row, at(_TEXT), operand)], " AND ")
    # as what they are written as: in doubles integers beyond 2**53 would be rounded
    whole = row_sql(row, at(_WHOLE), fitted(row, operand, "huge"))
    double = row_sql(row, at(_DOUBLE), fitted(row, operand, "float"))
    kind, places = at("json_type({c}, ?)")
    return (
        f"CASE WHEN {kind} IN {_INTEGERS} THEN {whole[0]} WHEN {kind} = 'DOUBLE' THEN {double[0]} ELSE false END",
        [*places, *whole[1], *places, *double[1]],
    )


def _joined(parts: Sequence[Sql], word: str) -> Sql:
    return f"({word.join(sql for sql, _ in parts)})", [p for _, params in parts for p in params]
