r"""Values must fulfil the further conditions of a column: bounds, lengths, patterns, choices.

The conditions are named as pydantic names them: `ge`, `gt`, `le`, `lt`, `multiple_of`,
`min_length`, `max_length`, `pattern`, `enum`, `allow_inf_nan`, and `custom`, a judge of many
values or a function that raises ValueError for a wrong one. All but `custom` are computed on whole
columns; `custom` sees each distinct value once, if the other conditions have nothing against it.

Patterns are those of Rust's `regex`, as in pydantic: `\d` is any digit, `$` is the very end.
"""

from __future__ import annotations

import datetime
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.types as pt

from lakehouse.curation.data.chunks import (
    Chunk,
    Objects,
    is_missing,
    missing,
    parents,
    python_values,
)
from lakehouse.curation.failure import Failure, Tally
from lakehouse.curation.reports.failures import Group, Wrong
from lakehouse.curation.rules.dicts import dict_of_text
from lakehouse.curation.spec import ColumnRule, ValueJudge
from lakehouse.curation.terms import TermResolver
from lakehouse.errors import InvalidArgument
from lakehouse.places import places_of
from lakehouse.schema import DType

# -- Conditions on columns of numbers, by numpy: it compares in half of Arrow's time


_BOUNDS: dict[str, Callable[[Any, Any], Any]] = {
    "ge": np.less,
    "gt": np.less_equal,
    "le": np.greater,
    "lt": np.greater_equal,
}


def wrong_rows(name: str, argument: Any, array: pa.Array) -> pa.Array | None:
    """Rows that don't fulfil a condition; None where numpy would compare otherwise than Arrow.

    Of the rows whose values are missing there may be any.
    """
    if pt.is_integer(array.type):
        bounds = _bounds_of_integers(name, argument)
    elif pt.is_float64(array.type) and type(argument) in (int, float) and name in _BOUNDS:
        bounds = [(_BOUNDS[name], argument)]
    else:
        return None
    if bounds is None or not len(array):
        return None
    memory = np.frombuffer(array.buffers()[1], array.type.to_pandas_dtype())
    values = memory[array.offset : array.offset + len(array)]
    wrong = bounds[0][0](values, bounds[0][1])
    for compare, bound in bounds[1:]:
        wrong |= compare(values, bound)
    return pa.array(np.flatnonzero(wrong) if wrong.any() else np.empty(0, np.int64))


def _bounds_of_integers(
    name: str, argument: Any
) -> list[tuple[Callable[[Any, Any], Any], int]] | None:
    if name in _BOUNDS:
        return [(_BOUNDS[name], argument)] if type(argument) is int else None
    if name != "enum" or any(type(value) is not int for value in argument):
        return None
    allowed = set(argument)
    if not allowed or max(allowed) - min(allowed) + 1 != len(allowed):
        return None
    return [(np.less, min(allowed)), (np.greater, max(allowed))]  # choices without gaps


_WORDS = {
    "ge": "a value ≥ {}",
    "gt": "a value > {}",
    "le": "a value ≤ {}",
    "lt": "a value < {}",
    "multiple_of": "a multiple of {}",
    "min_length": "at least {} long",
    "max_length": "at most {} long",
    "pattern": "text that matches {!r}",
    "enum": "one of {}",
    "allow_inf_nan": "a finite number",
    "null_items": "a list without missing items",
    "custom": "what its validator accepts",
}
_NOT_COMPARABLE = (
    *(pa.ArrowNotImplementedError, pa.ArrowInvalid, pa.ArrowTypeError),
    *(OverflowError, pl.exceptions.PolarsError),
)


def _multiple(values: Any, step: Any) -> Any:
    if pt.is_integer(values.type) and isinstance(step, int):
        return pc.equal(values, pc.multiply(pc.divide(values, step), step))
    # The tolerance is pydantic's.
    plain = pc.cast(values, pa.float64())
    nearest = pc.multiply(pc.round(pc.divide(plain, float(step))), float(step))
    off = pc.abs(pc.subtract(plain, nearest))
    return pc.invert(pc.greater(off, pc.divide(pc.abs(plain), 1e9)))


def _matches(values: Any, pattern: str) -> Any:
    if not DType("str").accepts(values.type):
        raise pa.ArrowTypeError("only text can match a pattern")
    return pl.Series(pl.from_arrow(values)).str.contains(pattern).to_arrow()


def _complete(values: Any, allowed: bool) -> Any:  # noqa: FBT001 - the conditions' signature
    absent = parents(values).filter(pc.is_null(pc.list_flatten(values)))
    return pc.or_(pc.invert(pc.is_in(pa.array(range(len(values))), value_set=absent)), allowed)


def _finite(values: Any, allowed: bool) -> Any:  # noqa: FBT001 - the conditions' signature
    return pc.or_(pc.is_finite(values), pa.scalar(allowed))


def _length(values: Any) -> Any:
    if pt.is_list(values.type) or pt.is_large_list(values.type):
        return pc.list_value_length(values)
    if DType("str").accepts(values.type):
        return pc.utf8_length(values.cast(pa.large_string()))
    return pc.binary_length(values)


def _among(values: Any, allowed: Sequence[Any]) -> Any:
    allowed = pa.array(list(allowed), values.type)
    if pt.is_integer(values.type) or pt.is_floating(values.type):
        # several times faster than Arrow's own
        return pl.Series(pl.from_arrow(values)).is_in(pl.Series(pl.from_arrow(allowed))).to_arrow()
    return pc.is_in(values, value_set=allowed)


# Which values are wrong; what is missing is null or NaN, of which no comparison is true.
_VECTORISED: dict[str, Callable[[Any, Any], Any]] = {
    "ge": lambda v, bound: pc.less(v, bound),
    "gt": lambda v, bound: pc.less_equal(v, bound),
    "le": lambda v, bound: pc.greater(v, bound),
    "lt": lambda v, bound: pc.greater_equal(v, bound),
    "multiple_of": lambda v, step: pc.invert(_multiple(v, step)),
    "min_length": lambda v, n: pc.less(_length(v), n),
    "max_length": lambda v, n: pc.greater(_length(v), n),
    "pattern": lambda v, pattern: pc.invert(_matches(v, pattern)),
    "enum": lambda v, allowed: pc.invert(_among(v, allowed)),
    "allow_inf_nan": lambda v, allowed: pc.invert(_finite(v, allowed)),
    "null_items": lambda v, allowed: pc.invert(_complete(v, allowed)),
}

_SINGLE: dict[str, Callable[[Any, Any], bool]] = {
    "ge": lambda v, bound: bool(v >= bound),
    "gt": lambda v, bound: bool(v > bound),
    "le": lambda v, bound: bool(v <= bound),
    "lt": lambda v, bound: bool(v < bound),
    "multiple_of": lambda v, step: _is_multiple(v, step),
    "min_length": lambda v, n: len(v) >= n,
    "max_length": lambda v, n: len(v) <= n,
    "pattern": lambda v, pattern: _text_matches(v, pattern),
    "enum": lambda v, allowed: v in allowed,
    "allow_inf_nan": lambda v, allowed: allowed or math.isfinite(v),
    "null_items": lambda v, allowed: allowed or all(item is not None for item in v),
}


def _is_multiple(value: Any, step: Any) -> bool:
    if isinstance(value, int) and isinstance(step, int):
        return value % step == 0
    return bool(abs(value - round(value / step) * step) <= abs(value) / 1e9)


def _text_matches(value: Any, pattern: str) -> bool:
    if not isinstance(value, str):
        raise TypeError(value)
    return bool(pl.Series([value]).str.contains(pattern)[0])


def fault(name: str, argument: Any, value: Any) -> str | None:
    """What is wrong with one value, or None; an empty text where the condition says it all."""
    if name == "custom":
        try:
            argument(value)
        except (ValueError, AssertionError) as error:
            return " ".join(str(error).split()) or "refused"
        return None
    if _differ_in_zone(value, argument):
        value, argument = value.replace(tzinfo=None), argument.replace(tzinfo=None)
    try:
        return None if _SINGLE[name](value, argument) else ""
    except (TypeError, OverflowError):
        return None  # a value of another type, which the dtype rule says


def _differ_in_zone(value: Any, bound: Any) -> bool:
    """Whether one moment has a time zone and the other none; pydantic compares their clocks."""
    if not (isinstance(value, datetime.datetime) and isinstance(bound, datetime.datetime)):
        return False
    return (value.tzinfo is None) != (bound.tzinfo is None)


def make(rule: ColumnRule, resolver: TermResolver | None) -> ConstraintCheck | None:
    """The check of a column with further conditions."""
    for name in rule.checks:
        if name not in _WORDS:
            raise InvalidArgument(
                f"There is no condition {name!r} for column {rule.name!r}.",
                found=f"{name}={rule.checks[name]!r}",
                expected=", ".join(_WORDS),
            )
    if (pattern := rule.checks.get("pattern")) is not None:
        try:
            pl.Series([""]).str.contains(pattern)
        except pl.exceptions.PolarsError as error:
            raise InvalidArgument(
                f"The pattern of column {rule.name!r} can't be applied.",
                found=repr(pattern),
                expected="a regular expression without look-around and back-references",
            ) from error
    return ConstraintCheck(rule) if rule.checks else None


class ConstraintCheck:
    """Tests every condition of one column."""

    def __init__(self, rule: ColumnRule) -> None:
        self._rule = rule
        self._tally: dict[str, Tally] = {name: Tally() for name in rule.checks}
        self._wrong: dict[str, Wrong] = {name: Wrong() for name in rule.checks}
        self._said: dict[Any, str] = {}

    def settled(self, arrow: pa.DataType | None, null_count: int | None) -> bool:
        """Never: only values tell."""
        return False

    def update(self, chunk: Chunk, start: int) -> None:
        """Look at the rows from `start` on."""
        others = {n: a for n, a in self._rule.checks.items() if n != "custom"}
        if isinstance(chunk, Objects):
            wrong: set[int] = set()
            for name, argument in others.items():
                wrong |= self._one_by_one(name, argument, chunk.values, start)
            left = [None if row in wrong else value for row, value in enumerate(chunk.values)]
            self._judge_each(left, start)
            return
        wrong_rows = [self._vectorised(n, argument, chunk, start) for n, argument in others.items()]
        if (validator := self._rule.checks.get("custom")) is not None:
            done = missing(chunk).to_numpy(zero_copy_only=False)
            for rows in wrong_rows:
                done[rows.to_numpy()] = True
            self._judge_column(validator, chunk, pa.array(done), start)

    def _vectorised(self, name: str, argument: Any, array: pa.Array, start: int) -> pa.Array:
        """Apply one condition to a column; gives the rows whose values don't fulfil it."""
        try:
            rows = _wrong_rows(name, argument, array)
        except _NOT_COMPARABLE:
            found = self._one_by_one(name, argument, python_values(array), start)
            return pa.array(sorted(found), pa.int64())
        if not len(rows):
            return rows
        values = array.take(rows)
        absent = missing(values)
        if absent.true_count:
            rows, values = rows.filter(pc.invert(absent)), values.filter(pc.invert(absent))
        if len(rows):
            self._note(name, values, rows, start)
        return rows

    def _judge_column(self, validator: Any, array: pa.Array, done: pa.Array, start: int) -> None:
        """Give the validator the values that nothing has been said of."""
        rows = places_of(pc.invert(done))
        left = array.take(rows)
        fine = self._custom(validator, left.dictionary_decode() if _coded(left) else left)
        wrong = places_of(pc.invert(fine))
        if len(wrong):
            self._note("custom", left.take(wrong), rows.take(wrong), start)

    def _judge_each(self, values: Sequence[Any], start: int) -> None:
        if (validator := self._rule.checks.get("custom")) is not None:
            self._one_by_one("custom", validator, values, start)

    def _note(self, name: str, values: pa.Array, rows: pa.Array, start: int) -> None:
        """Count each wrong value and keep its first rows."""
        if _opaque(values):
            for value, row in zip(values.to_pylist(), rows.to_pylist(), strict=True):
                self._tally[name].add(repr(value), 1, (row + start,))
            return
        if pt.is_dictionary(values.type):
            values = values.dictionary_decode()
        self._wrong[name].add(values, rows, start)

    def _found(self, name: str, like: Failure) -> Iterator[Failure | Group]:
        """Each wrong value with its count and its first rows, in the order of these."""
        tally, frames = self._tally[name], self._wrong[name].frames()
        said = self._said if name == "custom" else {}
        if not tally and len(frames) == 1:
            yield Group(like, frames[0], said)
            return
        for frame in frames:
            tally.extend(frame.iter_rows())
        for value, count, rows in tally:
            found = said.get(value, "")
            yield replace(like, value=value, count=count, rows=rows, found=found)

    def _custom(self, validator: Any, values: pa.Array) -> pa.Array:
        encoded = values if _opaque(values) else values.dictionary_encode()
        plain = encoded.dictionary if pt.is_dictionary(encoded.type) else encoded
        listed = python_values(plain)
        said = self._faults(validator, listed)
        for position, text in said.items():
            value = listed[position]
            self._said[repr(value) if _opaque(values) else value] = text
        verdicts = pa.array([position not in said for position in range(len(listed))], pa.bool_())
        return verdicts.take(encoded.indices) if pt.is_dictionary(encoded.type) else verdicts

    def _faults(self, validator: Any, values: Sequence[Any]) -> Mapping[int, str]:
        """What a validator has against which of the values, by position."""
        if self._rule.dtype.kind == "dict":
            values = [_as_dict(value) for value in values]
        if isinstance(validator, ValueJudge):
            return validator.faults(values)
        said = {at: fault("custom", validator, value) for at, value in enumerate(values)}
        return {at: text for at, text in said.items() if text is not None}

    def _one_by_one(self, name: str, argument: Any, values: Sequence[Any], start: int) -> set[int]:
        """Apply a condition to Python values; gives the positions of those that are wrong."""
        present = [row for row, value in enumerate(values) if not is_missing(value)]
        if name == "custom":
            faults = self._faults(argument, [values[row] for row in present])
            said = {present[at]: text for at, text in faults.items()}
        else:
            each = {row: fault(name, argument, values[row]) for row in present}
            said = {row: text for row, text in each.items() if text is not None}
        for row, text in said.items():
            value = values[row]
            shown = value if isinstance(value, (str, int, float)) else repr(value)
            if text:
                self._said[shown] = text
            self._tally[name].add(shown, 1, (row + start,))
        return set(said)

    def failures(self, slot: str) -> Iterator[Failure | Group]:
        """One failure for each condition and value that doesn't fulfil it."""
        for name in self._tally:
            argument = self._rule.checks[name]
            expected = _WORDS[name].format(list(argument) if name == "enum" else argument)
            hint = f"correct these values of {self._rule.name!r}"
            like = Failure(slot, self._rule.name, "constraint", expected=expected, hint=hint)
            yield from self._found(name, like)


def _wrong_rows(name: str, argument: Any, array: pa.Array) -> pa.Array:
    rows = wrong_rows(name, argument, array)
    if rows is not None:
        return rows
    coded = _coded(array)
    wrong = _VECTORISED[name](array.dictionary if coded else array, argument)
    if not pc.any(wrong).as_py():
        return pa.array([], pa.int64())
    return places_of(wrong.take(array.indices) if coded else wrong)


def _opaque(array: pa.Array) -> bool:
    """Whether values are of a type that can't be told apart by hashing."""
    return pt.is_nested(array.type) or isinstance(array, pa.ExtensionArray)


def _coded(array: pa.Array) -> bool:
    return bool(pt.is_dictionary(array.type))


def _as_dict(value: Any) -> Any:
    """A dictionary that is stored as text; the value itself where the text spells none."""
    if not isinstance(value, str):
        return value
    try:
        return dict_of_text(value)
    except ValueError:
        return value
