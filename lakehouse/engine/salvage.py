"""Salvage: the whole version of a table that is nearest to a damaged one.

A data file that can't be read is left out, and its rows are taken from older versions of the
table, as far as those have them. Where a metadata file or a manifest can't be read, an older
version is the base, and rows of data files that no version can name any more are laid over it,
the newest last. So rows come back that were deleted in between, rather than that rows are lost.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from lakehouse.engine import metadata as md
from lakehouse.engine._avro import FileEntry
from lakehouse.engine.assemble import assemble
from lakehouse.engine.digest import verify
from lakehouse.engine.encoding import sort_rows, split
from lakehouse.engine.files import Files
from lakehouse.engine.limits import Limits
from lakehouse.engine.spec import TableSpec
from lakehouse.engine.tables import TableCache, TableVersion, decode_rows
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
        locations: All kept versions, oldest first.
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
        self._broken = broken
        self._operation = operation
        self._limits = limits

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
            told.append(f"back to {os.path.basename(base.location)}, {base.rows} rows")
        done = self._without_broken(base)
        done.written = written + done.written
        done.told = told + done.told
        rows, names = self._rows_of(unnamed, base.schema)
        if rows is not None:
            now = TableVersionRows(base, self._broken).rows
            fresh = _newest(now, rows)
            if not fresh.equals(sort_rows(now)):
                done = self._written(base, fresh, list(base.entries), done)
                done.told.append(
                    f"{rows.num_rows} rows of {len(names)} newer data files are kept as they are"
                    " there; rows deleted meanwhile are back"
                )
        return done

    def _older(self, location: str) -> TableVersion | None:
        at = self._locations.index(location) if location in self._locations else None
        older = self._locations[:at][::-1] if at is not None else self._locations[::-1]
        newer = [] if at is None else self._locations[at + 1 :]
        for other in (*older, *newer):
            if (version := self.version(other)) is not None:
                return version
        return None

    def _empty(self) -> TableVersion | None:
        if self._spec is None:
            return None
        metadata = md.new_metadata(self._spec, self._folder)
        location = md.metadata_path(self._folder, None, md.dump(metadata))
        return TableVersion(self._cache, location, metadata, [])

    def _without_broken(self, version: TableVersion) -> Salvaged:
        gone = [e for e in version.entries if e.path in self._broken]
        done = Salvaged(version.location)
        if not gone:
            return done
        done.broken = [e.path for e in gone]
        found = self._elsewhere(version, gone)
        lost = sum(e.rows for e in gone) - (0 if found is None else found.num_rows)
        names = ", ".join(os.path.basename(e.path) for e in gone[:5])
        done.told.append(
            f"{sum(e.rows for e in gone)} rows lay in {len(gone)} data file(s) that can't be read"
            f" ({names}); {0 if found is None else found.num_rows} are taken from older versions"
            + (f", {lost} are lost" if lost > 0 else "")
        )
        return self._written(version, found, gone, done)

    def _elsewhere(self, version: TableVersion, gone: Sequence[FileEntry]) -> pa.Table | None:
        """Rows of broken files as older versions have them."""
        kept = {e.path for e in version.entries}
        here = TableVersionRows(version, self._broken).rows
        found: pa.Table | None = None
        at = self._locations.index(version.location) if version.location in self._locations else -1
        for other in self._locations[:at][::-1] if at >= 0 else self._locations[::-1]:
            older = self.version(other)
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
        named = set(self._broken)
        for location in self._locations:
            if (version := self.version(location)) is not None:
                named |= {e.path for e in version.entries}
        found = [
            (f.age, f.path)
            for f in self._files.list(f"{self._folder}/data")
            if f.path.endswith(".parquet")
        ]
        back = {Path(path).name for path in named}
        return [p for _, p in sorted(found, reverse=True) if Path(p).name not in back]

    def _read(self, path: str, schema: pa.Schema) -> pa.Table | None:
        try:
            data = self._files.read(path)
            verify(path, data)
            return decode_rows(path, data, schema)
        except (OSError, LakeCorrupt, StorageError):
            return None

    def _rows_of(
        self, paths: Sequence[str], schema: pa.Schema
    ) -> tuple[pa.Table | None, list[str]]:
        parts: list[pa.Table] = []
        names = []
        for path in paths:
            if (rows := self._read(path, schema)) is not None and rows.num_rows:
                parts.append(rows)
                names.append(path)
        if not parts:
            return None, []
        return _latest(pa.concat_tables(parts)), names


class TableVersionRows:
    """The rows of a version without those of some files."""

    def __init__(self, version: TableVersion, broken: frozenset[str]) -> None:
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


def _latest(rows: pa.Table) -> pa.Table:
    """One row per uid: the last one."""
    last: Mapping[str, int] = {uid: i for i, uid in enumerate(rows["uid"].to_pylist())}
    return rows.take(pa.array(sorted(last.values()), pa.int64()))


def _newest(old: pa.Table, new: pa.Table) -> pa.Table:
    """Rows, of which newer ones replace older ones of the same uid."""
    keep = pc.invert(pc.is_in(old["uid"], value_set=_array(new["uid"])))
    return sort_rows(pa.concat_tables([old.filter(keep), new]))
