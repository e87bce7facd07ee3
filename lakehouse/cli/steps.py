"""The quickstart's steps, in the order in which they run.

What a reader sees is what runs: the tour prints a step's docstring, its code and its result.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import polars as pl

import lakehouse as ln
import lakehouse.bionty as bt
from lakehouse.ontology import extract


def make_lake(storage: Path) -> Any:
    """A lake is a folder. Everything below lies in it, as Parquet, Iceberg and SQLite files."""
    return ln.setup.init(storage=storage, modules="bionty")


def import_ontology() -> Any:
    """An ontology fills a registry in one commit: names, synonyms and hierarchy."""
    bt.CellType.import_source(extract("blood-cells"))
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
    """A schema says what a table of cells has to look like; cell types are terms."""
    return ln.Schema(
        name="blood cells",
        features=[
            ln.Feature(name="cell_type", dtype=bt.CellType).save(),
            ln.Feature(name="phase", dtype=str).save(),
            ln.Feature(name="n_genes", dtype=int).save(),
            ln.Feature(name="percent_mito", dtype=float).save(),
        ],
    ).save()


def make_table() -> Any:
    """A table of the same cells, with two mistakes that happen: a synonym and a typo."""
    obs = ln.Artifact.get(key="pbmc/raw.h5ad").load().obs
    names = bt.CellType.standardize(obs["bulk_labels"].astype(str))  # the file has its own names
    mistakes = {"natural killer cell": "NK cell", "dendritic cell": "dentritic cell"}
    columns = obs[["phase", "n_genes", "percent_mito"]].reset_index(names="cell")
    return pl.from_pandas(columns).with_columns(
        pl.Series("cell_type", names).replace(mistakes),
    )


def validate(table: pl.DataFrame) -> Any:
    """Saving it validates it first. All failures come at once, and nothing is saved."""
    schema = ln.Schema.get(name="blood cells")
    try:
        ln.Artifact.from_dataframe(table, key="pbmc/cells.parquet", schema=schema).save()
    except ln.errors.ValidationError as error:
        return error.report


def mend(table: pl.DataFrame) -> Any:
    """Synonyms are mapped to names; a typo is yours to mend, the report names the term."""
    names = pl.Series(bt.CellType.standardize(table["cell_type"].to_list()))
    return table.with_columns(
        cell_type=names.replace({"dentritic cell": "dendritic cell"})
    )


def save_table(table: pl.DataFrame) -> Any:
    """Valid now: saved, and annotated with the cell types that are in it."""
    schema = ln.Schema.get(name="blood cells")
    ln.Artifact.from_dataframe(table, key="pbmc/cells.parquet", schema=schema).save()
    return ln.sql("SELECT artifact_key, feature, registry, value FROM artifact_features")


def find_artifacts() -> Any:
    """So it is found by what is in it."""
    return ln.Artifact.filter(cell_type="natural killer cell").to_polars().select("uid", "key").collect()


def query_sql() -> Any:
    """One SQL statement joins the table's content with the registries."""
    return ln.sql("""
        SELECT t.ontology_id, c.cell_type, count(*) AS cells, avg(c.n_genes) AS mean_genes
        FROM dataset('pbmc/cells.parquet') c JOIN cell_type t ON t.name = c.cell_type
        GROUP BY ALL ORDER BY cells DESC
    """)


def query_polars() -> Any:
    """The same in polars, lazily."""
    cells = ln.Artifact.get(key="pbmc/cells.parquet")
    with cells.open(engine="polars") as lazy:
        return (
            lazy.group_by("phase")
            .agg(pl.len().alias("cells"), pl.col("percent_mito").mean())
            .sort("phase")
            .collect()
        )


def look_back() -> Any:
    """Each step was one commit. Any of them can be named, and asked."""
    lake = ln.current_lake()
    lake.tag("quickstart")
    commits = [(c.seq, c.message, ", ".join(c.tables)) for c in lake.log()]
    return pl.DataFrame(commits, schema=["commit", "message", "tables"], orient="row")
