"""CELLxGENE's schema 7.1: its rules for datasets as wholes, and the schema that demands them."""

from __future__ import annotations

from lakehouse.extension import Extension

EXTENSION = Extension(dataset_rules={"cellxgene": "lakehouse.extensions.cellxgene.dataset:check"})
