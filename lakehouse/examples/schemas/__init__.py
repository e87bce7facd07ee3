"""Schemas that fit many data sets.

Example:
    >>> import lakehouse as ln
    >>> ln.examples.schemas.valid_features().save()
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from lakehouse.registries import Schema

__all__ = [
    "anndata_ensembl_gene_ids_and_valid_features_in_obs",
    "cellxgene",
    "valid_features",
]


def valid_features() -> Schema:
    """A schema for tables whose columns are validated where they are registered features."""
    return _built_in("valid_features")


def anndata_ensembl_gene_ids_and_valid_features_in_obs() -> Schema:
    """A schema for AnnData: Ensembl gene ids in `var`, columns of `obs` that are features.

    The slot `var.T` is the transposed `var`: what is validated is its index, the gene ids.
    """
    return _built_in("anndata_ensembl_gene_ids_and_valid_features_in_obs")


def cellxgene(organism: str = "human") -> Schema:
    """The schema of CELLxGENE 7.1, with all that it demands of an AnnData.

    Terms and genes come from the registries: import their sources first. A branch of an
    ontology that isn't registered is taken to be the whole ontology, which is said.

    Args:
        organism: Of which organism the data are: human, mouse, zebrafish, fruitfly, roundworm ….

    Example:
        >>> schema = ln.examples.schemas.cellxgene("mouse")
        >>> ln.curators.AnnDataCurator("cells.h5ad", schema).check()
    """
    from lakehouse.extensions.cellxgene.schema import create_cellxgene_schema

    return create_cellxgene_schema(organism=organism, strict=True)


def _built_in(name: str) -> Schema:
    # the registries are loaded by who asks for a schema, not by who looks at the examples
    from lakehouse.registries.artifact.validate import schema_named

    schema = schema_named(name)
    assert schema is not None
    return schema
