"""Slots of MuData: its own `obs`, `var` and `uns`, and those of its modalities (`rna:obs`)."""

from __future__ import annotations

import functools
from pathlib import Path
from typing import Any

from lakehouse._lazy import require
from lakehouse.curation.slots.annotated import SLOTS, AnnDataSlots
from lakehouse.curation.slots.base import Part, unknown_slot
from lakehouse.formats.base import is_path

_OWN = ("obs", "var", "var.T", "uns")


class MuDataSlots:
    """The slots of a MuData in memory, or in an .h5mu file, whose matrices stay in the file."""

    def __init__(self, data: Any) -> None:
        self._given = data

    @functools.cached_property
    def _data(self) -> Any:
        if not is_path(self._given):
            return self._given
        mudata = require("mudata", "read .h5mu files")
        return mudata.read_h5mu(Path(self._given), backed="r")

    def part(self, slot: str, *, of_features: bool) -> Part:
        """See `Slots.part`."""
        root, _, rest = slot.partition(":")
        if root in _OWN:
            found = AnnDataSlots(self._data).part(slot, of_features=of_features)
        elif root in self._data.mod and rest:
            found = AnnDataSlots(self._data.mod[root]).part(rest, of_features=of_features)
        else:
            known = [f"{name}:{own}" for name in self._data.mod for own in ("obs", "var.T", "uns")]
            raise unknown_slot("This MuData", slot, [*SLOTS, *known])
        found.slot = slot
        return found
