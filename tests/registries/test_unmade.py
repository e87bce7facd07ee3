"""Registries that nobody has written to yet: no table of theirs is made, and all calls work."""

from __future__ import annotations

import shutil
from functools import reduce
from pathlib import Path

import pandas as pd
import pytest

import lakehouse as ln
from lakehouse.backup import restore
from lakehouse.orm import Lake
from tests.registries.conftest import write

FIRST = {"branch", "source", "space", "storage", "user"}


def made(lake: Lake) -> set[str]:
    """The tables that are made, which are those that have a folder."""
    folders = {path.name for path in Path(lake.root, ".lakehouse/tables").iterdir()}
    assert folders == lake.engine.state().pointers.keys()
    return folders


@pytest.fixture(
    params=["new", "at its beginning", "another's", "opened again", "restored", "moved"]
)
def seen(request, lake, tmp_path):
    """A lake in which next to nothing is written, in several ways."""
    if request.param == "new":
        yield lake
    elif request.param == "at its beginning":
        ln.ULabel(name="later").save()
        yield lake.at(1)
    elif request.param == "another's":
        yield ln.DB(lake.root).lake
    else:
        there = str(tmp_path / "there")
        lake.close()
        if request.param == "restored":
            lake.backup(tmp_path / "backups")
            restore(tmp_path / "backups", there).close()
        elif request.param == "moved":
            shutil.copytree(lake.root, there)
        else:
            there = lake.root
        with Lake.open(there) as opened:
            yield opened


def test_every_registry_is_empty_everywhere(seen):
    tables = set(seen.engine.specs)
    assert set(seen.state.tables) == tables
    assert len(tables) > 50
    names = sorted(tables - FIRST)
    for table in names:
        columns = list(seen.engine.specs[table].column_names)
        for found in (seen.scan(table).collect().to_arrow(), seen.state.arrow(table)):
            assert (found.num_rows, found.column_names) == (0, columns)
    counts = ", ".join(f'(SELECT count(*) FROM "{table}")' for table in names)
    for run in (seen.sql, seen.duckdb().sql):
        assert run(f"SELECT {counts}").fetchall() == [(0,) * len(names)]
        for table in names[::7]:
            columns = list(seen.engine.specs[table].column_names)
            assert run(f'SELECT * FROM "{table}"').columns == columns
    for name in seen.directory.registries:
        if seen.directory.get(name).meta.table not in FIRST:
            found = reduce(getattr, name.split("."), seen).filter()
            assert (found.count(), found.one_or_none(), list(found)) == (0, None, [])
            assert len(found.to_dataframe()) == 0
    for view in sorted(seen.views)[::9]:
        seen.sql(f'SELECT * FROM "{view}"').fetchall()


def test_only_what_is_written_is_made(lake):
    assert made(lake) == FIRST
    assert lake.ULabel.filter().count() == 0
    assert made(lake) == FIRST  # reading makes nothing
    human = ln.ULabel(name="human").save()
    assert made(lake) == FIRST | {"ulabel"}
    artifact = ln.Artifact(write("a.txt"), key="a.txt").save()
    assert made(lake) == FIRST | {"ulabel", "artifact"}
    artifact.ulabels.add(human)
    assert made(lake) == FIRST | {"ulabel", "artifact", "artifact_link"}
    assert lake.at(2).Artifact.filter().count() == 0
    assert lake.at(2).ULabel.get(name="human").artifacts.count() == 0
    assert lake.log(1)[0].tables == ("artifact_link",)


def test_what_is_made_is_a_difference(lake):
    before = lake.log(1)[0].seq
    assert lake.diff(before, registry="ULabel").registries == {}
    ln.ULabel(name="human").save()
    diff = lake.diff(before)
    assert [row["name"] for row in diff["ULabel"].added] == ["human"]
    assert set(diff) == {"ULabel"}
    back = lake.diff(lake.log(1)[0].seq, before)
    assert [row["name"] for row in back["ULabel"].removed] == ["human"]


def test_the_first_rows_of_a_registry_are_a_branchs(lake):
    ln.Branch(name="draft").save()
    ln.setup.switch("draft")
    label = ln.ULabel(name="mine").save()
    label.description = "edited"
    label.save()
    assert lake.ULabel.filter().to_list("name") == ["mine"]
    ln.setup.switch("main")
    assert lake.ULabel.filter().count() == 0
    lake.merge("draft")
    assert lake.ULabel.get(name="mine").description == "edited"


def test_the_first_edit_on_a_branch(lake):
    ln.ULabel(name="human", description="main's").save()
    ln.Branch(name="draft").save()
    ln.setup.switch("draft")
    assert "branch_edit" not in made(lake)
    label = lake.ULabel.get(name="human")
    label.description = "the branch's"
    label.save()
    assert "branch_edit" in made(lake)
    assert lake.ULabel.get(name="human").description == "the branch's"
    ln.setup.switch("main")
    assert lake.ULabel.get(name="human").description == "main's"


def test_the_first_values_and_links_of_a_transaction_are_seen_in_it(lake):
    with ln.transaction():
        feature = ln.Feature(name="temperature", dtype=float).save()
        label = ln.ULabel(name="human").save()
        artifact = ln.Artifact.from_dataframe(pd.DataFrame({"x": [1]}), key="x.parquet").save()
        artifact.ulabels.add(label)
        artifact.features.add_values({"temperature": 21.5})
        assert artifact.ulabels.to_list("name") == ["human"]
        assert artifact.features.get_values() == {"temperature": 21.5}
        assert made(lake) == FIRST
    assert {"feature", "ulabel", "artifact", "artifact_link", "feature_value"} <= made(lake)
    assert lake.Artifact.filter(temperature=21.5).one() == artifact
    with pytest.raises(ln.errors.ProtectedRecord):
        feature.delete(permanent=True)


def test_a_transaction_that_fails_makes_nothing(lake):
    with pytest.raises(RuntimeError), ln.transaction():
        ln.ULabel(name="human").save()
        ln.Feature(name="temperature", dtype=float).save()
        raise RuntimeError
    assert made(lake) == FIRST


def test_health_and_erasure_where_little_is_made(lake):
    assert lake.check(deep=True).ok
    assert lake.repair(dry_run=False).steps == []
    artifact = ln.Artifact(write("a.txt"), key="a.txt").save()
    lake.gc(erase=artifact.uid)
    assert lake.Artifact.filter().count() == 0
    assert lake.check(deep=True).ok
    assert lake.gc(min_age=0).orphans == ()
    assert made(lake) == FIRST | {"artifact"}


@pytest.mark.slow
def test_two_processes_save_the_first_label(run_python, lake):
    code = "import lakehouse as ln; print(ln.ULabel(name='human').save().uid)"
    uids = run_python(code, code)
    assert len({text.strip().splitlines()[-1] for text in uids}) == 1
    assert lake.ULabel.filter().to_list("name") == ["human"]
    assert lake.check(deep=True).ok
