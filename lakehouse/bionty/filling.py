"""Filling a registry from a source: rows, hierarchy and the source itself in one commit."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from lakehouse.annotation.tables import ONTOLOGY_LINK, link_row
from lakehouse.bionty.merging import Before, Incoming, Merge, merge
from lakehouse.bionty.related import IS_A, LINK_TABLE, link_stamps, links_of
from lakehouse.config import notify
from lakehouse.engine import Changes
from lakehouse.errors import KeyConflict, RowConflict
from lakehouse.identity import new_uids
from lakehouse.orm import BaseRecord
from lakehouse.orm.batch import Batch, batch_on
from lakehouse.orm.context import active_batch
from lakehouse.orm.rows import as_dicts, as_table

if TYPE_CHECKING:
    from lakehouse.orm.lake import Lake
    from lakehouse.orm.meta import RegistryMeta

_ATTEMPTS = 5


class Filling:
    """One import into one registry.

    Args:
        lake: The lake.
        meta: The registry.
        incoming: What the source has.
        source: The source, saved with the rows; None if the rows have none.
        prior: Gives what a source had, by its content hash, or None if that isn't known.
        adopt: Column by which rows without a key are recognised.
        columns: Further columns of new rows.
    """

    def __init__(
        self,
        lake: Lake,
        meta: RegistryMeta,
        incoming: Incoming,
        *,
        source: BaseRecord | None = None,
        prior: Callable[[str], Incoming | None] | None = None,
        adopt: str | None = None,
        columns: dict[str, Any] | None = None,
    ) -> None:
        self._lake = lake
        self._meta = meta
        self._incoming = incoming
        self._source = source
        self._prior = prior
        self._adopt = adopt
        self._columns = columns or {}
        self._done = Merge()

    def run(self, message: str, *more: BaseRecord) -> None:
        """Commit, or add to the open transaction, what has to change; nothing if all is there.

        Args:
            message: The commit's message.
            *more: Records to save with it.
        """
        attempts = 1 if active_batch(self._lake) is not None else _ATTEMPTS
        for attempt in range(attempts):
            try:
                self._attempt(message, more)
            except (KeyConflict, RowConflict):
                # another process filled the same registry meanwhile: compare with its rows
                if attempt + 1 == attempts:
                    raise
            else:
                break
        name, done = self._meta.name, self._done
        told = f"{name}: {len(done.new)} new, {len(done.updates)} changed"
        if done.trashed:
            told += f", {done.trashed} stay in the trash"
        notify(told)

    def _attempt(self, message: str, more: tuple[BaseRecord, ...]) -> None:
        with batch_on(self._lake, message) as batch:
            for record in (*more, *((self._source,) if self._source is not None else ())):
                batch.add(record)
            batch.stage(lambda changes: self._stage(changes, batch))

    def _stage(self, changes: Changes, batch: Batch) -> None:
        """Compare with the newest state, and stage the difference."""
        table, rows = self._meta.table, self._rows()
        before = {uid: self._before(uid) for uid in {row["source_uid"] for row in rows}}
        done = self._done = merge(self._incoming, rows, before, adopt=self._adopt)
        for uid, new, old in done.updates:
            if self._source is not None:
                new["source_uid"] = self._source.uid
            changes.update(table, uid, {**new, "updated_at": batch.now}, old)
        if done.new:
            self._insert(changes, batch)
        if self._incoming.parents:
            self._link(changes, batch, {row["uid"]: before[row["source_uid"]] for row in rows})

    def _rows(self) -> list[dict[str, Any]]:
        state, meta = self._lake.state, self._meta
        columns = dict.fromkeys(["uid", self._incoming.key, "source_uid", "branch_uid"])
        columns.update(dict.fromkeys(n for row in self._incoming.rows.values() for n in row))
        return as_dicts(state.arrow(meta.table).select(list(columns)), meta.spec.json_columns)

    def _insert(self, changes: Changes, batch: Batch) -> None:
        meta, done = self._meta, self._done
        stamps = {**self._lake.stamps, "created_at": batch.now, "updated_at": batch.now}
        shared = {**meta.defaults, **stamps, **self._columns}
        if self._source is not None:
            shared["source_uid"] = self._source.uid
        uids = new_uids(len(done.new))
        rows = [{**shared, **row, "uid": u} for row, u in zip(done.new, uids, strict=True)]
        changes.insert(meta.table, as_table(meta.spec, rows))
        done.uids.update((row[self._incoming.key], row["uid"]) for row in rows)

    def _before(self, source_uid: str | None) -> Before:
        """What a source said when it was imported last."""
        if source_uid is None or self._source is None:
            return Before()
        saved = self._lake.state.row("source", source_uid)
        if saved is None or saved["hash"] is None:
            return Before()
        values = self._source._values
        if source_uid == self._source.uid and saved["hash"] == values["hash"]:
            return Before(same=True)
        # what another ontology leaves out of a term isn't gone from it
        if saved["name"] != values["name"] or self._prior is None:
            return Before()
        return Before(self._prior(saved["hash"]))

    def _link(self, changes: Changes, batch: Batch, before: dict[str, Before]) -> None:
        """Stage the hierarchy: missing links, and the end of those that the source gave up."""
        table, uids = self._meta.table, self._done.uids
        there = links_of(self._lake, table)
        stamps = link_stamps(self._lake, batch.now)
        rows, gone = [], []
        for key, parents in self._incoming.parents.items():
            child = uids.get(key)
            if child is None:
                continue
            for parent in parents:
                if parent in uids and (child, uids[parent]) not in there:
                    rows.append(link_row(child, table, uids[parent], slot=IS_A, **stamps))
            known = before[child].incoming if child in before else None
            for parent in known.parents.get(key, ()) if known else ():
                link = there.get((child, uids.get(parent, "")))
                if link is not None and parent not in parents:
                    gone.append(link)
        if rows:
            links: pa.Table = as_table(ONTOLOGY_LINK, rows)
            changes.insert(LINK_TABLE, links, if_absent=True)
        if gone:
            changes.delete(LINK_TABLE, gone)
