"""Which module finds the slots of which type of object. Modules load on first use."""

from __future__ import annotations

import importlib
from typing import Any, cast

from lakehouse._lazy import is_a
from lakehouse.curation.slots.base import Slots
from lakehouse.errors import InvalidArgument

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
    return next((otype for name, otype in _BY_OBJECT.items() if is_a(data, name)), None)


def otypes() -> tuple[str, ...]:
    """Every type of object that has slots."""
    return tuple(_BY_OTYPE)


def slots_in(data: Any, otype: str) -> Slots:
    """The slots of an object in memory or of a file.

    Raises:
        InvalidArgument: Nothing is known of this type of object.
    """
    if otype not in _BY_OTYPE:
        raise InvalidArgument(
            f"Nothing is known of the slots of a {otype!r}.", expected=", ".join(_BY_OTYPE)
        )
    module, _, name = _BY_OTYPE[otype].partition(":")
    return cast("Slots", getattr(importlib.import_module(module), name)(data))
