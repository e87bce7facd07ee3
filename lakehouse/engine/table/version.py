"""Immutable versions of tables, and the cache that loads them.

A metadata location names one version of one table for ever, so everything here is cached by
location or path and never invalidated. A version holds its manifests and the Arrow tables of
its data files strongly; the caches hold them weakly. So a new version shares what it has in
common with the old one, only added files are read, and what no live version names is freed.
"""

from __future__ import annotations

import bisect
import os
import threading
import weakref
from collections import OrderedDict
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cached_property
from typing import Any

import orjson
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from lakehouse.engine import forks
from lakehouse.engine.files import Files
from lakehouse.engine.table import manifest_reading as _avro_read
from lakehouse.engine.table import metadata as md
from lakehouse.engine.table.arrays import array_of
from lakehouse.engine.table.digest import named_digest, verify
from lakehouse.engine.table.manifest_writing import FileEntry, Manifest
from lakehouse.engine.table.spec import TableSpec
from lakehouse.errors import LakeCorrupt, StorageError
from lakehouse.places import places_of

_KEPT_VERSIONS = 4  # per table; states in use hold their versions themselves
_MANY_FILES = 16  # so many are decoded in threads


class _UidColumn(Sequence[str]):
    """A sorted uid column as a Python sequence, for `bisect`."""

    def __init__(self, column: pa.Array) -> None:
        self._column = column

    def __len__(self) -> int:
        return len(self._column)

    def __getitem__(self, index: Any) -> Any:
        return self._column[index].as_py()


def conform(table: pa.Table, schema: pa.Schema) -> pa.Table:
    """A data file's columns under the table's present schema, matched by field id.

    Columns added since the file was written are null; rows come back in uid order.
    """
    by_id = {md.field_id(f): i for i, f in enumerate(table.schema)}
    # names only where a file has no ids at all: a renamed column would be taken for another
    by_name = {f.name: i for i, f in enumerate(table.schema)} if by_id.keys() <= {None} else {}
    arrays = []
    for field in schema:
        index = by_id.get(md.field_id(field), by_name.get(field.name))
        plain = _plain_type(field.type)
        if index is None:
            arrays.append(pa.nulls(table.num_rows, plain))
            continue
        column = table.column(index)
        if column.type != plain:
            column = column.cast(plain)
        # one chunk: look-ups bisect in it, and take rows by their place
        arrays.append(column.combine_chunks() if column.num_chunks != 1 else column.chunk(0))
    out = pa.Table.from_arrays(arrays, names=schema.names)
    uids = out.column(0)
    # ours are sorted; those of other engines needn't be
    if out.num_rows > 1 and not pc.all(pc.less_equal(uids[:-1], uids[1:])).as_py():
        out = out.take(pc.sort_indices(uids)).combine_chunks()
    return out


def _plain_type(type_: pa.DataType) -> pa.DataType:
    return pa.list_(_plain_type(type_.value_type)) if pa.types.is_list(type_) else type_


def plain_schema(schema: pa.Schema) -> pa.Schema:
    """A schema without field ids, as tables have it in memory."""
    return pa.schema([pa.field(f.name, _plain_type(f.type)) for f in schema])


def decode_rows(
    path: str, data: bytes, schema: pa.Schema, *, pages: bool | None = None
) -> pa.Table:
    """The rows in a data file's bytes, which were compared with the digest in its name.

    Args:
        path: The file.
        data: Its bytes.
        schema: The table's schema.
        pages: Whether the pages' own checksums are checked too; by default only where the
            file has no digest.

    Raises:
        LakeCorrupt: Bytes without a digest are no Parquet file, or can't be its rows.
    """
    foreign = named_digest(path) is None if pages is None else pages
    try:
        file = pq.ParquetFile(pa.BufferReader(data), page_checksum_verification=foreign)
        # many files are read in threads of ours; one file isn't worth waking others
        table = conform(file.read(use_threads=False), schema)
        if foreign:
            # bytes that no digest vouches for might make Arrow read beyond its buffers
            table.validate(full=True)
    except (pa.ArrowException, OSError, ValueError, TypeError, KeyError) as error:
        raise LakeCorrupt(
            f"The lake's data file {path!r} can't be read.", found=str(error)
        ) from error
    return table


class TableVersion:
    """One version of one table: its metadata, its manifests and its rows.

    Attributes:
        location: Path of the metadata file, the version's identity; empty if the table isn't
            made yet.
        metadata: The metadata document.
        manifests: The live manifests of the current snapshot.
        schema: The Arrow schema with field ids.
    """

    def __init__(
        self, cache: TableCache, location: str, metadata: md.Metadata, manifests: Sequence[Manifest]
    ) -> None:
        self._cache = cache
        self.location = location
        self.metadata = metadata
        self.manifests = tuple(manifests)
        self.iceberg_schema = md.current_schema(metadata)
        self.schema = md.arrow_schema(self.iceberg_schema)
        self._loaded: dict[str, pa.Table] = {}
        self._widened: tuple[TableSpec, TableVersion | None] | None = None

    @cached_property
    def schema_json(self) -> str:
        """The Iceberg schema as manifests record it."""
        return orjson.dumps(self.iceberg_schema).decode()

    @cached_property
    def memory_schema(self) -> pa.Schema:
        """The Arrow schema of the rows in memory."""
        return plain_schema(self.schema)

    @cached_property
    def entries(self) -> tuple[FileEntry, ...]:
        """The live data files in the order of their lowest uid."""
        entries = [e for m in self.manifests for e in m.entries]
        # one without bounds comes first, so that no look-up stops before it
        return tuple(sorted(entries, key=lambda e: e.low or ""))

    @cached_property
    def rows(self) -> int:
        """Number of rows."""
        return sum(e.rows for e in self.entries)

    @cached_property
    def bytes(self) -> int:
        """Size of the data files."""
        return sum(e.size for e in self.entries)

    def widened(self, spec: TableSpec) -> TableVersion:
        """This version with the columns that the specification has and it lacks, all null.

        So it is read until it is given them, which who may only read can't do.
        """
        if self._widened is None or self._widened[0] is not spec:
            metadata = md.evolved(self.metadata, spec)
            if metadata is not None:
                # an id of its own: the table may be given other columns under the next one
                own = f"{self.location} {spec.name} {[c.name for c in spec.columns]}"
                metadata["schemas"][-1]["schema-id"] = metadata["current-schema-id"] = own
            wide = metadata and TableVersion(self._cache, self.location, metadata, self.manifests)
            self._widened = (spec, wide or None)
        return self._widened[1] or self

    def put(self, path: str, table: pa.Table) -> None:
        """Hand over the rows of a file that was just written."""
        self._loaded[path] = self._cache.remember(path, self.metadata["current-schema-id"], table)

    def successor(
        self, location: str, metadata: md.Metadata, manifests: Sequence[Manifest]
    ) -> TableVersion:
        """The version after this one; it shares the loaded rows of the files that both have."""
        version = TableVersion(self._cache, location, metadata, manifests)
        # under another schema the rows have other columns, and are conformed anew
        if self.metadata["current-schema-id"] == metadata["current-schema-id"]:
            for entry in version.entries:
                if (table := self._loaded.get(entry.path)) is not None:
                    version._loaded[entry.path] = table
        return version

    def file(self, entry: FileEntry) -> pa.Table:
        """The rows of one data file, in uid order."""
        table = self._loaded.get(entry.path)
        if table is None:
            table = self._cache.data(entry.path, self.metadata["current-schema-id"], self.schema)
            self._loaded[entry.path] = table
        return table

    @cached_property
    def _arrow(self) -> pa.Table:
        absent = [e for e in self.entries if e.path not in self._loaded]
        if len(absent) > _MANY_FILES:
            with ThreadPoolExecutor(min(os.cpu_count() or 1, 8)) as threads:
                list(threads.map(self.file, absent))
        parts = [self.file(e) for e in self.entries]
        return pa.concat_tables(parts) if parts else self.memory_schema.empty_table()

    def arrow(self) -> pa.Table:
        """All rows, file by file in the order of the lowest uids."""
        return self._arrow

    def _candidates(self, low: str, high: str) -> Iterator[FileEntry]:
        for entry in self.entries:
            # entries rise by it, so all further ones begin later still
            if entry.low is not None and entry.low > high:
                return
            if entry.high is None or entry.high >= low:
                yield entry

    def overlaps(self, low: str, high: str) -> bool:
        """Whether a file may hold a row with a uid between two bounds."""
        return next(self._candidates(low, high), None) is not None

    def find(self, uid: str) -> tuple[FileEntry, int] | None:
        """The file that holds a row, and the row's position in it."""
        for entry in self._candidates(uid, uid):
            column = _UidColumn(self.file(entry).column(0).chunk(0)) if entry.rows else ()
            at = bisect.bisect_left(column, uid)
            if at < len(column) and column[at] == uid:
                return entry, at
        return None

    def row(self, uid: str) -> dict[str, Any] | None:
        """One row as a dictionary of raw values, or None."""
        found = self.find(uid)
        if found is None:
            return None
        table = self.file(found[0])
        return {n: table.column(i)[found[1]].as_py() for i, n in enumerate(table.column_names)}

    def prefix(self, stub: str, limit: int) -> list[dict[str, Any]]:
        """Up to `limit` rows whose uid starts with a stub."""
        out: list[dict[str, Any]] = []
        # the last character that there is: no uid that starts with the stub sorts after it
        for entry in self._candidates(stub, stub + "\U0010ffff"):
            table = self.file(entry)
            column = _UidColumn(table.column(0).chunk(0)) if entry.rows else ()
            at = bisect.bisect_left(column, stub)
            end = at
            while end < len(column) and end - at < limit and column[end].startswith(stub):
                end += 1
            out += table.slice(at, end - at).to_pylist()
        return sorted(out, key=lambda r: r["uid"])[:limit]

    def under(self, stub: str) -> list[pa.Table]:
        """All rows whose uid starts with a stub, as they are stored, file by file."""
        parts: list[pa.Table] = []
        for entry in self._candidates(stub, stub + "\U0010ffff"):
            table = self.file(entry)
            column = _UidColumn(table.column(0).chunk(0)) if entry.rows else ()
            at = bisect.bisect_left(column, stub)
            end = bisect.bisect_left(column, stub + "\U0010ffff")
            parts += [table.slice(at, end - at)] if end > at else []
        return parts

    def locate(self, uids: Sequence[str]) -> dict[str, tuple[FileEntry, int]]:
        """Where each of many rows lies; uids that aren't there are left out."""
        # a bisection each; for more, one pass over the columns is faster
        if len(uids) <= 64:
            found = ((uid, self.find(uid)) for uid in uids)
            return {uid: place for uid, place in found if place is not None}
        wanted = array_of(sorted(set(uids)), pa.string())
        low, high = wanted[0].as_py(), wanted[-1].as_py()
        out: dict[str, tuple[FileEntry, int]] = {}
        for entry in self._candidates(low, high):
            column = self.file(entry).column(0)
            hits = places_of(pc.is_in(column, value_set=wanted))
            names = column.take(hits).to_pylist()
            out.update({u: (entry, i) for u, i in zip(names, hits.to_pylist(), strict=True)})
        return out


class TableCache:
    """Loads table versions, manifests and data files, and keeps what is in use."""

    def __init__(self, files: Files) -> None:
        self._files = files
        self._versions: dict[str, OrderedDict[str, TableVersion]] = {}
        self._by_location: weakref.WeakValueDictionary[str, TableVersion] = (
            weakref.WeakValueDictionary()
        )
        # weak: what no version holds any more needs no rule by which it goes
        self._manifests: weakref.WeakValueDictionary[str, Manifest] = weakref.WeakValueDictionary()
        self._data: weakref.WeakValueDictionary[tuple[str, int], pa.Table] = (
            weakref.WeakValueDictionary()
        )
        # by path the time and size of a file when its digest was compared
        self._checked: dict[str, tuple[int, int]] = {}
        self._unmade: dict[str, tuple[TableSpec, TableVersion]] = {}
        self._lock = threading.RLock()
        forks.watch(self)

    def before_fork(self) -> None:
        """Wait until no thread holds the lock."""
        self._lock.acquire()

    def after_fork(self, *, child: bool) -> None:
        """Let go of the lock."""
        self._lock.release()

    def version(self, location: str) -> TableVersion:
        """The table version that a metadata location names."""
        with self._lock:
            version = self._by_location.get(location)
        if version is None:
            # outside of the lock: two threads may load the same, which is harmless and never waits
            version = self._load(location)
        self.keep(version)
        return version

    def unmade(self, spec: TableSpec) -> TableVersion:
        """What readers see of a table that isn't made yet: no rows, its columns."""
        known = self._unmade.get(spec.name)
        if known is None or known[0] is not spec:
            known = spec, TableVersion(self, "", md.new_metadata(spec, ""), ())
            self._unmade[spec.name] = known
        return known[1]

    def keep(self, version: TableVersion) -> None:
        """Keep a version; the least recently used one of its table makes room."""
        with self._lock:
            self._by_location[version.location] = version
            kept = self._versions.setdefault(version.metadata["location"], OrderedDict())
            kept[version.location] = version
            kept.move_to_end(version.location)
            while len(kept) > _KEPT_VERSIONS:
                kept.popitem(last=False)

    def _read(self, path: str) -> bytes:
        """A file's bytes, which are those that were written, as far as its name can tell."""
        try:
            data = self._files.read(path)
        except FileNotFoundError as error:
            raise LakeCorrupt(
                f"The lake's file {path!r} is gone.",
                hint="if gc removed this old state, open a newer one; else `lakehouse check` lists what is"
                " damaged, and `lakehouse repair` what can be mended",
            ) from error
        except OSError as error:
            raise StorageError(
                f"The lake's file {path!r} can't be read.", found=str(error)
            ) from error
        # here, at the one door of all reads, so that nothing unverified is ever cached
        verify(path, data)
        return data

    def check_files(self, paths: Iterable[str]) -> None:
        """Check local data files before readers that don't know our digests scan them.

        A file is read once per process for this, and again if it changes.

        Raises:
            LakeCorrupt: One is missing or damaged, or is a link.
        """
        for path in paths:
            self._files.confinement.check(path)
            if os.path.islink(path):
                raise self._files.confinement.refusal(path)
            try:
                stat = os.stat(path)
            except OSError as error:
                raise LakeCorrupt(
                    f"The lake's file {path!r} can't be read.", found=str(error)
                ) from error
            stamp = stat.st_mtime_ns, stat.st_size
            if self._checked.get(path) != stamp and named_digest(path) is not None:
                self._read(path)
            self._checked[path] = stamp

    def _load(self, location: str) -> TableVersion:
        try:
            return self._decoded(location)
        except (KeyError, TypeError, ValueError, IndexError, AttributeError) as error:
            raise LakeCorrupt(
                f"The table metadata {location!r} can't be read: it is damaged.",
                found=f"{type(error).__name__}: {error}",
            ) from error

    def _decoded(self, location: str) -> TableVersion:
        metadata = md.load(self._read(location), location)
        confinement = self._files.confinement
        # files of later versions are written below it
        confinement.check(f"{metadata['location']}/x", location)
        snapshot = md.current_snapshot(metadata)
        manifests: list[Manifest] = []
        entries: dict[str, FileEntry] | None = None
        if snapshot is not None:
            path = snapshot["manifest-list"]
            for listed in _avro_read.decode_manifest_list(self._read(path), path):
                manifest = self._manifests.get(listed.manifest_path)
                if manifest is None:
                    if entries is None:
                        entries = self._kept_entries(metadata["location"])
                    data = self._read(listed.manifest_path)
                    manifest = _avro_read.decode_manifest(data, listed, entries)
                    for entry in manifest.entries:
                        confinement.check(entry.path, manifest.path)
                    self._manifests[manifest.path] = manifest
                # rows that a delete file hides would be seen again, in silence
                if manifest.deletes and manifest.entries:
                    raise LakeCorrupt(
                        f"The table at {metadata['location']!r} has delete files, which another "
                        "engine wrote.",
                        expected="copy-on-write deletes",
                        hint="rewrite its data files with the engine that wrote them",
                    )
                manifests.append(manifest)
        return TableVersion(self, location, metadata, manifests)

    def _kept_entries(self, folder: str) -> dict[str, FileEntry]:
        """The entries of the newest kept version of a table, by path."""
        with self._lock:
            kept = self._versions.get(folder)
            newest = next(reversed(kept.values())) if kept else None
        if newest is None:
            return {}
        return {e.path: e for m in newest.manifests for e in m.entries}

    def remember(self, path: str, schema_id: int, table: pa.Table) -> pa.Table:
        """Enter the rows of a data file."""
        self._data[(path, schema_id)] = table
        return table

    def remember_manifest(self, manifest: Manifest) -> None:
        """Enter a manifest that was just written."""
        self._manifests[manifest.path] = manifest

    def data(self, path: str, schema_id: int, schema: pa.Schema) -> pa.Table:
        """The rows of a data file under a schema."""
        table = self._data.get((path, schema_id))
        if table is None:
            table = decode_rows(path, self._read(path), schema)
            self._data[(path, schema_id)] = table
        return table

    def forget(self) -> None:
        """Drop everything (after a relocation)."""
        with self._lock:
            self._versions.clear()
            self._by_location.clear()
            self._manifests.clear()
            self._data.clear()
