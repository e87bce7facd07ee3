"""Salvage: the whole version of a table that is nearest to a damaged one.

A data file that can't be read is left out, and its rows are taken from older versions of the
table, as far as those have them. Where a metadata file or a manifest can't be read, other files
often tell the version exactly (see `remains`). Where they don't, an older version is the base,
and rows of data files that no version can name any more are laid over it: of two versions of a
row the one that was updated last stays. So rows come back that were deleted in between, rather
than that rows are lost.
"""

from __future__ import annotations

import math
import os
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import PurePosixPath

import pyarrow as pa
import pyarrow.compute as pc

from lakehouse.engine.commit.assemble import assemble
from lakehouse.engine.files import Files
from lakehouse.engine.health.remains import Remains, snapshot_id
from lakehouse.engine.table import metadata as md
from lakehouse.engine.table.datafile import sort_rows, split
from lakehouse.engine.table.digest import verify
from lakehouse.engine.table.limits import Limits
from lakehouse.engine.table.manifest_writing import FileEntry
from lakehouse.engine.table.spec import TableSpec
from lakehouse.engine.table.version import TableCache, TableVersion, decode_rows
from lakehouse.errors import LakeCorrupt, StorageError


@dataclass
class Salvaged:
    """What became of one version of a table.

    Attributes:
        location: Its metadata file now.
        written: Files to write before anything may name it.
        told: What was done and lost, in words.
        broken: The files that can't be read.
    """

    location: str
    written: list[tuple[str, bytes | pa.Buffer]] = field(default_factory=list)
    told: list[str] = field(default_factory=list)
    broken: list[str] = field(default_factory=list)


class Salvage:
    """Salvages versions of one table.

    Args:
        spec: The table's specification, or None for one that this version doesn't know.
        folder: The table's folder.
        files: The lake's files.
        locations: All versions that may tell something, oldest first.
        broken: The files that a check found damaged or missing.
        operation: The id of the repair.
        limits: The engine's sizes.
    """

    def __init__(
        self,
        spec: TableSpec | None,
        folder: str,
        files: Files,
        locations: Sequence[str],
        broken: frozenset[str],
        operation: str,
        limits: Limits,
    ) -> None:
        self._spec = spec
        self._folder = folder
        self._files = files
        self._cache = TableCache(files)
        self._locations = list(dict.fromkeys(locations))
        self._broken = set(broken)
        self._operation = operation
        self._limits = limits
        self._remains = Remains(folder, files, self._cache, limits)
        self._mended: dict[str, TableVersion] = {}

    def version(self, location: str) -> TableVersion | None:
        """A version, or None where its metadata or manifests can't be read."""
        try:
            return self._cache.version(location)
        except (LakeCorrupt, StorageError):
            return None

    def of(self, location: str, *, only_older: bool = False) -> Salvaged:
        """The whole version nearest to a damaged one.

        Args:
            location: The damaged version.
            only_older: Take an older version as it is, without rows of unnamed files.
        """
        version = self.version(location)
        if version is not None:
            return self._without_broken(version)
        return self._told(location) or self._nearest(location, only_older=only_older)

    @property
    def leftovers(self) -> bool:
        """Whether there are files of versions that can't be read, so that they tell something."""
        return bool(self._unnamed()) or self._remains.has_lists_beside(self._snapshots)

    @cached_property
    def _snapshots(self) -> set[int | None]:
        """The snapshots of all versions that can be read."""
        found = (self.version(location) for location in self._locations)
        return {snapshot_id(version.metadata) for version in found if version is not None}

    @cached_property
    def _named(self) -> set[str]:
        """The data files that some version names which can be read."""
        found = (self.version(location) for location in self._locations)
        return {e.path for version in found if version is not None for e in version.entries}

    def _told(self, location: str) -> Salvaged | None:
        """A version as other files tell it exactly; the rows of none are lost or stale."""
        before = self._older(location, newer=False)
        if before is None:
            return None
        found = self._remains.told(location, before, self._snapshots)
        if found is None:
            return None
        version, written = found
        known = {e.path for e in before.entries}
        self._broken |= {
            e.path
            for e in version.entries
            if e.path not in known and self._read(e.path, version.schema) is None
        }
        self._mended[location] = version
        done = self._without_broken(version, at=location)
        done.written = written + done.written
        done.told.insert(
            0,
            f"{os.path.basename(location)} or what it names can't be read; its other files tell"
            f" which {len(version.entries)} data files it had, with {version.rows} rows",
        )
        return done

    def _nearest(self, location: str, *, only_older: bool) -> Salvaged:
        """An older version, with the rows of unnamed data files over it."""
        base = self._older(location)
        unnamed = [] if only_older else self._unnamed()
        told = [f"{os.path.basename(location)} or what it names can't be read"]
        if base is None:
            base = self._empty()
            if base is None:
                raise LakeCorrupt(f"Nothing is left of the table in {self._folder!r}.")
            written = [(base.location, md.dump(base.metadata))]
            told.append("no older version is whole")
        else:
            written = []
            # a mended version hasn't got its name yet: it is told by that of the damaged one
            back = next((at for at, v in self._mended.items() if v is base), base.location)
            told.append(f"back to {os.path.basename(back)}, {base.rows} rows")
        done = self._without_broken(base)
        done.written = written + done.written
        done.told = told + done.told
        parts = [(p, rows) for p in unnamed if (rows := self._read(p, base.schema)) is not None]
        rows = sum(part.num_rows for _, part in parts)
        if rows:
            now = TableVersionRows(base, self._broken).rows
            fresh = _newest([now, *(part for _, part in parts)])
            # equal where those files hold nothing newer: then no version is made
            if not fresh.equals(sort_rows(now)):
                done = self._written(base, fresh, list(base.entries), done)
                done.told.append(
                    f"{rows} rows of {len(parts)} data files that no version names are kept"
                    " where they are the newest; rows deleted meanwhile are back"
                )
        return done

    def _at(self, location: str) -> TableVersion | None:
        return self._mended.get(location) or self.version(location)

    def _older(self, location: str, *, newer: bool = True) -> TableVersion | None:
        """The nearest version before one, as it is or was mended, else the nearest after it."""
        at = self._locations.index(location) if location in self._locations else None
        older = self._locations[:at][::-1] if at is not None else self._locations[::-1]
        later = [] if at is None or not newer else self._locations[at + 1 :]
        for other in (*older, *later):
            if (version := self._at(other)) is not None:
                return version
        return None

    def _empty(self) -> TableVersion | None:
        if self._spec is None:
            return None
        metadata = self._remains.with_schema(md.new_metadata(self._spec, self._folder))
        location = md.metadata_path(self._folder, None, md.dump(metadata))
        return TableVersion(self._cache, location, metadata, [])

    def _without_broken(self, version: TableVersion, *, at: str | None = None) -> Salvaged:
        gone = [e for e in version.entries if e.path in self._broken]
        done = Salvaged(version.location)
        if not gone:
            return done
        done.broken = [e.path for e in gone]
        found = self._elsewhere(version, gone, at or version.location)
        lost = sum(e.rows for e in gone) - (0 if found is None else found.num_rows)
        names = ", ".join(os.path.basename(e.path) for e in gone[:5])
        done.told.append(
            f"{sum(e.rows for e in gone)} rows lay in {len(gone)} data file(s) that can't be read"
            f" ({names}); {0 if found is None else found.num_rows} are taken from older versions"
            + (f", {lost} are lost" if lost > 0 else "")
        )
        return self._written(version, found, gone, done)

    def _elsewhere(
        self, version: TableVersion, gone: Sequence[FileEntry], location: str
    ) -> pa.Table | None:
        """Rows of broken files as older versions than that of a location have them."""
        kept = {e.path for e in version.entries}
        here = TableVersionRows(version, self._broken).rows
        found: pa.Table | None = None
        at = self._locations.index(location) if location in self._locations else -1
        # from the nearest back: the first that has a row has its latest values
        for other in self._locations[:at][::-1] if at >= 0 else self._locations[::-1]:
            older = self._at(other)
            if older is None:
                continue
            for entry in older.entries:
                if entry.path in kept or entry.path in self._broken:
                    continue
                if not any(_overlap(entry, one) for one in gone):
                    continue
                kept.add(entry.path)
                rows = self._read(entry.path, version.schema)
                if rows is None:
                    continue
                within = [
                    pc.and_(
                        pc.greater_equal(rows["uid"], one.low or ""),
                        pc.less_equal(rows["uid"], one.high or "\U0010ffff"),
                    )
                    for one in gone
                ]
                mask = within[0]
                for more in within[1:]:
                    mask = pc.or_(mask, more)
                known = here["uid"] if found is None else _uids(here, found)
                mask = pc.and_(mask, pc.invert(pc.is_in(rows["uid"], value_set=_array(known))))
                rows = rows.filter(mask)
                if rows.num_rows:
                    found = rows if found is None else pa.concat_tables([found, rows])
        return found

    def _written(
        self,
        base: TableVersion,
        rows: pa.Table | None,
        gone: Sequence[FileEntry],
        done: Salvaged,
    ) -> Salvaged:
        """The next version of a table, with some files out and rows in."""
        new = []
        if rows is not None and rows.num_rows:
            cap = self._limits.file_rows(rows.num_rows)
            new = split(sort_rows(rows), base.schema, self._folder, cap)
        made = assemble(
            base,
            new,
            {e.path: e for e in gone},
            inserts=False,
            manifest_entries=self._limits.manifest_entries,
            operation_id=self._operation,
        )
        return Salvaged(made.version.location, [*done.written, *made.files], done.told, done.broken)

    def _unnamed(self) -> list[str]:
        """Data files on disk that no version names which can be read, oldest first."""
        named = self._broken | self._named
        named |= {e.path for version in self._mended.values() for e in version.entries}
        # by name, which is unique: a lake that was moved has two paths for a file
        back = {PurePosixPath(path).name for path in named}
        found = [p for p in self._remains.data_files if PurePosixPath(p).name not in back]
        written = self._remains.sequences()
        # of whom no manifest tells when it was written, the last commits wrote it
        return sorted(found, key=lambda p: (written.get(p, math.inf), -self._remains.age(p)))

    def _read(self, path: str, schema: pa.Schema) -> pa.Table | None:
        try:
            data = self._files.read(path)
            verify(path, data)
            return decode_rows(path, data, schema)
        except (OSError, LakeCorrupt, StorageError):
            return None


class TableVersionRows:
    """The rows of a version without those of some files."""

    def __init__(self, version: TableVersion, broken: Collection[str]) -> None:
        parts = [version.file(e) for e in version.entries if e.path not in broken]
        self.rows = pa.concat_tables(parts) if parts else version.memory_schema.empty_table()


def _overlap(one: FileEntry, other: FileEntry) -> bool:
    return (one.low or "") <= (other.high or "\U0010ffff") and (other.low or "") <= (
        one.high or "\U0010ffff"
    )


def _array(column: pa.ChunkedArray) -> pa.Array:
    return column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column


def _uids(*tables: pa.Table) -> pa.ChunkedArray:
    return pa.chunked_array([c for t in tables for c in t["uid"].chunks], pa.string())


def _newest(parts: Sequence[pa.Table]) -> pa.Table:
    """One row per uid of some tables: the one that was updated last, in doubt the last table's."""
    rows = pa.concat_tables(parts)
    order = rows.select(["uid"])
    if "updated_at" in rows.column_names:
        times = rows["updated_at"]
        # rows without a time count as the oldest
        never = pa.scalar(0, pa.int64()).cast(times.type)
        order = order.append_column("updated_at", pc.coalesce(times, never))
    order = order.append_column("at", pa.array(range(rows.num_rows), pa.int64()))
    order = order.sort_by([(name, "ascending") for name in order.column_names])
    uids = _array(order["uid"])
    last = pa.concat_arrays([pc.not_equal(uids[1:], uids[:-1]), pa.array([True])])
    return rows.take(order["at"].filter(last)).combine_chunks()
