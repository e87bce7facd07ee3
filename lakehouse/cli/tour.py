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

import lakehouse as ln
import lakehouse.bionty as bt
from lakehouse.cli import output
from lakehouse.errors import LakeExists, MissingExtra
from lakehouse.text.printable import printable

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
    show(make_lake, storage)
    show(import_ontology)
    show(save_file, path)
    show(ask_for_columns)
    show(make_schema)
    show(save_cells)
    table = show(make_table)
    show(validate, table)
    table = show(mend, table)
    show(save_table, table)
    show(find_artifacts)
    show(query_sql)
    show(query_polars)
    show(look_back)
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


# -- The quickstart's steps, in the order in which they run


def make_lake(storage: Path) -> Any:
    """A lake is a folder. Everything below lies in it, as Parquet, Iceberg and SQLite files."""
    return ln.setup.init(storage=storage, modules="bionty")


def import_ontology() -> Any:
    """An ontology fills a registry in one commit: names, synonyms and hierarchy."""
    bt.CellType.import_source("blood-cells")
    return ln.sql("SELECT ontology_id, name, synonyms FROM cell_type WHERE name LIKE '%B cell'")


def save_file(path: Path) -> Any:
    """A single-cell file becomes an artifact: hashed, copied, versioned by its key."""
    ln.Artifact(path, key="pbmc/raw.h5ad", description="700 cells of 10x PBMC 68k").save()
    return ln.sql("SELECT uid, key, otype, n_observations, size, hash FROM artifact")


def ask_for_columns() -> Any:
    """Its columns became queryable by that. The file isn't opened here."""
    return ln.sql("""
        SELECT artifact_key, slot, column_name, type, n_rows
        FROM artifact_column WHERE slot = 'obs' ORDER BY position
    """)


def make_schema() -> Any:
    """A schema says what cells have to look like: here, cell types are terms."""
    with ln.transaction(message="what blood cells look like"):
        features = [
            ln.Feature(name="cell_type", dtype=bt.CellType).save(),
            ln.Feature(name="phase", dtype=str).save(),
            ln.Feature(name="n_genes", dtype=int).save(),
            ln.Feature(name="percent_mito", dtype=float).save(),
        ]
        obs = ln.Schema(name="blood cells", features=features).save()
        ln.Schema(name="blood cells, AnnData", otype="AnnData", slots={"obs": obs}).save()
    return ln.sql("SELECT name, dtype FROM feature ORDER BY name")


def save_cells() -> Any:
    """The file has labels of its own, which the ontology knows as synonyms. Now it is valid."""
    adata = ln.Artifact.get(key="pbmc/raw.h5ad").load()
    labels = adata.obs["bulk_labels"].astype(str)
    adata.obs["cell_type"] = bt.CellType.standardize(labels)
    schema = ln.Schema.get(name="blood cells, AnnData")
    ln.Artifact.from_anndata(adata, key="pbmc/cells.h5ad", schema=schema).save()
    return adata.obs.groupby(["bulk_labels", "cell_type"], observed=True).size()


def make_table() -> Any:
    """A table of the same cells, with two mistakes that happen: a synonym and a typo."""
    obs = ln.Artifact.get(key="pbmc/cells.h5ad").load().obs
    columns = ["cell_type", "phase", "n_genes", "percent_mito"]
    table = pl.from_pandas(obs[columns].astype({"cell_type": str}), include_index=True)
    mistakes = {"natural killer cell": "NK cell", "dendritic cell": "dentritic cell"}
    return table.with_columns(pl.col("cell_type").replace(mistakes))


def validate(table: pl.DataFrame) -> Any:
    """Saving it validates it first. All failures come at once, and nothing is saved."""
    schema = ln.Schema.get(name="blood cells")
    try:
        ln.Artifact.from_dataframe(table, key="pbmc/cells.parquet", schema=schema).save()
    except ln.errors.ValidationError as error:
        return error.report


def mend(table: pl.DataFrame) -> Any:
    """Synonyms are mapped to names. A typo is yours to mend; the report names the term."""
    names = pl.Series(bt.CellType.standardize(table["cell_type"]))
    names = names.replace({"dentritic cell": "dendritic cell"})
    return table.with_columns(cell_type=names)


def save_table(table: pl.DataFrame) -> Any:
    """Valid now: saved, and annotated with the cell types that are in it."""
    schema = ln.Schema.get(name="blood cells")
    ln.Artifact.from_dataframe(table, key="pbmc/cells.parquet", schema=schema).save()
    return ln.sql("""
        SELECT artifact_key, feature, registry, value FROM artifact_features
        WHERE artifact_key = 'pbmc/cells.parquet'
    """)


def find_artifacts() -> Any:
    """So both are found by what is in them."""
    found = ln.Artifact.filter(cell_type="natural killer cell")
    return found.to_polars().select("key", "otype", "n_observations").collect()


def query_sql() -> Any:
    """One SQL statement joins a table's content with the registries."""
    return ln.sql("""
        SELECT t.ontology_id, c.cell_type, count(*) AS cells, avg(c.n_genes) AS mean_genes
        FROM dataset('pbmc/cells.parquet') c JOIN cell_type t ON t.name = c.cell_type
        GROUP BY ALL ORDER BY cells DESC
    """)


def query_polars() -> Any:
    """The same data in polars, lazily."""
    cells = ln.Artifact.get(key="pbmc/cells.parquet")
    with cells.open(engine="polars") as lazy:
        phases = lazy.group_by("phase").agg(pl.len(), pl.col("percent_mito").mean())
        return phases.sort("phase").collect()


def look_back() -> Any:
    """All of it was a few commits. Any of them can be named, and asked."""
    lake = ln.current_lake()
    lake.tag("quickstart")
    commits = [(c.seq, c.message, ", ".join(c.tables)) for c in lake.log(5)]
    return pl.DataFrame(commits, schema=["commit", "message", "tables"], orient="row")
