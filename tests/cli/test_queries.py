"""`sql` in its formats."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path

import pyarrow.parquet as pq
import pytest

import lakehouse as ln

ROWS = [{"name": "a,b", "description": 'say "hi"'}, {"name": "plain", "description": None}]
QUERY = "SELECT name, description FROM ulabel ORDER BY name"


@pytest.fixture
def labels(lake: Path) -> None:
    ln.save([ln.ULabel(**row) for row in ROWS])


def test_table(run, labels) -> None:
    text = run("sql", QUERY).stdout
    assert "a,b" in text
    assert 'say "hi"' in text
    assert "–" in text


def test_table_is_cut_and_says_so(run, labels) -> None:
    result = run("sql", QUERY, "--rows", "1")
    assert "plain" not in result.stdout
    assert "the first 1 rows" in result.stderr


def test_csv(run, labels) -> None:
    text = run("sql", QUERY, "--format", "csv").stdout
    found = [{k: v or None for k, v in row.items()} for row in csv.DictReader(io.StringIO(text))]
    assert found == ROWS


def test_json(run, labels) -> None:
    assert json.loads(run("sql", QUERY, "--format", "json").stdout) == ROWS
    assert json.loads(run("sql", QUERY + " LIMIT 0", "--format", "json").stdout) == []


@pytest.mark.parametrize("words", [["--format", "parquet"], []])
def test_parquet_to_a_file(run, labels, words: list[str]) -> None:
    run("sql", QUERY, *words, "--output", "out.parquet")
    assert pq.read_table("out.parquet").to_pylist() == ROWS


def test_types_survive_json(run, lake: Path) -> None:
    query = "SELECT DATE '2026-01-31' AS d, 1.5 AS x, [1, 2] AS l, MAP {1: 'a'} AS m, 'ab'::BLOB AS b, NULL AS n, 'ü' AS t"
    (row,) = json.loads(run("sql", query, "--format", "json").stdout)
    assert row == {
        "d": "2026-01-31",
        "x": 1.5,
        "l": [1, 2],
        "m": {"1": "a"},
        "b": "6162",
        "n": None,
        "t": "ü",
    }


def test_stdin(run, labels) -> None:
    assert json.loads(run("sql", "-", "--format", "json", stdin=QUERY).stdout) == ROWS


def test_output_of_unknown_suffix(run, labels) -> None:
    assert "--format" in run("sql", QUERY, "--output", "out.xyz", code=2).stderr


def test_output_into_nowhere(run, labels) -> None:
    assert "can't be written" in run("sql", QUERY, "-o", "no/such/dir/out.csv", code=1).stderr
    assert "can't be written" in run("sql", QUERY, "-o", "no/such/dir/out.json", code=1).stderr


def test_at(run, labels) -> None:
    run("tag", "two")
    seq = ln.current_lake().log(1)[0].seq
    ln.ULabel(name="zebra").save()
    count = "SELECT count(*) AS n FROM ulabel"
    for ref in ("two", str(seq)):
        assert json.loads(run("sql", count, "--at", ref, "--format", "json").stdout) == [{"n": 2}]
    assert json.loads(run("sql", count, "--format", "json").stdout) == [{"n": 3}]
    assert "never" in run("sql", count, "--at", "never", code=1).stderr


def test_bad_sql(run, labels) -> None:
    assert "ulabel" in run("sql", "SELECT * FROM ulabels", code=1).stderr
    assert "error" in run("sql", "SELEC 1", code=1).stderr


def test_error_while_running(run, labels) -> None:
    result = run("sql", "SELECT error('boom') FROM ulabel", code=1)
    assert "boom" in result.stderr
    assert "Traceback" not in result.output


def test_content_of_an_artifact(run, labels) -> None:
    Path("t.csv").write_text("cell,n\na,1\nb,2\n")
    run("save", "t.csv", "--key", "t.csv")
    query = "SELECT sum(n)::INT AS n FROM dataset('t.csv')"
    assert json.loads(run("sql", query, "--format", "json").stdout) == [{"n": 3}]
