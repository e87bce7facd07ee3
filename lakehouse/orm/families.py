"""Version families: all versions that share a name, also when several are saved at once.

The name of a family is what some columns hold: the key of an artifact, the record that a
readme is about. A family begins with a claim on its name, so that of two processes that begin
one at the same time the second continues the family of the first.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

import pyarrow.compute as pc

from lakehouse.engine.spec import KEY_SEPARATOR
from lakehouse.identity import UID_LENGTH, digest_text, next_version, stem_of

if TYPE_CHECKING:
    from lakehouse.orm.batch import Batch
    from lakehouse.orm.lake import Lake

Name = Mapping[str, str]
"""Columns and their values, which all versions of a family have in common."""

_FIRST = "0000"
_LONG, _SHOWN = 1024, 200  # bytes, characters; an index takes no text of any length
_staged: WeakKeyDictionary[Batch, dict[tuple[str, str], str]] = WeakKeyDictionary()


def latest_uid(lake: Lake, table: str, name: Name, *, hidden: bool = False) -> str | None:
    """The uid of the latest visible version with a name, or of any with `hidden`."""
    rows = lake.state.arrow(table)
    for column, value in name.items():
        if column not in rows.column_names or pc.index(rows[column], value).as_py() < 0:
            return None
        rows = rows.filter(pc.equal(rows[column], value))
    hits = rows.select(["uid", "branch_uid"]).to_pylist()
    seen = [r["uid"] for r in hits if hidden or r["branch_uid"] in lake.visible_branches]
    return max(seen, default=None)


def family_of(lake: Lake, table: str, name: Name) -> str | None:
    """The uid of the version that a new record with a name follows.

    Where all versions are in the trash it still follows them, so that restoring one doesn't
    leave two families with one name.
    """
    meta = lake.directory.by_table[table].meta
    for column, value in name.items():
        if not lake.matcher.holds(meta, column, value):
            return None
    return latest_uid(lake, table, name) or latest_uid(lake, table, name, hidden=True)


def claim_of(table: str, name: Name) -> str:
    """The unique key by which the first version of a family holds its name."""
    text = KEY_SEPARATOR.join(name.values())
    data = text.encode("utf-8", "surrogatepass")
    if len(data) > _LONG:
        text = f"{text[:_SHOWN]}…{digest_text(data)}"
    return f"{table}.family{KEY_SEPARATOR}{text}"


def is_held(lake: Lake, table: str, column: str, value: str) -> bool:
    """Whether any row has a value in a column, which is cheaper to know than which one."""
    rows = lake.state.arrow(table)
    return column in rows.column_names and pc.index(rows[column], value).as_py() >= 0


def is_first(uid: str) -> bool:
    """Whether a uid is that of a first version."""
    return uid[UID_LENGTH:] == _FIRST


def inherit(record: Any, column: str) -> None:
    """Let a new version say what the one before it says, unless it was told something else."""
    uid = record._values.get("uid")
    if record._values.get(column) is None and uid is not None and not is_first(uid):
        rows = record._family(stem_of(uid))
        record._values[column] = rows[-1].get(column) if rows else None


def staged_uid(batch: Batch, table: str, name: Name) -> str | None:
    """The uid of the newest version with a name that an open transaction saves."""
    return _staged.get(batch, {}).get((table, claim_of(table, name)))


def holder_among_staged(batch: Batch, table: str, uid: str, name: Name) -> str:
    """The uid that takes a name in an open transaction: this one, or one before it."""
    staged = _staged.setdefault(batch, {})
    return staged.setdefault((table, claim_of(table, name)), uid)


def uid_among_staged(batch: Batch, table: str, uid: str, name: Name | None) -> str:
    """The uid that a new version gets beside the others of an open transaction."""
    staged = _staged.setdefault(batch, {})
    claim = None if name is None else (table, claim_of(table, name))
    stem = (table, stem_of(uid))
    before = staged.get(claim) if claim is not None and is_first(uid) else None
    before = before or staged.get(stem)
    if before is not None and before != uid:
        uid = next_version(max(before, uid) if stem_of(before) == stem_of(uid) else before)
    elif before == uid:
        uid = next_version(uid)
    staged[table, stem_of(uid)] = uid
    if claim is not None:
        staged[claim] = uid
    return uid
