"""Fields of all registries: their forms, and dictionaries that are changed in place."""

from __future__ import annotations

from datetime import UTC, datetime

import pyarrow as pa
import pytest

import lakehouse as ln
from lakehouse.errors import (
    FieldValidationError,
    InvalidArgument,
    ProtectedRecord,
    TypeMismatch,
)


@pytest.fixture
def artifact(lake):
    table = pa.table({"x": [1]})
    return ln.Artifact(table, key="t.parquet", extra_data={"n": 1, "deep": {"l": [1]}}).save()


def again(artifact):
    return ln.Artifact.get(artifact.uid).extra_data


def test_dictionaries_changed_in_place_are_saved(artifact):
    artifact.extra_data["n"] = 2
    artifact.save()
    assert again(artifact) == {"n": 2, "deep": {"l": [1]}}
    artifact.extra_data["deep"]["l"].append(2)
    artifact.save()
    assert again(artifact)["deep"] == {"l": [1, 2]}
    kept = artifact.extra_data
    kept["n"] = 3
    artifact.save()
    kept["n"] = 4  # the same object, after it was saved once
    artifact.save()
    assert again(artifact)["n"] == 4
    other = ln.Artifact.get(artifact.uid)
    del other.extra_data["deep"]
    other.save()
    assert again(artifact) == {"n": 4}


def test_assigned_after_a_change_in_place(artifact):
    artifact.extra_data["n"] = 2
    artifact.extra_data = {"new": True}
    artifact.save()
    assert again(artifact) == {"new": True}
    extra = artifact.extra_data
    extra["n"] = 5
    artifact.extra_data = extra
    artifact.save()
    assert again(artifact) == {"new": True, "n": 5}


def test_reading_a_dictionary_saves_nothing(artifact, lake):
    assert artifact.extra_data["n"] == 1
    before = lake.state.seq
    artifact.save()
    assert lake.state.seq == before
    artifact.description = "now described"
    artifact.save()
    assert ln.Artifact.get(artifact.uid).extra_data["n"] == 1


def test_what_was_given_is_not_shared(lake):
    given = {"n": 1}
    run = ln.Run(ln.Transform(key="t").save(), params=given).save()
    given["n"] = 2
    run.save()
    assert ln.Run.get(run.uid).params == {"n": 1}


def test_dictionaries_in_transactions(artifact):
    with ln.transaction(message="twice"):
        artifact.extra_data["n"] = 2
        artifact.save()
        artifact.extra_data["n"] = 3
        artifact.save()
    assert again(artifact)["n"] == 3
    with pytest.raises(RuntimeError), ln.transaction(message="fails"):
        artifact.extra_data["n"] = 9
        artifact.save()
        raise RuntimeError
    assert again(artifact)["n"] == 3
    artifact.save()
    assert again(artifact)["n"] == 9


def test_two_changes_in_place_of_one_row(artifact):
    mine, theirs = ln.Artifact.get(artifact.uid), ln.Artifact.get(artifact.uid)
    mine.extra_data["n"] = 2
    mine.save()
    theirs.extra_data["n"] = 3
    with pytest.raises(ln.errors.RowConflict):
        theirs.save()


def test_fields_of_transforms_and_runs(lake):
    plan = ln.Artifact(pa.table({"x": [1]}), key="plan.parquet").save()
    transform = ln.Transform(
        key="pipelines/align.py",
        description="aligns",
        kind="script",
        reference="https://example.org/align",
        reference_type="url",
        environment=plan,
        plan=plan,
        config={"threads": 2},
    ).save()
    found = ln.Transform.get(key="pipelines/align.py")
    assert (found.environment, found.plan, found.config) == (plan, plan, {"threads": 2})
    assert (found.name, found.type, found.reference_type) == ("align.py", "script", "url")
    first = ln.Run(transform, name="first").save()
    run = ln.Run(
        transform=transform,
        name="second",
        description="d",
        params={"a": 1},
        entrypoint="main",
        cli_args="--fast",
        reference="r",
        reference_type="t",
        report=plan,
        environment=plan,
        plan=plan,
        initiated_by_run=first,
        extra_data={"host": "here"},
        finished_at=datetime(2026, 1, 1, tzinfo=UTC),
    ).save()
    assert run.status == "scheduled"
    assert run.started_at is not None
    assert first.initiated_runs.all().one() == run
    assert transform.latest_run == run
    assert ln.Run.filter(report=plan, params__a=1).one() == run
    with pytest.raises(InvalidArgument, match="isn't saved"):
        ln.Run(ln.Transform(key="new"))
    with pytest.raises(FieldValidationError, match="'kind'"):
        ln.Transform(key="k", kind="bad")
    with pytest.raises(FieldValidationError, match="'status'"):
        ln.Run(transform, status="unheard of")
    with ln.transaction(message="both"):
        both = ln.Run(ln.Transform(key="new").save()).save()
    assert ln.Run.get(both.uid).transform.key == "new"


def test_runs_go_with_their_transform(lake):
    transform = ln.Transform(key="t").save()
    run = ln.Run(transform).save()
    ln.models.RunBlock(run=run, content="x", kind="comment").save()
    kept = ln.Artifact(pa.table({"x": [1]}), key="x.parquet", run=run).save()
    with pytest.raises(ln.errors.ProtectedRecord, match="Artifact"):
        transform.delete(permanent=True)
    kept.delete(permanent=True)
    transform.delete(permanent=True)
    assert ln.Run.filter().count() == 0
    assert ln.models.RunBlock.filter().count() == 0


def test_fields_of_storage(lake, tmp_path):
    own = ln.Storage.get(root=lake.root)
    assert own.instance_uid == lake.uid
    place = ln.Storage(root=str(tmp_path / "s"), description="d", region="here").save()
    assert (place.type, place.region, place.instance_uid) == ("local", "here", None)
    assert place.host == "here"
    assert ln.Storage(root=str(tmp_path / "s")) == place
    with pytest.raises(FieldValidationError, match="'root'"):
        ln.Storage()


def test_another_default_storage_location(lake, tmp_path):
    first = ln.settings.storage
    assert first.root.as_posix() == lake.root
    assert ln.settings.instance_uid == lake.uid
    ln.settings.storage = tmp_path / "second"
    assert ln.settings.storage.root == tmp_path / "second"
    (tmp_path / "a.txt").write_text("a")
    artifact = ln.Artifact(tmp_path / "a.txt", key="a.txt").save()
    assert artifact.storage.uid == ln.settings.storage.uid != first.uid
    assert artifact.path.is_relative_to(tmp_path / "second")
    ln.settings.storage = str(tmp_path / "third"), "machine"
    assert lake.storage.host == "machine"
    ln.settings.storage = first.record
    assert lake.storage == first.record
    with pytest.raises(TypeMismatch):
        ln.settings.storage = 5


def test_storage_locations_have_no_trash(lake, tmp_path):
    (tmp_path / "a.txt").write_text("a")
    place = ln.Storage(root=tmp_path / "second").save()
    ln.Artifact(tmp_path / "a.txt", key="a.txt", storage=place).save()
    with pytest.raises(InvalidArgument, match="no trash"):
        place.delete(permanent=False)
    with pytest.raises(ProtectedRecord):
        place.delete()
    empty = ln.Storage(root=tmp_path / "third").save()
    assert empty.delete() == (1, {"lakehouse.Storage": 1})
    assert ln.Storage.filter().count() == 2


def test_nothing_at_the_end_of_a_path(lake, tmp_path):
    for name in "ab":
        (tmp_path / f"{name}.txt").write_text(name)
    run = ln.Run(ln.Transform(key="t.py").save()).save()
    ln.Artifact(tmp_path / "a.txt", key="a.txt", run=run).save()
    ln.Artifact(tmp_path / "b.txt", key="b.txt").save()
    assert ln.Artifact.filter(transform=None).to_list("key") == ["b.txt"]
    assert ln.Artifact.filter(run__transform__description=None).count() == 2
    assert ln.Artifact.filter(run__transform=run.transform).to_list("key") == ["a.txt"]


def test_references_to_the_outside(lake):
    record = ln.Record(
        name="donor 001", reference="VX984545", reference_type="Donor ID from Vendor X"
    ).save()
    assert ln.Record.get(reference="VX984545") == record
    assert ln.ULabel(name="l", reference="r", reference_type="t").save().reference_type == "t"


def test_where_an_unsaved_record_will_be(lake):
    label = ln.ULabel(name="l")
    assert (label.branch.name, label.space.name) == ("main", "all")
    assert label.run is None
    ln.setup.switch("dev", create=True)
    assert ln.ULabel(name="m").branch.name == "dev"
    assert label.save().branch.name == "dev"


def test_arguments_that_artifacts_do_not_have(lake):
    for make in (ln.Artifact, ln.Artifact.from_dataframe):
        with pytest.raises(FieldValidationError, match="descripton"):
            make(pa.table({"x": [1]}), key="t.parquet", descripton="typo")
    assert isinstance(ln.ULabel.filter(), ln.models.BasicQuerySet)
