"""Genes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

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

    @classmethod
    def import_source(
        cls, table: Any, *, organism: Any = None, columns: Mapping[str, str] | None = None
    ) -> None:
        """Fill the registry with the genes of a table, in one commit.

        Genes are known by `ensembl_gene_id`, or by `stable_id` if the table has only that;
        importing again adds nothing, and changes what the table has otherwise. Further columns
        that are taken: `symbol`, `ncbi_gene_ids`, `biotype`, `synonyms`, `description`.

        Args:
            table: A pandas, polars or Arrow table, or the path of a .csv, .tsv or .parquet file.
            organism: A `bt.Organism`, or the name of one; it is made if there is none.
            columns: Names in the table → names of the columns above.

        Raises:
            InvalidArgument: The table has no column with ids.
            InvalidData: Rows have no id.
            UnreadableFile: The file can't be read; nothing was changed.

        Example:
            >>> Gene.import_source("genes.csv", organism="human")  # doctest: +SKIP
        """
        # tables of genes are read by who imports, not by who opens a lake
        from lakehouse.bionty.genes import import_genes

        import_genes(cls, table, organism, columns or {})
