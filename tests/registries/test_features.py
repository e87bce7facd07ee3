"""Features of artifacts, runs and records: setting, adding, updating, removing, reading."""

from __future__ import annotations

import datetime
import math

import numpy as np
import pandas as pd
import pytest

import lakehouse as ln
import lakehouse.bionty as bt
from lakehouse.errors import (
    FieldValidationError,
    InvalidArgument,
    InvalidFeature,
    UnknownDtype,
    ValidationError,
)
from lakehouse.features.codec import decoded, encoded
from lakehouse.schema import DType

DAY, MOMENT = datetime.date(2024, 10, 1), datetime.datetime(2024, 10, 1, 3, 4, 5)
DTYPES = {
    "count": int,
    "score": float,
    "number": "num",
    "note": str,
    "ok": bool,
    "day": datetime.date,
    "moment": datetime.datetime,
    "info": dict,
    "numbers": "list[int]",
    "texts": list[str],
    "anything": object,
    "place": "path",
    "page": "url",
}
VALUES = {
    "count": 9007199254740993,
    "score": 0.5,
    "number": 3,
    "note": "we\"ird\n[x] é\\'",
    "ok": False,
    "day": DAY,
    "moment": MOMENT,
    "info": {"a": {"b": [1, None]}, "c": "d"},
    "numbers": [3, 1, 3],
    "texts": ["b", "a", "b"],
    "anything": [1, "a", {"k": None}],
    "place": "/a/b",
    "page": "https://x.y/z",
    "label": "l0",
    "labels": ["l2", "l0"],
    "sample": "S-1",
    "either": "T cell",
}


@pytest.fixture
def known(lake):
    """Features of every dtype, and labels."""
    kind = ln.Record(name="Samples", is_type=True).save()
    ln.save([ln.ULabel(name=f"l{i}") for i in range(4)])
    ln.save([ln.Record(name="S-1", type=kind), ln.Record(name="loose")])
    bt.CellType(name="T cell", ontology_id="CL:0000084").save()
    ln.save([ln.Feature(name=n, dtype=t) for n, t in DTYPES.items()])
    ln.save(
        [
            ln.Feature(name="label", dtype=ln.ULabel),
            ln.Feature(name="labels", dtype=list[ln.ULabel]),
            ln.Feature(name="sample", dtype=kind),
            ln.Feature(name="either", dtype="cat[ULabel|bionty.CellType]"),
            ln.Feature(name="term", dtype=bt.CellType.ontology_id),
            ln.Feature(name="needed", dtype=str, nullable=False),
            ln.Feature(name="lenient", dtype=int, coerce=True),
        ]
    )
    return lake


def make(kind: str, name: str = "a"):
    if kind == "record":
        return ln.Record(name=f"record {name}").save()
    if kind == "run":
        return ln.Run(ln.Transform(key=f"{name}.py").save()).save()
    with open(f"{name}.txt", "w") as file:
        file.write(name)
    return ln.Artifact(f"{name}.txt", key=f"{name}.txt").save()


@pytest.fixture(params=["artifact", "run", "record"])
def subject(request, known):
    return make(request.param)


def test_everything_comes_back_as_it_was_set(subject):
    commits = len(ln.current_lake().log())
    subject.features.set_values(VALUES)
    assert len(ln.current_lake().log()) == commits + 1
    found = type(subject).get(subject.uid).features.get_values()
    assert found == VALUES
    assert {n: type(v) for n, v in found.items()} == {n: type(v) for n, v in VALUES.items()}
    assert subject.features.get_values(external_only=True) == VALUES


def test_every_time_of_day_comes_back():
    for microsecond in (*range(0, 1_000_000, 997), 9_999, 10_000, 99_999, 100_000):
        time = datetime.time(1, 2, 3, microsecond)
        assert decoded(encoded(time), DType("time")) == time
    # as earlier versions wrote it
    assert decoded('"01:02:03.10000"', DType("time")) == datetime.time(1, 2, 3, 10_000)


def test_single_features(subject):
    subject.features.set_values({**VALUES, "label": ["l0", "l3"]})
    features = subject.features
    assert features["score"] == 0.5
    assert features["info"] == VALUES["info"]
    assert features["sample"] == ln.Record.get(name="S-1")
    assert [r.name for r in features["labels"]] == ["l2", "l0"]
    assert sorted(r.name for r in features["label"]) == ["l0", "l3"]
    assert features[ln.Feature.get(name="day")] == DAY
    assert features["needed"] == {}
    with pytest.raises(ValidationError, match="Feature with name nope not found"):
        features["nope"]


def test_setting_replaces_everything_updating_only_what_is_named(subject):
    features = subject.features
    features.set_values({"score": 1.0, "label": "l0", "labels": ["l0", "l1"]})
    features.set_values({"note": "x"})
    assert features.get_values() == {"note": "x"}
    features.update_values({"note": "y", "label": "l1", "labels": ["l1", "l0"]})
    assert features.get_values() == {"note": "y", "label": "l1", "labels": ["l1", "l0"]}
    features.update_values({"labels": ["l0", "l1"], "note": None})
    assert features.get_values() == {"label": "l1", "labels": ["l0", "l1"]}
    features.update_values({})
    features.set_values({})
    assert features.get_values() == {}


@pytest.mark.parametrize("kind", ["artifact", "run"])
def test_adding_collects_values(known, kind):
    features = make(kind).features
    features.add_values({"note": "x", "count": 1, "label": "l0", "labels": ["l1", "l0"]})
    features.add_values({"note": "y", "count": 1, "label": ["l0", "l1"], "labels": ["l2", "l1"]})
    assert features.get_values() == {
        "note": {"x", "y"},
        "count": 1,
        "label": {"l0", "l1"},
        "labels": ["l1", "l0", "l2"],
    }
    assert features["note"] == ["x", "y"]


def test_a_record_has_one_value_of_a_single_feature(known):
    features = make("record").features
    features.set_values({"note": "x", "labels": ["l0"]})
    with pytest.raises(ValidationError, match=r"to-one features on a Record: \['note'\]"):
        features.add_values({"note": "y", "labels": ["l1"]})
    features.add_values({"labels": ["l1"]})
    assert features.get_values() == {"note": "x", "labels": ["l0", "l1"]}


@pytest.mark.slow
def test_removing(subject, capfd):
    features, label = subject.features, ln.ULabel.get(name="l0")
    features.set_values({**VALUES, "label": ["l0", "l1"]})
    features.remove_values("label", value=label)
    features.remove_values("labels", value="l2")
    features.remove_values(["ok", ln.Feature.get(name="place")])
    features.remove_values({"day": DAY, "numbers": [3, 1, 3]})
    gone = {"ok", "place", "day", "numbers"}
    kept = {n: v for n, v in VALUES.items() if n not in gone}
    assert features.get_values() == {**kept, "label": "l1", "labels": ["l0"]}
    features.remove_values("score", value=99.0)
    assert "no feature 'score' with value 99.0 found" in capfd.readouterr().err
    features.remove_values("day")
    assert "no feature 'day' found on" in capfd.readouterr().err
    with pytest.raises(ValidationError, match="could not be validated"):
        features.remove_values("nope")
    features.remove_values()
    assert features.get_values() == {}


def test_unknown_features_are_named_with_what_makes_them(subject):
    values = {"temp": 21.6, "n": 3, "who": "x", "when": DAY, "l": ["a"], "li": [1], "qu\"o'": None}
    with pytest.raises(ValidationError) as caught:
        subject.features.set_values({**values, "score": "wrong too"})
    lines = str(caught.value).splitlines()
    assert lines[0] == f"These keys could not be validated: {list(values)}"
    assert lines[1] == "Here is how to create a feature:"
    guesses = ["float", "int", "cat ? str", "date", "list[cat ? str]", "list[int]", "?"]
    made = [
        f"  ln.Feature(name={n!r}, dtype={g!r}).save()"
        for n, g in zip(values, guesses, strict=True)
    ]
    assert lines[3:] == made
    assert subject.features.get_values() == {}


WRONG = {
    "count": 3.5,
    "score": "hot",
    "note": 3,
    "ok": "yes",
    "day": "notaday",
    "moment": DAY,
    "info": [1],
    "numbers": ["a"],
    "texts": "a",
    "labels": "l0",
    "needed": None,
    "lenient": "many",
    "place": 3,
}


def test_every_wrong_value_is_named_at_once(subject):
    subject.features.set_values({"score": 1.5})
    commits = len(ln.current_lake().log())
    with pytest.raises(ValidationError) as caught:
        subject.features.set_values({**WRONG, "label": "nope", "either": 3, "term": "CL:1"})
    found = {f.column for f in caught.value.report.failures}
    assert found == {*WRONG, "label", "either", "term"}
    text = str(caught.value)
    assert "'score' (float): 'hot' (str)" in text
    assert "1 term not validated in feature 'label': 'nope'" in text
    assert "ln.ULabel.from_values(['nope'], field='name', create=True).save()" in text
    assert "bt.CellType.from_values(['CL:1'], field='ontology_id').save()" in text
    assert subject.features.get_values() == {"score": 1.5}
    assert len(ln.current_lake().log()) == commits


def test_each_wrong_value_alone(known):
    features = make("artifact").features
    for name, value in WRONG.items():
        with pytest.raises(ValidationError) as caught:
            features.set_values({name: value})
        assert [f.column for f in caught.value.report.failures] == [name]


def test_wrong_records(subject):
    loose, unsaved = ln.Record.get(name="loose"), ln.ULabel(name="unsaved")
    for values, text in (
        ({"label": loose}, "a ULabel"),
        ({"sample": loose}, "of type None"),
        ({"label": unsaved}, "is not saved"),
        ({"sample": "loose"}, "not validated"),
    ):
        with pytest.raises(ValidationError, match=text):
            subject.features.set_values(values)
    assert subject.features.get_values() == {}


def test_wrong_calls(known):
    unsaved = ln.Record(name="unsaved")
    with pytest.raises(InvalidArgument, match="isn't saved"):
        unsaved.features.set_values({"score": 1.5})
    features = make("record").features
    with pytest.raises(InvalidArgument, match="as a dictionary"):
        features.set_values([1])
    with pytest.raises(InvalidArgument, match="names or features"):
        features.set_values({1: 2})


def test_nothing_is_none_nan_or_empty(subject):
    subject.features.set_values({"score": 1.5, "note": "x", "labels": ["l0"], "info": {"a": 1}})
    nothing = {"score": math.nan, "note": None, "labels": [], "info": {}, "day": pd.NaT}
    subject.features.update_values(nothing)
    assert subject.features.get_values() == {}


def test_values_of_other_libraries(subject):
    subject.features.set_values(
        {
            "score": np.float32(2.5),
            "count": np.int64(4),
            "ok": np.bool_(1),
            "texts": np.array(["q", "r"]),
            "numbers": (1, 2),
            "moment": pd.Timestamp("2024-01-01 01:02:03.123456"),
            "lenient": "12",
        }
    )
    found = subject.features.get_values()
    moment = datetime.datetime(2024, 1, 1, 1, 2, 3, 123456)
    assert found == {
        "score": 2.5,
        "count": 4,
        "ok": True,
        "texts": ["q", "r"],
        "numbers": [1, 2],
        "moment": moment,
        "lenient": 12,
    }
    subject.features.set_values({"score": math.inf})
    assert subject.features.get_values() == {"score": math.inf}


def test_several_texts_of_one_feature(known):
    artifact = make("artifact")
    artifact.features.set_values({"note": ["Barbara McClintock", "Edgar Anderson"]})
    assert artifact.features.get_values() == {"note": {"Barbara McClintock", "Edgar Anderson"}}
    assert ln.Artifact.filter(note="Edgar Anderson").one() == artifact


def test_names_of_any_kind(subject):
    for name in ('we"ird\n[n]', "f" * 10_000, "a__b", "name"):
        ln.Feature(name=name, dtype=int).save()
        subject.features.set_values({name: 3})
        assert subject.features.get_values() == {name: 3}
    label = ln.ULabel(name='l"\n[x]').save()
    subject.features.set_values({"label": label.name})
    assert subject.features["label"] == label
    with pytest.raises(ValidationError, match="JSON"):
        subject.features.set_values({"note": "\ud800"})


def test_equal_names(subject):
    one, two = (ln.Feature(name=n, is_type=True).save() for n in ("one", "two"))
    ln.Feature(name="dup", dtype=str).save()
    typed = ln.Feature(name="dup", dtype=int, type=one).save()
    subject.features.set_values({"dup": "x"})
    assert subject.features.get_values() == {"dup": "x"}
    first = ln.Feature(name="twin", dtype=str, type=one).save()
    second = ln.Feature(name="twin", dtype=str, type=two).save()
    ambiguous = r"Ambiguous match for Feature 'twin': found 2 features at depth 1"
    with pytest.raises(ValidationError, match=ambiguous):
        subject.features.set_values({"twin": "x"})
    subject.features.set_values({first: "x", second: "y", typed: 3})
    assert subject.features.get_values() == {"twin": {"x", "y"}, "dup": 3}
    assert subject.features[first] == "x"
    subject.features.set_values({"dup": "x"})
    plain = ln.Feature.get(name="dup", type=None)
    with pytest.raises(ValidationError, match="Conflicting values for feature name 'dup'"):
        subject.features.set_values({"dup": "y", plain: "z"})
    assert subject.features.get_values() == {"dup": "x"}
    subject.features.set_values({"dup": "y", plain: "y"})
    assert subject.features.get_values() == {"dup": "y"}


def test_a_schema_narrows_what_may_be_set(subject):
    score, note = ln.Feature.get(name="score"), ln.Feature.get(name="note")
    schema = ln.Schema([score, note], maximal_set=True).save()
    with pytest.raises(ValidationError, match="missing required features 'note'"):
        subject.features.set_values({"score": 1.5}, schema=schema)
    with pytest.raises(ValidationError, match=r"not in the provided schema: \['count'\]"):
        subject.features.set_values({"score": 1.5, "note": "x", "count": 1}, schema=schema)
    subject.features.set_values({"score": 1.5, "note": "x"}, schema=schema)
    assert subject.features.get_values() == {"score": 1.5, "note": "x"}


def test_what_lies_in_the_trash_is_left_out(subject):
    subject.features.set_values({"label": ["l0", "l1"], "note": "x", "score": 1.5})
    ln.ULabel.get(name="l0").delete()
    ln.Feature.get(name="note").delete()
    assert subject.features.get_values() == {"label": "l1", "score": 1.5}
    with pytest.raises(ValidationError, match="could not be validated"):
        subject.features.set_values({"note": "x"})
    with pytest.raises(ValidationError, match="not validated"):
        subject.features.set_values({"label": "l0"})


def test_one_transaction(subject):
    subject.features.set_values({"note": "before"})
    commits = len(ln.current_lake().log())
    with ln.transaction():
        subject.features.update_values({"score": 1.5})
        assert subject.features.get_values() == {"note": "before", "score": 1.5}
        subject.features.set_values({"score": 2.5, "labels": ["l0"]})
        subject.features.add_values({"labels": ["l1"]})
        subject.features.remove_values("score")
        ln.Feature(name="new", dtype=ln.ULabel).save()
        ln.ULabel(name="fresh").save()
        subject.features.update_values({"new": "fresh"})
        assert subject.features.get_values() == {"labels": ["l0", "l1"], "new": "fresh"}
    assert subject.features.get_values() == {"labels": ["l0", "l1"], "new": "fresh"}
    assert len(ln.current_lake().log()) == commits + 1
    with pytest.raises(RuntimeError), ln.transaction():
        subject.features.set_values({"note": "never"})
        raise RuntimeError
    assert subject.features.get_values() == {"labels": ["l0", "l1"], "new": "fresh"}


def test_features_of_content_and_those_beside_it(known):
    schema = ln.Schema([ln.Feature.get(name="label")]).save()
    data = pd.DataFrame({"label": pd.Categorical(["l0", "l3"])})
    artifact = ln.Artifact.from_dataframe(
        data, key="d.parquet", schema=schema, features={"score": 1.5}
    ).save()
    assert artifact.features.get_values() == {"label": {"l0", "l3"}, "score": 1.5}
    assert artifact.features.get_values(external_only=True) == {"score": 1.5}
    assert list(artifact.features.slots) == ["columns"]
    artifact.features.set_values({"note": "x", "label": "l1"})
    assert artifact.features.get_values() == {"label": {"l0", "l1", "l3"}, "note": "x"}
    artifact.features.remove_values()
    assert artifact.features.get_values() == {"label": {"l0", "l3"}}
    with pytest.raises(InvalidArgument, match="Cannot remove values for dataset features"):
        artifact.features.remove_values("label")


def test_known_content_replaces_its_values(known):
    artifact = make("artifact")
    for values in ({"score": 1.5, "label": "l0"}, {"score": 2.5}, {"label": "l1"}):
        again = ln.Artifact("a.txt", key="a.txt", features=values).save()
        assert again == artifact
        assert artifact.features.get_values() == values
    ln.Artifact("a.txt", key="a.txt").save()
    assert artifact.features.get_values() == {"label": "l1"}
    with pytest.raises(ValidationError) as caught:
        ln.Artifact("a.txt", key="a.txt", features={"score": "hot", "label": "nope"})
    assert {f.column for f in caught.value.report.failures} == {"score", "label"}
    with pytest.raises(ValidationError, match=r"could not be validated: \['scor'\]"):
        ln.Artifact("a.txt", key="a.txt", features={"scor": 1.5})
    assert artifact.features.get_values() == {"label": "l1"}


def test_filters_of_categories(known):
    schema = ln.Schema([ln.Feature.get(name="score")], name="scores").save()
    ln.Feature(name="table", dtype=ln.Artifact, cat_filters={"schema": schema}).save()
    assert ln.Feature.get(name="table").cat_filters == {"schema__uid": schema.uid}
    other = make("artifact")
    table = ln.Artifact.from_dataframe(
        pd.DataFrame({"score": [1.5]}), key="t.parquet", schema=schema
    ).save()
    record = make("record")
    record.features.set_values({"table": "t.parquet"})
    assert record.features["table"] == table
    for wrong in ("a.txt", other):
        with pytest.raises(ValidationError, match="table"):
            record.features.set_values({"table": wrong})
    with pytest.raises(InvalidFeature, match="incompatible with union dtypes"):
        ln.Feature(name="x", dtype="cat[ULabel|Record]", cat_filters={"name": "a"})
    with pytest.raises(InvalidFeature, match="Empty value in filter name"):
        ln.Feature(name="x", dtype=ln.ULabel, cat_filters={"name": ""})


def test_describe(subject):
    subject.features.set_values({"score": 1.5, "label": ["l0", "l1"]})
    for text in (subject.features.describe(return_str=True), repr(subject.features)):
        rows = [line.split() for line in text.splitlines()]
        assert any(row[-4:] == ["label", "ULabel", "l0,", "l1"] for row in rows), text
        assert any(row[-3:] == ["score", "float", "1.5"] for row in rows), text
    subject.features.describe()


def test_renaming(known, capfd):
    schema = ln.Schema([ln.Feature.get(name="label"), ln.Feature.get(name="note")]).save()
    data = pd.DataFrame({"label": pd.Categorical(["l0"]), "note": ["x"]})
    artifact = ln.Artifact.from_dataframe(data, key="d.parquet", schema=schema).save()
    capfd.readouterr()
    for registry, old, new in ((ln.Feature, "note", "remark"), (ln.ULabel, "l0", "first")):
        record = registry.get(name=old)
        record.name = new
        record.save()
        said = capfd.readouterr().err
        assert f"from '{old}' to '{new}'" in said
        assert artifact.uid in said
    assert artifact.features.get_values() == {"label": "first"}


def test_features_of_columns_and_keys(lake):
    data = pd.DataFrame(
        {
            "i": [1, 2],
            "f": [1.5, 2],
            "s": ["a", "b"],
            "b": [True, False],
            "d": pd.to_datetime(["2024-01-01", "2024-01-02"]),
            "c": pd.Categorical(["x", "y"]),
        }
    )
    made = ln.Feature.from_dataframe(data).save()
    assert made.to_list("dtype") == ["int", "float", "str", "bool", "datetime", "cat[ULabel]"]
    again = ln.Feature.from_dataframe(pd.DataFrame({"i": ["text"]}))
    assert again.to_list("uid") == [made[0].uid]
    kind = ln.Feature(name="K", is_type=True).save()
    values = {"i": 1, "l": ["a"], "li": [1], "x": {"a": 1}, "day": DAY}
    typed = ln.Feature.from_dict(values, type=kind).save()
    assert typed.to_list("dtype") == ["int", "list[str]", "list[int]", "dict", "date"]
    assert {f.type for f in typed} == {kind}
    with pytest.raises(InvalidArgument, match="can't be told"):
        ln.Feature.from_dict({"x": None})
    samples = ln.Record(name="Samples", is_type=True).save()
    objects = {str: str, ln.ULabel: ln.ULabel.name, datetime.date: datetime.date, samples: samples}
    for i, (dtype, expected) in enumerate(objects.items()):
        assert ln.Feature(name=f"o{i}", dtype=dtype).save().dtype_as_object == expected
    with pytest.raises(InvalidFeature, match="needs a dtype"):
        ln.Feature(name="none")
    with pytest.raises(InvalidFeature, match="another dtype"):
        ln.Feature(name="i", dtype=str)


def test_registries_and_fields_as_dtypes(lake):
    kind = ln.Record(name="Kind", is_type=True).save()
    texts = {
        "a": ([ln.ULabel, bt.CellType], "cat[ULabel|bionty.CellType]"),
        "b": ([bt.CellType.ontology_id], "cat[bionty.CellType.ontology_id]"),
        "c": ([kind, bt.CellType], "cat[Record[Kind]|bionty.CellType]"),
        "d": (list[ln.ULabel], "list[cat[ULabel]]"),
        "e": (pd.CategoricalDtype(["x"]), "cat[ULabel]"),
        "f": ("path", "path"),
        "g": ("num", "num"),
    }
    objects = {
        "a": [ln.ULabel.name, bt.CellType.name],
        "c": [kind, bt.CellType.name],
        "f": str,
        "g": float,
    }
    for name, (dtype, text) in texts.items():
        feature = ln.Feature(name=name, dtype=dtype).save()
        assert feature.dtype == text
        assert feature.dtype_as_str == text.replace("[Kind]", f"[{kind.uid}]")
        assert ln.Feature(name=name, dtype=feature.dtype_as_str)._old in (None, {})
        if name in objects:
            assert feature.dtype_as_object == objects[name]
    assert str(ln.Feature.get(name="d").dtype_as_object) == "list[ULabel.name]"
    union = ln.Feature.get(name="a")
    ln.ULabel(name="u").save()
    run = ln.Run(transform=ln.Transform(key="t").save()).save()
    run.features.add_values({union: "u"})
    assert run.features.get_values() == {"a": "u"}
    for dtype, text in [
        ([ln.ULabel, str], "no registry"),
        ("cat[ULabel.colour]", "no field 'colour'"),
        ("cat[Nope]", "no registry"),
        ("nope", "not a dtype"),
    ]:
        with pytest.raises(ValidationError, match=text):
            ln.Feature(name="z", dtype=dtype)
    with pytest.raises(InvalidArgument, match="not saved"):
        ln.Feature(name="z", dtype=ln.Record(name="New", is_type=True))
    with pytest.raises(FieldValidationError, match="no field 'colour'"):
        ln.Feature(name="z", dtype=str, colour="red")
    with pytest.raises(TypeError, match="names or features"):
        run.features.add_values({1: 2})


def test_types_in_dtypes_by_uid_and_by_name(lake):
    above = ln.Record(name="Above", is_type=True).save()
    kind = ln.Record(name="Kind", is_type=True, type=above).save()
    feature = ln.Feature(name="f", dtype=list[kind]).save()
    assert feature.dtype == "list[cat[Record[Above[Kind]]]]"
    assert feature.dtype_as_str == f"list[cat[Record[{kind.uid}]]]"
    by_uid = ln.Feature(name="g", dtype=f"cat[Record[{kind.uid}]]").save()
    assert by_uid.dtype == "cat[Record[Above[Kind]]]"
    assert by_uid.dtype_as_object == kind


def test_dates_are_told_from_texts(lake):
    values = {
        "day": "2024-05-06", "moment": "2024-05-06T10:30:00", "spaced": "2024-05-06 10:30",
        "none": "2024-13-06", "code": "2024-05-061", "text": "in 2024-05-06",
    }  # fmt: skip
    dtypes = {f.name: f.dtype for f in ln.Feature.from_dict(values)}
    assert dtypes == {
        "day": "date", "moment": "datetime", "spaced": "datetime",
        "none": "str", "code": "str", "text": "str",
    }  # fmt: skip


def test_a_dictionary_is_no_category(lake):
    ln.ULabel(name="a").save()
    ln.Feature(name="label", dtype=ln.ULabel).save()
    record = ln.Record(name="r").save()
    with pytest.raises(ValidationError, match="a dictionary"):
        record.features.add_values({"label": {"a": 1}})
    assert record.features.get_values() == {}


def test_texts_of_dtypes_name_the_field_that_was_named(lake):
    texts = {
        "plain": (bt.Gene, "cat[bionty.Gene]"),
        "named": (bt.Gene.symbol, "cat[bionty.Gene.symbol]"),
        "written": ("cat[bionty.Gene.symbol]", "cat[bionty.Gene.symbol]"),
        "several": ([bt.Gene.symbol, bt.CellType.name], "cat[bionty.Gene.symbol|bionty.CellType]"),
        "key": (list[ln.Artifact.key], "list[cat[Artifact.key]]"),
    }
    for name, (dtype, text) in texts.items():
        feature = ln.Feature(name=name, dtype=dtype).save()
        assert (feature.dtype, feature.dtype_as_str, feature._dtype_str) == (text, text, text)
    found = ln.Feature.filter(dtype_as_str="cat[bionty.Gene.symbol]")
    assert set(found.to_list("name")) == {"named", "written"}
    again = ln.Feature(name="plain", dtype=bt.Gene.symbol).save()
    assert (again.uid, again.dtype) == (ln.Feature.get(name="plain").uid, "cat[bionty.Gene]")
    with pytest.raises(InvalidFeature, match="another dtype"):
        ln.Feature(name="plain", dtype=bt.Gene.ensembl_gene_id)
    with pytest.raises(UnknownDtype, match="registry"):
        ln.Feature(name="bare", dtype="cat")
