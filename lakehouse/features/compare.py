"""Look-ups on stored feature values, which are JSON texts: asking them a column at once.

What a look-up means is in `lakehouse/orm/query/lookups.py`; here is how a feature's values are got at.
Texts, flags and days are compared by Arrow as they are written, numbers as 64-bit integers or as
doubles where that loses nothing. Everything else is decoded once per distinct text and compared
by Python, whose integers and doubles compare exactly.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from lakehouse.features.codec import decoded, encoded
from lakehouse.orm.query.lookups import Question, ask, fitted
from lakehouse.orm.query.operands import Subject
from lakehouse.schema import DType

_KINDS = {
    **dict.fromkeys(("path", "url"), "str"),
    **dict.fromkeys(("dict", "object", "bytes", "cat"), "json"),
}
_NUMBERS = ("int", "float", "num")
_AS_WRITTEN = {"str": ("exact", "ne", "in"), "bool": ("exact", "ne", "in")}

Mask = Any  # a boolean Arrow array, chunked or not


def asked_of(name: str, dtype: DType, rest: Sequence[str], value: Any) -> Question:
    """The question that the rest of a look-up puts to a feature.

    Args:
        name: The feature's name.
        dtype: Its dtype.
        rest: What follows the name: keys of a dictionary, then a look-up, or nothing.
        value: What is compared with.

    Raises:
        UnknownField: There is no such look-up.
        FieldValidationError: The value is of the wrong type.
    """
    kind = _KINDS.get(dtype.kind, dtype.kind)
    item = dtype.item.kind if dtype.item else "json"
    return ask(Subject(name, kind, "feature", item=_KINDS.get(item, item)), rest, value)


def fulfilling(texts: pa.ChunkedArray, dtype: DType, question: Question) -> Mask:
    """Which stored values fulfil a look-up, `negated` left aside.

    Args:
        texts: JSON texts of one feature's values.
        dtype: The feature's dtype.
        question: What is asked of it.
    """
    if question.row.arrow and not (question.keys or question.part or question.each):
        found = _by_arrow(texts, dtype, question)
        if found is not None:
            return found
    distinct = texts.unique().drop_null().to_pylist()
    fits = question.test()
    hits = [text for text in distinct if fits(decoded(text, dtype))]
    return pc.is_in(texts, value_set=pa.array(hits, pa.string()))


def _by_arrow(texts: pa.ChunkedArray, dtype: DType, question: Question) -> Mask | None:
    row, operand, kind = question.row, question.operand, question.kind
    assert row.arrow is not None
    if (kind == "date" and row.sees == "value") or row.name in _AS_WRITTEN.get(kind, ()):
        several = isinstance(operand, tuple)
        return row.arrow(texts, [encoded(v) for v in operand] if several else encoded(operand))
    if kind == "str":
        distinct = texts.unique().drop_null()
        values = pa.array([decoded(text, dtype) for text in distinct.to_pylist()], pa.string())
        hits = distinct.filter(row.arrow(values, operand))
        return pc.is_in(texts, value_set=hits)
    if kind in _NUMBERS and row.sees == "value" and row.name != "isnull":
        column = _numbers(texts)
        if column is None:
            return None
        operand = fitted(row, operand, "int" if pa.types.is_int64(column.type) else "float")
        told = operand if isinstance(operand, tuple) else (operand,)
        # an integer that no column has is told by Python, and by no cast
        if all(isinstance(v, float) or (v is not None and _fits(v)) for v in told):
            return row.arrow(column, operand)
    return None


def _fits(number: int) -> bool:
    return -(2**63) <= number < 2**63


def _numbers(texts: pa.ChunkedArray) -> pa.ChunkedArray | None:
    """Numbers as Arrow has them, or None where that might lose a digit."""
    try:
        return texts.cast(pa.int64())
    except pa.ArrowInvalid:
        pass
    if pc.any(pc.match_substring_regex(texts, r"^-?\d{16,}$")).as_py():
        return None  # a whole number that a double may not hold
    try:
        return texts.cast(pa.float64())
    except pa.ArrowInvalid:
        return None
