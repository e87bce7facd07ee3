"""Digests: how damage to the files of a table is noticed, whoever holds the bytes.

**New files** carry a digest of their content in their name: the name's uuid is one of version
8 (RFC 9562), whose last 62 bits are MurmurHash3 of all bytes and whose others are random. So
data files, manifests, manifest lists and metadata files verify themselves, a pointer to a
file is a pointer to its content, and no other engine sees a difference. MurmurHash3 guards
against accidents, not against somebody who forges files.

**Files that are rewritten in their place** (by relocation, or by erasure from kept states)
can't keep that promise. They carry a seal instead: the text `BLANK` stands somewhere in the
file as the new content is encoded, and `sealed` writes a digest of everything else, the
file's name included, over its zeros. Whoever rewrites a file in place calls `sealed` last; a
Parquet file takes the text as key-value metadata, metadata JSON as a property, Avro in its
header.

**Files of older versions and of other engines** have uuids of other versions, and no digest.
"""

from __future__ import annotations

import os
import re
import uuid
from typing import TYPE_CHECKING

import mmh3

from lakehouse.errors import LakeCorrupt

if TYPE_CHECKING:
    import pyarrow as pa

SEAL = "lakehouse.seal"
_MARK = b"lakehouse-seal:"
_ZEROS = b"0" * 32
BLANK = (_MARK + _ZEROS).decode()

_SEALED = re.compile(_MARK + rb"([0-9a-f]{32})")
_BITS = (1 << 62) - 1
_VERSION = 8
_VARIANT = 0b10 << 62
_NAMED = re.compile(
    r"([0-9a-f]{8}-?[0-9a-f]{4}-?8[0-9a-f]{3}-?[89ab][0-9a-f]{3}-?[0-9a-f]{12})"
    r"(?:-m\d+)?\.(?:parquet|avro|metadata\.json)$"
)


def _digest(data: bytes | pa.Buffer) -> int:
    return int.from_bytes(mmh3.mmh3_x64_128_digest(data)[:8], "little") & _BITS


def content_uuid(data: bytes | pa.Buffer) -> uuid.UUID:
    """A new uuid for the name of a file with this content.

    Example:
        >>> name = content_uuid(b"some bytes")
        >>> verify(f"{name.hex}.parquet", b"some bytes")
        True
    """
    # so that files of equal content have two names: one may be garbage, the other in use
    random = int.from_bytes(os.urandom(8)) & ~0xF000 | _VERSION << 12
    return uuid.UUID(int=random << 64 | _VARIANT | _digest(data))


def named_digest(path: str) -> int | None:
    """The digest that a file's name holds, or None where another writer named it."""
    match = _NAMED.search(path)
    return None if match is None else int(match.group(1).replace("-", ""), 16) & _BITS


def verify(path: str, data: bytes | pa.Buffer) -> bool:
    """Compare a file's bytes with the digest in its name, or with its seal.

    Returns:
        Whether there is a digest at all; files of other writers have none.

    Raises:
        LakeCorrupt: The bytes aren't those that were written.
    """
    expected = named_digest(path)
    if expected is None:
        return False
    # the seal is looked for only then: few files were rewritten in their place
    if expected != (found := _digest(data)) and not _has_seal(path, data):
        raise LakeCorrupt(
            f"The lake's file {path!r} can't be read: it is damaged.",
            found=f"{len(data)} bytes with the digest {found:016x}",
            expected=f"the digest {expected:016x}, as in its name",
        )
    return True


def _seal_of(path: str, data: bytes) -> bytes:
    # only its last part, since the folder changes when a lake moves
    name = path.rpartition("/")[2].encode()
    return mmh3.mmh3_x64_128_digest(name + b"\0" + data).hex().encode()


def _has_seal(path: str, data: bytes | pa.Buffer) -> bool:
    raw = data if isinstance(data, bytes) else data.to_pybytes()
    return any(
        m.group(1) == _seal_of(path, raw[: m.start(1)] + _ZEROS + raw[m.end(1) :])
        # several, where the text stands in the rows of a file: one that fits is enough
        for m in _SEALED.finditer(raw)
    )


def sealed(path: str, data: bytes) -> bytes:
    """A file's new content with its seal, where it holds the text `BLANK`.

    Args:
        path: The file, which keeps its name.
        data: Its new bytes; the last `BLANK` in them is filled in.
    """
    # the last one, since rows before a Parquet footer may hold the text, too
    at = data.rindex(BLANK.encode()) + len(_MARK)
    return data[:at] + _seal_of(path, data) + data[at + len(_ZEROS) :]
