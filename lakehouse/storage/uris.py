"""Telling local paths from URIs, and writing each in one way."""

from __future__ import annotations

import os
from urllib.parse import unquote, urlsplit

_ALIASES = {"s3a": "s3", "s3n": "s3", "gcs": "gs", "local": "file"}


def scheme_of(path: str) -> str:
    """The scheme of a URI in its usual spelling; `"file"` for a plain path.

    Example:
        >>> scheme_of("s3a://bucket/x"), scheme_of("/data/x")
        ('s3', 'file')
    """
    head, separator, _ = path.partition("://")
    if not separator or not head.isascii() or not head.replace("+", "").isalnum():
        return "file"
    return _ALIASES.get(head.lower(), head.lower())


def is_remote(path: str) -> bool:
    """Whether a path is on another file system than the machine's own."""
    return scheme_of(path) != "file"


def text_of(path: str | os.PathLike[str]) -> str:
    """A path, URI or UPath as text."""
    if isinstance(path, str):
        return path
    if getattr(path, "protocol", ""):  # a UPath; os.fspath would drop the scheme or refuse
        return str(path)
    return os.fspath(path)


def local_path(path: str) -> str:
    """The absolute path that a local path or `file://` URI means."""
    if "://" in path and not is_remote(path):
        path = unquote(urlsplit(path).path)
    return os.path.abspath(os.path.expanduser(path))


def normal(path: str) -> str:
    """A path or URI written in one way: absolute or with scheme, without a closing slash."""
    if not is_remote(path):
        return local_path(path)
    return f"{scheme_of(path)}://{path.partition('://')[2].strip('/')}"
