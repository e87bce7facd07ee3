"""Whether what lies at a place is still the content that was saved there."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from lakehouse.errors import ContentChanged
from lakehouse.io.uris import is_remote
from lakehouse.storage import remote
from lakehouse.storage.hashing import ContentHash
from lakehouse.storage.stamps import TICK, Look, look_at
from lakehouse.storage.transfer import hash_path
from lakehouse.storage.verified import Verified


@dataclass(frozen=True, slots=True)
class Saved:
    """What is known of stored content.

    Attributes:
        hash: Its hash, or empty text.
        size: Its bytes, or None if that isn't known.
        n_files: The number of a folder's files; None for a file.
        seconds: Of its stamp, which may be one of several; see `stamps.second_of`.
        before: When it was registered where it lay, in nanoseconds: what wasn't touched since is
            the same. None where the bytes were copied.
    """

    hash: str
    size: int | None
    n_files: int | None = None
    seconds: tuple[int, ...] = ()
    before: int | None = None


class Difference(NamedTuple):
    """What was found instead of what was saved.

    Attributes:
        found, expected: Both, for people.
        size: Bytes that were found; None where nothing is there.
    """

    found: str
    expected: str
    size: int | None = None


def difference(
    path: str | os.PathLike[str],
    saved: Saved,
    verified: Verified,
    *,
    by_hash: bool = False,
    options: Mapping[str, Any] | None = None,
) -> tuple[Difference | None, Look | None]:
    """How content differs from what was saved, and what a local file or folder looked like.

    Size and, of local content, times are compared always. The content is hashed where the times
    leave doubt, and where that is asked for.

    Args:
        path: The file or folder, or its URI.
        saved: What was saved.
        verified: What was hashed before.
        by_hash: Hash it in any case.
        options: fsspec options of a URI.

    Raises:
        StorageError: It can't be read.
    """
    if is_remote(os.fspath(path)):
        return _remote_difference(os.fspath(path), saved, options, by_hash=by_hash), None
    place = os.path.abspath(path)
    if not os.path.lexists(place):
        return _nothing(place, saved), None
    look = look_at(place)
    if (other := _other_size(look.size, look.n_files, saved)) is not None:
        return other, look
    if not saved.hash:
        return None, look
    if not by_hash and (_untouched(look, saved) or verified.knows(place, look, saved.hash)):
        return None, look
    content = hash_path(place)
    if content.hash != saved.hash:
        return _by_hash(content, saved), look
    after = look_at(place)
    if after.mark != look.mark:
        raise ContentChanged(f"{place!r} changes while it is read.", hint="try again")
    if not by_hash:
        verified.remember(place, look, saved.hash)
    return None, look


def _untouched(look: Look, saved: Saved) -> bool:
    """Whether the times say that nothing happened to the content since it was saved."""
    if look.bears(saved.seconds, saved.hash):
        return True
    return saved.before is not None and not look.has_links and look.newest + TICK < saved.before


def _remote_difference(
    uri: str, saved: Saved, options: Mapping[str, Any] | None, *, by_hash: bool
) -> Difference | None:
    """What a listing tells, or a download; times of object stores are those of the upload."""
    listed = list(remote.connect(uri, options).files())
    if not listed:
        return _nothing(uri, saved)
    n_files = None if [name for name, _, _ in listed] == [""] else len(listed)
    other = _other_size(sum(size for _, _, size in listed), n_files, saved)
    if other is not None or not by_hash or not saved.hash:
        return other
    content = hash_path(uri, options=options)
    return None if content.hash == saved.hash else _by_hash(content, saved)


def _nothing(place: str, saved: Saved) -> Difference:
    return Difference(f"nothing at {place!r}", _shown(saved.size, saved.n_files))


def _other_size(size: int, n_files: int | None, saved: Saved) -> Difference | None:
    if (n_files is None) != (saved.n_files is None):
        kinds = ("a file", "a folder") if n_files is None else ("a folder", "a file")
        return Difference(*kinds, size)
    if n_files != saved.n_files or saved.size not in (None, size):
        return Difference(_shown(size, n_files), _shown(saved.size, saved.n_files), size)
    return None


def _by_hash(content: ContentHash, saved: Saved) -> Difference:
    size = _shown(content.size, content.n_files)
    return Difference(
        f"{size} with the content hash {content.hash}",
        f"{_shown(saved.size, saved.n_files)} with the content hash {saved.hash}",
        content.size,
    )


def _shown(size: int | None, n_files: int | None) -> str:
    shown = "bytes" if size is None else f"{size:,} bytes"
    return shown if n_files is None else f"{shown} in {n_files:,} files"
