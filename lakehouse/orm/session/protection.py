"""Records that others refer to are protected from being deleted for good.

What the open transaction has staged counts as well: a record that it deletes, or lets refer to
something else, protects nothing any more, and a new one does. What belongs to a record (its links,
its feature values, what is a part of it) goes with it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Set
from typing import TYPE_CHECKING, Any

from lakehouse.errors import ProtectedRecord
from lakehouse.orm.model.context import active_batch
from lakehouse.orm.session.links import (
    VALUES,
    links_from,
    links_to,
    rows_where,
    staged_links,
    unlink,
)

if TYPE_CHECKING:
    from lakehouse.engine import Changes
    from lakehouse.orm.lake.lake import Lake
    from lakehouse.orm.model.meta import RegistryMeta
    from lakehouse.orm.session.batch import Batch
    from lakehouse.orm.session.links import Row

_ALL = 10_000_000  # more values than a record has: all of them are wanted
_SHOWN = 3


def check_unreferenced(lake: Lake, meta: RegistryMeta, uid: str) -> None:
    """Refuse to delete a record that others refer to, by a foreign key or a link.

    Raises:
        ProtectedRecord: They do; the message names them.
    """
    for holder, field, uids in _holders(lake, meta, uid):
        # a part goes with the whole, and protects it only through who refers to the part
        if holder.part_of != field:
            raise _protected(lake, meta, uid, f"by {field!r}", holder, uids)
        for part in uids:
            check_unreferenced(lake, holder, part)
    for table in _link_tables(lake):
        rows = [r for r in _linked(lake, table, meta, uid) if _protects(meta, table, r)]
        subject = lake.directory.by_table.get(table.removesuffix("_link"))
        if rows and subject is not None:
            uids = list(dict.fromkeys(r["subject_uid"] for r in rows))
            gone = _gone(lake, subject.meta.table)
            # who is deleted by this transaction takes its links along, and protects nothing
            if uids := [u for u in uids if u not in gone]:
                how = _accessor(subject.meta, meta, table, rows[0])
                raise _protected(lake, meta, uid, f"in {how!r}", subject.meta, uids)
    if meta.table == "feature":
        _check_values(lake, meta, uid)


def _holders(
    lake: Lake, meta: RegistryMeta, uid: str
) -> Iterator[tuple[RegistryMeta, str, list[str]]]:
    """The records that refer to one by a foreign key, by registry and key."""
    for other in lake.directory.all():
        table = other.meta.table
        for field, target in other.meta.foreign_keys.items():
            if target != meta.name:
                continue
            # a record that refers to itself isn't held by that
            uids = [u for u in referring(lake, other.meta, field, uid) if u != uid]
            if uids and (kept := sorted(set(uids) - _gone(lake, table))):
                yield other.meta, field, kept


def referring(lake: Lake, meta: RegistryMeta, field: str, uid: str) -> list[str]:
    """The uids of a registry's records that refer to a record, staged ones included.

    Args:
        lake: The lake.
        meta: The registry.
        field: Its foreign key.
        uid: The record that is referred to.
    """
    column = f"{field}_uid"
    found: set[str] = set()
    state = lake.state
    if state.count(meta.table) and column in state.arrow(meta.table).column_names:
        found = set(rows_where(lake, meta.table, column, uid)["uid"].to_pylist())
    batch = active_batch(lake)
    for record in () if batch is None else batch.records(meta.table):
        if record._values.get(column) == uid:
            found.add(record.uid)
        else:
            # a committed reference that the transaction changes is none any more
            found.discard(record._values.get("uid", ""))
    return sorted(found)


def _gone(lake: Lake, table: str) -> Set[str]:
    """The uids that the open transaction deletes from a table."""
    batch = active_batch(lake)
    return frozenset() if batch is None else batch.deleted(table)


def _link_tables(lake: Lake) -> list[str]:
    state = lake.state
    tables = [t for t in state.tables if t.endswith("_link")]
    # the first links of a table may be staged, when there are no committed ones
    return [t for t in tables if state.count(t) or staged_links(lake, t) is not None]


def _linked(lake: Lake, table: str, meta: RegistryMeta, uid: str) -> list[Row]:
    """The links to a record; to a feature, those of which it is the feature too."""
    rows = [r for r in links_to(lake, table, uid) if r["registry"] == meta.table]
    if meta.table != "feature":
        return rows
    staged = staged_links(lake, table)
    by = rows_where(lake, table, "feature_uid", uid).to_pylist()
    if staged is not None:
        by = [r for r in by if r["uid"] not in staged.deleted]
        by += [r for r in staged.rows.values() if r["feature_uid"] == uid]
    return [*rows, *by]


def _protects(meta: RegistryMeta, table: str, row: Row) -> bool:
    """Whether a link keeps its target from being deleted."""
    for relation in meta.relations.values():
        if relation.reverse and relation.link == table and not relation.protects:
            own = row["registry"] == relation.registry
            # seen from the target: such links are deleted with it, by delete_belongings
            if own and (relation.slot is None or row["slot"] == relation.slot):
                return False
    return True


def _accessor(subject: RegistryMeta, meta: RegistryMeta, table: str, row: Row) -> str:
    for name, relation in subject.relations.items():
        if relation.link == table and not relation.reverse and relation.foreign_key is None:
            same = relation.registry == row["registry"]
            if same and relation.slot in (None, row["slot"]):
                return name
    return meta.table


def _check_values(lake: Lake, meta: RegistryMeta, uid: str) -> None:
    if VALUES not in lake.state.tables:
        return
    staged = staged_links(lake, VALUES)
    rows = rows_where(lake, VALUES, "feature_uid", uid).to_pylist()
    if staged is not None:
        rows = [r for r in rows if r["uid"] not in staged.deleted]
        rows += [r for r in staged.rows.values() if r["feature_uid"] == uid]
    for row in rows:
        subject = lake.directory.by_table[row["registry"]]
        if row["subject_uid"] not in _gone(lake, row["registry"]):
            raise _protected(lake, meta, uid, "by a value", subject.meta, [row["subject_uid"]])


def _protected(
    lake: Lake, meta: RegistryMeta, uid: str, how: str, holder: RegistryMeta, uids: list[str]
) -> ProtectedRecord:
    """The error that names who refers to a record."""
    names = ", ".join(_named(lake, holder, u) for u in uids[:_SHOWN])
    more = f" and {len(uids) - _SHOWN} more" if len(uids) > _SHOWN else ""
    return ProtectedRecord(
        f"{_named(lake, meta, uid)} can't be deleted for good: other records refer to it.",
        found=f"{len(uids)} {holder.name} {how}: {names}{more}",
        hint="delete those first, let them refer to something else, or leave it in the trash",
    )


def _named(lake: Lake, meta: RegistryMeta, uid: str) -> str:
    batch = active_batch(lake)
    staged = None if batch is None else batch.staged_uid(meta.table, uid)
    if staged is not None:
        return repr(staged)  # no state has its row yet
    row = lake.state.row(meta.table, uid)
    return repr(uid) if row is None else repr(meta.cls._from_row(lake, row))


# -- what goes with a record -----------------------------------------------------------------


def delete_belongings(batch: Batch, record: Any) -> None:
    """Delete with a record what belongs to it: its links and values, and what is a part of it."""
    lake, meta, uid = batch.lake, record.meta, record.uid
    for other in lake.directory.all():
        field = other.meta.part_of
        if field is not None and other.meta.foreign_keys.get(field) == meta.name:
            for part in _records(lake, other.meta, referring(lake, other.meta, field, uid)):
                batch.delete(part)
    gone: dict[str, list[str]] = {}
    own = f"{meta.table}_link"
    if own in lake.state.tables:
        gone[own] = [r["uid"] for r in links_from(lake, own, uid)]
    for relation in meta.relations.values():
        # links that protect nobody are deleted with a record, whichever of their ends it is
        if relation.foreign_key is None and not relation.protects:
            read = links_to if relation.reverse else links_from
            gone.setdefault(relation.link, []).extend(
                r["uid"] for r in read(lake, relation.link, uid)
            )
    values = []
    if VALUES in lake.state.tables:
        # uids of values begin with their subject's, so the column needn't be searched
        rows = lake.state.prefix(VALUES, uid, _ALL)
        if (staged := staged_links(lake, VALUES)) is not None:
            rows += [staged.rows[value] for value in staged.ends["subject_uid"].get(uid, ())]
        values = [r["uid"] for r in rows if r["registry"] == meta.table]

    def stage(changes: Changes) -> None:
        for table, uids in gone.items():
            unlink(changes, table, uids)
        unlink(changes, VALUES, values)

    if values or any(gone.values()):
        batch.stage(stage)


def _records(lake: Lake, meta: RegistryMeta, uids: Iterable[str]) -> list[Any]:
    gone = _gone(lake, meta.table)
    rows = lake.state.rows(meta.table, [u for u in uids if u not in gone])
    return [meta.cls._from_row(lake, row) for row in rows]
