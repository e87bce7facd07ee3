"""A lake that was moved or copied: its metadata holds absolute paths, which are rewritten.

Only metadata files, manifest lists and manifests change, each in place and atomically; data
files are untouched. Rewriting is idempotent, so a relocation that was cut short is repeated.
The heads are rewritten at once, logged history when it is visited. A manifest that the heads
share with logged history moves with the heads, so one state may name several former places.
"""

from __future__ import annotations

from collections.abc import Sequence

from pyiceberg.manifest import ManifestFile

from lakehouse.engine.confine import FOLDER
from lakehouse.engine.files import Files
from lakehouse.engine.table import manifest_reading as _avro_read
from lakehouse.engine.table import manifest_writing as _avro
from lakehouse.engine.table import metadata as md
from lakehouse.engine.table.digest import verify
from lakehouse.errors import LakeCorrupt


class Move:
    """A lake's way from its former roots to the present one.

    Args:
        files: The lake's files, where they lie now.
        former: Roots that the lake has had.
        root: Its root now.
    """

    def __init__(self, files: Files, former: Sequence[str], root: str) -> None:
        self._files = files
        self._root = root
        # with the folder's name, a root inside a former root isn't taken for the former one
        self._folder = f"{root}/{FOLDER}"
        self.former = tuple(dict.fromkeys(f"{r}/{FOLDER}" for r in former if r != root))
        self._done: dict[str, _avro.Manifest] = {}

    def path(self, path: str) -> str:
        """Where a file of the lake lies now; one of another place stays as it is named."""
        for old in self.former:
            if path.startswith(old + "/"):
                return self._folder + path[len(old) :]
        return path

    def _read(self, path: str) -> bytes:
        data = self._files.read(path)
        verify(path, data)
        return data

    def own(self, path: str, named_by: str) -> str:
        """Where a file of the lake lies now.

        Raises:
            LakeCorrupt: It lies outside the lake.
        """
        moved = self.path(path)
        self._files.confinement.check(moved, named_by)
        return moved

    def relocate(self, location: str) -> None:
        """Rewrite the paths in one table version.

        Args:
            location: Where its metadata file lies now.

        Raises:
            LakeCorrupt: A file that the version names isn't there, or isn't the lake's.
        """
        try:
            metadata = md.load(self._read(location), location)
            schema_json = md.dump(md.current_schema(metadata)).decode()
            for snapshot in metadata["snapshots"]:
                try:
                    self._relocate_list(snapshot, schema_json)
                except FileNotFoundError:
                    if snapshot["snapshot-id"] == metadata.get("current-snapshot-id"):
                        raise
                    # an older snapshot, whose files gc has removed
        except FileNotFoundError as error:
            raise LakeCorrupt(
                f"The lake was moved to {self._root!r}, but not all of its files came along.",
                found=f"{error} (needed by {location!r})",
                hint="copy the whole folder again, hidden files included; if the files are gone, "
                "`lakehouse repair` goes back to the last whole state",
            ) from error
        # last: what has the present paths names only files that were rewritten before
        moved = self._moved(metadata, location)
        if moved != metadata:
            self._files.replace(location, md.dump_again(moved, location))

    def _moved(self, metadata: md.Metadata, location: str) -> md.Metadata:
        return {
            **metadata,
            "location": self.own(metadata["location"], location),
            "snapshots": [
                {**s, "manifest-list": self.own(s["manifest-list"], location)}
                for s in metadata["snapshots"]
            ],
            "metadata-log": [
                # not confined, as the list above is: nothing opens what this log names
                {**e, "metadata-file": self.path(e["metadata-file"])}
                for e in metadata.get("metadata-log", ())
            ],
        }

    def _relocate_list(self, snapshot: md.Metadata, schema_json: str) -> None:
        path = self.path(snapshot["manifest-list"])  # which reading it confines
        listed = _avro_read.decode_manifest_list(self._read(path), path)
        moved = [self._relocate_manifest(one, schema_json) for one in listed]
        if all(
            old.manifest_path == new.path and old.manifest_length == new.length
            for old, new in zip(listed, moved, strict=True)
        ):
            return
        data = _avro.encode_manifest_list(
            moved,
            snapshot["snapshot-id"],
            snapshot.get("parent-snapshot-id"),
            snapshot["sequence-number"],
            path=path,
        )
        self._files.replace(path, data)

    def _relocate_manifest(self, listed: ManifestFile, schema_json: str) -> _avro.Manifest:
        path = self.path(listed.manifest_path)
        # many versions share a manifest
        if path in self._done:
            return self._done[path]
        data = self._read(path)
        manifest = _avro_read.decode_manifest(data, listed)
        manifest.path, manifest.length = path, len(data)
        if manifest.deletes and manifest.entries:
            raise LakeCorrupt(
                f"The manifest {path!r} lists delete files, which another engine wrote.",
                expected="copy-on-write deletes",
                hint="move the lake back, and rewrite the table's data files with that engine",
            )
        if any(self.own(e.path, path) != e.path for e in manifest.entries) or any(
            self.path(e.path) != e.path for e in manifest.removed
        ):
            entries = [_avro.moved_entry(e, self.path(e.path)) for e in manifest.entries]
            removed = [_avro.moved_entry(e, self.path(e.path)) for e in manifest.removed]
            mine = manifest.added_snapshot_id
            # what its own commit added stays added, or its counts would change
            added = [e for e in entries if e.snapshot_id == mine]
            rest = [e for e in entries if e.snapshot_id != mine]
            manifest, data = _avro.encode_manifest(
                "", schema_json, added, rest, mine, manifest.sequence, removed, path=path
            )
            self._files.replace(path, data)
        self._done[path] = manifest
        return manifest
