"""Branches and spaces: where records are, who sees them, and what an edit on a branch changes."""

from __future__ import annotations

from datetime import UTC, date, datetime

import polars as pl
import pytest

import lakehouse as ln
from lakehouse.errors import (
    BranchAlreadyExists,
    FieldValidationError,
    InvalidArgument,
    KeyConflict,
    ObjectDoesNotExist,
    ProtectedRecord,
    ReadOnlyLake,
    RowConflict,
    ValidationError,
)
from lakehouse.orm import Lake


@pytest.fixture
def branch(lake):
    """A branch, not switched to."""
    return lake.Branch(name="b1").save()


def names(queryset) -> list[str]:
    return sorted(queryset.to_list("name"))


def test_a_new_lake_has_the_built_in_branches_and_one_space(lake):
    assert names(lake.Branch.filter()) == ["archive", "main", "trash"]
    assert (lake.branch.name, lake.space.name) == ("main", "all")
    assert lake.Space.get(name="all").uid == "all"


def test_new_records_are_on_the_current_branch_and_say_where_they_were_made(lake, branch):
    on_main = lake.ULabel(name="on main").save()
    lake.switch("b1")
    on_branch = lake.ULabel(name="on branch").save()
    assert on_main.branch.name == on_main.created_on.name == "main"
    assert on_branch.branch == on_branch.created_on == branch
    assert on_branch.branch_id == branch.uid
    assert on_branch.space.name == "all"
    assert on_branch.is_locked is False


def test_queries_see_main_and_the_current_branch(lake, branch):
    lake.ULabel(name="on main").save()
    lake.switch("b1")
    made = lake.ULabel(name="on branch").save()
    assert names(lake.ULabel.filter()) == ["on branch", "on main"]
    lake.switch("main")
    assert names(lake.ULabel.filter()) == ["on main"]
    with pytest.raises(ObjectDoesNotExist):
        lake.ULabel.get(name="on branch")
    # whoever knows where it is finds it
    assert lake.ULabel.get(made.uid) == made
    assert lake.ULabel.filter(uid=made.uid).one() == made
    for condition in (
        {"branch": branch},
        {"branch__name": "b1"},
        {"branch_id": branch.uid},
        {"branch__in": [branch]},
        {"branch": None, "name": "on branch"},
    ):
        assert lake.ULabel.filter(**condition).one() == made, condition
    assert names(lake.ULabel.filter(created_on=branch)) == []


def test_a_query_set_follows_the_switch(lake, branch):
    found = lake.ULabel.filter()
    lake.ULabel(name="a", branch=branch).save()
    assert (len(found), found.count()) == (0, 0)
    lake.switch("b1")
    assert (len(found), found.count()) == (1, 1)


def test_a_record_can_be_made_on_a_branch_and_moved_to_one(lake, branch):
    made = lake.ULabel(name="a", branch=branch).save()
    assert lake.ULabel.get(made.uid).branch == branch
    moved = lake.ULabel(name="b").save()
    moved.branch = branch
    moved.save()
    assert lake.ULabel.filter().count() == 0
    assert (lake.ULabel.get(moved.uid).branch, moved.created_on.name) == (branch, "main")
    moved.branch_id = 1  # the peer's number of main
    moved.save()
    assert names(lake.ULabel.filter()) == ["b"]


def test_an_artifact_can_be_made_on_a_branch_and_in_a_space(lake, branch, tmp_path):
    file = tmp_path / "a.txt"
    file.write_text("a")
    space = lake.Space(name="study").save()
    made = lake.Artifact(file, key="a.txt", branch=branch, space=space).save()
    found = lake.Artifact.get(made.uid)
    assert (found.branch, found.space) == (branch, space)
    assert lake.Artifact.filter().count() == 0


@pytest.mark.parametrize("wrong", ["b1", 7, object()])
def test_a_branch_is_a_branch_record(lake, branch, wrong):
    with pytest.raises(InvalidArgument):
        lake.ULabel(name="a", branch=wrong)


# -- names -----------------------------------------------------------------------------


def test_each_branch_has_its_own_names(lake, branch):
    there = lake.ULabel(name="a", branch=branch).save()
    here = lake.ULabel(name="a").save()
    assert here != there
    assert lake.ULabel(name="a") == here
    lake.switch("b1")
    assert lake.ULabel(name="a") == there
    lake.switch("main")
    with pytest.raises(KeyConflict):
        there.branch_id = "main"
        there.save()
    assert lake.ULabel.get(there.uid).branch == branch


def test_on_a_branch_the_names_of_main_give_the_records_of_main(lake, branch):
    made = lake.ULabel(name="a").save()
    lake.switch("b1")
    assert lake.ULabel(name="a") == made
    assert lake.ULabel.filter().count() == 1


def test_many_names_on_a_branch_at_once(lake, branch):
    lake.save([lake.ULabel(name=f"n{i}") for i in range(50)])
    lake.switch("b1")
    labels = lake.save([lake.ULabel(name=f"n{i}") for i in range(40, 2_000)])
    assert len({r.uid for r in labels}) == 1_960
    assert lake.ULabel.filter(branch=branch).count() == 1_950
    again = [lake.ULabel(name=f"n{i}") for i in range(2_000)]
    assert all(r._saved for r in again)
    lake.switch("main")
    assert lake.ULabel.filter().count() == 50
    assert not lake.ULabel(name="n1000")._saved


def test_terms_that_only_a_branch_has_come_to_main_when_main_makes_them(lake, branch):
    lake.switch("b1")
    lake.bionty.CellType.import_source("blood-cells")
    assert lake.bionty.CellType.get(name="T cell").branch == branch
    lake.switch("main")
    assert lake.bionty.CellType.filter().count() == 0
    assert lake.bionty.CellType(name="T cell").save().branch.name == "main"
    lake.bionty.CellType.import_source("blood-cells")
    on_main = lake.bionty.CellType.filter().count()
    lake.switch("b1")
    assert lake.bionty.CellType.filter().count() == on_main > 50


def test_validation_knows_the_labels_that_are_seen(lake, branch):
    lake.ULabel(name="main label").save()
    lake.ULabel(name="branch label", branch=branch).save()
    feature = lake.Feature(name="label", dtype="cat[ULabel]").save()
    schema = lake.Schema([feature], name="labelled").save()
    frame = pl.DataFrame({"label": ["main label", "branch label"]})
    with pytest.raises(ValidationError, match="branch label"):
        lake.Artifact.from_dataframe(frame, key="a.parquet", schema=schema)
    lake.switch("b1")
    made = lake.Artifact.from_dataframe(frame, key="a.parquet", schema=schema).save()
    assert sorted(made.ulabels.to_list("name")) == ["branch label", "main label"]


# -- edits -----------------------------------------------------------------------------


def test_an_edit_on_a_branch_is_seen_there_only(lake, branch):
    label = lake.ULabel(name="a", description="before").save()
    commits = len(lake.log())
    lake.switch("b1")
    label.description = "after"
    label.save()
    assert len(lake.log()) == commits + 1
    assert lake.ULabel.get(name="a").description == "after"
    assert lake.ULabel.filter(description="after").one() == label
    assert lake.ULabel.filter(description="before").count() == 0
    assert lake.sql("SELECT description FROM ulabel").fetchall() == [("after",)]
    assert lake.ULabel.to_polars().collect()["description"].to_list() == ["after"]
    assert lake.scan("ulabel").collect()["description"].to_list() == ["after"]
    lake.switch("main")
    assert lake.ULabel.get(name="a").description == "before"
    assert lake.sql("SELECT description FROM ulabel").fetchall() == [("before",)]


def test_edits_of_every_type_of_column(lake, branch):
    record = lake.Record(name="r", extra_data={"a": 1}).save()
    project = lake.Project(name="p", start_date=date(2026, 1, 1)).save()
    transform = lake.Transform(key="t.py").save()
    run = lake.Run(transform).save()
    moment = datetime(2026, 5, 1, 12, tzinfo=UTC)
    lake.switch("b1")
    with lake.transaction():
        record.extra_data = {"b": [1, None]}
        record.is_locked = True
        project.start_date = date(2025, 2, 3)
        project.description = None
        run.finished_at = moment
        for one in (record, project, run):
            one.save()

    def seen() -> tuple[object, ...]:
        found = lake.Record.get(record.uid)
        return (
            found.extra_data,
            found.is_locked,
            lake.Project.get(project.uid).start_date,
            lake.Run.get(run.uid).finished_at,
        )

    after = ({"b": [1, None]}, True, date(2025, 2, 3), moment)
    assert seen() == after
    assert lake.Record.filter(is_locked=True).one().extra_data == {"b": [1, None]}
    assert lake.Project.filter(start_date__lt=date(2026, 1, 1)).count() == 1
    lake.switch("main")
    assert seen() == ({"a": 1}, False, date(2026, 1, 1), None)
    lake.merge("b1")
    assert seen() == after


@pytest.mark.slow
def test_an_edit_that_is_taken_back_is_none(lake, branch):
    label = lake.ULabel(name="a", description="before").save()
    lake.switch("b1")
    for text in ("after", "before"):
        label.description = text
        label.save()
    assert lake.engine.state().count("branch_edit") == 0
    assert not lake.diff("b1", "main")


def test_two_edits_of_one_field_on_one_branch(lake, branch):
    uid = lake.ULabel(name="a", description="0").save().uid
    lake.switch("b1")
    first, second = lake.ULabel.get(uid), lake.ULabel.get(uid)
    first.description = "1"
    first.save()
    second.description = "2"
    with pytest.raises(RowConflict):
        second.save()
    fresh = lake.ULabel.get(uid)
    fresh.description = "3"
    fresh.save()
    assert lake.ULabel.get(uid).description == "3"
    assert lake.engine.state().count("branch_edit") == 1


def test_a_rename_on_a_branch_frees_the_name_there(lake, branch):
    old = lake.ULabel(name="a").save()
    lake.switch("b1")
    old.name = "b"
    old.save()
    assert lake.ULabel(name="b") == old
    new = lake.ULabel(name="a").save()
    assert new != old
    assert names(lake.ULabel.filter()) == ["a", "b"]
    lake.switch("main")
    assert lake.ULabel(name="a") == old


def test_a_rename_on_a_branch_to_a_name_that_is_seen_there(lake, branch):
    lake.ULabel(name="a").save()
    other = lake.ULabel(name="b").save()
    lake.switch("b1")
    other.name = "a"
    with pytest.raises(KeyConflict, match="already taken on this branch"):
        other.save()
    assert lake.ULabel.get(other.uid).name == "b"


def test_deleting_on_a_branch_hides_there_only(lake, branch):
    label = lake.ULabel(name="a").save()
    lake.switch("b1")
    label.delete()
    assert lake.ULabel.filter().count() == 0
    assert lake.ULabel.get(label.uid).branch.name == "trash"
    lake.switch("main")
    assert lake.ULabel.filter().count() == 1
    lake.switch("b1")
    lake.ULabel.get(label.uid).restore()
    assert lake.ULabel.filter().count() == 1
    assert lake.engine.state().count("branch_edit") == 0


def test_deleting_for_good_takes_the_edits_along(lake, branch):
    label = lake.ULabel(name="a").save()
    lake.switch("b1")
    label.description = "edited"
    label.save()
    label.delete(permanent=True)
    lake.switch("main")
    assert lake.ULabel.filter(branch=None).count() == 0
    assert lake.engine.state().count("branch_edit") == 0
    lake.merge("b1")


def test_a_record_is_read_again_and_says_where_it_is(lake, branch):
    label = lake.ULabel(name="a", branch=branch).save()
    assert repr(label).endswith("branch='b1')")
    lake.merge("b1")
    label.description = "not saved"
    label.refresh_from_db()
    assert (label.branch.name, label.description) == ("main", None)
    label.delete(permanent=True)
    with pytest.raises(ObjectDoesNotExist):
        label.refresh_from_db()


def test_past_states_are_seen_as_the_branch_saw_them(lake, branch):
    label = lake.ULabel(name="a", description="0").save()
    lake.switch("b1")
    label.description = "1"
    commit = label.save() and lake.log(1)[0]
    label.description = "2"
    label.save()
    assert lake.at(commit.id).ULabel.get(label.uid).description == "1"
    with pytest.raises(ReadOnlyLake):
        lake.at(commit.id).switch("b2", create=True)


def test_two_lakes_may_be_on_two_branches(lake, branch):
    label = lake.ULabel(name="a", description="0").save()
    other = Lake.open(lake.root)
    other.switch("b1")
    there = other.ULabel.get(label.uid)
    there.description = "1"
    there.save()
    assert lake.ULabel.get(label.uid).description == "0"
    assert other.ULabel.get(label.uid).description == "1"
    other.close()


# -- branches as records ---------------------------------------------------------------


def test_a_branch_knows_where_it_began(lake):
    lake.tag("here")
    made = lake.switch("b1", create=True)
    assert made.forked_at == lake.tags()["here"].id
    assert (made.forked_from.name, made.status, made.description) == ("main", "standalone", None)
    assert made.created_by == lake.user
    assert lake.switch("b2", create=True).forked_from == made


@pytest.mark.parametrize("status", ["draft", "review", "closed", "merged", "standalone"])
def test_the_status_of_a_branch(lake, branch, status):
    branch.status = status
    branch.save()
    assert lake.Branch.get(name="b1").status == status
    assert lake.Branch.filter(status=status, name="b1").count() == 1


def test_a_wrong_status(branch):
    with pytest.raises(FieldValidationError, match="status"):
        branch.status = "open"


def test_names_of_branches_differ_by_more_than_case(lake, branch):
    with pytest.raises(BranchAlreadyExists, match="'b1'"):
        lake.Branch(name="B1")
    branch.name = "MAIN"
    with pytest.raises(BranchAlreadyExists):
        branch.save()


def test_making_a_branch_that_exists(lake, branch):
    with pytest.raises(BranchAlreadyExists, match="b1"):
        lake.switch("b1", create=True)
    assert lake.branch.name == "main"
    assert lake.Branch(name="b1") == branch


def test_switching_to_nothing(lake, branch):
    with pytest.raises(ObjectDoesNotExist, match="b2") as error:
        lake.switch("b2")
    assert "b1" in str(error.value)
    with pytest.raises(ObjectDoesNotExist):
        lake.switch("study", space=True)
    for hidden in ("trash", "archive"):
        with pytest.raises(InvalidArgument, match=hidden):
            lake.switch(hidden)


def test_switching_by_record_name_or_uid(lake, branch):
    for target in (branch, "b1", branch.uid):
        assert lake.switch(target) == branch
        assert lake.branch == branch
        assert lake.switch("main").name == "main"


def test_no_switching_inside_a_transaction(lake, branch):
    with pytest.raises(InvalidArgument, match="transaction"), lake.transaction():
        lake.switch("b1")
    assert lake.branch.name == "main"


def test_built_in_branches_stay_what_they_are(lake):
    main = lake.Branch.get("main")
    main.name = "trunk"
    with pytest.raises(InvalidArgument, match="built-in"):
        main.save()
    for name in ("main", "trash", "archive"):
        with pytest.raises(InvalidArgument, match="built-in"):
            lake.Branch.get(name).delete(permanent=True)


def test_branches_are_kept_unless_they_are_empty(lake, branch):
    label = lake.ULabel(name="a", branch=branch).save()
    with pytest.raises(InvalidArgument, match="no trash"):
        branch.delete(permanent=False)
    for permanent in (None, True):
        with pytest.raises(ProtectedRecord):
            branch.delete(permanent=permanent)
    label.delete(permanent=True)
    assert branch.delete() == (1, {"lakehouse.Branch": 1})
    assert lake.Branch.filter(name="b1").count() == 0


# -- spaces ----------------------------------------------------------------------------


def test_records_lie_in_the_space_that_is_current_or_given(lake):
    study = lake.Space(name="study", description="Nobody else's business.").save()
    given = lake.ULabel(name="given", space=study).save()
    lake.switch("study", space=True)
    current = lake.ULabel(name="current").save()
    lake.switch("all", space=True)
    lake.ULabel(name="other").save()
    assert names(lake.ULabel.filter(space=study)) == ["current", "given"]
    assert names(lake.ULabel.filter(space__name="all")) == ["other"]
    assert lake.ULabel.filter().count() == 3
    given.space = lake.Space.get("all")
    given.save()
    assert lake.ULabel.filter(space=study).one() == current


# -- the process's own setting ---------------------------------------------------------


@pytest.mark.slow
def test_a_directory_remembers_its_branch(lake, run_python, monkeypatch, tmp_path):
    ln.setup.connect(lake.root)
    ln.setup.switch("b1", create=True)
    ln.ULabel(name="on branch").save()
    assert ln.setup.settings.branch.name == ln.settings.branch.name == "b1"
    seen = (
        "import lakehouse as ln; print(ln.setup.settings.branch.name, ln.ULabel.filter().count())"
    )
    monkeypatch.setenv("LAKEHOUSE_VERBOSITY", "error")
    code = "import os; os.environ.pop('LAKEHOUSE_ROOT'); " + seen
    assert run_python(code) == ["b1 1"]
    ln.setup.switch("main")
    assert run_python(code) == ["main 0"]
    ln.setup.settings.branch = "b1"
    assert run_python(code) == ["b1 1"]
    # connecting to the same lake again stays there, connecting to another one doesn't
    assert ln.setup.connect(lake.root).branch.name == "b1"
    assert ln.setup.init(storage=str(tmp_path / "other")).branch.name == "main"


def test_inside_the_lakes_own_folder(tmp_path, monkeypatch):
    ln.setup.init(storage=str(tmp_path / "lake"))
    monkeypatch.chdir(tmp_path / "lake")
    ln.setup.switch("b1", create=True)
    (tmp_path / "lake").rename(tmp_path / "moved")
    monkeypatch.chdir(tmp_path / "moved")
    assert ln.connect().branch.name == "b1"


def test_a_branch_that_is_gone_is_told(tmp_path, capsys):
    ln.setup.init(storage=str(tmp_path / "lake"))
    branch = ln.Branch(name="b1").save()
    ln.setup.switch(branch)
    ln.setup.switch("main")
    file = tmp_path / "cwd" / ".lakehouse" / "connection.json"
    file.write_text(f'{{"root": "{tmp_path / "lake"}", "branch": "gone"}}')
    assert ln.connect().branch.name == "main"
    assert "gone" in capsys.readouterr().err


def test_what_a_schema_demands_is_the_same_on_all_branches(lake):
    features = ln.save([ln.Feature(name=name, dtype=int) for name in "ab"])
    schema = ln.Schema(features[:1], name="s").save()
    lake.switch("side", create=True)
    found = ln.Schema.get(schema.uid)
    found.description = "described"
    found.save()
    found.add_optional_features(features[1:])
    lake.switch("main")
    seen = ln.Schema.get(schema.uid)
    assert (seen.description, seen.n) == (None, 2)
    assert [m.name for m in seen.members] == ["a", "b"]
    assert seen.hash == found.hash != schema.hash
    lake.merge("side")
    merged = ln.Schema.get(schema.uid)
    assert (merged.description, merged.n, merged.hash) == ("described", 2, seen.hash)
