"""The manifests and extracts that ship with the project."""

from __future__ import annotations

import pytest

from lakehouse.errors import InvalidArgument
from lakehouse.io.uris import scheme_of
from lakehouse.ontology import (
    Ontology,
    ancestors,
    cycles,
    extract,
    manifest,
    manifests,
    read,
    registry_rows,
)
from lakehouse.ontology.sources.manifest import folder

EXPECTED = (
    "cl uberon mondo doid hp mp pato efo go hsapdv mmusdv hancestro ncbitaxon clo cellosaurus"
    " ensembl-human ensembl-mouse"
)

# what the labels of the PBMC 68k data set mean
LABELS = {
    "CD14+ Monocyte": "CL:0001054",
    "CD19+ B": "CL:0001201",
    "CD34+": "CL:0008001",
    "CD4+/CD25 T Reg": "CL:0000792",
    "CD4+/CD45RA+/CD25- Naive T": "CL:0000895",
    "CD4+/CD45RO+ Memory": "CL:0000897",
    "CD56+ NK": "CL:0000623",
    "CD8+ Cytotoxic T": "CL:0000794",
    "CD8+/CD45RA+ Naive Cytotoxic": "CL:0000900",
    "Dendritic": "CL:0000451",
}


@pytest.fixture(scope="module")
def cells() -> Ontology:
    return read(extract("blood-cells"), keep=False)


def test_every_expected_ontology_has_a_manifest():
    assert set(EXPECTED.split()) <= set(manifests())


def test_manifests_are_named_after_their_files_and_complete():
    for name, entry in manifests().items():
        assert (folder() / "manifests" / f"{name}.toml").is_file()
        assert "{version}" in entry.url
        assert entry.version in entry.address()
        assert entry.licence
        assert entry.licence_url.startswith("http")
        # whose publisher has no https; their manifests say so
        scheme = "http" if entry.source == "cellmarker" else "https"
        assert scheme_of(entry.url) == scheme, name
        for offline in entry.offline:
            assert (offline.version or entry.version) in entry.versions
            assert "==" in offline.package
        if entry.table:
            assert (folder() / "tables" / entry.table).is_file()
        if entry.extract:
            assert extract(entry.extract).is_file()


def test_another_release():
    assert "2020-01-02" in manifest("CL").address("2020-01-02")


def test_names_in_any_case_and_unknown_ones():
    assert manifest("HSAPDV").prefix == "HsapDv"
    with pytest.raises(InvalidArgument) as caught:
        manifest("uberom")
    assert "uberon" in str(caught.value.expected)
    with pytest.raises(InvalidArgument, match="blood-cells"):
        extract("no-such")


@pytest.mark.parametrize("name", ["blood-cells", "organisms"])
def test_extracts_need_no_repair_and_hold_no_definitions(name: str):
    onto = read(extract(name), keep=False)
    assert onto.repairs == ()
    assert onto.terms["definition"].null_count == len(onto)
    assert cycles(onto.parents) == []
    rows = registry_rows(onto)
    assert rows.num_rows == len(onto)
    assert set(map(len, rows["notes"].to_pylist())) == {0}
    assert set(map(len, rows["foreign_parents"].to_pylist())) == {0}


@pytest.mark.parametrize(
    ("ontology_id", "name"),
    [
        ("CL:0000084", "T cell"),
        ("CL:0000236", "B cell"),
        ("CL:0000625", "CD8-positive, alpha-beta T cell"),
        ("CL:0000798", "gamma-delta T cell"),
        ("CL:0000037", "hematopoietic stem cell"),
        ("CL:0000623", "natural killer cell"),
        ("CL:0000576", "monocyte"),
        ("CL:0000451", "dendritic cell"),
        ("CL:0000540", "neuron"),
        ("CL:0000182", "hepatocyte"),
        ("CL:0000136", "fat cell"),
        ("CL:0000969", "regulatory B cell"),
    ],
)
def test_cells(cells: Ontology, ontology_id: str, name: str):
    names = dict(zip(*(cells.terms[c].to_pylist() for c in ("id", "name")), strict=True))
    if ontology_id == "CL:0000969":
        assert name in names.values()
    else:
        assert names[ontology_id] == name


def test_labels_of_a_public_data_set_are_synonyms(cells: Ontology):
    rows = cells.synonyms.to_pylist()
    assert {r["synonym"]: r["id"] for r in rows if r["type"] == "dataset_label"} == LABELS


def test_cell_hierarchy(cells: Ontology):
    above = ancestors(cells.parents, LABELS["CD4+/CD25 T Reg"])
    assert {"CL:0000084", "CL:0000542", "CL:0000738", "CL:0000988", "CL:0000000"} <= set(above)
    assert "CL:0000236" not in above


def test_organisms():
    onto = read(extract("organisms"), keep=False)
    names = dict(zip(*(onto.terms[c].to_pylist() for c in ("id", "name")), strict=True))
    assert names["NCBITaxon:9606"] == "Homo sapiens"
    assert {
        "synonym": "human",
        "id": "NCBITaxon:9606",
        "scope": "EXACT",
        "type": "common_name",
    } in (onto.synonyms.to_pylist())
    assert "NCBITaxon:40674" in ancestors(onto.parents, "NCBITaxon:10090")
