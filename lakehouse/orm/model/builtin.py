"""The first rows of a lake: its branches, its user, its own storage location."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from lakehouse.config import environment, login_name
from lakehouse.engine import Changes, Engine
from lakehouse.errors import KeyConflict
from lakehouse.identity import new_uid

MAIN, ARCHIVE, TRASH = "main", "archive", "trash"
BUILT_IN = (MAIN, ARCHIVE, TRASH)
HIDDEN = (ARCHIVE, TRASH)  # what lies there is seen by those who ask for it
NUMBERS = {1: MAIN, 0: ARCHIVE, -1: TRASH}
"""The numbers by which the peer knows the built-in branches."""
ALL = "all"
"""The uid of the space that records lie in by default."""

_BRANCHES = {
    MAIN: "What everybody sees.",
    ARCHIVE: "Kept, but left out of queries.",
    TRASH: "Left out of queries, to be deleted.",
}


def user_handle() -> str:
    """The handle of the person at the keyboard: `LAKEHOUSE_USER`, else the login name."""
    return environment().user or login_name()


def _stamped(now: datetime, **values: Any) -> dict[str, Any]:
    return {**values, "created_at": now, "updated_at": now}


def first_rows(
    engine: Engine, storage_type: str, more: Mapping[str, list[dict[str, Any]]] | None = None
) -> None:
    """Commit the first rows of a new lake.

    Args:
        engine: The new lake's engine; tables that it doesn't have are passed over.
        storage_type: `local`, `s3` …
        more: Rows of its modules, by table.
    """
    now = datetime.now(UTC)
    changes = Changes()
    user_uid, storage_uid = new_uid(), new_uid()
    if "user" in engine.specs:
        changes.insert("user", [_stamped(now, uid=user_uid, handle=user_handle())])
    if "branch" in engine.specs:
        rows = [
            _stamped(
                now,
                uid=uid,
                name=uid,
                name_key=uid,
                description=text,
                status="standalone",
                created_by_uid=user_uid,
                space_uid=ALL,
            )
            for uid, text in _BRANCHES.items()
        ]
        changes.insert("branch", rows)
    if "space" in engine.specs:
        changes.insert("space", [_space(now, user_uid)])
    if "storage" in engine.specs:
        row = _stamped(
            now,
            uid=storage_uid,
            root=engine.root,
            type=storage_type,
            lake_uid=engine.uid,
            branch_uid=MAIN,
            space_uid=ALL,
            created_on_uid=MAIN,
            is_locked=False,
            created_by_uid=user_uid,
        )
        changes.insert("storage", [row])
    for table, rows in (more or {}).items():
        changes.insert(table, [{"created_by_uid": user_uid, **row} for row in rows])
    if not changes.empty:
        engine.commit(changes, message="first rows", user=user_uid)
    engine.set_info(storage_uid=storage_uid)


def _space(now: datetime, user_uid: str) -> dict[str, Any]:
    text = "Everybody who has access to the lake."
    return _stamped(now, uid=ALL, name=ALL, description=text, created_by_uid=user_uid or None)


def ensure_space(engine: Engine) -> None:
    """Give a lake from before there were spaces its first one."""
    if "space" in engine.specs and not engine.state().count("space"):
        changes = Changes()
        changes.insert("space", [_space(datetime.now(UTC), "")], if_absent=True)
        _free_hidden_names(engine, changes)
        engine.commit(changes, message="first space")


def _free_hidden_names(engine: Engine, changes: Changes) -> None:
    """Let go of the names of trashed and archived rows, which older lakes kept taken."""
    state = engine.state()
    for spec in engine.specs.values():
        if spec.scope is None or not state.count(spec.name):
            continue
        rows = state.arrow(spec.name)
        free = pa.array(sorted(spec.scope.free), pa.string())
        hidden = rows.filter(pc.is_in(rows[spec.scope.column], value_set=free))
        for key, uid in replace(spec, scope=None).keys_of_table(hidden):
            changes.release(spec.name, key, uid)


def ensure_user(engine: Engine) -> str:
    """The uid of the present user, who is registered when they first write."""
    if "user" not in engine.specs:
        return ""
    handle = user_handle()
    known = engine.holder("user", ("handle",), (handle,))
    if known is not None:
        return known
    changes = Changes()
    uid = new_uid()
    changes.insert("user", [_stamped(datetime.now(UTC), uid=uid, handle=handle)])
    try:
        engine.commit(changes, message=f"user {handle}", user=uid)
    except KeyConflict as conflict:
        return conflict.taken[0][1]
    return uid


def follow_root(engine: Engine) -> None:
    """Let the lake's own storage location follow a lake that was moved."""
    uid = engine.info.get("storage_uid")
    if uid is None or "storage" not in engine.specs:
        return
    row = engine.state().row("storage", uid)
    if row is not None and row["root"] != engine.root:
        changes = Changes()
        changes.update("storage", uid, {"root": engine.root}, {"root": row["root"]})
        engine.commit(changes, message="lake moved")
