"""All labels of an artifact: `artifact.labels`."""

from __future__ import annotations

import pandas as pd
import pytest

import lakehouse as ln
import lakehouse.bionty as bt
from lakehouse.errors import InvalidArgument, TypeMismatch, ValidationError
from lakehouse.orm import Lake


def artifact(n: int = 1, **options):
    return ln.Artifact.from_dataframe(pd.DataFrame({"x": range(n)}), key=f"{n}.parquet", **options)


@pytest.fixture
def data(lake):
    ln.save(
        [
            ln.ULabel(name="a"),
            ln.ULabel(name="b"),
            bt.CellType(name="T cell"),
            ln.Feature(name="label", dtype=ln.ULabel),
            ln.Feature(name="cell", dtype=bt.CellType),
            ln.Feature(name="both", dtype="cat[ULabel|bionty.CellType]"),
            ln.Feature(name="text", dtype=str),
        ]
    )
    return artifact().save()


def features():
    return [ln.Feature.get(name=n) for n in ("label", "cell", "both", "text")]


def test_add_and_get(data):
    label, cell, both, _ = features()
    a, b, t = ln.ULabel.get(name="a"), ln.ULabel.get(name="b"), bt.CellType.get(name="T cell")
    before = len(ln.current_lake().log())
    data.labels.add([a, t])
    assert len(ln.current_lake().log()) == before + 1
    assert (data.ulabels.one(), data.cell_types.one()) == (a, t)
    data.labels.add(b, feature=label)
    data.labels.add(ln.ULabel.filter(name__in=["a", "b"]), feature=label)
    data.labels.add("T cell", feature=cell)
    assert sorted(data.labels.get(label).to_list("name")) == ["a", "b"]
    assert sorted(data.labels.get(label, flat_names=True)) == ["a", "b"]
    assert data.labels["cell"].one() == t
    assert data.labels.get(both).count() == 0
    data.labels.add([a, t], feature=both)
    found = data.labels.get(both, mute=True)
    assert {name: labels.to_list("name") for name, labels in found.items()} == {
        "ULabel": ["a"],
        "bionty.CellType": ["T cell"],
    }
    assert data.labels.get(both, flat_names=True) == ["a", "T cell"]
    assert ln.Artifact.filter(cell="T cell").one() == data
    assert data.features.get_values()["cell"] == "T cell"
    before = len(ln.current_lake().log())
    data.labels.add([a, b], feature=label)
    data.labels.add([])
    assert len(ln.current_lake().log()) == before


def test_describe(data):
    assert data.labels.describe() == ""
    assert repr(artifact(2).labels) == "LabelManager"
    data.labels.add([ln.ULabel.get(name="a"), bt.CellType.get(name="T cell")])
    text = data.labels.describe()
    assert [line.split() for line in text.splitlines()[1:]] == [
        ["└──", ".ulabels", "ULabel", "a"],
        [".cell_types", "bionty.CellType", "T", "cell"],
    ]
    assert text in repr(data.labels)


def test_bad_input(data):
    label, cell, _, text = features()
    a = ln.ULabel.get(name="a")
    commits = len(ln.current_lake().log())
    for records, feature, error, words in [
        (ln.ULabel(name="new"), None, ValidationError, "isn't saved"),
        ([a, ln.ULabel(name="new")], label, ValidationError, "isn't saved"),
        (a, ln.Feature(name="f", dtype=ln.ULabel), ValidationError, "isn't saved"),
        (a, cell, ValidationError, "can't be a value"),
        (a, text, ValidationError, "isn't categorical"),
        (a, "label", TypeMismatch, "is a Feature"),
        ("a", None, InvalidArgument, "without a feature"),
        ("nobody", label, ValidationError, "There is no label"),
        (None, None, TypeMismatch, "Labels are records"),
        ([a, 1], None, TypeMismatch, "can't be a label"),
        ([a, ln.Transform(key="t")], None, TypeMismatch, "can't be a label"),
    ]:
        with pytest.raises(error, match=words):
            data.labels.add(records, feature=feature)
    with pytest.raises(InvalidArgument, match="isn't saved"):
        artifact(3).labels.add(a)
    with pytest.raises(ValidationError):
        data.labels.get(text)
    with pytest.raises(TypeMismatch):
        data.labels.get("label")
    with pytest.raises(TypeMismatch):
        data.labels.add_from("data")
    assert data.ulabels.count() == 0
    assert len(ln.current_lake().log()) == commits


def test_add_from(data):
    label, cell, *_ = features()
    a, b = ln.ULabel.get(name="a"), ln.ULabel.get(name="b")
    data.labels.add(a)
    data.labels.add([a, b], feature=label)
    data.labels.add("T cell", feature=cell)
    data.projects.add(ln.Project(name="p").save())
    other = artifact(2).save()
    before = len(ln.current_lake().log())
    other.labels.add_from(data)
    assert len(ln.current_lake().log()) == before + 1
    assert other.labels.describe() == data.labels.describe()
    assert other.features.get_values() == data.features.get_values()
    other.labels.add_from(data)
    assert len(ln.current_lake().log()) == before + 1


def test_add_from_another_lake(data, tmp_path):
    label, cell, *_ = features()
    data.labels.add(["a", "b"], feature=label)
    data.labels.add("T cell", feature=cell)
    with Lake.create(str(tmp_path / "other"), modules=["bionty"]) as lake:
        known = ln.ULabel(name="a").save()
        own = artifact(2).save()
        logs = {}
        own.labels.add_from(data, transfer_logs=logs)
        assert sorted(own.ulabels.to_list("name")) == ["a", "b"]
        assert known in own.ulabels
        assert own.cell_types.one().uid == data.cell_types.one().uid
        assert own.features.get_values() == data.features.get_values()
        assert lake.ULabel.filter().count() == 2
        assert len(logs["mapped"]) == 1
        assert len(logs["transferred"]) == 4
        commits = len(lake.log())
        own.labels.add_from(data)
        assert len(lake.log()) == commits


def test_labels_in_a_transaction(data):
    label, *_ = features()
    with ln.transaction():
        new = ln.ULabel(name="new").save()
        data.labels.add(new, feature=label)
        assert data.labels.get(label).to_list("name") == ["new"]
        assert "new" in data.labels.describe()
    assert data.labels.get(label).one() == new


def test_what_was_found_in_the_dataset_can_be_made_external(data):
    label, *_ = features()
    frame = pd.DataFrame({"label": ["a", "b"]})
    schema = ln.Schema([label]).save()
    found = ln.Artifact.from_dataframe(frame, key="l.parquet", schema=schema).save()
    assert found.features.get_values(external_only=True) == {}
    found.labels.make_external(ln.ULabel.get(name="a"))
    assert found.features.get_values(external_only=True) == {"label": "a"}
    assert sorted(found.labels.get(label).to_list("name")) == ["a", "b"]


def test_renaming_what_datasets_know_by_name_is_told(data, capsys):
    label, *_ = features()
    frame = pd.DataFrame({"label": ["a", "b"]})
    found = ln.Artifact.from_dataframe(frame, key="l.parquet", schema=ln.Schema([label]).save())
    found.save()
    data.ulabels.add(ln.ULabel.get(name="b"))
    capsys.readouterr()
    one, both = ln.ULabel.get(name="a"), ln.ULabel.get(name="b")
    one.name = "A"
    one.save()
    text = "".join(capsys.readouterr())
    assert "renaming label from 'a' to 'A' 1 artifact no longer matches" in text
    assert found.uid in text
    both.description = "x"
    both.save()
    label.name = "Label"
    label.save()
    text = "".join(capsys.readouterr())
    assert "renaming feature from 'label' to 'Label' 1 artifact no longer matches" in text
    assert "renaming label" not in text
    ln.Feature.get(name="cell").save()
    assert sorted(found.ulabels.to_list("name")) == ["A", "b"]


def test_a_transaction_sees_the_labels_that_feature_values_make(data):
    label, *_ = features()
    with ln.transaction():
        data.features.set_values({"label": "a"})
        assert data.ulabels.to_list("name") == ["a"]
        assert data.labels.get(label).one().name == "a"
        data.ulabels.clear()
        assert not data.ulabels.exists()
    assert not data.ulabels.exists()
    assert data.features.get_values() == {}
