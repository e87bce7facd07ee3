"""Judging matrices of counts, block by block."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from lakehouse.curation.failure import Failure, rows_kept
from lakehouse.formats.annotated.matrices import Block, Matrix

# -- Failures of datasets as wholes


RULE = "dataset"


def said(
    slot: str,
    column: str,
    found: str,
    expected: str,
    hint: str,
    *,
    value: Any = None,
    count: int = 0,
    rows: Sequence[int] = (),
) -> Failure:
    """What is wrong with a part of a dataset, or with one key or column of it."""
    return Failure(
        slot, column, RULE, value, count, tuple(rows), found=found, expected=expected, hint=hint
    )


_MIX = np.uint64(0x9E3779B97F4A7C15)
_MIX2 = np.uint64(0xC2B2AE3D27D4EB4F)
_SHIFT = np.uint64(29)


@dataclass
class Rows:
    """Some rows: how many, and the first of them."""

    count: int = 0
    first: list[int] = field(default_factory=list)

    def add(self, rows: npt.NDArray[Any]) -> None:
        """Note rows, in order."""
        self.count += len(rows)
        room = rows_kept() - len(self.first)
        if room > 0:
            self.first += rows[:room].tolist()


class Counts:
    """What is wrong with a matrix that should hold counts of cells.

    Args:
        matrix: The matrix, `csr` or `dense`.
        counted: Which rows must differ from each other and hold something; None for all.
    """

    def __init__(self, matrix: Matrix, counted: npt.NDArray[Any] | None = None) -> None:
        self.fractional, self.negative, self.empty = Rows(), Rows(), Rows()
        self._hashes: list[npt.NDArray[Any]] = []
        self.filled: list[npt.NDArray[Any]] = []
        for block in matrix.blocks():
            self._judge(block, counted)

    def _judge(self, block: Block, counted: npt.NDArray[Any] | None) -> None:
        values = block.values
        with np.errstate(invalid="ignore"):
            whole = values % 1 == 0
            below = values < 0
        self.fractional.add(np.unique(block.rows[~whole]) + block.start)
        self.negative.add(np.unique(block.rows[below]) + block.start)
        filled = np.bincount(block.rows, minlength=block.n_rows) > 0
        self.filled.append(filled)
        empty = ~filled
        if counted is not None:
            empty &= counted[block.start : block.start + block.n_rows]
        self.empty.add(np.flatnonzero(empty) + block.start)
        self._hashes.append(_hashes(block))

    def repeated(self, counted: npt.NDArray[Any] | None = None) -> Rows:
        """Rows that hold the same as another one."""
        found = Rows()
        if self._hashes:
            hashes = np.concatenate(self._hashes)
            kept = np.arange(len(hashes)) if counted is None else np.flatnonzero(counted)
            _, inverse, number = np.unique(hashes[kept], return_inverse=True, return_counts=True)
            found.add(kept[number[inverse] > 1])
        return found


def _hashes(block: Block) -> npt.NDArray[Any]:
    """One hash of 128 bits per row, the same in whatever order values are stored."""
    bits = np.ascontiguousarray(block.values, np.float64).view(np.uint64)
    columns = block.columns.astype(np.uint64)
    with np.errstate(over="ignore"):
        mixed = (bits ^ (columns * _MIX)) * _MIX2
        mixed = (mixed ^ (mixed >> _SHIFT)) * _MIX
        mixed ^= mixed >> _SHIFT
        other = (mixed ^ (columns + _MIX2)) * _MIX2
        other ^= other >> _SHIFT
        made = np.empty(block.n_rows, [("a", np.uint64), ("b", np.uint64)])
        made["a"] = _summed(mixed, block)
        made["b"] = _summed(other, block)
    return made


def _summed(numbers: npt.NDArray[np.uint64], block: Block) -> npt.NDArray[np.uint64]:
    running = np.concatenate([np.zeros(1, np.uint64), np.cumsum(numbers, dtype=np.uint64)])
    ends = np.searchsorted(block.rows, np.arange(block.n_rows + 1))
    summed: npt.NDArray[np.uint64] = running[ends[1:]] - running[ends[:-1]]
    return summed


def storage_failures(matrix: Matrix, most_zeros: float) -> Iterator[Failure]:
    """What is wrong with how a matrix is stored."""
    name = matrix.name
    fix = f"adata.{name} = scipy.sparse.csr_matrix(adata.{name})"
    if matrix.layout != "csr" and matrix.layout != "dense":
        yield said(name, name, f"the layout {matrix.layout}", "a dense array or a CSR matrix", fix)
    elif matrix.layout == "dense" and (size := float(np.prod(matrix.shape))):
        zeros = 1 - sum(len(block.values) for block in matrix.blocks()) / size
        if zeros > most_zeros:
            expected = f"a CSR matrix where more than {most_zeros:.0%} are zeros"
            yield said(name, name, f"a dense array with {zeros:.1%} zeros", expected, fix)


def count_failures(matrix: Matrix, dtype: str) -> Iterator[Failure]:
    """What is wrong with a matrix of raw counts, beyond rows."""
    if matrix.dtype != np.dtype(dtype):
        yield said(
            matrix.name, matrix.name, f"values of type {matrix.dtype}", f"raw counts of type {dtype}",
            f"adata.{matrix.name} = adata.{matrix.name}.astype({dtype!r})",
        )  # fmt: skip
