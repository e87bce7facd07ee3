"""What the other files of a table tell of a version whose metadata or manifests are lost.

Iceberg says things more than once. A manifest list names the snapshot before its own, and a
manifest tells which files its commit added, kept and removed. So a version can often be told
exactly from the one before it: from its manifest list where only its metadata is lost, else
from the manifests that its commit wrote. Nothing here guesses: what doesn't follow from the
files is None.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import PurePosixPath
from typing import Any

import orjson
import pyarrow as pa

from lakehouse.engine.files import Files
from lakehouse.engine.table import manifest_reading as _avro_read
from lakehouse.engine.table import manifest_writing as _avro
from lakehouse.engine.table import metadata as md
from lakehouse.engine.table.digest import content_uuid, verify
from lakehouse.engine.table.limits import Limits
from lakehouse.engine.table.manifest_writing import ADDED, DELETED, FileEntry, Manifest
from lakehouse.engine.table.version import TableCache, TableVersion
from lakehouse.errors import LakeCorrupt, StorageError

_NUMBER = re.compile(r"/(\d+)-[^/]+\.metadata\.json$")
Written = list[tuple[str, "bytes | pa.Buffer"]]


def version_number(location: str) -> int:
    """The number in a metadata file's name, -1 where another writer named it otherwise."""
    match = _NUMBER.search(location)
    return int(match.group(1)) if match else -1


@dataclass(frozen=True)
class _List:
    """A manifest list: its path, its snapshot, the one before, its number, and its age."""

    path: str
    snapshot: int
    parent: int | None
    sequence: int
    age: float


@dataclass
class _Written:
    """The manifests that one commit wrote, and the age of the youngest."""

    manifests: list[list[tuple[int, FileEntry]]]
    age: float


class Remains:
    """The files of one table, as far as they can be read.

    Args:
        folder: The table's folder.
        files: The lake's files.
        cache: Loads versions.
        limits: The engine's sizes.
    """

    def __init__(self, folder: str, files: Files, cache: TableCache, limits: Limits) -> None:
        self._folder = folder
        self._files = files
        self._cache = cache
        self._limits = limits

    def told(
        self, location: str, before: TableVersion, known: Collection[int | None]
    ) -> tuple[TableVersion, Written] | None:
        """A version that can't be read, as the other files tell it, or None.

        Args:
            location: Its metadata file.
            before: The nearest version before it.
            known: The snapshots of all versions that can be read; none of them is sought.

        Returns:
            The version, and the files to write before anything may name it.
        """
        own = self._metadata(location)
        gap = version_number(location) - version_number(before.location)
        if own is None and gap > 0 and (found := self._by_list(location, before, gap, known)):
            return found
        return self._by_manifests(location, before, own, known) if gap == 1 else None

    def has_lists_beside(self, known: Collection[int | None]) -> bool:
        """Whether there are manifest lists of other snapshots than some."""
        return any(one.snapshot not in known for one in self._lists)

    # -- by the manifest list --------------------------------------------------------

    def _by_list(
        self, location: str, before: TableVersion, gap: int, known: Collection[int | None]
    ) -> tuple[TableVersion, Written] | None:
        sequence = before.metadata["last-sequence-number"] + gap
        for one in sorted(self._lists, key=lambda found: found.age):
            if one.sequence != sequence or one.snapshot in known:
                continue
            # of a wider gap nobody knows the snapshot between, so the parent proves nothing
            if gap == 1 and one.parent != snapshot_id(before.metadata):
                continue
            try:
                listed = _avro_read.decode_manifest_list(self._read(one.path), one.path)
                manifests = [
                    _avro_read.decode_manifest(self._read(m.manifest_path), m) for m in listed
                ]
                base = self.with_schema(before.metadata, [m.path for m in manifests])
            except (LakeCorrupt, StorageError, OSError):
                continue
            if all(self._there(e.path) for m in manifests for e in m.entries):
                metadata = md.with_snapshot(
                    {**base, "last-sequence-number": sequence - 1},
                    before.location,
                    snapshot_id=one.snapshot,
                    manifest_list=one.path,
                    summary=_summary(manifests),
                )
                return self._version(location, metadata, manifests, [])
        return None

    # -- by the manifests ------------------------------------------------------------

    def _by_manifests(
        self,
        location: str,
        before: TableVersion,
        own: md.Metadata | None,
        known: Collection[int | None],
    ) -> tuple[TableVersion, Written] | None:
        live = {e.path: e for e in before.entries}
        sequence = before.metadata["last-sequence-number"] + 1
        wanted = None if own is None else snapshot_id(own)
        for snapshot, found in sorted(self._commits.items(), key=lambda item: item[1].age):
            if snapshot in known or wanted not in (None, snapshot):
                continue
            said = [one for manifest in found.manifests for one in manifest]
            # another commit's than the one that is sought
            if any(e.file_sequence != sequence for status, e in said if status == ADDED):
                continue
            # it followed another version than this one
            if any(e.path not in live for status, e in said if status != ADDED):
                continue
            entries = dict(live)
            for status, entry in said:
                entries.pop(entry.path, None)
                if status != DELETED:
                    entries[entry.path] = entry
            if own is not None and not _agree(own, entries.values()):
                continue
            if all(self._there(path) for path in entries):
                some = list(entries.values())
                metadata, manifests, written = self._rebuilt(before, own, some, snapshot, sequence)
                return self._version(location, metadata, manifests, written)
        return None

    def _rebuilt(
        self,
        before: TableVersion,
        own: md.Metadata | None,
        entries: Sequence[FileEntry],
        snapshot: int,
        sequence: int,
    ) -> tuple[md.Metadata, list[Manifest], Written]:
        """The metadata of a version with manifests and a manifest list that are written anew."""
        base = own or before.metadata
        schema = orjson.dumps(md.current_schema(base)).decode()
        folder, cap = f"{self._folder}/metadata", self._limits.manifest_entries
        made = [
            _avro.encode_manifest(
                folder, schema, [], list(entries[start : start + cap]), snapshot, sequence
            )
            for start in range(0, max(len(entries), 1), cap)
        ]
        manifests = [manifest for manifest, _ in made]
        written: Written = [(manifest.path, data) for manifest, data in made]
        parent = snapshot_id(before.metadata)
        listed = _avro.encode_manifest_list(manifests, snapshot, parent, sequence)
        path = f"{folder}/snap-{snapshot}-{content_uuid(listed).hex}.avro"
        written.append((path, listed))
        if own is None:
            metadata = md.with_snapshot(
                base,
                before.location,
                snapshot_id=snapshot,
                manifest_list=path,
                summary=_summary(manifests),
            )
        else:
            metadata = {
                **own,
                "snapshots": [
                    {**s, "manifest-list": path} if s["snapshot-id"] == snapshot else s
                    for s in own["snapshots"]
                ],
            }
        return metadata, manifests, written

    def _version(
        self,
        location: str,
        metadata: md.Metadata,
        manifests: Sequence[Manifest],
        written: Written,
    ) -> tuple[TableVersion, Written]:
        data = md.dump(metadata)
        # with the number of the version in whose place it comes
        location = md.metadata_path(self._folder, location, data, again=True)
        written.append((location, data))
        return TableVersion(self._cache, location, metadata, manifests), written

    # -- files -----------------------------------------------------------------------

    @cached_property
    def _names(self) -> dict[str, float]:
        """The files of the table by the paths that metadata has, with their age."""
        return {
            f"{self._folder}/{part}/{PurePosixPath(found.path).name}": found.age
            for part in ("metadata", "data")
            for found in self._files.list(f"{self._folder}/{part}")
        }

    def _there(self, path: str) -> bool:
        return path in self._names

    @property
    def versions(self) -> list[str]:
        """All metadata files, by number."""
        found = [path for path in self._names if version_number(path) >= 0]
        return sorted(found, key=lambda path: (version_number(path), -self._names[path]))

    def age(self, path: str) -> float:
        """The age of a file in seconds, by the clock of its storage."""
        return self._names[path]

    @property
    def data_files(self) -> list[str]:
        """All data files."""
        return [path for path in self._names if path.endswith(".parquet")]

    def sequences(self) -> dict[str, int]:
        """The number of the commit that wrote each data file, as far as a manifest says it."""
        return {
            entry.path: entry.file_sequence
            for entries in self._manifests.values()
            for _, entry in entries
            if entry.file_sequence
        }

    def _read(self, path: str) -> bytes:
        data = self._files.read(path)
        verify(path, data)
        return data

    def _metadata(self, location: str) -> md.Metadata | None:
        try:
            return md.load(self._read(location), location)
        except (LakeCorrupt, StorageError, OSError):
            return None

    @cached_property
    def _lists(self) -> list[_List]:
        found = []
        for path, age in self._names.items():
            if not path.rpartition("/")[2].startswith("snap-"):
                continue
            try:
                header = _avro_read.decode_header(self._read(path), path)
                parent = header.get("parent-snapshot-id", "null")
                found.append(
                    _List(
                        path,
                        int(header["snapshot-id"]),
                        None if parent == "null" else int(parent),
                        int(header["sequence-number"]),
                        age,
                    )
                )
            except (LakeCorrupt, StorageError, OSError, KeyError, ValueError):
                continue  # it tells nothing
        return found

    @cached_property
    def _manifests(self) -> dict[str, list[tuple[int, FileEntry]]]:
        found = {}
        for path in self._names:
            if not path.endswith(".avro") or path.rpartition("/")[2].startswith("snap-"):
                continue
            try:
                found[path] = _avro_read.decode_lone_manifest(self._read(path), path)
            except (LakeCorrupt, StorageError, OSError):
                continue  # it tells nothing
        return found

    @cached_property
    def _commits(self) -> dict[int, _Written]:
        """Manifests by the snapshot whose commit wrote them: it added or removed files there."""
        found: dict[int, _Written] = {}
        for path, entries in self._manifests.items():
            age = self._names[path]
            for by in {e.snapshot_id for status, e in entries if status in (ADDED, DELETED)}:
                commit = found.setdefault(by, _Written([], age))
                commit.manifests.append(entries)
                commit.age = min(commit.age, age)
        return found

    def with_schema(
        self, metadata: md.Metadata, manifests: Sequence[str] | None = None
    ) -> md.Metadata:
        """Metadata with the newest schema that some manifests, or all, were written with."""
        newest = md.current_schema(metadata)
        for path in self._manifests if manifests is None else manifests:
            schema = orjson.loads(_avro_read.decode_header(self._read(path), path)["schema"])
            if len(schema["fields"]) >= len(newest["fields"]):
                newest = schema
        if newest == md.current_schema(metadata):
            return metadata
        others = [s for s in metadata["schemas"] if s["schema-id"] != newest["schema-id"]]
        return {
            **metadata,
            "schemas": [*others, newest],
            "current-schema-id": newest["schema-id"],
            "last-column-id": max(metadata["last-column-id"], *_ids(newest["fields"])),
        }


def _ids(fields: Sequence[dict[str, Any]]) -> list[int]:
    """The ids of fields and of the elements of lists."""
    lists = [f["type"]["element-id"] for f in fields if isinstance(f["type"], dict)]
    return [f["id"] for f in fields] + lists


def snapshot_id(metadata: md.Metadata) -> int | None:
    """The current snapshot of a table, None where it has none."""
    found = metadata.get("current-snapshot-id")
    return None if found in (None, -1) else int(found)


def _summary(manifests: Sequence[Manifest]) -> dict[str, str]:
    entries = [e for m in manifests for e in m.entries]
    return {
        "operation": "overwrite",
        "total-data-files": str(len(entries)),
        "total-records": str(sum(e.rows for e in entries)),
    }


def _agree(own: md.Metadata, entries: Iterable[FileEntry]) -> bool:
    """Whether some data files are as many, with as many rows, as a snapshot says."""
    said: dict[str, Any] = (md.current_snapshot(own) or {}).get("summary", {})
    found = list(entries)
    return said.get("total-data-files") == str(len(found)) and said.get("total-records") == str(
        sum(e.rows for e in found)
    )
