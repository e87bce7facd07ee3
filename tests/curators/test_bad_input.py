"""Datasets that are wrong in unusual ways: each is told, none is a crash."""

from __future__ import annotations

import anndata as ad
import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

import lakehouse as ln
from lakehouse.errors import InvalidArgument, ValidationError

pytestmark = pytest.mark.usefixtures("lake")


@pytest.fixture
def schema(lake):
    kinds = ln.Record(name="Kinds", is_type=True).save()
    for name in ("a", "b", "1"):
        ln.Record(name=name, type=kinds).save()
    return ln.Schema(
        [ln.Feature(name="kind", dtype=kinds), ln.Feature(name="n", dtype=float, nullable=False)],
        name="bad input",
    ).save()


def check(data, schema):
    return ln.curators.DataFrameCurator(data, schema).check()


def failures(data, schema):
    return {(f.column, f.rule) for f in check(data, schema).failures}


def frame(**columns):
    return pd.DataFrame({"kind": ["a", "b"], "n": [1.0, 2.0], **columns})


def test_unhashable_cells(schema):
    assert failures(frame(kind=[["a"], {"b": 1}]), schema) == {("kind", "dtype")}
    assert failures(frame(n=[[1.0], [2.0]]), schema) == {("n", "dtype")}


def test_columns_of_mixed_types(schema):
    found = check(frame(kind=["a", 1]), schema).failures
    assert {(f.column, f.rule) for f in found} == {("kind", "dtype")}
    assert "mixes types" in found[0].hint
    assert failures(frame(n=[1.0, "x"]), schema) == {("n", "dtype")}


def test_repeated_column_names(schema):
    df = pd.DataFrame([["a", "b", 1.0], ["b", "a", 2.0]], columns=["kind", "kind", "n"])
    assert failures(df, schema) == {("kind", "duplicates")}


def test_a_repeated_index(schema):
    df = frame()
    df.index = ["x", "x"]
    assert failures(df, schema) == set()
    curator = ln.curators.DataFrameCurator(df.assign(kind=["A", "b"]), schema)
    curator.cat.standardize("kind")
    assert curator.dataset["kind"].tolist() == ["a", "b"]


def test_missing_and_infinite_numbers(schema):
    assert failures(frame(n=[1.0, np.nan]), schema) == {("n", "null")}
    assert failures(frame(n=[np.inf, -np.inf]), schema) == set()
    bounded = ln.Schema(
        [ln.Feature.get(name="n")], constraints={"n": {"le": 1e300, "ge": -1e300}}
    ).save()
    assert failures(frame(n=[np.inf, -np.inf]), bounded) == {("n", "constraint")}


def test_empty_frames(schema):
    assert failures(frame().iloc[:0], schema) == set()
    assert failures(pd.DataFrame(), schema) == {("kind", "presence"), ("n", "presence")}
    assert ln.curators.DataFrameCurator(frame().iloc[:0], schema).filter().good.empty


def test_very_many_distinct_bad_values(schema):
    n = 100_000
    df = pd.DataFrame({"kind": [f"bad{i}" for i in range(n)], "n": np.arange(n, dtype=float)})
    report = check(df, schema)
    assert len(report.failures) == n
    assert len(str(report)) < 5_000
    assert len(report.to_html()) < 2_000_000
    assert report.to_polars().height == n


def test_categories_that_are_not_used_or_not_text(schema):
    unused = pd.Categorical(["a", "b"], categories=["a", "b", "never"])
    assert failures(frame(kind=unused), schema) == set()
    numbers = pd.Categorical([1, 2])
    assert failures(frame(kind=numbers), schema) == {("kind", "dtype")}
    missing = pd.Categorical(["a", None])
    assert failures(frame(kind=missing), schema) == set()


def test_bytes(schema):
    assert failures(frame(kind=[b"a", b"b"]), schema) == {("kind", "dtype")}
    table = pa.table({"kind": pa.array([b"a", b"b"]), "n": [1.0, 2.0]})
    assert failures(table, schema) == {("kind", "dtype")}


def test_names_of_columns_that_are_no_text(schema):
    df = frame()
    df.columns = [1, 2]
    assert failures(df, schema) == {("kind", "presence"), ("n", "presence")}
    many = pd.DataFrame({("kind", "x"): ["a"], ("n", "y"): [1.0]})
    assert failures(many, schema) == {("kind", "presence"), ("n", "presence")}


def test_a_schema_of_the_wrong_type_of_object(schema):
    adata = ad.AnnData(np.ones((1, 1), dtype="float32"))
    with pytest.raises(InvalidArgument, match="otype must be 'AnnData'"):
        ln.curators.AnnDataCurator(adata, schema)
    obs = ln.Schema(slots={"obs": schema}, otype="AnnData").save()
    with pytest.raises(InvalidArgument, match="another type of object"):
        ln.Artifact.from_dataframe(frame(), key="x.parquet", schema=obs)
    with pytest.raises(ValidationError, match="not in dataframe"):
        ln.curators.AnnDataCurator(adata, obs).validate()


def test_numpy_values_in_dictionaries(lake):
    study = ln.Schema([ln.Feature(name="t", dtype=float), ln.Feature(name="k", dtype=int)]).save()
    schema = ln.Schema(slots={"attrs": study}, otype="DataFrame").save()
    df = pd.DataFrame({"x": [1]})
    df.attrs = {"t": np.float32(1.5), "k": np.int64(3)}
    ln.curators.DataFrameCurator(df, schema).validate()
    df.attrs = {"t": np.array([1.0, 2.0]), "k": None}
    found = ln.curators.DataFrameCurator(df, schema).check()
    assert {(f.column, f.rule) for f in found.failures} == {("t", "dtype")}
