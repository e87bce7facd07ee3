"""Datasets of any kind as columns of Arrow chunks, a bounded number of rows at a time."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence, Set
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any, Protocol, TypeAlias, runtime_checkable

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pyarrow.types as pt

from lakehouse._lazy import is_a
from lakehouse.curation.data.chunks import (
    CHUNK_ROWS,
    Chunk,
    Objects,
    first_positions,
    readable,
    readable_type,
    with_columns,
)
from lakehouse.curation.data.pandas import PandasSource, pandas_index
from lakehouse.curation.data.polars import Categories
from lakehouse.errors import InvalidArgument, UnreadableFile

Dataset: TypeAlias = Any
"""A pandas, polars or Arrow table, a stream of Arrow batches, or a Parquet path."""


_NOTHING: Mapping[str, pa.ChunkedArray] = MappingProxyType({})
_NOT_IN_ARROW = (pl.Object, pl.Int128)


@runtime_checkable
class Source(Protocol):
    """A dataset whose columns can be read in chunks.

    Attributes:
        names: Column names in order, repeated ones too.
        index: The name under which `read` gives the index, if there is one.
        n_rows: The number of rows, or None where only reading tells.
    """

    names: tuple[str, ...]
    index: str | None
    n_rows: int | None

    def type_of(self, name: str) -> pa.DataType | None:
        """A column's type, or None where only reading tells."""
        ...

    def null_count(self, name: str) -> int | None:
        """The missing values of a column, NaN included, or None where only reading tells."""
        ...

    def read(
        self, names: Sequence[str], encoded: Set[str]
    ) -> Iterator[tuple[int, dict[str, Chunk]]]:
        """Numbers of rows and their chunks by name; `encoded` ones as dictionaries if cheap."""
        ...

    def table(self, replaced: Mapping[str, pa.ChunkedArray] = _NOTHING) -> pa.Table:
        """The whole dataset, with other columns, and index, in place of its own."""
        ...


def source_of(data: Dataset) -> Source:
    """Wrap a dataset, without copying it.

    Raises:
        InvalidArgument: It is no table.
        UnreadableFile: It is a path, and no Parquet file can be read there.
    """
    if isinstance(data, pa.Table):
        return TableSource(data)
    if isinstance(data, pa.RecordBatch):
        return TableSource(pa.Table.from_batches([data]))
    if isinstance(data, pa.RecordBatchReader):
        return ReaderSource(data)
    if isinstance(data, (str, Path)):
        return ParquetSource(Path(data))
    if isinstance(data, (pl.DataFrame, pl.LazyFrame)):
        return PolarsSource(data)
    if is_a(data, "pandas.DataFrame"):
        return PandasSource(data)
    if isinstance(data, Mapping):
        return TableSource(pa.table(dict(data)))
    if hasattr(data, "__arrow_c_stream__"):
        return ReaderSource(pa.RecordBatchReader.from_stream(data))
    if isinstance(data, Iterator):
        return ReaderSource(_reader(data))
    if isinstance(data, Source):
        return data
    raise InvalidArgument(
        "This is not a table that can be validated.",
        found=type(data).__name__,
        expected="a pandas, polars or Arrow table, Arrow batches, or the path of a Parquet file",
    )


def as_arrow(data: Dataset) -> pa.Table:
    """A dataset as one Arrow table; a pandas index is kept as pyarrow keeps it.

    Raises:
        InvalidData: A pandas column holds values of several types; names the first rows.
    """
    return source_of(data).table()


def _reader(batches: Iterator[pa.RecordBatch]) -> pa.RecordBatchReader:
    first = next(batches, None)
    if not isinstance(first, pa.RecordBatch):
        raise InvalidArgument(
            "An iterator must give Arrow record batches, and at least one.",
            found=type(first).__name__,
        )

    def chained() -> Iterator[pa.RecordBatch]:
        yield first
        yield from batches

    return pa.RecordBatchReader.from_batches(first.schema, chained())


@dataclass
class TableSource:
    """An Arrow table in memory."""

    data: pa.Table

    def __post_init__(self) -> None:
        index = pandas_index(self.data.schema)
        self.index = index[0] if index else None
        self.names = tuple(name for name in self.data.column_names if name not in index)
        self.n_rows: int | None = len(self.data)
        self._position = first_positions(self.data.column_names)

    def type_of(self, name: str) -> pa.DataType | None:
        """A column's type."""
        return readable_type(self.data.schema.field(self._position[name]).type)

    def null_count(self, name: str) -> int | None:
        """Missing values, unless NaN or null categories may be among the others."""
        known = not (pt.is_floating(self.type_of(name)) or pt.is_dictionary(self.type_of(name)))
        return int(self.data.column(self._position[name]).null_count) if known else None

    def read(
        self, names: Sequence[str], encoded: Set[str]
    ) -> Iterator[tuple[int, dict[str, Chunk]]]:
        """Slices of the table, not copied."""
        part = self.data.select([self._position[name] for name in names])
        for batch in part.to_batches(max_chunksize=CHUNK_ROWS):
            yield len(batch), dict(zip(names, map(readable, batch.columns), strict=True))

    def table(self, replaced: Mapping[str, pa.ChunkedArray] = _NOTHING) -> pa.Table:
        """The table itself, or with other columns."""
        return with_columns(self.data, replaced)


@dataclass
class ReaderSource:
    """A stream of batches; it can be read once."""

    data: pa.RecordBatchReader

    def __post_init__(self) -> None:
        schema = self.data.schema
        index = pandas_index(schema)
        self.index = index[0] if index else None
        self.names = tuple(name for name in schema.names if name not in index)
        self.n_rows: int | None = None
        self._position = first_positions(schema.names)

    def type_of(self, name: str) -> pa.DataType | None:
        """A column's type."""
        return readable_type(self.data.schema.field(self._position[name]).type)

    def null_count(self, name: str) -> int | None:
        """Unknown before reading."""
        return None

    def read(
        self, names: Sequence[str], encoded: Set[str]
    ) -> Iterator[tuple[int, dict[str, Chunk]]]:
        """The batches as they come."""
        for batch in self.data:
            yield len(batch), {n: readable(batch.column(self._position[n])) for n in names}

    def table(self, replaced: Mapping[str, pa.ChunkedArray] = _NOTHING) -> pa.Table:
        """All batches."""
        return with_columns(self.data.read_all(), replaced)


@dataclass
class ParquetSource:
    """A Parquet file; columns that its metadata already settles are never read."""

    path: Path

    def __post_init__(self) -> None:
        self._file = self._open(())
        schema = self._file.schema_arrow
        index = pandas_index(schema)
        self.index = index[0] if index else None
        self.names = tuple(name for name in schema.names if name not in index)
        self.n_rows: int | None = self._file.metadata.num_rows
        leaves = self._file.metadata.schema
        self._position = first_positions(schema.names)
        self._leaf = {leaves.column(i).path: i for i in range(self._file.metadata.num_columns)}

    def _open(self, dictionaries: Sequence[str]) -> pq.ParquetFile:
        try:
            # Read-ahead would hold every row group of the file at once.
            return pq.ParquetFile(
                self.path,
                read_dictionary=list(dictionaries),
                pre_buffer=False,
                buffer_size=1 << 20,
            )
        except (pa.ArrowInvalid, OSError) as error:
            raise UnreadableFile(
                f"{self.path} can't be read as Parquet.",
                found=str(error),
                hint="check the path, or write the file again",
            ) from error

    def type_of(self, name: str) -> pa.DataType | None:
        """A column's type."""
        return readable_type(self._file.schema_arrow.field(self._position[name]).type)

    def null_count(self, name: str) -> int | None:
        """From the statistics; NaN isn't in them, so None for fractions."""
        leaf = self._leaf.get(name)
        if leaf is None or pt.is_floating(self.type_of(name)):
            return None
        total = 0
        for group in range(self._file.metadata.num_row_groups):
            statistics = self._file.metadata.row_group(group).column(leaf).statistics
            if statistics is None or not statistics.has_null_count:
                return None
            total += statistics.null_count
        return total

    def read(
        self, names: Sequence[str], encoded: Set[str]
    ) -> Iterator[tuple[int, dict[str, Chunk]]]:
        """Batches; text to be encoded comes as the dictionaries that the file holds."""
        text = [name for name in names if name in encoded and name in self._leaf]
        try:
            for batch in self._open(text).iter_batches(CHUNK_ROWS, columns=list(names)):
                at = first_positions(batch.schema.names)
                yield len(batch), {name: readable(batch.column(at[name])) for name in names}
        except (pa.ArrowInvalid, OSError) as error:
            raise UnreadableFile(f"{self.path} is damaged.", found=str(error)) from error

    def table(self, replaced: Mapping[str, pa.ChunkedArray] = _NOTHING) -> pa.Table:
        """The whole file."""
        return with_columns(self._file.read(), replaced)


@dataclass
class PolarsSource:
    """A polars frame, eager or lazy."""

    data: pl.DataFrame | pl.LazyFrame

    def __post_init__(self) -> None:
        self._schema = self.data.collect_schema()
        self.names = tuple(self._schema.names())
        self.index: str | None = None
        self.n_rows = len(self.data) if isinstance(self.data, pl.DataFrame) else None

    def type_of(self, name: str) -> pa.DataType | None:
        """A column's type; None for columns of Python objects."""
        if self._schema[name] in _NOT_IN_ARROW:
            return None
        return pl.Series(dtype=self._schema[name]).to_arrow().type

    def null_count(self, name: str) -> int | None:
        """Missing values; None for fractions and where the frame is lazy."""
        if isinstance(self.data, pl.LazyFrame) or self._schema[name].is_float():
            return None
        return self.data[name].null_count()

    def read(
        self, names: Sequence[str], encoded: Set[str]
    ) -> Iterator[tuple[int, dict[str, Chunk]]]:
        """Slices, converted one at a time."""
        kept = {name: Categories() for name in names if self._coded(name) and name in encoded}
        for part in self._parts(names):
            made = {n: kept[n].chunk if n in kept else _from_series for n in names}
            yield len(part), {name: make(part[name]) for name, make in made.items()}

    def _coded(self, name: str) -> bool:
        return isinstance(self._schema[name], pl.Categorical)

    def _parts(self, names: Sequence[str]) -> Iterator[pl.DataFrame]:
        if isinstance(self.data, pl.DataFrame):
            yield from self.data.select(names).iter_slices(CHUNK_ROWS)
        else:
            yield from self.data.select(names).collect_batches(
                chunk_size=CHUNK_ROWS, maintain_order=True
            )

    def table(self, replaced: Mapping[str, pa.ChunkedArray] = _NOTHING) -> pa.Table:
        """The whole frame."""
        frame = self.data.collect() if isinstance(self.data, pl.LazyFrame) else self.data
        return with_columns(frame.to_arrow(), replaced)


def _from_series(series: pl.Series) -> Chunk:
    return Objects(series.to_list()) if series.dtype in _NOT_IN_ARROW else series.to_arrow()
