"""`sql`: queries over all registries, views and table-like artifacts."""

from __future__ import annotations

import enum
import shutil
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

import lakehouse as ln
from lakehouse.cli.group import say
from lakehouse.errors import LakehouseError, StorageError
from lakehouse.text.printable import json_text, printable

if TYPE_CHECKING:
    import duckdb

_BATCH = 10_000


class Format(enum.StrEnum):
    """How a result is written."""

    table = "table"
    csv = "csv"
    json = "json"
    parquet = "parquet"


def sql(
    query: Annotated[str, typer.Argument(help="One SQL statement; - reads it from stdin.")],
    at: Annotated[
        str | None, typer.Option(help="A past state: a tag, commit id, commit number or date.")
    ] = None,
    format: Annotated[
        Format | None,
        typer.Option(help="By default a table, or what the output file's suffix says."),
    ] = None,
    output: Annotated[Path | None, typer.Option("--output", "-o", help="Write to a file.")] = None,
    rows: Annotated[int, typer.Option(min=1, help="Rows that a table shows at most.")] = 50,
    trusted: Annotated[  # noqa: FBT002
        bool, typer.Option("--trusted", help="Allow all that DuckDB can: files, COPY, ATTACH …")
    ] = False,
) -> None:
    """Run one SQL statement that reads the lake.

    Every registry is a table (artifact, feature, cell_type …), beside the views; the content of
    a table-like artifact is dataset('its key').
    """
    chosen = _format(format, output)
    text = sys.stdin.read() if query == "-" else query
    relation = _relation(text, at, trusted=trusted)
    if chosen is Format.table:
        _print_table(relation, rows, output)
    elif output is not None:
        _write(relation, chosen, output)
    else:
        with tempfile.TemporaryDirectory(prefix="lakehouse-sql-") as folder:
            path = Path(folder) / "result"
            _write(relation, chosen, path)
            _print_file(path)


def _format(chosen: Format | None, output: Path | None) -> Format:
    """The format asked for, or the one that the file's suffix means."""
    if chosen is None:
        known = {".csv": Format.csv, ".json": Format.json, ".parquet": Format.parquet}
        if output is None:
            return Format.table
        if output.suffix not in known:
            raise typer.BadParameter(f"the suffix of {output} names no format: give --format")
        return known[output.suffix]
    if chosen is Format.parquet and output is None and sys.stdout.isatty():
        raise typer.BadParameter("Parquet can't be shown on a terminal: give --output FILE")
    return chosen


def _relation(query: str, at: str | None, *, trusted: bool) -> duckdb.DuckDBPyRelation:
    if at is None:
        return ln.sql(query, trusted=trusted)
    from lakehouse.cli.history import reference

    return ln.current_lake().at(reference(at)).sql(query, trusted=trusted)


def _print_table(relation: duckdb.DuckDBPyRelation, rows: int, path: Path | None) -> None:
    from lakehouse.cli import output

    with _executing():
        found = relation.limit(rows + 1).fetchall()
    made = output.table(relation.columns, found[:rows])
    if path is None:
        output.show(made)
    else:
        with path.open("w", encoding="utf-8") as file:
            output.show(made, file=file)
    if len(found) > rows:
        say(f"the first {rows} rows; --rows shows more, --format csv all of them", err=True)


def _print_file(path: Path) -> None:
    """Give a file's bytes to who reads them; a terminal gets what it shows and doesn't obey."""
    if not sys.stdout.isatty():
        with path.open("rb") as file:
            shutil.copyfileobj(file, sys.stdout.buffer)
        return
    with path.open(encoding="utf-8", newline="\n") as lines:
        for line in lines:
            sys.stdout.write(printable(line))


def _write(relation: duckdb.DuckDBPyRelation, chosen: Format, path: Path) -> None:
    with _executing():
        if chosen is Format.csv:
            relation.write_csv(str(path))
        elif chosen is Format.parquet:
            relation.write_parquet(str(path), compression="zstd")
        else:
            _write_json(relation, path)


def _write_json(relation: duckdb.DuckDBPyRelation, path: Path) -> None:
    """One array with an object per row and line, written batch by batch."""
    import orjson

    first = True
    with path.open("wb") as file:
        for batch in relation.to_arrow_reader(_BATCH):
            for row in batch.to_pylist(maps_as_pydicts="lossy"):
                file.write(b"[\n" if first else b",\n")
                found = orjson.dumps(row, _plain, orjson.OPT_NON_STR_KEYS)
                file.write(json_text(found.decode()).encode())
                first = False
        file.write(b"[]\n" if first else b"\n]\n")


def _plain(value: Any) -> Any:
    """What JSON lacks: decimals as numbers, bytes as hexadecimal digits, the rest as text."""
    if isinstance(value, Decimal):
        return float(value)
    return value.hex() if isinstance(value, bytes) else str(value)


@contextmanager
def _executing() -> Iterator[None]:
    """Errors of writing a query's result as ours; those of running it are already."""
    try:
        yield
    except LakehouseError:
        raise
    except OSError as error:
        raise StorageError("The result can't be written.", found=error) from error
