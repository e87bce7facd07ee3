"""Compressed files, told by their first bytes, whatever they are called."""

from __future__ import annotations

import bz2
import io
import lzma
import zipfile
import zlib
from collections.abc import Callable

import pyarrow as pa

# a file that was compressed more often isn't meant to be read
_LAYERS = 5
_ERRORS = (EOFError, OSError, ValueError, zlib.error, lzma.LZMAError)


class Damaged(Exception):
    """What was found instead of a compressed file, and what to do about it, if that is known."""

    def __init__(self, found: str, hint: str = "") -> None:
        super().__init__(found)
        self.found = found
        self.hint = hint


def unpack(data: bytes) -> bytes:
    """What is inside gzip, bzip2, xz, lzma, Zstandard or a ZIP archive of one file.

    Raises:
        Damaged: It is truncated or damaged, or an archive of several files.
    """
    for _ in range(_LAYERS):
        for magic, inside in _UNPACKERS:
            if data.startswith(magic):
                try:
                    data = inside(data)
                except _ERRORS as error:
                    found = f"a truncated or damaged compressed file ({error})"
                    raise Damaged(found) from error
                break
        else:
            return data
    return data


def _gzip(data: bytes) -> bytes:
    """The members of gzip; what stands behind the last one is nothing to lose."""
    pieces: list[bytes] = []
    while data.startswith(b"\x1f\x8b"):
        stream = zlib.decompressobj(wbits=31)
        pieces.append(stream.decompress(data))
        if not stream.eof:
            raise EOFError("it ends before its end mark")
        data = stream.unused_data.lstrip(b"\0")
    return b"".join(pieces)


def _zstandard(data: bytes) -> bytes:
    with pa.CompressedInputStream(pa.BufferReader(data), "zstd") as stream:
        found = bytes(stream.read())
    if not found:
        raise EOFError("nothing in it")
    return found


def _zip(data: bytes) -> bytes:
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            names = [info.filename for info in archive.infolist() if not info.is_dir()]
            files = [n for n in names if not n.startswith("__MACOSX/")]
            if len(files) == 1:
                return archive.read(files[0])
    except (zipfile.BadZipFile, RuntimeError, NotImplementedError) as error:
        # the last two: a password, a method of compression that isn't known
        raise Damaged(f"a damaged or protected ZIP archive ({error})") from error
    hint = "unzip it and pass the ontology file inside"
    raise Damaged(f"a ZIP archive of {len(files)} files ({', '.join(files[:5])})", hint)


_UNPACKERS: tuple[tuple[bytes, Callable[[bytes], bytes]], ...] = (
    (b"\x1f\x8b", _gzip),
    (b"BZh", bz2.decompress),
    (b"\xfd7zXZ\x00", lzma.decompress),
    (b"]\x00\x00", lzma.decompress),
    (b"\x28\xb5\x2f\xfd", _zstandard),
    (b"PK\x03\x04", _zip),
)
