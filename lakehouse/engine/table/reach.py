"""Which files a version of a table needs."""

from __future__ import annotations

from lakehouse.engine.files import Files
from lakehouse.engine.table import manifest_reading as _avro_read
from lakehouse.engine.table import metadata as md
from lakehouse.engine.table.digest import verify
from lakehouse.engine.table.version import TableVersion


def reachable(version: TableVersion) -> set[str]:
    """The files that reading this version's current rows needs."""
    paths = {
        version.location,
        *(e.path for e in version.entries),
        *(m.path for m in version.manifests),
    }
    snapshot = md.current_snapshot(version.metadata)
    if snapshot is not None:
        paths.add(snapshot["manifest-list"])
    return paths


def reachable_with_history(version: TableVersion, files: Files) -> set[str]:
    """The files that the version needs, and those of the older snapshots that it still lists.

    Stock Iceberg readers may travel to any snapshot in the current metadata. Snapshots whose
    manifest list is gone already are passed over.
    """
    paths = reachable(version)
    known = {m.path: m for m in version.manifests}
    for snapshot in version.metadata["snapshots"]:
        path = snapshot["manifest-list"]
        if path in paths:
            continue
        try:
            data = files.read(path)
            # a damaged list that named less would let gc remove what is needed
            verify(path, data)
            listed = _avro_read.decode_manifest_list(data, path)
            paths.add(path)
            for one in listed:
                manifest = known.get(one.manifest_path)
                if manifest is None:
                    data = files.read(one.manifest_path)
                    verify(one.manifest_path, data)
                    manifest = known[one.manifest_path] = _avro_read.decode_manifest(data, one)
                paths.add(manifest.path)
                paths.update(e.path for e in manifest.entries)
        except FileNotFoundError:
            continue
    return paths
