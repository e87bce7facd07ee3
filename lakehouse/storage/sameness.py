"""Whether what lies at a place is still the content that was saved there."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import NamedTuple

from lakehouse.errors import ContentChanged
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
    """What was found instead of what was saved."""

    found: str
    expected: str


def difference(
    path: str | os.PathLike[str], saved: Saved, verified: Verified, *, by_hash: bool = False
) -> tuple[Difference | None, Look | None]:
    """How local content differs from what was saved, and what it looked like.

    Size and times are compared always. The content is hashed where the times leave doubt, and
    where that is asked for.

    Args:
        path: The file or folder.
        saved: What was saved.
        verified: What was hashed before.
        by_hash: Hash it in any case.

    Raises:
        StorageError: It can't be read.
    """
    place = os.path.abspath(path)
    if not os.path.lexists(place):
        return Difference(f"nothing at {place!r}", _shown(saved.size, saved.n_files)), None
    look = look_at(place)
    if (other := _other_size(look, saved)) is not None:
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


def _other_size(look: Look, saved: Saved) -> Difference | None:
    if (look.n_files is None) != (saved.n_files is None):
        kinds = ("a file", "a folder") if look.n_files is None else ("a folder", "a file")
        return Difference(*kinds)
    if look.n_files != saved.n_files or saved.size not in (None, look.size):
        return Difference(_shown(look.size, look.n_files), _shown(saved.size, saved.n_files))
    return None


def _by_hash(content: ContentHash, saved: Saved) -> Difference:
    size = _shown(content.size, content.n_files)
    return Difference(
        f"{size} with the content hash {content.hash}",
        f"{_shown(saved.size, saved.n_files)} with the content hash {saved.hash}",
    )


def _shown(size: int | None, n_files: int | None) -> str:
    shown = "bytes" if size is None else f"{size:,} bytes"
    return shown if n_files is None else f"{shown} in {n_files:,} files"
