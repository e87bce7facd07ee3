"""Search, names suggested on creation, and terms with what lies below them."""

from __future__ import annotations

import pytest

from lakehouse.bionty import CellType
from lakehouse.config import settings
from lakehouse.errors import (
    FieldValidationError,
    InvalidArgument,
    ObjectDoesNotExist,
    UnknownField,
)
from lakehouse.orm import save
from lakehouse.registries import Record, Transform, ULabel


@pytest.fixture
def cells(lake):
    return save([
        CellType(name="T cell", synonyms="T-cell|T lymphocyte", ontology_id="CL:0000084"),
        CellType(name="B cell", synonyms="B lymphocyte|B-cell", ontology_id="CL:0000236"),
        CellType(name="PP cell", synonyms="type F enteroendocrine cell"),
        CellType(name="nodal myocyte", synonyms="cardiac pacemaker cell|myocytus nodalis|P cell"),
        CellType(name="regulatory T cell", description="A T cell that regulates"),
        CellType(name="lipocyte", synonyms="adipocyte", description="stores fat"),
    ])  # fmt: skip


def names(query):
    return query.to_list("name")


def test_exact_names_come_first_whatever_the_case(cells):
    for name in ("t cell", "B CELL", "regulatory T cell", "pp cell"):
        assert CellType.search(name)[0].name.lower() == name.lower()


def test_exact_synonyms_come_before_parts_of_names(cells):
    assert names(CellType.search("P cell"))[:2] == ["nodal myocyte", "PP cell"]
    assert names(CellType.search("adipocyte")) == ["lipocyte"]
    assert names(CellType.search("lymphocyte")) == ["T cell", "B cell"]


def test_prefixes_words_and_parts(lake):
    save(
        [
            ULabel(name=n)
            for n in ("xneuralx", "a neural thing", "neural crest", "neurally", "neural")
        ]
    )
    assert names(ULabel.search("neural")) == [
        "neural", "neurally", "neural crest", "a neural thing", "xneuralx",
    ]  # fmt: skip


def test_special_characters_have_no_meaning(lake):
    save([Record(name="cat[*_*]"), Record(name="category"), Record(name="50% (w/v) \\d+ a.b")])
    for text in ("cat[", "*_*", "[*", "50%", "(w/v)", "\\d+", "a.b"):
        assert len(Record.search(text)) == 1
    assert len(Record.search("a.b", case_sensitive=True)) == 1


def test_similar_names_only_where_nothing_matches(cells):
    assert names(CellType.search("nodl myocyte"))[0] == "nodal myocyte"
    assert names(CellType.search("xyzzy")) == []
    cells[3].delete()
    assert names(CellType.search("pacemaker")) == []


def test_all_words_in_any_order_where_the_text_is_nowhere(cells):
    assert names(CellType.search("cell T regulatory")) == ["regulatory T cell"]
    assert names(CellType.search("pacemaker cardiac")) == ["nodal myocyte"]
    assert names(CellType.search("zélé regulatory")) == []
    assert names(CellType.search("T regulatory", case_sensitive=True)) == ["regulatory T cell"]
    assert names(CellType.search("t regulatory", case_sensitive=True)) == []
    assert names(CellType.filter(description__isnull=False).search("cell regulatory")) == [
        "regulatory T cell"
    ]


def test_arguments(cells):
    assert len(CellType.search("cell", limit=2)) == 2
    assert CellType.search("cell", limit=None).count() == 5
    assert names(CellType.search("b cell", case_sensitive=True)) == []
    assert names(CellType.search("CL:0000236")) == ["B cell"]
    assert names(CellType.search("stores", field="description")) == ["lipocyte"]
    assert names(CellType.search("stores", field=[CellType.name])) == []
    assert names(CellType.search("T cell", field=CellType.synonyms)) == []
    assert CellType.search(cells[0].uid).one() == cells[0]
    with pytest.raises(ValueError, match="Cannot search for None value"):
        CellType.search(None)
    for empty in ("", "  "):
        assert CellType.search(empty).count() == len(cells)
        assert len(CellType.search(empty, limit=2)) == 2
    with pytest.raises(InvalidArgument):
        CellType.search(3)
    with pytest.raises(UnknownField):
        CellType.search("a", field="nme")
    with pytest.raises(FieldValidationError):
        CellType.search("a", field="created_at")
    with pytest.raises(FieldValidationError):
        CellType.search("a\ud800")


def test_search_within_a_query_set(cells):
    some = CellType.filter(ontology_id__isnull=False)
    assert names(some.search("cell")) == ["T cell", "B cell"]
    found = CellType.search("t cell", limit=None)
    assert names(found.filter(description__isnull=False)) == ["regulatory T cell"]
    assert names(found.order_by("-name"))[0] == "regulatory T cell"
    assert found.exists()
    assert found.count() == len(found) == 2
    assert CellType.filter(uid__in=found).count() == 2
    frame = found.to_dataframe()
    assert list(frame["name"]) == names(found) == ["T cell", "regulatory T cell"]
    assert found.values_list("name", "created_by__handle")[0][0] == "T cell"
    assert found.to_polars().collect()["name"].to_list() == names(found)
    assert "lh_rank" in found.explain()
    with pytest.raises(InvalidArgument, match="sliced"):
        CellType.search("cell").filter(name="T cell")


def test_keys_are_searched(lake):
    Transform(key="pipelines/iris_clean.py", description="nothing").save()
    Transform(key="b.py", description="cleans iris").save()
    assert Transform.search("iris").to_list("key") == ["b.py", "pipelines/iris_clean.py"] or (
        Transform.search("iris").to_list("key") == ["pipelines/iris_clean.py", "b.py"]
    )
    assert Transform.search("pipelines/iris").one().key == "pipelines/iris_clean.py"


def test_similar_names_are_suggested_on_creation_unless_switched_off(lake, capfd):
    ULabel(name="Test experiment 1").save()
    capfd.readouterr()
    ULabel(name="Test experiment 2")
    assert "Test experiment 1" in capfd.readouterr().err
    ULabel(name="something else")
    settings.creation.search_names = False
    ULabel(name="Test experiment 3")
    assert capfd.readouterr().err == ""


# -- terms and what lies below them ----------------------------------------------------


@pytest.fixture
def tree(lake):
    made = {
        n: CellType(name=n, ontology_id=f"CL:{i}")
        for i, n in enumerate(("cell", "lymphocyte", "T cell", "Treg", "B cell", "neuron"))
    }
    save(list(made.values()))
    for child, parent in (
        ("lymphocyte", "cell"), ("T cell", "lymphocyte"), ("Treg", "T cell"),
        ("B cell", "lymphocyte"), ("neuron", "cell"),
    ):  # fmt: skip
        made[child].parents.add(made[parent])
    return made


def test_a_term_and_its_descendants(tree):
    def under(value):
        return sorted(names(CellType.filter(under=value)))

    assert under("T cell") == ["T cell", "Treg"]
    assert under("CL:1") == ["B cell", "T cell", "Treg", "lymphocyte"]
    assert under(tree["lymphocyte"]) == under(tree["lymphocyte"].uid) == under("lymphocyte")
    assert under(["neuron", tree["T cell"]]) == ["T cell", "Treg", "neuron"]
    assert len(under("cell")) == 6
    assert sorted(names(CellType.filter(parents__under="T cell"))) == ["Treg"]
    assert sorted(names(CellType.exclude(under="lymphocyte"))) == ["cell", "neuron"]
    assert names(CellType.filter(under="cell", name__startswith="n")) == ["neuron"]
    assert "RECURSIVE" in CellType.filter(under="cell").explain()


def test_a_term_that_is_not_there(tree):
    with pytest.raises(ObjectDoesNotExist, match="T cell"):
        CellType.filter(under="T cel")
    with pytest.raises(InvalidArgument):
        CellType.filter(under=3)
    with pytest.raises(InvalidArgument, match="isn't saved"):
        CellType.filter(under=CellType(name="new"))
    with pytest.raises(InvalidArgument, match="records of"):
        CellType.filter(under=ULabel(name="a").save())
    tree["T cell"].delete()
    with pytest.raises(ObjectDoesNotExist):
        CellType.filter(under="T cell")


def test_labels_and_types_have_levels_too(lake):
    project = ULabel(name="project").save()
    part, piece = save([ULabel(name="part"), ULabel(name="piece")])
    part.parents.add(project)
    piece.parents.add(part)
    assert sorted(names(ULabel.filter(under="project"))) == ["part", "piece", "project"]
    outer = Record(name="Outer", is_type=True).save()
    inner = Record(name="Inner", is_type=True, type=outer).save()
    Record(name="leaf", type=inner).save()
    assert sorted(names(Record.filter(type__under="Outer"))) == ["Inner", "leaf"]
