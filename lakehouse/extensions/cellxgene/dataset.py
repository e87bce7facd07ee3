"""What CELLxGENE 7.1 demands of an AnnData beyond its columns: matrices, embeddings, `uns`.

Written after the published schema (https://github.com/chanzuckerberg/single-cell-curation).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from lakehouse.curation.datasets.counts import Counts, Rows, count_failures, said, storage_failures
from lakehouse.curation.datasets.table import Terms
from lakehouse.curation.failure import Failure
from lakehouse.extensions.cellxgene.arrays import array_failures
from lakehouse.extensions.cellxgene.perturbations import perturbation_failures
from lakehouse.extensions.cellxgene.spatial import spatial_failures
from lakehouse.extensions.cellxgene.tables import table_failures
from lakehouse.extensions.cellxgene.uns import uns_failures
from lakehouse.formats.annotated.matrices import Matrix, Whole, whole

MOST_ZEROS = 0.5
COUNT_DTYPE = "float32"
ASSAY = "assay_ontology_term_id"
_ATAC = "EFO:0010891"
_RNA = "EFO:0008913"
_WITHOUT_COUNTS = ["EFO:0007045", "EFO:0008804", "EFO:0000751", "EFO:0008939"]


def check(data: Any, demanded: Mapping[str, Any], terms: Terms) -> Iterator[Failure]:
    """Yield what is wrong with an AnnData as a whole."""
    del demanded
    with whole(data) as adata:
        yield from table_failures(adata)
        yield from uns_failures(adata)
        yield from array_failures(adata, spatial=is_assay(adata, terms, SPATIAL))
        yield from spatial_failures(
            adata,
            visium=is_assay(adata, terms, SPATIAL[:1]),
            supported=is_assay(adata, terms, SPATIAL),
        )
        yield from perturbation_failures(adata)
        yield from _matrices(adata)
        yield from _counts(adata, demanded=_needs_counts(adata, terms))


SPATIAL = ["EFO:0010961", "EFO:0920001"]


def is_assay(adata: Whole, terms: Terms, roots: list[str]) -> bool:
    """Whether any cell was assayed by one of these or by what lies below them."""
    if ASSAY not in adata.obs.columns:
        return False
    others = terms(ASSAY, {"not": roots, "not_under": roots})
    return not all(others.holds(str(value)) for value in adata.obs[ASSAY].dropna().unique())


def _needs_counts(adata: Whole, terms: Terms) -> bool:
    if ASSAY not in adata.obs.columns:
        return True
    if not is_assay(adata, terms, _WITHOUT_COUNTS):
        return True
    found = [
        {v for v in adata.obs[ASSAY].dropna().unique() if not permit.holds(str(v))}
        for permit in (terms(ASSAY, {"not": [r], "not_under": [r]}) for r in (_ATAC, _RNA))
    ]
    return bool(found[0] & found[1])


def _matrices(adata: Whole) -> Iterator[Failure]:
    for matrix in adata.matrices.values():
        yield from storage_failures(matrix, MOST_ZEROS)
    raw = adata.matrices.get("raw.X")
    if raw is None or adata.raw_var is None:
        return
    fix = "make raw of the same cells and genes as X: raw = adata.copy(), then adata.raw = raw"
    if raw.shape[0] != len(adata.obs):
        yield said("raw.X", "raw.X", f"{raw.shape[0]} cells", f"the {len(adata.obs)} of X", fix)
    if len(adata.raw_var) != len(adata.var):
        n = len(adata.raw_var)
        yield said("raw.var", "raw.var", f"{n} genes", f"the {len(adata.var)} genes of X", fix)
    elif not (adata.raw_var.index == adata.var.index).all():
        rows = np.flatnonzero(adata.raw_var.index != adata.var.index)
        yield said(
            "raw.var", "raw.var", "other genes, or in another order", "the genes of X in order",
            fix, count=len(rows), rows=rows[:5].tolist(),
        )  # fmt: skip


def _counts(adata: Whole, *, demanded: bool) -> Iterator[Failure]:
    matrix = adata.matrices.get("raw.X") or adata.matrices.get("X")
    if matrix is None:
        fix = "adata.X = counts"
        yield said("X", "X", "no matrix", "a matrix", fix)
        return
    if matrix.layout not in ("csr", "dense") or len(matrix.shape) != 2:
        return
    counted = None
    if "in_tissue" in adata.obs.columns and matrix.shape[0] == len(adata.obs):
        counted = (adata.obs["in_tissue"] != 0).to_numpy()
    counts = Counts(matrix, counted)
    fix = f"leave these cells out, or correct adata.{matrix.name}"
    yield from _of_rows(matrix, counts.repeated(counted), "the same counts as another cell",
                        "cells that differ in their raw counts", fix)  # fmt: skip
    if not demanded:
        return
    yield from count_failures(matrix, COUNT_DTYPE)
    missing = "raw counts as whole numbers from 0 on"
    if matrix.name == "X":
        fix = (
            "adata.raw = AnnData(counts, var=adata.var), with the counts from before normalization"
        )
    yield from _of_rows(matrix, counts.fractional, "values that are no whole numbers", missing, fix)
    yield from _of_rows(matrix, counts.negative, "negative values", missing, fix)
    yield from _of_rows(matrix, counts.empty, "nothing but zeros", "a count in every cell", fix)
    if counted is not None and not counted.all() and demanded:
        filled = np.concatenate(counts.filled)
        if not filled[~counted].any():
            expected = "some spot outside of the tissue (in_tissue is 0) with counts"
            yield said(matrix.name, matrix.name, "none", expected, "keep the unfiltered matrix")


def _of_rows(matrix: Matrix, rows: Rows, found: str, expected: str, hint: str) -> Iterator[Failure]:
    if rows.count:
        yield said(
            matrix.name, matrix.name, found, expected, hint, count=rows.count, rows=rows.first
        )
