"""Parquet, with the pandas index where there is one."""

from __future__ import annotations

import inspect
import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.parquet as pq

from lakehouse._lazy import require
from lakehouse.formats.arrow import (
    ARROW_ERRORS,
    choose,
    described,
    index_of,
    is_pandas,
    is_polars,
    oldest_polars_layout,
    table_of,
)
from lakehouse.formats.base import Component
from lakehouse.formats.probe import reading, starts_with, unreadable, writing
from lakehouse.formats.tabular.base import Tabular

if TYPE_CHECKING:
    import polars as pl

_MAGIC = b"PAR1"
_UNFIT = (TypeError, OverflowError, UnicodeEncodeError)
_SMALLEST = 12  # two magics and the footer's length


class Parquet(Tabular):
    """Apache Parquet files.

    `write` takes what `pandas.DataFrame.to_parquet` takes, so also what
    `pyarrow.parquet.ParquetWriter` does, e.g. `sorting_columns`.
    """

    name = "parquet"
    suffixes = (".parquet",)
    expected = "a Parquet file"

    def check(self, path: Path) -> None:
        """Compare the magic at both ends."""
        starts_with(path, _MAGIC, self.expected)
        with path.open("rb") as file:
            size = file.seek(0, 2)
            file.seek(max(0, size - len(_MAGIC)))
            if size < _SMALLEST or file.read() != _MAGIC:
                raise unreadable(path, self.expected)

    def component(self, path: Path) -> Component:
        """Read the footer."""
        with pq.ParquetFile(path) as file:
            schema, rows = file.schema_arrow, file.metadata.num_rows
        index = index_of(schema)
        return Component(described(schema, index), rows, tuple(index))

    def read(self, path: Path, columns: Sequence[str] | None) -> pa.Table:
        """Read only the asked-for columns."""
        with pq.ParquetFile(path) as file:
            schema = file.schema_arrow
            index = index_of(schema)
            hidden = set(index.values())
            chosen = choose(columns, [n for n in schema.names if n not in hidden], index)
            table = file.read(columns=list(dict.fromkeys(chosen.values())))
        arrays = [table.column(name) for name in chosen.values()]
        if not arrays:
            return table.replace_schema_metadata(None)
        return pa.table(arrays, names=list(chosen))

    def load(self, path: Path, **kwargs: Any) -> Any:
        """A pandas DataFrame with its index restored; kwargs go to `pandas.read_parquet`."""
        path = Path(path)
        self.check(path)
        pandas = require("pandas", "load a table as a data frame")
        damage = (pa.ArrowException, json.JSONDecodeError, UnicodeDecodeError)
        with reading(path, self.expected, *damage):
            try:
                return pandas.read_parquet(path, **kwargs)
            except (TypeError, ValueError) as error:
                if kwargs or not str(error).endswith(("is not recognized", "not understood")):
                    raise
            return _readable(pq.read_table(path)).to_pandas()

    def scan(self, paths: list[str], **kwargs: Any) -> pl.LazyFrame:
        """See `Tabular.scan`."""
        import polars as pl

        return pl.scan_parquet(paths, **({"glob": False} | kwargs))

    def write(self, obj: Any, path: Path, **kwargs: Any) -> None:
        """See `Format.write`."""
        path = Path(path)
        # sparse columns, numbers beyond 64 bits and lone surrogates are refused by these
        with writing(path, self.expected, *ARROW_ERRORS, *_UNFIT):
            if is_pandas(obj):
                table_of(obj, ())  # refuses repeated names, which pandas tells less clearly
                obj.to_parquet(path, engine="pyarrow", **kwargs)
            elif is_polars(obj):
                _write_polars(obj, path, kwargs)
            else:
                table_of(obj, ())
                table = obj if isinstance(obj, pa.Table) else pa.Table.from_batches([obj])
                pq.write_table(table, path, **kwargs)


def _readable(table: pa.Table) -> pa.Table:
    """A table without pandas' own names of Arrow's nested types, which it writes and can't read."""
    noted = json.loads(table.schema.metadata[b"pandas"])
    for column in noted["columns"]:
        if str(column["numpy_type"]).endswith("[pyarrow]"):
            column["numpy_type"] = "object"
    return table.replace_schema_metadata({"pandas": json.dumps(noted)})


def _write_polars(obj: Any, path: Path, kwargs: dict[str, Any]) -> None:
    write = obj.sink_parquet if hasattr(obj, "sink_parquet") else obj.write_parquet
    if kwargs.keys() <= inspect.signature(write).parameters.keys():
        write(path, **kwargs)
    else:
        table = obj.lazy().collect().to_arrow(compat_level=oldest_polars_layout())
        pq.write_table(table, path, **kwargs)
