"""Saving: everything that one call or one transaction changes, as one commit.

A batch collects records in the order in which they are saved, lets them stage what belongs
to them (files, links, snapshots), and commits once. If another process took a unique name
meanwhile, the existing row is adopted and the rest committed. If the commit fails, what the
records did beforehand is undone, and they are as unsaved as they were.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Hashable, Iterable, Iterator, Sequence, Set
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from lakehouse.engine import Changes, Commit
from lakehouse.errors import (
    CommitStateUnknown,
    InvalidArgument,
    KeyConflict,
    ReadOnlyLake,
)
from lakehouse.identity import new_uids
from lakehouse.orm.context import active_batch, in_batch
from lakehouse.orm.fields import take_back
from lakehouse.orm.protection import delete_belongings
from lakehouse.orm.rows import as_table
from lakehouse.orm.same_lake import check_same_lake

if TYPE_CHECKING:
    from lakehouse.orm.base import BaseRecord
    from lakehouse.orm.lake import Lake
    from lakehouse.orm.meta import RegistryMeta

_ARROW_FROM = 256  # records of one registry; fewer are staged as dictionaries
_ADOPTIONS = 10


class Batch:
    """What will be committed together.

    Hooks of records (`_before_save`, `_before_delete`) get the batch and may use:
    `add(record)` to save another record with it, `stage(function)` to put changes of other
    tables beside the rows, `on_commit(function)` and `on_rollback(function)`.

    Attributes:
        lake: The lake.
        now: The time that all records of the batch get as `created_at` or `updated_at`.
    """

    def __init__(self, lake: Lake, message: str = "") -> None:
        if lake.read_only:
            raise ReadOnlyLake(
                "This lake is bound to a past state or was opened for reading: it takes no writes.",
                hint="save in the lake itself: ln.connect() or ln.open(root)",
            )
        self.lake = lake
        self.message = message
        self.now = datetime.now(UTC)
        self.commit: Commit | None = None
        self._records: dict[int, BaseRecord] = {}
        self._new: dict[str, list[BaseRecord]] = {}
        self._keys: dict[tuple[str, tuple[str, ...]], dict[tuple[Any, ...], BaseRecord]] = {}
        self._stamps: dict[str, dict[str, Any]] = {}
        self._named: dict[tuple[str, Any], BaseRecord] = {}
        self._uids: dict[tuple[str, str], BaseRecord] = {}
        self._missed: set[tuple[str, str]] = set()
        self._twins: dict[int, BaseRecord] = {}
        self._firsts: dict[int, BaseRecord] = {}
        self._deleted: dict[int, BaseRecord] = {}
        self._deleted_uids: dict[str, set[str]] = {}
        self._stagers: list[Callable[[Changes], None]] = []
        self._refused: dict[int, BaseRecord] = {}
        self._adding: BaseRecord | None = None
        self._once: dict[tuple[int, Hashable], Callable[[Changes], None]] = {}
        self._owned: dict[int, list[Callable[[Changes], None]]] = {}
        self._committed: list[Callable[[], None]] = []
        self._undo: list[Callable[[], None]] = []

    # -- for records and their hooks ---------------------------------------------------

    def add(self, record: BaseRecord) -> None:
        """Save a record with this batch."""
        if record._lake is not self.lake:
            self.check_lake(record)
        if record._lent is not None:
            take_back(record)
        place = id(record)
        if place in self._twins:
            return
        if place in self._records:
            self._add_again(record)
            return
        saved = record._saved
        if saved and not record._old and not record._dirty:
            return
        before, self._adding = self._adding, record
        try:
            record._before_save(self)
        except BaseException:  # the caller may go on without it
            self._drop_stagers(place)
            raise
        finally:
            self._adding = before
        if not saved and record._saved:
            if not record._old:
                return  # it turned out to be an existing record
        elif not saved and not self._enter_new(record):
            return
        self._records[place] = record

    def _add_again(self, record: BaseRecord) -> None:
        """Let a record of this batch that was changed since be checked again.

        Of a new one only the row follows its changes: its bytes and links are staged already.
        """
        if not record._saved:
            self._note_keys(record)
            return
        before, self._adding = self._adding, record
        try:
            record._before_save(self)
        except BaseException:
            self._refused[id(record)] = record
            raise
        finally:
            self._adding = before
        self._refused.pop(id(record), None)

    def delete(self, record: BaseRecord) -> None:
        """Remove a record's row with this batch."""
        self.check_lake(record)
        record._before_delete(self)
        delete_belongings(self, record)
        self._deleted[id(record)] = record
        self._deleted_uids.setdefault(record.meta.table, set()).add(record.uid)

    def withdraw(self, record: BaseRecord) -> None:
        """Let a new record of this batch not be saved after all."""
        delete_belongings(self, record)
        place, table = id(record), record.meta.table
        self._records.pop(place, None)
        self._new[table] = [r for r in self._new.get(table, []) if r is not record]
        for keys in self._keys.values():
            for key in [k for k, r in keys.items() if r is record]:
                del keys[key]
        self._uids.pop((table, record.uid), None)
        self._drop_stagers(place)

    def _drop_stagers(self, place: int) -> None:
        if own := self._owned.pop(place, []):
            self._stagers = [s for s in self._stagers if s not in own]

    def deleted(self, table: str) -> Set[str]:
        """The uids of the rows of one table that this batch deletes."""
        return self._deleted_uids.get(table, frozenset())

    def stage(self, stager: Callable[[Changes], None], *, once: Hashable = None) -> None:
        """Register a function that adds changes of other tables.

        It may be called again, with fresh changes, when a name turned out to be taken; the
        uids of the batch's records may have changed then.

        Args:
            stager: The function.
            once: What it stages; it takes the place of what the record that is being added
                has staged under this name before.
        """
        if once is not None:
            key = (id(self._adding), once)
            former = self._once.get(key)
            if former is not None:
                self._stagers = [s for s in self._stagers if s is not former]
            self._once[key] = stager
        self._stagers.append(stager)
        if self._adding is not None:
            self._owned.setdefault(id(self._adding), []).append(stager)

    @property
    def stagers(self) -> Sequence[Callable[[Changes], None]]:
        """What was registered with `stage`, in order."""
        return self._stagers

    def records(self, table: str) -> list[BaseRecord]:
        """The new and changed records of one table, in the order in which they were saved."""
        return [r for r in self._records.values() if r.meta.table == table]

    def holds(self, record: BaseRecord) -> bool:
        """Whether a record that isn't saved yet will be saved with this batch."""
        return id(record) in self._records or id(record) in self._twins

    def on_commit(self, action: Callable[[], None]) -> None:
        """Register what is to be done once the commit has happened."""
        self._committed.append(action)

    def on_rollback(self, action: Callable[[], None]) -> None:
        """Register what is to be undone if the commit doesn't happen."""
        self._undo.append(action)

    def check_lake(self, record: BaseRecord) -> None:
        """Refuse a record of another lake."""
        hint = "construct it with the other lake's registries, e.g. lake.ULabel(…)"
        check_same_lake(record, self.lake, "what it is saved with", hint=hint)

    # -- reads of what is staged -------------------------------------------------------

    def staged(self, meta: RegistryMeta, values: dict[str, Any]) -> BaseRecord | None:
        """A staged new record that a constructor call with these values means."""
        for columns in meta.match:
            key = self._key(meta, columns, values)
            first = self._keys.get((meta.table, columns), {}).get(key)
            if key[0] is not None and first is not None and self._has(first, columns, key):
                return first
        return None

    def staged_named(self, meta: RegistryMeta, values: dict[str, Any]) -> BaseRecord | None:
        """The first staged new record of a name, whatever its type."""
        name = values.get(meta.name_field)
        found = None if name is None else self._named.get((meta.table, name))
        if found is None or found._saved or not self.holds(found):
            return None
        for column in (meta.name_field, "is_type", "branch_uid"):
            default = self.lake.branch_uid if column == "branch_uid" else None
            if (found._values.get(column) or default) != (values.get(column) or default):
                return None
        return found

    def _has(self, record: BaseRecord, columns: tuple[str, ...], key: tuple[Any, ...]) -> bool:
        """Whether a staged record still has the key under which it was noted."""
        return self._key(record.meta, columns, record._values) == key

    def _note_keys(self, record: BaseRecord) -> None:
        """Let a new record that was changed after it was staged be found by its new keys."""
        for columns in record.meta.match:
            key = self._key(record.meta, columns, record._values)
            if key[0] is not None:
                self._keys.setdefault((record.meta.table, columns), {}).setdefault(key, record)

    def _key(
        self, meta: RegistryMeta, columns: tuple[str, ...], values: dict[str, Any]
    ) -> tuple[Any, ...]:
        key = [values.get(c) for c in columns]
        if meta.names_per_branch:
            key.append(values.get("branch_uid") or self.lake.branch_uid)
        return tuple(key)

    def staged_uid(self, table: str, uid: str) -> BaseRecord | None:
        """A staged new record by its uid."""
        found = self._uids.get((table, uid))
        if found is None and table in self._new and (table, uid) not in self._missed:
            # uids are made when they are asked for, so most weren't known when staged
            known = {r._values["uid"]: r for r in self._new[table] if "uid" in r._values}
            self._uids.update({(table, u): r for u, r in known.items()})
            found = known.get(uid)
            if found is None:  # uids that are made later are new ones
                self._missed.add((table, uid))
        return found

    def staged_records(self, table: str) -> list[Any]:
        """The staged new records of one table."""
        return [r for r in self._new.get(table, ()) if not r._saved]

    def staged_where(self, table: str, lookups: dict[str, Any]) -> BaseRecord | None:
        """The only staged new record whose fields equal the given values."""
        found = [
            record
            for record in self._new.get(table, [])
            if all(getattr(record, n) == v for n, v in lookups.items())
        ]
        return found[0] if len(found) == 1 else None

    def join(self, record: BaseRecord, first: BaseRecord) -> None:
        """Let a record be one with an equal new record of this batch."""
        record._values = first._values
        self._twins[id(record)] = record
        self._firsts[id(record)] = first

    # -- staging -----------------------------------------------------------------------

    def _enter_new(self, record: BaseRecord) -> bool:
        """Stamp a new record, unless an equal new one is there already; then both are one."""
        meta, values = record.meta, record._values
        table = meta.table
        for columns in meta.match:
            key = self._key(meta, columns, values)
            if key[0] is None:
                continue
            keys = self._keys.setdefault((table, columns), {})
            first = keys.setdefault(key, record)
            if first is record:
                continue
            if self._has(first, columns, key):
                self.join(record, first)
                return False
            keys[key] = record
        stamps = self._stamps.get(table)
        if stamps is None:
            times = {"created_at": self.now, "updated_at": self.now}
            known = meta.fields
            stamps = {n: v for n, v in {**self.lake.stamps, **times}.items() if n in known}
            self._stamps[table] = stamps
            self._new[table] = []
        record._values = {**stamps, **values}
        self._new[table].append(record)
        if "type" in meta.foreign_keys:
            self._named.setdefault((table, values.get(meta.name_field)), record)
        if "uid" in values:
            self._uids[(table, values["uid"])] = record
        return True

    def changes(self) -> Changes:
        """The changes as they stand."""
        changes = Changes()
        for record in self._records.values():
            if record._related:
                self._resolve(record)
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
            if (key := record._uid_key()) is not None:
                changes.release(record.meta.table, key, record.uid)
        for stager in self._stagers:
            stager(changes)
        return changes

    def _insert(self, changes: Changes, table: str, records: list[BaseRecord]) -> None:
        meta = records[0].meta
        bare = [r for r in records if "uid" not in r._values]
        for record, uid in zip(bare, new_uids(len(bare)) if bare else [], strict=True):
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

    # -- committing --------------------------------------------------------------------

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

    def _flush(self) -> None:
        for record in list(self._refused.values()):
            self._add_again(record)  # unless it was mended it is refused once more
        for _ in range(_ADOPTIONS):
            changes = self.changes()
            if changes.empty:
                return
            try:
                self.commit = self.lake.commit(changes, message=self.message or self._summary())
            except KeyConflict as conflict:
                if not self._adopt(conflict):
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
        for action in reversed(self._undo):
            action()
        for records in self._new.values():
            for record in records:
                if not record._saved:
                    record._values.pop("created_at", None)
                    record._values.pop("updated_at", None)

    def _adopt(self, conflict: KeyConflict) -> bool:
        """Take over the rows of others that hold names of this batch's new records."""
        claims: dict[str, BaseRecord] = {}
        for record in (r for records in self._new.values() for r in records):
            if record._saved:
                continue
            for columns in record.meta.match:
                values = [record._values.get(c) for c in columns]
                branch = record._values.get("branch_uid")
                key = record.meta.spec.key_text(columns, values, branch)
                if columns in record.meta.unique and key is not None:
                    claims[key] = record
            if record._claims_uid and (key := record._uid_key()) is not None:
                claims[key] = claims[record._values["uid"]] = record
        mended = False
        state = self.lake.state
        for key, uid in conflict.taken:
            record_of_key = claims.get(key)
            if record_of_key is None:
                return False
            if record_of_key._saved:
                continue  # another of its keys was taken too, and it was adopted by that one
            own = (record_of_key._uid_key(), record_of_key._values["uid"])
            if key in own and record_of_key._renew_uid():
                mended = True
                continue
            row = state.row(record_of_key.meta.table, uid)
            if row is not None:
                record_of_key._adopt(row)
            mended = True
        for place, twin in self._twins.items():
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
            record._after_save(self)


@contextmanager
def batch_on(lake: Lake, message: str = "") -> Iterator[Batch]:
    """The open batch of a lake, or a new one that is committed at the end."""
    batch = active_batch(lake)
    if batch is not None:
        yield batch
        return
    batch = Batch(lake, message)
    try:
        with in_batch(batch):
            yield batch
    except BaseException:
        batch.rollback()
        raise
    batch.flush()


def save_all(lake: Lake, records: Iterable[Any], is_record: Callable[[Any], bool]) -> list[Any]:
    """Save records in one commit, dependencies first; nothing is saved if one is no record.

    Raises:
        InvalidArgument: Something isn't a record.
    """
    found = list(records)
    for i, record in enumerate(found):
        if not is_record(record):
            raise InvalidArgument(
                "Only records can be saved; nothing was saved.",
                found=f"{type(record).__name__} at position {i}",
                expected="records, e.g. ln.ULabel(name='raw')",
            )
    with batch_on(lake) as batch:
        for record in found:
            if record._lake is not lake:
                batch.check_lake(record)
        for cls in {type(r) for r in found}:
            cls._before_save_many(batch, [r for r in found if type(r) is cls])
        for record in found:
            batch.add(record)
    return found
