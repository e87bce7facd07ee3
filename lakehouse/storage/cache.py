"""A local cache of remote artifacts, by content."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from lakehouse.errors import StorageError
from lakehouse.storage import local, remote
from lakehouse.storage.failures import reported
from lakehouse.storage.hashing import ContentHash
from lakehouse.storage.keys import check_key
from lakehouse.storage.progress import tracked
from lakehouse.storage.source import Entry, source_of
from lakehouse.uris import is_remote, local_path, normal


class CacheDir:
    """Downloads remote content once and hands out local paths.

    A copy lies at `<cache>/<hash>/<name>`, so content that was replaced under the same name
    is fetched anew. It gets its name only when it is complete and verified; any number of
    processes may share the folder.

    Args:
        path: The folder; made when it is first needed.

    Example:
        >>> CacheDir("/tmp/cache").fetch("/data/a.csv", "a.csv", 0, "")
        PosixPath('/data/a.csv')
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = Path(path)

    def fetch(
        self,
        uri: str,
        name: str,
        size: int | None,
        hash: str,
        *,
        options: Mapping[str, Any] | None = None,
    ) -> Path:
        """The local path of a file or folder, downloaded if need be.

        Args:
            uri: Where it is; a local path is returned as it is.
            name: File name (or key) of the copy; its suffix matters to readers.
            size: Expected bytes, or None if unknown.
            hash: Expected content hash, or `""` if unknown: then it is fetched every time.
            options: fsspec options of the URI.

        Raises:
            StorageError: It can't be read, or isn't what it should be; nothing is kept.
        """
        if not is_remote(uri):
            return Path(local_path(uri))
        target = str(self.path.absolute() / (hash or "unverified") / check_key(name))
        if hash and os.path.exists(target):
            return Path(target)
        with reported("cache", target, writing=True):
            os.makedirs(os.path.dirname(target), exist_ok=True)
            temp = local.temp_beside(target)
            try:
                content = _download(uri, temp, options)
                _check(uri, content, size, hash)
                _place(temp, target)
            finally:
                local.abandon([temp])
        return Path(target)


def _download(uri: str, temp: str, options: Mapping[str, Any] | None) -> ContentHash:
    source, store = source_of(uri, options), remote.connect(uri, options)

    def one(entry: Entry) -> ContentHash:
        path = os.path.join(temp, check_key(entry.name)) if entry.name else temp
        os.makedirs(os.path.dirname(path), exist_ok=True)
        store.fetch(entry.path, path)
        copied = source_of(path)
        if advance is not None:
            advance(copied.size)
        return copied.read(copied.files[0])

    with tracked(os.path.basename(normal(uri)), source.size, None) as advance:
        return source.each(one)


def _check(uri: str, content: ContentHash, size: int | None, hash_: str) -> None:
    if size is not None and content.size != size and hash_:
        found, expected = f"{content.size:,} bytes", f"{size:,} bytes"
    elif hash_ and content.hash != hash_:
        found, expected = f"content hash {content.hash}", f"content hash {hash_}"
    else:
        return
    raise StorageError(
        f"{uri!r} is not what was stored there.",
        found=found,
        expected=expected,
        hint="somebody overwrote it; restore it, or replace the artifact: artifact.replace(…)",
    )


def _place(temp: str, target: str) -> None:
    try:
        os.rename(temp, target)
    except OSError:
        if not os.path.isdir(target):
            raise  # else another process has placed the same folder meanwhile
