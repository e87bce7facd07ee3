"""Validation sees what the open transaction has staged."""

from __future__ import annotations

import pandas as pd
import pytest

import lakehouse as ln
import lakehouse.bionty as bt
from lakehouse.orm import Lake
from lakehouse.orm.model.context import use

pytestmark = pytest.mark.usefixtures("lake")


@pytest.fixture
def saved():
    label = ln.ULabel(name="saved").save()
    return label, ln.Feature(name="label", dtype=ln.ULabel).save()


def frame(*values):
    return pd.DataFrame({"label": list(values)})


def test_staged_labels_features_and_schemas_count(saved):
    with ln.transaction():
        ln.ULabel(name="staged").save()
        new = ln.Feature(name="new", dtype=int).save()
        schema = ln.Schema([saved[1], new], name="both").save()
        assert schema.members.to_list("name") == ["label", "new"]
        good, bad = frame("saved", "staged").assign(new=1), frame("unknown", "staged").assign(new=1)
        report = ln.curators.DataFrameCurator(bad, schema).check()
        assert report.non_validated() == {"label": ["unknown"]}
        curator = ln.curators.DataFrameCurator(good, schema)
        curator.validate()
        assert {f.name for f in curator.cat.categoricals} == {"label"}
        curator.save_artifact(key="good.parquet")
        ln.Artifact.from_dataframe(frame("staged"), key="a.parquet", schema="valid_features").save()
    for key, names in (("good.parquet", {"saved", "staged"}), ("a.parquet", {"staged"})):
        assert set(ln.Artifact.get(key=key).ulabels.to_list("name")) == names
    good = ln.Artifact.get(key="good.parquet")
    assert good.schema == good.features.slots["columns"] == ln.Schema.get(name="both")


def test_registries_compare_with_staged_records():
    with ln.transaction():
        label = ln.ULabel(name="staged").save()
        cell = bt.CellType(name="my cell", synonyms="mine").save()
        assert ln.ULabel.validate(["staged", "other"], mute=True).tolist() == [True, False]
        assert bt.CellType.standardize(["mine"], mute=True) == ["my cell"]
        assert bt.CellType.inspect(["mine"], mute=True).synonyms_mapper == {"mine": "my cell"}
        assert ln.ULabel.from_values(["staged"], mute=True)[0] is label
        assert bt.CellType.from_values(["mine"], mute=True)[0] is cell
    assert ln.ULabel.filter().count() == 1


def test_what_the_transaction_changes_or_deletes_counts(saved):
    label, feature = saved
    schema = ln.Schema([feature], name="labels").save()
    with ln.transaction():
        label.name = "renamed"
        label.save()
        report = ln.curators.DataFrameCurator(frame("saved", "renamed"), schema).check()
        assert report.non_validated() == {"label": ["saved"]}
        label.delete(permanent=True)
        report = ln.curators.DataFrameCurator(frame("renamed"), schema).check()
        assert report.non_validated() == {"label": ["renamed"]}


def test_a_transaction_that_fails_leaves_nothing_to_compare_with(saved):
    schema = ln.Schema([saved[1]], name="labels").save()
    with pytest.raises(RuntimeError), ln.transaction():
        ln.ULabel(name="staged").save()
        ln.curators.DataFrameCurator(frame("staged"), schema).validate()
        raise RuntimeError
    assert not ln.curators.DataFrameCurator(frame("staged"), schema).check().ok


def test_members_of_a_schema_are_changed_with_it(saved):
    schema = ln.Schema([saved[1]], name="labels").save()
    before = schema.hash
    with ln.transaction():
        new = ln.Feature(name="new", dtype=str).save()
        schema.features.set([new])
        schema.save()
        assert schema.members.to_list("name") == ["new"]
        schema.features.set([saved[1], new])
        schema.features.remove(new)
        schema.features.add(new)
        schema.save()
    found = ln.Schema.get(name="labels")
    assert found.members.to_list("name") == ["label", "new"]
    assert [m[1] for m in found._values["content"]["members"]] == [saved[1].uid, new.uid]
    assert found.hash not in (before, None)
    assert found.n_members == 2


@pytest.fixture
def other(lake):
    with Lake.open(str(lake.root)) as opened:
        yield opened


def once(action):
    """A stager that lets another process do something between deciding and committing."""
    done = []

    def stager(changes):
        if not done:
            done.append(True)
            action()

    return stager


def number(n):
    return pd.DataFrame({"n": [n]})


def check_version(schema):
    """The dataset was validated with `n` alone, and is linked to a set of `n` alone."""
    artifact, changed = ln.Artifact.get(key="a.parquet"), ln.Schema.get(schema.uid)
    assert changed.members.to_list("name") == ["m"]
    assert artifact.features.slots["columns"].members.to_list("name") == ["n"]
    assert artifact.schema == changed
    version = changed.version(artifact.schema_hash)
    assert [m[1] for m in version.content["members"]] == [ln.Feature.get(name="n").uid]


@pytest.fixture
def features():
    return ln.Feature(name="n", dtype=int).save(), ln.Feature(name="m", dtype=int).save()


def test_a_dataset_saved_while_its_schema_changes_keeps_its_set(features, other):
    schema = ln.Schema(features[:1], name="numbers").save()

    def save():
        with use(other):
            theirs = ln.Schema.get(name="numbers")
            ln.Artifact.from_dataframe(number(1), key="a.parquet", schema=theirs).save()

    with ln.transaction() as batch:
        schema.features.set(features[1:])
        schema.save()
        batch.stage(once(save))
    check_version(schema)


def test_a_schema_changed_while_its_dataset_is_saved_keeps_what_it_demanded(features, other):
    schema = ln.Schema(features[:1], name="numbers").save()

    def change():
        with use(other), ln.transaction():
            theirs = ln.Schema.get(name="numbers")
            theirs.features.set([ln.Feature.get(name="m")])
            theirs.save()

    with ln.transaction() as batch:
        ln.Artifact.from_dataframe(number(1), key="a.parquet", schema=schema).save()
        batch.stage(once(change))
    check_version(schema)
