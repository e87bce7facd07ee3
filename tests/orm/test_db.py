"""Reading other lakes beside the current one."""

from __future__ import annotations

import shutil

import pytest

from lakehouse.errors import LakeNotFound, ReadOnlyLake, UnknownField
from lakehouse.orm import Lake, current_lake
from lakehouse.orm.lake.other import DB
from lakehouse.registries import ULabel


@pytest.fixture
def other(tmp_path):
    root = str(tmp_path / "other")
    with Lake.create(root, name="the other one", modules=["bionty"]) as made:
        made.ULabel(name="there").save()
        made.bionty.CellType(name="T cell").save()
    return root


def test_another_lake_is_read_beside_the_current_one(lake, other):
    ULabel(name="here").save()
    db = DB(other)
    assert db.ULabel.filter().to_list("name") == ["there"]
    assert db.ULabel.get(name="there").name == "there"
    assert list(db.ULabel.to_dataframe()["name"]) == ["there"]
    assert db.ULabel.search("ther").one().name == "there"
    assert db.ULabel.lookup().there.name == "there"
    assert db.bionty.CellType.filter(name__startswith="T").count() == 1
    assert current_lake() is lake
    assert ULabel.filter().one().name == "here"
    assert db.lake.sql("SELECT name FROM ulabel").fetchall() == [("there",)]


def test_it_is_found_by_its_name_and_followed(lake, other):
    db = DB("the other one")
    assert db.ULabel.filter().count() == 1
    with Lake.open(other) as writer:
        writer.ULabel(name="new").save()
    assert db.ULabel.filter().count() == 2
    assert DB("other").ULabel.filter().count() == 2
    assert DB(lake.root).ULabel.filter().count() == 0


def test_it_takes_no_writes(lake, other):
    db = DB(other)
    with pytest.raises(TypeError, match="Cannot instantiate ULabel from DB"):
        db.ULabel(name="a")
    label = db.ULabel.get(name="there")
    label.description = "changed"
    with pytest.raises(ReadOnlyLake, match="takes no writes"):
        label.save()
    with pytest.raises(ReadOnlyLake):
        db.ULabel.filter().delete()
    with pytest.raises(ReadOnlyLake):
        db.lake.tag("x")
    with pytest.raises(ReadOnlyLake):
        db.lake.gc()
    assert DB(other).ULabel.filter(description=None).count() == 1


def test_what_it_has(lake, other, tmp_path):
    db = DB(other)
    assert db.ULabel is db.ULabel
    assert db.bionty.CellType is db.bionty.CellType
    assert {"Artifact", "ULabel", "bionty"} <= set(dir(db))
    assert "CellType" in dir(db.bionty)
    assert repr(db) == f"DB({other!r})"
    assert repr(db.ULabel) == "<QuerySet [ULabel]>"
    for wrong in ("ulabel", "Nope", "artifacts"):
        with pytest.raises(AttributeError, match=f"Registry '{wrong}' not found"):
            getattr(db, wrong)
    with pytest.raises(UnknownField, match="Registry 'Cell' not found in bionty"):
        _ = db.bionty.Cell
    Lake.create(str(tmp_path / "plain")).close()
    with pytest.raises(AttributeError, match="'bionty' not available"):
        _ = DB(str(tmp_path / "plain")).bionty
    with pytest.raises(LakeNotFound):
        DB("nowhere")


def test_registries_connect(lake, other):
    ULabel(name="here").save()
    assert ULabel.connect(other).to_list("name") == ["there"]
    assert ULabel.using(other).filter(name="there").one().name == "there"
    assert ULabel.connect(None).one().name == "here"
    assert ULabel.connect("default").one().name == "here"
    with pytest.raises(LakeNotFound):
        ULabel.connect("no/where")


def test_a_lake_that_took_the_place_of_another_is_not_mistaken_for_it(lake, other):
    assert DB(other).ULabel.filter().count() == 1
    shutil.rmtree(other)
    with Lake.create(other, name="the new one"):
        pass
    assert DB(other).ULabel.filter().count() == 0
    shutil.rmtree(other)
    with pytest.raises(LakeNotFound):
        DB(other)
