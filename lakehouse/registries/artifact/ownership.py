"""Whose stored bytes are: a lake removes only what lies in a storage location of its own.

Its own root is one. Another storage location is one if an owner mark in it names this lake:
the mark is written when the location is added, or when the lake first stores something in a
bucket. Whatever a row says, bytes elsewhere are somebody's, and are left alone.
"""

from __future__ import annotations

import contextlib
import os
from typing import TYPE_CHECKING

from lakehouse import storage
from lakehouse.config import notify
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
from lakehouse.errors import LakehouseError, NoWriteAccess
from lakehouse.storage import StorageLocation, is_remote

if TYPE_CHECKING:
    from lakehouse.orm import Lake

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
