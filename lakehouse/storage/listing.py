"""What lies in a folder or below a URI: names, sizes, and a stamp that changes with the content."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from lakehouse.io.uris import is_remote, local_path
from lakehouse.storage import remote
from lakehouse.storage.failures import reported


@dataclass(frozen=True, slots=True)
class Found:
    """One file of a listing.

    Attributes:
        name: Relative to the listed place, with forward slashes; empty for a file itself.
        size: Bytes.
        stamp: Differs from an earlier one if the file was written since: the time of its last
            change, or what an object store tells of an object's content.
    """

    name: str
    size: int
    stamp: str


def files_at(place: str, options: Mapping[str, Any] | None = None) -> Iterator[Found]:
    """The file at a place, or every file below it; nothing where nothing is.

    Symbolic links to folders aren't followed, and only regular files count.

    Raises:
        StorageError: The place can't be read.
    """
    if is_remote(place):
        yield from _remote(place, options)
        return
    path = local_path(place)
    with reported("read", path):
        try:
            info = os.stat(path)
        except (FileNotFoundError, NotADirectoryError):
            return
        if stat.S_ISREG(info.st_mode):
            yield Found("", info.st_size, str(info.st_mtime_ns))
        elif stat.S_ISDIR(info.st_mode):
            yield from _below(path)


def _below(path: str) -> Iterator[Found]:
    pending = [(path, "")]
    while pending:
        folder, prefix = pending.pop()
        try:
            entries = os.scandir(folder)
        except FileNotFoundError:  # removed meanwhile
            continue
        with entries:
            for entry in entries:
                if entry.is_dir(follow_symlinks=False):
                    pending.append((entry.path, f"{prefix}{entry.name}/"))
                    continue
                try:
                    info = entry.stat()
                except FileNotFoundError:
                    continue
                if stat.S_ISREG(info.st_mode):
                    yield Found(prefix + entry.name, info.st_size, str(info.st_mtime_ns))


def _remote(place: str, options: Mapping[str, Any] | None) -> Iterator[Found]:
    store = remote.connect(place, options)
    with store.guard("list"):
        store.fs.invalidate_cache()
        found = store.fs.find(store.path, detail=True)
    base = store.path.rstrip("/")
    for path, info in found.items():
        name = path[len(base) :].lstrip("/")
        if info["type"] == "file" and not (name == "" and path.endswith("/")):
            stamp = info.get("ETag") or info.get("LastModified") or info.get("mtime") or ""
            yield Found(name, int(info["size"] or 0), str(stamp).strip('"'))
