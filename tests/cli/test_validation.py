"""`validate`: the verdict is the exit code, the report a file."""

from __future__ import annotations

import json

import pandas as pd
import polars as pl
import pytest

import lakehouse as ln
import lakehouse.bionty as bt


@pytest.fixture
def schema(run, lake):
    ln.connect(str(lake))
    features = [ln.Feature(name="n", dtype=int), ln.Feature(name="name", dtype=str)]
    return ln.Schema(features, name="rows").save()


def test_a_valid_file(run, schema, here):
    pl.DataFrame({"n": [1], "name": ["a"]}).write_csv(here / "good.csv")
    assert "valid" in run("validate", "good.csv", "--schema", "rows").output
    assert ln.Artifact.filter().count() == 0


@pytest.mark.parametrize("suffix", ["html", "json", "csv", "parquet"])
def test_an_invalid_file(run, schema, here, suffix):
    pl.DataFrame({"n": ["x", "1"]}).write_parquet(here / "bad.parquet")
    out = here / f"report.{suffix}"
    shown = run("validate", "bad.parquet", "--schema", "rows", "--report", out, code=1).output
    assert "presence" in shown
    text = out.read_bytes()
    assert b"dtype" in text
    if suffix == "json":
        assert {f["column"] for f in json.loads(text)} == {"n", "name"}
    rows = here / "rows.parquet"
    run("validate", "bad.parquet", "--schema", "rows", "--rows", rows, code=1)
    assert pl.read_parquet(rows)["row"].to_list() == [0, 1]


def test_what_cannot_be_validated(run, schema, here):
    (here / "notes.txt").write_text("hello")
    assert "no columns" in run("validate", "notes.txt", "--schema", "rows", code=2).output
    assert "no file" in run("validate", "gone.csv", "--schema", "rows", code=2).output
    (here / "a.csv").write_text("n\n1\n")
    assert "no schema named" in run("validate", "a.csv", "--schema", "row", code=2).output
    words = ("validate", "a.csv", "--schema", "rows", "--report", "x.pdf")
    assert ".html" in run(*words, code=2).output


def test_without_a_lake(run, here):
    (here / "a.csv").write_text("n\n1\n")
    assert "lake" in run("validate", "a.csv", "--schema", "rows", code=2).output


def test_damaged_files_and_reports_that_cannot_be_written(run, schema, here):
    (here / "a.parquet").write_bytes(b"PAR1 nothing")
    assert "a.parquet" in run("validate", "a.parquet", "--schema", "rows", code=2).output
    (here / "b.csv").write_text("n,name\n1,a\n")
    words = ("validate", "b.csv", "--schema", "rows", "--report", "no/such/folder/r.html")
    assert "folder" in run(*words, code=2).output


@pytest.mark.parametrize("option", ["--report", "--rows"])
def test_places_that_cannot_be_written_are_refused_before_the_file_is_read(run, here, option):
    words = ("validate", "gone.csv", "--schema", "rows", option, "no/folder/r.parquet")
    assert "no folder 'no/folder'" in run(*words, code=2).output


def test_addresses_are_told_to_be_downloaded(run, schema):
    shown = run("validate", "s3://bucket/x.parquet", "--schema", "rows", code=2).output
    assert "s3://bucket/x.parquet" in shown
    assert "download" in shown


def test_the_organism_of_a_cellxgene_file_chooses_the_schema(run, lake, here):
    ln.connect(str(lake))
    adata = ln.examples.datasets.small_dataset3_cellxgene(with_uns_organism=True)
    adata.uns["organism_ontology_term_id"] = "NCBITaxon:10090"
    adata.write_h5ad(here / "cells.h5ad")
    shown = run("validate", "cells.h5ad", "--schema", "cellxgene", code=1).output
    assert "mouse_feature_id" in shown
    shown = run("validate", "cells.h5ad", "--schema", "cellxgene:human", code=1).output
    assert "organism_ontology_term_id" in shown
    assert "martian" in run("validate", "cells.h5ad", "-s", "cellxgene:martian", code=2).output


def test_a_file_that_is_not_there_changes_nothing(run, lake, here):
    before = run("log").output
    shown = run("validate", "missing.h5ad", "--schema", "cellxgene", code=2).stderr
    assert "There is no file or folder 'missing.h5ad'." in shown
    assert run("log").output == before


def test_features_of_an_older_dtype_are_no_obstacle_to_cellxgene(run, lake, here):
    ln.connect(str(lake))
    older = "cat[bionty.Gene[organism__name='human'].ensembl_gene_id]"
    ln.Feature(name="human_feature_id", dtype=older).save()
    ln.Feature(name="donor_id", dtype="cat[ULabel]").save()
    ln.examples.datasets.small_dataset3_cellxgene().write_h5ad(here / "cells.h5ad")
    first = run("validate", "cells.h5ad", "--schema", "cellxgene", code=1)
    assert "donor_id" not in first.output  # texts are valid: it isn't the older feature's ULabel
    again = run("validate", "cells.h5ad", "--schema", "cellxgene", code=1)
    assert "returning" not in again.stderr
    told = [line for line in again.stderr.splitlines() if "isn't registered" in line]
    assert len(told) == len(set(told)) > 0
    assert ln.Feature.get(name="human_feature_id", type=None).dtype == older
    assert ln.Feature.filter(name="donor_id", type__name="CELLxGENE").one().dtype == "str"
    assert ln.Feature.filter(is_type=True).count() == 1


def test_terms_of_public_sources_are_valid_and_stay_there(run, lake, here):
    ln.connect(str(lake))
    cells = pd.DataFrame({"ontology_id": ["CL:0", "CL:1"], "name": ["cell", "T cell"]})
    entity = {"entity": "bionty.CellType", "organism": "all", "currently_used": True}
    bt.CellType.add_source(bt.Source(name="cl", version="1", **entity), df=cells)
    ln.Schema([ln.Feature(name="cell", dtype=bt.CellType).save()], name="cells").save()
    cells.rename(columns={"name": "cell"}).to_csv(here / "cells.csv")
    run("validate", "cells.csv", "--schema", "cells")
    assert bt.CellType.filter().count() == 0
