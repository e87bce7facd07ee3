"""Sources that are data frames: hierarchies, descriptions, versions, genes."""

from __future__ import annotations

import pandas as pd
import pytest

import lakehouse.bionty as bt

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
