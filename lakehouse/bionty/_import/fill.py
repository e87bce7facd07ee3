"""Filling a registry from a source: rows, hierarchy and the source itself in one commit."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.compute as pc

from lakehouse.bionty._import.link import Linking
from lakehouse.bionty._import.merge import Before, Incoming, Merge, merge
from lakehouse.config import notify
from lakehouse.engine import Changes
from lakehouse.errors import KeyConflict, RowConflict
from lakehouse.identity import new_uids
from lakehouse.orm import BaseRecord
from lakehouse.orm.model.builtin import ARCHIVE, MAIN, TRASH
from lakehouse.orm.model.context import active_batch
from lakehouse.orm.model.rows import as_dicts, as_table
from lakehouse.orm.session.batch import Batch, batch_on

if TYPE_CHECKING:
    from lakehouse.orm.lake.lake import Lake
    from lakehouse.orm.model.meta import RegistryMeta

_ATTEMPTS = 5


class Filling:
    """One import into one registry.

    Rows that meet none of the registry's go in as they are, column by column; only the others
    are looked at one by one.

    Args:
        lake: The lake.
        meta: The registry.
        incoming: What the source has.
        source: The source, saved with the rows.
        prior: Gives what a source had, by its content hash, or None if that isn't known.
        adopt: Column by which rows without a key are recognised.
        columns: Further columns of new rows.
        only_update: Add no rows, and let those of other versions of the source follow it.
    """

    def __init__(
        self,
        lake: Lake,
        meta: RegistryMeta,
        incoming: Incoming,
        *,
        source: BaseRecord,
        prior: Callable[[str], Incoming | None],
        adopt: str | None = None,
        columns: dict[str, Any] | None = None,
        only_update: bool = False,
    ) -> None:
        self._lake = lake
        self._meta = meta
        self._incoming = incoming
        self._source = source
        self._prior = prior
        self._adopt = adopt
        self._columns = columns or {}
        self._only_update = only_update
        self._new = 0
        self._changed = 0
        self._trashed = 0
        self._gone: list[str] = []

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
        told = f"{self._meta.name}: {self._new} new, {self._changed} changed"
        if self._trashed:
            told += f", {self._trashed} stay in the trash"
        notify(told)
        if self._gone:
            notify(gone_text(self._gone, self._source), "warning")

    def _attempt(self, message: str, more: tuple[BaseRecord, ...]) -> None:
        with batch_on(self._lake, message) as batch:
            for record in (*more, self._source):
                batch.add(record)
            batch.stage(lambda changes: self._stage(changes, batch))

    def _stage(self, changes: Changes, batch: Batch) -> None:
        """Compare with the newest state, and stage the difference."""
        incoming, meta = self._incoming, self._meta
        rows = self._lake.state.arrow(meta.table)
        sources = pc.unique(rows["source_uid"]).to_pylist()
        before = {uid: self._before(uid) for uid in sources}
        contested = self._contested(rows, [u for u, b in before.items() if b.same])
        done = self._merged(rows, contested, before)
        self._update(changes, batch, done, rows)
        self._bring_over(changes, rows)
        fresh = self._fresh(contested, done)
        uids = pa.array(new_uids(len(fresh)), pa.string())
        if len(fresh):
            changes.insert(meta.table, self._complete(fresh, uids, batch))
        self._new, self._changed = len(fresh), len(done.updates)
        self._trashed = done.trashed
        self._gone = self._vanished(rows)
        if len(incoming.edges):
            keyed = rows.filter(pc.is_valid(rows[incoming.key]))
            linking = Linking(self._lake, meta.table, incoming)
            linking.add_uids(keyed[incoming.key], keyed["uid"])
            linking.add_uids(pa.array(list(done.uids), pa.string()), list(done.uids.values()))
            linking.add_uids(fresh[incoming.key] if len(fresh) else [], uids, new=True)
            linking.stage(changes, batch, rows, before)

    # -- rows ----------------------------------------------------------------------------

    def _bring_over(self, changes: Changes, rows: pa.Table) -> None:
        """What only another branch has of the source comes to main: it is public anyway."""
        seen = pa.array([*self._lake.visible_branches, ARCHIVE, TRASH], pa.string())
        key = self._incoming.key
        hidden = pc.invert(pc.is_in(rows["branch_uid"], value_set=seen))
        elsewhere = rows.filter(
            pc.and_(hidden, pc.is_in(rows[key], value_set=self._incoming.table[key]))
        )
        for row in elsewhere.select(["uid", "branch_uid"]).to_pylist():
            there = {"branch_uid": row["branch_uid"]}
            changes.update(self._meta.table, row["uid"], {"branch_uid": MAIN}, there)

    def _contested(self, rows: pa.Table, same: list[str | None]) -> pa.Array:
        """Which of the source's rows may meet rows of the registry that aren't theirs already."""
        key, adopt, table = self._incoming.key, self._adopt, self._incoming.table
        contested = pc.is_in(table[key], value_set=rows[key])
        if same:
            own = pc.is_in(rows["source_uid"], value_set=pa.array(same, pa.string()))
            in_trash = pc.fill_null(pc.equal(rows["branch_uid"], TRASH), False)
            settled = rows[key].filter(pc.and_not(own, in_trash))
            contested = pc.and_not(contested, pc.is_in(table[key], value_set=settled))
        if adopt:
            # rows without a key become terms that aren't there yet
            there = pc.is_in(table[key], value_set=rows[key])
            named = pc.is_in(table[adopt], value_set=rows[adopt].filter(pc.is_null(rows[key])))
            named = pc.and_(named, pc.is_valid(table[adopt]))
            contested = pc.or_(contested, pc.and_not(named, there))
        return contested

    def _merged(
        self, rows: pa.Table, contested: pa.Array, before: dict[str | None, Before]
    ) -> Merge:
        incoming = self._incoming
        asked = incoming.table.filter(contested)
        if not len(asked):
            return Merge()
        met = pc.is_in(rows[incoming.key], value_set=asked[incoming.key])
        if self._adopt:
            named = pc.is_in(rows[self._adopt], value_set=asked[self._adopt])
            met = pc.or_(met, pc.and_(named, pc.is_null(rows[incoming.key])))
        columns = dict.fromkeys(["uid", incoming.key, "source_uid", "branch_uid"])
        columns.update(dict.fromkeys(incoming.table.column_names))
        ours = as_dicts(rows.filter(met).select(list(columns)), self._meta.spec.json_columns)
        keys = asked[incoming.key].to_pylist()
        told = {
            uid: b.incoming.rows_of(keys) for uid, b in before.items() if b.incoming is not None
        }
        return merge(incoming, incoming.rows(contested), ours, told, adopt=self._adopt)

    def _update(self, changes: Changes, batch: Batch, done: Merge, rows: pa.Table) -> None:
        table, uid = self._meta.table, self._source.uid
        foreign = self._foreign(rows, [changed for changed, _, _ in done.updates])
        for changed, new, old in done.updates:
            if changed not in foreign:
                new["source_uid"] = uid
            changes.update(table, changed, {**new, "updated_at": batch.now}, old)
        if not self._only_update:
            return
        followed = {changed for changed, _, _ in done.updates}
        for record in self._other_versions(rows):
            if record not in followed:
                changes.update(table, record, {"source_uid": uid, "updated_at": batch.now})

    def _foreign(self, rows: pa.Table, uids: list[str]) -> set[str]:
        """Those of some records that another ontology gave: it stays their source."""
        if not uids:
            return set()
        sources = self._lake.state.arrow("source")
        others = sources["uid"].filter(pc.not_equal(sources["name"], self._source._values["name"]))
        mask = pc.and_(
            pc.is_in(rows["uid"], value_set=pa.array(uids, pa.string())),
            pc.is_in(rows["source_uid"], value_set=others),
        )
        return set(rows["uid"].filter(mask).to_pylist())

    def _other_versions(self, rows: pa.Table) -> list[str]:
        """The records that another version of the same source gave, and this one has."""
        sources = self._lake.state.arrow("source")
        values = self._source._values
        mask = pc.and_(
            pc.equal(sources["name"], values["name"]), pc.equal(sources["entity"], values["entity"])
        )
        others = sources["uid"].filter(pc.and_(mask, pc.not_equal(sources["uid"], values["uid"])))
        follow = pc.and_(
            pc.is_in(rows["source_uid"], value_set=others),
            pc.is_in(rows[self._incoming.key], value_set=self._incoming.table[self._incoming.key]),
        )
        found: list[str] = rows["uid"].filter(follow).to_pylist()
        return found

    def _vanished(self, rows: pa.Table) -> list[str]:
        """The keys that former versions of the source gave and this one doesn't have any more."""
        sources, values = self._lake.state.arrow("source"), self._source._values
        saved = self._lake.state.row("source", self._source.uid)
        if saved is not None and saved["sha256"] == values["sha256"]:
            return []  # told when it was imported first
        mask = pc.equal(sources["name"], values["name"])
        for name in ("entity", "organism"):
            mask = pc.and_(mask, pc.equal(sources[name], values[name]))
        key, table = self._incoming.key, self._incoming.table
        known = pc.and_(
            pc.is_in(rows["source_uid"], value_set=sources["uid"].filter(mask)),
            pc.not_equal(rows["branch_uid"], TRASH),
        )
        if "is_obsolete" in rows.column_names:
            known = pc.and_not(known, pc.fill_null(rows["is_obsolete"], False))
        gone = pc.and_not(known, pc.is_in(rows[key], value_set=table[key]))
        found = pc.drop_null(rows[key].filter(gone)).to_pylist()
        # an import of one id-space says nothing about the others
        spaces = {k.partition(":")[0] for k in table[key].to_pylist()} if found else set()
        return sorted(k for k in found if ":" not in k or k.partition(":")[0] in spaces)

    def _fresh(self, contested: pa.Array, done: Merge) -> pa.Table:
        """The rows to insert."""
        incoming = self._incoming
        if self._only_update:
            return incoming.table.slice(0, 0)
        key = incoming.table[incoming.key]
        there = pc.is_in(key, value_set=self._lake.state.arrow(self._meta.table)[incoming.key])
        free = pc.invert(pc.or_(contested, there))
        if incoming.omitted:
            omitted = pa.array(list(incoming.omitted), pa.string())
            free = pc.and_not(free, pc.is_in(key, value_set=omitted))
        fresh = incoming.table.filter(free)
        if done.new:
            more = pa.Table.from_pylist(done.new, schema=incoming.table.schema)
            fresh = pa.concat_tables([fresh, more])
        return fresh

    def _complete(self, fresh: pa.Table, uids: pa.Array, batch: Batch) -> pa.Table:
        """Rows with all columns of the registry."""
        meta, n = self._meta, len(fresh)
        stamps = {**self._lake.stamps, "created_at": batch.now, "updated_at": batch.now}
        shared = {**meta.defaults, **stamps, **self._columns, "source_uid": self._source.uid}
        constants = as_table(meta.spec, [{n: v for n, v in shared.items() if n in meta.fields}])
        columns = {}
        for name in meta.spec.column_names:
            if name == "uid":
                columns[name] = uids
            elif name in fresh.column_names:
                column = fresh[name].cast(constants[name].type)
                if name in meta.defaults:
                    column = pc.fill_null(column, meta.defaults[name])
                columns[name] = column
            else:
                columns[name] = pa.repeat(constants[name][0], n)
        return pa.table(columns)

    def _before(self, source_uid: str | None) -> Before:
        """What a source said when it was imported last."""
        saved = self._lake.state.row("source", source_uid) if source_uid is not None else None
        if saved is None or saved["sha256"] is None:
            return Before()
        values = self._source._values
        if source_uid == self._source.uid and saved["sha256"] == values["sha256"]:
            return Before(same=True)
        # what another ontology leaves out of a term isn't gone from it
        if saved["name"] != values["name"]:
            return Before()
        return Before(self._prior(saved["sha256"]))


def gone_text(keys: list[str], source: BaseRecord) -> str:
    """That a new version of a source lacks terms that a former one had."""
    values = source._values
    what = f"{values['name']} {values['version'] or ''}".rstrip()
    shown = ", ".join(keys[:5]) + (", …" if len(keys) > 5 else "")
    return (
        f"{len(keys)} terms of former versions aren't in {what} any more: {shown}; they stay as "
        "they are, with their former source"
    )
