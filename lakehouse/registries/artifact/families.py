"""Version families: all artifacts with one key, also when several are saved at once.

A family begins with a claim on its key, so that of two processes that begin one at the same
time the second continues the family of the first.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

import pyarrow.compute as pc

from lakehouse.engine.spec import KEY_SEPARATOR
from lakehouse.identity import UID_LENGTH, next_version, stem_of

if TYPE_CHECKING:
    from lakehouse.orm import Batch, Lake

_FIRST = "0000"
_staged: WeakKeyDictionary[Batch, dict[str, str]] = WeakKeyDictionary()


def latest_uid(lake: Lake, key: str, *, hidden: bool = False) -> str | None:
    """The uid of the latest visible version with a key, or of any with `hidden`."""
    rows = lake.state.arrow("artifact")
    if pc.index(rows["key"], key).as_py() < 0:
        return None
    hits = rows.filter(pc.equal(rows["key"], key)).select(["uid", "branch_uid"]).to_pylist()
    seen = [r["uid"] for r in hits if hidden or r["branch_uid"] in lake.visible_branches]
    return max(seen, default=None)


def family_of(lake: Lake, key: str) -> str | None:
    """The uid of the version that a new artifact with a key follows.

    Where all versions are in the trash it still follows them, so that restoring one doesn't
    leave two families with one key.
    """
    return latest_uid(lake, key) or latest_uid(lake, key, hidden=True)


def family_claim(key: str) -> str:
    """The unique key by which the first version of a family holds its key."""
    return f"artifact.family{KEY_SEPARATOR}{key}"


def is_first(uid: str) -> bool:
    """Whether a uid is that of a first version."""
    return uid[UID_LENGTH:] == _FIRST


def uid_among_staged(batch: Batch, uid: str, key: str | None) -> str:
    """The uid that a new artifact gets beside the others of an open transaction."""
    staged = _staged.setdefault(batch, {})
    before = staged.get(key) if key is not None and is_first(uid) else None
    before = before or staged.get(stem_of(uid))
    if before is not None and before != uid:
        uid = next_version(max(before, uid) if stem_of(before) == stem_of(uid) else before)
    elif before == uid:
        uid = next_version(uid)
    staged[stem_of(uid)] = uid
    if key is not None:
        staged[key] = uid
    return uid


def claimed_key(values: dict[str, Any], uid_key: str | None) -> str | None:
    """What a new version claims: the family's key if it is the first one, else its uid."""
    key, uid = values.get("key"), values.get("uid")
    return family_claim(key) if key is not None and uid is not None and is_first(uid) else uid_key
