"""One thing that is wrong with a dataset, and the counting of where it is."""

from __future__ import annotations

import gc
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any

SHOWN_ROWS = 5
_KEPT: ContextVar[int] = ContextVar("rows kept of each failure", default=SHOWN_ROWS)


def rows_kept() -> int:
    """How many rows a failure keeps."""
    return _KEPT.get()


@contextmanager
def every_row() -> Iterator[None]:
    """Failures that are found inside keep all of their rows."""
    token = _KEPT.set((1 << 31) - 1)
    try:
        yield
    finally:
        _KEPT.reset(token)


@contextmanager
def quickly() -> Iterator[None]:
    """Make very many objects: the collector of cycles, of which they form none, waits."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()


# Not frozen: there may be a failure for each of a million values, and each would cost sixfold.
@dataclass(slots=True, unsafe_hash=True)
class Failure:
    """One thing that is wrong, with every place where it is; not to be changed.

    Attributes:
        slot: The component of the dataset, e.g. `"columns"` or `"obs"`.
        column: The column; `*` where rows as wholes are wrong.
        rule: Which rule failed: presence, index, extra, order, duplicates, names, dtype,
            dicts, coerce, null, category, ambiguous, constraint or rows.
        value: The offending value; None where the column as such is wrong.
        count: In how many rows; 0 where that can't be said.
        rows: The first of them, at most five, from 0; all of them where that was asked for.
        nearest: Valid values that are near.
        synonym_of: The valid value of which this one is a synonym.
        found: What was found, where that isn't the value.
        expected: What would have been right.
        hint: What to do.
    """

    slot: str
    column: str
    rule: str
    value: Any = None
    count: int = 0
    rows: tuple[int, ...] = ()
    nearest: tuple[str, ...] = ()
    synonym_of: str | None = None
    found: str = ""
    expected: str = ""
    hint: str = ""


class Tally:
    """Counts values over batches and keeps the first rows of each."""

    def __init__(self) -> None:
        self._found: dict[Any, tuple[int, Sequence[int]]] = {}

    def add(self, value: Any, count: int, rows: Iterable[int]) -> None:
        """Note a value seen `count` times, first in `rows`, which follow all earlier ones."""
        self.extend([(value, count, rows)])

    def extend(self, found: Iterable[tuple[Any, int, Iterable[int]]]) -> None:
        """Note many values, each with its count and its first rows."""
        kept, known = rows_kept(), self._found
        for value, count, rows in found:
            before = known.get(value)
            if before is None:
                known[value] = (count, tuple(rows)[:kept])
            elif len(before[1]) < kept:
                # each batch would copy all rows of those before, were they a tuple
                grown = before[1] if isinstance(before[1], list) else list(before[1])
                grown.extend(rows)
                del grown[kept:]
                known[value] = (before[0] + count, grown)
            else:
                known[value] = (before[0] + count, before[1])

    def __bool__(self) -> bool:
        return bool(self._found)

    def __iter__(self) -> Iterator[tuple[Any, int, tuple[int, ...]]]:
        """Values with their count and first rows, by the row in which they appear first."""
        by_row = sorted(self._found.items(), key=lambda item: tuple(item[1][1][:1]))
        return ((value, count, tuple(rows)) for value, (count, rows) in by_row)
