"""What is a lake's own: whether a path really lies within its folders.

Paths come from a catalog, from metadata, manifests, the garbage list, rows of storage locations
or listings, and whoever wrote those may name any file of the machine. So before a file is read,
written or removed its path must be spelled in one plain way and lie, links resolved, below the
folder that it is confined to. What lies elsewhere is never touched.

A folder of the lake may be a symbolic link to another disk if that folder says so itself: by an
owner mark, a file that names the lake (see `Owner`). A storage location beside the lake has
such a mark, too; without it no stored bytes are removed there.
"""

from __future__ import annotations

import os
import re
import stat
import threading
import time
from dataclasses import dataclass
from typing import Any

import orjson

from lakehouse.errors import LakeCorrupt
from lakehouse.io.uris import is_remote

FOLDER = ".lakehouse"
MARK = "owner.json"
"""Name of the owner mark in a linked folder, and in the `.lakehouse` folder of a location."""

_FRESH_SECONDS = 2.0  # a folder that was looked at is taken to lie there for as long
_MARK_BYTES = 10_000
# what other spellings of a path are made of; a name with two dots in it is no other spelling
_ODD = re.compile(r"[\x00-\x1f\x7f]|//|/\.{1,2}(?:/|$)|/$")
_ODD_REMOTE = re.compile(r"[\\%?#*\[\]]|::|://")


@dataclass(frozen=True)
class Owner:
    """What an owner mark says: the uid of the lake, and its root when the mark was written."""

    uid: str
    root: str

    def dump(self) -> bytes:
        """The mark's bytes."""
        return orjson.dumps({"lake": self.uid, "root": self.root})


def is_plain(rest: str, *, remote: bool = False) -> bool:
    """Whether the part of a path below its root has just one spelling.

    Args:
        rest: What follows the root, with its first slash.
        remote: Whether it belongs to a URI, in which more characters have a meaning.
    """
    return not _ODD.search(rest) and not (remote and _ODD_REMOTE.search(rest))


class Confinement:
    """Decides whether paths lie below one folder, which is a lake's own.

    Args:
        folder: The folder, as an absolute local path or a URI without a closing slash.
        owner: The lake, which the marks of linked folders have to name; without it none is
            accepted.
    """

    def __init__(self, folder: str, owner: Owner | None = None) -> None:
        self.folder = folder
        self.owner = owner
        self._prefix = folder + "/"
        self._remote = is_remote(folder)
        self._looked: dict[str, float] = {}
        self._lock = threading.Lock()

    def holds(self, path: object, *, fresh: bool = False) -> bool:
        """Whether a path is a file's below the folder, links in its folders resolved.

        The file itself isn't looked at: it is opened without following a link, and removing a
        link removes nothing else.

        Args:
            path: What something names as a path.
            fresh: Look at the folders now; by default what was seen just before is believed.
        """
        if not isinstance(path, str) or not path.startswith(self._prefix):
            return False
        if not is_plain(path[len(self.folder) :], remote=self._remote):
            return False
        if self._remote:
            return True
        now = time.monotonic()
        return self._lies_here(path.rpartition("/")[0], now, now if fresh else now - _FRESH_SECONDS)

    def _lies_here(self, folder: str, now: float, since: float) -> bool:
        """Whether a folder below ours is one without links, or with links that have our mark.

        What was seen since a moment is believed. Only the parts below our folder are looked at,
        each for itself: a lake's hundred folders have most of them in common.
        """
        if folder == self.folder or self._looked.get(folder, since) > since:
            return True
        if not self._lies_here(folder.rpartition("/")[0], now, since):
            return False
        try:
            linked = stat.S_ISLNK(os.lstat(folder).st_mode)
        except OSError:
            linked = False  # nothing is there
        if linked and self.foreign_link(f"{folder}/x") is not None:
            return False
        with self._lock:
            # only bounds the memory: looking again is cheap
            if len(self._looked) > 10_000:
                self._looked.clear()
            self._looked[folder] = now
        return True

    def check(self, path: object, named_by: str = "") -> None:
        """Refuse a path outside.

        Raises:
            LakeCorrupt: It lies elsewhere, or isn't written plainly.
        """
        if not self.holds(path):
            raise self.refusal(path, named_by)

    def refusal(self, path: object, named_by: str = "") -> LakeCorrupt:
        """The error for a path outside, which says how to accept a linked folder."""
        by = f" (named by {named_by!r})" if named_by else ""
        hint = "don't trust this lake: restore it from a backup, or ask who gave it to you"
        link = None if self._remote else self.foreign_link(path)
        if link is not None:
            mark = self.owner.dump().decode() if self.owner else "its owner mark"
            hint = (
                f"if {link[0]!r} is a link to {link[1]!r} on purpose, let that folder say so: "
                f"write {mark} to {os.path.join(link[1], MARK)!r}"
            )
        return LakeCorrupt(
            "The lake names a file that isn't its own; it was left alone.",
            found=f"{path!r}{by}",
            expected=f"a file below {self.folder!r}",
            hint=hint,
        )

    def foreign_link(self, path: object) -> tuple[str, str] | None:
        """The first folder of a path that is a link to a place without this lake's mark."""
        if not isinstance(path, str) or not path.startswith(self._prefix):
            return None
        at, real = self.folder, os.path.realpath(self.folder)
        for part in path[len(self._prefix) :].split("/")[:-1]:
            at, inside = f"{at}/{part}", f"{real}/{part}"
            real = os.path.realpath(at)
            if real != inside and not self._is_marked(real):
                return at, real
        return None

    def _is_marked(self, target: str) -> bool:
        return self.owner is not None and read_local_mark(f"{target}/{MARK}") == self.owner


def read_local_mark(path: str) -> Owner | None:
    """The owner mark in a local file; None where there is none that can be read."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
        with open(descriptor, "rb") as handle:
            # no more: whoever made the folder may have put a file without end there
            return parse_mark(handle.read(_MARK_BYTES))
    except OSError:
        return None


def parse_mark(data: bytes) -> Owner | None:
    """The owner that a mark's bytes name; None where they name none."""
    try:
        found: Any = orjson.loads(data)
    except orjson.JSONDecodeError:
        return None
    if not isinstance(found, dict) or not isinstance(found.get("lake"), str):
        return None
    return Owner(found["lake"], str(found.get("root") or ""))
