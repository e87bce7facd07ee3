"""Slots of MuData: its own `obs`, `var` and `uns`, and those of its modalities (`rna:obs`)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from lakehouse.curation.slots.annotated import SLOTS, AnnDataSlots
from lakehouse.curation.slots.base import Part, unknown_slot
from lakehouse.errors import UnreadableFile
from lakehouse.formats import format_for
from lakehouse.formats.base import is_path

_OWN = ("obs", "var", "var.T", "uns")


class MuDataSlots:
    """The slots of a MuData in memory, or in an .h5mu file, of which matrices aren't read."""

    def __init__(self, data: Any) -> None:
        self._data = data

    def part(self, slot: str, *, of_features: bool) -> Part:
        """See `Slots.part`."""
        root, _, rest = slot.partition(":")
        modalities = self._modalities()
        if root in _OWN:
            found = AnnDataSlots(self._data).part(slot, of_features=of_features)
        elif root in modalities and rest:
            found = self._modality(root).part(rest, of_features=of_features)
        else:
            known = [f"{name}:{own}" for name in modalities for own in ("obs", "var.T", "uns")]
            raise unknown_slot("This MuData", slot, [*SLOTS, *known])
        found.slot = slot
        return found

    def _modality(self, name: str) -> AnnDataSlots:
        if is_path(self._data):
            return AnnDataSlots(self._data, within=f"{name}:")
        return AnnDataSlots(self._data.mod[name])

    def _modalities(self) -> list[str]:
        if not is_path(self._data):
            return list(self._data.mod)
        adapter = format_for(str(self._data))
        if adapter is None or adapter.otype != "MuData":
            raise UnreadableFile(f"{str(self._data)!r} holds no MuData.", expected="a .h5mu path")
        slots = adapter.describe(Path(self._data)).components
        return list(dict.fromkeys(slot.partition(":")[0] for slot in slots if ":" in slot))
