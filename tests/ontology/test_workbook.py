"""Excel workbooks, and the markers that lie in one."""

from __future__ import annotations

import zipfile

import pytest

from lakehouse.errors import UnreadableFile
from lakehouse.ontology.reading import unpack as unpacking
from lakehouse.ontology.reading.genes import read_table
from lakehouse.ontology.reading.workbook import first_sheet

NS = 'xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"'
HEAD = ["species", "marker", "Symbol", "GeneID", "UNIPROTID"]
ROWS = [
    ["Human", "CD8", "CD8A", "925", None],
    ["Human", "CD8", None, None, "P01732"],
    ["Mouse", "Cd8a", "Cd8a", "12525", "P01731"],
    ["Human", None, "CD4", "920", None],
    ["Human", "CD4 & <more>", "CD4", "920", "P01730"],
]


def cell(column: int, row: int, text: str | None, shared: list[str]) -> str:
    place = f'r="{"ABCDE"[column]}{row}"'
    if text is None:
        return f"<c {place}/>"
    if text.isdigit():
        return f"<c {place}><v>{text}</v></c>"
    escaped = text.replace("&", "&amp;").replace("<", "&lt;")
    if column % 2:
        return f'<c {place} t="inlineStr"><is><t>{escaped}</t></is></c>'
    shared.append(f"<si><r><t>{escaped[:1]}</t></r><r><t>{escaped[1:]}</t></r></si>")
    return f'<c {place} t="s"><v>{len(shared) - 1}</v></c>'


@pytest.fixture
def book(tmp_path):
    shared: list[str] = []
    rows = [
        f"<row>{''.join(cell(c, r, t, shared) for c, t in enumerate(row))}</row>"
        for r, row in enumerate([HEAD, *ROWS], 1)
    ]
    path = tmp_path / "Cell_marker_Human.xlsx"
    with zipfile.ZipFile(path, "w") as out:
        sheet = f"<worksheet {NS}><sheetData>{''.join(rows)}</sheetData></worksheet>"
        out.writestr("xl/worksheets/sheet1.xml", sheet)
        out.writestr("xl/sharedStrings.xml", f"<sst {NS}>{''.join(shared)}</sst>")
    return path


def test_a_sheet_of_shared_and_inline_texts(book):
    frame = first_sheet(book)
    assert frame.columns == HEAD
    assert frame.rows() == [tuple(row) for row in ROWS]


def test_markers_of_one_organism_each_once(book):
    assert read_table(book, "cellmarker-xlsx", "human").to_pylist() == [
        {"name": "CD8", "gene_symbol": "CD8A", "ncbi_gene_id": "925", "uniprotkb_id": "P01732"},
        {
            "name": "CD4 & <more>",
            "gene_symbol": "CD4",
            "ncbi_gene_id": "920",
            "uniprotkb_id": "P01730",
        },
    ]
    assert read_table(book, "cellmarker-xlsx", "mouse")["name"].to_pylist() == ["Cd8a"]


@pytest.mark.parametrize("content", [b"", b"species,marker\n", "zip", "bomb"])
def test_other_files_are_refused(tmp_path, content, monkeypatch):
    monkeypatch.setattr(unpacking, "_HARMLESS", 1 << 20)
    path = tmp_path / "x.xlsx"
    if content == "zip":
        with zipfile.ZipFile(path, "w") as out:
            out.writestr("readme.txt", "nothing")
    elif content == "bomb":
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as out:
            out.writestr("xl/worksheets/sheet1.xml", bytes(8 << 20))
    else:
        path.write_bytes(content)
    with pytest.raises(UnreadableFile, match=r"x\.xlsx") as caught:
        read_table(path, "cellmarker-xlsx", "human")
    assert ("compressed ones" in str(caught.value)) is (content == "bomb")


def test_the_plainest_of_several_genomes_of_an_organism(tmp_path):
    path = tmp_path / "species_EnsemblVertebrates.txt"
    path.write_text(
        "#name\tspecies\tdivision\ttaxonomy_id\n"
        "Mouse 129S1\tmus_musculus_129s1svimj\tEnsemblVertebrates\t10090\t\n"
        "Mouse\tmus_musculus\tEnsemblVertebrates\t10090\t\n"
        "Algerian mouse\tmus_spretus\tEnsemblVertebrates\t10096\t\n"
    )
    found = read_table(path, "ensembl-species", "vertebrates").sort_by("ontology_id").to_pylist()
    assert [(r["ontology_id"], r["name"], r["scientific_name"]) for r in found] == [
        ("NCBITaxon:10090", "mouse", "mus_musculus"),
        ("NCBITaxon:10096", "algerian mouse", "mus_spretus"),
    ]
