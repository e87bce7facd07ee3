"""Artifact keys: relative posix paths that can't leave their storage location."""

from __future__ import annotations

import re

from lakehouse.errors import InvalidKey

MAX_KEY_BYTES = 1024  # the limit of S3, the narrowest of the backends
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")


def check_key(key: str) -> str:
    """Return a key unchanged if it is a safe relative path.

    Args:
        key: A relative posix path such as `"study/counts.parquet"`.

    Raises:
        InvalidKey: It is empty, absolute or too long, or has an empty, `.` or `..` part, a
            backslash or a control character.

    Example:
        >>> check_key("study/counts.parquet")
        'study/counts.parquet'
    """
    problem = _problem(key)
    if problem:
        raise InvalidKey(
            f"The key {key!r} can't name a file in a storage location.",
            found=problem,
            expected="a relative path with forward slashes, e.g. 'study/counts.parquet'",
            hint='Artifact(path, key="study/counts.parquet")',
        )
    return key


def _problem(key: object) -> str | None:
    if not isinstance(key, str):
        return f"a {type(key).__name__}"
    if not key:
        return "an empty key"
    try:
        size = len(key.encode())
    except UnicodeEncodeError:
        return "characters that UTF-8 can't hold"
    if size > MAX_KEY_BYTES:
        return f"{size} bytes, more than {MAX_KEY_BYTES}"
    if "\\" in key:
        return "a backslash"
    if _CONTROL.search(key):
        return "a control character"
    if key.startswith(("/", "~")):
        return "an absolute path"
    if "://" in key:
        return "a URI"
    parts = key.split("/")
    if "" in parts:
        return "an empty part between slashes"
    if "." in parts or ".." in parts:
        return "a '.' or '..' part"
    return None
