"""Testing conditions on Arrow columns, before or instead of DuckDB.

DuckDB converts every value of the Arrow columns that a statement reads, which takes most of
the time of a selective filter. Conditions on single text columns are therefore tested on the
Arrow columns first. Where they are all that a statement asks for, DuckDB isn't needed; else
they are necessary conditions, and the statement is run in full over the rows that are left,
so that its meaning is DuckDB's alone.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from lakehouse.orm.query.lookups import Question, ask
from lakehouse.orm.query.q import Q

if TYPE_CHECKING:
    from lakehouse.engine import State
    from lakehouse.orm.model.meta import RegistryMeta

_LARGEST = 5_000_000
_ROWS = range(4_000, _LARGEST)  # fewer rows DuckDB reads as fast itself
_USEFUL = 0.5  # to copy a larger part costs what it saves

Test = tuple[str, Callable[[pa.ChunkedArray], pa.ChunkedArray]]
Places = tuple[tuple[Any, ...], int, "int | None"]

_ORDERS: dict[tuple[Any, ...], bool] = {
    (sign + name,): bool(sign) for sign in ("", "-") for name in ("uid", "id", "pk")
}


def narrowed(
    state: State, meta: RegistryMeta, where: Sequence[Q], only: Sequence[pa.Array] = ()
) -> pa.Table | None:
    """The rows that may fulfil the conditions, if testing them first is worth it.

    Args:
        state: The state.
        meta: The registry.
        where: Conditions that all hold.
        only: Sets of uids, to each of which the rows belong.
    """
    if state.count(meta.table) not in _ROWS or not state.in_memory(meta.table):
        return None
    tests = [test for q in where for test in _tests(meta, q)[0]]
    tests += [("uid", partial(pc.is_in, value_set=uids)) for uids in only]
    if not tests:
        return None
    rows = state.arrow(meta.table)
    mask = _mask(rows, tests)
    if mask is None:
        return None
    kept = pc.sum(mask).as_py() or 0
    return rows.filter(mask) if kept < _USEFUL * rows.num_rows else None


def evaluated(
    state: State,
    meta: RegistryMeta,
    where: Sequence[Q],
    visible: Sequence[str] | None,
    places: Places,
    *,
    counted: bool = False,
) -> pa.Table | None:
    """The rows that fulfil the conditions, if Arrow can tell; they are in uid order.

    Args:
        state: The state.
        meta: The registry.
        where: Conditions that all hold.
        visible: The branches that are meant, None for all.
        places: The order, the first row's place and the one after the last.
        counted: Only the uids are wanted.
    """
    order, start, stop = places
    # in other orders DuckDB decides, so that nulls and ties are in one place
    if (order and order not in _ORDERS) or state.count(meta.table) >= _LARGEST:
        return None
    if not state.in_memory(meta.table):
        return None
    tests: list[Test] = []
    for q in where:
        found, complete = _tests(meta, q)
        if not complete:
            return None
        tests += found
    rows = state.arrow(meta.table)
    if any(c not in rows.column_names for c in meta.columns):
        return None  # a past state, from before some column was added
    if visible is not None:
        tests.append(("branch_uid", partial(is_in, values=visible)))
    # to count, no more columns are filtered than are tested
    rows = rows.select(list({"uid", *(t[0] for t in tests)}) if counted else meta.columns)
    mask = _mask(rows, tests) if tests else None
    # filtering copies, even where all rows are kept
    if mask is not None and pc.sum(mask).as_py() != rows.num_rows:
        rows = rows.filter(mask)
    if not counted:
        rows = _in_uid_order(rows)
    if _ORDERS.get(order):
        return _backwards(rows, start, stop)
    return rows.slice(start, None if stop is None else stop - start)


def _in_uid_order(rows: pa.Table) -> pa.Table:
    """Rows in uid order; files overlap where old rows were changed after new ones came."""
    uids = rows["uid"]
    if rows.num_rows < 2 or pc.all(pc.less_equal(uids[:-1], uids[1:])).as_py():
        return rows
    return rows.take(pc.sort_indices(uids))


def _backwards(rows: pa.Table, start: int, stop: int | None) -> pa.Table:
    last = max(rows.num_rows - start, 0)
    first = 0 if stop is None else max(rows.num_rows - stop, 0)
    some = rows.slice(first, max(last - first, 0))
    return some.take(pa.array(np.arange(some.num_rows - 1, -1, -1)))


def is_in(column: pa.ChunkedArray, values: Sequence[str]) -> pa.ChunkedArray:
    """Whether the values of a column are among some others."""
    if len(values) == 1:
        return pc.equal(column, values[0])
    return pc.is_in(column, pa.array(values, pa.string()))


def _mask(rows: pa.Table, tests: Sequence[Test]) -> pa.ChunkedArray | None:
    mask = None
    for column, test in tests:
        if column not in rows.column_names:
            return None
        found = test(rows[column])
        mask = found if mask is None else pc.and_(mask, found)
    return mask


def _tests(meta: RegistryMeta, q: Q) -> tuple[list[Test], bool]:
    """Tests that a condition needs, and whether they are the whole of it."""
    # under OR or NOT no test is necessary by itself
    if q.negated or (q.connector != "AND" and len(q.children) > 1):
        return [], False
    tests: list[Test] = []
    complete = True
    for child in q.children:
        if isinstance(child, Q):
            found, whole = _tests(meta, child)
        else:
            one = _test(meta, child) if isinstance(child, tuple) else None
            found, whole = ([one], True) if one is not None else ([], False)
        tests += found
        complete = complete and whole
    return tests, complete


def _test(meta: RegistryMeta, child: tuple[str, Any]) -> Test | None:
    (name, *rest), value = child[0].split("__"), child[1]
    name = "uid" if name in ("id", "pk") else name
    if name in meta.aliases:  # which may be paths
        return None
    if name in meta.foreign_keys:
        uid = getattr(value, "uid", value)
        plain = rest in ([], ["exact"]) and isinstance(uid, str)
        return (f"{name}_uid", lambda column: pc.equal(column, uid)) if plain else None
    field = meta.fields.get(name)
    # texts only: numbers that are compared are fitted to their column in SQL
    if field is None or field.kind != "str" or (name == "uid" and not isinstance(value, str)):
        return None
    return name, partial(_fulfilling, ask(field.subject, rest, value))


def _fulfilling(question: Question, column: pa.ChunkedArray) -> pa.ChunkedArray:
    assert question.row.arrow is not None
    # null fulfils nothing, and so the opposite of everything
    found = question.row.arrow(column, question.operand)
    return pc.invert(pc.fill_null(found, False)) if question.negated else found
