"""What is compared: the states and branches that references name."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.compute as pc

from lakehouse.errors import LookupFailed
from lakehouse.orm.branches.diff import (
    Diff,
    compare_rows,
    compare_states,
    no_rows,
    on_branches,
    tables_of,
)
from lakehouse.orm.branches.merge import diff_of_plan
from lakehouse.orm.branches.plan import plan_of
from lakehouse.orm.model.builtin import BUILT_IN, MAIN
from lakehouse.orm.view import edits

if TYPE_CHECKING:
    from lakehouse.engine import State
    from lakehouse.orm.lake.lake import Lake


def diff_of(lake: Lake, a: Any, b: Any, registry: Any) -> Diff:
    """The difference that `Lake.diff` promises."""
    only = None
    if registry is not None:
        only = list(registry) if isinstance(registry, list | tuple | set) else [registry]
    first, second = _branch_of(lake, a), MAIN if b is None else _branch_of(lake, b)
    if first is not None and second is not None and first != second:
        # main is what is merged into, whichever of the two comes first
        source, target = (second, first) if first == MAIN else (first, second)
        tables_of(lake, lake.engine.state().tables, only)  # unknown names are refused
        found = diff_of_plan(lake, plan_of(lake, source, target))
        return found if only is None else found.filter(*only)
    newest = lake.engine.state()
    labels = (_label(lake, a), _label(lake, b))
    states = [newest if u is not None else lake.engine.state_at(ref)
              for u, ref in ((first, a), (second, b))]  # fmt: skip
    branch = next((u for u in (first, second) if u not in (None, MAIN)), None)
    if branch is None:
        named = MAIN in (first, None if b is None else second)
        seen = BUILT_IN if named else None  # what only other branches have isn't main's
        return compare_states(lake, states[0], states[1], labels, only, seen)
    return _on_branch(lake, states, (first, second), branch, labels, only)


def _branch_of(lake: Lake, ref: Any) -> str | None:
    """The uid of the branch that a reference names, if it names one."""
    uid = getattr(ref, "uid", None)
    if uid is not None and getattr(getattr(ref, "meta", None), "table", "") == "branch":
        return str(uid)
    if not isinstance(ref, str):
        return None
    # a branch before a tag or commit of the same name
    rows = lake.engine.state().arrow("branch")
    named = rows.filter(pc.or_(pc.equal(rows["name"], ref), pc.equal(rows["uid"], ref)))
    if named.num_rows:
        return str(named["uid"][0].as_py())
    if ref not in lake.engine.tags():
        try:
            lake.engine.resolve(ref)
        except LookupFailed as error:
            names = ", ".join(map(str, rows["name"].to_pylist()))
            expected = f"{error.expected}; or one of the branches: {names}"
            raise LookupFailed(
                f"No commit, tag or branch is named {ref!r}.", expected=expected, hint=error.hint
            ) from None
    return None


def _label(lake: Lake, ref: Any) -> str:
    if ref is None:
        return "now"
    if isinstance(ref, datetime):
        return ref.isoformat()
    return str(getattr(ref, "name", ref))


def _on_branch(
    lake: Lake,
    states: list[State],
    sides: tuple[str | None, str | None],
    branch: str,
    labels: tuple[str, str],
    only: list[Any] | None,
) -> Diff:
    """The difference of a past state and a branch: of what is seen on the branch."""
    specs = lake.engine.specs
    views = []
    for state, side in zip(states, sides, strict=True):
        # main's side is shown without the branch's edits, or they would be no difference
        laid = edits.edits_of(state, specs, branch) if side != MAIN else {}
        views.append(edits.BranchState(state, specs, branch, laid))
    found = {}
    for table in tables_of(lake, {*states[0].tables, *states[1].tables}, only):
        diff = compare_rows(lake, table, *(_seen(view, table, branch) for view in views))
        if len(diff):
            found[diff.registry] = diff
    return Diff(*labels, found)


def _seen(state: State, table: str, branch: str) -> pa.Table:
    if table not in state.tables:
        return no_rows()
    return on_branches(state.arrow(table), (MAIN, branch))
