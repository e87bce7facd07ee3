"""Content hashes: BLAKE2b-128 as 22 characters of base64url, equal on every backend.

A file's hash is that of its bytes. A folder's hash is that of the lines
`relative/path NUL file-hash NUL size LF` of its files, sorted by path. Empty subfolders
don't count, since object stores have none.
"""

from __future__ import annotations

import base64
import hashlib
import os
from collections.abc import Callable, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Protocol

BLOCK = 1 << 20
_PIPELINE_FROM = 8 * BLOCK
_DEPTH = 3


@dataclass(frozen=True, slots=True)
class ContentHash:
    """What identifies content.

    Attributes:
        hash: 22 characters of base64url.
        size: Bytes, summed over the files of a folder.
        n_files: Files in a folder; None for a file.
    """

    hash: str
    size: int
    n_files: int | None = None


class Reader(Protocol):
    """A binary stream that fills a buffer."""

    def readinto(self, buffer: memoryview, /) -> int | None:
        """Fill the buffer from its start and return the number of bytes; 0 at the end."""


Write = Callable[[memoryview], object]


def hash_bytes(data: bytes | memoryview) -> str:
    """The content hash of bytes.

    Example:
        >>> hash_bytes(b"")
        'yuZpQdnvvUBOTYh1jqZ2cA'
    """
    return _text(hashlib.blake2b(data, digest_size=16))


def hash_stream(reader: Reader, write: Write | None = None, *, size: int = 0) -> ContentHash:
    """Read a stream once, hashing it and handing each block on.

    Args:
        reader: The stream.
        write: Called with every block, in order; the block is overwritten afterwards.
        size: The expected size; large streams with a `write` are hashed in a second thread.
    """
    if write is not None and size >= _PIPELINE_FROM:
        return _hash_while_writing(reader, write)
    digest = hashlib.blake2b(digest_size=16)
    view = memoryview(bytearray(min(BLOCK, size + 1) if size else BLOCK))
    total = 0
    while n := reader.readinto(view):
        digest.update(view[:n])
        if write is not None:
            write(view[:n])
        total += n
    return ContentHash(_text(digest), total)


def _hash_while_writing(reader: Reader, write: Write) -> ContentHash:
    digest = hashlib.blake2b(digest_size=16)
    views = [memoryview(bytearray(BLOCK)) for _ in range(_DEPTH)]
    hashed: list[Future[None] | None] = [None] * _DEPTH
    total = turn = 0
    with ThreadPoolExecutor(1) as pool:
        while True:
            previous = hashed[turn]
            if previous is not None:
                previous.result()  # the buffer may only be refilled once it is hashed
            n = reader.readinto(views[turn])
            if not n:
                break
            block = views[turn][:n]
            hashed[turn] = pool.submit(digest.update, block)
            write(block)
            total += n
            turn = (turn + 1) % _DEPTH
    return ContentHash(_text(digest), total)


def hash_folder(files: Iterable[tuple[str, ContentHash]]) -> ContentHash:
    """The hash of a folder from its files' relative posix paths and hashes."""
    digest = hashlib.blake2b(digest_size=16)
    size = count = 0
    for name, file in sorted((os.fsencode(name), file) for name, file in files):
        digest.update(b"%s\0%s\0%d\n" % (name, file.hash.encode(), file.size))
        size += file.size
        count += 1
    return ContentHash(_text(digest), size, count)


def _text(digest: hashlib.blake2b) -> str:
    return base64.urlsafe_b64encode(digest.digest()).rstrip(b"=").decode()
