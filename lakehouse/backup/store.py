"""Where backups lie: one copy of every content, and one manifest for each backup.

A content is named by its digest and appears under its name only when it is whole, so a run
that was killed leaves nothing that a later one could take for something else.
"""

from __future__ import annotations

import base64
import fcntl
import os
import tempfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Literal, TypeVar

import orjson

from lakehouse import storage
from lakehouse.backup.manifest import Manifest
from lakehouse.errors import InvalidArgument, LakeCorrupt, LakeNotFound, StorageError, Unavailable
from lakehouse.io.progress import Advance
from lakehouse.io.uris import normal
from lakehouse.storage import ContentHash, is_remote
from lakehouse.storage.failures import reported
from lakehouse.storage.listing import files_at
from lakehouse.storage.local import TEMP_PREFIX
from lakehouse.storage.source import source_of

_MARKER = "lakehouse-backup.json"
_CONTENT = "files"
_BACKUPS = "backups"
_LOCK = ".lock"
_WORKERS = 16
_SMALL = 8 << 20
_BATCH_BYTES = 256 << 20
_BATCH = 512

_T = TypeVar("_T")


class BackupStore:
    """The backups of one lake in a folder or below a URI.

    Args:
        root: The folder or URI.
    """

    def __init__(self, root: str) -> None:
        self.root = normal(root)
        self._present: dict[str, int] | None = None

    # -- which lake's it is ----------------------------------------------------------

    def lake(self) -> str | None:
        """The uid of the lake whose backups these are; None where there are none."""
        found = self._read(f"{self.root}/{_MARKER}")
        if found is None:
            return None
        try:
            return str(orjson.loads(found)["lake"])
        except (orjson.JSONDecodeError, KeyError, TypeError) as error:
            raise LakeCorrupt(
                f"The file {self.root}/{_MARKER} is damaged.", found=str(error)
            ) from error

    def claim(self, lake_uid: str) -> None:
        """Make this the place of one lake's backups.

        Raises:
            InvalidArgument: It is another lake's, or holds something else.
        """
        known = self.lake()
        if known is None:
            if next((f for f in files_at(self.root) if f.name != _LOCK), None):
                raise InvalidArgument(
                    f"{self.root!r} holds other files.",
                    expected="an empty or new folder, or one with this lake's backups",
                )
            self._write(f"{self.root}/{_MARKER}", orjson.dumps({"format": 1, "lake": lake_uid}))
        elif known != lake_uid:
            raise InvalidArgument(
                f"{self.root!r} holds the backups of another lake.",
                found=f"those of the lake {known}",
                expected=f"those of the lake {lake_uid}, or an empty folder",
            )

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Keep other runs out, where the place is a folder.

        Raises:
            Unavailable: Another run is at work.
        """
        if is_remote(self.root):
            yield
            return
        with reported("write", self.root, writing=True):
            os.makedirs(self.root, exist_ok=True)
            handle = os.open(f"{self.root}/{_LOCK}", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
        try:
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError as error:
                raise Unavailable(
                    f"Another backup to {self.root!r} is running.", hint="wait until it has ended"
                ) from error
            yield
        finally:
            os.close(handle)

    # -- manifests -------------------------------------------------------------------

    def names(self) -> list[str]:
        """The names of the backups, oldest first."""
        found = files_at(f"{self.root}/{_BACKUPS}")
        names = (f.name for f in found if not f.name.startswith(TEMP_PREFIX))
        return sorted(n.removesuffix(".json") for n in names if n.endswith(".json"))

    def manifest(self, name: str) -> Manifest:
        """One backup's manifest.

        Raises:
            LakeNotFound: There is none of this name.
            LakeCorrupt: It is damaged.
        """
        path = f"{self.root}/{_BACKUPS}/{storage.check_key(name)}.json"
        data = self._read(path)
        if data is None:
            raise LakeNotFound(
                f"There is no backup {name!r} in {self.root!r}.",
                expected=", ".join(self.names()) or "none is there",
            )
        return Manifest.load(data, path)

    def newest(self) -> Manifest | None:
        """The newest backup that can be read."""
        for name in reversed(self.names()):
            try:
                return self.manifest(name)
            except LakeCorrupt:
                continue  # its files are copied anew
        return None

    def add(self, manifest: Manifest) -> None:
        """Write a manifest, which makes the backup."""
        self._write(f"{self.root}/{_BACKUPS}/{manifest.name}.json", manifest.dump())

    def prune(self, keep: int) -> list[str]:
        """Remove all but the newest backups, and the contents that only those had.

        Returns:
            The names of the removed ones.
        """
        names = self.names()
        gone = names[: max(len(names) - keep, 0)]
        kept: set[str] = set()
        for name in names[len(gone) :]:
            kept |= self.manifest(name).digests  # one that can't be read stops the removal
        dropped: set[str] = set()
        for name in gone:
            try:
                dropped |= self.manifest(name).digests
            except LakeCorrupt:
                continue
        for name in gone:
            storage.remove(f"{self.root}/{_BACKUPS}/{name}.json")
        with ThreadPoolExecutor(_WORKERS) as pool:
            list(pool.map(self._discard, dropped - kept))
        self._present = None
        return gone

    # -- contents --------------------------------------------------------------------

    def content(self, digest: str) -> str:
        """The path or URI of a content."""
        name = self._name(digest)
        return f"{self.root}/{_CONTENT}/{name[:2]}/{name}"

    @staticmethod
    def _name(digest: str) -> str:
        # hexadecimal, since some file systems don't tell upper from lower case
        return base64.urlsafe_b64decode(digest + "==").hex()

    def has(self, digest: str, size: int) -> bool:
        """Whether a content is here, by its name and size."""
        if self._present is None:
            place = f"{self.root}/{_CONTENT}"
            self._present = {f.name.rpartition("/")[2]: f.size for f in files_at(place)}
        return self._present.get(self._name(digest)) == size

    def put(
        self, sources: Sequence[tuple[str, ContentHash]], advance: Advance | None
    ) -> dict[str, ContentHash]:
        """Copy contents here whose digests are known, and read each copy again.

        A source that is gone meanwhile is passed over.

        Args:
            sources: Path or URI, and the content that is expected there.
            advance: Told of every block's bytes.

        Returns:
            Sources that turned out to hold something else, with what they hold. Their copies
            are gone again.
        """
        other: dict[str, ContentHash] = {}
        for batch in batches(sources, lambda source: source[1].size):
            copied: list[ContentHash] = []
            for (source, expected), got in zip(batch, self._copied(batch, advance), strict=True):
                if got is None:
                    continue
                if got.hash == expected.hash:
                    copied.append(got)
                else:
                    self._discard(expected.hash)
                    other[source] = got
            self._check(copied)
        return other

    def _copied(
        self, batch: Sequence[tuple[str, ContentHash]], advance: Advance | None
    ) -> list[ContentHash | None]:
        """Copy some contents; None for a source that is gone."""
        pairs = [(source, self.content(content.hash)) for source, content in batch]
        if len(pairs) > 1:
            try:
                return [*copy_all(pairs, advance)]
            except StorageError:
                if all(storage.exists(source) for source, _ in pairs):
                    raise
        out: list[ContentHash | None] = []
        for pair in pairs:
            try:
                out += copy_all([pair], advance)
            except StorageError:
                if storage.exists(pair[0]):
                    raise
                out.append(None)
        return out

    def _check(self, contents: Sequence[ContentHash]) -> None:
        """Read copies again.

        Raises:
            StorageError: One isn't what was written.
        """
        with ThreadPoolExecutor(_WORKERS) as pool:
            for content, copy in zip(contents, pool.map(self._digest, contents), strict=True):
                if copy.hash != content.hash:
                    self._discard(content.hash)
                    raise StorageError(
                        f"A copy in {self.root!r} isn't what was written.",
                        found=copy.hash,
                        expected=content.hash,
                        hint="check the storage, then run the backup again",
                    )
                if self._present is not None:
                    self._present[self._name(content.hash)] = content.size

    def _digest(self, content: ContentHash) -> ContentHash:
        return storage.hash_path(self.content(content.hash))

    def _discard(self, digest: str) -> None:
        storage.remove(self.content(digest))
        if self._present is not None:
            self._present.pop(self._name(digest), None)

    def damaged(self, manifest: Manifest, advance: Advance | None = None) -> list[str]:
        """Read every content of a backup; the paths whose contents are gone or damaged."""
        entries = {e.digest: e for e in (*manifest.files, manifest.catalog)}

        def whole(digest: str) -> bool:
            try:
                found = storage.hash_path(self.content(digest))
            except StorageError:
                return False
            if advance is not None:
                advance(found.size)
            return found.hash == digest

        with ThreadPoolExecutor(_WORKERS) as pool:
            good = dict(zip(entries, pool.map(whole, entries), strict=True))
        return [e.path for e in (*manifest.files, manifest.catalog) if not good[e.digest]]

    # -- small files -----------------------------------------------------------------

    def _read(self, path: str) -> bytes | None:
        if not storage.exists(path):
            return None
        source = source_of(path)
        with reported("read", path), source.opener(source.files[0].path) as stream:
            return stream.read()

    def _write(self, path: str, data: bytes) -> None:
        with tempfile.TemporaryDirectory(prefix="lakehouse-") as folder:
            temporary = os.path.join(folder, "new")
            with reported("write", temporary, writing=True), open(temporary, "wb") as stream:
                stream.write(data)
            storage.store(temporary, path, progress=False)


def batches(items: Iterable[_T], size: Callable[[_T], int]) -> Iterator[list[_T]]:
    """Small files many at a time, large ones alone."""
    batch: list[_T] = []
    total = 0
    for item in items:
        if size(item) > _SMALL:
            yield [item]
            continue
        batch.append(item)
        total += size(item)
        if len(batch) >= _BATCH or total > _BATCH_BYTES:
            yield batch
            batch, total = [], 0
    if batch:
        yield batch


def copy_all(pairs: Sequence[tuple[str, str]], advance: Advance | None) -> list[ContentHash]:
    """Copy files, durably; what was read of each."""
    progress: Advance | Literal[False] = False if advance is None else advance
    if len(pairs) == 1:  # in this thread, where an interrupt ends it
        return [storage.store(*pairs[0], progress=progress)]
    return storage.store_many(pairs, progress=progress)
