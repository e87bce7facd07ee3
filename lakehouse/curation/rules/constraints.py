"""Values must fulfil the further conditions of a column: bounds, lengths, patterns, choices.

The conditions are named as pydantic names them: `ge`, `gt`, `le`, `lt`, `multiple_of`,
`min_length`, `max_length`, `pattern`, `enum`, and `custom`, a function that raises ValueError
for a wrong value. All but `custom` are computed on whole columns; `custom` sees each distinct
value once.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import polars as pl
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.types as pt

from lakehouse.curation.chunks import Chunk, Objects, is_missing, missing
from lakehouse.curation.failure import Failure, Tally, rows_kept
from lakehouse.curation.spec import ColumnRule
from lakehouse.curation.terms import TermResolver
from lakehouse.errors import InvalidArgument

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
    "custom": "what its validator accepts",
}
_NOT_COMPARABLE = (pa.ArrowNotImplementedError, pa.ArrowInvalid, pa.ArrowTypeError)


def _multiple(values: Any, step: Any) -> Any:
    ratio = pc.divide(pc.cast(values, pa.float64()), float(step))
    near = pc.abs(pc.subtract(ratio, pc.round(ratio)))
    return pc.less(near, 1e-9)


def _length(values: Any) -> Any:
    if pt.is_list(values.type) or pt.is_large_list(values.type):
        return pc.list_value_length(values)
    return pc.utf8_length(values) if pt.is_string(values.type) else pc.binary_length(values)


def _among(values: Any, allowed: Sequence[Any]) -> Any:
    return pc.is_in(values, value_set=pa.array(list(allowed), values.type))


_VECTORISED: dict[str, Callable[[Any, Any], Any]] = {
    "ge": lambda v, bound: pc.greater_equal(v, bound),
    "gt": lambda v, bound: pc.greater(v, bound),
    "le": lambda v, bound: pc.less_equal(v, bound),
    "lt": lambda v, bound: pc.less(v, bound),
    "multiple_of": _multiple,
    "min_length": lambda v, n: pc.greater_equal(_length(v), n),
    "max_length": lambda v, n: pc.less_equal(_length(v), n),
    "pattern": lambda v, pattern: pc.match_substring_regex(v, pattern),
    "enum": _among,
}

_SINGLE: dict[str, Callable[[Any, Any], bool]] = {
    "ge": lambda v, bound: bool(v >= bound),
    "gt": lambda v, bound: bool(v > bound),
    "le": lambda v, bound: bool(v <= bound),
    "lt": lambda v, bound: bool(v < bound),
    "multiple_of": lambda v, step: abs(v / step - round(v / step)) < 1e-9,
    "min_length": lambda v, n: len(v) >= n,
    "max_length": lambda v, n: len(v) <= n,
    "pattern": lambda v, pattern: re.search(pattern, v) is not None,
    "enum": lambda v, allowed: v in allowed,
}


def fault(name: str, argument: Any, value: Any) -> str | None:
    """What is wrong with one value, or None; an empty text where the condition says it all."""
    if name == "custom":
        try:
            argument(value)
        except (ValueError, AssertionError) as error:
            return " ".join(str(error).split()) or "refused"
        return None
    try:
        return None if _SINGLE[name](value, argument) else ""
    except TypeError:
        return None  # a value of another type, which the dtype rule says


def make(rule: ColumnRule, resolver: TermResolver | None) -> ConstraintCheck | None:
    """The check of a column with further conditions."""
    for name in rule.checks:
        if name not in _WORDS:
            raise InvalidArgument(
                f"There is no condition {name!r} for column {rule.name!r}.",
                expected=", ".join(_WORDS),
            )
    return ConstraintCheck(rule) if rule.checks else None


class ConstraintCheck:
    """Tests every condition of one column."""

    def __init__(self, rule: ColumnRule) -> None:
        self._rule = rule
        self._tally: dict[str, Tally] = {name: Tally() for name in rule.checks}
        self._said: dict[Any, str] = {}

    def settled(self, arrow: pa.DataType | None, null_count: int | None) -> bool:
        """Never: only values tell."""
        return False

    def update(self, chunk: Chunk, start: int) -> None:
        """Look at the rows from `start` on."""
        for name, argument in self._rule.checks.items():
            if isinstance(chunk, Objects):
                self._one_by_one(name, argument, enumerate(chunk.values, start))
            else:
                self._vectorised(name, argument, chunk, start)

    def _vectorised(self, name: str, argument: Any, array: pa.Array, start: int) -> None:
        values = array.dictionary if pt.is_dictionary(array.type) else array
        if name == "custom":
            fine = self._custom(argument, values)
        else:
            try:
                fine = _VECTORISED[name](values, argument)
            except _NOT_COMPARABLE:
                self._one_by_one(name, argument, enumerate(array.to_pylist(), start))
                return
        if pt.is_dictionary(array.type):
            fine = fine.take(array.indices)
        fine = pc.or_(pc.fill_null(fine, True), missing(array))
        wrong = pc.indices_nonzero(pc.invert(fine))
        if len(wrong):
            self._note(name, array.take(wrong), wrong, start)

    def _note(self, name: str, values: pa.Array, rows: pa.Array, start: int) -> None:
        """Count each wrong value and keep its first rows."""
        if pt.is_nested(values.type):
            for value, row in zip(values.to_pylist(), rows.to_pylist(), strict=True):
                self._tally[name].add(repr(value), 1, (row + start,))
            return
        if pt.is_dictionary(values.type):
            values = values.dictionary_decode()
        frame = pl.DataFrame({"value": pl.from_arrow(values), "row": pl.from_arrow(rows)})
        grouped = frame.group_by("value", maintain_order=True).agg(
            pl.len().alias("n"), pl.col("row").cast(pl.Int64).head(rows_kept()) + start
        )
        for value, count, first in grouped.iter_rows():
            self._tally[name].add(value, count, first)

    def _custom(self, validator: Any, values: pa.Array) -> pa.Array:
        encoded = values if pt.is_nested(values.type) else values.dictionary_encode()
        plain = encoded.dictionary if pt.is_dictionary(encoded.type) else encoded
        verdicts = []
        for value in plain.to_pylist():
            said = None if is_missing(value) else fault("custom", validator, value)
            if said is not None:
                self._said[value if not pt.is_nested(values.type) else repr(value)] = said
            verdicts.append(said is None)
        found = pa.array(verdicts, pa.bool_())
        return found.take(encoded.indices) if pt.is_dictionary(encoded.type) else found

    def _one_by_one(self, name: str, argument: Any, rows: Any) -> None:
        for row, value in rows:
            said = None if is_missing(value) else fault(name, argument, value)
            if said is not None:
                shown = value if isinstance(value, (str, int, float)) else repr(value)
                if said:
                    self._said[shown] = said
                self._tally[name].add(shown, 1, (row,))

    def failures(self, slot: str) -> Iterator[Failure]:
        """One failure for each condition and value that doesn't fulfil it."""
        for name, tally in self._tally.items():
            argument = self._rule.checks[name]
            shown = list(argument) if name == "enum" else argument
            for value, count, rows in tally:
                yield Failure(
                    slot,
                    self._rule.name,
                    "constraint",
                    value,
                    count,
                    rows,
                    found=self._said.get(value, "") if name == "custom" else "",
                    expected=_WORDS[name].format(shown),
                    hint=f"correct these values of {self._rule.name!r}",
                )
