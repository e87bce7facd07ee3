"""Narrowing a large table before DuckDB sees it.

DuckDB converts every value of the Arrow columns that a statement reads, which takes most of
the time of a selective filter. Conditions on single text columns are therefore tested on the
Arrow columns first. They are necessary conditions of the statement, which is then run in full
over the rows that are left: its meaning is DuckDB's alone.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.compute as pc

from lakehouse.orm.q import Q

if TYPE_CHECKING:
    from lakehouse.engine import State
    from lakehouse.orm.meta import RegistryMeta

_ROWS = range(4_000, 5_000_000)
_USEFUL = 0.5

_TESTS: dict[str, Callable[[pa.ChunkedArray, str], pa.ChunkedArray]] = {
    "exact": pc.equal,
    "startswith": pc.starts_with,
    "endswith": pc.ends_with,
    "contains": pc.match_substring,
}


def narrowed(state: State, meta: RegistryMeta, where: Sequence[Q]) -> pa.Table | None:
    """The rows that may fulfil the conditions, if testing them first is worth it."""
    if state.count(meta.table) not in _ROWS:
        return None
    tests = [test for q in where for test in _tests(meta, q)]
    if not tests:
        return None
    rows = state.arrow(meta.table)
    mask = None
    for column, test, value in tests:
        if column not in rows.column_names:
            return None
        found = test(rows[column], value)
        mask = found if mask is None else pc.and_(mask, found)
    kept = pc.sum(mask).as_py() or 0
    return rows.filter(mask) if kept < _USEFUL * rows.num_rows else None


def _tests(meta: RegistryMeta, q: Q) -> list[tuple[str, Callable[..., Any], Any]]:
    if q.negated or (q.connector != "AND" and len(q.children) > 1):
        return []
    found: list[tuple[str, Callable[..., Any], Any]] = []
    for child in q.children:
        if isinstance(child, Q):
            found += _tests(meta, child)
        elif isinstance(child, tuple):
            name, _, look_up = child[0].partition("__")
            name = "uid" if name in ("id", "pk") else name
            test = _TESTS.get(look_up or "exact")
            field = meta.fields.get(name)
            if test is not None and field is not None and field.kind == "str":
                if isinstance(child[1], str):
                    found.append((name, test, child[1]))
            elif test is pc.equal and name in meta.foreign_keys:
                uid = getattr(child[1], "uid", child[1])
                if isinstance(uid, str):
                    found.append((f"{name}_uid", test, uid))
    return found
