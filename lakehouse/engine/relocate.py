"""A lake that was moved or copied: its metadata holds absolute paths, which are rewritten.

Only metadata files, manifest lists and manifests change, in place and atomically; data files
are untouched. Rewriting is idempotent, so a relocation that was cut short is simply repeated.
The heads are rewritten at once, logged history when it is visited.
"""

from __future__ import annotations

import os
import uuid
from collections.abc import Sequence

from lakehouse.engine import _avro
from lakehouse.engine import metadata as md
from lakehouse.errors import LakeCorrupt


def _swap_prefix(path: str, old: str, new: str) -> str:
    return new + path[len(old) :] if path.startswith(old + "/") else path


def _replace(path: str, data: bytes) -> None:
    temporary = f"{path}.{uuid.uuid4().hex}.tmp"
    with open(temporary, "wb") as handle:
        handle.write(data)
        handle.flush()
        os.fsync(handle.fileno())
    os.replace(temporary, path)


def _read(path: str) -> bytes:
    with open(path, "rb") as handle:
        return handle.read()


def relocate_table(location: str, old: str, new: str) -> None:
    """Rewrite one table version's metadata from an old root to a new one.

    Args:
        location: Where the metadata file lies now.
        old, new: The roots, without a trailing slash.

    Raises:
        LakeCorrupt: A file that the version names isn't there.
    """
    try:
        text = _read(location)
        metadata = md.load(text, location)
        if not metadata["location"].startswith(old + "/"):
            return
        schema_json = md.dump(md.current_schema(metadata)).decode()
        done: dict[str, _avro.Manifest] = {}
        for snapshot in metadata["snapshots"]:
            path = _swap_prefix(snapshot["manifest-list"], old, new)
            if snapshot["snapshot-id"] != metadata.get("current-snapshot-id") and not os.path.exists(path):
                continue  # an older snapshot whose files gc has removed
            _relocate_list(path, snapshot, schema_json, old, new, done)
    except FileNotFoundError as error:
        raise LakeCorrupt(
            f"The lake was moved from {old!r} to {new!r}, but not all of its files came along.",
            found=f"no file {error.filename!r}",
            hint="move or copy the whole folder, hidden files included",
        ) from error
    _replace(location, md.dump(_moved(metadata, old, new)))


def _moved(metadata: md.Metadata, old: str, new: str) -> md.Metadata:
    return {
        **metadata,
        "location": _swap_prefix(metadata["location"], old, new),
        "snapshots": [
            {**s, "manifest-list": _swap_prefix(s["manifest-list"], old, new)}
            for s in metadata["snapshots"]
        ],
        "metadata-log": [
            {**e, "metadata-file": _swap_prefix(e["metadata-file"], old, new)}
            for e in metadata.get("metadata-log", ())
        ],
    }


def _relocate_list(
    path: str,
    snapshot: md.Metadata,
    schema_json: str,
    old: str,
    new: str,
    done: dict[str, _avro.Manifest],
) -> None:
    manifests = []
    for listed in _avro.decode_manifest_list(_read(path)):
        target = _swap_prefix(listed.manifest_path, old, new)
        if target not in done:
            done[target] = _relocate_manifest(target, listed, schema_json, old, new)
        manifests.append(done[target])
    data = _avro.encode_manifest_list(
        manifests,
        snapshot["snapshot-id"],
        snapshot.get("parent-snapshot-id"),
        snapshot["sequence-number"],
    )
    _replace(path, data)


def _relocate_manifest(
    target: str, listed: _avro.ManifestFile, schema_json: str, old: str, new: str
) -> _avro.Manifest:
    manifest = _avro.decode_manifest(_read(target), listed)
    entries = [_avro.moved_entry(e, _swap_prefix(e.path, old, new)) for e in manifest.entries]
    added = [e for e in entries if e.snapshot_id == manifest.added_snapshot_id]
    rest: Sequence[_avro.FileEntry] = [e for e in entries if e not in added]
    fresh, data = _avro.encode_manifest(
        target, schema_json, added, list(rest), manifest.added_snapshot_id, manifest.sequence
    )
    _replace(target, data)
    return fresh
