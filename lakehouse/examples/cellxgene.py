"""The schema of CELLxGENE: the public address of `lakehouse.extensions.cellxgene.schema`.

Example:
    >>> ln.examples.cellxgene.save_cellxgene_defaults()
    >>> schema = ln.examples.cellxgene.create_cellxgene_schema()
"""

from __future__ import annotations

from lakehouse.extensions.cellxgene.schema import (
    SEXES,
    SUSPENSIONS,
    TISSUE_TYPES,
    FieldType,
    create_cellxgene_schema,
    organism_named,
    save_cellxgene_defaults,
)

__all__ = [
    "SEXES",
    "SUSPENSIONS",
    "TISSUE_TYPES",
    "FieldType",
    "create_cellxgene_schema",
    "organism_named",
    "save_cellxgene_defaults",
]
