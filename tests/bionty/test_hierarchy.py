from __future__ import annotations

import pytest

import lakehouse.bionty as bt
from lakehouse.bionty._terms.hierarchy import closure_of
from lakehouse.errors import InvalidArgument
from lakehouse.ontology import closure, extract, read


@pytest.fixture
def blood(lake):
    bt.CellType.import_source("blood-cells")
    return lake


def names(query):
    return sorted(query.to_list("name"))


def test_direct_relatives(blood):
    b_cell = bt.CellType.get(name="B cell")
    assert b_cell.parents.to_list("name") == ["lymphocyte of B lineage"]
    assert b_cell in b_cell.parents.all().one().children.all()
    assert names(bt.CellType.filter(children__name="B cell")) == ["lymphocyte of B lineage"]
    frame = b_cell.parents.to_dataframe()
    assert frame["ontology_id"].tolist() == ["CL:0000945"]


def test_all_relatives_agree_with_the_closure(blood):
    pairs = closure(read(extract("blood-cells")).parents).to_pylist()
    cell = bt.CellType.get(name="lymphocyte")
    up = {p["ancestor"] for p in pairs if p["descendant"] == cell.ontology_id}
    down = {p["descendant"] for p in pairs if p["ancestor"] == cell.ontology_id}
    assert set(cell.query_parents().to_list("ontology_id")) == up
    assert set(cell.query_children().to_list("ontology_id")) == down
    assert len(up) > 3
    assert len(down) > 10


def test_closure_view(blood):
    found = blood.sql(
        "SELECT d.ontology_id, a.ontology_id, distance FROM cell_type_closure"
        " JOIN cell_type d ON d.uid = descendant_uid JOIN cell_type a ON a.uid = ancestor_uid"
    ).fetchall()
    expected = closure(read(extract("blood-cells")).parents).to_pylist()
    assert sorted(found) == sorted(tuple(row.values()) for row in expected)
    assert blood.sql("SELECT count(*) FROM organism_closure").fetchall() == [(0,)]


def test_add(blood):
    t_cell = bt.CellType.get(name="T cell")
    before = len(blood.log())
    mine = bt.CellType(name="my T cell").save()
    mine.parents.add(t_cell)
    assert len(blood.log()) == before + 2
    assert mine.parents.to_list() == [t_cell]
    assert mine in t_cell.query_children()
    lymphocyte = bt.CellType.get(name="lymphocyte")
    assert mine in lymphocyte.query_children()
    other = bt.CellType(name="my other T cell").save()
    mine.children.add(other)
    mine.children.add(other)
    assert names(mine.children) == ["my other T cell"]
    assert lymphocyte in other.query_parents()
    bt.CellType.import_source()
    assert mine.parents.to_list() == [t_cell]


def test_cycles_are_refused(lake):
    a, b, c = lake.save([bt.CellType(name=n) for n in "abc"])
    a.parents.add(b)
    b.parents.add(c)
    with pytest.raises(InvalidArgument, match="cycle"):
        c.parents.add(a)
    assert names(a.query_parents()) == ["b", "c"]


def test_cycles_of_sources_are_harmless(lake, obo):
    path = obo((1, "a", "is_a: ZZ:2"), (2, "b", "is_a: ZZ:3"), (3, "c", "is_a: ZZ:1"))
    bt.CellType.import_source(path)
    a = bt.CellType.get(name="a")
    assert names(a.query_parents()) == ["b", "c"]
    assert names(a.query_children()) == ["b", "c"]
    assert {r.name: d for r, d in a.ancestors().items()} == {"b": 1, "c": 2}
    found = lake.sql("SELECT min(distance), max(distance), count(*) FROM cell_type_closure")
    assert found.fetchall() == [(1, 2, 6)]


def test_distances_agree_with_the_closure(blood):
    pairs = closure(read(extract("blood-cells")).parents).to_pylist()
    cells = bt.CellType.filter().to_list()
    found = closure_of(cells)
    ids = {cell.uid: cell.ontology_id for cell in cells}
    rows = zip(*(found[n].to_pylist() for n in ("uid", "reached_uid", "distance")), strict=True)
    assert {(ids[a], ids[b], d) for a, b, d in rows} == {
        (p["descendant"], p["ancestor"], p["distance"]) for p in pairs
    }
    t_cell = bt.CellType.get(name="T cell")
    assert [r.name for r in t_cell.ancestors(1)] == ["lymphocyte"]
    assert list(t_cell.descendants(1).values()) == [1] * t_cell.children.count()


def test_kinds_of_relations_are_kept_apart(lake, obo):
    bt.Tissue.import_source(
        obo(
            (1, "body"),
            (2, "organ", "is_a: ZZ:1", "relationship: part_of ZZ:1"),
            (3, "tube", "relationship: part_of ZZ:2", "relationship: develops_from ZZ:4"),
            (4, "bud"),
        )
    )
    tube = bt.Tissue.get(name="tube")
    assert names(tube.parents) == names(tube.query_parents()) == []
    assert names(tube.related("part_of")) == ["organ"]
    assert names(tube.related("develops_from")) == ["bud"]
    assert {r.name: d for r, d in tube.ancestors(relation="part_of").items()} == {
        "organ": 1, "body": 2
    }  # fmt: skip
    assert names(bt.Tissue.get(name="organ").query_parents()) == ["body"]
    assert lake.sql("SELECT count(*) FROM tissue_closure").fetchall() == [(1,)]


def test_what_is_in_the_trash_is_not_shown(lake):
    a, b, c = lake.save([bt.CellType(name=n) for n in "abc"])
    a.parents.add(b)
    b.parents.add(c)
    b.delete()
    assert names(a.query_parents()) == ["c"]


def test_deleting_for_good_removes_the_links(blood):
    b_cell = bt.CellType.get(name="B cell")
    b_cell.delete(permanent=True)
    found = blood.sql(
        "SELECT count(*) FROM ontology_link WHERE ? IN (subject_uid, target_uid)", b_cell.uid
    )
    assert found.fetchall() == [(0,)]


def test_past_states_have_their_own_hierarchy(blood):
    blood.tag("before")
    t_cell = bt.CellType.get(name="T cell")
    bt.CellType(name="mine").save().parents.add(t_cell)
    with blood.at("before") as past:
        then = past.bionty.CellType.get(t_cell.uid)
        assert "mine" not in then.query_children().to_list("name")
    assert "mine" in t_cell.query_children().to_list("name")
