"""Curating AnnData: obs, var, gene ids, uns; in memory, backed and from files."""

from __future__ import annotations

import anndata as ad
import numpy as np
import pandas as pd
import pytest

import lakehouse as ln
import lakehouse.bionty as bt
from lakehouse.errors import InvalidArgument, UnknownField, ValidationError
from lakehouse.examples.datasets import mini_immuno
from lakehouse.formats import format_for
from tests.curators.conftest import GENES

pytestmark = pytest.mark.usefixtures("lake")


@pytest.fixture
def terms(registered):
    return {
        "obs": ln.Schema([ln.Feature(name="cell_type", dtype=bt.CellType)]).save(),
        "genes": ln.Schema(itype=bt.Gene.ensembl_gene_id).save(),
        "study": ln.Schema(
            [ln.Feature(name="temperature", dtype=float), ln.Feature(name="experiment", dtype=str)]
        ).save(),
    }


def cells(names=tuple(GENES.values()), cell_types=("B cell", "T cell")):
    return ad.AnnData(
        np.ones((2, len(names)), dtype="float32"),
        obs=pd.DataFrame({"cell_type": pd.Categorical(cell_types)}, index=["a", "b"]),
        var=pd.DataFrame({"n": range(len(names))}, index=list(names)),
    )


def schema_of(**slots):
    slots = {name.replace("__", ":").replace("_T", ".T"): part for name, part in slots.items()}
    return ln.Schema(slots=slots, otype="AnnData").save()


@pytest.fixture(params=["memory", "h5ad", "zarr", "backed"])
def given(request, tmp_path):
    """Makes a dataset of the kind that a curator is to take."""
    opened = []

    def make(adata):
        if request.param == "memory":
            return adata
        suffix = "zarr" if request.param == "zarr" else "h5ad"
        path = tmp_path / f"cells{len(opened)}.{suffix}"
        format_for(path).write(adata, path)
        if request.param != "backed":
            return path
        opened.append(ad.read_h5ad(path, backed="r"))
        return opened[-1]

    yield make
    for adata in opened:
        adata.file.close()


@pytest.mark.slow
def test_every_slot_is_read_wherever_it_is(terms, given):
    schema = schema_of(obs=terms["obs"], var_T=terms["genes"], uns__study=terms["study"])
    adata = cells()
    adata.uns["study"] = {"temperature": 21.6, "experiment": "one"}
    curator = ln.curators.AnnDataCurator(given(adata), schema)
    curator.validate()
    assert list(curator.slots) == ["obs", "var.T", "uns:study"]
    wrong = cells(names=["ENSG00000153563", "TYPO"], cell_types=("B-cell", "X"))
    wrong.uns["study"] = {"temperature": "warm"}
    curator = ln.curators.AnnDataCurator(given(wrong), schema)
    with pytest.raises(ValidationError) as error:
        curator.validate()
    for text in ("'obs'", "B-cell", "temperature", "experiment"):
        assert text in str(error.value)
    assert 'curator.slots["obs"].cat.standardize("cell_type")' in str(error.value)
    assert curator.slots["obs"].cat.non_validated == {"cell_type": ["B-cell", "X"]}
    assert curator.report.failures[0].slot == "obs"


def test_obs_is_standardized_in_place_and_saved(terms):
    adata = cells(cell_types=("B-cell", "T cell"))
    schema = schema_of(obs=terms["obs"], var_T=terms["genes"])
    curator = ln.curators.AnnDataCurator(adata, schema)
    with pytest.raises(ValidationError):
        curator.save_artifact(key="cells.h5ad")
    curator.slots["obs"].cat.standardize("cell_type")
    assert adata.obs["cell_type"].tolist() == ["B cell", "T cell"]
    artifact = curator.save_artifact(key="cells.h5ad")
    assert artifact.schema == schema
    slots = artifact.features.slots
    assert set(slots) == {"obs", "var.T"}
    assert slots["var.T"].itype == "bionty.Gene.ensembl_gene_id"
    assert set(slots["var.T"].members.to_list("symbol")) == set(GENES)
    assert artifact.load().obs["cell_type"].tolist() == ["B cell", "T cell"]


@pytest.mark.slow
@pytest.mark.parametrize("suffix", ["h5ad", "zarr"])
def test_a_file_is_standardized_into_a_copy(terms, tmp_path, suffix):
    path = tmp_path / f"cells.{suffix}"
    adata = cells(cell_types=("B-cell", "T cell"))
    adata.obs["note"] = pd.array([1, None], dtype="Int64")
    adata.obs["score"] = [np.nan, 0.5]
    adata.uns["kept"] = {"a": np.arange(3)}
    format_for(path).write(adata, path)
    stored = content_of(path)
    curator = ln.curators.AnnDataCurator(path, schema_of(obs=terms["obs"], var_T=terms["genes"]))
    with pytest.raises(ValidationError, match="standardize"):
        curator.save_artifact(key=f"c.{suffix}")
    curator.slots["obs"].cat.standardize("cell_type")
    curator.validate()
    artifact = curator.save_artifact(key=f"c.{suffix}")
    assert content_of(path) == stored
    loaded = artifact.load()
    assert loaded.obs["cell_type"].tolist() == ["B cell", "T cell"]
    assert loaded.obs.drop(columns="cell_type").equals(adata.obs.drop(columns="cell_type"))
    assert list(loaded.obs) == list(adata.obs)
    assert loaded.obs["cell_type"].dtype == "category"
    assert (loaded.X == adata.X).all()
    assert loaded.var.equals(adata.var)
    assert loaded.uns["kept"]["a"].tolist() == [0, 1, 2]
    assert artifact.schema == curator.schema


def content_of(path):
    files = [path] if path.is_file() else sorted(p for p in path.rglob("*") if p.is_file())
    return {file.name if file == path else str(file): file.read_bytes() for file in files}


@pytest.mark.slow
@pytest.mark.parametrize("suffix", ["h5ad", "zarr"])
def test_columns_of_a_file_are_renamed_dropped_converted_and_added(terms, tmp_path, suffix):
    path = tmp_path / f"cells.{suffix}"
    adata = cells()
    adata.obs = adata.obs.rename(columns={"cell_type": "celltype"})
    adata.obs["age"] = ["1", "2"]
    adata.obs["junk"] = [True, False]
    adata.uns["study"] = {"temperature": 21.6, "experiment": "one", "junk": 1}
    format_for(path).write(adata, path)
    obs = ln.Schema(
        [
            ln.Feature(name="cell_type", dtype=bt.CellType),
            ln.Feature(name="age", dtype=int),
            ln.Feature(name="site", dtype=str, default_value="here"),
            ln.Feature(name="weight", dtype=float).with_config(optional=True),
        ],
        maximal_set=True,
    ).save()
    curator = ln.curators.AnnDataCurator(path, schema_of(obs=obs, uns__study=terms["study"]))
    assert not curator.check().ok
    part = curator.slots["obs"]
    part.rename({"celltype": "cell_type"})
    part.drop("junk")
    part.convert("age")
    curator.slots["uns:study"].drop("junk")
    curator.slots["uns:study"].put({"experiment": "two"})
    curator.standardize()
    part.reorder()
    loaded = curator.save_artifact(key=f"c.{suffix}").load()
    assert list(loaded.obs) == ["cell_type", "age", "site", "weight"]
    assert loaded.obs["age"].tolist() == [1, 2]
    assert loaded.obs["site"].tolist() == ["here", "here"]
    assert loaded.obs["weight"].isna().all()
    assert loaded.uns["study"] == {"temperature": 21.6, "experiment": "two"}


def test_an_index_is_standardized_in_a_copy(terms, tmp_path):
    path = tmp_path / "cells.h5ad"
    adata = cells()
    adata.obs.index = ["B-cell", "T cell"]
    adata.write_h5ad(path)
    name = ln.Feature(name="kind", dtype=bt.CellType).save()
    obs = ln.Schema(index=name).save()
    curator = ln.curators.AnnDataCurator(path, schema_of(obs=obs))
    curator.slots["obs"].cat.standardize("index")
    loaded = curator.save_artifact(key="c.h5ad").load()
    assert loaded.obs_names.tolist() == ["B cell", "T cell"]
    assert list(loaded.obs) == list(adata.obs)


def test_an_artifact_that_is_standardized_gets_a_version(terms):
    adata = cells(cell_types=("B-cell", "T cell"))
    artifact = ln.Artifact.from_anndata(adata, key="c.h5ad").save()
    curator = ln.curators.AnnDataCurator(artifact, schema_of(obs=terms["obs"]))
    curator.standardize()
    saved = curator.save_artifact()
    assert (saved.key, saved.versions.count()) == ("c.h5ad", 2)
    assert artifact.load().obs["cell_type"].tolist() == ["B-cell", "T cell"]
    assert saved.load().obs["cell_type"].tolist() == ["B cell", "T cell"]
    again = ln.curators.AnnDataCurator(saved, curator.schema)
    again.standardize()
    assert again.save_artifact().uid == saved.uid


@pytest.mark.parametrize("suffix", ["h5ad", "zarr"])
def test_files_are_coerced_into_a_copy(terms, tmp_path, suffix):
    path = tmp_path / f"cells.{suffix}"
    adata = cells()
    adata.obs["age"] = ["1", "2"]
    format_for(path).write(adata, path)
    stored = content_of(path)
    schema = schema_of(obs=ln.Schema([ln.Feature(name="age", dtype=int, coerce=True)]).save())
    artifact = ln.Artifact.from_anndata(path, key=f"a.{suffix}", schema=schema).save()
    assert artifact.load().obs["age"].tolist() == [1, 2]
    assert content_of(path) == stored


def test_unknown_gene_ids(terms):
    schema = schema_of(var_T=terms["genes"])
    curator = ln.curators.AnnDataCurator(cells(names=["ENSG00000153563", "NEW"]), schema)
    curator.validate()  # other names are allowed
    assert curator.slots["var.T"].cat.non_validated == {}
    curator.slots["var.T"].cat.add_new_from("columns", organism="human")
    assert bt.Gene.filter(ensembl_gene_id="NEW").one().organism.name == "human"
    strict = ln.Schema(itype=bt.Gene.ensembl_gene_id, maximal_set=True).save()
    curator = ln.curators.AnnDataCurator(
        cells(names=["ENSG00000153563", "OTHER"]), schema_of(var_T=strict)
    )
    with pytest.raises(ValidationError, match="OTHER"):
        curator.validate()
    assert curator.slots["var.T"].cat.non_validated == {"columns": ["OTHER"]}
    curator.slots["var.T"].cat.add_new_from("columns", organism="human")
    curator.validate()


def test_var_without_t(terms):
    schema = schema_of(var=terms["genes"])
    artifact = ln.curators.AnnDataCurator(cells(), schema).save_artifact(key="v.h5ad")
    assert artifact.features.slots["var"].n == 2
    columns = ln.Schema([ln.Feature(name="n", dtype=int)]).save()
    ln.curators.AnnDataCurator(cells(), schema_of(var=columns)).validate()


def test_slots_that_are_not_there(terms):
    with pytest.raises(UnknownField, match="no slot 'obss'"):
        ln.curators.AnnDataCurator(cells(), schema_of(obss=terms["obs"]))
    with pytest.raises(InvalidArgument, match="needs the key 'study'"):
        ln.curators.AnnDataCurator(cells(), schema_of(uns__study=terms["study"]))
    with pytest.raises(InvalidArgument, match="otype must be 'AnnData'"):
        ln.curators.AnnDataCurator(cells(), terms["obs"])
    with pytest.raises(InvalidArgument, match="otype must be 'AnnData'"):
        ln.Artifact.from_anndata(cells(), key="x.h5ad", schema=terms["obs"])


def test_nested_dictionaries_and_tables_in_uns(terms):
    inner = ln.Schema([ln.Feature(name="score", dtype=float)]).save()
    schema = schema_of(uns__a__b=terms["study"], uns__a__table=inner)
    adata = cells()
    table = pd.DataFrame({"score": [1.0, 2.0]})
    adata.uns["a"] = {"b": {"temperature": 1.0, "experiment": "x"}, "table": table}
    ln.curators.AnnDataCurator(adata, schema).validate()
    adata.uns["a"]["table"] = pd.DataFrame({"score": ["high", "low"]})
    with pytest.raises(ValidationError, match="uns:a:table"):
        ln.curators.AnnDataCurator(adata, schema).validate()


def test_coerced_parts_are_stored_coerced(terms):
    number = ln.Schema([ln.Feature(name="age", dtype=int, coerce=True)]).save()
    adata = cells()
    adata.obs["age"] = ["1", "2"]
    artifact = ln.Artifact.from_anndata(adata, key="c.h5ad", schema=schema_of(obs=number)).save()
    assert artifact.load().obs["age"].tolist() == [1, 2]


def test_external_features_beside_slots(terms):
    schema = ln.Schema(
        slots={"obs": terms["obs"], "__external__": terms["study"]}, otype="AnnData"
    ).save()
    given = {"temperature": 21.6, "experiment": "one"}
    artifact = ln.Artifact.from_anndata(cells(), key="e.h5ad", schema=schema, features=given).save()
    assert artifact.features.get_values()["experiment"] == "one"
    only = ln.Schema(slots={"__external__": terms["study"]}).save()
    other = cells(cell_types=("X", "Y"))
    ln.Artifact.from_anndata(other, key="o.h5ad", schema=only, features=given).save()
    with pytest.raises(ValidationError, match="experiment"):
        ln.Artifact.from_anndata(
            cells(cell_types=("Z", "Y")), key="p.h5ad", schema=only, features={"temperature": 1.0}
        )


def test_the_example_of_the_guide(lake):
    mini_immuno.define_features_labels()
    adata = mini_immuno.get_dataset1(with_gene_typo=True, with_cell_type_typo=True, otype="AnnData")
    schema = ln.examples.schemas.anndata_ensembl_gene_ids_and_valid_features_in_obs()
    assert set(schema.slots) == {"obs", "var.T"}
    curator = ln.curators.AnnDataCurator(adata, schema)
    with pytest.raises(ValidationError, match="CD8-pos alpha-beta T cell"):
        curator.validate()
    valid = curator.slots["obs"].cat.lookup()["cell_type_by_expert"]
    adata.obs["cell_type_by_expert"] = adata.obs["cell_type_by_expert"].cat.rename_categories(
        {"CD8-pos alpha-beta T cell": valid.cd8_positive_alpha_beta_t_cell.name}
    )
    curator.validate()
    artifact = curator.save_artifact(key="examples/my_curated_anndata.h5ad")
    assert "obs" in artifact.features.slots


def test_frames_of_files_are_read_some_rows_at_a_time(given, monkeypatch):
    from lakehouse.curation.slots import annotated as stored

    monkeypatch.setattr(stored, "CHUNK_ROWS", 3)
    kinds = {
        "kind": (str, pd.Categorical(["a", "b", None, "a", "c", "c", "a", "b"])),
        "text": (str, ["a", "y", "x", "z", "x", "y", "x", "z"]),
        "n": (int, pd.array([1, None, 3, -4, 5, 6, -7, -4], dtype="Int64")),
        "plain": (int, [1, 2, 3, -4, 5, 6, -7, -4]),
        "size": (float, [0.5, np.nan, -1.0, 2.0, -1.0, 3.0, np.inf, 4.0]),
        "fine": (bool, pd.array([True, False, None, True] * 2, dtype="boolean")),
    }
    conditions = {
        **{name: {"ge": 0} for name in ("n", "plain", "size")},
        **{name: {"pattern": "^[ab]"} for name in ("kind", "text", "barcode")},
    }
    features = [
        ln.Feature(name=name, dtype=dtype, nullable=False).save()
        for name, (dtype, _) in kinds.items()
    ]
    index = ln.Feature(name="barcode", dtype=str).save()
    obs = ln.Schema(features, index=index, constraints=conditions).save()
    names = pd.Index([f"{'abc'[i % 3]}{i}" for i in range(8)], name="barcode")
    frame = pd.DataFrame({name: values for name, (_, values) in kinds.items()}, index=names)
    adata = ad.AnnData(np.zeros((8, 1), dtype="float32"), obs=frame)
    curator = ln.curators.AnnDataCurator(given(adata), schema_of(obs=obs))
    found = {(f.column, f.rule, f.value): (f.count, f.rows) for f in curator.check().failures}
    assert found == {
        ("kind", "null", None): (1, (2,)),
        ("n", "null", None): (1, (1,)),
        ("size", "null", None): (1, (1,)),
        ("fine", "null", None): (2, (2, 6)),
        ("n", "constraint", -4): (2, (3, 7)),
        ("n", "constraint", -7): (1, (6,)),
        ("plain", "constraint", -4): (2, (3, 7)),
        ("plain", "constraint", -7): (1, (6,)),
        ("size", "constraint", -1.0): (2, (2, 4)),
        ("kind", "constraint", "c"): (2, (4, 5)),
        **{("text", "constraint", v): r for v, r in TEXTS.items()},
        ("barcode", "constraint", "c2"): (1, (2,)),
        ("barcode", "constraint", "c5"): (1, (5,)),
    }
    good = curator.filter("obs").good
    assert len(good.obs if hasattr(good, "obs") else good) == 1


TEXTS = {"x": (3, (2, 4, 6)), "y": (2, (1, 5)), "z": (2, (3, 7))}


def test_unknown_gene_ids_are_told_once_with_the_call_that_saves_them(terms, capsys):
    schema = schema_of(obs=terms["obs"], var_T=terms["genes"])
    curator = ln.curators.AnnDataCurator(cells(("ENSG00000153563", "ENSG1")), schema)
    capsys.readouterr()
    curator.validate()
    said = capsys.readouterr().err
    assert "1 of 2 names of slot 'var.T' are not validated" in said
    call = 'curator.slots["var.T"].cat.add_new_from("columns")'
    assert f"via: {call}" in said
    curator.validate()
    curator.save_artifact(key="cells.h5ad")
    assert "names of slot" not in capsys.readouterr().err
    eval(call, {"curator": curator})
    assert bt.Gene.filter(ensembl_gene_id="ENSG1").exists()
    ln.Artifact.from_anndata(
        cells(("ENSG00000153563", "ENSG2")), key="more.h5ad", schema=schema
    ).save()
    said = capsys.readouterr().err
    assert said.count("names of slot 'var.T'") == 1
    assert 'ln.curators.curator_of(dataset, schema).slots["var.T"].cat' in said


def test_names_that_are_synonyms_are_renamed_in_the_dataset(terms, capsys):
    genes = ln.Schema(itype=bt.Gene.ensembl_gene_id, maximal_set=True).save()
    bt.Gene.get(symbol="CD4").add_synonym("T4")
    adata = cells(("CD8A", "T4", "ENSG00000010610"))
    curator = ln.curators.AnnDataCurator(adata, schema_of(obs=terms["obs"], var_T=genes))
    failure = curator.check().failures[0]
    assert failure.synonym_of == "ENSG00000153563"
    call = failure.hint.partition(" via: ")[2]
    assert call == 'curator.slots["var.T"].cat.standardize("columns")'
    eval(call, {"curator": curator})
    # the other synonym would become a second one of this name
    assert adata.var_names.tolist() == ["ENSG00000153563", "T4", "ENSG00000010610"]
    assert "1 synonym would get a name that is there already: 'T4'" in capsys.readouterr().err
    curator.slots["var.T"].cat.add_new_from("columns")
    assert not bt.Gene.filter(ensembl_gene_id="T4").exists()


def test_names_in_a_file_are_standardized_by_the_registry(terms, tmp_path):
    genes = ln.Schema(itype=bt.Gene.ensembl_gene_id, maximal_set=True).save()
    path = tmp_path / "cells.h5ad"
    cells(("CD8A", "ENSG00000010610")).write_h5ad(path)
    curator = ln.curators.AnnDataCurator(path, schema_of(obs=terms["obs"], var_T=genes))
    call = curator.check().failures[0].hint.partition(" via: ")[2]
    assert eval(call, {"bt": bt}) == ["ENSG00000153563"]
    with pytest.raises(InvalidArgument, match="where it is stored"):
        curator.slots["var.T"].cat.standardize("columns")
