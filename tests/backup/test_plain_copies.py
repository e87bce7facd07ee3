"""A live lake copied by plain tools: in the right order it is a lake, in the wrong one an error."""

from __future__ import annotations

import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

import lakehouse as ln
from lakehouse.errors import LakeCorrupt


@pytest.fixture
def written(lake):
    """Saves something in a lake, and gives the names of all labels."""

    def write(name: str) -> None:
        Path("x.txt").write_text(name)
        ln.Artifact("x.txt", key=f"{name}.txt").save()
        ln.ULabel(name=name).save()

    write("one")
    return write


def copy_catalog(source: Path, target: Path) -> None:
    target.mkdir(parents=True, exist_ok=True)
    with (
        closing(sqlite3.connect(source / "catalog.db")) as old,
        closing(sqlite3.connect(target / "catalog.db")) as new,
    ):
        old.backup(new)


def copy_rest(source: Path, target: Path) -> None:
    for part in ("tables", "artifacts"):
        shutil.copytree(source / part, target / part)
    shutil.copy(source / "lake.json", target)


def test_catalog_first(lake, written, tmp_path):
    source, target = Path(lake.root) / ".lakehouse", tmp_path / "copy/.lakehouse"
    copy_catalog(source, target)
    written("meanwhile")
    copy_rest(source, target)
    lake.close()
    shutil.move(lake.root, tmp_path / "away")
    copy = ln.Lake.open(str(tmp_path / "copy"))
    assert copy.ULabel.filter().to_list("name") == ["one"]
    assert [a.load() for a in copy.Artifact.filter()] == ["one"]
    with copy:
        ln.ULabel(name="after").save()
    assert len(copy.gc(min_age=0).orphans) > 0  # what was written meanwhile


def test_tables_first(lake, written, tmp_path):
    source, target = Path(lake.root) / ".lakehouse", tmp_path / "copy/.lakehouse"
    copy_rest(source, target)
    written("meanwhile")
    copy_catalog(source, target)
    with pytest.raises(LakeCorrupt, match=r"not all of its files|is gone") as caught:
        ln.Lake.open(str(tmp_path / "copy"))
    assert "nothing at" in str(caught.value) or "No such file" in str(caught.value)
    assert "lakehouse repair" in str(caught.value)
    for path in (source / "tables").rglob("*"):  # copied once more
        there = target / "tables" / path.relative_to(source / "tables")
        if path.is_file() and not there.exists():
            there.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(path, there)
    copy = ln.Lake.open(str(tmp_path / "copy"))
    assert sorted(copy.ULabel.filter().to_list("name")) == ["meanwhile", "one"]
