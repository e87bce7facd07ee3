"""The present state of a lake: what is committed, and what the open transaction has staged.

Whoever compares values with the registries has to see the records that the same transaction is
about to save, or a dataset couldn't be saved together with the terms that it names.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.compute as pc

from lakehouse.engine import State
from lakehouse.orm.model.context import active_batch
from lakehouse.orm.model.rows import as_table
from lakehouse.orm.session.links import Row, overlay_of
from lakehouse.orm.view.edits import laid_over
from lakehouse.orm.view.visible import branches_of

if TYPE_CHECKING:
    from lakehouse.orm.lake.lake import Lake
    from lakehouse.orm.session.batch import Batch

_LINKS = "_link"


def present(lake: Lake, state: State | None = None) -> State:
    """A state of a lake with what the open transaction stages laid over it.

    Args:
        lake: The lake.
        state: The state, by default the lake's newest one.
    """
    base = lake.state if state is None else state
    batch = active_batch(lake)
    # the base has the branch's edits already; what is staged is laid over these, once
    return base if batch is None or isinstance(base, PresentState) else PresentState(base, batch)


class PresentState(State):
    """A state that shows the rows and links of a transaction that isn't committed yet.

    Attributes:
        branches: The branches whose records are seen.
    """

    def __init__(self, base: State, batch: Batch) -> None:
        super().__init__(
            base._cache, base._specs, base._limits, base.seq, base.commit_id, base.pointers
        )
        self.branches = branches_of(base)
        self._versions = base._versions
        self._base = base
        self._batch = batch
        self._tables: dict[str, _Staged] = {}

    def _staged(self, table: str) -> _Staged:
        found = self._tables.get(table)
        if found is None:
            found = self._tables[table] = _Staged(
                self._batch, table, self._specs[table].column_names if table in self._specs else ()
            )
        return found

    def arrow(self, table: str) -> pa.Table:
        """All rows of a table, those of the transaction last."""
        rows, staged = self._base.arrow(table), self._staged(table)
        if not staged:
            return rows
        spec = self._specs[table]
        if staged.changed:
            rows = laid_over(rows, spec, staged.changed)
        # deleted before new, so that what is deleted and staged again is there
        if staged.deleted:
            gone = pc.is_in(rows["uid"], value_set=pa.array(sorted(staged.deleted), pa.string()))
            rows = rows.filter(pc.invert(gone))
        uids = rows["uid"]
        asked = pa.array(list(staged.new), pa.string())
        # links are named after what they link: a staged one may be committed, and counts once
        there = set(uids.filter(pc.is_in(uids, value_set=asked)).to_pylist())
        new = {uid: row for uid, row in staged.new.items() if uid not in there}
        if not new:
            return rows
        made = as_table(spec, list(new.values())).select(rows.column_names).cast(rows.schema)
        return pa.concat_tables([rows, made])

    def count(self, table: str) -> int:
        """Number of rows."""
        return self.arrow(table).num_rows if self._staged(table) else self._base.count(table)

    def row(self, table: str, uid: str) -> Row | None:
        """One row as Python values, or None."""
        staged = self._staged(table)
        # new first: a link that is deleted and then staged again is in both
        found = staged.new.get(uid)
        if found is None and uid not in staged.deleted:
            found = self._base.row(table, uid)
        return None if found is None else {**found, **staged.changed.get(uid, {})}

    def rows(self, table: str, uids: Sequence[str]) -> list[Row]:
        """Several rows in the given order; those that don't exist are left out."""
        if not self._staged(table):
            return self._base.rows(table, uids)
        found = (self.row(table, uid) for uid in uids)
        return [row for row in found if row is not None]

    def prefix(self, table: str, stub: str, limit: int = 2) -> list[Row]:
        """Up to `limit` rows whose uid starts with a stub, in uid order."""
        staged = self._staged(table)
        if not staged:
            return self._base.prefix(table, stub, limit)
        # so many more that those which are deleted take nobody's place
        known = {row["uid"] for row in self._base.prefix(table, stub, limit + len(staged.deleted))}
        uids = sorted(known | {uid for uid in staged.new if uid.startswith(stub)})
        return self.rows(table, uids)[:limit]


class _Staged:
    """What a transaction does to one table.

    Attributes:
        new: Its new rows by uid.
        changed: The columns that it changes, by uid.
        deleted: The uids of the rows that it deletes.
    """

    def __init__(self, batch: Batch, table: str, columns: Sequence[str]) -> None:
        self._batch = batch
        self._table = table
        self._columns = columns

    def __bool__(self) -> bool:
        return bool(self.new or self.changed or self.deleted)

    @cached_property
    def new(self) -> dict[str, Row]:
        if not self._table.endswith(_LINKS):
            return {r.uid: _row_of(r) for r in self._batch.staged_records(self._table)}
        links = overlay_of(self._batch).links.get(self._table)
        # a table of Arrow needs all columns of each row
        unsaid = dict.fromkeys(self._columns)
        return {} if links is None else {u: {**unsaid, **row} for u, row in links.rows.items()}

    @cached_property
    def changed(self) -> dict[str, Row]:
        # only what the record changes: the rest of its values may be older than the state
        found = (r for r in self._batch.records(self._table) if r._saved and r._old)
        return {r.uid: {name: r._values.get(name) for name in r._old or ()} for r in found}

    @cached_property
    def deleted(self) -> set[str]:
        if not self._table.endswith(_LINKS):
            return set(self._batch.deleted(self._table))
        links = overlay_of(self._batch).links.get(self._table)
        return set() if links is None else set(links.deleted)


def _row_of(record: Any) -> Row:
    """The row that a new record will have."""
    # uids of what it refers to are put into its values at the commit only
    keys = {f"{name}_uid": target.uid for name, target in (record._related or {}).items()}
    values = dict.fromkeys(record.meta.fields)
    return {**values, **record._values, **keys, "uid": record.uid}
