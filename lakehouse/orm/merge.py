"""Merging a branch: its records and its edits come to another branch, in one commit.

A conflict is what both sides changed since they saw each other: one unique name given twice, a
field with two new values, a family of versions that went on on both sides, or an edit of a
record that is gone. Conflicts are all found before anything is written.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.compute as pc

from lakehouse.config import notify
from lakehouse.engine import Changes
from lakehouse.errors import (
    InvalidArgument,
    KeyConflict,
    MergeConflict,
    ReadOnlyLake,
    RowConflict,
)
from lakehouse.identity import UID_LENGTH
from lakehouse.orm import edits
from lakehouse.orm.bootstrap import ARCHIVE, MAIN, TRASH
from lakehouse.orm.context import active_batch
from lakehouse.orm.diff import ChangedRow, Diff, RegistryDiff, text_of

if TYPE_CHECKING:
    from lakehouse.engine import Commit, State
    from lakehouse.orm.lake import Lake
    from lakehouse.orm.meta import RegistryMeta

Values = dict[str, Any]
_ATTEMPTS = 5
_SIDES = (None, "branch", "main")


@dataclass(frozen=True)
class Conflict:
    """Something that both sides changed.

    Attributes:
        kind: `name`, `field`, `version`, `key` or `gone`.
        registry: The registry's name.
        uid: The record on the branch.
        what: The fields, or the key of a family of versions.
        ours: The value on the branch.
        theirs: The value on the other side.
        hint: What to do about it.
        target: The name of the other side.
    """

    kind: str
    registry: str
    uid: str
    what: str
    ours: str
    theirs: str
    hint: str
    target: str = MAIN

    def __str__(self) -> str:
        return (
            f"{self.registry} {self.uid}: {self.what} is {self.ours} on the branch and "
            f"{self.theirs} on {self.target}; {self.hint}"
        )


@dataclass
class Plan:
    """What merging would do.

    Attributes:
        source, target: The rows of both branches.
        moves: The branch's rows by table.
        applied: Edits that will be applied: (row of `branch_edit`, its value, main's value).
        kept: Rows of `branch_edit` that are done with.
        conflicts: Why it can't be done.
    """

    source: Values
    target: Values
    moves: dict[str, pa.Table] = field(default_factory=dict)
    applied: list[tuple[Values, Any, Any]] = field(default_factory=list)
    done: list[Values] = field(default_factory=list)
    conflicts: list[Conflict] = field(default_factory=list)

    @property
    def empty(self) -> bool:
        """Whether there is nothing to merge."""
        return not self.moves and not self.done


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


# -- planning --------------------------------------------------------------------------


def plan_of(lake: Lake, source: str, target: str, prefer: str | None = None) -> Plan:
    """What merging one branch into another would do."""
    state = lake.engine.state()
    plan = Plan(_branch(state, source), _branch(state, target))
    for cls in lake.directory.all():
        meta = cls.meta
        if not meta.has_branch or not state.count(meta.table):
            continue
        rows = state.arrow(meta.table)
        own = rows.filter(pc.equal(rows["branch_uid"], source))
        if own.num_rows:
            plan.moves[meta.table] = own
    _plan_edits(lake, state, plan, prefer)
    for table, own in plan.moves.items():
        meta = lake.directory.by_table[table].meta
        if meta.names_per_branch:
            plan.conflicts += _name_conflicts(lake, state, plan, meta, own)
        if meta.versioned:
            plan.conflicts += _version_conflicts(state, plan, meta, own, prefer)
    name = str(plan.target["name"])
    plan.conflicts = [replace(conflict, target=name) for conflict in plan.conflicts]
    return plan


def _branch(state: State, uid: str) -> Values:
    return state.row("branch", uid) or {"uid": uid, "name": uid, "status": None, "merged_at": None}


def _plan_edits(lake: Lake, state: State, plan: Plan, prefer: str | None) -> None:
    """Sort the branch's edits into those to apply and conflicts."""
    target = plan.target["uid"]
    specs = lake.engine.specs
    theirs = edits.edits_of(state, specs, target) if target != MAIN else {}
    for edit in edits.rows_of(state, plan.source["uid"]):
        table, uid, name = edit["registry"], edit["target_uid"], edit["field"]
        plan.done.append(edit)
        row = state.row(table, uid) if table in state.pointers else None
        if row is not None:
            row = {**row, **theirs.get(table, {}).get(uid, {})}
        value, base = (edits.decode(specs[table], name, edit[k]) for k in ("value", "base"))
        now = None if row is None else row.get(name)
        registry = lake.directory.by_table[table].meta.name
        if row is not None and edits.encode(now) == edit["value"]:
            continue
        if (row is not None and edits.encode(now) == edit["base"] and _there(row, name)) or (
            prefer == "branch" and row is not None and _there(row, name)
        ):
            plan.applied.append((edit, value, now))
        elif prefer != "main":
            plan.conflicts.append(_edit_conflict(registry, row, edit, value, base, now))


def _there(row: Values, name: str) -> bool:
    return name == "branch_uid" or row["branch_uid"] not in (TRASH, ARCHIVE)


def _edit_conflict(
    registry: str, row: Values | None, edit: Values, value: Any, base: Any, now: Any
) -> Conflict:
    uid, name = edit["target_uid"], edit["field"]
    if row is None or not _there(row, name):
        where = "deleted for good" if row is None else f"in the {row['branch_uid']}"
        hint = 'restore it, or drop the edit: merge(…, prefer="main")'
        return Conflict("gone", registry, uid, name, _shown(value), where, hint)
    hint = (
        f"it was {_shown(base)} before; set the same value on both sides, or choose one with "
        'prefer="branch" or prefer="main"'
    )
    return Conflict("field", registry, uid, name, _shown(value), _shown(now), hint)


def _shown(value: Any) -> str:
    text = repr(value) if value is None or isinstance(value, str) else str(text_of(value))
    return text if len(text) <= 200 else text[:197] + "…"


def _name_conflicts(
    lake: Lake, state: State, plan: Plan, meta: RegistryMeta, own: pa.Table
) -> Iterator[Conflict]:
    """Unique names of the branch's records that records of the other side have."""
    target = plan.target["uid"]
    index = own.schema.get_field_index("branch_uid")
    moved = own.set_column(index, "branch_uid", pa.array([target] * own.num_rows, pa.string()))
    ours = dict(meta.spec.keys_of_table(moved))
    ours.update(_edited_keys(state, plan, meta))
    taken = lake.engine.holders(list(ours))
    leaving = {e["target_uid"] for e, _, _ in plan.applied if e["registry"] == meta.table}
    for key, holder in taken.items():
        uid = ours[key]
        if holder == uid:
            continue
        row, mine = state.row(meta.table, holder), state.row(meta.table, uid)
        if row is None or mine is None:
            continue
        if holder in leaving and key not in meta.spec.keys_of(_after(plan, meta, row)):
            continue
        columns = next(c for c in meta.unique if key.startswith(f"{meta.table}.{'+'.join(c)}"))
        what = ", ".join(columns[:1])
        yield Conflict(
            "name",
            meta.name,
            uid,
            f"the unique {what} {_shown(_after(plan, meta, mine)[columns[0]])}",
            f"{_described(meta, mine)}",
            f"another record, {holder}: {_described(meta, row)}",
            f"rename or delete one: ln.{meta.name}.get({uid!r})",
        )


def _described(meta: RegistryMeta, row: Values) -> str:
    skipped = {"uid", "branch_uid", "space_uid", "created_on_uid", "is_locked", "run_uid"}
    skipped |= {"created_at", "updated_at", "created_by_uid", *meta.unique[0]}
    given = {n: v for n, v in row.items() if n not in skipped and v not in (None, False)}
    shown = {n: v for n, v in given.items() if meta.defaults.get(n) != v}
    text = ", ".join(f"{n}={_shown(v)}" for n, v in shown.items())
    return f"a new record ({text})" if text else "a new record"


def _after(plan: Plan, meta: RegistryMeta, row: Values) -> Values:
    """A row as the branch's edits leave it."""
    mine = [(e, v) for e, v, _ in plan.applied if e["registry"] == meta.table]
    return {**row, **{e["field"]: v for e, v in mine if e["target_uid"] == row["uid"]}}


def _edited_keys(state: State, plan: Plan, meta: RegistryMeta) -> Values:
    """The unique keys that records of the other side will have by the branch's edits."""
    columns = meta.spec.key_columns
    names = [e for e, _, _ in plan.applied if e["registry"] == meta.table and e["field"] in columns]
    found: Values = {}
    for uid in dict.fromkeys(e["target_uid"] for e in names):
        row = state.row(meta.table, uid)
        if row is not None:
            found.update(dict.fromkeys(meta.spec.keys_of(_after(plan, meta, row)), uid))
    return found


def _version_conflicts(
    state: State, plan: Plan, meta: RegistryMeta, own: pa.Table, prefer: str | None
) -> Iterator[Conflict]:
    """Families of versions that went on on the other side after the branch's last version."""
    rows = state.arrow(meta.table)
    there = rows.filter(pc.equal(rows["branch_uid"], plan.target["uid"]))
    if not there.num_rows:
        return
    named = "key" if "key" in own.column_names else meta.name_field
    ours, theirs = _newest(own, named), _newest(there, named)
    for stem, (uid, name) in ours.items():
        other = theirs.get(stem)
        if other is not None and other[0] > uid and prefer != "main":
            yield Conflict(
                "version",
                meta.name,
                uid,
                f"the newest version of {name!r}",
                uid,
                f"{other[0]}, which was made without it",
                'save a version on the branch that has both, or pass prefer="main": then '
                f"{other[0]} is the latest",
            )
    families = {name: stem for stem, (_, name) in theirs.items() if name is not None}
    for stem, (uid, name) in ours.items():
        if stem not in theirs and families.get(name, stem) != stem:
            other_uid = theirs[families[name]][0]
            yield Conflict(
                "key", meta.name, uid, f"the key {name!r}", f"{uid}",
                f"{other_uid}, of another family of versions",
                "change the key of one, or delete it",
            )  # fmt: skip


def _newest(rows: pa.Table, named: str) -> dict[str, tuple[str, Any]]:
    """The highest uid of each family, and its name."""
    found: dict[str, tuple[str, Any]] = {}
    for uid, name in zip(rows["uid"].to_pylist(), rows[named].to_pylist(), strict=True):
        stem = uid[:UID_LENGTH]
        if stem not in found or found[stem][0] < uid:
            found[stem] = (uid, name)
    return found


# -- doing -----------------------------------------------------------------------------


def _commit(lake: Lake, plan: Plan) -> Commit:
    source, target = plan.source["uid"], plan.target["uid"]
    now = datetime.now(UTC)
    changes = Changes()
    for table, rows in plan.moves.items():
        for uid in rows["uid"].to_pylist():
            changes.update(table, uid, {"branch_uid": target}, {"branch_uid": source})
    by_table = lake.directory.by_table
    for edit, value, before in plan.applied:
        table, name = edit["registry"], edit["field"]
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
    old = {name: plan.source[name] for name in ("status", "merged_at")}
    changes.update("branch", source, new, old)
    message = f"merge branch {plan.source['name']!r} into {plan.target['name']!r}"
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
