"""Finding the existing record that a constructor call means, and names that are similar.

A few look-ups ask the catalog. In a burst of constructor calls an index over the current
state answers, at the cost of a dictionary access; it may be some milliseconds behind other
processes, which is harmless, because saving settles what happened in between.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.compute as pc

from lakehouse.config import notify
from lakehouse.orm.model.builtin import TRASH
from lakehouse.places import places_of

if TYPE_CHECKING:
    from lakehouse.engine import State
    from lakehouse.orm.lake.lake import Lake
    from lakehouse.orm.model.meta import RegistryMeta

Key = tuple[Any, ...]

_FRESH_SECONDS = 0.005  # so long an index is believed without a look at the state
_SINGLE_LOOKUPS = 16  # asked one by one before an index over all rows is worth its time
_SEARCHED_ROWS = 20_000
_NARROWED_ROWS = 500_000
_ALIKE = 3
_SINGLE_RECORDS = 10
_BURST_SECONDS = 1.0
_SIMILAR = 82.0


_QUIET: ContextVar[bool] = ContextVar("existing records are returned without a word", default=False)


@contextmanager
def quiet_matching() -> Iterator[None]:
    """Make records that may exist: nothing is told of those, nor of similar names."""
    token = _QUIET.set(True)
    try:
        yield
    finally:
        _QUIET.reset(token)


class _Index:
    """Who holds the values of some columns, as of one version of a table."""

    def __init__(self, columns: tuple[str, ...]) -> None:
        self.columns = columns
        self.pointer: str | None = None
        self.checked = 0.0
        self.asked = 0
        self.holders: dict[Key, str] | None = None

    def follow(self, state: State, table: str, view: str = "") -> None:
        pointer = state.pointers.get(table, "") + view  # a table may not be made yet
        # a table that others left alone keeps its index, whatever else was committed
        if pointer != self.pointer:
            self.pointer = pointer
            self.asked = 0
            self.holders = None if state.count(table) else {}

    def build(self, rows: pa.Table, seen: Sequence[str] = ()) -> dict[Key, str]:
        """Fill the index from rows; with `seen`, those of some branches, the first ones first."""
        if seen:
            # the current branch before main: there a name means the branch's own record
            parts = [rows.filter(pc.equal(rows["branch_uid"], branch)) for branch in seen]
            rows = pa.concat_tables(parts).select(["uid", *dict.fromkeys(self.columns)])
        lists = [rows[c].to_pylist() for c in self.columns]
        # in uid order: the oldest of several rows with equal values wins
        found = dict(zip(zip(*(reversed(v) for v in lists), strict=True),
                         reversed(rows["uid"].to_pylist()), strict=True))  # fmt: skip
        self.holders = found
        return found


def is_another(
    meta: RegistryMeta, columns: tuple[str, ...], values: Any, other: dict[str, Any]
) -> bool:
    """Whether records with equal values are two, since their ids differ.

    Args:
        meta: The registry.
        columns: The columns with equal values.
        values: The values of one record.
        other: Those of the other one.
    """
    # equal unique values are one record, whatever its ids say
    if columns in meta.unique or columns not in meta.match:
        return False
    ids = (own for own in meta.match[: meta.match.index(columns)] if len(own) == 1)
    pairs = ((values.get(column), other.get(column)) for (column,) in ids)
    return any(a is not None and b is not None and a != b for a, b in pairs)


class Matcher:
    """Finds existing records of one lake by the values given to a constructor."""

    def __init__(self, lake: Lake) -> None:
        self._lake = lake
        self._indexes: dict[tuple[str, tuple[str, ...]], _Index] = {}
        self._last = 0.0
        self._recent = 0
        self._told = False

    def forget(self) -> None:
        """Look at the newest state next time (after a commit of this process)."""
        for index in self._indexes.values():
            # not emptied: most tables are as they were, and pointers tell which aren't
            index.checked = 0.0

    def find(
        self, meta: RegistryMeta, values: dict[str, Any], *, any_type: bool = False
    ) -> dict[str, Any] | None:
        """The row that already has these values in one of the registry's matching columns.

        Names that are unique on each branch by itself are looked for on the current branch
        and on main, or on the branch that the values name.

        Args:
            meta: The registry.
            values: The values.
            any_type: Where no record without a type has the name, one of any type will do.
        """
        branch = values.get("branch_uid")
        # indexes are of what is seen here; another branch's names are asked of the catalog
        if meta.names_per_branch and branch not in (None, self._lake.branch_uid):
            return self._find_on(meta, values, str(branch))
        for columns in meta.match:
            key = tuple([values.get(c) for c in columns])
            if key[0] is None:
                continue
            uid = self._holder(meta, columns, key)
            if uid is not None:
                row = self._lake.state.row(meta.table, uid)
                # the catalog may be ahead of the state: no row yet, and saving settles it
                if row is None or not is_another(meta, columns, values, row):
                    return row
        name = values.get(meta.name_field) if any_type else None
        uid = None if name is None else self._holder(meta, (meta.name_field,), (name,))
        row = None if uid is None else self._lake.state.row(meta.table, uid)
        # what is a type doesn't stand for what is none
        alike = row is not None and bool(row.get("is_type")) == bool(values.get("is_type"))
        if row is None or is_another(meta, (meta.name_field,), values, row):
            return None
        return row if alike else None

    def holds(self, meta: RegistryMeta, column: str, value: Any) -> bool:
        """Whether any row has a value in a column, in a burst without a look at the column."""
        return self._holder(meta, (column,), (value,)) is not None

    def _find_on(
        self, meta: RegistryMeta, values: dict[str, Any], branch: str
    ) -> dict[str, Any] | None:
        for columns in meta.match:
            key = tuple([values.get(c) for c in columns])
            if key[0] is None:
                continue
            uid = self._lake.engine.holder(meta.table, columns, key, branch)
            if uid is not None:
                return self._lake.state.row(meta.table, uid)
        return None

    def _holder(self, meta: RegistryMeta, columns: tuple[str, ...], key: Key) -> str | None:
        table = meta.table
        index = self._indexes.get((table, columns))
        if index is None:
            index = self._indexes[(table, columns)] = _Index(columns)
        now = time.monotonic()
        lake = self._lake
        if now - index.checked > _FRESH_SECONDS:
            index.follow(lake.state, table, lake.view_key)
            index.checked = now
        if index.holders is not None:
            return index.holders.get(key)
        index.asked += 1
        seen = lake.visible_branches[::-1] if meta.names_per_branch else ()
        edited = bool(seen) and bool(lake.edits.get(table))
        # the catalog's keys are those of now, without a branch's edits of main's names
        if index.asked > _SINGLE_LOOKUPS or lake.read_only or edited:
            return index.build(lake.state.arrow(table), seen).get(key)
        if columns not in meta.unique:  # the catalog has no keys of these
            return _scan(lake.state.arrow(table), columns, key, seen)
        for branch in seen or ("",):
            uid = lake.engine.holder(table, columns, key, branch or None)
            if uid is not None:
                return uid
        return None

    def suggest(self, meta: RegistryMeta, name: str) -> None:
        """Tell the user of records with similar names, unless many records are being made."""
        if self._in_burst():
            return
        state = self._lake.state
        rows = 0 if _QUIET.get() else state.count(meta.table)
        # a hint isn't worth a wait: in large registries none is given
        if not rows or rows > _NARROWED_ROWS or not state.in_memory(meta.table):
            return
        table = state.arrow(meta.table)
        names = table[meta.name_field]
        if rows > _SEARCHED_ROWS:
            # of many, those that begin alike, which takes a fraction of the time
            alike = pc.starts_with(pc.ascii_lower(names), name[:_ALIKE].lower())
            table = table.select(_columns(meta)).filter(alike)
            names = table[meta.name_field]
            if len(names) > _SEARCHED_ROWS:
                return
        if meta.has_branch:
            seen = pa.array(self._lake.visible_branches)
            names = names.filter(pc.is_in(table["branch_uid"], value_set=seen))
        similar = similar_names(name, pc.drop_null(names).to_pylist())
        if similar:
            shown = ", ".join(repr(n) for n in similar)
            notify(f"{meta.name}: there are similar names to {name!r}: {shown}")

    def tell_existing(self, meta: RegistryMeta, row: dict[str, Any]) -> None:
        """Tell the user that an existing record is returned; in a burst, only a few times."""
        if _QUIET.get():
            return
        in_burst = self._in_burst()
        if in_burst and self._told:
            return
        self._told = in_burst
        if in_burst:
            notify("returning more existing records, without a message for each")
            return
        trashed = " from the trash" if row.get("branch_uid") == TRASH else ""
        shown = row.get(meta.name_field)
        notify(f"returning the existing {meta.name}{trashed}: {meta.name_field}={shown!r}")

    def _in_burst(self) -> bool:
        now = time.monotonic()
        if now - self._last > _BURST_SECONDS:
            self._recent = 0
        self._last = now
        self._recent += 1
        return self._recent > _SINGLE_RECORDS


def _scan(
    rows: pa.Table, columns: tuple[str, ...], key: Key, seen: Sequence[str] = ()
) -> str | None:
    mask = pc.is_in(rows["branch_uid"], value_set=pa.array(seen)) if seen else None
    for column, value in zip(columns, key, strict=True):
        test = pc.is_null(rows[column]) if value is None else pc.equal(rows[column], value)
        mask = test if mask is None else pc.and_(mask, test)
    hits = places_of(pc.fill_null(mask, fill_value=False))
    return str(rows["uid"][hits[0].as_py()].as_py()) if len(hits) else None


def _columns(meta: RegistryMeta) -> list[str]:
    return [meta.name_field, *(["branch_uid"] if meta.has_branch else [])]


def similar_names(
    name: str, names: list[str], limit: int = 3, *, at_least: float = _SIMILAR
) -> list[str]:
    """The names that differ a little from a given one, best first; equal ones are 100 alike."""
    from rapidfuzz import fuzz, process, utils  # only needed by who creates single records

    found = process.extract(
        name,
        names,
        scorer=fuzz.ratio,
        processor=utils.default_process,
        score_cutoff=at_least,
        limit=limit,
    )
    return [hit[0] for hit in found]
