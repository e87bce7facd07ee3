"""Rules about datasets as wholes: matrices, embeddings, and what parts demand of each other.

A composite schema names the rules in its constraints, `{"*": {"dataset": {"rules": "cellxgene"}}}`;
further keys are the rules' own. Each set of rules is an extension's; `counts` helps to write one.
"""

from __future__ import annotations

from lakehouse.curation.datasets.table import check_dataset

__all__ = ["check_dataset"]
