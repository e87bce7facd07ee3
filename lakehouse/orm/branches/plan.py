"""What merging a branch would do, and what stands in its way.

Everything is found out before anything is written: the branch's rows, its edits of main's
records, and the conflicts, which are what both sides changed since they saw each other.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.compute as pc

from lakehouse.identity import UID_LENGTH
from lakehouse.orm.branches.diff import text_of
from lakehouse.orm.model.builtin import ARCHIVE, MAIN, TRASH
from lakehouse.orm.view import edits
from lakehouse.text.printable import printable_line

if TYPE_CHECKING:
    from lakehouse.engine import State
    from lakehouse.orm.lake.lake import Lake
    from lakehouse.orm.model.meta import RegistryMeta

Values = dict[str, Any]


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
        return printable_line(
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
        done: Rows of `branch_edit` that are done with.
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


def plan_of(lake: Lake, source: str, target: str, prefer: str | None = None) -> Plan:
    """What merging one branch into another would do."""
    # rows of registries that aren't installed would stay behind on a merged branch
    lake.directory.demand(lake.modules, "merge a branch")
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
    for table in dict.fromkeys([*plan.moves, *(e["registry"] for e, _, _ in plan.applied)]):
        meta = lake.directory.by_table[table].meta
        own = plan.moves.get(table, state.arrow(table).slice(0, 0))
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
    # on another branch its own edits are what the field is there
    theirs = edits.edits_of(state, specs, target) if target != MAIN else {}
    for edit in edits.rows_of(state, plan.source["uid"]):
        table, uid, name = edit["registry"], edit["target_uid"], edit["field"]
        # also where nothing is to be changed: after the merge no edit is left
        plan.done.append(edit)
        row = state.row(table, uid)
        if row is not None:
            row = {**row, **theirs.get(table, {}).get(uid, {})}
        value, base = (edits.decode(specs[table], name, edit[k]) for k in ("value", "base"))
        now = None if row is None else row.get(name)
        registry = lake.directory.by_table[table].meta.name
        # both sides came to the same value. Compared as texts, since edits are kept as these
        if row is not None and edits.encode(now) == edit["value"]:
            continue
        if (row is not None and edits.encode(now) == edit["base"] and _there(row, name)) or (
            prefer == "branch" and row is not None and _there(row, name)
        ):
            plan.applied.append((edit, value, now))
        elif prefer != "main":
            plan.conflicts.append(_edit_conflict(registry, row, edit, value, base, now))


def _there(row: Values, name: str) -> bool:
    # where a record is may be edited even there; other edits of what is in the trash conflict
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
    # one question to the catalog, whose keys tell who has a name in the target
    taken = lake.engine.holders(list(ours))
    # names may change hands on the branch: who has one may give it up in this very merge
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
            f"rename or delete one: {meta.code}.get({uid!r})",
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
        # a higher version on the branch was made in sight of the target's: only lower ones conflict
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
