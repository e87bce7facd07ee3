"""The calls that reports advise do what they promise, as they are written."""

from __future__ import annotations

import re
from typing import Annotated, Any

import anndata as ad
import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from pydantic import Field

import lakehouse as ln
import lakehouse.bionty as bt
from lakehouse.curation import Failure
from lakehouse.errors import InvalidArgument, UnknownColumn, ValidationError

pytestmark = pytest.mark.usefixtures("lake")


class Cells(ln.DatasetModel, maximal_set=True, ordered_set=True):
    cell_type: bt.CellType
    assay: bt.ExperimentalFactor
    dose: float
    age: Annotated[int, Field(ge=0)]
    donor: str


BROKEN: dict[str, Any] = {
    "dose": ["1", "2", "3", "4"],
    "cell_type": ["B-cell", "new", "B cell", "B-cell"],
    "assay": ["RNA-seq", "old", "old", "RNA-seq"],
    "age": [1, -1, 2, 3],
    "donr": ["a", "b", None, "c"],
    "note": ["x", "y", "z", "w"],
}
# To be called in this order: columns first, rows last.
RULES = ["presence", "extra", "order", "dtype", "category", "null", "constraint"]


@pytest.fixture(autouse=True)
def terms(lake):
    bt.CellType(name="B cell", synonyms="B-cell").save()
    bt.ExperimentalFactor(name="RNA-Seq", synonyms="RNA-seq").save()


def call_of(failure: Failure) -> str:
    found = re.search(r" via: (.+)$", failure.hint)
    assert found, failure.hint
    return found[1]


def mended(curator: Any) -> Any:
    """Follow the advice of the first failure until nothing is wrong; gives the good rows."""
    known = {"curator": curator, "good": None}
    for _ in range(20):
        failures = sorted(curator.check().failures, key=lambda f: RULES.index(f.rule))
        if not failures or known["good"] is not None:
            return known["good"]
        exec(call_of(failures[0]), known)
        told = {(f.slot, f.column, f.rule, f.value) for f in curator.check().failures}
        first = failures[0]
        assert known["good"] is not None or (
            (first.slot, first.column, first.rule, first.value) not in told
        )
    raise AssertionError(str(curator.report))


@pytest.mark.slow
@pytest.mark.parametrize("make", [pd.DataFrame, pl.DataFrame, pa.table])
def test_tables(make):
    curator = ln.curators.DataFrameCurator(make(BROKEN), Cells)
    assert {f.rule for f in curator.check().failures} == {*RULES} - {"null"}
    good = mended(curator)
    assert type(good) is type(make(BROKEN))
    ln.curators.DataFrameCurator(good, Cells).validate()
    kept = good.to_pylist() if isinstance(good, pa.Table) else pl.DataFrame(good).to_dicts()
    assert kept == [
        {"cell_type": "B cell", "assay": "RNA-Seq", "dose": 1.0, "age": 1, "donor": "a"},
        {"cell_type": "B cell", "assay": "RNA-Seq", "dose": 4.0, "age": 3, "donor": "c"},
    ]


@pytest.mark.slow
def test_cells():
    class Whole(ln.DatasetModel, otype="AnnData"):
        obs: Cells

    obs = pd.DataFrame(BROKEN, index=list("abcd"))
    adata = ad.AnnData(np.arange(4, dtype="float32").reshape(4, 1), obs=obs)
    curator = ln.curators.AnnDataCurator(adata, Whole)
    good = mended(curator)
    assert good.obs_names.to_list() == ["a", "d"]
    assert good.X.ravel().tolist() == [0, 3]
    ln.curators.AnnDataCurator(good.copy(), Whole).validate()


def test_values_that_cant_be_converted_are_named():
    curator = ln.curators.DataFrameCurator(pd.DataFrame({**BROKEN, "dose": list("12x4")}), Cells)
    with pytest.raises(ValidationError, match="'x'"):
        curator.convert("dose")
    assert curator.dataset["dose"].to_list() == list("12x4")
    for call in (curator.drop, curator.convert):
        with pytest.raises(UnknownColumn, match="dose"):
            call("doze")
    with pytest.raises(UnknownColumn, match="dose"):
        curator.rename({"doze": "dose"})


def test_dictionaries(lake):
    class Study(ln.DatasetModel):
        title: str

    schema = ln.Schema(slots={"attrs": Study.to_schema().save()}, otype="DataFrame").save()
    df = pd.DataFrame({"a": [1]})
    df.attrs = {"titel": "x", "more": 1}
    part = ln.curators.DataFrameCurator(df, schema).slots["attrs"]
    part.rename({"titel": "title"})
    part.drop("more")
    part.validate()
    assert df.attrs == {"title": "x"}


def test_errors_of_artifacts(lake):
    kinds = ln.ULabel(name="Kind", is_type=True).save()
    schema = ln.Schema(
        [
            ln.Feature(name="cell_type", dtype=bt.CellType).save(),
            ln.Feature(name="kind", dtype=kinds).save(),
        ]
    ).save()
    df = pd.DataFrame({"cell_type": ["B-cell", "new"], "kind": ["a", "a"]})
    with pytest.raises(ValidationError) as error:
        ln.Artifact.from_dataframe(df, key="a.parquet", schema=schema).save()
    calls = [line.partition(" via: ")[2] for line in str(error.value).splitlines()]
    values = [eval(call, {"ln": ln, "bt": bt}) for call in calls if call]
    assert values[0] == ["B cell"]
    df["cell_type"] = [*values[0], "new"]
    ln.Artifact.from_dataframe(df, key="a.parquet", schema=schema).save()
    assert ln.ULabel.get(name="a").type == kinds


def test_files_are_advised_like_objects(tmp_path):
    class Whole(ln.DatasetModel, otype="AnnData"):
        obs: Cells

    adata = ad.AnnData(np.ones((4, 1), dtype="float32"), obs=pd.DataFrame(BROKEN, index=[*"abcd"]))
    adata.write_h5ad(tmp_path / "a.h5ad")
    report = ln.curators.AnnDataCurator(tmp_path / "a.h5ad", Whole).check()
    same = ln.curators.AnnDataCurator(adata, Whole).check()
    assert [f.hint for f in report.failures] == [f.hint for f in same.failures]
    assert any(".rename(" in f.hint for f in report.failures)


def test_a_key_that_is_no_categorical_column_is_told_with_those_that_are():
    frame = pd.DataFrame({"cell_type": ["B cell"], "donor": ["a"], "other": [1]})
    features = [
        ln.Feature(name="cell_type", dtype=bt.CellType),
        ln.Feature(name="donor", dtype=str),
    ]
    curator = ln.curators.DataFrameCurator(frame, ln.Schema(features).save())
    for key, said in (
        ("nope", "There is no column 'nope'"),
        ("donor", "its dtype is str"),
        ("other", "it is no feature"),
    ):
        with pytest.raises(UnknownColumn, match=said) as caught:
            curator.cat.standardize(key)
        assert "cell_type, columns" in caught.value.expected
        assert caught.value.hint is None
    with pytest.raises(UnknownColumn) as caught:
        curator.cat.add_new_from("celltype")
    assert caught.value.hint == "curator.cat.add_new_from('cell_type')"
    with pytest.raises(InvalidArgument, match="have no synonyms"):
        curator.cat.standardize("columns")


def test_columns_that_are_synonyms_of_terms_are_renamed():
    schema = ln.Schema(itype=bt.CellType.name, maximal_set=True).save()
    frame = pd.DataFrame({"B-cell": [1]})
    curator = ln.curators.DataFrameCurator(frame, schema)
    failure = curator.check().failures[0]
    eval(call_of(failure), {"curator": curator})
    assert frame.columns.tolist() == ["B cell"]
    assert curator.check().ok
