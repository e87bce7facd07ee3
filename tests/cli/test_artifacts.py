"""`save`, `load`, `ls`, `describe`."""

from __future__ import annotations

from pathlib import Path

import polars as pl
import pytest

import lakehouse as ln


@pytest.fixture
def table(lake: Path) -> Path:
    path = Path("cells.parquet")
    pl.DataFrame({"cell": ["a", "b"], "n": [1, 2]}).write_parquet(path)
    return path


def test_save_then_load(run, table: Path) -> None:
    out = run("save", table, "--key", "data/cells.parquet", "--description", "two cells").stdout
    uid, key = out.split()
    assert key == "data/cells.parquet"
    by_key = run("load", "--key", key).stdout.strip()
    by_uid = run("load", "--uid", uid[:8]).stdout.strip()
    assert by_key == by_uid
    assert Path(by_key).read_bytes() == table.read_bytes()
    assert ln.Artifact.get(uid).description == "two cells"


def test_key_defaults_to_the_name(run, table: Path) -> None:
    assert run("save", table).stdout.split()[1] == "cells.parquet"


def test_saving_the_same_again_gives_the_same(run, table: Path) -> None:
    assert run("save", table).stdout == run("save", table).stdout


def test_load_gives_the_newest_version(run, table: Path) -> None:
    run("save", table)
    pl.DataFrame({"cell": ["c"], "n": [3]}).write_parquet(table)
    run("save", table)
    assert (
        Path(run("load", "--key", "cells.parquet").stdout.strip()).read_bytes()
        == table.read_bytes()
    )


def test_save_what_is_not_there(run, lake: Path) -> None:
    assert "missing.csv" in run("save", "missing.csv", "--key", "x.csv", code=1).stderr


def test_save_under_a_key_outside(run, table: Path) -> None:
    result = run("save", table, "--key", "../cells.parquet", code=1)
    assert "../cells.parquet" in result.stderr
    assert ln.Artifact.filter().count() == 0


def test_load_needs_exactly_one_name(run, lake: Path) -> None:
    assert "either --key or --uid" in run("load", code=2).stderr
    assert "either --key or --uid" in run("describe", "--key", "a", "--uid", "b", code=2).stderr


def test_load_unknown_key(run, lake: Path) -> None:
    assert "nothing.csv" in run("load", "--key", "nothing.csv", code=1).stderr


def test_ls(run, table: Path) -> None:
    run("save", table, "--key", "a/one.parquet")
    Path("note.txt").write_text("[bold]hello")
    run("save", "note.txt", "--key", "b/note.txt", "--description", "[red]markup stays text")
    everything = run("ls").stdout
    assert "a/one.parquet" in everything
    assert "[red]markup stays text" in everything
    only = run("ls", "a/").stdout
    assert "a/one.parquet" in only
    assert "note.txt" not in only
    assert "1 of 2" in run("ls", "--limit", "1").stderr


def test_describe(run, table: Path) -> None:
    run("save", table)
    by_key = run("describe", "--key", "cells.parquet").stdout
    assert "DataFrame" in by_key
    assert "cell  string" in by_key
    uid = ln.Artifact.get(key="cells.parquet").uid
    assert run("describe", "--uid", uid).stdout == by_key


def test_save_with_schema(run, table: Path) -> None:
    ln.Schema(name="cells", features=[ln.Feature(name="n", dtype=str).save()]).save()
    result = run("save", table, "--schema", "cells", code=1)
    assert "n" in result.stderr
    assert ln.Artifact.filter().count() == 0
    ln.Schema(name="right", features=[ln.Feature(name="cell", dtype=str).save()]).save()
    run("save", table, "--schema", "right")
    assert ln.Artifact.filter().count() == 1
