"""Genes."""

from __future__ import annotations

from lakehouse.bionty.base import Term
from lakehouse.orm import TrackedRow


class GeneRow(TrackedRow):
    """A row of the table `gene`."""

    symbol: str | None = None
    stable_id: str | None = None
    ensembl_gene_id: str | None = None
    ncbi_gene_ids: str | None = None
    biotype: str | None = None
    synonyms: str | None = None
    description: str | None = None
    organism_uid: str | None = None
    source_uid: str | None = None


class Gene(
    Term,
    row=GeneRow,
    module="bionty",
    name_field="symbol",
    unique=(("ensembl_gene_id",), ("stable_id",)),
    foreign_keys={"organism": "bionty.Organism", "source": "bionty.Source"},
):
    """Genes, known by Ensembl id, or by the stable id of another source.

    Example:
        >>> Gene(symbol="CD8A", ensembl_gene_id="ENSG00000153563").save()  # doctest: +SKIP
    """
