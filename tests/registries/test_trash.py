"""Trash and archive: what is hidden, what comes back, and which names are free meanwhile."""

from __future__ import annotations

import pytest

from lakehouse.engine import Changes
from lakehouse.errors import InvalidArgument, KeyConflict, ObjectDoesNotExist, ProtectedRecord
from lakehouse.orm import Lake
from tests.registries.conftest import write


def test_the_way_into_the_trash_and_back(lake):
    label = lake.ULabel(name="a").save()
    label.delete()
    assert (label.branch.name, label.branch_id) == ("trash", "trash")
    assert lake.ULabel.filter(name="a").count() == 0
    with pytest.raises(ObjectDoesNotExist):
        lake.ULabel.get(name="a")
    for condition in ({"branch__name": "trash"}, {"branch_id": -1}, {"branch": None}):
        assert lake.ULabel.filter(name="a", **condition).one() == label
    assert lake.ULabel.get(label.uid) == label
    label.restore()
    assert label.branch.name == "main"
    assert lake.ULabel.get(name="a") == label


def test_a_second_delete_is_for_good(lake):
    label = lake.ULabel(name="a").save()
    label.delete()
    label.delete()
    assert lake.ULabel.filter(branch=None).count() == 0
    with pytest.raises(InvalidArgument, match="isn't saved"):
        label.delete()


@pytest.mark.parametrize(("permanent", "left"), [(None, 1), (False, 1), (True, 0)])
def test_permanent(lake, permanent, left):
    label = lake.ULabel(name="a").save()
    label.delete(permanent=permanent)
    assert lake.ULabel.filter(branch=None).count() == left
    if left:
        label.delete(permanent=False)
        assert lake.ULabel.filter(branch_id=-1).count() == 1


def test_query_sets_are_deleted_and_restored_in_one_commit(lake):
    lake.save([lake.ULabel(name=f"n{i}") for i in range(5)])
    before = len(lake.log())
    lake.ULabel.filter(name__in=["n1", "n2"]).delete()
    assert lake.ULabel.filter().count() == 3
    lake.ULabel.filter(branch__name="trash").restore()
    assert lake.ULabel.filter().count() == 5
    lake.ULabel.filter(name__startswith="n").delete(permanent=True)
    assert lake.ULabel.filter(branch=None).count() == 0
    assert len(lake.log()) == before + 3


def test_the_archive_hides_and_keeps(lake):
    label = lake.ULabel(name="a").save()
    label.branch = lake.Branch.get(name="archive")
    label.save()
    assert lake.ULabel.filter().count() == 0
    assert lake.ULabel.filter(branch__name="archive").one() == label
    label.restore()
    assert lake.ULabel.filter().one() == label
    label.branch_id = 0  # the peer's number of the archive
    label.save()
    assert lake.ULabel.get(label.uid).branch.name == "archive"
    label.delete()
    assert lake.ULabel.get(label.uid).branch.name == "trash"


@pytest.mark.parametrize("hidden", [0, -1])
@pytest.mark.parametrize("registry", ["ULabel", "Record", "Project", "Feature"])
def test_the_name_of_a_hidden_record_is_free(lake, registry, hidden):
    cls = getattr(lake, registry)
    fields = {"dtype": str} if registry == "Feature" else {}
    old = cls(name="a", **fields).save()
    old.branch_id = hidden
    old.save()
    new = cls(name="a", **fields).save()
    assert new != old
    assert cls.get(name="a") == new
    # only one of them can be seen
    with pytest.raises(KeyConflict, match="'a"):
        cls.get(old.uid).restore()
    assert cls.get(old.uid).branch_id in ("archive", "trash")
    new.delete()
    cls.get(old.uid).restore()
    assert cls.get(name="a") == old


def test_two_trashed_records_with_one_name(lake):
    first = lake.ULabel(name="a").save()
    first.delete()
    second = lake.ULabel(name="a").save()
    second.delete()
    assert lake.ULabel.filter(name="a", branch_id=-1).count() == 2
    first.delete()
    second.restore()
    assert lake.ULabel.filter(branch=None).one() == second


def test_known_content_comes_back_from_the_trash(lake):
    old = lake.Artifact(write("a.csv"), key="a.csv").save()
    old.delete()
    again = lake.Artifact(write("a.csv"), key="a.csv").save()
    assert (again, again.branch.name) == (old, "main")
    assert lake.Artifact.filter().count() == 1
    # archived and other branches' content is given as it is
    again.branch_id = 0
    again.save()
    assert lake.Artifact(write("a.csv"), key="a.csv").branch.name == "archive"


def test_records_come_back_to_the_branch_that_they_were_made_on(lake):
    branch = lake.switch("b1", create=True)
    label = lake.ULabel(name="a").save()
    label.delete()
    lake.switch("main")
    lake.ULabel.get(label.uid).restore()
    assert lake.ULabel.get(label.uid).branch == branch
    lake.ULabel.get(label.uid).delete()
    lake.merge("b1")
    lake.ULabel.get(label.uid).restore()
    assert lake.ULabel.get(label.uid).branch.name == "main"


def test_restoring_what_isnt_hidden_changes_nothing(lake):
    label = lake.ULabel(name="a").save()
    commits = len(lake.log())
    label.restore()
    assert len(lake.log()) == commits


def test_registries_without_a_trash(lake):
    with pytest.raises(InvalidArgument, match="no trash"):
        lake.user.restore()
    with pytest.raises(InvalidArgument, match="no trash"):
        lake.Space(name="s").save().delete(permanent=False)


def test_what_is_referred_to_stays(lake):
    kind = lake.ULabel(name="kind", is_type=True).save()
    lake.ULabel(name="a", type=kind).save()
    kind.delete()
    with pytest.raises(ProtectedRecord):
        kind.delete()
    assert lake.ULabel.get(kind.uid).branch.name == "trash"


def test_lakes_from_before_names_in_the_trash_were_free(lake):
    """There a name stayed claimed by the trashed row, and there was no table of spaces."""
    old = lake.ULabel(name="a").save()
    old.delete()
    spec = lake.engine.specs["ulabel"]
    key = spec.key_text(("name", "type_uid"), ("a", None))
    changes = Changes()
    changes.claim("ulabel", key, old.uid)
    changes.delete("space", ["all"])
    changes.update("ulabel", old.uid, {"space_uid": None})
    lake.engine.commit(changes)
    with Lake.open(lake.root) as reopened:
        assert reopened.Space.get(name="all").uid == "all"
        assert reopened.ULabel.get(old.uid).space.name == "all"
        assert reopened.ULabel(name="a").save() != old
