"""Records with features, sheets, and their import and export as data frames."""

from __future__ import annotations

import datetime
from typing import Annotated, Self

import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from pydantic import Field, model_validator

import lakehouse as ln
from lakehouse.errors import InvalidArgument, LakehouseError, ValidationError

NAME, UID = "__lakehouse_record_name__", "__lakehouse_record_uid__"


@pytest.fixture
def sheet(lake):
    """A sheet with a number, an optional note, an experiment and a list of labels."""
    experiments = ln.Record(name="Experiments", is_type=True).save()
    ln.save([ln.Record(name=f"Experiment {i}", type=experiments) for i in (1, 2)])
    ln.save([ln.ULabel(name="a"), ln.ULabel(name="b")])
    features = [
        ln.Feature(name="gc", dtype=float).save(),
        ln.Feature(name="note", dtype=str).save().with_config(optional=True),
        ln.Feature(name="experiment", dtype=experiments).save(),
        ln.Feature(name="labels", dtype=list[ln.ULabel]).save(),
    ]
    schema = ln.Schema(features, name="sheet").save()
    return ln.Record(name="Sheet", is_type=True, schema=schema).save()


GOOD = {"gc": 0.5, "experiment": "Experiment 1", "labels": ["b", "a"]}


def frame(n: int = 3, **more) -> pd.DataFrame:
    data = {
        "gc": [i / 4 for i in range(n)],
        "note": ['we"ird\n' if i == 1 else None for i in range(n)],
        "experiment": ["Experiment 2"] * n,
        "labels": [["b", "a"] if i else ["a"] for i in range(n)],
    }
    return pd.DataFrame({**data, **more})


def commits() -> int:
    return len(ln.current_lake().log())


def test_records_with_features(lake):
    ln.Feature(name="gc", dtype=float).save()
    before = commits()
    record = ln.Record(name="S-1", features={"gc": 0.5})
    assert record.features.get_values() == {}
    assert record.save().features.get_values() == {"gc": 0.5}
    assert commits() == before + 1
    again = ln.Record(name="S-1", features={"gc": 0.7}).save()
    assert again == record
    assert record.features.get_values() == {"gc": 0.7}
    ln.Record(name="S-1").save()
    assert record.features.get_values() == {"gc": 0.7}
    nameless = [ln.Record(features={"gc": 0.1}).save() for _ in range(2)]
    assert nameless[0] != nameless[1]
    assert ln.Record.filter(gc=0.1).count() == 2


def test_nothing_is_saved_if_a_feature_is_wrong(sheet):
    before = commits()
    for features in ({"gc": "x"}, {"nope": 1}, {"experiment": "nope"}, {"labels": "a"}):
        record = ln.Record(name="S-1", features=features)
        with pytest.raises(ValidationError):
            record.save()
        assert not record._saved
    with pytest.raises(ValidationError), ln.transaction():
        ln.ULabel(name="never").save()
        ln.Record(name="S-2", features={"gc": "x"}).save()
    assert ln.Record.filter(name__startswith="S-").count() == 0
    assert ln.ULabel.filter(name="never").count() == 0
    assert commits() == before
    with pytest.raises(InvalidArgument, match="as a dictionary"):
        ln.Record(name="S-3", features=["gc"])


def test_a_sheets_records_fulfil_its_schema(sheet):
    assert sheet.is_sheet
    assert not ln.Record.get(name="Experiments").is_sheet
    record = ln.Record(name="R", type=sheet, features=GOOD).save()
    assert record.features.get_values() == GOOD
    before = commits()
    wrong = [
        ({"gc": 0.5}, "missing required features 'experiment', 'labels'"),
        (None, "missing required features 'gc', 'experiment', 'labels'"),
        ({**GOOD, "gc": "x", "experiment": "nope"}, "'gc' .float.: 'x'"),
        ({**GOOD, "experiment": ln.Record.get(name="Experiments")}, "of type None"),
    ]
    ln.Feature(name="day", dtype=datetime.date).save()
    wrong.append(
        ({**GOOD, "day": datetime.date(2024, 1, 1)}, r"not in the provided schema: .'day'")
    )
    for features, text in wrong:
        with pytest.raises(ValidationError, match=text) as caught:
            ln.Record(name="X", type=sheet, features=features).save()
        assert "Cannot set type to 'Sheet' on Record 'X'" in str(caught.value)
    assert commits() == before + 1
    with pytest.raises(ValidationError, match="missing required features"):
        record.features.set_values({"gc": 0.1})
    record.features.update_values({"gc": None})
    assert record.features.get_values() == {**GOOD, "gc": None}
    plain = ln.Record(name="plain", features={"gc": 1.5}).save()
    plain.type = sheet
    with pytest.raises(ValidationError, match="Cannot set type"):
        plain.save()
    ln.Record(name="part", is_type=True, type=sheet).save()


def test_a_schema_makes_a_type(sheet):
    assert ln.Record(name="other", schema=sheet.schema).is_type
    with pytest.raises(InvalidArgument, match="needs a name"):
        ln.Record(is_type=True)
    with pytest.raises(InvalidArgument, match="is_type"):
        ln.Record(name="x", type=ln.Record.get(name="Experiment 1"))


def test_many_records_in_one_commit(sheet):
    before = commits()
    records = [
        ln.Record(name=f"R{i}", type=sheet, features={**GOOD, "gc": float(i)}) for i in range(5)
    ]
    records.append(ln.Record(name="untyped", features={"note": "x"}))
    ln.save(records)
    assert commits() == before + 1
    assert [r.features.get_values()["gc"] for r in records[:5]] == [0.0, 1.0, 2.0, 3.0, 4.0]
    assert records[5].features.get_values() == {"note": "x"}
    for features in ({**GOOD, "gc": "x"}, {**GOOD, "experiment": "nope"}, None):
        with pytest.raises(ValidationError, match="Cannot set type to 'Sheet' on Record 'W0'"):
            ln.Record(name="W0", type=sheet, features=features)
    wrong = [
        ln.Record(name="W0", features={"gc": "x"}),
        ln.Record(name="W1", features={"experiment": "nope"}),
        ln.Record(name="W2", features={"note": 3}),
    ]
    with pytest.raises(ValidationError) as caught:
        ln.save(wrong)
    assert {f.column for f in caught.value.report.failures} == {"gc", "experiment", "note"}
    assert commits() == before + 1
    assert ln.Record.filter(name__startswith="W").count() == 0


@pytest.mark.parametrize("form", ["pandas", "polars", "arrow"])
def test_import(sheet, form):
    data = frame(3, name=["x", "y", "z"])
    made = {"pandas": data, "polars": pl.from_pandas(data), "arrow": pa.Table.from_pandas(data)}
    before = commits()
    batch = ln.Record.from_dataframe(made[form], type=sheet)
    assert (len(batch), batch.type) == (3, sheet)
    records = batch.save()
    assert commits() == before + 1
    assert records.to_list("name") == ["x", "y", "z"]
    values = [r.features.get_values() for r in records]
    first = {"gc": 0.0, "experiment": "Experiment 2", "labels": ["a"]}
    second = {"gc": 0.25, "note": 'we"ird\n', "experiment": "Experiment 2", "labels": ["b", "a"]}
    assert values[:2] == [first, second]
    assert ln.Record.filter(type=sheet).to_list("uid") == records.to_list("uid")
    assert ln.Record.filter(gc__gt=0.3, experiment="Experiment 2").one().name == "z"
    assert ln.Record.get(records[0].uid).type == sheet


def test_importing_again_replaces(sheet):
    first = ln.Record.from_dataframe(frame(3, name=["x", "y", "z"]), type=sheet).save()
    ln.Record.get(name="x").features.add_values({"labels": ["b"]})
    changed = frame(2, name=["x", "new"], gc=[7.0, 8.0])
    second = ln.Record.from_dataframe(changed, type=sheet).save()
    assert second[0] == first[0]
    assert ln.Record.filter(type=sheet).count() == 4
    assert first[0].features.get_values() == {
        "gc": 7.0, "experiment": "Experiment 2", "labels": ["a"]
    }  # fmt: skip
    assert first[1].features.get_values()["gc"] == 0.25


def test_wrong_imports(sheet):
    before = commits()
    bad = frame(2, gc=["a", "b"], experiment=["nope", "zz"])
    with pytest.raises(ValidationError) as caught:
        ln.Record.from_dataframe(bad, type=sheet).save()
    assert {f.column for f in caught.value.report.failures} == {"gc", "experiment"}
    with pytest.raises(ValidationError, match="'gc' not in"):
        ln.Record.from_dataframe(frame()[["note"]], type=sheet).save()
    with pytest.raises(ValidationError, match="same record name"):
        ln.Record.from_dataframe(frame(2, name=["x", "x"]), type=sheet).save()
    experiments = ln.Record.get(name="Experiments")
    with pytest.raises(ValidationError, match=r"could not be validated: \['unknown'\]"):
        ln.Record.from_dataframe(pd.DataFrame({"unknown": [1]}), type=experiments).save()
    with pytest.raises(InvalidArgument, match="record type"):
        ln.Record.from_dataframe(frame(), type=ln.Record.get(name="Experiment 1"))
    with pytest.raises(InvalidArgument, match="record type"):
        ln.Record.from_dataframe(frame(), type=3)
    with pytest.raises(InvalidArgument, match="Could not infer a schema"):
        ln.Record.from_dataframe(pd.DataFrame({"unknown": [1]}), type="New")
    assert ln.Record.from_dataframe(frame(0), type=sheet).save() == []
    assert commits() == before


def test_import_into_a_new_type(sheet):
    before = commits()
    records = ln.Record.from_dataframe(frame(), type="My import").save()
    assert commits() == before + 1
    kind = records[0].type
    assert (kind.name, kind.type.name, kind.is_sheet) == ("My import", "Imports", True)
    assert len(kind.to_dataframe()) == 3
    with pytest.raises(InvalidArgument, match="already exists under 'Imports'"):
        ln.Record.from_dataframe(frame(), type="My import")
    unsaved = ln.Record(name="Unsaved", is_type=True)
    assert ln.Record.from_dataframe(frame(), type=unsaved).save()[0].type == unsaved


def test_a_failed_import_leaves_nothing(sheet):
    before = commits()
    with pytest.raises(ValidationError):
        ln.Record.from_dataframe(frame(2, experiment=["nope", "zz"]), type="My import").save()
    assert commits() == before
    assert ln.Record.filter(name="Imports").count() == 0


def test_a_sheet_as_a_data_frame(sheet):
    records = ln.Record.from_dataframe(frame(3, name=["x", "y", None]), type=sheet).save()
    found = sheet.to_dataframe()
    assert list(found.columns) == ["gc", "note", "experiment", "labels", UID, NAME]
    assert list(found[UID]) == records.to_list("uid")
    assert [None if pd.isna(name) else name for name in found[NAME]] == ["x", "y", None]
    assert list(found["gc"]) == [0.0, 0.25, 0.5]
    assert list(found["labels"]) == [["a"], ["b", "a"], ["b", "a"]]
    assert str(found["experiment"].dtype) == "category"
    again = ln.Record.from_dataframe(found, type="Copy").save()
    assert again.to_list("name") == ["x", "y", None]
    part = ln.Record(name="part", is_type=True, type=sheet).save()
    ln.Record(name="inner", type=part).save()
    assert len(sheet.to_dataframe(recurse=True)) == 4
    records[0].delete()
    assert len(sheet.to_dataframe()) == 3  # y, the nameless one and the type below
    empty = ln.Record(name="Empty", is_type=True, schema=sheet.schema).save().to_dataframe()
    assert list(empty.columns) == ["gc", "note", "experiment", "labels", UID, NAME]
    with pytest.raises(InvalidArgument, match="record type"):
        records[1].to_dataframe()
    assert len(ln.Record.to_dataframe()) > 3


def test_types_without_a_schema(sheet):
    kind = ln.Record(name="Samples", is_type=True).save()
    ln.Record.from_dataframe(frame(2, name=["x", "y"])[["gc", "name"]], type=kind).save()
    ln.Record(name="z", type=kind, features={"note": "n"}).save()
    found = kind.to_dataframe()
    assert sorted(found.columns) == sorted(["gc", "note", UID, NAME])
    assert found.set_index(NAME)["gc"].dropna().to_dict() == {"x": 0.0, "y": 0.25}


def test_an_index_names_the_records(sheet):
    index = ln.Feature(name="sample_id", dtype=str, nullable=False).save()
    schema = ln.Schema([ln.Feature.get(name="gc")], index=index).save()
    kind = ln.Record(name="Indexed", is_type=True, schema=schema).save()
    data = pd.DataFrame({"gc": [1.0, 2.0]}, index=pd.Index(["s1", "s2"], name="sample_id"))
    assert ln.Record.from_dataframe(data, type=kind).save().to_list("name") == ["s1", "s2"]
    one = ln.Record(type=kind, features={"gc": 3.0, "sample_id": "s3"}).save()
    two = ln.Record(name="s4", type=kind, features={"gc": 4.0}).save()
    assert one.name == "s3"
    assert two.features.get_values() == {"gc": 4.0, "sample_id": "s4"}
    found = kind.to_dataframe()
    assert found["gc"].to_dict() == {"s1": 1.0, "s2": 2.0, "s3": 3.0, "s4": 4.0}


def test_export(sheet):
    ln.Record.from_dataframe(frame(2, name=["x", "y"]).drop(columns="labels"), type="Flat").save()
    kind = ln.Record.get(name="Flat")
    artifact = kind.to_artifact()
    assert artifact.key == "lakehouse_record_exports/Flat.csv"
    assert artifact.schema == kind.schema
    lines = artifact.cache().read_text().splitlines()
    assert lines[0] == f"gc,note,experiment,{UID},{NAME}"
    assert lines[1].startswith("0.0,,Experiment 2,")
    assert artifact.features.get_values() == {"experiment": "Experiment 2"}
    table = kind.to_artifact(key="flat.parquet")
    assert list(table.load()["gc"]) == [0.0, 0.25]
    with pytest.raises(InvalidArgument, match="Only types"):
        ln.Record.get(name="x").to_artifact()


def test_links_between_records(sheet):
    experiment = ln.Record.get(name="Experiment 1")
    record = ln.Record(name="R", type=sheet, features=GOOD).save()
    assert record.features["experiment"] == experiment
    assert record.linked_records.to_list("name") == ["Experiment 1"]
    assert experiment.linked_in_records.to_list("name") == ["R"]
    experiment.name = "renamed"
    experiment.save()
    assert record.features.get_values()["experiment"] == "renamed"


@pytest.mark.parametrize("name", ["q\"uo'te", "new\nline", "[br][ack]", "x" * 10_000])
def test_names_of_any_kind(sheet, name):
    record = ln.Record(name=name, type=sheet, features=GOOD).save()
    assert ln.Record.get(name=name).features.get_values() == GOOD
    kind = ln.Record(name=name, is_type=True).save()
    ln.Feature(name="odd", dtype=kind).save()
    inner = ln.Record(name="inner", type=kind).save()
    ln.Record.from_dataframe(frame(1, name=[name + "2"]), type=sheet).save()
    assert name + "2" in list(sheet.to_dataframe()[NAME])
    other = ln.Record(name="other", features={"odd": "inner"}).save()
    assert other.features["odd"] == inner
    assert record.type == sheet


def test_dtypes_follow_a_renamed_type(sheet):
    experiments = ln.Record.get(name="Experiments")
    inner = ln.Record(name="Inner", is_type=True, type=experiments).save()
    other = ln.Record(name="Inner", is_type=True, type=None).save()
    ln.Record(name="I-1", type=inner).save()
    for name, dtype in (("one", inner), ("two", other), ("many", list[inner])):
        ln.Feature(name=name, dtype=dtype).save()
    before = commits()
    inner.name = "In[ner]"
    inner.save()
    experiments.name = "Trials"
    experiments.save()
    assert commits() == before + 2
    dtypes = {n: ln.Feature.get(name=n).dtype for n in ("experiment", "one", "two", "many")}
    assert dtypes == {
        "experiment": "cat[Record[Trials]]",
        "one": f"cat[Record[Trials[{inner.uid}]]]",
        "two": "cat[Record[Inner]]",
        "many": f"list[cat[Record[Trials[{inner.uid}]]]]",
    }
    record = ln.Record(name="R", features={"one": "I-1", "experiment": "Experiment 1"}).save()
    assert record.features.get_values() == {"one": "I-1", "experiment": "Experiment 1"}


def test_columns_that_a_strict_sheet_does_not_have_are_refused(lake):
    schema = ln.Schema([ln.Feature(name="gc", dtype=float)], name="strict", maximal_set=True)
    kind = ln.Record(name="Strict", is_type=True, schema=schema.save()).save()
    data = pd.DataFrame({"name": ["a"], "gc": [0.5]})
    with pytest.raises(ValidationError, match="not in the schema of 'Strict'"):
        ln.Record.from_dataframe(data.assign(more=1), type=kind).save()
    assert kind.records.count() == 0
    ln.Record.from_dataframe(data, type=kind).save()
    exported = kind.to_dataframe()
    ln.Record.from_dataframe(exported, type=kind).save()
    assert kind.records.to_list("name") == ["a"]


def test_dictionaries_stay_as_they_are(lake):
    for name, dtype in (("settings", dict), ("n", int)):
        ln.Feature(name=name, dtype=dtype).save()
    kind = ln.Record(name="Runs", is_type=True).save()
    given = [{"a": 1}, {"b": [1, None]}, None, {"a": "text", "c": {}}, {}, float("nan")]
    df = pd.DataFrame({"name": list("abcdef"), "settings": given, "n": range(6)})
    batch = ln.Record.from_dataframe(df, type=kind)
    assert repr(batch) == "RecordBatch(6 records of type 'Runs', not saved, call .save())"
    records = batch.save()
    found = [r.features.get_values().get("settings") for r in records]
    assert found == [{"a": 1}, {"b": [1, None]}, None, {"a": "text", "c": {}}, None, None]
    only = pd.DataFrame({"settings": [{"x": 1}, {"y": 2}]})
    named = ln.Record.from_dataframe(only, type="Imported").save()
    assert [r.features["settings"] for r in named] == [{"x": 1}, {"y": 2}]
    for wrong in ("n", "name"):
        with pytest.raises(LakehouseError):
            ln.Record.from_dataframe(pd.DataFrame({wrong: [{"x": 1}]}), type=kind).save()
    with pytest.raises(InvalidArgument, match="record type"):
        ln.Record.from_dataframe(df, type=ln.Record)
    assert ln.Record.filter(type=kind).count() == 6


def test_an_exported_sheet_is_imported_again(sheet):
    ln.Record.from_dataframe(frame(3, name=["x", None, None]), type=sheet).save()
    exported = sheet.to_dataframe()
    exported["gc"] = [1.0, 2.0, 3.0]
    again = ln.Record.from_dataframe(exported, type=sheet).save()
    assert [r.uid for r in again] == exported[UID].tolist()
    assert sheet.to_dataframe()["gc"].tolist() == [1.0, 2.0, 3.0]
    other = ln.Record(name="Other", is_type=True, schema=sheet.schema).save()
    ln.Record.from_dataframe(exported, type=other).save()  # of another type they are new
    assert (len(sheet.to_dataframe()), len(other.to_dataframe())) == (3, 3)
    more = pd.concat([exported, exported.iloc[1:].assign(**{UID: None})])
    ln.Record.from_dataframe(more, type=sheet).save()
    assert len(sheet.to_dataframe()) == 5


def test_constraints_of_schemas_hold_for_values(lake):
    features = [ln.Feature(name="rate", dtype=float).save(), ln.Feature(name="n", dtype=int).save()]
    schema = ln.Schema(features, minimal_set=False, constraints={"rate": {"gt": 0}}).save()
    run = ln.Run(transform=ln.Transform(key="train.py").save()).save()
    with pytest.raises(ValidationError, match=r"'rate': -0\.1 is not allowed"):
        run.features.add_values({"rate": -0.1, "n": 1}, schema=schema)
    assert run.features.get_values() == {}
    run.features.add_values({"rate": 0.1}, schema=schema)
    trials = ln.Record(name="Trials", is_type=True, schema=schema).save()
    with pytest.raises(ValidationError, match="expected a value > 0"):
        ln.Record(name="first", type=trials, features={"rate": -0.1})
    first = ln.Record(name="first", type=trials, features={"rate": 0.1}).save()
    with pytest.raises(ValidationError, match="expected a value > 0"):
        first.features.set_values({"rate": 0.0})
    assert first.features.get_values()["rate"] == 0.1


class Settings(ln.DatasetModel):
    """Values of one run, two of which depend on each other."""

    lr: Annotated[float, Field(gt=0)]
    mode: Annotated[str | None, Field(pattern="^a")] = None

    @model_validator(mode="after")
    def large_rates_have_a_mode(self) -> Self:
        if self.lr > 10 and self.mode is None:
            raise ValueError("large lr needs a mode")
        return self


def test_models_judge_the_rows_of_imports_and_single_records(lake):
    kind = ln.Record(name="Runs", is_type=True, schema=Settings.to_schema().save()).save()

    def imported(**columns):
        return ln.Record.from_dataframe(pd.DataFrame(columns), type=kind).save()

    with pytest.raises(ValidationError) as caught:
        imported(name=["a", "b"], lr=[-0.1, 0.2], mode=["b", None])
    assert [(f.column, f.rule) for f in caught.value.report.failures] == [
        ("lr", "constraint"),
        ("mode", "constraint"),
    ]
    with pytest.raises(ValidationError, match="large lr needs a mode"):
        imported(name=["c"], lr=[11.0], mode=[None])
    with pytest.raises(ValidationError, match="large lr needs a mode"):
        ln.Record(name="d", type=kind, features={"lr": 20.0})
    with pytest.raises(ValidationError, match="expected a value > 0"):
        ln.Record(name="e", type=kind, features={"lr": -1.0})
    assert ln.Record.filter(type=kind).count() == 0
    assert imported(name=["f"], lr=[11.0], mode=["ab"]).to_list("name") == ["f"]
    ln.Record(name="g", type=kind, features={"lr": 20.0, "mode": "a"}).save()
    assert ln.Record.filter(type=kind).count() == 2
