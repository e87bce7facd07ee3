"""public(): searching, looking up and comparing without importing."""

from __future__ import annotations

import pytest

import lakehouse.bionty as bt
from lakehouse.errors import InvalidArgument, ObjectDoesNotExist, UnknownColumn, UnknownField


@pytest.fixture
def public(lake, packages):
    return bt.CellType.public()


def test_what_it_is(public):
    shown = repr(public)
    for part in (
        "PublicOntology",
        "Entity: CellType",
        "Organism: all",
        "cl, 2026-03-26",
        "#terms: 4",
    ):
        assert part in shown
    assert {"name", "ontology_id", "synonyms", "parents"} <= public.fields
    assert str(public.name) == "name"


def test_compare(public):
    values = ["T cell", "T-cell", "blob"]
    assert public.validate(values, public.name).tolist() == [True, False, False]
    assert public.validate("T cell")
    result = public.inspect(values)
    assert (result.validated, result.synonyms_mapper) == (["T cell"], {"T-cell": "T cell"})
    assert public.standardize(values) == ["T cell", "T cell", "blob"]
    assert public.standardize(values, return_mapper=True) == {"T-cell": "T cell"}
    assert public.standardize(["T-cell"], return_field="ontology_id") == ["CL:0000084"]
    assert not public.validate(["obsolete lymph cell"]).any()
    with pytest.raises(UnknownColumn, match="no field 'nam'"):
        public.validate(["a"], "nam")


def test_look(public):
    frame = public.search("t cell")
    assert frame.iloc[0]["name"] == "T cell"
    assert frame.index[0] == "CL:0000084"
    assert public.search("T-cell").iloc[0]["name"] == "T cell"
    assert len(public.search("cyte", limit=1)) == 1
    assert (
        public.search("cell blood red")["name"].tolist()
        == public.search("red blood cell")["name"].tolist()
    )
    assert public.search("[*").empty
    assert public.search("T CELL", case_sensitive=True).empty
    assert public.search("CL:0000542", field=public.ontology_id)["name"].tolist() == ["lymphocyte"]
    with pytest.raises(InvalidArgument, match="needs a text"):
        public.search("")
    assert public.lookup().t_cell.ontology_id == "CL:0000084"
    assert public.lookup()["T cell"].parents == ["CL:0000542"]
    assert "t_cell" in dir(public.lookup())
    with pytest.raises(UnknownField):
        public.lookup().t_cel  # noqa: B018 - the access is what is tested


def test_frames(public):
    frame = public.to_dataframe()
    assert frame.index.name == "ontology_id"
    assert {"name", "definition", "synonyms", "parents"} <= set(frame.columns)
    assert frame.loc["CL:0000738", "definition"] == "A blood cell."
    assert frame.loc["CL:0000084", "parents"] == ["CL:0000542"]
    with pytest.raises(InvalidArgument, match="no file that pronto reads"):
        public.to_pronto()


def test_pronto(lake, obo):
    bt.CellType.import_source(obo((1, "cell"), (2, "T cell", "is_a: ZZ:1")))
    found = bt.CellType.public().to_pronto()
    assert {t.id for t in found["ZZ:2"].superclasses()} == {"ZZ:1", "ZZ:2"}


def test_in_notebooks(public):
    html = public._repr_html_()
    assert "CellType of cl 2026-03-26 for all: 4 terms" in html
    assert "<th>ontology_id</th><th>name</th>" in html
    assert "<td>T cell</td>" in html
    assert repr(public).startswith("PublicOntology\nEntity: CellType")


def test_diff(public):
    old = bt.CellType.public(source=bt.CellType.add_source("cl", version="2025-02-13"))
    apart, changed = old.diff(public)
    assert apart["name"].tolist() == ["lymph cell"]
    assert apart["version"].tolist() == ["2025-02-13"]
    assert changed.empty
    with pytest.raises(InvalidArgument, match="must differ"):
        old.diff(old)
    with pytest.raises(InvalidArgument, match="one entity"):
        old.diff(bt.Organism.public())


def test_from_source_saves_the_ancestors(public, lake):
    lake.user_uid  # noqa: B018 - registers the user
    before = len(lake.log())
    record = bt.CellType.from_source(name="T cell")
    assert (record._saved, record.ontology_id) == (False, "CL:0000084")
    record.save()
    assert len(lake.log()) == before + 1
    ids = ["CL:0000000", "CL:0000738", "CL:0000542", "CL:0000084"]
    assert sorted(bt.CellType.filter().to_list("ontology_id")) == sorted(ids)
    assert [r.name for r in record.ancestors()] == ["lymphocyte", "leukocyte", "cell"]
    assert {r.source for r in bt.CellType.filter()} == {record.source}
    assert bt.CellType.from_source("T-cell") == record
    assert bt.CellType.from_source(ontology_id="CL:0000084") == record
    with pytest.raises(ObjectDoesNotExist, match="'T cel'") as error:
        bt.CellType.from_source(name="T cel")
    assert "T cell" in str(error.value)
    for wrong in ({}, {"name": "a", "ontology_id": "b"}):
        with pytest.raises(InvalidArgument, match="one field"):
            bt.CellType.from_source(**wrong)


def test_ones_own_changes_to_ancestors_stay(public):
    own = bt.CellType(name="my lymphocyte", ontology_id="CL:0000542", description="mine").save()
    bt.CellType.from_source(name="T cell").save()
    again = bt.CellType.get(ontology_id="CL:0000542")
    assert (again.uid, again.name, again.description) == (own.uid, "my lymphocyte", "mine")
    assert bt.CellType.get(name="T cell").parents.one() == own


def test_from_values_falls_back_on_the_source(public, lake, capsys):
    bt.CellType(name="mine", synonyms="own").save()
    lake.user_uid  # noqa: B018 - registers the user
    before = len(lake.log())
    found = bt.CellType.from_values(["T-cell", "own", "leukocyte", "blob", "T-cell", None])
    assert [r.name for r in found] == ["T cell", "mine", "leukocyte"]
    told = capsys.readouterr().err
    assert "created 2 CellType records from the public source: 'T-cell', 'leukocyte'" in told
    assert "did not create CellType records for 1 non-validated name: 'blob'" in told
    found.save()
    assert len(lake.log()) == before + 1
    assert bt.CellType.filter().count() == 5
    assert bt.CellType.get(name="T cell").query_parents().count() == 3
    by_id = bt.CellType.from_values(["CL:0000084", "CL:0000000"], field=bt.CellType.ontology_id)
    assert [r.name for r in by_id] == ["T cell", "cell"]
    assert all(r._saved for r in by_id)


def test_inspect_and_standardize_tell_what_the_source_has(public, capsys):
    result = bt.CellType.inspect(["T cell", "T-cell", "blob"])
    assert result.validated == []
    told = capsys.readouterr().err
    assert "detected 1 CellType term in public source for name: 'T cell'" in told
    assert "detected 1 CellType term in public source as synonyms: 'T-cell'" in told
    assert "couldn't validate 1 term: 'blob'" in told
    assert bt.CellType.standardize(["T-cell", "blob"]) == ["T cell", "blob"]
    assert ".from_values(['T-cell'])" in capsys.readouterr().err
    assert bt.CellType.standardize(["T-cell"], from_source=False) == ["T-cell"]


def test_source_and_strict_source(public):
    old = bt.CellType.add_source("cl", version="2025-02-13")
    bt.CellType(name="mine").save()
    bt.CellType.from_source(name="leukocyte", source=old).save()
    values = ["mine", "leukocyte"]
    assert bt.CellType.validate(values, source=old).tolist() == [True, True]
    strict = bt.CellType.validate(values, source=old, strict_source=True)
    assert strict.tolist() == [False, True]
    assert bt.CellType.inspect(["lymph cell"], source=old, mute=True).validated == []
    assert bt.CellType.from_values(["lymph cell"], source=old).one().ontology_id == "CL:0000001"
    assert bt.CellType.from_values(["lymph cell"]) == []
    with pytest.raises(InvalidArgument, match="no such source"):
        bt.Disease.public(source=old)
