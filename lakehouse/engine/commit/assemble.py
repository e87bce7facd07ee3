"""The next version of a table as Iceberg records it: entries, manifests, snapshot, metadata."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pyarrow as pa

from lakehouse.engine.table import manifest_writing as _avro
from lakehouse.engine.table import metadata as md
from lakehouse.engine.table.datafile import NewFile
from lakehouse.engine.table.digest import content_uuid
from lakehouse.engine.table.manifest_writing import FileEntry, Manifest
from lakehouse.engine.table.version import TableVersion

Written = list[tuple[str, "bytes | pa.Buffer"]]


@dataclass(frozen=True)
class Assembled:
    """A version that isn't committed yet.

    Attributes:
        version: The version, with the rows of its new files in memory.
        files: The files to write before its pointer may move.
        garbage: The paths that only older versions need.
    """

    version: TableVersion
    files: Written
    garbage: list[str]


def assemble(
    base: TableVersion,
    new: Sequence[NewFile],
    gone: Mapping[str, FileEntry],
    *,
    inserts: bool,
    manifest_entries: int,
    operation_id: str,
) -> Assembled:
    """A version with new files in and others out.

    Args:
        base: The version before.
        new: The data files to add.
        gone: The data files to leave out, by path.
        inserts: Whether there are new rows among those of the new files.
        manifest_entries: How many entries a manifest holds.
        operation_id: The commit's id, recorded in the snapshot.
    """
    folder = base.metadata["location"]
    snapshot_id = md.new_snapshot_id()
    sequence = base.metadata["last-sequence-number"] + 1
    added = [_entry(file, snapshot_id, sequence) for file in new]
    # from here bottom up: a name tells its file's content, so what names it is encoded later
    files: Written = [(file.path, file.data) for file in new if not file.written]
    manifests, written = _manifests(base, added, gone, snapshot_id, sequence, manifest_entries)
    files += written
    parent = base.metadata.get("current-snapshot-id")
    listed = _avro.encode_manifest_list(manifests, snapshot_id, parent, sequence)
    list_path = f"{folder}/metadata/snap-{snapshot_id}-{content_uuid(listed).hex}.avro"
    files.append((list_path, listed))
    metadata = md.with_snapshot(
        base.metadata,
        base.location,
        snapshot_id=snapshot_id,
        manifest_list=list_path,
        summary=_summary(added, manifests, gone, inserts=inserts, operation_id=operation_id),
    )
    data = md.dump(metadata)
    location = md.metadata_path(folder, base.location, data)
    files.append((location, data))
    version = base.successor(location, metadata, manifests)
    for file in new:
        # so that nobody decodes what was just encoded
        version.put(file.path, file.table)
    return Assembled(version, files, _garbage(base, manifests, gone))


def assemble_anew(
    base: TableVersion,
    new: Mapping[str, NewFile | None],
    *,
    manifest_entries: int,
    operation_id: str,
    past: bool,
) -> Assembled:
    """A version that has other data files and says nothing of those before, nor of its past.

    Args:
        base: The version whose files are exchanged.
        new: The new data files by the paths of the old ones; None where nothing is left.
        manifest_entries: How many entries a manifest holds.
        operation_id: The id of the commit whose rows these are, recorded in the snapshot.
        past: Whether it takes the place of a version that isn't the newest.
    """
    folder = base.metadata["location"]
    snapshot_id = md.new_snapshot_id()
    sequence = base.metadata["last-sequence-number"] + 1
    added = [
        _entry(file, snapshot_id, sequence)
        for entry in base.entries
        if (file := new.get(entry.path)) is not None
    ]
    kept = [entry for entry in base.entries if entry.path not in new]
    manifests: list[Manifest] = []
    files: Written = []
    for start in range(0, len(added) + len(kept), manifest_entries):
        end = start + manifest_entries
        manifest, data = _avro.encode_manifest(
            f"{folder}/metadata",
            base.schema_json,
            added[start:end],
            # added and kept ones count as one sequence here, the added ones first
            kept[max(start - len(added), 0) : max(end - len(added), 0)],
            snapshot_id,
            sequence,
        )
        manifests.append(manifest)
        files.append((manifest.path, data))
    if not manifests:
        metadata = md.without_snapshots(base.metadata)
    else:
        # without a parent: the snapshots before it have what was erased
        listed = _avro.encode_manifest_list(manifests, snapshot_id, None, sequence)
        list_path = f"{folder}/metadata/snap-{snapshot_id}-{content_uuid(listed).hex}.avro"
        files.append((list_path, listed))
        summary = _summary(added, manifests, {}, inserts=False, operation_id=operation_id)
        metadata = md.written_anew(
            base.metadata,
            snapshot_id=snapshot_id,
            manifest_list=list_path,
            summary={**summary, "operation": "overwrite"},
        )
    data = md.dump(metadata)
    # a past version keeps its number, or numbers would no longer rise with commits
    location = md.metadata_path(folder, base.location, data, again=past)
    files.append((location, data))
    return Assembled(base.successor(location, metadata, manifests), files, [])


def _entry(file: NewFile, snapshot_id: int, sequence: int) -> FileEntry:
    # in uid order, so the first and the last are the bounds
    uids = file.table.column(0)
    low, high = uids[0].as_py(), uids[-1].as_py()
    return _avro.new_entry(file.path, file.rows, file.data.size, low, high, snapshot_id, sequence)


def _garbage(
    base: TableVersion, manifests: Sequence[Manifest], gone: Mapping[str, FileEntry]
) -> list[str]:
    garbage = [*([base.location] if base.location else ()), *gone]
    if (snapshot := md.current_snapshot(base.metadata)) is not None:
        garbage.append(snapshot["manifest-list"])
    kept = {m.path for m in manifests}
    return garbage + [m.path for m in base.manifests if m.path not in kept]


def _manifests(
    base: TableVersion,
    added: Sequence[FileEntry],
    gone: Mapping[str, FileEntry],
    snapshot_id: int,
    sequence: int,
    limit: int,
) -> tuple[list[Manifest], Written]:
    """The next version's manifests, and the new ones among them; others are carried over."""
    carried: list[Manifest] = []
    loose: list[FileEntry] = []
    for manifest in base.manifests:
        # merged while less than half full, so that there are few; then carried over as they
        # are, so that a commit to a large table rewrites few entries
        hit = any(e.path in gone for e in manifest.entries)
        if hit or len(manifest.entries) < limit // 2:
            loose += [e for e in manifest.entries if e.path not in gone]
        elif manifest.entries:
            carried.append(manifest)
    pending = [(e, False) for e in loose] + [(e, True) for e in added]
    # large files change least: together, their manifests are carried over longest
    pending.sort(key=lambda p: -p[0].rows)
    removed = tuple(gone.values())
    written: Written = []
    # one at least where files were removed, even if none is left: it says which
    for start in range(0, max(len(pending), len(removed) and 1), limit):
        part = pending[start : start + limit]
        manifest, data = _avro.encode_manifest(
            f"{base.metadata['location']}/metadata",
            base.schema_json,
            [e for e, is_new in part if is_new],
            [e for e, is_new in part if not is_new],
            snapshot_id,
            sequence,
            removed if start == 0 else (),
        )
        written.append((manifest.path, data))
        carried.append(manifest)
    return carried, written


def _summary(
    added: Sequence[FileEntry],
    manifests: Sequence[Manifest],
    gone: Mapping[str, FileEntry],
    *,
    inserts: bool,
    operation_id: str,
) -> dict[str, str]:
    files = [e for m in manifests for e in m.entries]
    operation = "overwrite" if gone else "append"
    if gone and not inserts and not added:
        operation = "delete"
    return {
        "operation": operation,
        "added-data-files": str(len(added)),
        "deleted-data-files": str(len(gone)),
        "added-records": str(sum(e.rows for e in added)),
        "deleted-records": str(sum(e.rows for e in gone.values())),
        "total-data-files": str(len(files)),
        "total-records": str(sum(e.rows for e in files)),
        "total-files-size": str(sum(e.size for e in files)),
        "total-delete-files": "0",
        "total-position-deletes": "0",
        "total-equality-deletes": "0",
        "lakehouse.commit-id": operation_id,
    }
