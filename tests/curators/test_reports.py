"""Reports as data: all rows, the good rows and the bad ones."""

from __future__ import annotations

import anndata as ad
import mudata
import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

import lakehouse as ln
from lakehouse.errors import InvalidArgument, ValidationError
from lakehouse.examples.datasets._spatial import without_pulling

pytestmark = pytest.mark.usefixtures("lake")


@pytest.fixture
def schema(lake):
    kinds = ln.Record(name="Kinds", is_type=True).save()
    for name in ("a", "b"):
        ln.Record(name=name, type=kinds).save()
    return ln.Schema(
        [
            ln.Feature(name="kind", dtype=kinds).save(),
            ln.Feature(name="n", dtype=float, nullable=False).save(),
        ],
        constraints={"n": {"ge": 0}},
    ).save()


BAD_KIND, BAD_N = {3, 5, 7, 9, 11, 13, 15}, {5, 6, 40}


def frame():
    kinds = ["x" if i in BAD_KIND else "ab"[i % 2] for i in range(50)]
    return pd.DataFrame({"kind": kinds, "n": [-1.0 if i in BAD_N else float(i) for i in range(50)]})


def test_all_rows_on_request(schema, tmp_path):
    curator = ln.curators.DataFrameCurator(frame(), schema)
    report = curator.check()
    assert [len(f.rows) for f in report.failures] == [5, 3]
    assert [f.count for f in report.failures] == [7, 3]
    with pytest.raises(InvalidArgument, match="first rows"):
        report.to_rows()
    rows = curator.check(all_rows=True).to_rows()
    assert set(rows.filter(pl.col("column") == "kind")["row"]) == BAD_KIND
    assert set(rows.filter(pl.col("rule") == "constraint")["row"]) == BAD_N
    curator.report.write_rows(tmp_path / "rows.parquet")
    assert pl.read_parquet(tmp_path / "rows.parquet").equals(rows)


@pytest.mark.parametrize("make", [lambda d: d, pl.from_pandas, pa.Table.from_pandas])
def test_good_rows_and_bad_ones(schema, make):
    data = make(frame())
    parted = ln.curators.DataFrameCurator(data, schema).filter()
    assert len(parted.bad) == len(BAD_KIND | BAD_N)
    assert len(parted.good) == 50 - len(parted.bad)
    assert type(parted.good) is type(data)
    assert repr(parted).startswith(f"Filtered(good=<{type(data).__name__}, {len(parted.good)} rows")
    ln.curators.DataFrameCurator(parted.good, schema).validate()
    with pytest.raises(ValidationError):
        ln.curators.DataFrameCurator(parted.bad, schema).validate()


def test_good_cells(schema):
    obs = frame().set_index(pd.Index([f"c{i}" for i in range(50)]))
    adata = ad.AnnData(np.zeros((50, 1), dtype="float32"), obs=obs)
    whole = ln.Schema(slots={"obs": schema}, otype="AnnData").save()
    parted = ln.curators.AnnDataCurator(adata, whole).filter()
    assert set(parted.bad.obs_names) == {f"c{i}" for i in BAD_KIND | BAD_N}
    assert parted.good.n_obs + parted.bad.n_obs == 50


def test_missing_columns_make_no_row_bad(schema):
    parted = ln.curators.DataFrameCurator(frame().drop(columns="n"), schema).filter()
    assert len(parted.bad) == len(BAD_KIND)
    assert {f.rule for f in parted.report.failures} == {"presence", "category"}


def test_good_cells_of_all_modalities(schema):
    obs = frame()[["kind", "n"]].set_index(pd.Index([f"c{i}" for i in range(50)]))

    def cells(name, table):
        values = np.arange(50, dtype="float32").reshape(50, 1)
        return ad.AnnData(values, obs=table, var=pd.DataFrame(index=[name]))

    with without_pulling(mudata):
        mdata = mudata.MuData({"rna": cells("g", obs), "prot": cells("p", obs[[]])})
        whole = ln.Schema(slots={"rna:obs": schema}, otype="MuData").save()
        curator = ln.curators.MuDataCurator(mdata, whole)
        good = curator.filter().good
        assert good.X.ravel().tolist() == [i for i in range(50) if i not in BAD_KIND | BAD_N]
        mdata.obs["kind"], mdata.obs["n"] = obs["kind"], obs["n"]
        both = ln.Schema(slots={"obs": schema}, otype="MuData").save()
        parted = ln.curators.MuDataCurator(mdata, both).filter()
        assert parted.bad["prot"].X.ravel().tolist() == sorted(BAD_KIND | BAD_N)


def test_a_report_is_found_from_its_artifact(schema):
    good = frame().iloc[:3].assign(n=1.0)
    curator = ln.curators.DataFrameCurator(good, schema)
    artifact = curator.save_artifact(key="good.parquet", report=True)
    report = artifact.artifacts.get(kind="report")
    assert report.key == "good.parquet.report.html"
    assert report.linked_by_artifacts.one() == artifact
    assert "valid" in report.cache().read_text()


def test_a_report_is_saved_with_its_artifact_or_not_at_all(schema):
    good = frame().iloc[:3].assign(n=1.0)
    lake = ln.orm.current_lake()
    before = len(lake.log())
    saved = ln.curators.DataFrameCurator(good, schema).save_artifact(
        key="good.parquet", report=True
    )
    assert len(lake.log()) == before + 1
    plain = ln.Artifact.from_dataframe(good, key="plain.parquet").save()
    before = len(lake.log())
    again = ln.curators.DataFrameCurator(plain, schema).save_artifact(report=True)
    assert (again, len(lake.log())) == (plain, before + 1)
    for artifact in (saved, again):
        assert artifact.artifacts.get(kind="report").cache().read_bytes()
        assert artifact.load().equals(good)
