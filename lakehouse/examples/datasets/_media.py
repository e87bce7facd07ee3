"""Minimal but real bytes of binary formats, so that readers of these formats accept them."""

from __future__ import annotations

import gzip
import struct
import zlib
from collections.abc import Sequence

BLOCK = 8  # the side of a JPEG block, in pixels


def gzipped(text: str) -> bytes:
    """Compressed text, without the time of compression, so that equal texts stay equal."""
    return gzip.compress(text.encode(), mtime=0)


def fcs(channels: Sequence[str], events: Sequence[Sequence[float]]) -> bytes:
    """Flow cytometry data, FCS 3.1 (ISAC, 2010): one list-mode segment of 32-bit floats."""
    data = b"".join(struct.pack(f"<{len(channels)}f", *event) for event in events)
    start = 58 + 6 * 200 + 60 * len(channels)  # room for the header and the text segment
    words = {
        "$BEGINANALYSIS": "0",
        "$ENDANALYSIS": "0",
        "$BEGINSTEXT": "0",
        "$ENDSTEXT": "0",
        "$BEGINDATA": str(start),
        "$ENDDATA": str(start + len(data) - 1),
        "$BYTEORD": "1,2,3,4",
        "$DATATYPE": "F",
        "$MODE": "L",
        "$NEXTDATA": "0",
        "$PAR": str(len(channels)),
        "$TOT": str(len(events)),
    }
    for i, name in enumerate(channels, 1):
        words |= {f"$P{i}N": name, f"$P{i}B": "32", f"$P{i}E": "0,0", f"$P{i}R": "262144"}
    text = ("/" + "/".join(f"{k}/{v}" for k, v in words.items()) + "/").encode()
    places = (58, 58 + len(text) - 1, start, start + len(data) - 1, 0, 0)
    header = b"FCS3.1    " + "".join(f"{place:>8}" for place in places).encode()
    return (header + text).ljust(start, b" ") + data


def bam(references: Sequence[tuple[str, int]]) -> bytes:
    """An alignment file without alignments (SAM/BAM specification, section 4.2)."""
    text = "@HD\tVN:1.6\tSO:coordinate\n" + "".join(
        f"@SQ\tSN:{name}\tLN:{length}\n" for name, length in references
    )
    content = b"BAM\1" + struct.pack("<i", len(text)) + text.encode()
    content += struct.pack("<i", len(references))
    for name, length in references:
        content += struct.pack("<i", len(name) + 1) + name.encode() + b"\0"
        content += struct.pack("<i", length)
    return _bgzf(content) + _bgzf(b"")


def _bgzf(content: bytes) -> bytes:
    """A block of blocked gzip: its extra field says how long it is."""
    packer = zlib.compressobj(6, zlib.DEFLATED, -15)
    packed = packer.compress(content) + packer.flush()
    head = struct.pack("<4BI2BH2BHH", 31, 139, 8, 4, 0, 0, 255, 6, 66, 67, 2, len(packed) + 25)
    return head + packed + struct.pack("<II", zlib.crc32(content), len(content))


def tiff(rows: Sequence[Sequence[int]]) -> bytes:
    """A grey, uncompressed image of one strip (TIFF 6.0), from values 0..255."""
    height, width = len(rows), len(rows[0])
    pixels = b"".join(bytes(row) for row in rows)
    tags = (
        (256, 4, width),
        (257, 4, height),
        (258, 3, 8),
        (259, 3, 1),
        (262, 3, 1),
        (273, 4, 8),
        (277, 3, 1),
        (278, 4, height),
        (279, 4, len(pixels)),
    )
    entries = b"".join(struct.pack("<HHII", tag, kind, 1, value) for tag, kind, value in tags)
    padding = b"\0" * (len(pixels) % 2)
    place = 8 + len(pixels) + len(padding)
    head = struct.pack("<2sHI", b"II", 42, place)
    return head + pixels + padding + struct.pack("<H", len(tags)) + entries + struct.pack("<I", 0)


def jpeg(blocks: Sequence[Sequence[int]]) -> bytes:
    """A grey baseline JPEG (ITU T.81) of flat 8 x 8 blocks, from values 0..255.

    Only the mean of each block is coded: with quantisation 8 its coefficient is the mean less
    128, and a four-bit code names the bit length of its difference to the last block's.
    """
    height, width = len(blocks) * BLOCK, len(blocks[0]) * BLOCK
    bits, last = [], 0
    for row in blocks:
        for value in row:
            mean = value - 128
            difference, last = mean - last, mean
            size = abs(difference).bit_length()
            bits.append(f"{size:04b}")
            if size:
                low = difference if difference > 0 else difference + (1 << size) - 1
                bits.append(f"{low:0{size}b}")
            bits.append("0")  # the only code of the other table: the block ends
    stream = "".join(bits)
    stream += "1" * (-len(stream) % 8)
    packed = int(stream, 2).to_bytes(len(stream) // 8, "big").replace(b"\xff", b"\xff\0")
    means = bytes([0, 0, 0, 12, *[0] * 12]) + bytes(range(12))
    ends = bytes([1, *[0] * 15]) + b"\0"
    return b"".join(
        (
            b"\xff\xd8",
            _segment(0xE0, b"JFIF\0\1\1\0\0\1\0\1\0\0"),
            _segment(0xDB, b"\0" + bytes([BLOCK] * 64)),
            _segment(0xC0, struct.pack(">BHHB3B", 8, height, width, 1, 1, 0x11, 0)),
            _segment(0xC4, b"\x00" + means),
            _segment(0xC4, b"\x10" + ends),
            _segment(0xDA, bytes([1, 1, 0, 0, 63, 0])),
            packed,
            b"\xff\xd9",
        )
    )


def _segment(marker: int, content: bytes) -> bytes:
    return struct.pack(">BBH", 0xFF, marker, len(content) + 2) + content
