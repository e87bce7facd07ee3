"""Telling content from other bytes by what the file system says of it, without reading it.

Files that we store carry a modification time that is computed: the second before they were
saved, and as microseconds a number made from the content's hash and the file's name. Whatever
is written, copied or moved to their place later has another one, so it is read and hashed
before it is believed. A copy of a lake that keeps times (`cp -a`, `rsync -a`) keeps the stamps;
one that doesn't is hashed when it is first read.
"""

from __future__ import annotations

import hashlib
import os
import time
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime

from lakehouse.storage.hashing import ContentHash, hash_bytes
from lakehouse.storage.source import Source, source_of

TICK = 20_000_000
"""Nanoseconds within which two writes may get the same time; kernels count in up to 10 ms."""
_SECOND = 1_000_000_000


@dataclass(frozen=True, slots=True)
class Look:
    """What the file system says of a local file or folder.

    Attributes:
        size: Bytes, summed over the files of a folder.
        n_files: Files in a folder; None for a file.
        mark: Differs whenever a file was written, replaced, renamed or linked since.
        times: Name and modification time of every file, in nanoseconds.
        newest: When a file or a name was last changed in any way, in nanoseconds.
        has_links: Whether a symbolic link is among the files, or in their place.
        taken: When this was looked at, in nanoseconds.
    """

    size: int
    n_files: int | None
    mark: str
    times: tuple[tuple[str, int], ...]
    newest: int
    has_links: bool
    taken: int

    @property
    def is_settled(self) -> bool:
        """Whether a later write would change the mark: not if the last one was just now."""
        written = max((moment for _, moment in self.times), default=0)
        return written + TICK < self.taken

    def bears(self, seconds: Iterable[int], hash: str) -> bool:
        """Whether every file has the stamp of the content, saved in one of these seconds."""
        if self.has_links or not self.times:
            return False
        second = self.times[0][1] // _SECOND
        if second not in seconds:
            return False
        return all(found == stamp_of(second, hash, name) for name, found in self.times)


def look_at(path: str | os.PathLike[str]) -> Look:
    """What the file system says of a local file or folder.

    Raises:
        StorageError: Nothing is there, or it can't be read.
    """
    taken = time.time_ns()  # a file that is written after this isn't settled
    return _look(source_of(path), taken)


def _look(source: Source, taken: int) -> Look:
    lines, times, newest, linked = [], [], source.moved, False
    for entry in source.files:
        info = entry.stat
        assert info is not None
        lines.append(
            f"{entry.name}\0{info.st_size} {info.st_mtime_ns} {info.st_ctime_ns}"
            f" {info.st_ino} {info.st_dev} {entry.is_link:d}"
        )
        times.append((entry.name, info.st_mtime_ns))
        newest = max(newest, info.st_mtime_ns, info.st_ctime_ns)
        linked = linked or entry.is_link
    mark = lines[0][1:] if not source.is_folder else _digest(lines)
    count = len(source.files) if source.is_folder else None
    return Look(source.size, count, mark, tuple(times), newest, linked, taken)


def _digest(lines: list[str]) -> str:
    return hash_bytes("\n".join(lines).encode("utf-8", "surrogateescape"))


def second_of(moment: datetime) -> int:
    """The second of the stamps of what is saved at a moment: the one before, so none lies ahead."""
    return int(moment.timestamp()) - 1


def stamp_of(second: int, hash: str, name: str = "") -> int:
    """The modification time, in nanoseconds, of a file of stored content.

    Args:
        second: See `second_of`.
        hash: The hash of the content; of a folder's files, that of the folder.
        name: The path of a file in its folder.
    """
    text = f"{hash}\0{name}".encode("utf-8", "surrogateescape")
    number = int.from_bytes(hashlib.blake2b(text, digest_size=8).digest())
    return second * _SECOND + number % 1_000_000 * 1_000


def stamp(path: str, names: Iterable[str], content: ContentHash, second: int) -> None:
    """Give files their computed times; where that is refused, they are hashed when read.

    Args:
        path: The file or folder.
        names: The files in the folder; an empty name for a single file.
        content: What it holds.
        second: See `second_of`.
    """
    with suppress(OSError):
        for name in names:
            moment = stamp_of(second, content.hash, name)
            os.utime(os.path.join(path, name) if name else path, ns=(moment, moment))
