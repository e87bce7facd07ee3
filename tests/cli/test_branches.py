"""`switch`, `branch`, `merge`, `diff` on the command line."""

from __future__ import annotations

import pytest

import lakehouse as ln


def test_a_branch_from_its_making_to_its_merge(run, lake):
    assert "made and switched to the branch 'b1'" in run("switch", "-c", "b1").stderr
    ln.ULabel(name="on branch").save()
    assert "b1" in run("info").stdout
    run("switch", "main")
    preview = run("merge", "--dry-run", "b1").stdout
    assert "ULabel: 1 added" in preview
    assert "on branch" in preview
    assert run("diff", "b1", "main").stdout == preview
    assert ln.ULabel.filter().count() == 0
    run("merge", "b1")
    assert ln.ULabel.filter().count() == 1
    assert "no difference" in run("diff", "b1", "main").stdout


@pytest.mark.slow
def test_child_processes_are_on_the_branch(run, lake, shell):
    run("switch", "--create", "b1")
    done = shell("branch")
    assert done.returncode == 0
    (line,) = [row for row in done.stdout.splitlines() if "b1" in row]
    assert line.strip().startswith("*")
    assert shell("switch", "main").returncode == 0
    assert "*   main" in shell("branch").stdout


def test_a_branchs_status(run, lake):
    run("switch", "-c", "b1")
    shown = run("branch", "--status", "draft", "--description", "what for").stdout
    assert "draft" in shown
    assert "what for" in shown
    assert ln.Branch.get(name="b1").status == "draft"
    assert "review" in run("branch", "b1", "--status", "review").stdout
    assert "review" in run("branch").stdout
    assert run("branch", "b1", "--status", "open", code=2).exit_code == 2


def test_conflicts(run, lake):
    label = ln.ULabel(name="a", description="0").save()
    run("switch", "-c", "b1")
    label.description = "ours"
    label.save()
    run("switch", "main")
    here = ln.ULabel.get(name="a")
    here.description = "theirs"
    here.save()
    preview = run("merge", "b1", "--dry-run", code=1).stdout
    for part in ("conflict:", "'ours'", "'theirs'"):
        assert part in preview
    refused = run("merge", "b1", code=1).stderr
    for part in ("1 conflict(s)", "'ours'", "'theirs'", "--dry-run"):
        assert part in refused
    run("merge", "b1", "--prefer", "branch")
    assert ln.ULabel.get(name="a").description == "ours"


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("switch", "b2"), "There is no branch 'b2'"),
        (("switch", "-c", "main"), "exists already"),
        (("switch", "trash"), "Nobody works on"),
        (("switch", "--space", "study"), "There is no space 'study'"),
        (("merge", "b2"), "There is no branch 'b2'"),
        (("merge", "trash"), "isn't merged"),
        (("branch", "b2"), "There is no branch 'b2'"),
        (("diff", "b2"), "No commit, tag or branch is named 'b2'"),
        (("diff", "1", "-r", "ULable"), "There is no registry 'ULable'"),
    ],
)
def test_wrong_calls(run, lake, words, said):
    result = run(*words, code=1)
    assert said in result.stderr
    assert "Traceback" not in result.output


def test_spaces(run, lake):
    ln.Space(name="study").save()
    run("switch", "--space", "study")
    assert "study" in run("info").stdout
    assert ln.ULabel(name="a").save().space.name == "study"


def test_differences_of_commits(run, lake):
    run("tag", "before")
    ln.ULabel(name="a").save()
    ln.Feature(name="f", dtype=str).save()
    assert run("diff", "before", "--summary").stdout == "Feature: 1 added\nULabel: 1 added\n"
    assert "Feature" not in run("diff", "before", "-r", "ULabel").stdout
    number = str(ln.current_lake().log(1)[0].seq)
    assert "Feature: 1 added" in run("diff", "before", number).stdout
    assert "no difference" in run("diff", number).stdout
