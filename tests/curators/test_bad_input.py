"""Datasets that are wrong in unusual ways: each is told, none is a crash."""

from __future__ import annotations

import anndata as ad
import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

import lakehouse as ln
import lakehouse.bionty as bt
from lakehouse.curation.data.chunks import CHUNK_ROWS
from lakehouse.errors import InvalidArgument, InvalidData, ValidationError

pytestmark = pytest.mark.usefixtures("lake")


@pytest.fixture
def schema(lake):
    kinds = ln.Record(name="Kinds", is_type=True).save()
    for name in ("a", "b", "1"):
        ln.Record(name=name, type=kinds).save()
    return ln.Schema(
        [
            ln.Feature(name="kind", dtype=kinds).save(),
            ln.Feature(name="n", dtype=float, nullable=False).save(),
        ],
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


@pytest.mark.slow
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
    study = ln.Schema(
        [ln.Feature(name="t", dtype=float).save(), ln.Feature(name="k", dtype=int).save()]
    ).save()
    schema = ln.Schema(slots={"attrs": study}, otype="DataFrame").save()
    df = pd.DataFrame({"x": [1]})
    df.attrs = {"t": np.float32(1.5), "k": np.int64(3)}
    ln.curators.DataFrameCurator(df, schema).validate()
    df.attrs = {"t": np.array([1.0, 2.0]), "k": None}
    found = ln.curators.DataFrameCurator(df, schema).check()
    assert {(f.column, f.rule) for f in found.failures} == {("t", "dtype")}


def test_parting_the_rows_of_files_and_lazy_frames(schema, tmp_path):
    path = tmp_path / "n.parquet"
    frame(n=[1.0, np.nan], kind=["a", "b"]).to_parquet(path)
    parted = ln.curators.DataFrameCurator(str(path), schema).filter()
    assert parted.good["n"].to_pylist() == [1.0]
    assert parted.bad["kind"].to_pylist() == ["b"]
    lazy = pl.LazyFrame({"x": [1, 2]})
    found = ln.curators.DataFrameCurator(lazy, schema).filter()
    assert found.good.collect().height == 2
    assert found.bad.collect().height == 0


def test_an_obs_with_repeated_names_cant_be_parted(schema):
    obs = ln.Schema(slots={"obs": schema}, otype="AnnData").save()
    adata = ad.AnnData(
        np.ones((2, 1), dtype="float32"), obs=frame().set_index(pd.Index(["x", "y"]))
    )
    adata.obs.columns = ["kind", "kind"]
    curator = ln.curators.AnnDataCurator(adata, obs)
    assert ("kind", "duplicates") in {(f.column, f.rule) for f in curator.check().failures}
    with pytest.raises(InvalidArgument, match="several columns of one name"):
        curator.filter()


def test_texts_that_are_no_unicode(schema):
    found = check(frame(kind=pd.Series(["\ud800", "a"], dtype=object)), schema)
    assert [(f.column, f.rule, f.rows) for f in found.failures] == [("kind", "dtype", (0,))]
    assert "no valid Unicode" in str(found)
    assert found.to_polars()["value"].to_list() == ["\\ud800"]
    str(found).encode()
    ln.curators.DataFrameCurator(
        frame(kind=pd.Series(["\ud800", "a"], dtype=object)), schema
    ).standardize()


def test_texts_that_are_long_or_hold_line_ends(schema):
    found = check(frame(kind=["x" * 100_000, "b\n[red]c[/red]"]), schema)
    assert len(str(found)) < 2_000
    assert len(found.to_html()) < 10_000
    assert '"b\\n[red]c[/red]"' in str(found)
    assert found.failures[0].value == "x" * 100_000


def test_numbers_in_categories_are_called_so(schema):
    assert "got categories of int" in str(check(frame(kind=pd.Categorical([1, 2])), schema))


def test_columns_of_files_that_hold_no_usual_type(schema, tmp_path):
    obs = ln.Schema(slots={"obs": schema}, otype="AnnData").save()
    df = frame(z=np.array([1 + 1j, 2])).set_index(pd.Index(["x", "y"]))
    adata = ad.AnnData(np.ones((2, 1), dtype="float32"), obs=df)
    adata.write_h5ad(tmp_path / "a.h5ad")
    ln.curators.AnnDataCurator(tmp_path / "a.h5ad", obs).validate()
    adata.obs["n"] = np.array([1 + 1j, 2])
    adata.write_h5ad(tmp_path / "b.h5ad")
    found = ln.curators.AnnDataCurator(tmp_path / "b.h5ad", obs).check()
    assert {(f.column, f.rule) for f in found.failures} == {("n", "dtype")}


@pytest.mark.parametrize(
    "values",
    [pd.arrays.SparseArray([1.0, 0.0], fill_value=0.0), [10**30, 1]],
    ids=["sparse", "huge"],
)
def test_valid_columns_that_a_file_cant_hold(lake, values):
    schema = ln.Schema([ln.Feature(name="n", dtype="num").save()]).save()
    curator = ln.curators.DataFrameCurator(frame(n=values), schema)
    curator.validate()
    with pytest.raises(InvalidData, match="can't be written as a Parquet file"):
        curator.save_artifact(key="x.parquet")


def test_categories_of_arrow_in_pandas_come_back(schema):
    kinds = pd.array(["a", "b"], pd.ArrowDtype(pa.dictionary(pa.int32(), pa.string())))
    artifact = ln.curators.DataFrameCurator(frame(kind=kinds), schema).save_artifact(
        key="x.parquet"
    )
    assert artifact.load()["kind"].tolist() == ["a", "b"]


def mixed():
    return pd.DataFrame({"kind": ["a", "zz", "b"], "n": ["x", 1, 2.5]}, index=["r", "s", "t"])


def test_what_no_file_can_hold_is_told_with_all_else_that_is_wrong(schema):
    with pytest.raises(ValidationError) as caught:
        ln.Artifact.from_dataframe(mixed(), key="mixed.parquet", schema=schema)
    assert {f.rule for f in caught.value.report.failures} == {"category", "dtype"}
    adata = ad.AnnData(np.zeros((3, 1)), obs=mixed())
    composite = ln.Schema(otype="AnnData", slots={"obs": schema}).save()
    with pytest.raises(ValidationError, match="in slot 'obs'"):
        ln.Artifact.from_anndata(adata, key="mixed.h5ad", schema=composite)
    with pytest.raises(InvalidData, match="can't be written"):
        ln.Artifact.from_dataframe(mixed(), key="mixed.parquet")
    assert not ln.Artifact.filter().exists()


def test_what_a_schema_makes_of_mixed_types_is_stored(lake):
    schema = ln.Schema([ln.Feature(name="n", dtype=str).save()], coerce=True).save()
    saved = ln.Artifact.from_dataframe(mixed()[["n"]], key="mixed.parquet", schema=schema).save()
    assert saved.load()["n"].to_dict() == {"r": "x", "s": "1", "t": "2.5"}
    other = mixed().assign(other=[1, "y", None])
    with pytest.raises(InvalidData, match="same type"):
        ln.Artifact.from_dataframe(other, key="other.parquet", schema=schema)


def test_standardizing_leaves_other_values_as_they_are(lake):
    ln.Feature(name="kind", dtype=bt.CellType).save()
    ln.Feature(name="kinds", dtype="list[cat[bionty.CellType]]").save()
    bt.CellType(name="B cell", synonyms="Bc").save()
    schema = ln.Schema([ln.Feature.get(name="kind"), ln.Feature.get(name="kinds")]).save()
    lists = [np.array(["Bc"]), {"B cell"}, None]
    df = pd.DataFrame({"kind": ["Bc", None, 1], "kinds": lists})
    ln.curators.DataFrameCurator(df, schema).standardize()
    assert df["kind"].tolist() == ["B cell", None, "1"]
    assert df["kinds"].tolist() == [["B cell"], ["B cell"], None]
    df = pd.DataFrame({"kind": ["Bc"] * 2, "kinds": ["Bc", {"Bc"}]})
    ln.curators.DataFrameCurator(df, schema).standardize()
    assert df["kinds"].tolist() == ["Bc", {"Bc"}]


def test_standardizing_stretches_without_values(lake):
    bt.CellType(name="B cell", synonyms="Bc").save()
    schema = ln.Schema([ln.Feature(name="kind", dtype=bt.CellType).save()]).save()
    df = pd.DataFrame({"kind": np.array([*[None] * CHUNK_ROWS, "Bc"], object)})
    ln.curators.DataFrameCurator(df, schema).cat.standardize("kind")
    assert df["kind"].iloc[-1] == "B cell"
    assert df["kind"].isna().sum() == CHUNK_ROWS


def test_texts_that_a_file_cant_hold(lake):
    schema = ln.Schema([ln.Feature(name="t", dtype=str).save()]).save()
    with pytest.raises(InvalidData, match="can't be written as a Parquet file"):
        ln.curators.DataFrameCurator(
            pd.DataFrame({"t": ["\udc80"]}, dtype=object), schema
        ).save_artifact(key="x.parquet")
