"""Rows as wholes: what one column may hold where another one holds something."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from lakehouse.curation.data.chunks import Chunk, Objects, python_values
from lakehouse.curation.failure import Failure, Tally
from lakehouse.curation.spec import DatasetSpec, RowJudge

ALL = "*"
"""The column that failures of whole rows name."""

_BATCH = 1 << 9  # larger batches keep the garbage collector busy


def make(spec: DatasetSpec) -> RowCheck | None:
    """The check of a dataset whose spec judges whole rows."""
    return None if spec.rows is None else RowCheck(spec.rows)


class RowCheck:
    """Gives rows to a judge, some hundreds at a time."""

    def __init__(self, judge: RowJudge) -> None:
        self._judge = judge
        self._rows = Tally()
        self._values = Tally()

    def columns(self, names: Sequence[str]) -> list[str]:
        """Which of a dataset's columns are needed."""
        wanted = self._judge.columns
        return [n for n in dict.fromkeys(names) if wanted is None or n in wanted]

    def update(self, chunks: Mapping[str, Chunk], n_rows: int, start: int) -> None:
        """Look at the rows from `start` on."""
        for begin in range(0, n_rows, _BATCH):
            stop = min(begin + _BATCH, n_rows)
            columns = [python_values(_part(chunk, begin, stop)) for chunk in chunks.values()]
            names = list(chunks)
            rows = [dict(zip(names, row, strict=True)) for row in zip(*columns, strict=True)]
            self._judged(rows or [{} for _ in range(begin, stop)], start + begin)

    def _judged(self, rows: list[dict[str, Any]], start: int) -> None:
        for fault in self._judge.faults(rows):
            row = rows[fault.row]
            if fault.column is None:
                self._rows.add(fault.message, 1, (start + fault.row,))
                continue
            value = row.get(fault.column)
            shown = value if isinstance(value, (str, int, float)) else repr(value)
            self._values.add((fault.column, fault.message, shown), 1, (start + fault.row,))

    def failures(self, slot: str) -> Iterator[Failure]:
        """One failure for each message about whole rows, and each value of a column."""
        expected = f"what the validators of {self._judge.name} accept"
        for (column, message, value), count, rows in self._values:
            hint = f"correct these values of {column!r}"
            yield Failure(
                slot, column, "constraint", value, count, rows,
                found=message, expected=expected, hint=hint,
            )  # fmt: skip
        for message, count, rows in self._rows:
            yield Failure(
                slot, ALL, "rows", None, count, rows,
                found=message, expected=f"rows that the validators of {self._judge.name} accept",
                hint="correct these rows, or leave them out: curator.filter().good",
            )  # fmt: skip


def _part(chunk: Chunk, start: int, stop: int) -> Chunk:
    if isinstance(chunk, Objects):
        return Objects(chunk.values[start:stop])
    return chunk.slice(start, stop - start)
