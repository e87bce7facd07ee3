"""What a backup has to hold: the files that one moment of a lake needs, and where they lie."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from lakehouse.backup.manifest import Entry, LeftOut, Manifest, without_secrets
from lakehouse.engine.history.snapshot import Snapshot
from lakehouse.errors import InvalidKey, LakeCorrupt, LookupFailed
from lakehouse.orm import Lake
from lakehouse.registries.artifact.row import MANAGED
from lakehouse.storage import StorageLocation, check_key, is_remote
from lakehouse.storage.listing import Found, files_at
from lakehouse.storage.local import TEMP_PREFIX

TABLES = ".lakehouse/tables"
STORAGES = ".lakehouse/storages"
"""Folder below the root where the artifacts of other storage locations are restored."""

_COLUMNS = ("uid", "key", "storage_uid", "storage_key", "hash")


@dataclass(frozen=True, slots=True)
class Candidate:
    """One file that a backup has to hold.

    Attributes:
        path: Where it will lie, relative to the lake's root.
        source: Path or URI of it now.
        size: Bytes.
        stamp: Its stamp now.
        hash: The content hash that the lake knows of it; empty where it knows none.
    """

    path: str
    source: str
    size: int
    stamp: str
    hash: str = ""


@dataclass
class Survey:
    """What one moment of a lake needs.

    Attributes:
        files: The files that are there, by their path in the lake.
        missing: Files that are needed and not there, with what needs them.
        storages: Other storage locations whose artifacts are among the files.
        left_out: Other storage locations whose artifacts aren't.
    """

    files: dict[str, Candidate] = field(default_factory=dict)
    missing: dict[str, str] = field(default_factory=dict)
    storages: tuple[str, ...] = ()
    left_out: tuple[LeftOut, ...] = ()


def survey(
    lake: Lake, snapshot: Snapshot, previous: Manifest | None, *, with_storages: bool
) -> Survey:
    """List what a moment of a lake needs.

    Args:
        lake: The lake.
        snapshot: The moment.
        previous: The backup before; what it holds of past states isn't looked up again.
        with_storages: Whether the artifacts in other storage locations count.
    """
    found = Survey()
    _tables(lake, snapshot, previous, found)
    _artifacts(lake, snapshot, found, with_storages=with_storages)
    return found


def _tables(lake: Lake, snapshot: Snapshot, previous: Manifest | None, found: Survey) -> None:
    prefix = f"{lake.root}/"
    there = {f"{TABLES}/{f.name}": f for f in files_at(f"{lake.root}/{TABLES}")}
    before = {
        e.path
        for e in (() if previous is None else previous.files)
        if e.path.startswith(f"{TABLES}/") and _unchanged(e, there.get(e.path))
    }
    needed = snapshot.needed(lambda location: location.removeprefix(prefix) in before)
    found.missing.update({p.removeprefix(prefix): why for p, why in needed.damaged.items()})
    for path in needed.paths:
        name = path.removeprefix(prefix)
        if name in there:
            _add(found, name, path, there[name])
        else:
            found.missing[name] = "a file that the lake's tables name"
    for name in before - found.files.keys():
        _add(found, name, prefix + name, there[name])


def _unchanged(entry: Entry, now: Found | None) -> bool:
    return now is not None and (entry.size, entry.stamp) == (now.size, now.stamp)


def _add(found: Survey, path: str, source: str, file: Found, known: str = "") -> None:
    found.files[path] = Candidate(path, source, file.size, file.stamp, known)


def _artifacts(lake: Lake, snapshot: Snapshot, found: Survey, *, with_storages: bool) -> None:
    own = str(snapshot.info.get("storage_uid") or "")
    rows = list(_rows(lake, snapshot, found))
    hashes = {r["storage_key"]: r["hash"] for r in rows if r["storage_uid"] == own}
    managed = set()
    for file in files_at(f"{lake.root}/{MANAGED}"):
        if not any(part.startswith(TEMP_PREFIX) for part in file.name.split("/")):
            path = f"{MANAGED}/{file.name}"
            managed.add(f"{MANAGED}/{file.name.partition('/')[0]}")
            _add(found, path, f"{lake.root}/{path}", file, hashes.get(path) or "")
    roots = _roots(lake, snapshot)
    counts: dict[str, int] = {}
    for row in rows:
        uid, key = row["storage_uid"], row["storage_key"]
        if uid == own:
            if key not in managed:
                _stored(lake.root, row, key, found)
        elif with_storages and uid in roots:
            _stored(StorageLocation(roots[uid]).root, row, f"{STORAGES}/{uid}/{key}", found)
        else:
            counts[uid] = counts.get(uid, 0) + 1
    if with_storages:
        found.storages = tuple(sorted({r["storage_uid"] for r in rows} & roots.keys() - {own}))
    found.left_out = tuple(
        LeftOut(uid, without_secrets(roots.get(uid) or ""), n) for uid, n in sorted(counts.items())
    )


def _rows(lake: Lake, snapshot: Snapshot, found: Survey) -> Iterator[dict[str, Any]]:
    """The artifacts of the newest state, and those that only tagged states have."""
    seen = set()
    for seq in (None, *snapshot.tags.values()):
        try:
            heads = snapshot.heads
            state = lake.engine.bind(heads) if seq is None else lake.engine.state_at(seq)
            if "artifact" not in state.pointers:
                continue
            rows = state.arrow("artifact").select(list(_COLUMNS)).to_pylist()
        except LookupFailed:
            continue  # the tag was removed meanwhile, and gc has taken its state
        except LakeCorrupt as error:
            found.missing["the table of artifacts"] = str(error)
            continue
        for row in rows:
            place = row["storage_uid"], row["storage_key"]
            if place not in seen and None not in place:
                seen.add(place)
                yield row


def _roots(lake: Lake, snapshot: Snapshot) -> dict[str, str]:
    """The roots of the storage locations by their uids."""
    state = lake.engine.bind(snapshot.heads)
    if "storage" not in state.pointers:
        return {}
    try:
        rows = state.arrow("storage").select(["uid", "root"]).to_pylist()
    except LakeCorrupt:
        return {}  # told with the tables' files
    return {row["uid"]: row["root"] for row in rows}


def _stored(root: str, row: dict[str, Any], path: str, found: Survey) -> None:
    """Add the files of one artifact that lies at its key in a storage location."""
    what = f"the artifact {row['uid']} ({row['key']})"
    try:
        key = check_key(row["storage_key"])
    except InvalidKey as error:
        found.missing[path] = f"{what}: {error.found}"
        return
    source = f"{root}/{key}"
    if not is_remote(source) and not is_inside(source, root):
        found.missing[path] = f"{what} lies outside of its storage location"
        return
    files = list(files_at(source))
    if not files:
        found.missing[path] = what
    for file in files:
        below = f"/{file.name}" if file.name else ""
        known = row["hash"] if not below else ""
        _add(found, path + below, source + below, file, known or "")


def is_inside(path: str, root: str) -> bool:
    """Whether a local path is below a root, links resolved."""
    real, base = os.path.realpath(path), os.path.realpath(root)
    return real.startswith(base.rstrip("/") + "/")
