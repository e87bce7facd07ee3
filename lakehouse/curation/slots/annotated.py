"""Slots of AnnData, in memory, backed or in a file; matrices are never read."""

from __future__ import annotations

import functools
from pathlib import Path
from typing import Any

import orjson
import pyarrow as pa

from lakehouse.curation.slots.base import Part, frame_writer, names_of, nested_part, unknown_slot
from lakehouse.errors import UnreadableFile
from lakehouse.formats import format_for
from lakehouse.formats.base import INDEX, is_path

FRAMES = ("obs", "var")
_UNNAMED = "__index_level_0__"
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
                return Part(slot, "names", names_of(self._index(base)))
            frame = self._frame(base)
            return Part(slot, "table", frame, frame_writer(frame))
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

    def _stored(self, slot: str) -> pa.Table:
        """A stored frame; its index, which may be a schema's, is marked as pandas marks it."""
        component = self._format.describe(Path(self._data)).components.get(slot)
        columns = [] if component is None else list(component.schema.names)
        named = component.index[0] if component is not None and component.index else INDEX
        if named in columns:
            return self._format.table(self._data, slot, columns)
        table = self._format.table(self._data, slot, [*columns, INDEX])
        shown = _UNNAMED if named == INDEX else named
        marked = orjson.dumps({"index_columns": [shown], "columns": []})
        return table.rename_columns([*columns, shown]).replace_schema_metadata({"pandas": marked})

    def _index(self, name: str) -> Any:
        if is_path(self._data):
            return self._format.table(self._data, self._within + name, [INDEX])[INDEX]
        return getattr(self._data, f"{name}_names")

    @functools.cached_property
    def _uns(self) -> Any:
        if not is_path(self._data):
            return self._data.uns
        row = self._format.table(self._data, f"{self._within}uns")
        return row.to_pylist()[0] if len(row) else {}


def is_mudata(path: Path) -> bool:
    """Whether a file's name says that it holds several AnnData."""
    return path.suffix.lower() == ".h5mu"
