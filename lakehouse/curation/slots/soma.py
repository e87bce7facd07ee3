"""Slots of a SOMA experiment: `obs`, and a measurement's `var` (`ms:RNA`, `ms:RNA.T`)."""

from __future__ import annotations

from typing import Any

import pyarrow as pa

from lakehouse._lazy import require
from lakehouse.curation.slots.base import Part, entry, names_of, unknown_slot
from lakehouse.errors import InvalidArgument
from lakehouse.formats.base import is_path
from lakehouse.formats.soma.experiment import read_frame

_IDS = ("var_id", "_index", "index")


class SomaSlots:
    """The slots of an open SOMA experiment, or of the path of one."""

    def __init__(self, data: Any) -> None:
        self._data = data

    def part(self, slot: str, *, of_features: bool) -> Part:
        """See `Slots.part`; names of genes are read from the column `var_id`."""
        if slot == "obs":
            return Part(slot, "table", self._read(()))
        root, *keys = slot.removesuffix(".T").split(":")
        if root != "ms" or not keys or keys[1:] not in ([], ["var"]):
            raise unknown_slot("A SOMA experiment", slot, ("obs", "ms:<name>", "ms:<name>.T"))
        table = self._read(("ms", keys[0]), slot)
        if of_features:
            return Part(slot, "table", table)
        ids = next((name for name in _IDS if name in table.column_names), None)
        if ids is None:
            raise InvalidArgument(
                f"The slot {slot!r} has no column of names.",
                found=", ".join(table.column_names),
                expected=" or ".join(_IDS),
            )
        return Part(slot, "names", names_of(table[ids]))

    def _read(self, keys: tuple[str, ...], slot: str = "") -> pa.Table:
        if is_path(self._data):
            soma = require("tiledbsoma", "read SOMA experiments")
            with soma.Experiment.open(str(self._data)) as experiment:
                return _frame(experiment, keys, slot)
        return _frame(self._data, keys, slot)


def _frame(experiment: Any, keys: tuple[str, ...], slot: str) -> pa.Table:
    if not keys:
        frame = experiment.obs
    else:
        measurements = {str(name): experiment.ms[name] for name in experiment.ms}
        frame = entry(measurements, keys[1:], slot).var
    return read_frame(frame)
