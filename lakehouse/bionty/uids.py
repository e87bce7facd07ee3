"""Uids that say the same in every lake, for who wants to choose them.

Records get time-ordered uids of their lake unless they are given others. What identifies a term
everywhere is its id; a text that is derived from it is the same wherever it is made.

Example:
    >>> ontology("CL:0000084")
    '22LvKd01YyNA1a'
    >>> bt.CellType(name="T cell", uid=ontology("CL:0000084"))
"""

from __future__ import annotations

import hashlib
import secrets

from lakehouse.identity import ALPHABET, encode


def base62(n_char: int) -> str:
    """A random text of so many characters."""
    return "".join(secrets.choice(ALPHABET) for _ in range(n_char))


def hash_id(input_id: str | None = None, *, n_char: int) -> str:
    """The beginning of a text's MD5 digest in base62, or a random text.

    Args:
        input_id: What identifies the record, e.g. an ontology id; None for a random text.
        n_char: How many characters.
    """
    if input_id is None:
        return base62(n_char)
    digest = hashlib.md5(input_id.encode(), usedforsecurity=False).digest()
    # bytes that are zero at the beginning are counted, since a number has none
    zeros = len(digest) - len(digest.lstrip(b"\0"))
    head = f"0{ALPHABET[zeros]}" if zeros else ""
    return (head + encode(int.from_bytes(digest, "big"), 0))[:n_char]


def ontology(input_id: str | None = None) -> str:
    """14 characters for a term."""
    return hash_id(input_id, n_char=14)


def source(input_id: str | None = None) -> str:
    """8 characters for a source."""
    return hash_id(input_id, n_char=8)


def gene(input_id: str | None = None) -> str:
    """12 characters for a gene."""
    return hash_id(input_id, n_char=12)


def protein(input_id: str | None = None) -> str:
    """12 characters for a protein."""
    return hash_id(input_id, n_char=12)


def cellmarker(input_id: str | None = None) -> str:
    """12 characters for a cell marker."""
    return hash_id(input_id, n_char=12)
