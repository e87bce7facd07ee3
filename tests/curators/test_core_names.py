"""The peer's low-level names: dictionaries, single vectors, artifacts that are saved already."""

from __future__ import annotations

from typing import Any

import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

import lakehouse as ln
import lakehouse.bionty as bt
from lakehouse.curators import core
from lakehouse.errors import InvalidArgument, ValidationError

pytestmark = pytest.mark.usefixtures("lake")


@pytest.fixture
def schema() -> ln.Schema:
    kind = ln.ULabel(name="Arm", is_type=True).save()
    ln.save([ln.ULabel(name=name, type=kind) for name in ("a", "b")])
    ln.ULabel(name="elsewhere").save()
    features = [
        ln.Feature(name="arm", dtype=kind).save(),
        ln.Feature(name="dose", dtype=float).save(),
        ln.Feature(name="note", dtype=str).save().with_config(optional=True),
    ]
    return ln.Schema(features, name="doses").save()


def test_all_names_are_found_in_core():
    names = [name for name in ln.curators.__all__ if name not in ("DatasetModel", "curator_of")]
    for name in names:
        assert getattr(core, name) is getattr(ln.curators, name), name
    assert issubclass(ln.curators.AnnDataCurator, core.SlotsCurator)
    with pytest.raises(AttributeError, match="nope"):
        core.nope  # noqa: B018


# -- dictionaries ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("given", "text"),
    [
        ({"arm": "x", "dose": 1.0}, "'x'"),
        ({"arm": "elsewhere", "dose": 1.0}, "subtype 'Arm'"),
        ({"arm": "a"}, "'dose' not in"),
        ({"arm": "a", "dose": "much"}, "type float, got str"),
        ({}, "'arm' not in"),
    ],
)
def test_wrong_dictionaries(given, text, schema):
    with pytest.raises(ValidationError, match=text):
        core.DictCurator(given, schema).validate()


def test_a_dictionary_is_mended_and_saved(schema):
    given = {"arm": "new", "dose": 1}
    curator = ln.curators.ExperimentalDictCurator(given, schema)
    assert not curator.check().ok
    assert curator.cat.non_validated == {"arm": ["new"]}
    curator.cat.add_new_from("arm")
    curator.validate()
    artifact = curator.save_artifact(key="dose.parquet")
    assert artifact.load().to_dict("records") == [{"arm": "new", "dose": 1.0}]
    assert artifact.schema == schema
    assert artifact.ulabels.to_list("name") == ["new"]
    assert given == {"arm": "new", "dose": 1}


def test_what_no_column_can_hold_is_told(schema):
    curator = core.DictCurator({"arm": "a", "dose": 1.0, "mixed": [1, "x"]}, schema)
    with pytest.raises(InvalidArgument, match="'mixed' can't be stored"):
        curator.save_artifact(key="x.parquet")
    assert ln.Artifact.filter().count() == 0


@pytest.mark.parametrize("given", [[1], pd.DataFrame({"arm": ["a"]}), "dose.json"])
def test_only_dictionaries(given, schema):
    with pytest.raises(InvalidArgument, match="must be a dict"):
        core.DictCurator(given, schema)


# -- vectors -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "kind", [list, tuple, pd.Series, pl.Series, pa.array, pd.Categorical, lambda v: lambda: v]
)
def test_vectors_of_any_kind(kind, schema):
    vector = core.CatVector(kind(["a", "b", "a", None]), ln.ULabel.name, "arm")
    assert not vector.is_validated
    vector.validate()
    assert vector.is_validated
    assert repr(vector) == "CatVector(key='arm', field='ULabel.name', values=4, validated)"
    wrong = core.CatVector(kind(["a", "x", "x"]), ln.ULabel.name, "arm")
    wrong.validate()
    assert (wrong.is_validated, wrong.non_validated) == (False, ["x"])


def test_a_feature_narrows_the_terms(schema):
    feature = ln.Feature.get(name="arm")
    vector = core.CatVector(["a", "elsewhere"], ln.ULabel.name, "arm", feature=feature)
    vector.validate()
    assert vector.non_validated == ["elsewhere"]
    vector = core.CatVector(["new"], ln.ULabel.name, "arm", feature=feature)
    vector.add_new()
    assert vector.is_validated
    assert ln.ULabel.get(name="new").type.name == "Arm"


def test_a_vector_is_standardized_where_it_lies():
    bt.CellType(name="B cell", synonyms="B-cell").save()
    held: list[Any] = ["B-cell", "B cell", None]
    vector = core.CatVector(
        lambda: held,
        bt.CellType.name,
        "cell",
        values_setter=lambda v: held.__setitem__(slice(3), v),
    )
    vector.add_new()  # synonyms aren't new
    assert bt.CellType.filter().count() == 1
    vector.standardize()
    assert held == ["B cell", "B cell", None]
    assert vector.is_validated
    alone = core.CatVector(["B-cell"], bt.CellType.name, "cell")
    alone.standardize()
    assert alone.values == ["B cell"]


def test_wrong_vectors():
    with pytest.raises(InvalidArgument, match="no terms of a registry"):
        core.CatVector(["x"], str, "note")
    with pytest.raises(InvalidArgument, match="several types"):
        core.CatVector(["x", 1], ln.ULabel.name, "arm").validate()


# -- artifacts that are saved already ----------------------------------------------------------


def test_annotate_artifact(schema, lake):
    frame = pd.DataFrame({"arm": ["a", "b"], "dose": [1.0, 2.0]})
    artifact = ln.Artifact.from_dataframe(frame, key="doses.parquet").save()
    curator = ln.curators.DataFrameCurator(frame, schema)
    with pytest.raises(ValidationError, match="isn't validated"):
        core.annotate_artifact(artifact, curator=curator)
    curator.validate()
    before = len(list(lake.log()))
    assert core.annotate_artifact(artifact, curator=curator) == artifact
    assert len(list(lake.log())) == before + 1
    assert artifact.ulabels.to_list("name") == ["a", "b"]
    assert set(artifact.features.slots) == {"columns"}
    other = ln.Artifact.from_dataframe(frame.assign(arm="x"), key="other.parquet").save()
    with pytest.raises(ValidationError, match="'x'"):  # not what the curator was given
        core.annotate_artifact(other, curator=curator)


def test_annotate_artifact_with_vectors(schema):
    frame = pd.DataFrame({"arm": ["a", "b"]})
    artifact = ln.Artifact.from_dataframe(frame, key="arms.parquet").save()
    ln.ULabel(name="a", type=ln.ULabel(name="Other", is_type=True).save()).save()
    feature = ln.Feature.get(name="arm")
    vector = core.CatVector(frame["arm"], ln.ULabel.name, "arm", feature=feature)
    with pytest.raises(ValidationError, match="'arm' isn't validated"):
        core.annotate_artifact(artifact, cat_vectors={"arm": vector})
    vector.validate()
    core.annotate_artifact(artifact, cat_vectors={"arm": vector})
    assert [label.type.name for label in artifact.ulabels.all()] == ["Arm", "Arm"]
    assert artifact.features.get_values() == {"arm": {"a", "b"}}
    with pytest.raises(InvalidArgument, match="nothing to annotate"):
        core.annotate_artifact(artifact)
    with pytest.raises(InvalidArgument, match="saved artifact"):
        core.annotate_artifact(
            ln.Artifact.from_dataframe(frame.assign(x=1), key="y.parquet"),
            cat_vectors={"a": vector},
        )
