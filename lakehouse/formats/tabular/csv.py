"""Comma- and tab-separated text, typed by pyarrow over the whole file."""

from __future__ import annotations

import csv
import gzip
import io
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.csv as pacsv

from lakehouse._lazy import is_a, require
from lakehouse.errors import UnreadableFile
from lakehouse.formats.arrow import ARROW_ERRORS, choose, described, is_pandas, is_polars, table_of
from lakehouse.formats.base import INDEX, Component, is_remote
from lakehouse.formats.probe import reading, sniff, unreadable, writing
from lakehouse.formats.tabular.base import Tabular

if TYPE_CHECKING:
    import polars as pl

_BLOCK = 16 << 20
_SLICE = 1 << 16
# The types that Arrow's inference tries, in its order.
_TYPES = (
    *(pa.null(), pa.int64(), pa.bool_(), pa.date32(), pa.time32("s"), pa.timestamp("s")),
    *(pa.timestamp("ns"), pa.timestamp("s", "UTC"), pa.timestamp("ns", "UTC"), pa.float64()),
    pa.string(),
)
# The texts that pandas.read_csv takes for missing, so that a file has the same gaps however
# it is read.
MISSING = [
    *("", "#N/A", "#N/A N/A", "#NA", "-1.#IND", "-1.#QNAN", "-NaN", "-nan", "1.#IND"),
    *("1.#QNAN", "<NA>", "N/A", "NA", "NULL", "NaN", "None", "n/a", "nan", "null"),
]


class Csv(Tabular):
    """Comma-separated text in UTF-8 with a header line.

    `write` takes what `pandas.DataFrame.to_csv` takes for a pandas frame. Rows that are merely
    numbered get no index column unless `index=True` asks for it; an index without a name is
    recognised again by its empty header.
    """

    name = "csv"
    suffixes: tuple[str, ...] = (".csv", ".csv.gz")
    expected = "comma-separated text"
    delimiter = ","

    def check(self, path: Path) -> None:
        """Look for magic bytes and NULs of other formats."""
        found, _ = sniff(path)
        zipped = path.suffix.lower() == ".gz"
        if found != ("gzip-compressed data" if zipped else "text"):
            raise unreadable(path, self.expected)

    def component(self, path: Path) -> Component:
        """Stream the file once, and again if a later value widens a column's type.

        A stream takes its types from the first block and fails on the first value that doesn't
        fit. If none fails, they are the types of the whole file, since inference always takes
        the narrowest type that holds every value. Never does more than some blocks stand in
        memory, since a small compressed file may hold gigabytes.
        """
        try:
            with self._stream(path) as stream:
                schema = stream.schema
                rows = sum(batch.num_rows for batch in stream)
        except pa.ArrowInvalid:
            schema, rows = self._widened(path)
        _check_text(path, schema)
        index = _index(schema)
        return Component(described(schema, index), rows, tuple(index))

    def read(self, path: Path, columns: Sequence[str] | None) -> pa.Table:
        """Convert only the asked-for columns."""
        with self._stream(path) as stream:
            names, index = stream.schema.names, _index(stream.schema)
        hidden = set(index.values())
        chosen = choose(columns, [name for name in names if name not in hidden], index)
        if columns is None:
            table = self._whole(path)
            _check_text(path, table.schema)
            return table.drop_columns(list(hidden)) if hidden else table
        if not chosen:
            return self._whole(path).select([])
        table = self._whole(path, list(dict.fromkeys(chosen.values())))
        _check_text(path, table.schema)
        return pa.table([table.column(name) for name in chosen.values()], names=list(chosen))

    def load(self, path: Path, **kwargs: Any) -> Any:
        """A pandas DataFrame; kwargs go to `pandas.read_csv`."""
        path = Path(path)
        self.check(path)
        pandas = require("pandas", "load a table as a data frame")
        kwargs.setdefault("sep", self.delimiter)
        failures = (pandas.errors.ParserError, pandas.errors.EmptyDataError, UnicodeDecodeError)
        with reading(path, self.expected, *failures):
            names, short = _names(path, self.delimiter)
            if names[:1] == [""] and not short:  # pandas itself knows what a short header means
                kwargs.setdefault("index_col", 0)
            return pandas.read_csv(path, **kwargs)

    def dataset_format(self, paths: list[Any]) -> Any:
        """Parsing options for `pyarrow.dataset`."""
        datasets = require("pyarrow.dataset", "open tables lazily")
        one = Path(str(paths[0]))
        return datasets.CsvFileFormat(
            parse_options=self._parsing(),
            convert_options=_conversion(),
            read_options=self._blocks(one) if one.is_file() else None,
        )

    def dataset(self, paths: list[Any], **kwargs: Any) -> Any:
        """Types come from the whole of each local file; a dataset alone would guess."""
        near = [Path(path) for path in paths if not is_remote(path) and Path(path).is_file()]
        if len(near) == len(paths) and "schema" not in kwargs:
            schemas = []
            for path in near:
                with reading(path, self.expected, pa.ArrowException, UnicodeDecodeError):
                    schemas.append(self._schema(path))
            kwargs["schema"] = pa.unify_schemas(schemas, promote_options="permissive")
        return super().dataset(paths, **kwargs)

    def scan(self, paths: list[str], **kwargs: Any) -> pl.LazyFrame:
        """See `Tabular.scan`."""
        import polars as pl

        names, short = _names(Path(paths[0]), self.delimiter)
        header: dict[str, Any] = (
            {"has_header": False, "skip_rows": 1, "new_columns": names} if short else {}
        )
        defaults: dict[str, Any] = {
            "separator": self.delimiter,
            "glob": False,
            "null_values": MISSING,
            "infer_schema_length": None,
            "try_parse_dates": True,
        }
        return pl.scan_csv(paths, **(defaults | header | kwargs))

    def write(self, obj: Any, path: Path, **kwargs: Any) -> None:
        """See `Format.write`."""
        path = Path(path)
        with writing(path, self.expected, *ARROW_ERRORS), _sink(path) as sink:
            if is_pandas(obj):
                numbered = is_a(obj.index, "pandas.RangeIndex") and obj.index.name is None
                obj.to_csv(sink, **({"sep": self.delimiter, "index": not numbered} | kwargs))
                return
            import polars as pl

            lazy = obj.lazy() if is_polars(obj) else pl.LazyFrame(pl.from_arrow(table_of(obj)))
            lazy.collect().write_csv(sink, **({"separator": self.delimiter} | kwargs))

    def _schema(self, path: Path) -> pa.Schema:
        component = self.component(path)
        fields = list(component.schema)
        if component.index:
            fields.insert(0, pa.field("", pa.string()))
        return pa.schema(fields)

    def _parsing(self) -> pacsv.ParseOptions:
        return pacsv.ParseOptions(delimiter=self.delimiter, newlines_in_values=True)

    def _blocks(self, path: Path) -> pacsv.ReadOptions:
        names, short = _names(path, self.delimiter)
        if not short:
            return pacsv.ReadOptions(block_size=_BLOCK)
        return pacsv.ReadOptions(block_size=_BLOCK, column_names=names, skip_rows=1)

    def _stream(self, path: Path) -> AbstractContextManager[Any]:
        blocks, parsing = self._blocks(path), self._parsing()
        stream: AbstractContextManager[Any] = pacsv.open_csv(
            _source(path), blocks, parsing, _conversion()
        )
        return stream

    def _widened(self, path: Path) -> tuple[pa.Schema, int]:
        """The types that hold every value of each column, and the rows; block by block."""
        with self._stream(path) as stream:
            names = stream.schema.names
        bytes_only = pacsv.ConvertOptions(
            null_values=MISSING,
            strings_can_be_null=True,
            column_types=dict.fromkeys(names, pa.binary()),
        )
        types, rows = [list(_TYPES) for _ in names], 0
        stream = pacsv.open_csv(_source(path), self._blocks(path), self._parsing(), bytes_only)
        with stream:
            for batch in stream:
                rows += batch.num_rows
                for start in range(0, batch.num_rows, _SLICE):
                    part = batch.slice(start, _SLICE)
                    for position, column in enumerate(part.columns):
                        types[position] = [t for t in types[position] if _converts(column, t)]
        found = [fitting[0] if fitting else pa.binary() for fitting in types]
        return pa.schema(list(zip(names, found, strict=True))), rows

    def _whole(self, path: Path, columns: list[str] | None = None) -> pa.Table:
        blocks, parsing = self._blocks(path), self._parsing()
        return pacsv.read_csv(_source(path), blocks, parsing, _conversion(columns))


class Tsv(Csv):
    """Tab-separated text in UTF-8 with a header line."""

    name = "tsv"
    suffixes = (".tsv", ".tsv.gz")
    expected = "tab-separated text"
    delimiter = "\t"


def _conversion(columns: list[str] | None = None) -> pacsv.ConvertOptions:
    return pacsv.ConvertOptions(
        null_values=MISSING, strings_can_be_null=True, include_columns=columns or []
    )


def _converts(column: pa.Array, kind: pa.DataType) -> bool:
    """Whether texts of a file are values of a type, as Arrow's reader takes them."""
    if column.null_count == len(column):
        return True
    if kind == pa.null():
        return False
    try:
        texts = column.cast(pa.string())
        if kind == pa.string():
            return True
        lines = io.BytesIO()
        pacsv.write_csv(pa.table({"x": texts}), lines)
        options = pacsv.ConvertOptions(null_values=MISSING, column_types={"x": kind})
        parsing = pacsv.ParseOptions(newlines_in_values=True)
        lines.seek(0)
        pacsv.read_csv(lines, parse_options=parsing, convert_options=options)
    except pa.ArrowInvalid:
        return False
    return True


def _source(path: Path) -> Any:
    """A path, or its bytes if it is a lone header whose line has no end, which Arrow refuses."""
    if path.suffix.lower() != ".gz" and path.stat().st_size < 1 << 16:
        data = path.read_bytes()
        if b"\n" not in data and b"\r" not in data:
            return io.BytesIO(data + b"\n")
    return str(path)


def _index(schema: pa.Schema) -> dict[str, str]:
    return {INDEX: ""} if schema.names[:1] == [""] else {}


def _check_text(path: Path, schema: pa.Schema) -> None:
    for field in schema:
        if pa.types.is_binary(field.type):
            raise UnreadableFile(
                f"The file {str(path)!r} can't be read as text.",
                found=f"bytes in column {field.name!r} that are not UTF-8",
                expected="UTF-8 text",
                hint="iconv -f latin1 -t utf-8 OLD > NEW",
            )


def _names(path: Path, delimiter: str) -> tuple[list[str], bool]:
    """The column names, and whether the header leaves out that of the index.

    R's `write.table` and `write.csv` of a matrix give rows one field more than the header.
    """
    opener = gzip.open if path.suffix.lower() == ".gz" else open
    with opener(path, "rt", encoding="utf-8-sig", errors="replace", newline="") as file:
        rows = csv.reader(_lines(file), delimiter=delimiter)
        try:
            header, first = next(rows, []), next(rows, [])
        except csv.Error:  # a field too long for this reader, which is no header to mend
            return [], False
    return (["", *header], True) if len(first) == len(header) + 1 else (header, False)


def _lines(file: IO[str]) -> Iterator[str]:
    """The lines of a file.

    Raises:
        csv.Error: One is longer than a block, which Arrow refuses, too.
    """
    while line := file.readline(_BLOCK):
        if len(line) == _BLOCK and not line.endswith("\n"):
            raise csv.Error("a line that is longer than a block")
        yield line


@contextmanager
def _sink(path: Path) -> Iterator[IO[bytes]]:
    with path.open("wb") as file:
        if path.suffix.lower() != ".gz":
            yield file
            return
        # without name and time in the header, equal tables give equal bytes
        with gzip.GzipFile("", "wb", fileobj=file, mtime=0) as zipped:
            yield zipped  # type: ignore[misc]
