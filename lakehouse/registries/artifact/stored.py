"""Stored bytes: what is read must be what was saved, or an error says what was found instead."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lakehouse import storage
from lakehouse.config import settings
from lakehouse.errors import ContentChanged, StorageError
from lakehouse.registries.artifact.row import MANAGED
from lakehouse.storage import CacheDir, Difference, Look, Saved, StorageLocation, Verified

if TYPE_CHECKING:
    from lakehouse.engine import State
    from lakehouse.orm import Lake
    from lakehouse.registries.artifact.content import ArtifactContent


def saved_of(row: Mapping[str, Any]) -> Saved:
    """What an artifact's row says of its bytes.

    Args:
        row: The row; of an artifact that isn't committed yet it may lack times.
    """
    times = [row[name] for name in ("created_at", "updated_at") if row.get(name) is not None]
    registered = row.get("created_at")
    return Saved(
        hash=row.get("hash") or "",
        size=row.get("size"),
        n_files=row.get("n_files"),
        seconds=tuple({storage.second_of(moment) for moment in times}),
        before=None
        if row.get("key_is_virtual") or registered is None
        else int(registered.timestamp()) * 1_000_000_000,
    )


def place_of(row: Mapping[str, Any], location: StorageLocation) -> str:
    """The storage key under which the bytes lie that a committed row names.

    Content that replaced other content under a real key lies beside it until it takes the key;
    its process may have ended between that and the commit which says so.
    """
    place: str = row["storage_key"]
    if place.startswith(MANAGED) and not row.get("key_is_virtual"):
        options = dict(location.options) or None
        return place if storage.exists(location.uri(place), options=options) else str(row["key"])
    return place


def difference_at(
    location: StorageLocation, key: str, row: Mapping[str, Any], *, by_hash: bool = False
) -> tuple[Difference | None, Look | None]:
    """How stored bytes differ from what an artifact's row says of them.

    This is what tells whether bytes are an artifact's, for those who read it and for `check`.

    Args:
        location: Its storage location.
        key: Where the bytes lie there; see `place_of`.
        row: The row.
        by_hash: Hash them in any case.

    Returns:
        The difference, and what local bytes looked like when they were compared.

    Raises:
        StorageError: They can't be read.
    """
    return storage.difference(
        location.uri(key), saved_of(row), Verified(settings.cache_dir),
        by_hash=by_hash, options=dict(location.options) or None,
    )  # fmt: skip


def local_content(
    artifact: ArtifactContent, location: StorageLocation, key: str
) -> tuple[Path, Look | None]:
    """A local path of an artifact's bytes, which are what was saved, and what was seen there.

    Args:
        artifact: A saved artifact.
        location: Its storage location.
        key: Where the bytes lie there.

    Raises:
        ContentChanged: They are others, or gone.
        StorageError: They can't be read.
    """
    uri, values = location.uri(key), artifact._values
    by_hash = settings.verify == "hash"
    if location.is_local:
        found, look = difference_at(location, key, values, by_hash=by_hash)
        if found is not None:
            raise _changed(artifact, uri, found)
        return Path(uri), look
    name = (values.get("key") or values["storage_key"]).rpartition("/")[2]
    options = dict(location.options) or None
    try:
        path = CacheDir(settings.cache_dir).fetch(
            uri, name, values.get("size"), values.get("hash") or "", options=options,
            by_hash=by_hash,
        )  # fmt: skip
    except ContentChanged as error:
        other = Difference(str(error.found), str(error.expected), values.get("size") or 0)
        raise _changed(artifact, uri, other) from error
    except StorageError as error:
        now, _ = difference_at(location, key, values)
        if now is None or now.size is not None:
            raise
        raise _changed(artifact, uri, now) from error
    return path, storage.look_at(path)


def tagged_states(lake: Lake) -> dict[str, State]:
    """The states that have tags, by tag."""
    return {name: lake.engine.state_at(commit.seq) for name, commit in lake.tags().items()}


def tags_naming(tagged: Mapping[str, State], row: Mapping[str, Any]) -> list[str]:
    """The tags at which an artifact has the bytes that its row names.

    Args:
        tagged: The states that have tags; see `tagged_states`.
        row: The row.
    """
    place = row["storage_uid"], row["storage_key"]
    found = []
    for name, then in tagged.items():
        known = then.row("artifact", row["uid"]) if "artifact" in then.pointers else None
        if known is not None and (known["storage_uid"], known["storage_key"]) == place:
            found.append(name)
    return found


def _changed(artifact: ArtifactContent, uri: str, other: Difference) -> ContentChanged:
    """The error for bytes that are others than those that were saved."""
    values = artifact._values
    name = f"{artifact.uid} (key {values['key']!r})" if values.get("key") else artifact.uid
    restore = "restore the file from a backup"
    if values.get("key_is_virtual"):
        hint = f"{restore}, or store other content: artifact.replace(path)"
    else:
        hint = f"if the change is meant, save a new version: ln.Artifact({uri!r}).save(); else {restore}"
    happened = "is gone" if other.size is None else "was changed after it was saved"
    return ContentChanged(
        f"The content of the artifact {name} {happened}: {os.fspath(uri)!r}.",
        found=other.found,
        expected=other.expected,
        hint=f"{hint}; `lakehouse check` looks at all",
    )
