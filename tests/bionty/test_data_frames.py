"""Sources that are data frames: hierarchies, descriptions, versions, genes."""

from __future__ import annotations

import pandas as pd
import pytest

import lakehouse.bionty as bt
from lakehouse.errors import FieldValidationError, InvalidArgument, UnknownColumn

CELLS = {
    "ontology_id": ["CL:0", "CL:1", "CL:2", "CL:3"],
    "name": ["cell", "lymphocyte", "T cell", "B cell"],
    "definition": ["a cell", None, "a T cell", "a B cell"],
    "synonyms": [None, None, "T-cell|T lymphocyte", "B-cell"],
    "parents": [[], ["CL:0"], ["CL:1"], ["CL:1"]],
}


def add(registry, frame, version="1", name="cl", **kwargs):
    entity = f"bionty.{registry.__name__}"
    organism = kwargs.pop("organism", "all")
    source = bt.Source(entity=entity, name=name, version=version, organism=organism, **kwargs)
    return registry.add_source(source, df=frame)


@pytest.fixture
def cells(lake):
    return add(bt.CellType, pd.DataFrame(CELLS), currently_used=True)


@pytest.mark.parametrize(
    "change",
    [
        lambda frame: frame,
        lambda frame: frame.set_index("ontology_id"),
        lambda frame: frame.assign(parents=["", "CL:0", "CL:1", "CL:1 | "]),
        lambda frame: frame.assign(parents=[None, ["CL:0"], ["CL:1"], ["CL:1", ""]]),
        lambda frame: frame.assign(name=frame["name"].astype("category")),
        lambda frame: frame.rename(columns={"definition": "description"}),
    ],
)
def test_import_takes_the_hierarchy_and_descriptions(lake, change):
    bt.CellType.import_source(add(bt.CellType, change(pd.DataFrame(CELLS))))
    t_cell = bt.CellType.get(name="T cell")
    assert (t_cell.description, t_cell.parents.one().name) == ("a T cell", "lymphocyte")
    assert {r.name for r in t_cell.query_parents()} == {"lymphocyte", "cell"}
    assert bt.CellType.filter(parents__name="lymphocyte").count() == 2
    bt.CellType.import_source(add(bt.CellType, None))
    assert bt.CellType.filter().count() == 4


def test_records_of_it_know_their_ancestors(cells):
    record = bt.CellType.from_source(name="T cell").save()
    assert (record.description, record.source) == ("a T cell", cells)
    assert [r.name for r in record.ancestors()] == ["lymphocyte", "cell"]
    assert bt.CellType.public().search("a B cell")["name"].tolist() == ["B cell"]


def test_a_second_version_takes_back_what_the_first_said(cells):
    bt.CellType.import_source(cells)
    bt.CellType.get(name="T cell").add_synonym("mine")
    frame = pd.DataFrame(CELLS)
    frame.at[2, "synonyms"] = "T-cell|Tc"
    frame.at[2, "parents"] = ["CL:0"]
    bt.CellType.import_source(add(bt.CellType, frame, version="2"), update_records=True)
    t_cell = bt.CellType.get(name="T cell")
    assert t_cell.synonyms == "T-cell|Tc|mine"
    assert t_cell.parents.to_list("name") == ["cell"]
    assert {r.source.version for r in bt.CellType.filter()} == {"2"}


def test_a_row_for_each_ncbi_id_of_a_gene(lake):
    human = bt.Organism(name="human", ontology_id="NCBITaxon:9606").save()
    frame = pd.DataFrame(
        {
            "ensembl_gene_id": ["ENSG00000000001", "ENSG00000000001", "ENSG00000000002"],
            "symbol": ["A", "A", "B"],
            "ncbi_gene_id": [12.0, 13.0, None],
        }
    )
    bt.Gene.import_source(add(bt.Gene, frame, name="ensembl", organism="human"))
    genes = bt.Gene.filter(organism=human).order_by("symbol")
    assert [(g.symbol, g.ncbi_gene_ids) for g in genes] == [("A", "12|13"), ("B", None)]
    bt.CellMarker(name="CD1", ncbi_gene_id="910", organism=human).save()
    assert bt.CellMarker.get(name="CD1").ncbi_gene_id == "910"


def test_looked_up_terms_become_records(cells, capsys):
    found = bt.CellType.public().lookup()
    record = bt.CellType(found.t_cell)
    assert (record.ontology_id, record.description) == ("CL:2", "a T cell")
    assert (record.source, record._saved) == (cells, False)
    record.save()
    assert record.parents.to_list("name") == ["lymphocyte"]
    assert bt.CellType(found.t_cell) == record
    assert bt.CellType([found.b_cell, found.t_cell]).name == "B cell"
    assert "the first one is taken" in capsys.readouterr().err
    assert found.t_cell._asdict()["name"] == found.t_cell["name"] == "T cell"
    with pytest.raises(FieldValidationError, match="given by name"):
        bt.CellType("T cell")


def test_looked_up_organisms_and_genes(lake):
    bt.Organism(bt.Organism.public().lookup().mouse).save()
    assert bt.Organism.get(ontology_id="NCBITaxon:10090").name == "mouse"
    frame = pd.DataFrame({"ensembl_gene_id": ["ENSMUSG00000000001"], "symbol": ["Gnai3"]})
    source = add(bt.Gene, frame, name="mine", organism="mouse")
    gene = bt.Gene(bt.Gene.public(source=source).lookup().gnai3).save()
    assert (gene.organism.name, gene.source) == ("mouse", source)


def test_parents_are_given_to_the_constructor(cells):
    mine = bt.CellType(name="mine", parents=["CL:2"]).save()
    assert [r.name for r in mine.ancestors()] == ["T cell", "lymphocyte", "cell"]
    other = bt.CellType(name="other", parents=[mine, "CL:3"]).save()
    assert set(other.parents.to_list("name")) == {"mine", "B cell"}
    bt.CellType(name="other", parents=bt.CellType.get(name="cell")).save()
    assert other.parents.count() == 3
    for wrong in ([1], 1):
        with pytest.raises(InvalidArgument, match="list of ontology ids"):
            bt.CellType(name="wrong", parents=wrong)


def test_what_was_asked_for_comes_before_its_ancestors(cells, capsys):
    bt.CellType.from_values(["T cell", "B cell"]).save()
    assert bt.CellType.filter().to_list("name") == ["T cell", "B cell", "cell", "lymphocyte"]
    bt.CellType(name="mine", parents=["CL:9"]).save()
    assert "CL:9" in capsys.readouterr().err


def test_a_term_keeps_its_name_where_its_id_is_given(cells, capsys):
    t_cell = bt.CellType.from_source(name="T cell").save()
    again = bt.CellType(name="my name", ontology_id="CL:2", description="changed").save()
    assert (again, again.name, again.description) == (t_cell, "T cell", "changed")
    assert "keeps its name" in capsys.readouterr().err


def test_a_source_becomes_the_used_one_again(cells):
    other = add(bt.CellType, pd.DataFrame(CELLS), version="2", currently_used=True)
    assert bt.CellType.public().version == "2"
    cells.save()  # made before the other one, it still says that it is the used one
    assert bt.CellType.public().version == "1"
    other.refresh_from_db()
    assert not other.currently_used


def test_fields_of_public_ontologies(cells):
    public = bt.CellType.public()
    assert public.name.parent is public
    assert str(public.description) == "definition"
    assert public.standardize("T-cell", public.name) == ["T cell"]
    assert public.validate("T cell").tolist() == [True]
    assert public.df().equals(public.to_dataframe())
    assert public.search("B cell", field=public.description)["name"].tolist() == ["B cell"]


def test_synonyms_are_looked_for_where_there_are_any(cells):
    result = bt.CellType.inspect(["T-cell"], from_source=False)
    assert (result["mapped"], result["not_mapped"]) == ([], ["T-cell"])
    for wrong in ("no_such", "name"):
        with pytest.raises(UnknownColumn, match="has no synonyms"):
            bt.CellType.standardize(["T-cell"], synonyms_field=wrong)


def test_names_of_the_modules():
    assert bt.ids is bt.uids
    assert bt.uids.ontology("CL:0000084") == "22LvKd01YyNA1a"
    assert (len(bt.uids.source()), len(bt.uids.gene("a")), len(bt.uids.protein())) == (8, 12, 12)
    assert bt.models.CellType is bt.CellType
    assert issubclass(bt.CellType, bt.models.HasOntologyId)
    assert issubclass(bt.Gene, bt.core.BioRecord)
    assert not issubclass(bt.Gene, bt.models.HasOntologyId)
    assert {"CellType", "Source", "BioRecord"} <= set(dir(bt.models))
    with pytest.raises(AttributeError):
        bt.models.NoSuch  # noqa: B018 - the access is what is tested


def test_terms_of_another_ontology_stay_its_terms(cells):
    bt.CellType.import_source(cells)
    frame = pd.DataFrame(
        {
            "ontology_id": ["X:1", "CL:2"],
            "name": ["mine", "T cell"],
            "synonyms": [None, "Tc"],
            "parents": [["CL:1"], ["X:1"]],
        }
    )
    other = add(bt.CellType, frame, name="x")
    bt.CellType.import_source(other)
    t_cell = bt.CellType.get(ontology_id="CL:2")
    assert t_cell.source == cells
    assert "Tc" in t_cell.synonyms.split("|")
    assert bt.CellType.filter(source=other).to_list("name") == ["mine"]


def test_a_public_ontology_registers_its_source(lake):
    bt.base.Organism().register_source_in_lamindb()
    assert bt.Source.filter(entity="bionty.Organism", organism="vertebrates").count() == 1
