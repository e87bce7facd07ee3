"""A storage location: a root that keys are relative to."""

from __future__ import annotations

import functools
import os
import re
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from lakehouse.errors import InvalidArgument, InvalidKey
from lakehouse.io.uris import is_remote, normal, root_of, text_of, type_of

if TYPE_CHECKING:
    from upath import UPath


# -- Artifact keys: relative posix paths that can't leave their storage location


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


@dataclass(frozen=True)
class StorageLocation:
    """A local folder or a remote prefix that holds artifacts.

    Attributes:
        root: Absolute local path, or URI without a closing slash.
        options: fsspec options, e.g. `endpoint_url`, `key` and `secret` for S3. What is not
            given comes from `AWS_ENDPOINT_URL`, `AWS_ACCESS_KEY_ID`, `AWS_SECRET_ACCESS_KEY`
            or fsspec's own configuration.

    Example:
        >>> location = StorageLocation("s3://lab/lake/")
        >>> location.root, location.type, location.uri("a/b.csv")
        ('s3://lab/lake', 's3', 's3://lab/lake/a/b.csv')
    """

    root: str
    options: Mapping[str, Any] = field(default_factory=dict, repr=False, compare=False)

    def __post_init__(self) -> None:
        if not isinstance(self.root, str | os.PathLike) or not text_of(self.root).strip():
            raise InvalidArgument(
                f"{self.root!r} can't be a storage location.",
                expected="a folder, or a URI such as s3://bucket/prefix",
            )
        if not self.options:
            given = getattr(self.root, "storage_options", None) or {}
            object.__setattr__(self, "options", dict(given))
        object.__setattr__(self, "root", root_of(text_of(self.root)))

    @property
    def type(self) -> str:
        """`"local"` or the URI's scheme, e.g. `"s3"`, `"gs"`, `"memory"`."""
        return type_of(self.root)

    @property
    def is_local(self) -> bool:
        """Whether files can be opened in place."""
        return not is_remote(self.root)

    def uri(self, key: str) -> str:
        """The local path or URI of a key.

        Raises:
            InvalidKey: The key isn't a safe relative path.
        """
        return f"{self.root.rstrip('/') if self.is_local else self.root}/{check_key(key)}"

    def path(self, key: str) -> UPath:
        """The path of a key, with this location's options."""
        from upath import UPath  # loads fsspec, which local work does without

        path: UPath = UPath(self.uri(key), **self.options)
        return path

    def contains(self, path: str | os.PathLike[str]) -> str | None:
        """The key of a path in this location; None for the root itself and all outside."""
        text = normal(text_of(path))
        if is_remote(text) == self.is_local:
            return None
        key = _below(text, self.root)
        if key is None and self.is_local:
            folder, name = os.path.split(text)
            # the name itself may be a link, too
            real = os.path.realpath(text) if os.path.islink(text) else f"{_real(folder)}/{name}"
            key = _below(real, _real(self.root))
        return key


@functools.lru_cache(maxsize=1_024)
def _real_at(folder: str, second: int) -> str:
    return os.path.realpath(folder)


def _real(folder: str) -> str:
    """A folder without links in its path; of many files in one it is looked at once a second."""
    return _real_at(folder, int(time.monotonic()))


def _below(path: str, root: str) -> str | None:
    prefix = root.rstrip("/") + "/" if not root.endswith("://") else root
    if not path.startswith(prefix) or ".." in path[len(prefix) :].split("/"):
        return None
    return path[len(prefix) :] or None
