"""What others refer to is protected; what belongs to a record goes with it."""

from __future__ import annotations

import pytest

import lakehouse as ln
from lakehouse.errors import ObjectDoesNotExist, ProtectedRecord
from tests.registries.conftest import table_artifact


@pytest.fixture
def data(lake):
    labels = [ln.ULabel(name=n) for n in "abc"]
    ln.save(labels)
    return table_artifact(), labels


def test_what_is_referred_to_is_protected(data):
    found, (a, b, _) = data
    feature = ln.Feature(name="f", dtype=ln.ULabel).save()
    found.ulabels.add(a, feature=feature)
    with pytest.raises(ProtectedRecord, match=r"1 Artifact in 'ulabels': Artifact\(.*1\.parquet"):
        a.delete(permanent=True)
    with pytest.raises(ProtectedRecord, match="1 Artifact"):
        feature.delete(permanent=True)
    run = ln.Run(ln.Transform(key="t").save()).save()
    made = table_artifact(2, run=run)
    with pytest.raises(ProtectedRecord, match="1 Artifact by 'run'"):
        run.delete(permanent=True)
    made.delete(permanent=True)
    run.delete(permanent=True)
    kind = ln.ULabel(name="kind", is_type=True).save()
    kind.ulabels.add(b)
    with pytest.raises(ProtectedRecord, match="by 'type'"):
        kind.delete(permanent=True)


def test_links_go_with_their_subject(data):
    found, (a, _, _) = data
    found.ulabels.add(a)
    found.delete(permanent=True)
    assert a.artifacts.count() == 0
    a.delete(permanent=True)
    run = ln.Run(ln.Transform(key="t").save()).save()
    one = table_artifact(2)
    run.input_artifacts.add(one)
    one.delete(permanent=True)
    assert run.input_artifacts.count() == 0


def test_protection_within_a_transaction(data):
    found, (a, b, c) = data
    found.ulabels.add(a)
    with ln.transaction():
        found.ulabels.remove(a)
        a.delete(permanent=True)
    assert ln.ULabel.filter(name="a").count() == 0
    with pytest.raises(ProtectedRecord), ln.transaction():
        found.ulabels.add(b)
        b.delete(permanent=True)
    assert ln.ULabel.filter(name="b").one() == b
    with pytest.raises(ProtectedRecord, match="child"), ln.transaction():
        kind = ln.ULabel(name="kind", is_type=True).save()
        ln.ULabel(name="child", type=kind).save()
        kind.delete(permanent=True)
    with ln.transaction():
        kind = ln.ULabel(name="kind", is_type=True).save()
        child = ln.ULabel(name="child", type=kind).save()
        child.delete(permanent=True)
        kind.delete(permanent=True)
    assert not ln.ULabel.filter(name__in=["kind", "child"]).exists()
    found.ulabels.add(c)
    with ln.transaction():
        found.delete(permanent=True)
        c.delete(permanent=True)
    assert not ln.ULabel.filter(name="c").exists()


def test_deleting_twice_in_a_transaction(data):
    _, (a, b, _) = data
    with ln.transaction():
        a.delete()
        a.delete()
    with pytest.raises(ObjectDoesNotExist):
        ln.ULabel.get(a.uid)
    with ln.transaction():
        new = ln.ULabel(name="new").save()
        new.delete()
        new.delete()
        b.delete()
    with pytest.raises(ObjectDoesNotExist):
        ln.ULabel.get(new.uid)
    assert ln.ULabel.get(b.uid).branch.name == "trash"


def test_a_withdrawn_record_leaves_nothing(lake):
    with ln.transaction():
        member = ln.Feature(name="f", dtype=str).save()
        schema = ln.Schema([member]).save()
        schema.projects.add(ln.Project(name="p").save())
        schema.delete(permanent=True)
    assert lake.state.count("schema_link") == 0
    assert ln.Feature.get(name="f").schemas.count() == 0
    assert not ln.Schema.filter().exists()


def test_parts_go_with_what_they_are_a_part_of(lake):
    transform = ln.Transform(key="t").save()
    run = ln.Run(transform).save()
    transform.delete(permanent=True)
    with pytest.raises(ObjectDoesNotExist):
        ln.Run.get(run.uid)
    transform = ln.Transform(key="t2").save()
    made = table_artifact(run=ln.Run(transform).save())
    with pytest.raises(ProtectedRecord, match="1 Artifact by 'run'"):
        transform.delete(permanent=True)
    assert made.run.transform == transform


def test_many_deletes_in_one_commit_protect_and_take_along_as_single_ones_do(lake):
    labels = ln.save([ln.ULabel(name=f"label {i:03d}") for i in range(60)])
    holder = ln.ULabel(name="holder").save()
    labels[55].parents.add(labels[54])
    ln.models.ULabelBlock(ulabel=labels[50], content="# note", kind="readme").save()
    found = table_artifact()
    found.ulabels.add(labels[57])
    commits = len(lake.log())
    some = ln.ULabel.filter(name__startswith="label")
    with pytest.raises(ProtectedRecord, match="label 057"):
        some.delete(permanent=True)
    assert ln.ULabel.filter().count() == 61
    assert len(lake.log()) == commits
    found.ulabels.clear()
    some.delete(permanent=True)
    assert ln.ULabel.filter().one() == holder
    assert lake.state.count("ulabel_link") == 0
    assert lake.state.count("ulabel_block") == 0


@pytest.mark.slow
def test_values_of_the_open_transaction_count(lake, tmp_path):
    (tmp_path / "a.txt").write_text("a")
    artifact = ln.Artifact(tmp_path / "a.txt", key="a.txt").save()
    feature = ln.Feature(name="temperature", dtype=float).save()
    with ln.transaction():
        artifact.features.add_values({"temperature": 1.5})
        with pytest.raises(ProtectedRecord, match="by a value"):
            feature.delete(permanent=True)
        artifact.features.remove_values("temperature")
        feature.delete(permanent=True)
    assert ln.Feature.filter().count() == 0
    again = ln.Feature(name="temperature", dtype=float).save()
    with ln.transaction():
        artifact.features.add_values({"temperature": 1.5})
        artifact.delete(permanent=True)
    assert lake.state.count("feature_value") == 0
    again.delete(permanent=True)
