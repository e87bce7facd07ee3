"""Values must be of the column's dtype."""

from __future__ import annotations

import numbers
from collections.abc import Iterator
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.types as pt

from lakehouse.curation.data.chunks import (
    Chunk,
    Objects,
    accepts_value,
    is_missing,
    is_text,
    missing,
)
from lakehouse.curation.failure import Failure, Tally, rows_kept
from lakehouse.curation.reports.text import spoken
from lakehouse.curation.spec import ColumnRule
from lakehouse.curation.terms import TermResolver
from lakehouse.places import places_of
from lakehouse.schema import DType, infer_dtype


def make(rule: ColumnRule, resolver: TermResolver | None) -> DtypeCheck:
    """The check of any column."""
    return DtypeCheck(rule)


class DtypeCheck:
    """Judges Arrow columns by their type, and mixed ones value by value."""

    def __init__(self, rule: ColumnRule) -> None:
        self._rule = rule
        self._dtype: DType = rule.dtype
        self._tally = Tally()
        self._mixed = False
        self._example: dict[str, Any] = {}

    def settled(self, arrow: pa.DataType | None, null_count: int | None) -> bool:
        """Whether the type alone is enough."""
        return arrow is not None and self._accepts(arrow)

    def update(self, chunk: Chunk, start: int) -> None:
        """Look at the rows from `start` on."""
        if isinstance(chunk, Objects):
            self._update_objects(chunk, start)
        elif not self._accepts(chunk.type):
            present = places_of(pc.invert(missing(chunk)))
            if len(present):
                first = present[: rows_kept()].to_pylist()
                found = found_text(chunk.type)
                self._example.setdefault(found, chunk[first[0]].as_py())
                self._tally.add(found, len(present), [start + row for row in first])

    def failures(self, slot: str) -> Iterator[Failure]:
        """One failure for each wrong type that was seen."""
        several = len(list(self._tally)) > 1 or self._mixed
        for found, count, rows in self._tally:
            yield Failure(
                slot,
                self._rule.name,
                "dtype",
                self._example.get(found) if several else None,
                count,
                rows,
                found=found,
                expected=str(self._dtype),
                hint=self._hint(found, mixed=several),
            )

    def _accepts(self, arrow: pa.DataType) -> bool:
        # Dictionaries may be stored as text, which DictCheck reads.
        as_text = self._dtype.kind == "dict" and DType("str").accepts(arrow)
        plain = arrow.value_type if pt.is_dictionary(arrow) else arrow
        if self._dtype.kind == "float" and pt.is_integer(plain):
            return False  # counts are no measurements: what may be either is "num"
        return as_text or self._dtype.accepts(arrow)

    def _accepts_object(self, value: Any) -> bool:
        if self._dtype.kind == "dict" and isinstance(value, str):
            return True
        if self._dtype.kind == "float" and isinstance(value, numbers.Integral):
            return False
        return accepts_value(self._dtype, value)

    def _update_objects(self, chunk: Objects, start: int) -> None:
        self._mixed = True
        for row, value in enumerate(chunk.values, start):
            if not is_missing(value) and not self._accepts_object(value):
                found = _kind_of(value)
                self._example.setdefault(found, value)
                self._tally.add(found, 1, (row,))

    def _hint(self, found: str, *, mixed: bool) -> str:
        name = self._rule.name
        if mixed:
            shown = ", ".join(
                f"{spoken(value, 60)} ({kind})" for kind, value in self._example.items()
            )
            return f"the column mixes types, e.g. {shown}: give all its values one type"
        if self._dtype.kind in ("dict", "object", "bytes") or self._rule.coerce:
            return f"convert column {name!r} to {self._dtype}"
        return f"convert column {name!r}, or set coerce=True on feature {name!r}"


def _kind_of(value: Any) -> str:
    broken = isinstance(value, str) and not is_text(value)
    return "str that is no valid Unicode" if broken else type(value).__name__


def found_text(arrow: pa.DataType) -> str:
    """An Arrow type in the dtype language, with Arrow's word where ours has none."""
    ours = str(infer_dtype(arrow))
    if pt.is_dictionary(arrow):
        return f"categories of {found_text(arrow.value_type)}"
    return f"{ours} ({arrow})" if ours == "object" else ours
