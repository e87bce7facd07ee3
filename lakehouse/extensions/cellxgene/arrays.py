"""What CELLxGENE demands of embeddings, and of other arrays beside cells and genes."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

import numpy as np

from lakehouse.curation.datasets.counts import said
from lakehouse.curation.failure import Failure
from lakehouse.formats.annotated.matrices import Matrix, Whole

_NAME = re.compile(r"[a-zA-Z][a-zA-Z0-9_.-]*")


def array_failures(adata: Whole, *, spatial: bool) -> Iterator[Failure]:
    """Yield what is wrong with the arrays in `obsm`, `varm`, `obsp` and `varp`.

    Args:
        adata: The AnnData.
        spatial: Whether its assay is a spatial one.
    """
    for slot, arrays in adata.mappings.items():
        for name, array in arrays.items():
            fix = f"del adata.{slot}[{name!r}]"
            if name.startswith("__"):
                yield said(slot, name, "a name that begins with '__'", "another one", fix)
            if array.layout == "dense" and 0 in array.shape:
                yield said(slot, name, "an empty array", "values", fix)
    embeddings = adata.mappings["obsm"]
    if not embeddings:
        fix = "adata.obsm['X_umap'] = coordinates"
        yield said("obsm", "obsm", "no embeddings", "an embedding", fix)
        return
    for name, array in embeddings.items():
        yield from _embedding(name, array, len(adata.obs))
    if not spatial and not any(name.startswith("X_") for name in embeddings):
        found = ", ".join(embeddings)
        fix = "name an embedding X_…, e.g. adata.obsm['X_umap']"
        yield said("obsm", "obsm", found, "an embedding that is named X_…", fix)
    yield from _coordinates(adata)


def _coordinates(adata: Whole) -> Iterator[Failure]:
    place = adata.uns.get("spatial")
    single = place.get("is_single") if isinstance(place, Mapping) else None
    single = bool(single) if isinstance(single, bool | np.bool_) else None
    there = "spatial" in adata.mappings["obsm"]
    if single and not there:
        expected = "coordinates where uns['spatial']['is_single'] is True"
        fix = "adata.obsm['spatial'] = coordinates"
        yield said("obsm", "spatial", "no such array", expected, fix)
    elif single is None and there:
        fix = "adata.uns['spatial'] = {'is_single': …}, or del adata.obsm['spatial']"
        expected = "no coordinates where uns['spatial']['is_single'] isn't set"
        yield said("obsm", "spatial", "coordinates", expected, fix)


def _embedding(name: str, array: Matrix, n_cells: int) -> Iterator[Failure]:
    fix = f"adata.obsm[{name!r}] = a numpy array of {n_cells} rows"
    shown = name.removeprefix("X_")
    spatial = name.lower() == "spatial"
    if name.lower() == "x_spatial":
        yield said("obsm", name, "the name", "'spatial'", "rename it to adata.obsm['spatial']")
    elif not spatial and not _NAME.fullmatch(shown):
        expected = "letters, digits, '_', '.' and '-', beginning with a letter"
        yield said("obsm", name, "another name", expected, f"rename adata.obsm[{name!r}]")
    if array.layout != "dense":
        yield said("obsm", name, "no numpy array", "a numpy array", fix)
        return
    if len(array.shape) < 2:
        yield said("obsm", name, "one dimension", "at least two", fix)
        return
    known = spatial or name.startswith("X_")
    if array.shape[0] != n_cells:
        yield said("obsm", name, f"{array.shape[0]} rows", f"{n_cells} rows", fix)
    if array.shape[1] < (least := 2 if known else 1):
        found = f"{array.shape[1]} columns"
        yield said("obsm", name, found, f"at least {least} columns", fix)
    if known:
        yield from _values(name, array, fix, complete=spatial)


def _values(name: str, array: Matrix, fix: str, *, complete: bool) -> Iterator[Failure]:
    if np.dtype(array.dtype).kind not in "iuf":
        yield said("obsm", name, f"values of type {array.dtype}", "numbers", fix)
        return
    infinite = absent = total = 0
    for _, part in array.slices():
        infinite += int(np.isinf(part).sum())
        absent += int(np.isnan(part).sum())
        total += part.size
    if infinite:
        yield said("obsm", name, f"{infinite} infinite values", "finite numbers", fix)
    if absent and (complete or absent == total):
        expected = "no missing values" if complete else "some numbers"
        yield said("obsm", name, f"{absent} missing values", expected, fix)
