"""Which module finds the slots of which type of object. Modules load on first use."""

from __future__ import annotations

from typing import Any, cast

from lakehouse._lazy import is_a, load_name
from lakehouse.curation.slots.base import Slots
from lakehouse.errors import InvalidArgument
from lakehouse.extension import added, added_names

_BY_OTYPE = {
    "DataFrame": "lakehouse.curation.slots.frames:FrameSlots",
    "AnnData": "lakehouse.curation.slots.annotated:AnnDataSlots",
    "MuData": "lakehouse.curation.slots.annotated:MuDataSlots",
    "SpatialData": "lakehouse.curation.slots.spatial:SpatialDataSlots",
    "tiledbsoma": "lakehouse.curation.slots.soma:SomaSlots",
}

_BY_OBJECT = {  # public name of a class → the type of object
    "pandas.DataFrame": "DataFrame",
    "polars.DataFrame": "DataFrame",
    "polars.LazyFrame": "DataFrame",
    "pyarrow.Table": "DataFrame",
    "pyarrow.RecordBatch": "DataFrame",
    "anndata.AnnData": "AnnData",
    "lakehouse.formats.annotated.base.Backed": "AnnData",
    "mudata.MuData": "MuData",
    "spatialdata.SpatialData": "SpatialData",
    "tiledbsoma.Experiment": "tiledbsoma",
}


def otype_of(data: object) -> str | None:
    """The type of object that data in memory is; imports nothing to find out."""
    found = next((otype for name, otype in _BY_OBJECT.items() if is_a(data, name)), None)
    if found is None:
        known = added_names("datasets", _BY_OBJECT)
        claimed = next((name for name in known if is_a(data, name)), None)
        found = None if claimed is None else added("datasets", claimed, _BY_OBJECT)
    return found


def slots_in(data: Any, otype: str) -> Slots:
    """The slots of an object in memory or of a file.

    Raises:
        InvalidArgument: Nothing is known of this type of object.
    """
    own = _BY_OTYPE.get(otype)
    make = added("slots", otype, _BY_OTYPE) if own is None else load_name(own)
    if make is None:
        known = (*_BY_OTYPE, *added_names("slots", _BY_OTYPE))
        raise InvalidArgument(
            f"Nothing is known of the slots of a {otype!r}.",
            expected=", ".join(known),
            hint="install the package whose extension has them, if there is one",
        )
    return cast("Slots", make(data))
