"""Slots of tables: the columns, and `attrs` of pandas frames."""

from __future__ import annotations

from typing import Any

from lakehouse.curation.slots.base import COLUMNS, Part, frame_writer, nested_part, unknown_slot


class FrameSlots:
    """The columns of a table in memory or of a Parquet file, and its `attrs`."""

    def __init__(self, data: Any) -> None:
        self._data = data

    def part(self, slot: str, *, of_features: bool) -> Part:
        """See `Slots.part`."""
        del of_features  # the names of a table's columns are looked up with its columns
        if slot == COLUMNS:
            return Part(slot, "table", self._data, frame_writer(self._data))
        root, *keys = slot.split(":")
        if root != "attrs":
            raise unknown_slot("A DataFrame", slot, ("attrs", "attrs:<key>", "__external__"))
        attrs = getattr(self._data, "attrs", None)
        return nested_part({} if attrs is None else attrs, keys, slot)
