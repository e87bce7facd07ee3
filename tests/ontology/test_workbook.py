"""Excel workbooks, and the markers that lie in one."""

from __future__ import annotations

import struct
import sys
import zipfile
import zlib

import pytest

from lakehouse.errors import MissingExtra, UnreadableFile
from lakehouse.ontology.reading import unpack as unpacking
from lakehouse.ontology.reading.genes import first_sheet, read_table

NS = 'xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"'
OFFICE = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
LINKS = 'xmlns="http://schemas.openxmlformats.org/package/2006/relationships"'
PARTS = {
    "_rels/.rels": f'<Relationships {LINKS}><Relationship Id="a" Type="{OFFICE}/officeDocument" '
    'Target="xl/workbook.xml"/></Relationships>',
    "xl/workbook.xml": f'<workbook {NS} xmlns:r="{OFFICE}"><sheets>'
    '<sheet name="s" sheetId="1" r:id="b"/></sheets></workbook>',
    "xl/_rels/workbook.xml.rels": f'<Relationships {LINKS}><Relationship Id="b" '
    f'Type="{OFFICE}/worksheet" Target="worksheets/sheet1.xml"/><Relationship Id="c" '
    f'Type="{OFFICE}/sharedStrings" Target="sharedStrings.xml"/></Relationships>',
}
SHEET = "xl/worksheets/sheet1.xml"
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


def write(path, rows: str, shared: str = "", *, parts: bool = True) -> None:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as out:
        for name, text in PARTS.items() if parts else ():
            out.writestr(name, text)
        out.writestr(SHEET, f"<worksheet {NS}><sheetData>{rows}</sheetData></worksheet>")
        out.writestr("xl/sharedStrings.xml", f"<sst {NS}>{shared}</sst>")


def inline(place: str, text: str) -> str:
    return f'<c r="{place}" t="inlineStr"><is><t xml:space="preserve">{text}</t></is></c>'


@pytest.fixture(params=[True, False], ids=["whole", "sheet only"])
def book(tmp_path, request):
    shared: list[str] = []
    rows = [
        f"<row>{''.join(cell(c, r, t, shared) for c, t in enumerate(row))}</row>"
        for r, row in enumerate([HEAD, *ROWS], 1)
    ]
    path = tmp_path / "Cell_marker_Human.xlsx"
    write(path, "".join(rows), "".join(shared), parts=request.param)
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


def test_values_are_texts_without_blanks_around_them(tmp_path):
    path = tmp_path / "x.xlsx"
    number = '<c r="{}"><v>{}</v></c>'
    write(
        path,
        f"<row>{inline('A1', 'a')}{inline('B1', 'b')}{inline('C1', ' ')}{inline('E1', 'e')}</row>"
        f"<row>{number.format('A2', '925')}{number.format('B2', '1.5')}{number.format('C2', '7')}"
        f"{number.format('D2', '8')}{number.format('E2', '123456789012')}</row>"
        f"<row>{inline('A3', ' x ')}{inline('B3', ' ')}</row>",
    )
    frame = first_sheet(path)
    assert frame.columns == ["a", "b", "e"]
    assert frame.rows() == [("925", "1.5", "123456789012"), ("x", None, None)]


def test_a_sheet_without_rows(tmp_path):
    write(tmp_path / "x.xlsx", "")
    with pytest.raises(ValueError, match="the first sheet is empty"):
        first_sheet(tmp_path / "x.xlsx")
    write(tmp_path / "y.xlsx", f"<row>{inline('A1', 'a')}</row>")
    assert first_sheet(tmp_path / "y.xlsx").shape == (0, 1)


def test_a_workbook_that_has_more_inside_than_its_directory_says(tmp_path):
    path = tmp_path / "x.xlsx"
    write(path, "".join(f"<row>{inline(f'A{n}', 'x' * 20)}</row>" for n in range(1, 2000)))
    with zipfile.ZipFile(path) as book:
        info, whole = book.getinfo(SHEET), book.read(SHEET)
    told = struct.pack("<III", info.CRC, info.compress_size, info.file_size)
    said = struct.pack("<III", zlib.crc32(whole[:1000]), info.compress_size, 1000)
    assert path.read_bytes().count(told) == 2
    path.write_bytes(path.read_bytes().replace(told, said))
    with pytest.raises(ValueError, match="no Excel workbook"):
        first_sheet(path)


def test_without_the_package(book, monkeypatch):
    monkeypatch.setitem(sys.modules, "fastexcel", None)
    with pytest.raises(MissingExtra, match=r"lakehouse\[excel\]"):
        read_table(book, "cellmarker-xlsx", "human")


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
