"""Slots of AnnData, in memory, backed or in a file; matrices are never read."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa

from lakehouse._lazy import is_a
from lakehouse.curation.slots.base import (
    Part,
    Replace,
    frame_writer,
    names_of,
    nested_part,
    unknown_slot,
)
from lakehouse.curation.slots.stored import StoredFrame
from lakehouse.errors import UnreadableFile
from lakehouse.formats import format_for
from lakehouse.formats.base import INDEX, Component, is_path

FRAMES = ("obs", "var")
SLOTS = ("obs", "var", "var.T", "uns", "uns:<key>")


class AnnDataSlots:
    """`obs`, `var`, `var.T` and `uns` of an AnnData.

    Args:
        data: An AnnData, or the path of one.
        within: The slot of a file in which the AnnData lies, e.g. `"rna:"`.
    """

    def __init__(self, data: Any, within: str = "") -> None:
        self._data = data
        self._within = within

    def part(self, slot: str, *, of_features: bool) -> Part:
        """See `Slots.part`; the names of genes are those of `var.T`, or of `var`."""
        base = slot.removesuffix(".T")
        root, *keys = slot.split(":")
        if base in FRAMES:
            if base != slot or (base == "var" and not of_features):
                return Part(slot, "names", names_of(self._index(base)), self._namer(base))
            frame = self._frame(base)
            return Part(slot, "table", frame, frame_writer(frame), copied=is_path(self._data))
        if root == "uns":
            return nested_part(self._uns, keys, slot)
        raise unknown_slot("An AnnData", slot, SLOTS)

    @functools.cached_property
    def _format(self) -> Any:
        path = Path(self._data)
        adapter = format_for(path)
        if adapter is None or (adapter.otype != "AnnData" and not is_mudata(path)):
            raise UnreadableFile(
                f"{str(path)!r} holds no AnnData.", expected="a .h5ad or .zarr path"
            )
        return adapter

    def _frame(self, name: str) -> Any:
        if is_path(self._data):
            return self._stored(self._within + name)
        return getattr(self._data, name)

    def _stored(self, slot: str) -> StoredFrame:
        path = Path(self._data)
        nothing = Component(pa.schema([]), 0)  # frames without rows and columns aren't described
        component = self._format.describe(path).components.get(slot, nothing)
        return StoredFrame(self._format, path, slot, component)

    def _index(self, name: str) -> Any:
        if is_path(self._data):
            return self._format.table(self._data, self._within + name, [INDEX])[INDEX]
        return getattr(self._data, f"{name}_names")

    def _namer(self, name: str) -> Replace | None:
        """Gives other names to the rows of a frame in memory; a MuData's are its modalities'."""
        if not is_a(self._data, "anndata.AnnData"):
            return None

        def replace(names: Mapping[str, pa.ChunkedArray]) -> None:
            setattr(self._data, f"{name}_names", next(iter(names.values())).to_pylist())

        return replace

    @functools.cached_property
    def _uns(self) -> Any:
        if not is_path(self._data):
            return self._data.uns
        row = self._format.table(self._data, f"{self._within}uns")
        return row.to_pylist()[0] if len(row) else {}


def is_mudata(path: Path) -> bool:
    """Whether a file's name says that it holds several AnnData."""
    return path.suffix.lower() == ".h5mu"
