"""From what a batch has staged to one commit, and back if it doesn't happen."""

from __future__ import annotations

import random
import time
from collections import Counter
from collections.abc import Callable, Iterable
from datetime import datetime
from typing import TYPE_CHECKING, cast

from lakehouse.engine import Changes, Commit
from lakehouse.errors import CommitConflict, CommitStateUnknown, InvalidArgument, KeyConflict
from lakehouse.identity import new_uids
from lakehouse.orm.model.rows import as_table
from lakehouse.orm.session.staged import Staged

if TYPE_CHECKING:
    from lakehouse.engine.commit.leases import Lease
    from lakehouse.orm.lake.lake import Lake
    from lakehouse.orm.model.meta import RegistryMeta
    from lakehouse.orm.record.base import BaseRecord
    from lakehouse.orm.session.batch import Batch

_ARROW_FROM = 256  # records of one registry; fewer are staged as dictionaries
_ADOPTIONS = 100  # each time somebody else was faster, so that the lake made progress


class Committing(Staged):
    """The committing half of a batch.

    Attributes:
        now: The time that all records of the batch get as `created_at` or `updated_at`.
        message: What the log says of the commit.
        commit: The commit, once it has happened.
    """

    def __init__(self, lake: Lake, message: str, now: datetime) -> None:
        super().__init__(lake)
        self.message = message
        self.now = now
        self.commit: Commit | None = None
        self._deleted: dict[int, BaseRecord] = {}
        self._refused: dict[int, BaseRecord] = {}
        self._stagers: list[Callable[[Changes], None]] = []
        self._committed: list[Callable[[], None]] = []
        self._undo: list[Callable[[], None]] = []
        self._lease: Lease | None = None
        self._decided: dict[str, str] | None = None  # pointers at the first delete

    def _add_again(self, record: BaseRecord) -> None:
        raise TypeError(type(self).__name__)

    def announce(self, paths: Iterable[str]) -> None:
        """Announce bytes that are about to be stored, so that gc leaves them alone meanwhile."""
        if self._lease is None:
            self._lease = self.lake.engine.lease()
        self._lease.add(paths)

    def _end_lease(self) -> None:
        if self._lease is not None:
            self._lease.end()
            self._lease = None

    def uid_of(self, table: str, uid: str) -> str:
        """The uid that is meant: of a record of the batch that others saved first, theirs.

        What is staged with the uid of a record, instead of the record, asks for it when it is
        written.
        """
        # a chain: a twin moved to its first, and that one to somebody else's row
        while (other := self._moved.get((table, uid))) is not None:
            uid = other
        return uid

    def _follow(self, record: BaseRecord) -> None:
        """Let a record name the rows that its targets turned out to be."""
        for name, registry in record.meta.foreign_keys.items():
            uid = record._values.get(f"{name}_uid")
            if uid is not None:
                table = self.lake.directory.get(registry).meta.table
                if (other := self.uid_of(table, uid)) != uid:
                    record._values[f"{name}_uid"] = other
        record._follow_moved(cast("Batch", self))

    def changes(self) -> Changes:
        """The changes as they stand."""
        changes = Changes()
        changes.decided = self._decided
        for record in self._records.values():
            if record._related:
                self._resolve(record)
            if self._moved and (not record._saved or record._old):
                self._follow(record)
        for table, records in self._new.items():
            records = [r for r in records if not r._saved]
            if records:
                self._insert(changes, table, records)
        for record in self._records.values():
            if record._saved and record._old and id(record) not in self._deleted:
                # other processes may change other fields meanwhile, so the time isn't compared
                new = {name: record._values.get(name) for name in record._old}
                if "updated_at" in record.meta.fields:
                    new["updated_at"] = self.now
                changes.update(record.meta.table, record.uid, new, record._old)
        for record in self._deleted.values():
            changes.delete(record.meta.table, [record.uid])
            # what a chosen uid or a family's first version has claimed may be taken again
            if (key := record._uid_key()) is not None:
                changes.release(record.meta.table, key, record.uid)
        for stager in self._stagers:
            stager(changes)
        return changes

    def _insert(self, changes: Changes, table: str, records: list[BaseRecord]) -> None:
        meta = records[0].meta
        bare = [r for r in records if "uid" not in r._values]
        for record, uid in zip(bare, new_uids(len(bare)) if bare else [], strict=True):
            # four characters count the versions of a family; this is its first
            record._values["uid"] = uid + "0000" if meta.versioned else uid
        for record in records:
            if record._claims_uid and (key := record._uid_key()) is not None:
                changes.claim(table, key, record._values["uid"])
        rows = [r._values for r in records]
        if len(records) < _ARROW_FROM:
            changes.insert(table, rows)
        else:
            changes.insert(table, as_table(meta.spec, rows))

    def _resolve(self, record: BaseRecord) -> None:
        """Check that what a record refers to is saved, or will be in this commit."""
        for name, target in (record._related or {}).items():
            if target._saved:
                # it may have become another row since it was assigned
                if record._values.get(f"{name}_uid") != target._values["uid"]:
                    record._values[f"{name}_uid"] = target._values["uid"]
                continue
            if id(target) not in self._records and id(target) not in self._twins:
                raise InvalidArgument(
                    f"{record!r} refers to a record that isn't saved.",
                    found=f"{name}={target!r}",
                    hint=f"save it first, or save both: ln.save([{name}, record])",
                )
            record._values[f"{name}_uid"] = target.uid

    def flush(self) -> None:
        """Commit; on failure undo what the records' hooks did."""
        try:
            self._flush()
        except (CommitStateUnknown, KeyboardInterrupt, SystemExit):
            raise  # it may have been committed: nothing may be undone, gc removes what is left
        except BaseException:
            self.rollback()
            raise
        self._mark()
        for action in self._committed:
            action()
        self._end_lease()

    def _flush(self) -> None:
        for record in list(self._refused.values()):
            self._add_again(record)  # unless it was mended it is refused once more
        for attempt in range(_ADOPTIONS):
            if attempt > 2:  # let the others through that have the same plan
                time.sleep(random.uniform(0, min(0.001 * attempt, 0.02)))
            changes = self.changes()
            if changes.empty:
                return
            try:
                self.commit = self.lake.commit(changes, message=self.message or self._summary())
            except KeyConflict as conflict:
                if not self._adopt(conflict):
                    raise
            except CommitConflict:  # what the stagers saw has changed: they look again
                if attempt == _ADOPTIONS - 1:
                    raise
            else:
                return
        raise InvalidArgument("Unique names kept being taken by others.", hint="save again")

    def _summary(self) -> str:
        """What the log says of a commit that was given no message."""
        parts = []
        for verb, records in (
            ("save", [r for r in self._records.values() if not r._saved]),
            ("change", [r for r in self._records.values() if r._saved]),
            ("delete", list(self._deleted.values())),
        ):
            if len(records) == 1:
                name = records[0]._values.get(records[0].meta.name_field)
                parts.append(f"{verb} {records[0].meta.name} {name or records[0].uid}"[:120])
            elif records:
                counts = Counter(r.meta.name for r in records)
                parts.append(f"{verb} " + ", ".join(f"{n} {name}" for name, n in counts.items()))
        return "; ".join(parts)

    def rollback(self) -> None:
        """Undo what the records' hooks did, and leave the records as unsaved as they were."""
        # the last first: a file may lie in a folder that an earlier action is to remove
        for action in reversed(self._undo):
            action()
        for records in self._new.values():
            for record in records:
                if not record._saved:
                    # else these would go before the stamps of a later save
                    record._values.pop("created_at", None)
                    record._values.pop("updated_at", None)
        self._end_lease()

    def _adopt(self, conflict: KeyConflict) -> bool:
        """Take over the rows of others that hold names of this batch's new records."""
        claims: dict[str, BaseRecord] = {}
        others: dict[str, BaseRecord] = {}
        for record in (r for records in self._new.values() for r in records):
            if record._saved:
                continue
            for columns in record.meta.unique:
                values = [record._values.get(c) for c in columns]
                branch = record._values.get("branch_uid")
                key = record.meta.spec.key_text(columns, values, branch)
                if key is not None:
                    # a record becomes another row only by what a constructor would find it by
                    (claims if _finds(record.meta, columns) else others)[key] = record
            if record._claims_uid and (key := record._uid_key()) is not None:
                # a conflict names a claimed key by its text, a row that is there by its uid
                claims[key] = claims[record._values["uid"]] = record
        mended = False
        state = self.lake.state
        met = {(id(claims[key]), uid) for key, uid in conflict.taken if key in claims}
        for key, uid in conflict.taken:
            record_of_key = claims.get(key)
            if record_of_key is None:
                if (id(others.get(key)), uid) not in met:
                    return False
                continue  # the row holds a key by which the record is found, too
            if record_of_key._saved:
                continue  # another of its keys was taken too, and it was adopted by that one
            own = (record_of_key._uid_key(), record_of_key._values["uid"])
            # where a family went on meanwhile, the version is counted on, unless it is the same one
            if key in own and record_of_key._renew_uid():
                mended = True
                continue
            # none where its holder was deleted since: the next try may have the name
            row = state.row(record_of_key.meta.table, uid)
            if row is not None:
                self._moved[record_of_key.meta.table, own[1]] = uid
                record_of_key._adopt(row)
            mended = True
        for place, twin in self._twins.items():
            # adopting gave the first one other values than those that they shared
            twin._values = self._firsts[place]._values
        return mended

    def _mark(self) -> None:
        for record in self._records.values():
            if record._old and "updated_at" in record.meta.fields:
                record._values["updated_at"] = self.now
            record._mark_saved()
        for record in self._twins.values():
            record._mark_saved()
        for record in self._deleted.values():
            record._saved = False
            record._old = None
        self.lake.matcher.forget()
        for record in list(self._records.values()):
            record._after_save(cast("Batch", self))


def _finds(meta: RegistryMeta, columns: tuple[str, ...]) -> bool:
    """Whether who has equal values in these columns is the record that a constructor finds."""
    return any(set(match) <= set(columns) for match in meta.match)
