"""Edits of main's records that are made on a branch: kept beside them until they are merged.

A record lives on one branch, and its row is there once. An edit of a record on main that is
made while another branch is the current one goes to the table `branch_edit`, one row a field,
with the value that it had on main. Reads on the branch see main's rows with these edits laid
over them; main doesn't see them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING, Any

import orjson
import pyarrow as pa
import pyarrow.compute as pc

from lakehouse.engine import Changes, RowModel, State, TableSpec
from lakehouse.engine.table.json_text import dump_json
from lakehouse.errors import KeyConflict, RowConflict
from lakehouse.identity import digest_text
from lakehouse.orm.model.builtin import BUILT_IN, MAIN

if TYPE_CHECKING:
    import polars as pl

    from lakehouse.engine.commit.changes import Update
    from lakehouse.orm.lake.lake import Lake
    from lakehouse.orm.model.meta import RegistryMeta

Values = dict[str, Any]
Edits = dict[str, dict[str, Values]]
"""Table → uid → field → value."""

TABLE = "branch_edit"
_UNSEEN = frozenset(("updated_at",))
"""Columns that change with every edit, and so are no edits themselves."""


class BranchEditRow(RowModel):
    """One field of one record on main, as it is on a branch.

    Attributes:
        branch_uid: The branch.
        registry: The record's table.
        target_uid: The record.
        field: The column.
        base: JSON of its value on main when it was first edited on the branch.
        value: JSON of its value on the branch.
        edited_at: When it was last edited.
        edited_by_uid: Who edited it.
    """

    branch_uid: str | None = None
    registry: str | None = None
    target_uid: str | None = None
    field: str | None = None
    base: str | None = None
    value: str | None = None
    edited_at: datetime | None = None
    edited_by_uid: str | None = None


TABLES = (TableSpec.from_model(TABLE, BranchEditRow),)


def edit_uid(branch: str, table: str, uid: str, field: str) -> str:
    """The uid of the row that holds an edit."""
    # the same for everybody, so that two processes can't both insert an edit of one field
    return digest_text("\x1f".join((branch, table, uid, field)).encode())


def encode(value: Any) -> str:
    """A value as it is kept."""
    return dump_json(value)


def decode(spec: TableSpec, field: str, text: str | None) -> Any:
    """A kept value as records have it."""
    value = None if text is None else orjson.loads(text)
    # JSON has no moments and days: their texts become what records have
    type_ = next((c.type for c in spec.columns if c.name == field), "string")
    if isinstance(value, str) and type_ == "timestamptz":
        moment = datetime.fromisoformat(value)
        return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    if isinstance(value, str) and type_ == "date":
        return date.fromisoformat(value)
    return value


def rows_of(state: State, branch: str) -> list[Values]:
    """The edits of a branch as they are kept."""
    if not state.count(TABLE):
        return []
    rows = state.arrow(TABLE)
    return list(rows.filter(pc.equal(rows["branch_uid"], branch)).to_pylist())


def edits_of(state: State, specs: Mapping[str, TableSpec], branch: str) -> Edits:
    """The edits of a branch by table, uid and field."""
    found: Edits = {}
    for row in rows_of(state, branch):
        table, field = row["registry"], row["field"]
        if table in specs:  # else of an extension that isn't loaded
            of_row = found.setdefault(table, {}).setdefault(row["target_uid"], {})
            of_row[field] = decode(specs[table], field, row["value"])
    return found


# -- reading on a branch ---------------------------------------------------------------


class BranchState(State):
    """A state as a branch sees it: with its edits laid over main's rows.

    Attributes:
        branches: The branches whose records are seen.
    """

    def __init__(
        self, base: State, specs: Mapping[str, TableSpec], branch: str, edits: Edits
    ) -> None:
        super().__init__(base._cache, specs, base._limits, base.seq, base.commit_id, base.pointers)
        self.branches = (MAIN, branch)
        self._versions = base._versions
        self._edits = edits
        self._laid: dict[str, tuple[str | None, pa.Table]] = {}

    def follow(self, base: State) -> BranchState:
        """The same view of a newer state with the same edits."""
        new = BranchState(base, self._specs, self.branches[1], self._edits)
        # laid over once for each version of a table, which most commits leave as it was
        new._laid = self._laid
        return new

    def _lay(self, table: str, row: Values) -> Values:
        return {**row, **self._edits.get(table, {}).get(row["uid"], {})}

    def arrow(self, table: str) -> pa.Table:
        """All rows of a table, with the branch's edits."""
        edits = self._edits.get(table)
        if not edits:
            return super().arrow(table)
        known = self._laid.get(table)
        if known is None or known[0] != self.pointers.get(table):
            # all rows in memory, even of a large table: only there can edits be laid over them
            laid = laid_over(super().arrow(table), self._specs[table], edits)
            known = self._laid[table] = (self.pointers.get(table), laid)
        return known[1]

    def row(self, table: str, uid: str) -> Values | None:
        """One row as Python values, or None."""
        row = super().row(table, uid)
        return None if row is None else self._lay(table, row)

    def rows(self, table: str, uids: Sequence[str]) -> list[Values]:
        """Several rows in the given order; those that don't exist are left out."""
        return [self._lay(table, row) for row in super().rows(table, uids)]

    def prefix(self, table: str, stub: str, limit: int = 2) -> list[Values]:
        """Up to `limit` rows whose uid starts with a stub, in uid order."""
        return [self._lay(table, row) for row in super().prefix(table, stub, limit)]

    def scan(self, table: str) -> pl.LazyFrame:
        """A table as a polars lazy frame, pinned to this state."""
        if not self._edits.get(table):
            return super().scan(table)
        import polars as pl  # 0.2 s: only for those who scan

        return pl.DataFrame(self.arrow(table)).lazy()

    def _source(self, table: str) -> pa.Table | str:
        # DuckDB may not scan the files of an edited table, which hold main's values
        return self.arrow(table) if self._edits.get(table) else super()._source(table)


def laid_over(rows: pa.Table, spec: TableSpec, edits: Mapping[str, Values]) -> pa.Table:
    """Rows with some values replaced, in the same order."""
    places = pc.index_in(pa.array(list(edits), pa.string()), value_set=rows["uid"].combine_chunks())
    at = {uid: i for uid, i in zip(edits, places.to_pylist(), strict=True) if i is not None}
    for field in dict.fromkeys(f for uid in at for f in edits[uid]):
        index = rows.schema.get_field_index(field)
        if index < 0:
            continue
        old = rows.column(index)
        changed = [(at[uid], edits[uid][field]) for uid in at if field in edits[uid]]
        json = field in spec.json_columns
        values = [encode(v) if json and v is not None else v for _, v in changed]
        order = list(range(len(old)))
        for k, (place, _) in enumerate(changed):
            order[place] = len(old) + k
        # new values come after the old ones and are taken by place: old ones stay in Arrow
        extended = pa.chunked_array([*old.chunks, pa.array(values, old.type)], old.type)
        rows = rows.set_column(index, field, extended.take(pa.array(order)))
    return rows


# -- writing on a branch ---------------------------------------------------------------


def isolated(lake: Lake, changes: Changes) -> Changes:
    """Changes as they are committed on a branch: edits of main's records are kept beside.

    Changed at once, on every branch, is what has no branch (users, links, feature values), what
    goes with a change of stored bytes, and a record's move to a branch that people made.
    """
    by_table = lake.directory.by_table
    # main's row says where a record is; the view what the caller has seen of it
    raw, view = lake.engine.state(), lake.state
    out = Changes()
    out.decided, out.checks = changes.decided, changes.checks
    for table, change in changes.tables.items():
        cls = by_table.get(table)
        kept = dict(change.updates)
        if cls is not None and cls.meta.has_branch:
            for uid, update in change.updates.items():
                # what goes with stored bytes can't differ by branch: the bytes are there once
                if update.new.keys() & cls.meta.immediate:
                    continue
                row = raw.row(table, uid)
                if row is None or row["branch_uid"] != MAIN:
                    continue
                # trash and archive are edits, too: deleting on the branch hides a record there only
                if update.new.get("branch_uid", MAIN) not in BUILT_IN:
                    continue
                del kept[uid]
                _keep_edit(lake, out, cls.meta, row, view.row(table, uid) or row, update)
            # else an edit of what is deleted for good is a conflict when the branch is merged
            mine = lake.edits.get(table, {})
            for uid in change.deletes:
                if fields := mine.get(uid):
                    out.delete(TABLE, [edit_uid(lake.branch_uid, table, uid, f) for f in fields])
        if kept or change.inserts or change.deletes or change.claims or change.releases:
            taken = out._of(table)
            taken.inserts, taken.updates, taken.deletes = change.inserts, kept, change.deletes
            taken.claims, taken.releases = change.claims, change.releases
    out.expected_tables, out.expected_rows = changes.expected_tables, changes.expected_rows
    return out


def _keep_edit(
    lake: Lake, out: Changes, meta: RegistryMeta, row: Values, seen: Values, update: Update
) -> None:
    """Put one record's edit into the changes."""
    # the engine compares what was seen with main's row, so the branch's values are compared here
    for name, before in update.old.items():
        # as they are kept, too: a tuple that came back from JSON as a list is no change
        if seen.get(name) != before and encode(seen.get(name)) != encode(before):
            raise RowConflict(
                f"The {meta.name} {row['uid']!r} was changed on this branch meanwhile.",
                found=f"{name} = {seen.get(name)!r}",
                expected=f"{name} = {before!r}",
                hint="query the record again, apply the change, and save",
            )
    new = {n: v for n, v in update.new.items() if n not in _UNSEEN}
    # names of edits claim no key in the catalog: on main they mean nothing until the merge
    _check_names(lake, meta, seen, new)
    branch, state = lake.branch_uid, lake.engine.state()
    for name, value in new.items():
        uid = edit_uid(branch, meta.table, row["uid"], name)
        known = state.row(TABLE, uid)
        # the base stays what main had at the first edit, whatever main has now: merging needs it
        base = encode(row.get(name)) if known is None else known["base"]
        stamp = {"edited_at": datetime.now(UTC), "edited_by_uid": lake.user_uid or None}
        if known is None:
            if encode(value) != base:
                edit = {
                    "uid": uid,
                    "branch_uid": branch,
                    "registry": meta.table,
                    "target_uid": row["uid"],
                    "field": name,
                    "base": base,
                    "value": encode(value),
                    **stamp,
                }
                out.insert(TABLE, [edit])
        # taken back. Where main has changed, the old value is an edit still, and a conflict
        elif encode(value) == base == encode(row.get(name)):
            out.delete(TABLE, [uid])
        else:
            # another process may edit it between the look above and the lock: then this is refused
            out.update(TABLE, uid, {"value": encode(value), **stamp}, {"value": known["value"]})


def _check_names(lake: Lake, meta: RegistryMeta, seen: Values, new: Values) -> None:
    """Refuse an edit that repeats a unique name which the branch sees already."""
    for columns in meta.unique:
        if not set(columns) & new.keys():
            continue
        wanted = [{**seen, **new}.get(c) for c in columns]
        key = meta.spec.key_text(columns, wanted)
        if key is None:
            continue
        rows = lake.state.arrow(meta.table)
        same = pc.is_in(rows["branch_uid"], value_set=pa.array(lake.visible_branches))
        for column, value in zip(columns, wanted, strict=True):
            # of several columns some may be null, and nulls are equal here, as in keys
            test = pc.is_null(rows[column]) if value is None else pc.equal(rows[column], value)
            same = pc.and_(same, test)
        others = [u for u in rows.filter(same)["uid"].to_pylist() if u != seen["uid"]]
        if others:
            raise KeyConflict(
                f"Unique values of {meta.name} are already taken on this branch.",
                found=f"{', '.join(columns)} = {', '.join(map(str, wanted))!r} (uid {others[0]})",
                hint="choose another value",
                table=meta.table,
                taken=((key, others[0]),),
            )
