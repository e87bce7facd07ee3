from __future__ import annotations

import threading
from pathlib import Path

import pytest

import lakehouse.bionty as bt
from lakehouse.errors import InvalidArgument, ReadOnlyLake, SourceUnavailable, UnreadableFile
from lakehouse.ontology import extract, read


def rows(lake, table="cell_type"):
    names = "name, synonyms, description, is_obsolete"
    return {
        row[0]: row[1:] for row in lake.sql(f"SELECT ontology_id, {names} FROM {table}").fetchall()
    }


def links(lake):
    return set(
        lake.sql(
            "SELECT c.ontology_id, p.ontology_id FROM ontology_link l"
            " JOIN cell_type c ON c.uid = l.subject_uid JOIN cell_type p ON p.uid = l.target_uid"
            " WHERE l.registry = 'cell_type' AND l.slot = 'is_a'"
        ).fetchall()
    )


def test_extract_by_name_is_one_commit(lake):
    lake.user_uid  # noqa: B018 - registers the user
    before = len(lake.log())
    source = bt.CellType.import_source("blood-cells")
    assert len(lake.log()) == before + 1
    ontology = read(extract("blood-cells"))
    assert bt.CellType.filter().count() == len(ontology)
    ids = zip(
        ontology.parents["id"].to_pylist(), ontology.parents["parent"].to_pylist(), strict=True
    )
    assert links(lake) == set(ids)
    t_cell = bt.CellType.get(ontology_id="CL:0000084")
    assert t_cell.name == "T cell"
    assert t_cell.source == source
    assert t_cell.created_by.handle == "ada"
    assert "T-lymphocyte" in t_cell.synonyms.split("|")


def test_source_is_registered(lake):
    source = bt.CellType.import_source(extract("blood-cells"))
    saved = bt.Source.get(source.uid)
    assert saved.entity == "bionty.CellType"
    assert saved.organism == "all"
    assert saved.name == "cl/blood-cells"
    assert saved.version == "2022-12-15"
    assert saved.sha256 == read(extract("blood-cells")).metadata.content_hash
    assert Path(saved.url) == extract("blood-cells")
    assert saved.in_db
    assert saved.currently_used


@pytest.mark.slow
@pytest.mark.parametrize("given", ["path", "text", "ontology", "none", "source", "keyword"])
def test_importing_again_adds_nothing(lake, given):
    source = bt.CellType.import_source("blood-cells")
    before = lake.log()[0].id, rows(lake), links(lake)
    path = extract("blood-cells")
    again = {
        "path": path,
        "text": str(path),
        "ontology": read(path),
        "none": None,
        "source": source,
    }
    if given == "keyword":
        bt.CellType.import_source(source=source)
    else:
        bt.CellType.import_source(again[given])
    assert (lake.log()[0].id, rows(lake), links(lake)) == before
    assert bt.Source.filter(in_db=True).count() == 1


def test_none_finds_the_kept_tables_of_a_file_that_is_gone(lake, obo):
    path = obo((1, "cell"))
    bt.CellType.import_source(path)
    path.unlink()
    bt.CellType.get(name="cell").delete(permanent=True)
    bt.CellType.import_source()
    assert bt.CellType.get(name="cell").ontology_id == "ZZ:1"


def test_nothing_to_resolve_says_what_to_install(lake, monkeypatch):
    monkeypatch.setenv("LAKEHOUSE_OFFLINE", "1")
    with pytest.raises(SourceUnavailable, match=r"'cl' .* isn't on this machine") as error:
        bt.CellType.import_source()
    for way in ("pip install --no-deps 'cellxgene-ontology-guide", "cl.obo", "'blood-cells'"):
        assert way in str(error.value)
    own = bt.Source(entity="bionty.CellType", name="gone").save()
    with pytest.raises(SourceUnavailable, match="isn't kept"):
        bt.CellType.import_source(own)
    with pytest.raises(InvalidArgument, match="doesn't take this"):
        bt.CellType.import_source(3)
    assert bt.CellType.filter().count() == 0


def test_a_misspelt_name_is_answered_by_the_names_that_are_known(lake):
    with pytest.raises(UnreadableFile, match="no ontology 'blod-cells'") as caught:
        bt.CellType.import_source("blod-cells")
    assert "blood-cells" in str(caught.value)
    with pytest.raises(UnreadableFile, match="nothing at this path"):
        bt.CellType.import_source("no/such.obo")


def test_source_of_another_registry_is_refused(lake):
    source = bt.Organism.import_source("organisms")
    with pytest.raises(InvalidArgument, match="another registry"):
        bt.CellType.import_source(source)
    assert bt.CellType.filter().count() == 0


@pytest.mark.parametrize("content", [None, b"", b"this is no ontology", b"PK\x03\x04"])
def test_unreadable_file_changes_nothing(lake, tmp_path, content):
    path = tmp_path / "bad.obo"
    if content is not None:
        path.write_bytes(content)
    before = lake.log()[0].id
    with pytest.raises(UnreadableFile, match=r"bad\.obo"):
        bt.CellType.import_source(path)
    assert lake.log()[0].id == before
    assert bt.Source.filter(in_db=True).count() == bt.CellType.filter().count() == 0


def test_new_version_changes_what_changed_and_keeps_what_people_did(lake, obo):
    exact = 'synonym: "{}" EXACT []'.format
    v1 = obo(
        (1, "cell", 'def: "A cell." []'),
        (2, "T cell", exact("T-cell"), exact("old"), "is_a: ZZ:1"),
        (3, "B cell", 'def: "A B cell." []', "is_a: ZZ:1"),
    )
    first = bt.CellType.import_source(v1)
    b_cell = bt.CellType.get(ontology_id="ZZ:3")
    b_cell.description = "mine"
    b_cell.save()
    t_cell = bt.CellType.get(ontology_id="ZZ:2")
    t_cell.synonyms += "|my T"
    t_cell.save()
    v2 = obo(
        (1, "cell", 'def: "A cell." []'),
        (2, "T lymphocyte", exact("T-cell"), exact("T cell"), "is_a: ZZ:4"),
        (3, "B cell", 'def: "A B cell." []', "is_a: ZZ:4"),
        (4, "lymphocyte", "is_a: ZZ:1"),
        version="2024-02-01",
    )
    second = bt.CellType.import_source(v2)
    found = rows(lake)
    assert found["ZZ:2"][:2] == ("T lymphocyte", "T cell|T-cell|my T")
    assert found["ZZ:3"][2] == "mine"
    assert len(found) == 4
    assert links(lake) == {("ZZ:2", "ZZ:4"), ("ZZ:3", "ZZ:4"), ("ZZ:4", "ZZ:1")}
    assert bt.CellType.get(ontology_id="ZZ:2").uid == t_cell.uid
    assert bt.CellType.get(ontology_id="ZZ:2").source == second
    assert bt.CellType.get(ontology_id="ZZ:1").source == first
    used = bt.Source.filter(entity="bionty.CellType", currently_used=True)
    assert used.one() == second
    assert bt.CellType.import_source() == second


def test_without_the_former_tables_nothing_is_taken_away(lake, obo, monkeypatch, tmp_path):
    bt.CellType.import_source(obo((1, "cell", 'synonym: "old" EXACT []', 'def: "A cell." []')))
    monkeypatch.setenv("LAKEHOUSE_CACHE_DIR", str(tmp_path / "other"))
    v2 = obo((1, "a cell", 'synonym: "new" EXACT []'), version="2024-02-01")
    bt.CellType.import_source(v2)
    assert rows(lake)["ZZ:1"] == ("a cell", "new|old", "A cell.", False)


def test_records_of_ones_own_become_terms(lake, obo):
    own = bt.CellType(name="T cell", description="mine", synonyms="my T").save()
    bt.CellType.import_source(obo((1, "T cell", 'def: "Theirs." []', 'synonym: "T" EXACT []')))
    found = bt.CellType.filter(name="T cell").one()
    assert (found.uid, found.ontology_id, found.description) == (own.uid, "ZZ:1", "mine")
    assert found.synonyms == "T|my T"
    assert found.source is not None
    assert lake.engine.holder("cell_type", ("ontology_id",), ("ZZ:1",)) == own.uid


def test_terms_of_two_ontologies_may_have_one_name(lake, obo):
    bt.CellType(name="T cell", ontology_id="MY:1").save()
    for _ in range(2):
        bt.CellType.import_source(obo((1, "T cell"), (2, "B cell")))
        assert {k: v[0] for k, v in rows(lake).items()} == {
            "MY:1": "T cell",
            "ZZ:1": "T cell",
            "ZZ:2": "B cell",
        }


def test_terms_may_swap_names(lake, obo):
    bt.CellType.import_source(obo((1, "a"), (2, "b")))
    bt.CellType.import_source(obo((1, "b"), (2, "a"), version="2024-02-01"))
    assert {k: v[0] for k, v in rows(lake).items()} == {"ZZ:1": "b", "ZZ:2": "a"}


def test_obsolete_terms(lake, obo):
    retired = ("is_obsolete: true", "replaced_by: ZZ:1")
    bt.CellType.import_source(obo((1, "cell"), (2, "old cell", *retired)))
    assert set(rows(lake)) == {"ZZ:1"}
    path = obo((1, "cell"), (2, "old cell", *retired), version="2024-02-01")
    bt.CellType.import_source(path, include_obsolete=True)
    old = bt.CellType.get(ontology_id="ZZ:2")
    assert (old.is_obsolete, old.replaced_by) == (True, "ZZ:1")


def test_a_term_becomes_obsolete(lake, obo):
    bt.CellType.import_source(obo((1, "cell"), (2, "blob")))
    gone = (2, "obsolete blob", "is_obsolete: true", "replaced_by: ZZ:1")
    bt.CellType.import_source(obo((1, "cell"), gone, version="2024-02-01"))
    term = bt.CellType.get(ontology_id="ZZ:2")
    assert (term.name, term.is_obsolete, term.replaced_by) == ("obsolete blob", True, "ZZ:1")


@pytest.mark.slow
def test_terms_in_the_trash_stay_there(lake, obo):
    path = obo((1, "cell"), (2, "blob"))
    bt.CellType.import_source(path)
    bt.CellType.get(name="blob").delete()
    bt.CellType.import_source(path)
    bt.CellType.import_source(obo((1, "cell"), (2, "blub"), version="2024-02-01"))
    assert bt.CellType.filter().to_list("name") == ["cell"]
    assert bt.CellType.filter(branch_uid="trash").to_list("name") == ["blob"]


def test_inside_a_transaction(lake, obo):
    before = len(lake.log())
    with lake.transaction("both"):
        lake.ULabel(name="raw").save()
        bt.CellType.import_source(obo((1, "cell")))
    assert len(lake.log()) == before + 1 + (before == 1)  # the first writer is registered
    assert bt.CellType.filter().count() == 1
    path = obo((2, "blob"), name="other")
    with pytest.raises(UnreadableFile):
        _import_then_fail(lake, path)
    assert bt.CellType.filter().count() == 1


def _import_then_fail(lake, path):
    with lake.transaction():
        bt.CellType.import_source(path)
        bt.CellType.import_source(path.with_suffix(".missing"))


def test_past_states_take_no_import(lake, obo):
    with lake.at(lake.log()[0].id) as past, pytest.raises(ReadOnlyLake):
        past.bionty.CellType.import_source(obo((1, "cell")))


def test_two_importers_at_once(lake, obo):
    path = obo(*((i, f"cell {i}", *(["is_a: ZZ:0"] if i else [])) for i in range(300)))
    failed = []
    start = threading.Barrier(3)

    def work():
        start.wait()
        try:
            lake.bionty.CellType.import_source(path)
        except BaseException as error:
            failed.append(error)
            raise

    threads = [threading.Thread(target=work) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failed
    assert bt.CellType.filter().count() == 300
    assert len(links(lake)) == 299
    assert bt.Source.filter(in_db=True).count() == 1


def test_organisms(lake):
    bt.Organism.import_source("organisms")
    mouse = bt.Organism.get(ontology_id="NCBITaxon:10090")
    assert (mouse.name, mouse.scientific_name) == ("Mus musculus", "Mus musculus")
    assert mouse.parents.to_list("name") == ["Rodentia"]
    assert bt.CellType.filter().count() == 0


def test_prefix(lake, obo, tmp_path):
    path = tmp_path / "mixed.obo"
    path.write_text(
        "format-version: 1.4\n[Term]\nid: A:1\nname: a\n[Term]\nid: A:2\nname: aa\nis_a: B:1\n"
        "[Term]\nid: B:1\nname: b\n"
    )
    bt.CellType.import_source(path, prefix="B")
    assert set(rows(lake)) == {"B:1"}
    bt.CellType.import_source(path, prefix="A")
    assert links(lake) == {("A:2", "B:1")}


def test_from_source(lake, obo):
    path = obo((1, "cell"), (2, "T cell", 'synonym: "T-cell" EXACT []'))
    bt.CellType.import_source(path)
    bt.CellType.get(ontology_id="ZZ:2").delete(permanent=True)
    new = bt.CellType.from_source("T-cell")
    assert (new.ontology_id, new._saved) == ("ZZ:2", False)
    new.save()
    assert bt.CellType.from_source(ontology_id="ZZ:2") == new
    new.add_synonym("mine")
    assert bt.CellType.from_source("mine") == bt.CellType.from_source("t CELL") == new
    with pytest.raises(LookupError, match=r"from_source\('T-cell'\) takes synonyms"):
        bt.CellType.from_source(name="T-cell")
    with pytest.raises(LookupError, match="no term 'T cel'") as error:
        bt.CellType.from_source(name="T cel")
    assert "T cell" in str(error.value)
    with pytest.raises(InvalidArgument):
        bt.CellType.from_source()


@pytest.mark.parametrize("name", ["cells.csv", "cells.tsv", "cells.parquet", "cells.h5ad", "cells"])
def test_content_counts_and_not_the_suffix(lake, obo, tmp_path, name):
    path = obo((1, "cell"), (2, "neuron", "is_a: ZZ:1")).rename(tmp_path / name)
    bt.CellType.import_source(path)
    assert sorted(bt.CellType.filter().to_list("name")) == ["cell", "neuron"]
