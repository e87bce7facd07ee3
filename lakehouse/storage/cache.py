"""A local cache of remote artifacts, by content."""

from __future__ import annotations

import os
import re
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from lakehouse.errors import ContentChanged
from lakehouse.io.progress import tracked
from lakehouse.io.uris import is_remote, local_path, normal
from lakehouse.storage import local, remote
from lakehouse.storage.failures import reported
from lakehouse.storage.hashing import ContentHash
from lakehouse.storage.location import check_key
from lakehouse.storage.sameness import Saved, difference
from lakehouse.storage.source import Entry, source_of
from lakehouse.storage.stamps import look_at
from lakehouse.storage.verified import Verified

_HASH = re.compile(r"[A-Za-z0-9_-]{22}")


class CacheDir:
    """Downloads remote content once and hands out local paths.

    A copy lies at `<cache>/<hash>/<name>`, so content that was replaced under the same name
    is fetched anew. It gets its name only when it is complete and verified; any number of
    processes may share the folder. Its files are read-only, and a copy that somebody changed
    all the same is fetched again.

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
        by_hash: bool = False,
    ) -> Path:
        """The local path of a file or folder, downloaded if need be.

        Args:
            uri: Where it is; a local path is returned as it is.
            name: File name (or key) of the copy; its suffix matters to readers.
            size: Expected bytes, or None if unknown.
            hash: Expected content hash; see `download` where it is unknown.
            options: fsspec options of the URI.
            by_hash: Whether a copy that is there already is hashed even if its times say that
                nobody touched it.

        Raises:
            StorageError: It can't be read, or isn't what it should be; nothing is kept.
        """
        if not is_remote(uri):
            return Path(local_path(uri))
        target = str(self.path.absolute() / hash / check_key(name))
        if _is_whole(target, size, hash, Verified(self.path), by_hash=by_hash):
            return Path(target)
        with reported("cache", target, writing=True):
            os.makedirs(os.path.dirname(target), exist_ok=True)
            temp = local.temp_beside(target)
            try:
                content = _download(uri, temp, options)
                _check(uri, content, size, hash)
                self._place(temp, target, content)
            finally:
                local.abandon([temp])
        return Path(target)

    def download(
        self, uri: str, name: str, *, options: Mapping[str, Any] | None = None
    ) -> tuple[Path, ContentHash]:
        """The local path of remote content of which nothing is known yet, and what it is.

        Args:
            uri: Where it is.
            name: File name (or key) of the copy.
            options: fsspec options of the URI.

        Raises:
            StorageError: It can't be read.
        """
        temp = local.temp_beside(str(self.path.absolute() / "new"))
        with reported("cache", str(self.path), writing=True):
            os.makedirs(self.path, exist_ok=True)
            try:
                content = _download(uri, temp, options)
                target = str(self.path.absolute() / content.hash / check_key(name))
                os.makedirs(os.path.dirname(target), exist_ok=True)
                self._place(temp, target, content)
            finally:
                local.abandon([temp])
        return Path(target), content

    def drop(self, hash: str) -> bool:
        """Remove the copies of some content; whether there were any.

        Args:
            hash: Its hash, as it was given to `fetch`.
        """
        folder = self.path.absolute() / hash
        if not _HASH.fullmatch(hash) or folder.is_symlink() or not folder.is_dir():
            return False
        return local.remove(str(folder))

    def _place(self, temp: str, target: str, content: ContentHash) -> None:
        """Give a complete copy its name, unless another process was faster."""
        verified = Verified(self.path)
        if _is_whole(target, content.size, content.hash, verified, by_hash=False):
            return
        # an old time, so that whatever is written later has another one
        local.mark_saved(source_of(temp), temp, content, int(time.time()) - 1)
        local.put_in_place(temp, target)
        verified.remember(target, look_at(target), content.hash)


def _is_whole(
    target: str, size: int | None, hash_: str, verified: Verified, *, by_hash: bool
) -> bool:
    """Whether a copy is there and is what it should be."""
    if not os.path.exists(target):
        return False
    n_files = sum(1 for _ in source_of(target).files) if os.path.isdir(target) else None
    try:
        other, _ = difference(target, Saved(hash_, size, n_files), verified, by_hash=by_hash)
    except ContentChanged:
        return False
    return other is None


def _download(uri: str, temp: str, options: Mapping[str, Any] | None) -> ContentHash:
    source, store = source_of(uri, options), remote.connect(uri, options)

    def one(entry: Entry) -> ContentHash:
        path = os.path.join(temp, check_key(entry.name)) if entry.name else temp
        os.makedirs(os.path.dirname(path), exist_ok=True)
        store.fetch(entry.path, path)
        local.make_read_only(path)
        copied = source_of(path)
        if advance is not None:
            advance(copied.size)
        return copied.read(copied.files[0])

    with tracked(os.path.basename(normal(uri)), source.size, None) as advance:
        return source.each(one)


def _check(uri: str, content: ContentHash, size: int | None, hash_: str) -> None:
    if size is not None and content.size != size:
        found, expected = f"{content.size:,} bytes", f"{size:,} bytes"
    elif content.hash != hash_:
        found, expected = f"content hash {content.hash}", f"content hash {hash_}"
    else:
        return
    raise ContentChanged(f"{uri!r} is not what was stored there.", found=found, expected=expected)
