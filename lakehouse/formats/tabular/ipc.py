"""Arrow IPC files and streams, also known as Feather version 2."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.ipc as ipc

from lakehouse._lazy import require
from lakehouse.formats.arrow import (
    ARROW_ERRORS,
    described,
    index_of,
    is_pandas,
    is_polars,
    oldest_polars_layout,
    pick,
    table_of,
)
from lakehouse.formats.base import Component, is_remote
from lakehouse.formats.probe import reading, sniff, unreadable, writing
from lakehouse.formats.tabular.base import Tabular

if TYPE_CHECKING:
    import polars as pl

_FILE = b"ARROW1"
_STREAM = b"\xff\xff\xff\xff"


class Ipc(Tabular):
    """Arrow IPC; files are written, streams are read too."""

    name = "ipc"
    suffixes = (".ipc", ".arrow", ".feather")
    expected = "an Arrow IPC file"

    def check(self, path: Path) -> None:
        """Compare the magic at both ends of a file; a stream has one at its start only."""
        sniffed, _ = sniff(path)
        if sniffed == "a folder" or sniffed.startswith("nothing"):
            raise unreadable(path, self.expected)
        with path.open("rb") as file:
            head = file.read(len(_FILE))
            size = file.seek(0, 2)
            file.seek(max(0, size - len(_FILE)))
            tail = file.read()
        if head.startswith(_STREAM):
            return
        if head != _FILE or tail != _FILE:
            raise unreadable(path, self.expected)

    def component(self, path: Path) -> Component:
        """Read the footer of a file; of a stream, every batch."""
        if _is_stream(path):
            with _reader(path) as reader:
                schema, rows = reader.schema, sum(batch.num_rows for batch in reader)
        else:
            with _reader(path) as reader:
                schema = reader.schema
            rows = require("pyarrow.dataset", "count rows").dataset(path, format="ipc").count_rows()
        index = index_of(schema)
        return Component(described(schema, index), rows, tuple(index))

    def read(self, path: Path, columns: Sequence[str] | None) -> pa.Table:
        """Map the file into memory."""
        table = _whole(path)
        return pick(table, columns, index_of(table.schema))

    def load(self, path: Path, **kwargs: Any) -> Any:
        """A pandas DataFrame with its index restored; kwargs go to `pyarrow.Table.to_pandas`."""
        path = Path(path)
        self.check(path)
        require("pandas", "load a table as a data frame")
        damage = (pa.ArrowException, json.JSONDecodeError, UnicodeDecodeError)
        with reading(path, self.expected, *damage):
            return _whole(path).to_pandas(**kwargs)

    def scan(self, paths: list[str], **kwargs: Any) -> pl.LazyFrame:
        """See `Tabular.scan`."""
        import polars as pl

        if any(_is_stream(Path(path)) for path in paths):
            return pl.scan_pyarrow_dataset(self.dataset(paths, **kwargs))
        return pl.scan_ipc(paths, **({"glob": False} | kwargs))

    def dataset(self, paths: list[Any], **kwargs: Any) -> Any:
        """Streams have no footer to plan by, so they are mapped as they are."""
        near = [Path(path) for path in paths if not is_remote(path) and Path(path).is_file()]
        if not any(_is_stream(path) for path in near):
            return super().dataset(paths, **kwargs)
        datasets = require("pyarrow.dataset", "open tables lazily")
        return datasets.dataset(pa.concat_tables(map(_whole, near)), **kwargs)

    def write(self, obj: Any, path: Path, **kwargs: Any) -> None:
        """See `Format.write`; kwargs go to `pyarrow.ipc.IpcWriteOptions`."""
        path = Path(path)
        with writing(path, self.expected, *ARROW_ERRORS):
            table_of(obj, ())  # refuses what is no table, and repeated names
            if is_pandas(obj):
                table = pa.Table.from_pandas(obj)
            elif is_polars(obj):
                table = obj.lazy().collect().to_arrow(compat_level=oldest_polars_layout())
            else:
                table = obj if isinstance(obj, pa.Table) else pa.Table.from_batches([obj])
            options = ipc.IpcWriteOptions(**({"unify_dictionaries": True} | kwargs))
            with ipc.new_file(path, table.schema, options=options) as writer:
                writer.write_table(table)


def _whole(path: Path) -> pa.Table:
    """All of a file; checked, since the layout of a damaged one can crash the process."""
    with _reader(path) as reader:
        table = reader.read_all()
    table.validate(full=True)
    return table


def _is_stream(path: Path) -> bool:
    with path.open("rb") as file:
        return file.read(len(_STREAM)) == _STREAM


@contextmanager
def _reader(path: Path) -> Iterator[Any]:
    opener = ipc.open_stream if _is_stream(path) else ipc.open_file
    with pa.memory_map(str(path)) as source, opener(source) as reader:
        yield reader
