"""What a column may hold, where that depends on other columns or is a branch of an ontology.

A case says: where these columns hold this, that column holds one of these texts. All cases that
apply to a row must be fulfilled. Rows are judged as distinct combinations of values, so that a
million cells of twenty kinds are twenty judgements.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise

import polars as pl
import pyarrow as pa

from lakehouse.curation.data.chunks import Chunk, Objects, is_missing
from lakehouse.curation.failure import Failure, Tally, rows_kept


@dataclass(frozen=True)
class Permit:
    """Which texts are permitted.

    Attributes:
        values: These; None for all.
        prefixes: Those that begin so, too.
        refused: Never these.
        words: How a message says it.
    """

    values: frozenset[str] | None = None
    prefixes: tuple[str, ...] = ()
    refused: frozenset[str] = frozenset()
    words: str = ""

    def holds(self, text: str) -> bool:
        """Whether a text is permitted."""
        if text in self.refused:
            return False
        return self.values is None or text in self.values or text.startswith(self.prefixes)


@dataclass(frozen=True)
class Case:
    """One condition: where `when` holds of other columns, `allow` holds of this one."""

    allow: Permit
    when: Mapping[str, Permit] = field(default_factory=dict)

    @property
    def words(self) -> str:
        """When it applies."""
        return " and ".join(f"{name!r} is {permit.words}" for name, permit in self.when.items())


@dataclass(frozen=True)
class Cases:
    """The conditions of one column.

    Attributes:
        cases: The conditions.
        delimiter: What separates several values in one text.
        alone: Values that stand for themselves, never with others.
        hint: What to do about a wrong value.
    """

    cases: tuple[Case, ...] = ()
    delimiter: str | None = None
    alone: frozenset[str] = frozenset()
    hint: str = ""

    def faults(self, text: str, others: Mapping[str, str | None]) -> Iterator[tuple[str, str]]:
        """What was expected of a text, and what is wrong with it."""
        parts = [text] if self.delimiter is None else text.split(self.delimiter)
        for case in self.cases:
            if not _applies(case, others):
                continue
            wrong = [part for part in parts if not case.allow.holds(part)]
            if wrong:
                named = [", ".join(wrong)] if len(parts) > 1 else []
                yield case.allow.words, "; ".join([*named, *([case.words] if case.when else [])])
        if len(parts) > 1:
            yield from self._order(parts)

    def _order(self, parts: Sequence[str]) -> Iterator[tuple[str, str]]:
        shown = f"joined by {self.delimiter!r}"
        if len(set(parts)) < len(parts):
            yield f"distinct values {shown}", "a value stands twice"
        if any(before > after for before, after in pairwise(parts)):
            yield f"values in ascending order {shown}", "they are not in order"
        if single := [part for part in parts if part in self.alone]:
            yield f"{', '.join(single)} without other values", "it stands with others"


def _applies(case: Case, others: Mapping[str, str | None]) -> bool:
    for name, permit in case.when.items():
        value = others.get(name)
        if value is None or not permit.holds(value):
            return False
    return True


class CaseCheck:
    """Judges the columns that have cases, chunk by chunk."""

    def __init__(self, cases: Mapping[str, Cases]) -> None:
        self._cases = cases
        self._tally = Tally()

    def columns(self, names: Collection[str]) -> list[str]:
        """Which of a dataset's columns are needed."""
        wanted: dict[str, None] = {}
        for name, cases in self._cases.items():
            if name in names:
                looked_at = (other for case in cases.cases for other in case.when)
                wanted |= dict.fromkeys([name, *looked_at])
        return [name for name in wanted if name in names]

    def update(self, chunks: Mapping[str, Chunk], n_rows: int, start: int) -> None:
        """Look at the rows from `start` on."""
        del n_rows
        for name, cases in self._cases.items():
            if name in chunks:
                others = {o for case in cases.cases for o in case.when if o in chunks} - {name}
                self._judge(name, cases, [name, *sorted(others)], chunks, start)

    def _judge(
        self, name: str, cases: Cases, keys: list[str], chunks: Mapping[str, Chunk], start: int
    ) -> None:
        frame = pl.DataFrame({key: _texts(chunks[key]) for key in keys}).with_row_index("__row")
        kinds = (
            frame.drop_nulls(name)
            .group_by(keys, maintain_order=True)
            .agg(pl.len(), pl.col("__row").cast(pl.Int64).head(rows_kept()) + start)
            .with_columns(pl.col(keys).cast(pl.String))
        )
        for text, *others, count, rows in kinds.iter_rows():
            around = dict(zip(keys[1:], others, strict=True))
            for expected, found in cases.faults(text, around):
                self._tally.add((name, text, expected, found), count, rows)

    def failures(self, slot: str, earlier: Iterable[Failure] = ()) -> Iterator[Failure]:
        """One failure for each value and condition; not of values that are no terms anyway."""
        unknown = {(f.column, f.value) for f in earlier if f.rule == "category"}
        for (name, text, expected, found), count, rows in self._tally:
            delimiter = self._cases[name].delimiter
            parts = [text] if delimiter is None else text.split(delimiter)
            if not any((name, part) in unknown for part in parts):
                hint = self._cases[name].hint or f"correct these values of {name!r}"
                yield Failure(
                    slot, name, "constraint", text, count, rows,
                    found=found, expected=expected, hint=hint,
                )  # fmt: skip


def _texts(chunk: Chunk) -> pl.Series:
    if isinstance(chunk, Objects):
        return pl.Series([None if is_missing(v) else str(v) for v in chunk.values], dtype=pl.String)
    if pa.types.is_dictionary(chunk.type) and not pa.types.is_string(chunk.type.value_type):
        chunk = chunk.cast(chunk.type.value_type)
    if not pa.types.is_dictionary(chunk.type):
        chunk = chunk.cast(pa.string())
    return pl.Series(pl.from_arrow(chunk))
