"""What is to be read: one file or a folder of files, local or remote, seen alike."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, BinaryIO

from lakehouse.errors import ContentChanged, StorageError, UnreadableFile
from lakehouse.io.uris import is_remote, local_path, text_of
from lakehouse.storage import remote
from lakehouse.storage.failures import reported
from lakehouse.storage.hashing import ContentHash, Write, hash_folder, hash_stream

WORKERS = 16  # measured: small files with fsync go fastest with 8 to 32 threads on two cores


@dataclass(frozen=True, slots=True)
class Entry:
    """One file of a source.

    Attributes:
        name: Path relative to the source, with forward slashes; empty for a single file.
        path: Full path, as the opener wants it.
        size: Bytes when it was listed.
        stat: What the machine's file system said of it then, after links.
        is_link: Whether a symbolic link is in its place.
    """

    name: str
    path: str
    size: int
    stat: os.stat_result | None = None
    is_link: bool = False


@dataclass(frozen=True, slots=True)
class Source:
    """A file or folder to be read."""

    path: str
    files: tuple[Entry, ...]
    is_folder: bool
    opener: Callable[[str], BinaryIO]
    moved: int = 0  # when names in a local folder last changed, in nanoseconds
    links: tuple[str, ...] = ()  # symbolic links in a local folder

    @property
    def size(self) -> int:
        """Bytes in all when it was listed."""
        return sum(file.size for file in self.files)

    def check_confined(self) -> None:
        """Refuse a folder that leads out of itself: a copy would publish what its links name.

        Raises:
            UnreadableFile: A symbolic link in it leads to something outside.
        """
        if not self.links:
            return
        base = os.path.realpath(self.path)
        for link in self.links:
            target = os.path.realpath(link)
            if target != base and not target.startswith(base.rstrip("/") + "/"):
                raise UnreadableFile(
                    f"{self.path!r} isn't copied, since it leads out of itself.",
                    found=f"the symbolic link {os.path.relpath(link, self.path)!r}"
                    f" to {os.readlink(link)!r}",
                    expected="a folder that holds all of its files",
                    hint="if you trust it, copy what the link names into the folder",
                )

    def read(self, entry: Entry, write: Write | None = None) -> ContentHash:
        """Read one file once, hashing it and handing its blocks to `write`.

        Raises:
            ContentChanged: Somebody wrote it meanwhile, so that nobody ever saw what was read.
        """
        with reported("read", entry.path):
            stream = self.opener(entry.path)
        with stream:
            before = _written(stream, entry)
            content = hash_stream(_Reported(stream, entry.path), write, size=entry.size)
            if before != _written(stream, entry):
                raise ContentChanged(
                    f"{entry.path!r} was written while it was read.",
                    hint="try again once its writer is done",
                )
        return content

    def each(self, work: Callable[[Entry], ContentHash]) -> ContentHash:
        """Do the work on every file, in parallel in a folder, and combine the hashes."""
        if not self.is_folder:
            return work(self.files[0])
        with ThreadPoolExecutor(WORKERS) as pool:
            hashes = list(pool.map(work, self.files))
        return hash_folder(
            (file.name, found) for file, found in zip(self.files, hashes, strict=True)
        )


def _written(stream: BinaryIO, entry: Entry) -> tuple[int, int] | None:
    """Size of an open local file, and when it was last written."""
    if entry.stat is None:
        return None
    info = os.fstat(stream.fileno())
    return info.st_size, info.st_mtime_ns


class _Reported:
    """A stream whose read errors name the source, not the target being written."""

    def __init__(self, stream: BinaryIO, path: str) -> None:
        self._readinto: Callable[[memoryview], int | None] = stream.readinto  # type: ignore[attr-defined]
        self._path = path

    def readinto(self, buffer: memoryview, /) -> int | None:
        with reported("read", self._path):
            return self._readinto(buffer)


def source_of(path: str | os.PathLike[str], options: Mapping[str, Any] | None = None) -> Source:
    """List a file or folder.

    Args:
        path: Local path, URI or UPath.
        options: fsspec options of a remote path.

    Raises:
        StorageError: Nothing is there, it can't be read, or it is neither file nor folder.
    """
    text = text_of(path)
    if is_remote(text):
        store = remote.connect(text, options or getattr(path, "storage_options", None))
        found = [Entry(name, full, size) for name, full, size in store.files()]
        folder = not (len(found) == 1 and found[0].name == "")
        if not found:
            raise StorageError(f"Could not read {text!r}.", found=f"nothing at {text!r}")
        return Source(text, tuple(found), is_folder=folder, opener=store.open)
    return _local(local_path(text))


def _local(path: str) -> Source:
    with reported("read", path):
        info = os.stat(path)
        if stat.S_ISREG(info.st_mode):
            entry = Entry("", path, info.st_size, info, os.path.islink(path))
            return Source(path, (entry,), is_folder=False, opener=_open)
        if not stat.S_ISDIR(info.st_mode):
            raise StorageError(
                f"Could not read {path!r}.",
                found="a device, pipe or socket",
                expected="a file or a folder",
            )
        files: list[Entry] = []
        links: list[str] = []
        moved = _walk(path, "", files, links, ())
    listed = tuple(sorted(files, key=lambda file: file.name))
    return Source(path, listed, is_folder=True, opener=_open, moved=moved, links=tuple(links))


def _walk(
    folder: str,
    prefix: str,
    files: list[Entry],
    links: list[str],
    above: tuple[tuple[int, int], ...],
) -> int:
    """List the files below a folder; gives when a name in it, or it itself, last changed."""
    info = os.stat(folder)
    moved = max(info.st_mtime_ns, info.st_ctime_ns)
    here = (info.st_dev, info.st_ino)
    if here in above:
        raise StorageError(
            f"Could not read {folder!r}.",
            found="a symbolic link to a folder that contains it",
            expected="a folder without cycles",
        )
    with os.scandir(folder) as entries:
        for entry in entries:
            name = prefix + entry.name
            if entry.is_symlink():
                links.append(entry.path)
            if entry.is_dir():
                moved = max(moved, _walk(entry.path, name + "/", files, links, (*above, here)))
            elif entry.is_file():
                info = entry.stat()
                files.append(Entry(name, entry.path, info.st_size, info, entry.is_symlink()))
            else:
                os.stat(entry.path)  # a dangling link raises the fitting error
                raise StorageError(
                    f"Could not read {entry.path!r}.",
                    found="a device, pipe or socket",
                    expected="files and folders only",
                )
    return moved


def _open(path: str) -> BinaryIO:
    return open(path, "rb", buffering=0)
