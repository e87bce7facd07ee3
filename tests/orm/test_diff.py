"""Differences of states and of artifacts."""

from __future__ import annotations

import time
from datetime import UTC, datetime

import polars as pl
import pytest

import lakehouse as ln
from lakehouse.errors import InvalidArgument, LookupFailed, UnknownField


def kinds(diff) -> dict[str, tuple[int, int, int]]:
    return {name: one.counts for name, one in diff.items()}


def test_added_removed_and_changed_rows(lake):
    kept = lake.ULabel(name="kept", description="old").save()
    gone = lake.ULabel(name="gone").save()
    before = lake.tag("before")
    with lake.transaction():
        kept.description, kept.reference = "new", "r"
        kept.save()
        lake.ULabel(name="made").save()
        lake.Feature(name="f", dtype=str).save()
        gone.delete(permanent=True)
    after = lake.log(1)[0]
    references = [
        ("before", after.id),
        (before.seq, after.seq),
        (before.id, None),
        ("before", "main"),
        (before.time, datetime.now(UTC)),
        (before.time.replace(tzinfo=UTC), None),
    ]
    for a, b in references:
        diff = lake.diff(a, b)
        assert kinds(diff) == {"Feature": (1, 0, 0), "ULabel": (1, 1, 1)}, (a, b)
    labels = diff["ULabel"]
    assert [row["name"] for row in labels.added] == ["made"]
    assert [row["name"] for row in labels.removed] == ["gone"]
    (row,) = labels.changed
    assert (row.uid, row.name) == (kept.uid, "kept")
    assert row.fields == {"description": ("old", "new"), "reference": (None, "r")}
    # and backwards
    back = lake.diff(after.seq, "before")
    assert kinds(back) == {"Feature": (0, 1, 0), "ULabel": (1, 1, 1)}
    assert back["ULabel"].changed[0].fields["description"] == ("new", "old")


def test_as_a_frame_and_as_text(lake):
    label = lake.ULabel(name="[a]\n", description="old").save()
    lake.tag("t")
    label.description = "new"
    label.save()
    lake.ULabel(name="b").save()
    frame = lake.diff("t").to_polars()
    assert frame.columns == ["registry", "change", "uid", "name", "field", "old", "new"]
    assert frame.rows() == [
        ("ULabel", "added", lake.ULabel.get(name="b").uid, "b", None, None, None),
        ("ULabel", "changed", label.uid, "[a]\n", "description", "old", "new"),
    ]
    text = repr(lake.diff("t"))
    assert text.startswith("t → now\nULabel: 1 added, 1 changed")
    for part in ("[a]", label.uid, "description", "old", "new"):
        assert part in text
    assert lake.diff("t").summary() == "ULabel: 1 added, 1 changed"


def test_no_difference(lake):
    commit = lake.tag("t")
    diff = lake.diff("t", commit.id)
    assert not diff
    assert (repr(diff), diff.summary()) == (f"t → {commit.id}: no difference", "no difference")
    assert diff.to_polars().is_empty()
    assert not diff["ULabel"]
    assert diff["ULabel"].added == []


def test_of_some_registries(lake):
    lake.tag("t")
    with lake.transaction():
        lake.ULabel(name="a").save()
        lake.Feature(name="f", dtype=str).save()
        lake.Record(name="r").save()
    assert set(lake.diff("t", registry="ULabel")) == {"ULabel"}
    assert set(lake.diff("t", registry=ln.Record)) == {"Record"}
    assert set(lake.diff("t", registry=["ULabel", ln.Feature])) == {"ULabel", "Feature"}
    assert set(lake.diff("t").filter("Record", "ULabel")) == {"Record", "ULabel"}
    with pytest.raises(UnknownField, match="ULable") as error:
        lake.diff("t", registry="ULable")
    assert "ULabel" in str(error.value)


@pytest.mark.parametrize("wrong", ["nothing", 10_000, datetime(1999, 1, 1, tzinfo=UTC)])
def test_references_to_nothing(lake, wrong):
    with pytest.raises(LookupFailed):
        lake.diff(wrong)
    with pytest.raises(LookupFailed):
        lake.diff(0, wrong)


def test_values_of_every_type(lake):
    moment = datetime(2026, 1, 2, 3, 4, 5, 678_901, tzinfo=UTC)
    record = lake.Record(name="r", extra_data={"a": [1, None]}).save()
    run = lake.Run(lake.Transform(key="t.py").save()).save()
    lake.tag("t")
    record.extra_data, record.is_type = {"b": "ü"}, True
    run.finished_at = moment
    with lake.transaction():
        record.save()
        run.save()
    diff = lake.diff("t")
    fields = diff["Record"].changed[0].fields
    assert fields["extra_data"] == ({"a": [1, None]}, {"b": "ü"})
    assert fields["is_type"] == (False, True)
    assert diff["Run"].changed[0].fields["finished_at"] == (None, moment)
    frame = diff.to_polars().filter(pl.col("field") == "extra_data")
    assert frame["new"].to_list() == ['{"b":"ü"}']


def test_a_past_state_and_a_branch(lake):
    label = lake.ULabel(name="a", description="0").save()
    lake.tag("t")
    lake.switch("b1", create=True)
    label.description = "1"
    label.save()
    lake.ULabel(name="on branch").save()
    diff = lake.diff("t", "b1")
    assert [row["name"] for row in diff["ULabel"].added] == ["on branch"]
    assert diff["ULabel"].changed[0].fields == {"description": ("0", "1")}
    lake.switch("main")
    assert not lake.diff("t", "main", registry="ULabel")
    assert kinds(lake.diff("t", registry="ULabel")) == {"ULabel": (1, 0, 0)}


def test_only_changed_files_are_read(lake):
    lake.save([lake.ULabel(name=f"n{i}") for i in range(30_000)])
    one = lake.ULabel.get(name="n77")
    lake.tag("t")
    one.description = "new"
    one.save()
    lake.diff("t")
    started = time.process_time()
    assert kinds(lake.diff("t")) == {"ULabel": (0, 0, 1)}
    assert time.process_time() - started < 0.5  # 0.01 s on a quiet machine


def test_tables_that_are_new(lake):
    """Commit 0 is an empty lake."""
    diff = lake.diff(0)
    assert {"Branch", "User", "Storage", "Space"} <= set(diff)
    assert len(diff["Branch"].added) == 3


# -- artifacts -------------------------------------------------------------------------


@pytest.fixture
def versions(lake):
    frames = [
        pl.DataFrame({"id": [1, 2, 3, 3], "x": ["a", "b", "c", "c"], "old": [0.5] * 4}),
        pl.DataFrame({"id": [1, 2, 3, 4, 5], "x": ["a", "B", "c", "d", "e"], "new": [1] * 5}),
    ]
    return [lake.Artifact.from_dataframe(f, key="t.parquet").save() for f in frames]


def test_versions_of_a_table(versions):
    first, second = versions
    diff = second.diff()
    assert (diff.older, diff.newer) == (first, second)
    assert diff.values["n_observations"] == (4, 5)
    assert set(diff.values) >= {"size", "hash"}
    columns = diff.schema["columns"]
    assert [c.name for c in columns.added] == ["new"]
    assert [c.name for c in columns.removed] == ["old"]
    # one of the two equal rows is gone, (2, b) is (2, B), and two are new
    assert (diff.rows.added, diff.rows.removed, diff.rows.changed) == (3, 2, None)
    assert str(first.diff(second)) == str(diff)
    for part in ("n_observations: 4 → 5", "+ new", "- old", "3 added, 2 removed"):
        assert part in str(diff)


def test_changed_rows_are_told_by_a_key(versions):
    rows = versions[1].diff(on="id").rows
    assert (rows.added, rows.removed, rows.changed) == (2, 0, 1)
    with pytest.raises(UnknownField, match="idd"):
        versions[1].diff(on="idd")
    assert versions[1].diff(rows=False).rows is None


def test_other_artifacts(lake, tmp_path, versions):
    (tmp_path / "a.txt").write_text("a")
    text = lake.Artifact(tmp_path / "a.txt", key="a.txt").save()
    diff = text.diff(versions[0])
    assert (diff.older, diff.rows) == (text, None)
    assert diff.values["suffix"] == (".txt", ".parquet")
    assert [c.name for c in diff.schema["columns"].added] == ["id", "x", "old"]
    assert "no difference" in str(text.diff(text))
    with pytest.raises(InvalidArgument, match="first version"):
        text.diff()
    with pytest.raises(InvalidArgument, match="two tables"):
        text.diff(versions[0], rows=True)
    (tmp_path / "b.txt").write_text("b")
    with pytest.raises(InvalidArgument, match="isn't saved"):
        text.diff(lake.Artifact(tmp_path / "b.txt", key="b.txt"))
