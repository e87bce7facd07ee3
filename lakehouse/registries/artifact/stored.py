"""Stored bytes: what is read must be what was saved, or an error says what was found instead."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lakehouse import storage
from lakehouse.config import notify, settings
from lakehouse.engine.confine import (
    FOLDER,
    MARK,
    Confinement,
    Owner,
    is_plain,
    parse_mark,
    read_local_mark,
)
from lakehouse.engine.files import files_at
from lakehouse.errors import ContentChanged, LakehouseError, NoWriteAccess, StorageError
from lakehouse.registries.artifact.row import MANAGED
from lakehouse.storage import (
    CacheDir,
    Difference,
    Look,
    Saved,
    StorageLocation,
    Verified,
    is_remote,
)

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


# -- Whose stored bytes are: a lake removes only what lies in a storage location of its own


_marked: set[tuple[str, str]] = set()  # lake and location, found to be marked by this process


def is_own_root(lake: Lake, location: StorageLocation) -> bool:
    """Whether a location is the lake's root."""
    return location.root == StorageLocation(lake.root).root


def read_mark(location: StorageLocation) -> Owner | None:
    """The owner mark of a storage location; None where there is none."""
    path = f"{location.root}/{FOLDER}/{MARK}"
    if location.is_local:
        return read_local_mark(path)
    try:
        return parse_mark(files_at(location.root, dict(location.options)).read(path))
    except (OSError, LakehouseError):
        return None


def is_owned(lake: Lake, location: StorageLocation) -> bool:
    """Whether the lake may remove what lies in a storage location."""
    return is_own_root(lake, location) or lake.engine.owns(read_mark(location))


def claim(lake: Lake, location: StorageLocation) -> bool:
    """Mark a storage location as the lake's; whether it is now.

    A location that another lake has marked, or that is another lake's root, stays as it is.
    """
    if is_own_root(lake, location):
        return True
    found = read_mark(location)
    if lake.engine.owns(found):
        return True
    if found is not None and found.uid != lake.uid:
        return False
    folder = f"{location.root}/{FOLDER}"
    if storage.exists(f"{folder}/lake.json"):
        return False
    files_at(location.root, dict(location.options)).replace(
        f"{folder}/{MARK}", lake.engine.owner.dump()
    )
    return True


def claim_bucket(lake: Lake, location: StorageLocation) -> None:
    """Mark a location in an object store when the lake first stores something there."""
    known = (lake.uid, location.root)
    if location.is_local or known in _marked or is_own_root(lake, location):
        return
    claim(lake, location)
    _marked.add(known)


def why_not(lake: Lake, location: StorageLocation, key: str) -> str | None:
    """Why the lake may not touch the bytes under a key; None if it may."""
    if not is_owned(lake, location):
        return "their storage location has no owner mark that names this lake"
    target = location.uri(key)
    if is_remote(target):
        plain = is_plain(target[len(location.root) :], remote=True)
        return None if plain else "their path has more than one meaning"
    if key.startswith(f"{FOLDER}/") and is_own_root(lake, location):
        confinement = lake.engine.confinement
        target = f"{confinement.folder}{key[len(FOLDER) :]}"
    else:
        confinement = Confinement(location.root, lake.engine.owner)
    if confinement.holds(target, fresh=True):
        return None
    return f"they lie at {os.path.realpath(target)!r}, outside of it"


def check_place(lake: Lake, location: StorageLocation, key: str) -> None:
    """Refuse to store managed bytes where a link leads to a folder that isn't the lake's.

    Raises:
        NoWriteAccess: It does.
    """
    if not location.is_local or not key.startswith(f"{FOLDER}/"):
        return
    own = is_own_root(lake, location)
    confinement = (
        lake.engine.confinement
        if own
        else Confinement(f"{location.root}/{FOLDER}", lake.engine.owner)
    )
    target = f"{confinement.folder}{key[len(FOLDER) :]}"
    if confinement.holds(target):
        return
    refusal = confinement.refusal(target)
    raise NoWriteAccess(
        "Nothing is stored through a link to a folder that isn't the lake's.",
        found=os.path.realpath(os.path.dirname(target)),
        expected=refusal.expected,
        hint=refusal.hint,
    )


def remove(lake: Lake, location: StorageLocation, key: str) -> None:
    """Remove stored bytes that are the lake's own; tell of others, which are left alone.

    What can't be removed now is left to gc.
    """
    target = location.uri(key)
    reason = why_not(lake, location, key)
    if reason is None:
        with contextlib.suppress(LakehouseError):
            storage.remove(target, options=location.options or None)
    elif storage.exists(target, options=location.options or None):
        notify(
            f"the bytes at {target} are left alone: {reason}; if they are to go, remove them "
            "yourself, or mark the location beforehand: ln.Storage.get(root=…).claim()",
            "warning",
        )
