"""Merging a branch: its records and its edits come to another branch, in one commit.

A conflict is what both sides changed since they saw each other: one unique name given twice, a
field with two new values, a family of versions that went on on both sides, or an edit of a
record that is gone. Conflicts are all found before anything is written.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from lakehouse.config import notify
from lakehouse.engine import Changes
from lakehouse.errors import (
    InvalidArgument,
    KeyConflict,
    MergeConflict,
    ReadOnlyLake,
    RowConflict,
)
from lakehouse.orm.branches.diff import ChangedRow, Diff, RegistryDiff
from lakehouse.orm.branches.plan import Plan, Values, plan_of
from lakehouse.orm.model.builtin import ARCHIVE, MAIN, TRASH
from lakehouse.orm.model.context import active_batch
from lakehouse.orm.view import edits

if TYPE_CHECKING:
    from lakehouse.engine import Commit, State
    from lakehouse.orm.lake.lake import Lake

_ATTEMPTS = 5
_SIDES = (None, "branch", "main")


def merge(lake: Lake, branch: Any, *, prefer: str | None, dry_run: bool) -> Commit | Diff | None:
    """Merge a branch into the lake's current one; see `Branching.merge`."""
    if lake.read_only:
        raise ReadOnlyLake("This lake is bound to a past state and takes no writes.")
    if prefer not in _SIDES:
        raise InvalidArgument(
            "A merge prefers one side, or none.", found=prefer, expected='"branch" or "main"'
        )
    if active_batch(lake) is not None:
        raise InvalidArgument("A merge is a commit of its own.", hint="end the transaction first")
    source = lake.named("Branch", branch)
    if source.uid in (TRASH, ARCHIVE):
        raise InvalidArgument(
            f"The branch {source.name!r} isn't merged.",
            hint=f"{source.name} holds records of all branches; restore() brings one back",
        )
    if source.uid == lake.branch_uid:
        notify(f"the branch {source.name!r} is the current one: there is nothing to merge", "info")
        return None
    # as it was at first: another merge of it meanwhile has changed its time
    row = lake.engine.state().row("branch", source.uid)
    for attempt in range(_ATTEMPTS):
        plan = plan_of(lake, source.uid, lake.branch_uid, prefer)
        if dry_run:
            return diff_of_plan(lake, plan)
        if row is not None and plan.source["merged_at"] != row["merged_at"]:
            raise _merged_meanwhile(plan)
        if plan.conflicts:
            raise conflict_error(plan)
        if plan.empty and plan.source["status"] == "merged":
            notify(f"the branch {source.name!r} is merged already", "info")
            return None
        try:
            commit = _commit(lake, plan)
        # others changed what this was planned from: planned again, it may be a conflict
        except (RowConflict, KeyConflict):
            if attempt == _ATTEMPTS - 1:
                raise
            continue
        notify(f"merged the branch {source.name!r} into {plan.target['name']!r}")
        return commit
    return None


def _merged_meanwhile(plan: Plan) -> RowConflict:
    return RowConflict(
        f"The branch {plan.source['name']!r} was merged by another process meanwhile.",
        found=f"merged at {plan.source['merged_at']}",
        hint="nothing is left to do; merge again if more was saved on it since",
    )


def conflict_error(plan: Plan) -> MergeConflict:
    """The error that lists a plan's conflicts."""
    lines = [f"{i}. {conflict}" for i, conflict in enumerate(plan.conflicts, 1)]
    name, target = plan.source["name"], plan.target["name"]
    return MergeConflict(
        f"The branch {name!r} can't be merged into {target!r}: {len(lines)} conflict(s); "
        "nothing was merged.\n  " + "\n  ".join(lines),
        hint=f"resolve them, then merge again; to look first: lakehouse merge --dry-run {name}",
        conflicts=tuple(plan.conflicts),
    )


def _commit(lake: Lake, plan: Plan) -> Commit:
    source, target = plan.source["uid"], plan.target["uid"]
    now = datetime.now(UTC)
    changes = Changes()
    for table, rows in plan.moves.items():
        for uid in rows["uid"].to_pylist():
            # with what was seen: a row that has left the branch meanwhile isn't moved
            changes.update(table, uid, {"branch_uid": target}, {"branch_uid": source})
    by_table = lake.directory.by_table
    for edit, value, before in plan.applied:
        table, name = edit["registry"], edit["field"]
        # only main's rows take values; another branch takes the edits over
        if target != MAIN:
            _hand_over(changes, lake.engine.state(), edit, target)
            continue
        stamp = {"updated_at": now} if "updated_at" in by_table[table].meta.fields else {}
        changes.update(table, edit["target_uid"], {name: value, **stamp}, {name: before})
    changes.delete(edits.TABLE, [edit["uid"] for edit in plan.done])
    new = {
        "status": "merged",
        "merged_into_uid": target,
        "merged_at": now,
        "merged_by_uid": lake.user_uid or None,
        "updated_at": now,
    }
    # of two merges at once the second one finds these changed
    old = {name: plan.source[name] for name in ("status", "merged_at")}
    changes.update("branch", source, new, old)
    message = f"merge branch {plan.source['name']!r} into {plan.target['name']!r}"
    # what becomes an edit is decided above; isolating would decide it once more
    return lake.commit(changes, message=message, isolate=False)


def _hand_over(changes: Changes, state: State, edit: Values, target: str) -> None:
    """Make an edit of main's record one of another branch."""
    uid = edits.edit_uid(target, edit["registry"], edit["target_uid"], edit["field"])
    known = state.row(edits.TABLE, uid)
    if known is None:
        changes.insert(edits.TABLE, [{**edit, "uid": uid, "branch_uid": target}])
    else:
        changes.update(edits.TABLE, uid, {"value": edit["value"]}, {"value": known["value"]})


def diff_of_plan(lake: Lake, plan: Plan) -> Diff:
    """What merging would change, as a difference."""
    found: dict[str, RegistryDiff] = {}
    by_table = lake.directory.by_table
    for table, rows in plan.moves.items():
        meta = by_table[table].meta
        index = rows.schema.get_field_index("branch_uid")
        target = pa.array([plan.target["uid"]] * rows.num_rows, pa.string())
        moved = rows.set_column(index, "branch_uid", target)
        json = meta.spec.json_columns
        found[meta.name] = RegistryDiff(meta.name, meta.name_field, [], moved, _json=json)
    changed: dict[tuple[str, str], dict[str, tuple[Any, Any]]] = {}
    for edit, value, now in plan.applied:
        fields = changed.setdefault((edit["registry"], edit["target_uid"]), {})
        fields[edit["field"]] = (now, value)
    state = lake.engine.state()
    for (table, uid), fields in changed.items():
        meta = by_table[table].meta
        name = (state.row(table, uid) or {}).get(meta.name_field)
        known = found.setdefault(meta.name, RegistryDiff(meta.name, meta.name_field, []))
        found[meta.name] = replace(known, changed=[*known.changed, ChangedRow(uid, name, fields)])
    return Diff(plan.source["name"], plan.target["name"], found, tuple(plan.conflicts))
