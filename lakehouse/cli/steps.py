"""The quickstart's steps, in the order in which they run.

What a reader sees is what runs: the tour prints a step's docstring, its code and its result.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import polars as pl

import lakehouse as ln
import lakehouse.bionty as bt


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
