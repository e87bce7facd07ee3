"""`log`, `tag`, `gc`."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import typer

import lakehouse as ln
from lakehouse.cli.history import moment, reference


def test_log_shows_messages_users_and_tags(run, lake: Path) -> None:
    with ln.transaction(message="add the raw label"):
        ln.ULabel(name="raw").save()
    run("tag", "v1")
    first = next(line for line in run("log").stdout.splitlines() if "add the raw label" in line)
    assert "tester" in first
    assert "ulabel" in first
    assert "v1" in first


def test_log_limit(run, lake: Path) -> None:
    for name in "abc":
        ln.ULabel(name=name).save()
    newest = ln.current_lake().log(1)[0]
    text = run("log", "--limit", "1").stdout
    assert newest.id in text
    assert ln.current_lake().log(2)[1].id not in text


def test_tag_lists_and_refuses_to_move(run, lake: Path) -> None:
    run("tag", "one")
    ln.ULabel(name="raw").save()
    assert "one" in run("tag").stdout
    assert "already names" in run("tag", "one", code=1).stderr


def test_tag_a_past_commit(run, lake: Path) -> None:
    ln.ULabel(name="a").save()
    past = ln.current_lake().log(1)[0]
    ln.ULabel(name="b").save()
    run("tag", "by-id", past.id)
    run("tag", "by-number", past.seq)
    tags = ln.current_lake().tags()
    assert tags["by-id"].seq == tags["by-number"].seq == past.seq
    assert "nothing" in run("tag", "x", "nothing", code=1).stderr


def test_gc(run, lake: Path) -> None:
    for name in "abcdefgh":
        ln.ULabel(name=name).save()
    before = sorted(path for path in Path("lake").rglob("*") if path.is_file())
    assert "would remove" in run("gc", "--keep", "1", "--dry-run").stdout
    assert sorted(path for path in Path("lake").rglob("*") if path.is_file()) == before
    assert "removed" in run("gc", "--keep", "1").stdout
    assert len([path for path in Path("lake").rglob("*") if path.is_file()]) < len(before)
    assert ln.ULabel.filter().count() == 8


def test_gc_wants_an_age(run, lake: Path) -> None:
    assert "neither an age" in run("gc", "--older-than", "soon", code=2).stderr
    run("gc", "--older-than", "30d", "--dry-run")


@pytest.mark.parametrize(
    ("text", "age"),
    [
        ("90s", timedelta(seconds=90)),
        ("5m", timedelta(minutes=5)),
        ("12h", timedelta(hours=12)),
        ("30d", timedelta(days=30)),
        ("2w", timedelta(weeks=2)),
    ],
)
def test_moment_of_an_age(text: str, age: timedelta) -> None:
    assert abs(datetime.now(UTC) - moment(text) - age) < timedelta(seconds=5)


def test_moment_of_a_date() -> None:
    assert moment("2026-01-31T10:00:00+00:00") == datetime(2026, 1, 31, 10, tzinfo=UTC)
    assert moment("2026-01-31").tzinfo is not None
    with pytest.raises(typer.BadParameter, match="30d"):
        moment("30 days")


def test_reference(lake: Path) -> None:
    current = ln.current_lake()
    current.tag("7")
    assert reference("7") == "7"
    assert reference("8") == 8
    assert reference("2026-01-31T10:00:00+00:00") == datetime(2026, 1, 31, 10, tzinfo=UTC)
    assert reference(current.log(1)[0].id) == current.log(1)[0].id


def test_gc_erases_an_artifact(run, lake: Path) -> None:
    Path("secret.txt").write_text("a secret")
    artifact = ln.Artifact("secret.txt", key="secret.txt").save()
    told = run("gc", "--erase", artifact.uid, "--dry-run").stdout
    assert "would erase" in told
    assert ln.Artifact.filter(key="secret.txt").count() == 1
    run("gc", "--erase", artifact.uid, "--keep", 2, code=2)
    assert "erased" in run("gc", "--erase", artifact.uid).stdout
    assert ln.Artifact.filter(key="secret.txt").count() == 0
    assert "erased from all kept states" in run("log").stdout
    run("gc", "--erase", artifact.uid, code=1)
