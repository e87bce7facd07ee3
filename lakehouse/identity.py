"""Time-ordered base62 identifiers.

A uid has 16 characters: 8 for the milliseconds since 1970, 8 random ones. Since the
alphabet is in ASCII order, uids sort by the time they were made, so a table's files cover
narrow uid ranges. Versioned records append 4 characters that count versions from `0000`.

Example:
    >>> uid = new_uid()
    >>> len(uid), next_version(uid + "0000") == uid + "0001"
    (16, True)
"""

from __future__ import annotations

import os
import time

ALPHABET = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
UID_LENGTH = 16
VERSION_LENGTH = 4

_PAIRS = [a + b for a in ALPHABET for b in ALPHABET]
_BASE2 = 62 * 62
_BASE4 = _BASE2 * _BASE2
_INDEX = {c: i for i, c in enumerate(ALPHABET)}


def _four(value: int) -> str:
    high, low = divmod(value, _BASE2)
    return _PAIRS[high] + _PAIRS[low]


def _eight(value: int) -> str:
    high, low = divmod(value, _BASE4)
    return _four(high) + _four(low)


def encode(value: int, length: int) -> str:
    """A non-negative integer as base62 text, left-padded with `0` to a length."""
    digits = []
    while value:
        value, rest = divmod(value, 62)
        digits.append(ALPHABET[rest])
    return "".join(reversed(digits)).rjust(length, "0")


def decode(text: str) -> int:
    """The integer that a base62 text stands for."""
    value = 0
    for char in text:
        value = value * 62 + _INDEX[char]
    return value


def new_uid() -> str:
    """A new 16-character time-ordered uid."""
    random = int.from_bytes(os.urandom(8), "big")
    return _eight(time.time_ns() // 1_000_000) + _eight(random % (_BASE4 * _BASE4))


def new_uids(n: int, *, after: str | None = None) -> list[str]:
    """`n` new uids in ascending order, all of one millisecond.

    Args:
        n: How many.
        after: A uid that all of them come after; by default they are of the present.
    """
    import numpy as np

    now = time.time_ns() // 1_000_000
    head = _eight(now if after is None else max(now, decode(after[:8]) + 1))
    space = np.uint64(_BASE4 * _BASE4)
    numbers = np.unique(np.frombuffer(os.urandom(8 * n), np.uint64) % space)
    while len(numbers) < n:
        more = np.frombuffer(os.urandom(8 * (n - len(numbers))), np.uint64) % space
        numbers = np.unique(np.concatenate([numbers, more]))
    digits = np.empty((n, 8), np.uint8)
    for place in range(7, -1, -1):
        numbers, rest = np.divmod(numbers, np.uint64(62))
        digits[:, place] = rest
    text = np.frombuffer(ALPHABET.encode(), np.uint8)[digits].tobytes().decode()
    return [head + text[i : i + 8] for i in range(0, 8 * n, 8)]


def stem_of(uid: str) -> str:
    """The part of a versioned uid that its whole version family shares."""
    return uid[:UID_LENGTH]


def next_version(uid: str) -> str:
    """The uid of the version after this one, in the same family."""
    return stem_of(uid) + encode(decode(uid[UID_LENGTH:]) + 1, VERSION_LENGTH)


def digest_text(data: bytes, length: int = 22) -> str:
    """A BLAKE2b-128 digest of bytes as base62 text (22 characters hold all 128 bits)."""
    import hashlib

    value = int.from_bytes(hashlib.blake2b(data, digest_size=16).digest(), "big")
    # eight digits at a time: links are made by the ten thousand
    value, low = divmod(value, _BASE4 * _BASE4)
    high, middle = divmod(value, _BASE4 * _BASE4)
    return (_eight(high)[2:] + _eight(middle) + _eight(low))[:length]
