from __future__ import annotations

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import lakehouse.bionty as bt
from lakehouse.errors import InvalidArgument, InvalidData, UnreadableFile

GENES = {
    "ensembl_gene_id": ["ENSG00000153563", "ENSG00000010610", "ENSG00000153563"],
    "symbol": ["CD8A", "CD4", "CD8A"],
    "biotype": ["protein_coding", None, "protein_coding"],
    "more": [1, 2, 3],
}


def given(kind, tmp_path):
    table = pa.table(GENES)
    if kind == "arrow":
        return table
    if kind == "polars":
        return pl.DataFrame(GENES)
    if kind == "pandas":
        return table.to_pandas()
    path = tmp_path / f"genes.{kind}"
    if kind == "parquet":
        pq.write_table(table, path)
    else:
        pl.DataFrame(GENES).write_csv(path)
    return path


@pytest.mark.parametrize("kind", ["arrow", "polars", "pandas", "parquet", "csv"])
def test_tables(lake, tmp_path, kind):
    bt.Gene.import_source(given(kind, tmp_path), organism="human")
    assert bt.Gene.filter().order_by("symbol").to_list("symbol") == ["CD4", "CD8A"]
    gene = bt.Gene.get(ensembl_gene_id="ENSG00000153563")
    assert (gene.biotype, gene.organism.name) == ("protein_coding", "human")
    before = lake.log()[0].id
    bt.Gene.import_source(given(kind, tmp_path), organism="human")
    assert lake.log()[0].id == before
    assert bt.Organism.filter().count() == 1


def test_changes(lake):
    bt.Gene.import_source(pa.table(GENES))
    changed = pa.table({"id": GENES["ensembl_gene_id"][:2], "symbol": ["CD8", None]})
    bt.Gene.import_source(changed, columns={"id": "ensembl_gene_id"})
    assert sorted(bt.Gene.filter().to_list("symbol")) == ["CD4", "CD8"]


def test_organism_by_its_common_name(lake):
    bt.Organism.import_source("organisms")
    bt.Gene.import_source(pa.table(GENES), organism="mouse")
    assert bt.Gene.filter(organism__name="Mus musculus").count() == 2


def test_bad_tables_change_nothing(lake, tmp_path):
    before = lake.log()[0].id
    with pytest.raises(InvalidArgument, match="no column with ids"):
        bt.Gene.import_source(pa.table({"symbol": ["A"]}), organism="human")
    with pytest.raises(InvalidData, match="1 rows"):
        bt.Gene.import_source(pa.table({"ensembl_gene_id": ["A", None]}), organism="human")
    with pytest.raises(InvalidArgument, match="doesn't take this"):
        bt.Gene.import_source(3)
    with pytest.raises(InvalidArgument, match="isn't filled from an ontology"):
        bt.Gene.import_source("blood-cells", organism="human")
    (tmp_path / "bad.parquet").write_bytes(b"no")
    with pytest.raises(UnreadableFile, match=r"bad\.parquet"):
        bt.Gene.import_source(tmp_path / "bad.parquet", organism="human")
    assert lake.log()[0].id == before
