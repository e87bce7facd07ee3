"""Values of any wrong type: one clear error of ours, and nothing is saved."""

from __future__ import annotations

import time

import pytest

import lakehouse as ln
from lakehouse.errors import FieldValidationError, LakehouseError, TypeMismatch, ValidationError

WRONG = [None, 5, float("nan"), "DMSO", b"x", {"DMSO": 1}, [None], [5], ["DMSO"], Ellipsis]


@pytest.fixture
def artifact(lake, tmp_path):
    (tmp_path / "x.txt").write_text("x")
    return ln.Artifact(tmp_path / "x.txt", key="x.txt").save()


@pytest.fixture
def label(lake):
    return ln.ULabel(name="DMSO").save()


def rows(lake) -> dict[str, int]:
    state = lake.engine.state()
    return {table: state.count(table) for table in state.tables}


@pytest.mark.parametrize("wrong", [*WRONG, ln.ULabel], ids=str)
def test_relations(lake, artifact, label, wrong):
    artifact.ulabels.add(label)
    before = rows(lake)
    for change in (artifact.ulabels.set, artifact.ulabels.add, artifact.ulabels.remove):
        with pytest.raises(TypeMismatch, match="record"):
            change(wrong)
    with pytest.raises(LakehouseError, match=r"label|Label"):
        artifact.labels.add(wrong)
    assert rows(lake) == before
    assert artifact.ulabels.to_list() == [label]


def test_a_registry_is_no_label(lake, artifact):
    with pytest.raises(TypeMismatch, match="can't be a label"):
        artifact.labels.add(ln.ULabel)


@pytest.mark.parametrize("number", [10**30, -(10**30), 2**63, -(2**63) - 1])
def test_integers_beyond_64_bits(lake, artifact, number):
    ln.Feature(name="n", dtype=int).save()
    ln.Feature(name="several", dtype=list[int]).save()
    before = rows(lake)
    with pytest.raises(ValidationError, match="64 bits") as error:
        artifact.features.set_values({"n": number, "several": [1, number]})
    assert "'several'" in str(error.value)
    assert rows(lake) == before
    for fits in (2**63 - 1, -(2**63)):
        artifact.features.set_values({"n": fits})
        assert artifact.features.get_values() == {"n": fits}


def test_a_day_that_is_none(lake, artifact):
    ln.Feature(name="day", dtype="date").save()
    with pytest.raises(FieldValidationError, match="found: 'someday'"):
        ln.Artifact.filter(day__gt="someday").count()


@pytest.mark.parametrize("index", ["a", 1.5, None, slice(0.5, 2), slice(None, "b")], ids=str)
def test_positions_in_query_sets(lake, label, index):
    with pytest.raises(LakehouseError, match=r"position|whole numbers"):
        ln.ULabel.filter()[index]


@pytest.mark.parametrize("limit", [-1, "all", 1.5])
def test_limits(lake, label, limit):
    with pytest.raises(TypeMismatch, match="limit is a number"):
        ln.ULabel.to_dataframe(limit=limit)
    with pytest.raises(TypeMismatch, match="limit is a number"):
        ln.ULabel.filter().to_dataframe(limit=limit)


def test_what_frames_include(lake, label):
    with pytest.raises(TypeMismatch, match="named by texts"):
        ln.ULabel.to_dataframe(include=5)


@pytest.mark.parametrize("pattern", ["(", "[", "*", r"(?<=a)b"])
def test_regular_expressions(lake, label, pattern):
    for look_up in ("name__regex", "name__iregex"):
        with pytest.raises(FieldValidationError, match="takes a regular expression") as error:
            ln.ULabel.filter(**{look_up: pattern}).count()
        assert "SELECT" not in str(error.value)
    assert ln.ULabel.filter(name__regex="^D.*O$").one() == label


@pytest.mark.parametrize("name", [None, 5, ["a"], b"b"], ids=str)
def test_branches(lake, name):
    with pytest.raises(TypeMismatch, match="by its name"):
        lake.switch(name, create=True)
    with pytest.raises(LakehouseError, match="There is no branch") as error:
        lake.merge(name)
    assert "create=True" not in str(error.value)
    assert lake.branch.name == "main"


def test_differences_of_unknown_registries(lake):
    lake.switch("other", create=True)
    with pytest.raises(FieldValidationError, match="no registry 'ULabl'"):
        lake.diff("other", "main", registry="ULabl")
    assert not len(lake.diff("other", "main", registry="ULabel"))


@pytest.mark.parametrize("root", [5, 1.5, ["a"], {}, True], ids=str)
def test_roots(lake, root):
    with pytest.raises(TypeMismatch, match="path or an address"):
        ln.Storage(root=root)


@pytest.mark.parametrize("synonym", [None, 5, [None], ["a", 5], b"x"], ids=str)
def test_synonyms(lake, synonym):
    feature = ln.Feature(name="n", dtype=int).save()
    with pytest.raises(TypeMismatch, match="synonym is a text"):
        feature.add_synonym(synonym)
    assert not feature.synonyms
    feature.add_synonym(["number", "count"])
    feature.remove_synonym("count")
    assert ln.Feature.standardize(["number", "count"]) == ["n", "count"]


@pytest.mark.slow
def test_thousands_of_labels_are_read_in_linear_time(lake, artifact):
    labels = ln.save([ln.ULabel(name=f"label {i}") for i in range(8000)])
    feature = ln.Feature(name="label", dtype=ln.ULabel).save()

    def seconds(count: int) -> float:
        artifact.labels.add(labels[:count], feature=feature)
        begin = time.process_time()
        assert len(artifact.features.get_values()["label"]) == count
        return time.process_time() - begin

    few = seconds(1000)
    assert seconds(8000) < 30 * few  # quadratic would be 64
