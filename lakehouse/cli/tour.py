"""The quickstart's tour: says what a step does, shows its code, runs it, prints the result."""

from __future__ import annotations

import ast
import importlib.util
import inspect
import textwrap
from collections.abc import Callable
from pathlib import Path
from typing import Any

import duckdb
import polars as pl
from rich.padding import Padding
from rich.syntax import Syntax
from rich.text import Text

from lakehouse.cli import output, steps
from lakehouse.errors import LakeExists, MissingExtra
from lakehouse.printable import printable

_ALL_ROWS, _SOME_ROWS = 12, 6


def sample_file() -> Path:
    """700 blood cells of the 10x PBMC 68k data set, as they lie in scanpy's wheel.

    Raises:
        MissingExtra: scanpy isn't installed.
    """
    spec = importlib.util.find_spec("scanpy")  # finds it without importing it
    for folder in (spec and spec.submodule_search_locations) or []:
        path = Path(folder) / "datasets" / "10x_pbmc68k_reduced.h5ad"
        if path.is_file():
            return path
    raise MissingExtra(
        "The quickstart needs the sample file that comes with scanpy.",
        hint='pip install ".[quickstart]"',
    )


def run(storage: Path) -> None:
    """Run every step in a new lake.

    Raises:
        LakeExists: Something is at `storage` already.
        MissingExtra: The sample file isn't installed.
    """
    path = sample_file()
    if storage.exists():
        raise LakeExists(
            f"The quickstart makes a new lake, and {str(storage)!r} exists.",
            hint="lakehouse quickstart --storage another-folder",
        )
    show = Tour()
    show(steps.make_lake, storage)
    show(steps.import_ontology)
    show(steps.save_file, path)
    show(steps.ask_for_columns)
    show(steps.make_schema)
    show(steps.save_cells)
    table = show(steps.make_table)
    show(steps.validate, table)
    table = show(steps.mend, table)
    show(steps.save_table, table)
    show(steps.find_artifacts)
    show(steps.query_sql)
    show(steps.query_polars)
    show(steps.look_back)
    output.show(
        Text("\nThis folder is connected to the lake now. Try:"),
        Text("  lakehouse ls", style="cyan"),
        Text("  lakehouse describe --key pbmc/cells.parquet", style="cyan"),
        Text(
            "  lakehouse sql \"SELECT * FROM dataset('pbmc/cells.parquet') LIMIT 5\"", style="cyan"
        ),
    )


class Tour:
    """Runs steps and counts them."""

    def __init__(self) -> None:
        self._count = 0

    def __call__(self, step: Callable[..., Any], *args: Any) -> Any:
        """Show and run a step; gives what it returned."""
        self._count += 1
        output.show(
            Text(f"\n{self._count}. {inspect.getdoc(step)}", style="bold"),
            Padding(_coloured(code_of(step)), (0, 0, 0, 3), expand=False),
        )
        result = step(*args)
        if result is not None:
            output.show(Padding(_readable(result), (0, 0, 0, 3), expand=False))
        return result


def code_of(step: Callable[..., Any]) -> str:
    """The code of a step's body, without its docstring."""
    source = textwrap.dedent(inspect.getsource(step))
    function = ast.parse(source).body[0]
    assert isinstance(function, ast.FunctionDef)
    first, last = function.body[1], function.body[-1]
    body = "\n".join(source.splitlines()[first.lineno - 1 : last.end_lineno])
    return textwrap.dedent(body).replace("return ", "")


def _coloured(code: str) -> Text:
    made = Syntax(code, "python", theme="ansi_dark").highlight(code)
    made.rstrip()
    return made


def _readable(result: Any) -> Any:
    if isinstance(result, duckdb.DuckDBPyRelation):
        result = result.pl()
    if not isinstance(result, pl.DataFrame):
        return result if hasattr(result, "__rich__") else Text(printable(str(result)))
    title = f"{result.height} row{'' if result.height == 1 else 's'}"
    if result.height > _ALL_ROWS:
        title += f", the first {_SOME_ROWS}"
        result = result.head(_SOME_ROWS)
    return output.table(result.columns, result.iter_rows(), title=title)
