"""Curating tables: validate, standardize, add, look up, save."""

from __future__ import annotations

import datetime

import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import lakehouse as ln
import lakehouse.bionty as bt
from lakehouse.errors import InvalidArgument, UnknownColumn, ValidationError
from lakehouse.examples.datasets import mini_immuno

pytestmark = pytest.mark.usefixtures("lake")


@pytest.fixture
def schema(lake):
    """Perturbations of a record type, cell types, a dose and an optional note."""
    kinds = ln.Record(name="Perturbations", is_type=True).save()
    bt.CellType(name="B cell", ontology_id="CL:0000236", synonyms="B-cell|B lymphocyte").save()
    bt.CellType(name="T cell", ontology_id="CL:0000084").save()
    return ln.Schema(
        [
            ln.Feature(name="perturbation", dtype=kinds),
            ln.Feature(name="cell_type", dtype=bt.CellType),
            ln.Feature(name="dose", dtype=float, nullable=False),
            ln.Feature(name="note", dtype=str).with_config(optional=True),
        ],
        name="immuno",
    ).save()


def columns(cell_types=("B-cell", "T cell", "CD8-pos T")):
    return {
        "perturbation": ["DMSO", "IFNG", "DMSO"],
        "cell_type": list(cell_types),
        "dose": [1.0, 2.0, 3.0],
    }


def frame(**kwargs):
    made = pd.DataFrame(columns(**kwargs))
    return made.astype({"perturbation": "category", "cell_type": "category"})


def test_the_way_from_bad_values_to_an_annotated_artifact(schema):
    df = frame()
    curator = ln.curators.DataFrameCurator(df, schema)
    with pytest.raises(ValidationError, match="run validate"):
        _ = curator.cat.non_validated
    with pytest.raises(ValidationError) as error:
        curator.validate()
    assert "unvalidated" in repr(curator)
    assert 'curator.cat.standardize("cell_type")' in str(error.value)
    assert "curator.cat.add_new_from('perturbation')" in str(error.value)
    assert curator.cat.non_validated == {
        "perturbation": ["DMSO", "IFNG"],
        "cell_type": ["B-cell", "CD8-pos T"],
    }
    curator.cat.standardize("cell_type")
    assert df["cell_type"].tolist() == ["B cell", "T cell", "CD8-pos T"]
    assert df["cell_type"].dtype == "category"
    assert curator.cat.non_validated["cell_type"] == ["CD8-pos T"]
    right = curator.cat.lookup()["cell_type"].t_cell.name
    df["cell_type"] = df["cell_type"].cat.rename_categories({"CD8-pos T": "T  cell"})
    df["cell_type"] = df["cell_type"].astype(str).replace({"T  cell": right}).astype("category")
    curator.cat.add_new_from("perturbation")
    assert curator.cat.non_validated == {}
    curator.validate()
    artifact = curator.save_artifact(key="cells.parquet", description="cells")
    assert artifact.schema == schema
    assert artifact.description == "cells"
    assert set(artifact.cell_types.to_list("name")) == {"B cell", "T cell"}
    assert artifact.features.slots["columns"].n == 3
    assert ln.Record.filter(type__name="Perturbations").to_list("name") == ["DMSO", "IFNG"]


def test_synonyms_are_not_added_as_new_terms(schema):
    curator = ln.curators.DataFrameCurator(frame(), schema)
    curator.cat.add_new_from("cell_type")
    assert bt.CellType.filter(name="CD8-pos T").exists()
    assert not bt.CellType.filter(name="B-cell").exists()
    assert curator.cat.non_validated["cell_type"] == ["B-cell"]


def test_what_is_no_column(schema):
    curator = ln.curators.DataFrameCurator(frame(), schema)
    for call in (
        curator.cat.standardize,
        curator.cat.add_new_from,
        curator.cat.lookup().__getitem__,
    ):
        with pytest.raises(KeyError):
            call("dose")
    with pytest.raises(UnknownColumn, match="no slot"):
        curator.slots["obs"]
    assert curator.slots == {}
    assert [f.name for f in curator.cat.categoricals] == ["perturbation", "cell_type"]


def test_what_is_no_dataset_or_schema(schema):
    with pytest.raises(InvalidArgument, match="DataFrame-like"):
        ln.curators.DataFrameCurator(3, schema)
    with pytest.raises(InvalidArgument, match="Schema record"):
        ln.curators.DataFrameCurator(frame(), "immuno")
    with pytest.raises(ValueError, match="must be saved"):
        ln.curators.DataFrameCurator(frame(), ln.Schema([ln.Feature(name="x", dtype=int)]))
    with pytest.raises(InvalidArgument, match="AnnData-like"):
        ln.curators.AnnDataCurator(frame(), schema)
    obs = ln.Schema(slots={"obs": schema}, otype="AnnData").save()
    with pytest.raises(InvalidArgument, match="another type of object"):
        ln.curators.DataFrameCurator(frame(), obs)


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["polars", "lazy", "arrow", "parquet", "csv"])
def test_tables_of_every_kind_are_standardized(schema, kind, tmp_path):
    table = pa.table(columns(cell_types=["B-cell", "T cell", "T cell"]))
    for name in ("DMSO", "IFNG"):
        ln.Record(name=name, type=ln.Record.get(name="Perturbations")).save()
    data = {
        "polars": lambda: pl.from_arrow(table),
        "lazy": lambda: pl.from_arrow(table).lazy(),
        "arrow": lambda: table,
        "parquet": lambda: pq.write_table(table, tmp_path / "x.parquet") or tmp_path / "x.parquet",
        "csv": lambda: pl.from_arrow(table).write_csv(tmp_path / "x.csv") or tmp_path / "x.csv",
    }[kind]()
    curator = ln.curators.DataFrameCurator(data, schema)
    with pytest.raises(ValidationError):
        curator.validate()
    curator.cat.standardize("cell_type")
    curator.validate()
    artifact = curator.save_artifact(key="x.parquet")
    assert artifact.load()["cell_type"].tolist() == ["B cell", "T cell", "T cell"]
    if kind == "lazy":
        assert isinstance(curator.dataset, pl.LazyFrame)


def test_the_index(schema):
    kinds = ln.Record.get(name="Perturbations")
    sample = ln.Feature(name="sample", dtype=kinds).save()
    indexed = ln.Schema([ln.Feature.get(name="dose")], index=sample).save()
    df = pd.DataFrame({"dose": [1.0, 2.0]}, index=pd.Index(["s1", "s2"], name="sample"))
    curator = ln.curators.DataFrameCurator(df, indexed)
    with pytest.raises(ValidationError, match="sample"):
        curator.validate()
    assert curator.cat.non_validated == {"sample": ["s1", "s2"]}
    curator.cat.add_new_from("index")
    curator.validate()
    artifact = curator.save_artifact(key="i.parquet")
    assert artifact.records.to_list("name") == ["s1", "s2"]


def test_coercion_and_defaults_change_the_dataset(lake):
    schema = ln.Schema(
        [
            ln.Feature(name="n", dtype=int, coerce=True),
            ln.Feature(name="site", dtype=str, default_value="here"),
        ]
    ).save()
    df = pd.DataFrame({"n": ["1", "2"]})
    curator = ln.curators.DataFrameCurator(df, schema)
    curator.validate()
    assert curator.dataset["n"].tolist() == [1, 2]
    assert curator.dataset["site"].tolist() == ["here", "here"]
    assert curator.save_artifact(key="c.parquet").load()["n"].tolist() == [1, 2]


def test_text_stays_text(schema):
    df = pd.DataFrame(columns())
    curator = ln.curators.DataFrameCurator(df, schema)
    curator.cat.standardize("cell_type")
    assert df["cell_type"].dtype == pd.DataFrame(columns())["cell_type"].dtype
    assert df["cell_type"].tolist() == ["B cell", "T cell", "CD8-pos T"]


def test_standardize_adds_optional_columns(schema):
    df = frame(cell_types=["B-cell", "T cell", "T cell"])
    curator = ln.curators.DataFrameCurator(df, schema)
    curator.standardize()
    assert df["cell_type"].tolist() == ["B cell", "T cell", "T cell"]
    assert df["note"].isna().all()


def test_attrs(lake):
    study = ln.Schema(
        [ln.Feature(name="temperature", dtype=float), ln.Feature(name="experiment", dtype=str)]
    ).save()
    schema = ln.Schema(
        [ln.Feature(name="note", dtype=str)], slots={"attrs": study}, otype="DataFrame"
    ).save()
    df = pd.DataFrame({"note": ["a"]})
    df.attrs = {"temperature": 21.6, "experiment": "one"}
    curator = ln.curators.DataFrameCurator(df, schema)
    curator.validate()
    assert list(curator.slots) == ["attrs"]
    artifact = curator.save_artifact(key="a.parquet")
    assert set(artifact.features.slots) == {"columns", "attrs"}
    df.attrs["temperature"] = "warm"
    with pytest.raises(ValidationError, match="temperature"):
        curator.validate()
    df.attrs = {}
    with pytest.raises(ValidationError, match="temperature"):
        ln.curators.DataFrameCurator(df, schema).validate()


def test_external_features(schema):
    external = ln.Schema(
        [ln.Feature(name="temperature", dtype=float), ln.Feature(name="study", dtype=str)]
    ).save()
    whole = ln.Schema(
        [ln.Feature.get(name="dose")], slots={"__external__": external}, otype="DataFrame"
    ).save()
    given = {"temperature": 21.6, "study": "one"}
    curator = ln.curators.DataFrameCurator(frame(), whole, features=given)
    artifact = curator.save_artifact(key="e.parquet")
    assert artifact.features.get_values()["temperature"] == 21.6
    with pytest.raises(ValidationError, match="study"):
        ln.curators.DataFrameCurator(frame(), whole, features={"temperature": 1.0}).validate()


def test_an_artifact_is_curated_afterwards(schema):
    df = frame(cell_types=["B cell", "T cell", "T cell"])
    artifact = ln.Artifact.from_dataframe(df, key="later.parquet").save()
    curator = ln.curators.DataFrameCurator(artifact, schema)
    curator.cat.add_new_from("perturbation")
    saved = curator.save_artifact()
    assert saved == artifact
    again = ln.Artifact.get(key="later.parquet")
    assert again.schema == schema
    assert set(again.cell_types.to_list("name")) == {"B cell", "T cell"}


def test_the_example_of_the_guide(lake):
    schema = mini_immuno.define_mini_immuno_schema_flexible()
    df = mini_immuno.get_dataset1(with_cell_type_synonym=True, with_cell_type_typo=True)
    curator = ln.curators.DataFrameCurator(df, schema)
    with pytest.raises(ValidationError):
        curator.validate()
    curator.cat.standardize("cell_type_by_expert")
    lookup = curator.cat.lookup()
    right = lookup["cell_type_by_expert"].cd8_positive_alpha_beta_t_cell.name
    df["cell_type_by_expert"] = df["cell_type_by_expert"].cat.rename_categories(
        {"CD8-pos alpha-beta T cell": right}
    )
    curator.validate()
    artifact = curator.save_artifact(key="examples/my_curated_dataset.parquet")
    assert set(artifact.features.get_values()["perturbation"]) == {"DMSO", "IFNG"}


def test_the_report_is_stored_beside_the_artifact_when_asked(lake):
    schema = ln.Schema([ln.Feature(name="n<1>", dtype=int)], name="numbers").save()
    curator = ln.curators.DataFrameCurator(pd.DataFrame({"n<1>": [1, 2]}), schema)
    artifact = curator.save_artifact(key="n.parquet", report=True)
    report = ln.Artifact.get(key="n.parquet.report.html")
    assert report.kind == "report"
    assert artifact.uid in report.description
    page = report.cache().read_text()
    assert "valid" in page
    assert "n&lt;1&gt;" in page
    bad = ln.curators.DataFrameCurator(pd.DataFrame({"n<1>": ["x", "y"]}), schema)
    assert "<td>n&lt;1&gt;</td>" in bad.check().to_html()
    assert "http" not in bad.report.to_html()


def test_standardize_fills_in_defaults(lake):
    ln.ULabel(name="none").save()
    members = [
        ln.Feature(name="note", dtype=str, default_value="-"),
        ln.Feature(name="label", dtype=ln.ULabel, default_value="none"),
        ln.Feature(name="dose", dtype=float, default_value=1.5),
        ln.Feature(name="unit", dtype=str, default_value="mg"),
        ln.Feature(name="left", dtype=str),
    ]
    data = pd.DataFrame(
        {
            "note": ["a", None],
            "label": pd.Categorical([None, "none"]),
            "dose": [None, 0.5],
            "left": [None, "x"],
        }
    )
    curator = ln.curators.DataFrameCurator(data, ln.Schema(members, name="d").save())
    curator.standardize()
    assert data["note"].tolist() == ["a", "-"]
    assert data["label"].tolist() == ["none", "none"]
    assert str(data["label"].dtype) == "category"
    assert data["dose"].tolist() == [1.5, 0.5]
    assert data["unit"].tolist() == ["mg", "mg"]
    assert data["left"].isna().tolist() == [True, False]
    curator.validate()


def test_missing_columns_are_added_where_that_is_possible(lake):
    bt.CellType(name="B cell").save()
    made = [
        ln.Feature(name="n", dtype=int).save(),
        ln.Feature(name="when", dtype="datetime").save(),
        ln.Feature(name="cell", dtype=bt.CellType).save(),
        ln.Feature(name="site", dtype=str, default_value="Bonn").save(),
    ]
    df = pd.DataFrame({"n": [1, 2]})
    curator = ln.curators.DataFrameCurator(df, ln.Schema(made).save())
    with pytest.raises(ValidationError, match="column 'when' not in dataframe"):
        curator.validate()
    curator.standardize()
    curator.validate()
    assert df["site"].tolist() == ["Bonn", "Bonn"]
    assert df[["when", "cell"]].isna().all().all()
    strict = ln.Feature(name="strict", dtype=str, nullable=False).save()
    curator = ln.curators.DataFrameCurator(df, ln.Schema([strict]).save())
    with pytest.raises(ValidationError, match="not nullable and has no default"):
        curator.standardize()
    optional = ln.Schema([strict.with_config(optional=True), made[0]]).save()
    ln.curators.DataFrameCurator(df, optional).standardize()
    assert "strict" not in df


def test_labels_of_a_type_are_named(lake):
    kinds = ln.Record(name="Perturbation", is_type=True).save()
    for name in ("IFNG", "DMSO"):
        ln.Record(name=name, type=kinds).save()
    schema = ln.Schema([ln.Feature(name="perturbation", dtype=kinds).save()]).save()
    wrong = pd.DataFrame({"perturbation": ["Aspirin"]})
    said = r"a valid label for subtype 'Perturbation' has to be one of \['DMSO', 'IFNG'\]"
    with pytest.raises(ValidationError, match=said):
        ln.curators.DataFrameCurator(wrong, schema).validate()
    with pytest.raises(ValidationError, match=said):
        ln.Artifact.from_dataframe(wrong, key="a.parquet", schema=schema).save()


def test_new_values_of_a_union_go_where_they_belong(lake):
    bt.CellType(name="neuron", ontology_id="CL:0000540").save()
    bt.Tissue(name="blood", ontology_id="UBERON:0000178").save()
    either = ln.Feature(name="either", dtype="cat[ULabel|bionty.CellType|bionty.Tissue]").save()
    curator = ln.curators.DataFrameCurator(
        pd.DataFrame({"either": ["neuron", "blood", "thing"]}), ln.Schema([either]).save()
    )
    curator.cat.add_new_from("either")
    curator.validate()
    assert ln.ULabel.filter().to_list("name") == ["thing"]
    lookup = curator.cat.lookup()["either"]
    assert lookup.thing.name == "thing"
    assert lookup.blood.ontology_id == "UBERON:0000178"
    artifact = curator.save_artifact(key="either.parquet")
    assert artifact.features.get_values() == {"either": {"neuron", "blood", "thing"}}


def test_lookups_of_typed_labels_reach_below(lake):
    top = ln.ULabel(name="Top", is_type=True).save()
    below = ln.ULabel(name="Below", is_type=True, type=top).save()
    ln.ULabel(name="deep", type=below).save()
    feature = ln.Feature(name="label", dtype=top).save()
    curator = ln.curators.DataFrameCurator(
        pd.DataFrame({"label": ["deep"]}), ln.Schema([feature]).save()
    )
    assert curator.cat.lookup()["label"].deep.type == below
    with pytest.raises(AttributeError, match="no look-up for 'other'"):
        _ = curator.cat.lookup().other


def test_a_changed_artifact_gets_a_new_version(lake):
    bt.CellType(name="B cell", synonyms="B-cell").save()
    cell = ln.Feature(name="cell", dtype=bt.CellType).save()
    schema = ln.Schema([cell], name="cells").save()
    first = ln.Artifact.from_dataframe(pd.DataFrame({"cell": ["B-cell"]}), key="a.parquet").save()
    curator = ln.curators.DataFrameCurator(first, schema)
    curator.cat.standardize("cell")
    second = curator.save_artifact()
    assert second.key == "a.parquet"
    assert second.uid[:16] == first.uid[:16]
    assert second.uid != first.uid
    assert second.load()["cell"].tolist() == ["B cell"]
    assert first.load()["cell"].tolist() == ["B-cell"]
    assert repr(curator).startswith(f"DataFrameCurator, artifact: {second.uid}(Schema: cells")


def test_lists_and_the_index_are_standardized_as_what_they_are(lake):
    bt.CellType(name="B cell", synonyms="B-cell").save()
    cells = ln.Feature(name="cells", dtype="list[cat[bionty.CellType]]").save()
    index = ln.Feature(name="main", dtype=bt.CellType).save()
    schema = ln.Schema([cells], index=index, name="lists").save()
    df = pd.DataFrame({"cells": [["B-cell"], ["B cell", "B-cell"]]})
    df.index = pd.Index(["B-cell", "B cell"], name="main")
    curator = ln.curators.DataFrameCurator(df, schema)
    assert [f.name for f in curator.cat.categoricals] == ["cells"]
    curator.standardize()
    assert df["cells"].tolist() == [["B cell"], ["B cell", "B cell"]]
    assert df.index.tolist() == ["B cell", "B cell"]
    assert list(df.columns) == ["cells"]
    artifact = curator.save_artifact(key="lists.parquet")
    assert artifact.features.slots["columns"] == schema
    schema.optionals.add(cells)
    assert artifact.features.slots["columns"].members.to_list("name") == ["main", "cells"]


def test_an_artifact_brings_its_external_values(lake):
    dose = ln.Feature(name="dose", dtype=float).save()
    outside = ln.Schema([dose]).save()
    schema = ln.Schema(
        [ln.Feature(name="site", dtype=str).save()],
        slots={"__external__": outside},
        otype="DataFrame",
    ).save()
    artifact = ln.Artifact.from_dataframe(pd.DataFrame({"site": ["a"]}), key="a.parquet").save()
    with pytest.raises(ValidationError, match="'dose' not in dataframe in slot '__external__'"):
        ln.curators.DataFrameCurator(artifact, schema).validate()
    artifact.features.add_values({"dose": 1.5})
    curator = ln.curators.DataFrameCurator(artifact, schema)
    assert curator.save_artifact() == artifact
    assert artifact.schema == schema
    assert artifact.features.get_values() == {"dose": 1.5}


@pytest.mark.parametrize(("dtype", "series"), [(int, "int"), (float, "float"), (bool, None)])
def test_wrong_types_are_told_in_the_words_of_pandera_too(lake, dtype, series):
    schema = ln.Schema([ln.Feature(name="x", dtype=dtype).save()]).save()
    with pytest.raises(ValidationError) as error:
        ln.curators.DataFrameCurator(pd.DataFrame({"x": ["a"]}), schema).validate()
    said = f"expected series 'x' to have type {series}, got str"
    assert f"failed dtype check for {dtype.__name__!r}" in str(error.value)
    assert (said in str(error.value)) is (series is not None)


def curated(df, *features, **settings):
    schema = ln.Schema([feature.save() for feature in features], **settings).save()
    curator = ln.curators.DataFrameCurator(df, schema)
    curator.validate()
    return curator


def test_coercion_leaves_the_columns_alone_that_it_does_not_convert(lake):
    df = pd.DataFrame(
        {
            "day": ["2024-01-01", None],
            "facts": [{"a": 1}, {}],
            "other": pd.Series([1, 1], dtype=object),
        }
    )
    df.index = ["x", "y"]
    day = ln.Feature(name="day", dtype=datetime.datetime, coerce=True)
    curated(df, day, ln.Feature(name="facts", dtype=dict))
    assert df["facts"].tolist() == [{"a": 1}, {}]
    assert df["other"].dtype == object
    assert list(df.columns) == ["day", "facts", "other"]
    assert list(df.index) == ["x", "y"]


def test_coerced_columns_have_the_types_that_pandas_users_know(lake):
    place = pd.Index([1.0, 2.0], name="place")

    def of(*values):
        return pd.Series(values, place, dtype=object)

    day = datetime.datetime(2024, 1, 1)
    df = pd.DataFrame(
        {
            "whole": [None, 2.0],
            "whole_of_objects": of(1, 2),
            "fraction": of(1.5, 2.0),
            "parsed": ["2024-01-01", None],
            "moment": of(day, None),
            "nothing": of(None, None),
            "long_ago": ["1066-10-14", "1066-10-14"],
        },
        index=place,
    )
    kinds = {"whole": int, "whole_of_objects": int, "fraction": float, "place": int}
    features = [
        ln.Feature(name=name, dtype=kinds.get(name, datetime.datetime)) for name in df.columns
    ]
    index = ln.Feature(name="place", dtype=int).save()
    curated(df, *features, index=index, coerce=True)
    assert {name: str(dtype) for name, dtype in df.dtypes.items()} == {
        "whole": "Int64",
        "whole_of_objects": "int64",
        "fraction": "float64",
        "parsed": "datetime64[ns]",
        "moment": "datetime64[ns]",
        "nothing": "datetime64[ns]",
        "long_ago": "datetime64[us]",
    }
    assert df["whole"].isna().tolist() == [True, False]
    assert df.index.dtype == "int64"


def test_objects_stay_objects_without_coercion(lake):
    df = pd.DataFrame({"fraction": pd.Series([1.5, 2.0], dtype=object)})
    curated(df, ln.Feature(name="fraction", dtype=float))
    assert df["fraction"].dtype == object


@pytest.mark.parametrize("hour", [0, 3])
def test_moments_among_days_are_no_days(lake, hour):
    df = pd.DataFrame({"day": [datetime.date(2024, 1, 1), datetime.datetime(2024, 1, 1, hour)]})
    with pytest.raises(ValidationError, match=r"failed dtype check for 'date'.*got datetime"):
        curated(df, ln.Feature(name="day", dtype=datetime.date))


def test_added_columns_stand_where_an_ordered_schema_has_them(lake):
    features = [
        ln.Feature(name="first", dtype=str, default_value="x").save().with_config(optional=True),
        ln.Feature(name="second", dtype=int).save(),
        ln.Feature(name="third", dtype=int, default_value=3).save(),
        ln.Feature(name="fourth", dtype=int).save(),
    ]
    schema = ln.Schema(features, ordered_set=True).save()

    def made():
        return pd.DataFrame({"second": [1], "extra": ["q"], "fourth": [4]})

    df = made()
    curator = ln.curators.DataFrameCurator(df, schema)
    curator.validate()
    assert list(df.columns) == ["first", "second", "third", "extra", "fourth"]
    saved = curator.save_artifact(key="ordered.parquet")
    assert list(saved.load().columns) == list(df.columns)
    direct = ln.Artifact.from_dataframe(made(), key="direct.parquet", schema=schema).save()
    assert list(direct.load().columns) == list(df.columns)
    table = ln.curators.DataFrameCurator(pl.DataFrame(made()), schema)
    table.validate()
    assert table.dataset.columns == list(df.columns)


def test_standardize_fills_defaults_into_columns_of_objects(lake):
    df = pd.DataFrame({"count": pd.Series([None, 1, float("nan")], dtype=object)})
    count = ln.Feature(name="count", dtype=int, default_value=7).save()
    ln.curators.DataFrameCurator(df, ln.Schema([count]).save()).standardize()
    assert df["count"].tolist() == [7, 1, 7]


@pytest.mark.parametrize("registry", [ln.ULabel, ln.Record])
def test_types_are_labels_of_the_types_above_them(lake, registry):
    top = registry(name="top", is_type=True).save()
    below = registry(name="below", is_type=True, type=top).save()
    registry(name="leaf", type=below).save()
    feature = ln.Feature(name="kind", dtype=top)
    df = pd.DataFrame({"kind": pd.Categorical(["leaf", "below"])})
    saved = curated(df, feature).save_artifact(key="kinds.parquet")
    assert saved.features.get_values()["kind"] == {"leaf", "below"}
    plain = ln.Artifact.from_dataframe(pd.DataFrame({"x": [1]}), key="plain.parquet").save()
    plain.features.add_values({"kind": "below"})
    assert plain.features.get_values() == {"kind": "below"}
    with pytest.raises(ValidationError, match="has to be one of"):
        curated(pd.DataFrame({"kind": pd.Categorical(["top"])}), feature)


def test_a_name_that_a_label_shares_with_a_type_means_the_label(lake):
    top = ln.Record(name="top", is_type=True).save()
    ln.Record(name="same", is_type=True, type=top).save()
    label = ln.Record(name="same", type=top).save()
    df = pd.DataFrame({"kind": pd.Categorical(["same"])})
    saved = curated(df, ln.Feature(name="kind", dtype=top)).save_artifact(key="same.parquet")
    assert saved.records.to_list("uid") == [label.uid]


def test_columns_that_a_schema_of_any_features_refuses(lake):
    ln.Feature(name="known", dtype=int).save()
    schema = ln.Schema(itype=ln.Feature, maximal_set=True).save()
    curator = ln.curators.DataFrameCurator(pd.DataFrame({"known": [1], "other": [2]}), schema)
    with pytest.raises(ValidationError, match="other columns than: those of features"):
        curator.validate()


@pytest.fixture(params=["Record", "ULabel"])
def homonyms(request, lake):
    """Two types with labels of one name, at several depths."""
    registry = getattr(ln, request.param)
    left = registry(name="left", is_type=True).save()
    right = registry(name="right", is_type=True).save()
    inner = registry(name="inner", is_type=True, type=left).save()
    registry(name="both", type=right).save()
    registry(name="both", type=left).save()
    registry(name="deep", type=inner).save()  # the older one isn't the one that is meant
    registry(name="deep", type=right).save()
    registry(name="root").save()
    registry(name="root", type=inner).save()
    return registry


def kinds_of(artifact, registry):
    related = artifact.records if registry is ln.Record else artifact.ulabels
    return [r.type and r.type.name for r in related.filter()]


@pytest.mark.parametrize(("name", "kind"), [("deep", "right"), ("root", None)])
def test_of_labels_of_one_name_the_one_nearest_to_the_root_is_meant(homonyms, name, kind):
    feature = ln.Feature(name="kind", dtype=homonyms)
    df = pd.DataFrame({"kind": pd.Categorical([name])})
    saved = curated(df, feature).save_artifact(key="curated.parquet")
    assert kinds_of(saved, homonyms) == [kind]
    plain = ln.Artifact.from_dataframe(pd.DataFrame({"x": [1]}), key="plain.parquet").save()
    plain.features.add_values({"kind": name})
    assert kinds_of(plain, homonyms) == [kind]


def test_labels_of_one_name_at_one_depth_are_ambiguous(homonyms):
    feature = ln.Feature(name="kind", dtype=homonyms)
    df = pd.DataFrame({"kind": pd.Categorical(["root", "both"])})
    said = (
        rf"Ambiguous match for {homonyms.__name__} 'both': found 2 records at depth 1 "
        r"\(under types: \['left', 'right'\]\)"
    )
    with pytest.raises(ValidationError, match=said) as error:
        curated(df, feature)
    assert [(f.rule, f.value, f.rows) for f in error.value.report.failures] == [
        ("ambiguous", "both", (1,))
    ]
    schema = ln.Schema([feature]).save()
    with pytest.raises(ValidationError, match=said):
        ln.Artifact.from_dataframe(df, key="direct.parquet", schema=schema).save()
    plain = ln.Artifact.from_dataframe(pd.DataFrame({"x": [1]}), key="plain.parquet").save()
    with pytest.raises(ValidationError, match=said):
        plain.features.add_values({"kind": "both"})


def test_the_type_that_a_dtype_names_tells_labels_of_one_name_apart(homonyms):
    feature = ln.Feature(name="kind", dtype=homonyms.get(name="left"))
    df = pd.DataFrame({"kind": pd.Categorical(["both"])})
    saved = curated(df, feature).save_artifact(key="left.parquet")
    assert kinds_of(saved, homonyms) == ["left"]


def test_rows_of_sheets_may_name_records_that_share_their_name(lake):
    samples = [
        ln.Record(name=name, is_type=True).save() for name in ("first samples", "other samples")
    ]
    pooled = [ln.Record(name="pooled", type=kind).save() for kind in samples]
    feature = ln.Feature(name="sample", dtype=ln.Record).save()
    sheet = ln.Record(name="runs", is_type=True, schema=ln.Schema([feature]).save()).save()
    ln.Record(name="run", type=sheet, features={"sample": pooled[1]}).save()
    assert sheet.to_artifact().load()["sample"].tolist() == ["pooled"]


def test_an_index_names_every_row(lake):
    place = ln.Feature(name="place", dtype=str).save()
    df = pd.DataFrame({"x": [1, 2]}, index=pd.Index(["a", None], name="place"))
    with pytest.raises(ValidationError, match="non-nullable series 'place' contains null"):
        curated(df, ln.Feature(name="x", dtype=int), index=place)
