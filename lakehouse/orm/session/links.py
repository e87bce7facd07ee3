"""Rows of link tables, and feature values, as they are now: committed, or staged in the open transaction.

What an open transaction stages is known only to its stagers. They are run into an `Overlay`,
each one once, so that reading after every change of a long transaction stays cheap.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

import pyarrow as pa
import pyarrow.compute as pc

from lakehouse.engine import Changes
from lakehouse.errors import MixedLakes
from lakehouse.orm.model.context import active_batch
from lakehouse.orm.model.meta import Condition

if TYPE_CHECKING:
    from lakehouse.orm.lake.lake import Lake
    from lakehouse.orm.model.meta import Relation
    from lakehouse.orm.query.compile import Compiler
    from lakehouse.orm.query.lookups import Sql
    from lakehouse.orm.session.batch import Batch


# -- Finding the rows in which a column has a value, over and over in one transaction


_SEARCHES = 32  # passes over a column, after which a dictionary of it pays


@dataclass
class _Column:
    """One column of one state's rows, and where its values are once that is worth knowing."""

    rows: pa.Table
    searches: int = 0
    places: dict[str | None, list[int]] | None = None

    def find(self, name: str, value: str) -> pa.Table:
        self.searches += 1
        if self.places is None and self.searches <= _SEARCHES:
            return self.rows.filter(pc.equal(self.rows[name], value))
        if self.places is None:
            self.places = {}
            for place, found in enumerate(self.rows[name].to_pylist()):
                self.places.setdefault(found, []).append(place)
        places = self.places.get(value)
        return self.rows.take(places) if places else self.rows.slice(0, 0)


_known: WeakKeyDictionary[Batch, dict[tuple[str, str], _Column]] = WeakKeyDictionary()


def rows_where(lake: Lake, table: str, column: str, value: str) -> pa.Table:
    """The rows of the lake's present state in which a column has a value.

    Args:
        lake: The lake.
        table: Name of a table that the state has.
        column: One of its columns of text.
        value: The value.
    """
    rows = lake.state.arrow(table)
    batch = active_batch(lake)
    if batch is None:
        return rows.filter(pc.equal(rows[column], value))
    columns = _known.setdefault(batch, {})
    known = columns.get((table, column))
    if known is None or known.rows is not rows:  # the state moved on
        known = columns[table, column] = _Column(rows)
    return known.find(column, value)


Row = dict[str, Any]

_READ = ["uid", "subject_uid", "registry", "target_uid", "feature_uid", "slot", "position"]
_IN_TEXT = 50
_ENDS = ("subject_uid", "target_uid")
_UNSAID: Row = dict.fromkeys(
    ("target_uid", "feature_uid", "slot", "position", "created_at", "created_by_uid", "run_uid")
)
VALUES = "feature_value"


class _Table:
    """The staged rows of one link table, found by either end; of values there is one end."""

    def __init__(self) -> None:
        self.rows: dict[str, Row] = {}
        self.deleted: set[str] = set()
        self.ends: dict[str, dict[str, dict[str, None]]] = {end: {} for end in _ENDS}

    def insert(self, row: Row) -> None:
        uid = row["uid"]
        # links are named after what they link: one that is staged again is the same
        if uid not in self.rows:
            self.rows[uid] = row
            for end in _ENDS:
                self.ends[end].setdefault(row[end], {})[uid] = None

    def delete(self, uid: str) -> None:
        # also noted where it is staged: the same link may be committed, too
        self.deleted.add(uid)
        row = self.rows.pop(uid, None)
        if row is not None:
            for end in _ENDS:
                self.ends[end][row[end]].pop(uid, None)


class Overlay(Changes):
    """The changes of an open transaction, of which only links and feature values are kept."""

    def __init__(self) -> None:
        super().__init__()
        self.links: dict[str, _Table] = {}
        self.stagers: Sequence[Callable[[Changes], None]] = ()
        self.done = 0

    def insert(
        self, table: str, rows: Sequence[Mapping[str, Any]] | pa.Table, *, if_absent: bool = False
    ) -> None:
        """Keep links and values; other rows are no business of this overlay."""
        if _is_kept(table):
            kept = self.links.setdefault(table, _Table())
            # stagers leave out what they have nothing to say of; committed rows have all columns
            for row in rows.to_pylist() if isinstance(rows, pa.Table) else rows:
                kept.insert({**_UNSAID, **row})

    def delete(self, table: str, uids: Iterable[str]) -> None:
        """Take links and values out, whether they are staged or committed."""
        if _is_kept(table):
            kept = self.links.setdefault(table, _Table())
            for uid in uids:
                kept.delete(uid)


def _is_kept(table: str) -> bool:
    return table == VALUES or table.endswith("_link")


_overlays: WeakKeyDictionary[Batch, Overlay] = WeakKeyDictionary()


def overlay_of(batch: Batch) -> Overlay:
    """What the transaction does to links so far."""
    overlay = _overlays.get(batch)
    if overlay is None or overlay.stagers is not batch.stagers:  # stagers were withdrawn
        overlay = _overlays[batch] = Overlay()
        overlay.stagers = batch.stagers
    while overlay.done < len(overlay.stagers):
        overlay.done += 1
        overlay.stagers[overlay.done - 1](overlay)
    return overlay


def staged_links(lake: Lake, table: str) -> _Table | None:
    """What the open transaction does to links of a table, or to values; None if there is no transaction."""
    batch = active_batch(lake)
    return None if batch is None else overlay_of(batch).links.get(table)


def links_from(lake: Lake, table: str, subject_uid: str) -> list[Row]:
    """The links that a record has."""
    state = lake.state
    rows: list[Row] = []
    if table in state.pointers:  # else it isn't made yet
        # without the times, which are slow to read
        parts = (part.select(_READ) for part in state.version(table).under(subject_uid))
        rows = [row for part in parts for row in part.to_pylist()]
    return _with_staged(rows, staged_links(lake, table), "subject_uid", subject_uid)


def links_to(lake: Lake, table: str, target_uid: str) -> list[Row]:
    """The links that lead to a record."""
    rows: list[Row] = []
    state = lake.state
    if table in state.pointers and state.count(table):
        rows = rows_where(lake, table, "target_uid", target_uid).select(_READ).to_pylist()
    return _with_staged(rows, staged_links(lake, table), "target_uid", target_uid)


def _with_staged(rows: list[Row], staged: _Table | None, end: str, uid: str) -> list[Row]:
    # links are read by how their uids begin, and a subject's uid may begin a longer one
    rows = [r for r in rows if r[end] == uid]
    if staged is None:
        return rows
    kept = [r for r in rows if r["uid"] not in staged.deleted]
    known = {r["uid"] for r in kept}
    own = staged.ends[end].get(uid, ())
    # a staged link may be committed already, and counts once
    return kept + [staged.rows[u] for u in own if u not in known]


def links_of(lake: Lake, relation: Relation, uid: str) -> list[Row]:
    """The links of a relation that a record with this uid has."""
    read = links_to if relation.reverse else links_from
    return [r for r in read(lake, relation.link, uid) if belongs(relation, r)]


def belongs(relation: Relation, row: Mapping[str, Any]) -> bool:
    """Whether a link is one of this relation."""
    if relation.registry is not None and row["registry"] != relation.registry:
        return False
    if relation.slot is not None:
        return bool(row["slot"] == relation.slot)
    return row["slot"] not in relation.apart


def unlink(changes: Changes, table: str, uids: Iterable[str]) -> None:
    """Delete links or values, those that the same transaction has staged before included."""
    gone = set(uids)
    if not gone:
        return
    changes.delete(table, gone)
    # it has taken staged rows out by itself
    if isinstance(changes, Overlay):
        return
    # deleted and inserted in one commit, a row is replaced: what is staged goes from the inserts
    for insert in changes.tables[table].inserts:
        rows = insert.rows
        if isinstance(rows, pa.Table):
            staged = pc.is_in(rows["uid"], value_set=pa.array(sorted(gone), pa.string()))
            insert.rows = rows.filter(pc.invert(staged))
        else:
            insert.rows = [r for r in rows if r["uid"] not in gone]
    changes.tables[table].inserts[:] = [i for i in changes.tables[table].inserts if len(i.rows)]


def inserted(changes: Changes, table: str, subject_uid: str) -> list[Row]:
    """The links of a record that changes insert."""
    if isinstance(changes, Overlay):
        staged = changes.links.get(table)
        own = () if staged is None else staged.ends["subject_uid"].get(subject_uid, ())
        return [] if staged is None else [staged.rows[uid] for uid in own]
    if table not in changes.tables:
        return []
    parts = (i.rows for i in changes.tables[table].inserts)
    rows = (row for p in parts for row in (p.to_pylist() if isinstance(p, pa.Table) else p))
    return [dict(row) for row in rows if row["subject_uid"] == subject_uid]


def keep(changes: Changes, table: str, uids: Iterable[str]) -> None:
    """Take back that committed links are deleted."""
    if isinstance(changes, Overlay):
        if table in changes.links:
            changes.links[table].deleted.difference_update(uids)
    elif table in changes.tables:
        for uid in uids:
            changes.tables[table].deletes.pop(uid, None)


class LazyUids:
    """Uids that are found when a query that names them runs: `filter(uid__in=LazyUids(…))`.

    Args:
        lake: The lake.
        read: Finds the uids.
        shown: What stands for them in texts.
    """

    def __init__(self, lake: Lake, read: Callable[[], list[str]], shown: str) -> None:
        self._lake = lake
        self._read = read
        self._shown = shown

    def uids_sql(self, compiler: Compiler, *_: Any) -> Sql:
        """SQL that selects the uids."""
        if self._lake is not compiler.lake and self._lake.uid != compiler.lake.uid:
            raise MixedLakes("The records belong to another lake.", found=self._lake.root)
        uids = self._read()
        if not uids:
            return "SELECT NULL WHERE false", []  # VALUES takes no empty list
        if len(uids) > _IN_TEXT:
            return compiler.values(uids), []
        return f"VALUES {', '.join(['(?)'] * len(uids))}", list(uids)

    def to_order(self, *_: Any) -> tuple[Condition, bool]:
        """SQL of a record's place among the uids."""
        # not list_position, which goes through the list for every record
        places = "SELECT unnest(l) AS uid, generate_subscripts(l, 1) AS place FROM (SELECT ? AS l)"
        sql = f"(SELECT o.place FROM ({places}) o WHERE o.uid = {{row}}.uid)"
        return Condition(sql, (self._read(),)), False

    def __repr__(self) -> str:
        return self._shown
