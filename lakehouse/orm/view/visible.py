"""Which rows of a state are seen: those on main and on the branch whose state it is."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.compute as pc

from lakehouse.orm.model.builtin import MAIN

if TYPE_CHECKING:
    from lakehouse.engine import State


def branches_of(state: State) -> tuple[str, ...]:
    """The branches whose records are seen in a state that `Lake.state` gave."""
    # on main states are the engine's own, which knows no branches
    found: tuple[str, ...] = getattr(state, "branches", (MAIN,))
    return found


def seen(rows: pa.Table, state: State) -> pa.Table:
    """The rows that are seen; all rows of a registry that knows no branches."""
    if "branch_uid" not in rows.column_names:
        return rows
    branches = pa.array(branches_of(state), pa.string())
    return rows.filter(pc.is_in(rows["branch_uid"], value_set=branches))
