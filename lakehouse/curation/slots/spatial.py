"""Slots of SpatialData: `attrs`, and the tables' `obs`, `var` and `uns` (`tables:table:obs`)."""

from __future__ import annotations

import functools
from pathlib import Path
from typing import Any

from lakehouse.curation.slots.annotated import AnnDataSlots
from lakehouse.curation.slots.base import Part, entry, nested_part, unknown_slot
from lakehouse.formats.annotated.spatial import SpatialZarr
from lakehouse.formats.base import is_path


class SpatialDataSlots:
    """The slots of a SpatialData in memory, or in a .zarr store, whose images aren't read."""

    def __init__(self, data: Any) -> None:
        self._given = data

    @functools.cached_property
    def _data(self) -> Any:
        if not is_path(self._given):
            return self._given
        return SpatialZarr().load(Path(self._given), selection=("tables",))

    def part(self, slot: str, *, of_features: bool) -> Part:
        """See `Slots.part`."""
        root, *keys = slot.split(":")
        if root == "attrs":
            return nested_part(self._data.attrs, keys, slot)
        tables = self._data.tables
        if root == "tables" and len(keys) > 1:
            table = entry(dict(tables), keys[:1], slot)
            rest = ":".join(keys[1:])
        elif root in tables and keys:
            table, rest = tables[root], ":".join(keys)
        else:
            own = [f"tables:{name}:{part}" for name in tables for part in ("obs", "var.T", "uns")]
            raise unknown_slot("This SpatialData", slot, ["attrs", "attrs:<key>", *own])
        found = AnnDataSlots(table).part(rest, of_features=of_features)
        found.slot = slot
        return found
