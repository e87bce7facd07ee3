"""What was changed in the parts of a file, and the copy of the file that has the changes."""

from __future__ import annotations

import copy
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.types as pt

from lakehouse.curation.data.sources import source_of
from lakehouse.curation.slots.base import EXTERNAL
from lakehouse.formats.annotated.rewrite import ATTRS, Changes, Rewritten, rewrite

if TYPE_CHECKING:
    from lakehouse.curation.slots import Part

_STRUCTURES = ("AnnData", "MuData", "SpatialData")


def contents_of(parts: Mapping[str, Part]) -> dict[str, Any]:
    """The parts of a file as they are before they are changed, by slot.

    What lies in the file still is there; only values, and frames of pandas, are copied.
    """
    found: dict[str, Any] = {}
    for slot, part in parts.items():
        if slot == EXTERNAL:
            continue
        if part.kind == "values":
            found[slot] = copy.deepcopy(part.data)
        elif part.kind == "table" and part.copied:
            found[slot] = part.data
        elif part.kind == "table" and part.replace is not None:
            found[slot] = source_of(part.data).table()
    return found


def changes_of(parts: Mapping[str, Part], before: Mapping[str, Any], otype: str) -> Changes:
    """What was changed in the parts of a file, by the path of the group in it.

    Args:
        parts: The parts as they are now.
        before: What `contents_of` gave of them.
        otype: The structure of the file.
    """
    if otype not in _STRUCTURES:
        return {}
    found = {}
    for slot, content in before.items():
        part = parts[slot]
        if part.data is content:
            continue
        changed = (
            _values(content, part.data)
            if part.kind == "values"
            else _columns(source_of(content).table(), source_of(part.data).table())
        )
        if changed is not None:
            found[_group(slot, otype)] = changed
    return found


@contextmanager
def changed_copy(dataset: Any, changes: Changes) -> Iterator[Any]:
    """A dataset, or while it lasts a copy of its file that has the changes."""
    if not changes:
        yield dataset
        return
    source = Path(dataset)
    with tempfile.TemporaryDirectory(prefix="lakehouse-") as folder:
        target = Path(folder) / source.name
        rewrite(source, target, changes)
        yield target


def _group(slot: str, otype: str) -> tuple[str, ...]:
    """Where the group of a slot lies in its file."""
    path = tuple(slot.removesuffix(".T").split(":"))
    if otype == "MuData" and path[0] not in ("obs", "var", "uns"):
        return ("mod", *path)
    if otype == "SpatialData" and path[0] == ATTRS:
        return path
    if otype == "SpatialData":
        return path if path[0] == "tables" else ("tables", *path)
    return path


def _values(before: Mapping[str, Any], after: Mapping[str, Any]) -> Rewritten | None:
    new = {k: v for k, v in after.items() if k not in before or not _same(before[k], v)}
    gone = tuple(key for key in before if key not in after)
    return Rewritten(new, gone) if new or gone else None


def _same(old: Any, new: Any) -> bool:
    return old is new or (type(old) is type(new) and bool(old == new))


def _columns(before: pa.Table, after: pa.Table) -> Rewritten | None:
    old, new = source_of(before), source_of(after)
    columns = {
        name: after[name]
        for name in new.names
        if name not in old.names or not _equal(before[name], after[name])
    }
    gone = tuple(name for name in old.names if name not in new.names)
    index = None
    if old.index is not None and new.index is not None:
        index = None if _equal(before[old.index], after[new.index]) else after[new.index]
    if not columns and not gone and index is None and old.names == new.names:
        return None
    return Rewritten(columns, gone, new.names, index)


def _equal(old: pa.ChunkedArray, new: pa.ChunkedArray) -> bool:
    """Whether two columns are the same, NaN included; those that weren't touched cost nothing."""
    if old.type != new.type or len(old) != len(new):
        return False
    if _places(old) == _places(new) or old.equals(new):
        return True
    if not pt.is_floating(old.type):
        return False
    both = pc.and_(pc.is_nan(old), pc.is_nan(new))
    return old.is_null().equals(new.is_null()) and bool(
        pc.all(pc.or_(pc.equal(old, new), both)).as_py() is not False
    )


def _places(column: pa.ChunkedArray) -> list[tuple[int, int, int]]:
    return [
        (buffer.address, chunk.offset, len(chunk))
        for chunk in column.chunks
        for buffer in chunk.buffers()
        if buffer is not None
    ]
