"""Putting an artifact's bytes into storage, and taking them back if the commit fails."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lakehouse import storage
from lakehouse.config import settings
from lakehouse.errors import LakehouseError, ObjectDoesNotExist
from lakehouse.formats.base import Description
from lakehouse.io.uris import name_of
from lakehouse.orm.model.context import active_batch
from lakehouse.registries.artifact.payload import Payload
from lakehouse.registries.artifact.row import MANAGED
from lakehouse.storage import CacheDir, ContentHash, Saved, StorageLocation, Verified

if TYPE_CHECKING:
    from lakehouse.orm import Lake

_KNOWN: dict[str | None, dict[str, StorageLocation]] = {}  # by the storage table's version


def home_of(lake: Lake, path: str) -> tuple[dict[str, Any], str] | None:
    """The registered storage location that a path lies in, and its key there.

    Paths among the lake's own files don't count.
    """
    best: tuple[dict[str, Any], str] | None = None
    for uid, location in locations(lake).items():
        key = location.contains(path)
        if key is None or key.startswith((".lakehouse/", f"{MANAGED}/")):
            continue
        if best is None or len(location.root) > len(best[0]["root"]):
            best = {"uid": uid, "root": location.root}, key
    return best


def locations(lake: Lake) -> dict[str, StorageLocation]:
    """All storage locations of a lake's present state, and those of the open transaction."""
    pointer = lake.state.pointers.get("storage")
    known = _KNOWN.get(pointer)
    if known is None:
        rows = lake.state.arrow("storage").select(["uid", "root"]).to_pylist()
        known = {r["uid"]: StorageLocation(r["root"]) for r in rows}
        _KNOWN.clear()
        _KNOWN[pointer] = known
    batch = active_batch(lake)
    staged = [] if batch is None else batch.staged_records("storage")
    return {**known, **{r.uid: StorageLocation(r.root) for r in staged}} if staged else known


def location_of(lake: Lake, storage_uid: str) -> StorageLocation:
    """The storage location of a storage record.

    Raises:
        ObjectDoesNotExist: There is no such record.
    """
    found = locations(lake).get(storage_uid)
    if found is None:
        raise ObjectDoesNotExist(
            "The storage location of an artifact isn't registered.",
            found=f"storage {storage_uid!r}",
            expected=", ".join(f"{uid} ({at.root})" for uid, at in locations(lake).items()),
            hint="ln.Storage.to_dataframe() lists them; ln.Storage(root=…).save() adds one",
        )
    return found


def local_copy(payload: Payload) -> Path:
    """A local path of a payload's content, from the cache if it is remote."""
    if not payload.remote:
        return Path(payload.path)
    name = name_of(payload.path)
    options, cache = payload.options or None, CacheDir(settings.cache_dir)
    if payload.content is None:  # what is judged is what must be stored later
        path, payload.content = cache.download(payload.path, name, options=options)
        return path
    content = payload.content
    return cache.fetch(payload.path, name, content.size, content.hash, options=options)


def description_of(payload: Payload) -> Description | None:
    """Slots and row counts of a structured payload.

    Raises:
        UnreadableFile: The content isn't what the suffix says.
    """
    if payload.format is None or payload.format.otype is None:
        return None  # text, JSON and the like have no slots
    payload.note()
    return payload.describe(local_copy(payload))


@dataclass(frozen=True, slots=True)
class Placed:
    """Bytes that this process has just put somewhere, and may take back.

    Attributes:
        target: Their place.
        content: What they are.
        second: That of their stamp; see `storage.second_of`.
        node: Device and inode of a local file or folder, None for what is remote.
    """

    target: str
    content: ContentHash
    second: int
    node: tuple[int, int] | None

    @classmethod
    def now(cls, target: str, content: ContentHash, second: int) -> Placed:
        """What was put to a place a moment ago."""
        return cls(target, content, second, None if storage.is_remote(target) else _node(target))

    def is_there(self) -> bool:
        """Whether what lies at the place is still that, and not what somebody else put there.

        No row was committed for it, so nobody else knows of it: the owner mark of its storage
        location isn't asked for, only whether these are the very bytes.

        Raises:
            StorageError: It can't be read.
        """
        if self.node is not None and _node(self.target) != self.node:
            return False
        content = self.content
        saved = Saved(content.hash, content.size, content.n_files, (self.second,))
        other, _ = storage.difference(
            self.target,
            saved,
            Verified(settings.cache_dir),
            by_hash=self.node is None,  # of an object its store tells neither writer nor stamp
        )
        return other is None


def _node(path: str) -> tuple[int, int]:
    """What tells a local file or folder from any other."""
    try:
        found = os.lstat(path)
    except OSError:
        return -1, -1
    return found.st_dev, found.st_ino


def put(payload: Payload, target: str, saved_at: int) -> Placed:
    """Bring a payload to its place; content that we wrote ourselves is moved.

    Args:
        payload: The content.
        target: Its place.
        saved_at: The second of its stamp; see `storage.second_of`.
    """
    if payload.owned and not storage.is_remote(target):
        content = storage.move_in(payload.path, target, known=payload.content, saved_at=saved_at)
    else:
        content = storage.store(payload.path, target, saved_at=saved_at)
    payload.set_stored(content)
    return Placed.now(target, content, saved_at)


def give_back(payload: Payload, placed: Placed) -> None:
    """Undo `put`: content that we wrote ourselves is kept for another try."""
    with contextlib.suppress(LakehouseError):
        if not placed.is_there():
            return
        if placed.node is not None and payload.owned and not storage.exists(payload.path):
            storage.move_in(placed.target, payload.path, known=payload.content)
        else:
            storage.remove(placed.target)


def move(source: str, target: str) -> None:
    """Move stored bytes within a storage location, over what is there."""
    if storage.is_remote(source):
        storage.store(source, target)
        storage.remove(source)
    else:
        storage.move_in(source, target)


def take_back(placed: Placed) -> None:
    """Remove stored bytes that no row will name; what can't be removed is left to gc.

    What somebody else has put to their place meanwhile is left alone.
    """
    with contextlib.suppress(LakehouseError):
        if placed.is_there():
            storage.remove(placed.target)


def take_all_back(placed: Iterable[Placed]) -> None:
    """Remove the stored bytes of several artifacts."""
    for one in placed:
        take_back(one)
