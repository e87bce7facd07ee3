"""Very many failures, which stay columns until somebody looks at one of them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import chain
from typing import Any, TypeAlias, overload

import numpy as np
import polars as pl
import pyarrow as pa

from lakehouse.curation.failure import Failure, quickly, rows_kept

_AT_ONCE = 10_000
_FEW = 100
_WAITING = 1 << 20


@dataclass(frozen=True)
class Group:
    """Failures that differ only in value, count and rows, as columns.

    Attributes:
        like: What they share; its value, count, rows and `found` are not theirs.
        frame: Their columns `value`, `n` and `row`.
        said: What was found by value, where that isn't the value itself.
    """

    like: Failure
    frame: pl.DataFrame
    said: dict[Any, str] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.frame)

    def made(self, start: int, stop: int) -> list[Failure]:
        """Some of them as objects."""
        part, like, said = self.frame[start:stop], self.like, self.said
        slot, column, rule = like.slot, like.column, like.rule
        expected, hint = like.expected, like.hint
        with quickly():
            return [
                Failure(
                    slot, column, rule, value, n, tuple(rows),
                    (), None, said.get(value, "") if said else "", expected, hint,
                )
                for value, n, rows in part.select("value", "n", "row").iter_rows()
            ]  # fmt: skip

    @property
    def count(self) -> int:
        """How often their values occur."""
        return int(self.frame["n"].sum())

    @property
    def has_all_rows(self) -> bool:
        """Whether all rows are kept, not only the first."""
        return bool((self.frame["n"] <= self.frame["row"].list.len()).all())

    def columns(self) -> pl.DataFrame:
        """All of them as `Report.to_polars` gives them."""
        like, values = self.like, self.frame["value"]
        said = [self.said.get(value, "") for value in values.to_list()] if self.said else None
        return self.frame.select(
            slot=pl.lit(like.slot),
            column=pl.lit(like.column),
            rule=pl.lit(like.rule),
            value=texts_of(values),
            count=pl.col("n").cast(pl.Int64),
            rows=pl.col("row").cast(pl.List(pl.Int64)),
            nearest=pl.lit([], dtype=pl.List(pl.String)),
            synonym_of=pl.lit(None, dtype=pl.String),
            found=pl.lit("") if said is None else pl.Series(said, dtype=pl.String),
            expected=pl.lit(like.expected),
            hint=pl.lit(like.hint),
        )


class Wrong:
    """Wrong values and their rows, gathered chunk by chunk, each value counted in the end."""

    def __init__(self) -> None:
        self._seen: dict[pa.DataType, list[tuple[pa.Array, np.ndarray]]] = {}
        self._counted: list[pl.DataFrame] = []
        self._waiting = 0

    def add(self, values: pa.Array, rows: pa.Array, start: int) -> None:
        """Note values and in which rows they stand, counted from `start`."""
        at = rows.to_numpy().astype(np.int64) + start
        self._seen.setdefault(values.type, []).append((values, at))
        self._waiting += len(at)
        if self._waiting > _WAITING:
            self._count()

    def _count(self) -> None:
        counts = (pl.len().cast(pl.Int64).alias("n"), pl.col("row").head(rows_kept()))
        for kind, seen in self._seen.items():
            values = pl.Series("value", pl.from_arrow(pa.chunked_array([v for v, _ in seen], kind)))
            rows = pl.Series("row", np.concatenate([at for _, at in seen]))
            frame = pl.DataFrame([values, rows])
            self._counted.append(frame.group_by("value", maintain_order=True).agg(*counts))
        self._seen, self._waiting = {}, 0

    def frames(self) -> list[pl.DataFrame]:
        """`value`, `n` and `row`: one frame for each type of value, often none or one."""
        self._count()
        by_type: dict[pl.DataType, list[pl.DataFrame]] = {}
        for frame in self._counted:
            by_type.setdefault(frame.schema["value"], []).append(frame)
        self._counted = [_merged(frames) for frames in by_type.values()]
        return self._counted


def _merged(frames: list[pl.DataFrame]) -> pl.DataFrame:
    if len(frames) == 1:
        return frames[0]
    counts = (pl.col("n").sum(), pl.col("row").explode().head(rows_kept()))
    return pl.concat(frames).group_by("value", maintain_order=True).agg(*counts)


Part: TypeAlias = "Group | tuple[Failure, ...]"


class Failures(Sequence[Failure]):
    """All failures of a report in order: a sequence that makes those that are looked at.

    Args:
        parts: Failures, and groups of them.

    Example:
        >>> Failures.of([Failure("columns", "age", "null")])[0].rule
        'null'
    """

    __slots__ = ("_length", "parts")

    def __init__(self, parts: Iterable[Part] = ()) -> None:
        self.parts: tuple[Part, ...] = tuple(part for part in parts if len(part))
        self._length = sum(map(len, self.parts))

    @staticmethod
    def of(found: Iterable[Failure | Group]) -> Failures:
        """Failures and groups of them as one sequence; one that is such already stays it."""
        if isinstance(found, Failures):
            return found
        parts: list[Part] = []
        single: list[Failure] = []
        for item in found:
            if isinstance(item, Group):
                parts += [tuple(single), item]
                single = []
            else:
                single.append(item)
        return Failures([*parts, tuple(single)])

    def __len__(self) -> int:
        return self._length

    def __iter__(self) -> Iterator[Failure]:
        for part in self.parts:
            if isinstance(part, tuple):
                yield from part
                continue
            for start in range(0, len(part), _AT_ONCE):
                yield from part.made(start, start + _AT_ONCE)

    @overload
    def __getitem__(self, index: int) -> Failure: ...
    @overload
    def __getitem__(self, index: slice) -> tuple[Failure, ...]: ...
    def __getitem__(self, index: int | slice) -> Failure | tuple[Failure, ...]:
        if isinstance(index, slice):
            start, stop, step = index.indices(self._length)
            if step != 1:
                return tuple(self[at] for at in range(start, stop, step))
            return tuple(self._between(start, stop))
        at = index + self._length if index < 0 else index
        found = list(self._between(at, at + 1)) if 0 <= at < self._length else []
        if not found:
            raise IndexError(f"there are {self._length:,} failures, and none at {index}")
        return found[0]

    def _between(self, start: int, stop: int) -> Iterator[Failure]:
        for part in self.parts:
            if start < len(part) and stop > 0:
                first, last = max(start, 0), min(stop, len(part))
                yield from part[first:last] if isinstance(part, tuple) else part.made(first, last)
            start, stop = start - len(part), stop - len(part)

    def __add__(self, other: Iterable[Failure]) -> Failures:
        return Failures([*self.parts, *Failures.of(other).parts])

    def __radd__(self, other: Iterable[Failure]) -> Failures:
        return Failures.of(other) + self

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Failures | tuple | list):
            return NotImplemented
        return len(self) == len(other) and all(a == b for a, b in zip(self, other, strict=True))

    def __hash__(self) -> int:
        return hash(tuple(self))

    def __repr__(self) -> str:
        shown = ", ".join(map(repr, self[:3]))
        more = f", … and {len(self) - 3:,} more" if len(self) > 3 else ""
        return f"({shown}{more})"

    def single(self) -> Iterator[Failure]:
        """Those that aren't in groups: among them are all about terms."""
        return chain.from_iterable(part for part in self.parts if isinstance(part, tuple))

    def map(self, change: Callable[[Failure], Failure]) -> Failures:
        """Change every failure, by what is not its value, count or rows."""
        return Failures(
            tuple(map(change, part))
            if isinstance(part, tuple)
            else replace(part, like=change(part.like))
            for part in self.parts
        )


def texts_of(values: pl.Series) -> pl.Series:
    """Values as Python writes them."""
    if values.dtype == pl.String or values.dtype.is_integer():
        return values.cast(pl.String)
    if values.dtype == pl.Float64:
        return _texts_of_floats(values)
    listed = [None if value is None else str(value) for value in values.to_list()]
    return pl.Series(values.name, listed, dtype=pl.String)


_PLAIN = (1e-3, 1e9)  # where everybody writes fractions without exponent


def _texts_of_floats(values: pl.Series) -> pl.Series:
    size = values.abs()
    texts = values.cast(pl.String)
    strange = ~size.is_between(*_PLAIN).fill_null(value=False)
    at = strange.arg_true()
    if len(at):
        texts = texts.scatter(at, [None if v is None else str(v) for v in values.gather(at)])
    return texts


def columns_of(found: Sequence[Failure]) -> pl.DataFrame:
    """Failures as a data frame, one row each; values as text."""
    frames: list[pl.DataFrame] = []
    waiting: list[Failure] = []
    for part in Failures.of(found).parts:
        if isinstance(part, tuple) or len(part) < _FEW:
            waiting += part if isinstance(part, tuple) else part.made(0, len(part))
            continue
        frames += [_singles(waiting), part.columns()]
        waiting = []
    return pl.concat([*frames, _singles(waiting)])


def _singles(found: Sequence[Failure]) -> pl.DataFrame:
    columns: dict[str, Any] = {
        "slot": [f.slot for f in found],
        "column": [f.column for f in found],
        "rule": [f.rule for f in found],
        "value": [None if f.value is None else str(f.value) for f in found],
        "count": [f.count for f in found],
        # Arrow makes lists of many tuples several times faster
        "rows": pl.from_arrow(pa.array([f.rows for f in found], pa.list_(pa.int64()))),
        "nearest": pl.from_arrow(pa.array([f.nearest for f in found], pa.list_(pa.string()))),
        "synonym_of": [f.synonym_of for f in found],
        "found": [f.found for f in found],
        "expected": [f.expected for f in found],
        "hint": [f.hint for f in found],
    }
    try:
        return pl.DataFrame(columns, schema=_SCHEMA)
    except UnicodeEncodeError:  # lone surrogates, which no other text may hold
        texts = {name: [_encodable(v) for v in values] for name, values in columns.items()}
        return pl.DataFrame(texts, schema=_SCHEMA)


def _encodable(value: Any) -> Any:
    return value.encode("utf-8", "backslashreplace").decode() if isinstance(value, str) else value


_SCHEMA: dict[str, pl.DataType] = {
    "slot": pl.String(),
    "column": pl.String(),
    "rule": pl.String(),
    "value": pl.String(),
    "count": pl.Int64(),
    "rows": pl.List(pl.Int64()),
    "nearest": pl.List(pl.String()),
    "synonym_of": pl.String(),
    "found": pl.String(),
    "expected": pl.String(),
    "hint": pl.String(),
}
