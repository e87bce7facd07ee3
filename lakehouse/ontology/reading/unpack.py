"""Compressed files, told by their first bytes, whatever they are called."""

from __future__ import annotations

import bz2
import io
import lzma
import zipfile
import zlib
from collections.abc import Callable, Iterable, Iterator
from typing import Protocol

import pyarrow as pa

# a file that was compressed more often isn't meant to be read
_LAYERS = 5
# Ontologies compress to a tenth, the most repetitive ones to a fiftieth; a file that promises
# more than this has been made to fill the memory.
_RATIO = 200
_HARMLESS = 256 << 20
_LARGEST = 16 << 30
_PIECE = 4 << 20
_PASS_INSIDE = "if it is what you expect, unpack it and pass the file inside"
_ERRORS = (EOFError, OSError, ValueError, zlib.error, lzma.LZMAError)


class Damaged(Exception):
    """What was found instead of a compressed file, and what to do about it, if that is known."""

    def __init__(self, found: str, hint: str = "") -> None:
        super().__init__(found)
        self.found = found
        self.hint = hint


def allowed(size: int) -> int:
    """How many bytes a compressed file of a size may have inside."""
    return min(_LARGEST, max(_HARMLESS, _RATIO * size))


def bomb(size: int) -> Damaged:
    """The error for a compressed file that has more inside than any ontology of its size."""
    inside = f"more than {allowed(size):,} bytes inside {size:,} compressed ones"
    return Damaged(inside, _PASS_INSIDE)


def unpack(data: bytes) -> bytes:
    """What is inside gzip, bzip2, xz, lzma, Zstandard or a ZIP archive of one file.

    Raises:
        Damaged: It is truncated or damaged, an archive of several files, or has far more inside
            than a file of its size should.
    """
    size = len(data)
    for _ in range(_LAYERS):
        for magic, inside in _UNPACKERS:
            if data.startswith(magic):
                try:
                    data = inside(data, allowed(size))
                except _Full as error:
                    raise bomb(size) from error
                except _ERRORS as error:
                    found = f"a truncated or damaged compressed file ({error})"
                    raise Damaged(found) from error
                break
        else:
            return data
    return data


class _Full(Exception):
    """More came out than may."""


def _joined(pieces: Iterable[bytes], most: int) -> bytes:
    """All pieces in one; a single one as it is."""
    found: list[bytes] = []
    for piece in pieces:
        found.append(piece)
        most -= len(piece)
        if most < 0:
            raise _Full
    return b"".join(found)


def _gzip(data: bytes, most: int) -> bytes:
    """The members of gzip; what stands behind the last one is nothing to lose."""

    def members() -> Iterator[bytes]:
        rest = data
        while rest.startswith(b"\x1f\x8b"):
            stream = zlib.decompressobj(wbits=31)
            # one byte more than may come out tells that it does
            yield stream.decompress(rest, most + 1)
            if not stream.eof:
                raise EOFError("it ends before its end mark")
            rest = stream.unused_data.lstrip(b"\0")

    return _joined(members(), most)


def _streams(make: Callable[[], _Stream]) -> Callable[[bytes, int], bytes]:
    """Unpacks one stream after the other, as long as what follows is one."""

    def members(data: bytes, most: int) -> Iterator[bytes]:
        rest = data
        while rest:
            stream = make()
            try:
                yield stream.decompress(rest, most + 1)
            except (OSError, lzma.LZMAError):
                if rest is data:
                    raise
                return  # what stands behind the last stream is nothing to lose
            if not stream.eof:
                raise EOFError("it ends before its end mark")
            rest = stream.unused_data

    return lambda data, most: _joined(members(data, most), most)


class _Stream(Protocol):
    """What the decompressors of bz2 and lzma have in common."""

    @property
    def eof(self) -> bool: ...
    @property
    def unused_data(self) -> bytes: ...
    def decompress(self, data: bytes, max_length: int = ...) -> bytes: ...


def _zstandard(data: bytes, most: int) -> bytes:
    with pa.CompressedInputStream(pa.BufferReader(data), "zstd") as stream:
        found = _joined(iter(lambda: bytes(stream.read(_PIECE)), b""), most)
    if not found:
        raise EOFError("nothing in it")
    return found


def _zip(data: bytes, most: int) -> bytes:
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            inside = [info for info in archive.infolist() if not info.is_dir()]
            files = [info for info in inside if not info.filename.startswith("__MACOSX/")]
            if len(files) == 1:
                if files[0].file_size > most:  # never is more read than it says
                    raise _Full
                return archive.read(files[0])
    except (zipfile.BadZipFile, RuntimeError, NotImplementedError) as error:
        # the last two: a password, a method of compression that isn't known
        raise Damaged(f"a damaged or protected ZIP archive ({error})") from error
    hint = "unzip it and pass the ontology file inside"
    names = ", ".join(info.filename for info in files[:5])
    raise Damaged(f"a ZIP archive of {len(files)} files ({names})", hint)


_UNPACKERS: tuple[tuple[bytes, Callable[[bytes, int], bytes]], ...] = (
    (b"\x1f\x8b", _gzip),
    (b"BZh", _streams(bz2.BZ2Decompressor)),
    (b"\xfd7zXZ\x00", _streams(lzma.LZMADecompressor)),
    (b"]\x00\x00", _streams(lzma.LZMADecompressor)),
    (b"\x28\xb5\x2f\xfd", _zstandard),
    (b"PK\x03\x04", _zip),
)
