"""Records that others refer to are protected from being deleted for good."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pyarrow.compute as pc

from lakehouse.errors import ProtectedRecord

if TYPE_CHECKING:
    from lakehouse.engine import State
    from lakehouse.orm.lake import Lake
    from lakehouse.orm.meta import RegistryMeta


def check_unreferenced(lake: Lake, meta: RegistryMeta, uid: str) -> None:
    """Refuse to delete a record that foreign keys refer to.

    Raises:
        ProtectedRecord: Another record refers to it.
    """
    state = lake.state
    _check_links(state, meta, uid)
    for other in lake.directory.all():
        columns = [f"{k}_uid" for k, t in other.meta.foreign_keys.items() if t == meta.name]
        if not columns or not state.count(other.meta.table):
            continue
        rows = state.arrow(other.meta.table)
        for column in columns:
            if column not in rows.column_names:
                continue
            hits = pc.indices_nonzero(pc.fill_null(pc.equal(rows[column], uid), fill_value=False))
            holders = rows["uid"].take(hits).to_pylist()
            if meta.name == other.meta.name:
                holders = [h for h in holders if h != uid]
            if holders:
                raise ProtectedRecord(
                    f"The {meta.name} {uid!r} can't be deleted: other records refer to it.",
                    found=f"{len(holders)} {other.meta.name} by {column.removesuffix('_uid')!r}, "
                    f"e.g. {holders[0]!r}",
                    hint="delete those first, or leave it in the trash",
                )


def _check_links(state: State, meta: RegistryMeta, uid: str) -> None:
    """Refuse to delete a record that artifacts, schemas … are linked to."""
    for table in state.tables:
        subject, _, kind = table.rpartition("_")
        if kind != "link" or subject == "ontology" or not state.count(table):
            continue
        rows = state.arrow(table)
        found = pc.and_(pc.equal(rows["target_uid"], uid), pc.equal(rows["registry"], meta.table))
        n_links = pc.sum(pc.fill_null(found, fill_value=False)).as_py() or 0
        if n_links:
            raise ProtectedRecord(
                f"The {meta.name} {uid!r} can't be deleted: it is linked.",
                found=f"{n_links} links from {subject} records",
                hint="unlink it first, or leave it in the trash",
            )
