"""Curating MuData, SpatialData and SOMA experiments, in memory and from files."""

from __future__ import annotations

import warnings

import anndata as ad
import numpy as np
import pandas as pd
import pytest

import lakehouse as ln
import lakehouse.bionty as bt
from lakehouse.errors import UnknownField, UnreadableFile, ValidationError
from lakehouse.examples.datasets._spatial import without_pulling
from lakehouse.formats.soma.write import with_named_layers, write_anndata
from tests.curators.conftest import GENES
from tests.optional import installed_or_skip

pytestmark = pytest.mark.usefixtures("lake")


@pytest.fixture
def terms(registered):
    return {
        "obs": ln.Schema([ln.Feature(name="cell_type", dtype=bt.CellType)]).save(),
        "symbols": ln.Schema(itype=bt.Gene.symbol).save(),
        "ids": ln.Schema(itype=bt.Gene.ensembl_gene_id, maximal_set=True).save(),
        "study": ln.Schema(
            [ln.Feature(name="temperature", dtype=float), ln.Feature(name="experiment", dtype=str)]
        ).save(),
    }


def cells(names, cell_types=("B cell", "T cell")):
    return ad.AnnData(
        np.ones((2, len(names)), dtype="float32"),
        obs=pd.DataFrame({"cell_type": pd.Categorical(cell_types)}, index=["a", "b"]),
        var=pd.DataFrame({"n": range(len(names))}, index=list(names)),
    )


# -- MuData ------------------------------------------------------------------------------------


@pytest.fixture
def mdata():
    mudata = installed_or_skip("mudata")
    with without_pulling(mudata):
        made = mudata.MuData({"rna": cells(GENES, ("B-cell", "T cell")), "adt": cells(["p1"])})
    made.obs["dose"] = [1.0, 2.0]
    made.uns["study"] = {"temperature": 21.6, "experiment": "one"}
    return made


@pytest.fixture
def mudata_schema(terms):
    return ln.Schema(
        otype="MuData",
        slots={
            "obs": ln.Schema([ln.Feature(name="dose", dtype=float)]),
            "rna:obs": terms["obs"],
            "rna:var": terms["symbols"],
            "uns:study": terms["study"],
        },
    ).save()


@pytest.mark.parametrize("from_file", [False, True])
def test_mudata(mdata, mudata_schema, from_file, tmp_path):
    if from_file:
        ln.Artifact.from_mudata(mdata, key="x.h5mu")._payload.format.write(
            mdata, tmp_path / "x.h5mu"
        )
    curator = ln.curators.MuDataCurator(tmp_path / "x.h5mu" if from_file else mdata, mudata_schema)
    assert list(curator.slots) == ["obs", "rna:obs", "rna:var", "uns:study"]
    with pytest.raises(ValidationError, match="'rna:obs'"):
        curator.validate()
    assert curator.slots["rna:obs"].cat.non_validated == {"cell_type": ["B-cell"]}


def test_a_mudata_file_is_standardized_into_a_copy(mdata, mudata_schema, tmp_path):
    path = tmp_path / "x.h5mu"
    ln.Artifact.from_mudata(mdata, key="x.h5mu")._payload.format.write(mdata, path)
    stored = path.read_bytes()
    curator = ln.curators.MuDataCurator(path, mudata_schema)
    curator.slots["rna:obs"].cat.standardize("cell_type")
    curator.slots["uns:study"].put({"experiment": "two"})
    saved = curator.save_artifact(key="study.h5mu").load()
    assert path.read_bytes() == stored
    assert saved.mod["rna"].obs["cell_type"].tolist() == ["B cell", "T cell"]
    assert saved.uns["study"] == {"temperature": 21.6, "experiment": "two"}
    assert saved.mod["adt"].n_vars == 1


def test_mudata_is_standardized_and_saved(mdata, mudata_schema):
    curator = ln.curators.MuDataCurator(mdata, mudata_schema)
    curator.slots["rna:obs"].cat.standardize("cell_type")
    artifact = curator.save_artifact(key="study.h5mu")
    assert (artifact.otype, artifact.n_observations) == ("MuData", 2)
    assert artifact.schema == mudata_schema
    assert set(artifact.features.slots) == {"obs", "rna:obs", "rna:var", "uns:study"}
    assert set(artifact.cell_types.to_list("name")) == {"B cell", "T cell"}
    assert artifact.load().mod["rna"].obs["cell_type"].tolist() == ["B cell", "T cell"]
    again = ln.curators.MuDataCurator(artifact, mudata_schema)
    again.validate()
    with pytest.raises(UnknownField, match="no slot"):
        ln.curators.MuDataCurator(
            mdata, ln.Schema(otype="MuData", slots={"atac:obs": mudata_schema.slots["obs"]}).save()
        )


# -- SpatialData -------------------------------------------------------------------------------


@pytest.fixture
def sdata():
    installed_or_skip("spatialdata")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import spatialdata

        made = spatialdata.SpatialData(tables={"table": cells([*GENES.values(), "NEW"])})
    made.attrs["study"] = {"temperature": 21.6, "experiment": "one"}
    return made


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")  # of spatialdata's many dependencies
def test_spatialdata(sdata, terms, tmp_path):
    schema = ln.Schema(
        otype="SpatialData",
        slots={
            "attrs:study": terms["study"],
            "tables:table:obs": terms["obs"],
            "tables:table:var.T": terms["ids"],
        },
    ).save()
    curator = ln.curators.SpatialDataCurator(sdata, schema)
    with pytest.raises(ValidationError, match="NEW"):
        curator.validate()
    assert curator.slots["tables:table:var.T"].cat.non_validated == {"columns": ["NEW"]}
    sdata.tables["table"] = sdata.tables["table"][:, :2].copy()
    curator.validate()
    artifact = ln.Artifact.from_spatialdata(sdata, key="blobs.zarr", schema=schema).save()
    assert (artifact.otype, artifact.n_observations) == ("SpatialData", 2)
    assert set(artifact.features.slots) == set(schema.slots)
    assert list(artifact.load().tables) == ["table"]
    ln.curators.SpatialDataCurator(artifact, schema).validate()
    with pytest.raises(UnreadableFile, match="holds no MuData"):
        ln.Artifact.from_mudata(artifact.cache(), key="copy.zarr", skip_hash_lookup=True)


@pytest.mark.filterwarnings("ignore")  # of spatialdata's many dependencies
@pytest.mark.slow
def test_attributes_of_stored_spatialdata_are_mended_in_a_copy(sdata, terms, tmp_path):
    sdata.tables["table"] = sdata.tables["table"][:, :2].copy()
    sdata.attrs.update(lab="ours", study={"temperature": 21.6, "cell_type": "B-cell"})
    sdata.write(tmp_path / "blobs.zarr")
    schema = ln.Schema(otype="SpatialData", slots={"attrs:study": terms["obs"]}).save()
    curator = ln.curators.SpatialDataCurator(tmp_path / "blobs.zarr", schema)
    curator.slots["attrs:study"].cat.standardize("cell_type")
    loaded = curator.save_artifact(key="blobs.zarr").load()
    assert loaded.attrs["study"] == {"temperature": 21.6, "cell_type": "B cell"}
    assert loaded.attrs["lab"] == "ours"
    assert loaded.tables["table"].n_obs == 2
    with pytest.raises(ValidationError, match="B-cell"):  # the file itself stays as it was
        ln.curators.SpatialDataCurator(tmp_path / "blobs.zarr", schema).validate()


# -- SOMA --------------------------------------------------------------------------------------


@pytest.mark.filterwarnings("ignore")  # of tiledbsoma's dependencies
def test_soma(terms, tmp_path):
    soma = installed_or_skip("tiledbsoma")
    path = str(tmp_path / "small.tiledbsoma")
    write_anndata(path, with_named_layers(cells(GENES.values())), "RNA")
    ids = ln.Schema([ln.Feature(name="var_id", dtype=bt.Gene.ensembl_gene_id)], coerce=True).save()
    schema = ln.Schema(otype="tiledbsoma", slots={"obs": terms["obs"], "ms:RNA.T": ids}).save()
    with soma.Experiment.open(path) as experiment:
        curator = ln.curators.TiledbsomaExperimentCurator(experiment, schema)
        curator.validate()
        artifact = curator.save_artifact(key="soma.tiledbsoma", description="an experiment")
    assert (artifact.otype, artifact.n_observations) == ("tiledbsoma", 2)
    assert artifact.schema == schema
    assert set(artifact.features.slots) == {"obs", "ms:RNA.T"}
    names = ln.Schema(otype="tiledbsoma", slots={"ms:RNA.T": terms["ids"]}).save()
    ln.curators.TiledbsomaExperimentCurator(path, names).validate()
    other = str(tmp_path / "other.tiledbsoma")
    changed = with_named_layers(cells(["X", "Y"], ("B-cell", "Z")))
    write_anndata(other, changed, "RNA")
    wrong = ln.curators.TiledbsomaExperimentCurator(other, schema)
    with pytest.raises(ValidationError, match="B-cell"):
        wrong.validate()
