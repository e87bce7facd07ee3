"""pandas frames as chunks of Arrow columns. pandas itself is never imported here."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence, Set
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

import numpy as np
import orjson
import pyarrow as pa

from lakehouse._lazy import require
from lakehouse.curation.data.chunks import CHUNK_ROWS, Chunk, Objects, array_of, is_missing, placed
from lakehouse.errors import InvalidData

_UNNAMED_INDEX = "__index__"
_SAMPLE = 1_000
_NOTHING: Mapping[str, pa.ChunkedArray] = MappingProxyType({})

_MASKED = {"boolean", *(f"{sign}Int{bits}" for sign in ("", "U") for bits in (8, 16, 32, 64))}

# What pandas' own scan of an object column says, where that settles the Arrow type.
_SCANNED = {"string": pa.string(), "boolean": pa.bool_(), "empty": pa.null()}


def pandas_index(schema: pa.Schema) -> list[str]:
    """The columns of an Arrow schema that are the index of a pandas frame."""
    text = (schema.metadata or {}).get(b"pandas")
    if text is None:
        return []
    columns = orjson.loads(text).get("index_columns", [])
    return [name for name in columns if isinstance(name, str) and name in schema.names]


def _nothing(value: Any) -> str:
    return ""


@dataclass
class PandasSource:
    """A pandas frame, sliced and converted column by column, so that no copy of it stands."""

    data: Any
    _types: dict[str, pa.DataType | None] = field(default_factory=dict, repr=False)

    def __post_init__(self) -> None:
        self.names = tuple(str(name) for name in self.data.columns)
        self.n_rows: int | None = len(self.data)
        named = self.data.index.name
        free = named is not None and str(named) not in self.names
        unnamed = _UNNAMED_INDEX
        while unnamed in self.names:
            unnamed += "_"
        self.index: str | None = str(named) if free else unnamed
        self._position: dict[str, int] = {}
        for position, name in enumerate(self.names):
            self._position.setdefault(name, position)

    def _series(self, name: str) -> Any:
        if name in self._position:
            return self.data.iloc[:, self._position[name]]
        index = self.data.index
        return index if index.nlevels == 1 else index.to_flat_index()

    def type_of(self, name: str) -> pa.DataType | None:
        """A column's type; None for object columns that hold something else than text."""
        if name not in self._types:
            series = self._series(name)
            if _is_object(series):
                scan = require("pandas", "validate pandas frames").api.types.infer_dtype
                self._types[name] = _SCANNED.get(scan(series, skipna=True))
            else:
                chunk = _chunk(_rows(series, 0, 0))
                self._types[name] = None if isinstance(chunk, Objects) else chunk.type
        return self._types[name]

    def null_count(self, name: str) -> int | None:
        """Missing values, NaN included."""
        return int(self._series(name).isna().sum())

    def read(
        self, names: Sequence[str], encoded: Set[str]
    ) -> Iterator[tuple[int, dict[str, Chunk]]]:
        """Slices, converted one at a time."""
        columns = {name: self._series(name) for name in names}
        for start in range(0, len(self.data), CHUNK_ROWS):
            stop = min(start + CHUNK_ROWS, len(self.data))
            chunks = {
                name: (_encoded if name in encoded else _chunk)(_rows(column, start, stop))
                for name, column in columns.items()
            }
            yield stop - start, chunks

    def table(self, replaced: Mapping[str, pa.ChunkedArray] = _NOTHING) -> pa.Table:
        """The whole frame, with its index as pyarrow keeps it.

        Columns that are replaced are never converted, so they may be of mixed types.
        """
        frame = self.data.copy(deep=False) if replaced else self.data
        for name in replaced:
            if name in self._position:
                frame.isetitem(self._position[name], None)
            else:
                # Not a range, which pyarrow would keep in its metadata only.
                frame.index = frame.index.map(_nothing)
        try:
            table = pa.Table.from_pandas(frame)
        except (pa.ArrowException, OverflowError, TypeError, ValueError) as error:
            raise InvalidData(
                f"The frame can't be stored as a table: {self._culprit() or error}",
                hint="give every value of a column the same type, e.g. by .astype(str)",
            ) from error
        last = len(table.column_names) - 1
        return placed(table, {self._position.get(n, last): c for n, c in replaced.items()})

    def _culprit(self) -> str | None:
        for name in self.names:
            chunk = _chunk(self._series(name))
            if isinstance(chunk, Objects):
                return f"column {name!r} holds {_first_of_each_type(chunk.values)}."
        return None


def _rows(series: Any, start: int, stop: int) -> Any:
    # Plain slicing of a Series goes by label if its index holds fractions.
    return series.iloc[start:stop] if hasattr(series, "iloc") else series[start:stop]


def _is_object(series: Any) -> bool:
    return bool(series.dtype.kind == "O" and series.dtype.name == "object")


def _first_of_each_type(values: Sequence[Any]) -> str:
    first: dict[str, int] = {}
    for row, value in enumerate(values):
        if not is_missing(value):
            first.setdefault(type(value).__name__, row)
    return ", ".join(f"{name} in row {row}" for name, row in first.items())


def _chunk(series: Any) -> Chunk:
    if series.dtype.name == "category":
        return _categorical(series)
    # NaN stays NaN here: turning it to null costs a pass, and counting nulls sees both.
    if series.dtype.kind in "iufb" and isinstance(series.dtype, np.dtype):
        return pa.array(_plain(series.to_numpy()))
    if series.dtype.name in _MASKED:
        return _masked(series)
    if series.dtype.name.startswith("Sparse"):
        return array_of(np.asarray(series))
    return array_of(series)


def _plain(values: np.ndarray) -> np.ndarray:
    """Numbers as this machine and Arrow hold them."""
    if values.dtype.kind == "f" and values.dtype.itemsize > 8:
        return values.astype(np.float64)
    return values if values.dtype.isnative else values.astype(values.dtype.newbyteorder("="))


def _masked(series: Any) -> pa.Array:
    """A column with a mask: pandas itself gives it to Arrow in thrice the time."""
    absent = np.asarray(series.isna())
    plain = series.to_numpy(series.dtype.numpy_dtype, na_value=0)
    if plain.dtype != bool:
        return _with_gaps(pa.array(plain), absent)
    bits = pa.py_buffer(np.packbits(plain, bitorder="little"))
    return _with_gaps(pa.Array.from_buffers(pa.bool_(), len(plain), [None, bits]), absent)


def _with_gaps(array: pa.Array, absent: np.ndarray) -> pa.Array:
    """A new array whose values are missing where a mask says so."""
    count = int(np.count_nonzero(absent))
    if not count:
        return array
    bits = pa.py_buffer(np.packbits(~absent, bitorder="little"))
    return pa.Array.from_buffers(array.type, len(array), [bits, array.buffers()[1]], count)


def _categorical(series: Any) -> Chunk:
    values = series.array
    categories = array_of(values.categories.to_numpy())
    if isinstance(categories, Objects):
        return array_of(series.astype(object))
    return _coded(values.codes, categories, ordered=bool(values.ordered))


def _coded(codes: np.ndarray, categories: pa.Array, *, ordered: bool = False) -> pa.Array:
    """Codes of pandas, not copied; what is missing is below zero there."""
    indices = pa.array(codes)
    if len(codes) and codes.min() < 0:
        indices = _with_gaps(indices, codes < 0)
    # unsafe is: to believe pandas that codes are positions
    return pa.DictionaryArray.from_arrays(indices, categories, ordered=ordered, safe=False)


def _encoded(series: Any) -> Chunk:
    """Text of an object column as a dictionary: pandas hashes without converting each row."""
    if not _is_object(series):
        return _chunk(series)
    try:
        sample = _rows(series, 0, _SAMPLE)
        if len(sample) == _SAMPLE and len(set(sample)) > _SAMPLE / 2:
            return array_of(series)  # hashing pays only where values repeat
        codes, uniques = require("pandas", "validate pandas frames").factorize(series)
    except TypeError:  # lists and dictionaries can't be hashed
        return array_of(series)
    values = array_of(getattr(uniques, "to_numpy", lambda: uniques)())
    # Hashing can't tell 1 from True or 1.0; among texts nothing is confused.
    if isinstance(values, Objects) or not pa.types.is_string(values.type):
        return array_of(series)
    return _coded(codes, values)
