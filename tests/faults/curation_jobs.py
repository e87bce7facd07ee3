"""What the victims do until they are killed: they curate, and change schemas."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import anndata
import numpy as np
import pandas as pd

import lakehouse as ln
import lakehouse.bionty as bt
import lakehouse.curators
import tests.faults.jobs  # imports what the engine needs, once
from lakehouse.cli.app import app
from lakehouse.config import settings
from lakehouse.formats import format_for
from lakehouse.identity import new_uid
from tests.faults.public_jobs import _lake

Acks = tests.faults.jobs.Acks
GENES = ("CD4", "CD8A", "FOXP3")
KINDS = ("one", "two", "three")
SCHEMA = "cells"
ROWS = 300

settings.verbosity = "error"
settings.creation.search_names = False
# what is imported lazily, once, before any fork
anndata.AnnData(np.ones((1, 1)), obs=pd.DataFrame({"a": pd.Categorical(["b"])}, index=["0"]))


def prepare() -> None:
    """The registries that all victims share: a schema of cells, with cell types and features."""
    for name in KINDS:
        bt.CellType(name=f"kind {name}").save()
    bt.CellType(name="with synonym", synonyms="synonym").save()
    obs = ln.Schema(
        [ln.Feature(name="kind", dtype=bt.CellType), ln.Feature(name="batch", dtype=str)],
        name="obs of cells",
    ).save()
    genes = ln.Schema([ln.Feature(name=gene, dtype=int) for gene in GENES]).save()
    outside = ln.Schema([ln.Feature(name="temperature", dtype=float)]).save()
    ln.Schema(
        name=SCHEMA, otype="AnnData", slots={"obs": obs, "uns": outside, "var.T": genes}
    ).save()
    ln.Schema([ln.Feature(name="changing 0", dtype=int)], name="changing").save()
    for i in range(1, 30):
        ln.Feature(name=f"changing {i}", dtype=int).save()


def cells(batch: str, *, synonym: bool = False) -> Any:
    """Three cells; no two batches have the same content."""
    kinds = ["with synonym" if not synonym else "synonym", *(f"kind {k}" for k in KINDS[:2])]
    return anndata.AnnData(
        np.random.default_rng().random((3, len(GENES))).astype("float32"),
        obs=pd.DataFrame({"kind": pd.Categorical(kinds), "batch": batch}, index=list("abc")),
        var=pd.DataFrame(index=list(GENES)),
        uns={"temperature": random.random()},
    )


def save_cells(root: str, acks: str) -> None:
    """Curate cells in memory, and save them with their report."""
    with _lake(root, acks) as (out, _):
        schema = ln.Schema.get(name=SCHEMA)
        while True:
            batch = new_uid()
            curator = ln.curators.AnnDataCurator(cells(batch), schema)
            saved = curator.save_artifact(key=f"cells/{batch}.h5ad", report=True)
            out.write(op="cells", key=saved.key, uid=saved.uid)


def standardize_cells(root: str, acks: str) -> None:
    """Curate files of cells with synonyms: copies of them are saved, they stay as they are."""
    with _lake(root, acks) as (out, folder):
        schema = ln.Schema.get(name=SCHEMA)
        while True:
            batch = new_uid()
            path = Path(folder) / f"{batch}.h5ad"
            format_for(path).write(cells(batch, synonym=True), path)
            curator = ln.curators.AnnDataCurator(str(path), schema)
            curator.standardize()
            saved = curator.save_artifact(key=f"cells/{batch}.h5ad", report=True)
            out.write(op="cells", key=saved.key, uid=saved.uid)


def change_schema(root: str, acks: str) -> None:
    """Save a table with a schema, then change the schema, over and over."""
    with _lake(root, acks) as (out, _):
        while True:
            schema = ln.Schema.get(name="changing")
            names = schema.members.to_list("name")
            frame = pd.DataFrame({n: [random.randrange(1 << 40)] for n in names})
            key = f"tables/{new_uid()}.parquet"
            saved = ln.curators.DataFrameCurator(frame, schema).save_artifact(key=key)
            out.write(op="table", key=key, uid=saved.uid, hash=saved.schema_hash)
            others = random.sample([f"changing {i}" for i in range(30)], 3)
            with ln.transaction():
                schema.features.set(ln.Feature.filter(name__in=others).to_list())
                schema.save()
            out.write(op="schema", hash=schema.hash)


def validate_file(root: str, acks: str) -> None:
    """`lakehouse validate` of a file with hundreds of wrong values, again and again."""
    with _lake(root, acks) as (out, folder):
        path = Path(folder) / "cells.parquet"
        wrong = [f"nothing like {i}" for i in range(ROWS)]
        pd.DataFrame({"kind": wrong, "batch": "b"}).to_parquet(path)
        reports = Path(acks).parent / "reports"
        reports.mkdir(exist_ok=True)
        while True:
            for suffix in (".html", ".json", ".csv", ".parquet"):
                report, rows = reports / f"{new_uid()}{suffix}", reports / f"{new_uid()}.parquet"
                out.write(op="report", path=str(report))
                args = ["validate", str(path), "--schema", "obs of cells"]
                app([*args, "--report", str(report), "--rows", str(rows)], standalone_mode=False)
