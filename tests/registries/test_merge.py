"""Merging: what comes over, what conflicts, and that it is one commit."""

from __future__ import annotations

import time

import pytest

import lakehouse as ln
from lakehouse.errors import (
    InvalidArgument,
    KeyConflict,
    MergeConflict,
    ObjectDoesNotExist,
    ReadOnlyLake,
)
from tests.registries.conftest import write


@pytest.fixture
def branch(lake):
    return lake.Branch(name="b1").save()


def conflicts(lake, **options) -> list:
    """The conflicts of merging b1, which leave everything as it was."""
    before = lake.engine.state().seq
    with pytest.raises(MergeConflict) as error:
        lake.merge("b1", **options)
    assert lake.engine.state().seq == before
    assert lake.Branch.get(name="b1").status == "standalone"
    preview = lake.diff("b1", "main")
    if not options:
        assert preview.conflicts == error.value.conflicts
    for conflict in error.value.conflicts:
        assert str(conflict) in str(error.value)
    return list(error.value.conflicts)


def test_a_merge_brings_records_and_edits_in_one_commit(lake, branch):
    changed = lake.ULabel(name="changed", description="before").save()
    deleted = lake.ULabel(name="deleted").save()
    lake.ULabel(name="same").save()
    lake.switch("b1")
    label = lake.ULabel(name="label").save()
    feature = lake.Feature(name="feature", dtype=str).save()
    changed.description = "after"
    changed.save()
    deleted.delete()
    lake.switch("main")
    commits = len(lake.log())
    commit = lake.merge("b1")
    assert len(lake.log()) == commits + 1
    assert commit.message == "merge branch 'b1' into 'main'"
    assert set(lake.ULabel.filter().to_list("name")) == {"changed", "label", "same"}
    assert lake.ULabel.get(name="changed").description == "after"
    assert lake.ULabel.get(deleted.uid).branch.name == "trash"
    assert lake.Feature.get(name="feature") == feature
    assert lake.ULabel.get(label.uid).created_on == branch
    merged = lake.Branch.get(name="b1")
    assert (merged.status, merged.merged_into.name, merged.merged_by) == (
        "merged",
        "main",
        lake.user,
    )
    assert merged.merged_at == commit.time.replace(microsecond=merged.merged_at.microsecond)
    assert lake.engine.state().count("branch_edit") == 0
    # names of what came over are taken now
    assert lake.ULabel(name="label") == label


def test_the_preview_is_what_the_merge_does(lake, branch):
    changed = lake.ULabel(name="changed", description="before").save()
    lake.switch("b1")
    lake.ULabel(name="label").save()
    changed.description = "after"
    changed.save()
    lake.switch("main")
    before = lake.engine.state().seq
    preview = lake.diff("b1", "main")
    assert lake.merge("b1", dry_run=True).to_polars().equals(preview.to_polars())
    assert lake.diff("main", "b1").to_polars().equals(preview.to_polars())
    assert lake.engine.state().seq == before
    assert [row["name"] for row in preview["ULabel"].added] == ["label"]
    ((row,), fields) = (preview["ULabel"].changed, preview["ULabel"].changed[0].fields)
    assert (row.name, fields) == ("changed", {"description": ("before", "after")})
    lake.merge("b1")
    done = lake.diff(before)["ULabel"]
    assert done.changed[0].fields == {"description": ("before", "after")}
    assert done.changed[1].fields == {"branch_uid": (branch.uid, "main")}
    assert not lake.diff("b1", "main")


def test_nothing_to_merge(lake, branch, capsys):
    assert lake.merge("main") is None
    assert lake.merge("b1") is not None  # an empty branch is merged, too: its status says so
    assert lake.Branch.get(name="b1").status == "merged"
    commits = len(lake.log())
    assert lake.merge("b1") is None
    assert len(lake.log()) == commits


def test_a_merged_branch_can_go_on(lake, branch):
    lake.merge("b1")
    lake.switch("b1")
    lake.ULabel(name="late").save()
    lake.switch("main")
    lake.merge("b1")
    assert lake.ULabel.get(name="late").branch.name == "main"


def test_wrong_merges(lake, branch):
    with pytest.raises(ObjectDoesNotExist, match="b2"):
        lake.merge("b2")
    for name in ("trash", "archive"):
        with pytest.raises(InvalidArgument, match="isn't merged"):
            lake.merge(name)
    with pytest.raises(InvalidArgument, match="prefer"):
        lake.merge("b1", prefer="mine")
    with pytest.raises(InvalidArgument, match="commit of its own"), lake.transaction():
        lake.merge("b1")
    with pytest.raises(ReadOnlyLake):
        lake.at(lake.log(1)[0].id).merge("b1")


def test_branches_merge_into_each_other(lake, branch):
    label = lake.ULabel(name="a", description="0").save()
    lake.switch("b1")
    lake.ULabel(name="of b1").save()
    label.description = "1"
    label.save()
    lake.switch("main")
    lake.switch("b2", create=True)
    lake.merge("b1")
    assert lake.ULabel.get(name="a").description == "1"
    assert lake.ULabel.get(name="of b1").branch.name == "b2"
    lake.switch("main")
    assert lake.ULabel.filter().to_list("name") == ["a"]
    assert lake.ULabel.get(name="a").description == "0"
    lake.merge("b2")
    assert lake.ULabel.get(name="a").description == "1"
    assert lake.ULabel.filter().count() == 2


# -- conflicts -------------------------------------------------------------------------


def test_one_name_given_on_both_sides(lake, branch):
    ours = lake.ULabel(name="a", description="ours", branch=branch).save()
    theirs = lake.ULabel(name="a", description="theirs").save()
    (found,) = conflicts(lake)
    assert (found.kind, found.registry, found.uid) == ("name", "ULabel", ours.uid)
    for text in ("'a'", "'ours'", "'theirs'", theirs.uid, "rename or delete"):
        assert text in str(found)
    # whatever is preferred, there can't be two
    assert len(conflicts(lake, prefer="branch")) == 1
    ours.name = "b"
    ours.save()
    lake.merge("b1")
    assert lake.ULabel.filter().count() == 2


def test_a_name_of_the_trash_is_free(lake, branch):
    lake.ULabel(name="a").save().delete()
    lake.ULabel(name="a", branch=branch).save()
    lake.merge("b1")
    assert lake.ULabel.filter(name="a").count() == 1


def test_names_that_change_hands_on_the_branch(lake, branch):
    renamed = lake.ULabel(name="a").save()
    deleted = lake.ULabel(name="x").save()
    lake.switch("b1")
    renamed.name = "b"
    renamed.save()
    deleted.delete()
    first, second = lake.ULabel(name="a").save(), lake.ULabel(name="x").save()
    lake.switch("main")
    lake.merge("b1")
    assert lake.ULabel.get(name="a") == first
    assert lake.ULabel.get(name="b") == renamed
    assert lake.ULabel.get(name="x") == second


def test_a_name_that_an_edit_takes_on_the_branch(lake, branch):
    label = lake.ULabel(name="a").save()
    lake.switch("b1")
    label.name = "b"
    label.save()
    lake.switch("main")
    lake.ULabel(name="b").save()
    (found,) = conflicts(lake)
    assert (found.kind, found.uid) == ("name", label.uid)


def test_a_field_changed_on_both_sides(lake, branch):
    label = lake.ULabel(name="a", description="0", reference="r0").save()
    lake.switch("b1")
    label.description, label.reference = "ours", "r1"
    label.save()
    lake.switch("main")
    here = lake.ULabel.get(label.uid)
    here.description = "theirs"
    here.save()
    (found,) = conflicts(lake)
    assert (found.kind, found.what) == ("field", "description")
    assert (found.ours, found.theirs) == ("'ours'", "'theirs'")
    assert "'0'" in found.hint
    lake.merge("b1", prefer="main")
    here = lake.ULabel.get(label.uid)
    assert (here.description, here.reference) == ("theirs", "r1")


def test_the_branchs_value_is_preferred(lake, branch):
    label = lake.ULabel(name="a", description="0").save()
    lake.switch("b1")
    label.description = "ours"
    label.save()
    lake.switch("main")
    here = lake.ULabel.get(label.uid)
    here.description = "theirs"
    here.save()
    lake.merge("b1", prefer="branch")
    assert lake.ULabel.get(label.uid).description == "ours"


def test_a_field_changed_on_both_sides_to_the_same_value(lake, branch):
    label = lake.ULabel(name="a", description="0").save()
    for side in ("b1", "main"):
        lake.switch(side)
        here = lake.ULabel.get(label.uid)
        here.description = "1"
        here.save()
    lake.merge("b1")
    assert lake.ULabel.get(label.uid).description == "1"


def test_other_fields_of_one_record_are_no_conflict(lake, branch):
    label = lake.ULabel(name="a").save()
    lake.switch("b1")
    label.description = "ours"
    label.save()
    lake.switch("main")
    here = lake.ULabel.get(label.uid)
    here.reference = "theirs"
    here.save()
    lake.merge("b1")
    here = lake.ULabel.get(label.uid)
    assert (here.description, here.reference) == ("ours", "theirs")


@pytest.mark.parametrize("permanent", [None, True])
def test_an_edit_of_what_is_gone(lake, branch, permanent):
    label = lake.ULabel(name="a", description="0").save()
    lake.switch("b1")
    label.description = "ours"
    label.save()
    lake.switch("main")
    lake.ULabel.get(label.uid).delete(permanent=permanent)
    (found,) = conflicts(lake)
    assert found.kind == "gone"
    assert ("deleted" if permanent else "trash") in found.theirs
    lake.merge("b1", prefer="main")
    assert lake.ULabel.filter().count() == 0


def test_deleted_on_both_sides(lake, branch):
    label = lake.ULabel(name="a").save()
    for side in ("b1", "main"):
        lake.switch(side)
        lake.ULabel.get(label.uid).delete()
    lake.merge("b1")
    assert lake.ULabel.get(label.uid).branch.name == "trash"


def test_all_conflicts_come_at_once(lake, branch):
    edited = [lake.ULabel(name=f"e{i}", description="0").save() for i in range(3)]
    lake.switch("b1")
    lake.save([lake.ULabel(name=f"n{i}") for i in range(3)])
    for one in edited:
        one.description = "1"
    lake.save(edited)
    lake.switch("main")
    lake.save([lake.ULabel(name=f"n{i}") for i in range(3)])
    for one in (lake.ULabel.get(e.uid) for e in edited):
        one.description = "2"
        one.save()
    assert sorted(c.kind for c in conflicts(lake)) == ["field"] * 3 + ["name"] * 3


# -- versions --------------------------------------------------------------------------


def version(lake, text: str):
    return lake.Artifact(write(f"{text}.txt", text), key="a.txt").save()


def test_a_version_of_the_branch_is_the_latest_after_the_merge(lake, branch):
    first = version(lake, "1")
    lake.switch("b1")
    second = version(lake, "2")
    assert second.uid[:16] == first.uid[:16]
    lake.switch("main")
    assert lake.Artifact.get(key="a.txt") == first
    assert lake.Artifact.get(first.uid).is_latest
    lake.merge("b1")
    assert lake.Artifact.get(key="a.txt") == second
    assert lake.Artifact.filter(key="a.txt", is_latest=True).one() == second
    assert not lake.Artifact.get(first.uid).is_latest


def test_versions_on_both_sides(lake, branch):
    version(lake, "1")
    lake.switch("b1")
    ours = version(lake, "2")
    lake.switch("main")
    theirs = version(lake, "3")
    (found,) = conflicts(lake)
    assert (found.kind, found.ours) == ("version", ours.uid)
    assert theirs.uid in found.theirs
    assert "a.txt" in found.what
    lake.merge("b1", prefer="main")
    assert lake.Artifact.get(key="a.txt") == theirs
    assert lake.Artifact.filter(key="a.txt").count() == 3


@pytest.mark.slow
def test_a_version_that_knows_those_of_both_sides(lake, branch):
    version(lake, "1")
    lake.switch("b1")
    version(lake, "2")
    lake.switch("main")
    version(lake, "3")
    lake.switch("b1")
    last = version(lake, "4")
    lake.switch("main")
    lake.merge("b1")
    assert lake.Artifact.get(key="a.txt") == last


def test_one_key_begun_on_both_sides(lake, branch):
    lake.switch("b1")
    lake.Transform(key="t.py", source_code="1").save()
    lake.switch("main")
    lake.Transform(key="t.py", source_code="2").save()
    (found,) = conflicts(lake)
    assert found.kind in ("key", "version")
    assert "t.py" in found.what


def test_replaced_content_is_replaced_on_every_branch(lake, branch):
    """Bytes lie in one place: an edit that goes with them isn't kept beside."""
    artifact = version(lake, "1")
    lake.switch("b1")
    artifact.replace(write("2.txt", "2"))
    artifact.save()
    lake.switch("main")
    assert lake.Artifact.get(artifact.uid).hash == artifact.hash


# -- many, and at once -----------------------------------------------------------------


@pytest.mark.slow
def test_ten_thousand_records(lake, branch):
    lake.save([lake.ULabel(name=f"main{i}") for i in range(5_000)])
    lake.switch("b1")
    lake.save([lake.ULabel(name=f"n{i}") for i in range(10_000)])
    lake.switch("main")
    started = time.process_time()
    lake.merge("b1")
    assert time.process_time() - started < 3  # 0.4 s on a quiet machine
    assert lake.ULabel.filter().count() == 15_000
    assert lake.ULabel(name="n77").branch.name == "main"


@pytest.mark.slow
def test_two_merges_at_once(lake, branch, run_python):
    lake.save([lake.ULabel(name=f"n{i}", branch=branch) for i in range(2_000)])
    code = """
        import sys, lakehouse as ln
        from lakehouse.errors import RowConflict
        ln.ULabel.filter().count()
        try:
            commit = ln.setup.merge("b1")
            print("merged" if commit else "nothing")
        except RowConflict as error:
            assert "by another process" in str(error), error
            print("lost")
    """
    said = run_python(code, code, code)
    assert said.count("merged") == 1
    assert set(said) <= {"merged", "nothing", "lost"}
    assert lake.ULabel.filter().count() == 2_000
    assert sum("merge branch" in c.message for c in lake.log()) == 1


def test_a_name_that_is_taken_during_the_merge(lake, branch, monkeypatch):
    """What is decided from an older state is decided again; nothing is half merged."""
    lake.ULabel(name="a", branch=branch).save()
    lake.ULabel(name="b", branch=branch).save()
    commit = type(lake).commit
    done = []

    def late(self, changes, **options):
        if not done and "merge" in options.get("message", ""):
            done.append(True)
            self.ULabel(name="a").save()
        return commit(self, changes, **options)

    monkeypatch.setattr(type(lake), "commit", late)
    with pytest.raises((MergeConflict, KeyConflict)) as error:
        lake.merge("b1")
    assert "'a'" in str(error.value)
    assert lake.ULabel.filter().to_list("name") == ["a"]
    assert lake.ULabel.filter(branch=branch).count() == 2


def test_the_public_function(tmp_path):
    lake = ln.setup.init(storage=str(tmp_path / "other"))
    with lake:
        ln.setup.switch("b1", create=True)
        ln.ULabel(name="a").save()
        ln.setup.switch("main")
        assert ln.ULabel.filter().count() == 0
        assert len(ln.setup.merge("b1", dry_run=True)["ULabel"].added) == 1
        ln.setup.merge(ln.Branch.get(name="b1"))
        assert ln.ULabel.get(name="a").branch.name == "main"
