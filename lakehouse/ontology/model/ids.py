"""Ids in one spelling, whatever the format they come from."""

from __future__ import annotations

import re

_PURL = re.compile(r"https?://purl\.obolibrary\.org/obo/(?:[\w./-]+#)(\w+)$")
_IRI = re.compile(r"https?://\S*[/#]([A-Za-z][A-Za-z0-9.]*(?:_[A-Za-z]+)?)_(\d\w*)$")
# OBO graphs: pato#reciprocal_of comes back from the parser as pato#reciprocal:of
_SPLIT_SHORTHAND = re.compile(r"[\w./-]*#([^\W_]+):(\w+)$")


def compact(key: str) -> str:
    """The short form of an id: CURIEs stay, OBO-style IRIs become CURIEs, escapes go.

    Example:
        >>> compact("http://www.ebi.ac.uk/efo/EFO_0000001"), compact("CL:0000084")
        ('EFO:0000001', 'CL:0000084')
    """
    if key.startswith("http"):
        found = _PURL.match(key)
        if found and not re.fullmatch(
            r"[A-Za-z][A-Za-z0-9.]*(?:_[A-Za-z]+)?_\d\w*", found.group(1)
        ):
            return found.group(1)
        found = _IRI.match(key)
        key = f"{found.group(1)}:{found.group(2)}" if found else key
    elif "#" in key and (found := _SPLIT_SHORTHAND.match(key)):
        key = f"{found.group(1)}_{found.group(2)}"
    return unescape(key) if "\\" in key else key


def unescape(text: str) -> str:
    """An identifier without OBO's backslash escapes."""
    return re.sub(r"\\(.)", lambda found: {"W": " ", "t": "\t"}.get(found[1], found[1]), text)
