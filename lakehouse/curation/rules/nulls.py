"""A column that isn't nullable has no missing values."""

from __future__ import annotations

from collections.abc import Iterator

import pyarrow as pa

from lakehouse.curation.data.chunks import Chunk, missing
from lakehouse.curation.failure import Failure, Tally, rows_kept
from lakehouse.curation.spec import ColumnRule
from lakehouse.curation.terms import TermResolver
from lakehouse.places import places_of


def make(rule: ColumnRule, resolver: TermResolver | None) -> NullCheck | None:
    """The check of a column that isn't nullable."""
    return None if rule.nullable else NullCheck(rule)


class NullCheck:
    """Counts missing values; NaN is one."""

    def __init__(self, rule: ColumnRule) -> None:
        self._rule = rule
        self._tally = Tally()
        self._kept = 0

    def settled(self, arrow: pa.DataType | None, null_count: int | None) -> bool:
        """Whether it is known that nothing is missing."""
        return null_count == 0

    def update(self, chunk: Chunk, start: int) -> None:
        """Look at the rows from `start` on."""
        absent = missing(chunk)
        count = absent.true_count
        if count:
            left = rows_kept() - self._kept
            rows = places_of(absent)[:left].to_pylist() if left else []
            self._kept += len(rows)
            self._tally.add(None, count, [start + row for row in rows])

    def failures(self, slot: str) -> Iterator[Failure]:
        """One failure with all missing values."""
        for _, count, rows in self._tally:
            yield Failure(
                slot,
                self._rule.name,
                "null",
                None,
                count,
                rows,
                found="null values",
                expected=f"a {self._rule.dtype} in every row",
                hint="fill the missing values, or give the feature a default or nullable=True",
            )
