"""Terms that the tests validate against."""

from __future__ import annotations

import pyarrow as pa
import pytest

from lakehouse.curation import TableResolver

CELL_TYPES = pa.table(
    {
        "uid": ["ct1", "ct2", "ct3"],
        "name": ["B cell", "T cell", "CD8-positive, alpha-beta T cell"],
        "ontology_id": ["CL:0000236", "CL:0000084", "CL:0000625"],
        "synonyms": ["B-cell|B lymphocyte", "T-cell", None],
        "source_uid": ["s1", "s1", "s2"],
    }
)
TISSUES = pa.table(
    {"uid": ["t1", "t2"], "name": ["lung", "T cell"], "ontology_id": ["UBERON:1", "UBERON:2"]}
)


@pytest.fixture
def resolver() -> TableResolver:
    return TableResolver({"bionty.CellType": CELL_TYPES, "bionty.Tissue": TISSUES})
