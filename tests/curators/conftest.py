from __future__ import annotations

import pytest

import lakehouse.bionty as bt
from tests.in_a_lake import in_an_empty_folder, lake

__all__ = ["in_an_empty_folder", "lake"]

GENES = {"CD8A": "ENSG00000153563", "CD4": "ENSG00000010610"}


@pytest.fixture
def registered(lake):
    """Two human genes and two types of cells."""
    human = bt.Organism(name="human").save()
    for symbol, ensembl in GENES.items():
        bt.Gene(symbol=symbol, ensembl_gene_id=ensembl, organism=human).save()
    bt.CellType(name="B cell", synonyms="B-cell").save()
    bt.CellType(name="T cell").save()
