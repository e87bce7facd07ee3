"""Slots of AnnData, in memory, backed or in a file; matrices are never read."""

from __future__ import annotations

import functools
from collections.abc import Iterator, Mapping, Sequence, Set
from pathlib import Path
from types import MappingProxyType
from typing import Any

import orjson
import pyarrow as pa

from lakehouse._lazy import is_a
from lakehouse.curation.data.chunks import CHUNK_ROWS, Chunk, with_columns
from lakehouse.curation.slots.base import (
    Part,
    Replace,
    frame_writer,
    names_of,
    nested_part,
    unknown_slot,
)
from lakehouse.errors import UnreadableFile
from lakehouse.formats import format_for
from lakehouse.formats.base import INDEX, Component, is_path

# -- `obs` and `var` of a file: columns that are read some rows at a time, when a rule needs them


_UNNAMED = "__index_level_0__"
_NOTHING: Mapping[str, pa.ChunkedArray] = MappingProxyType({})


class StoredFrame:
    """A frame in a file, as a `Source`.

    Args:
        stored: The file's format, which has `frame` beside what formats have.
        path: The file.
        slot: Which of its frames.
        component: What the format says of it.
    """

    def __init__(self, stored: Any, path: Path, slot: str, component: Component) -> None:
        self._format = stored
        self._path = path
        self._slot = slot
        self._schema = component.schema
        self.names = tuple(component.schema.names)
        self.n_rows: int | None = component.n_rows
        named = component.index[0] if component.index else INDEX
        # an index that is a column, too, is that column
        self.index = None if named in self.names else _UNNAMED if named == INDEX else named

    def type_of(self, name: str) -> pa.DataType | None:
        """A column's type; of the index only reading tells."""
        return self._schema.field(name).type if name in self.names else None

    def null_count(self, name: str) -> int | None:
        """Unknown before reading."""
        return None

    def read(
        self, names: Sequence[str], encoded: Set[str]
    ) -> Iterator[tuple[int, dict[str, Chunk]]]:
        """Slices of the columns, read one after the other."""
        del encoded
        assert self.n_rows is not None
        with self._format.frame(self._path, self._slot) as frame:
            own = {name: name if name in self.names else frame.index for name in names}
            parts = {name: frame.reader(stored) for name, stored in own.items()}
            for start in range(0, self.n_rows, CHUNK_ROWS):
                count = min(CHUNK_ROWS, self.n_rows - start)
                yield count, {name: read(start, count) for name, read in parts.items()}

    def table(self, replaced: Mapping[str, pa.ChunkedArray] = _NOTHING) -> pa.Table:
        """All of it; the index, which may be a schema's, is marked as pandas marks it."""
        columns = list(self.names)
        if self.index is None:
            table = self._format.table(self._path, self._slot, columns)
        else:
            table = self._format.table(self._path, self._slot, [*columns, INDEX])
            marked = orjson.dumps({"index_columns": [self.index], "columns": []})
            named = table.rename_columns([*columns, self.index])
            table = named.replace_schema_metadata({"pandas": marked})
        return with_columns(table, replaced)


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


# -- Slots of MuData: its own `obs`, `var` and `uns`, and those of its modalities (`rna:obs`)


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
