"""What CELLxGENE demands of spatial data: `uns["spatial"]`, positions, and what they imply."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from lakehouse.curation.datasets.counts import said
from lakehouse.curation.failure import Failure
from lakehouse.formats.annotated.matrices import Whole

_POSITIONS = {"array_col": 223, "array_row": 127, "in_tissue": 1}
_FACTORS = ("spot_diameter_fullres", "tissue_hires_scalef")
_ONLY = "only for Visium with uns['spatial']['is_single']"


def spatial_failures(adata: Whole, *, visium: bool, supported: bool) -> Iterator[Failure]:
    """Yield what is wrong with spatial data.

    Args:
        adata: The AnnData.
        visium: Whether its assay is a Visium one.
        supported: Whether its assay is a spatial one.
    """
    place = adata.uns.get("spatial")
    single = place.get("is_single") if isinstance(place, Mapping) else None
    known = isinstance(single, bool | np.bool_)
    of_visium = visium and known and bool(single)
    yield from _place(place, supported=supported, of_visium=of_visium)
    yield from _positions(adata.obs, of_visium=of_visium)
    primary = adata.obs.get("is_primary_data")
    if known and not single and primary is not None and primary.dtype == bool and primary.any():
        expected = "False where uns['spatial']['is_single'] is False"
        fix = "adata.obs['is_primary_data'] = False"
        count = int(primary.sum())
        yield said("obs", "is_primary_data", "True", expected, fix, value=True, count=count)
    assays = adata.obs.get("assay_ontology_term_id")
    if supported and assays is not None and assays.nunique() > 1:
        fix = "split the data by assay"
        found = f"{assays.nunique()} assays"
        yield said("obs", "assay_ontology_term_id", found, "one assay in spatial data", fix)


def _place(place: Any, *, supported: bool, of_visium: bool) -> Iterator[Failure]:
    fix = "adata.uns['spatial'] = {'is_single': …}"
    if not supported:
        if place is not None:
            expected = "no such key unless the assay is Visium or uses beads"
            yield said("uns", "spatial", "the key", expected, "del adata.uns['spatial']")
        return
    if not isinstance(place, Mapping):
        found = "nothing" if place is None else f"a value of type {type(place).__name__}"
        yield said("uns", "spatial", found, "a dictionary for a spatial assay", fix)
        return
    single = place.get("is_single")
    if not isinstance(single, bool | np.bool_):
        found = "nothing" if single is None else f"a value of type {type(single).__name__}"
        yield said("uns", "spatial:is_single", found, "True or False", fix)
        return
    libraries = [key for key in place if key != "is_single"]
    fix = f"keep one library in adata.uns['spatial'], of {libraries}"
    if len(libraries) > 1:
        yield said("uns", "spatial", f"{len(libraries)} libraries", "one at most", fix)
    elif libraries and not of_visium:
        yield said("uns", f"spatial:{libraries[0]}", "a library", _ONLY, fix)
    elif of_visium and not libraries:
        yield said("uns", "spatial", "no library", "a library for Visium", fix)
    elif of_visium:
        yield from _library(f"spatial:{libraries[0]}", place[libraries[0]])


def _library(at: str, library: Any) -> Iterator[Failure]:
    fix = "take images and scalefactors as scanpy.read_visium reads them"
    if not isinstance(library, Mapping) or set(library) - {"images", "scalefactors"}:
        yield said("uns", at, "other things", "a dictionary of images and scalefactors", fix)
        return
    images, factors = library.get("images"), library.get("scalefactors")
    if not isinstance(images, Mapping) or "hires" not in images:
        yield said("uns", f"{at}:images", "no 'hires'", "an image 'hires'", fix)
    elif set(images) - {"hires", "fullres"}:
        yield said("uns", f"{at}:images", ", ".join(images), "'hires' and 'fullres'", fix)
    else:
        for name, image in images.items():
            shape: tuple[int, ...] = tuple(getattr(image, "shape", ()))
            whole = getattr(image, "dtype", None) == np.uint8
            if len(shape) != 3 or shape[-1] not in (3, 4) or not whole:
                expected = "an array of height x width x 3 or 4, of type uint8"
                yield said("uns", f"{at}:images:{name}", f"the shape {shape}", expected, fix)
    for name in _FACTORS:
        value = factors.get(name) if isinstance(factors, Mapping) else None
        if not isinstance(value, float):
            found = "nothing" if value is None else f"a value of type {type(value).__name__}"
            yield said("uns", f"{at}:scalefactors:{name}", found, "a float", fix)


def _positions(obs: Any, *, of_visium: bool) -> Iterator[Failure]:
    for name, most in _POSITIONS.items():
        there = name in obs.columns
        if there and not of_visium:
            yield said("obs", name, "the column", _ONLY, f"del adata.obs[{name!r}]")
        elif of_visium and not there:
            fix = f"adata.obs[{name!r}] = positions of the spots"
            yield said("obs", name, "no such column", "positions of spots for Visium", fix)
        elif there:
            column = obs[name]
            whole = getattr(column.dtype, "kind", "") in "iu"
            if not whole or not column.between(0, most).all():
                fix = "take it from tissue_positions.csv"
                yield said("obs", name, "other values", f"integers from 0 to {most}", fix)
    kinds = obs.get("cell_type_ontology_term_id")
    if of_visium and "in_tissue" in obs.columns and kinds is not None:
        wrong = (obs["in_tissue"] == 0).to_numpy() & (kinds != "unknown").to_numpy()
        if wrong.any():
            rows = np.flatnonzero(wrong)
            yield said(
                "obs", "cell_type_ontology_term_id", "a cell type outside of the tissue",
                "'unknown' where in_tissue is 0", "set it to 'unknown' for these spots",
                count=len(rows), rows=rows[:5].tolist(),
            )  # fmt: skip
