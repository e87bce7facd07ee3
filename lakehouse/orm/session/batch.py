"""Saving: everything that one call or one transaction changes, as one commit.

A batch collects records in the order in which they are saved, lets them stage what belongs
to them (files, links, snapshots), and commits once. If another process took a unique name
meanwhile, the existing row is adopted and the rest committed. If the commit fails, what the
records did beforehand is undone, and they are as unsaved as they were.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Iterator, Sequence, Set
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from lakehouse.engine import Changes
from lakehouse.errors import (
    InvalidArgument,
    ReadOnlyLake,
)
from lakehouse.orm.model.checks import check_same_lake
from lakehouse.orm.model.context import active_batch, in_batch
from lakehouse.orm.model.meta import take_back
from lakehouse.orm.session.commit import Committing
from lakehouse.orm.session.matching import is_another
from lakehouse.orm.session.protection import delete_belongings

if TYPE_CHECKING:
    from lakehouse.orm.lake.lake import Lake
    from lakehouse.orm.record.base import BaseRecord


class Batch(Committing):
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
        super().__init__(lake, message, datetime.now(UTC))
        self._stamps: dict[str, dict[str, Any]] = {}
        self._deleted_uids: dict[str, set[str]] = {}
        self._adding: BaseRecord | None = None
        self._once: dict[tuple[int, Hashable], Callable[[Changes], None]] = {}  # by record and name
        self._owned: dict[int, list[Callable[[Changes], None]]] = {}

    # -- for records and their hooks ---------------------------------------------------

    def add(self, record: BaseRecord) -> None:
        """Save a record with this batch."""
        if record._lake is not self.lake:
            self.check_lake(record)
        if record._lent is not None:
            take_back(record)
        place = id(record)
        # its values are those of an equal record, which is saved for both
        if place in self._twins:
            return
        if place in self._records:
            self._add_again(record)
            return
        saved = record._saved
        if saved and not record._old and not record._dirty:
            return
        # what the hook stages is noted as the record's own, to be dropped where it can't be saved
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
            # it is in the batch already: nothing is committed unless it is mended until then
            self._refused[id(record)] = record
            raise
        finally:
            self._adding = before
        self._refused.pop(id(record), None)

    def delete(self, record: BaseRecord) -> None:
        """Remove a record's row with this batch."""
        self.check_lake(record)
        record._before_delete(self)
        # the state of the first delete: references made since are looked for under the lock
        if self._decided is None:
            self._decided = dict(self.lake.state.pointers)
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
            # or a later record of that name would be joined to one that is never saved
            for key in [k for k, r in keys.items() if r is record]:
                del keys[key]
        self._uids.pop((table, record.uid), None)
        self._drop_stagers(place)

    def _drop_stagers(self, place: int) -> None:
        if own := self._owned.pop(place, []):
            # a new list, by which overlays of links see that theirs is out of date
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

    # -- staging -----------------------------------------------------------------------

    def _enter_new(self, record: BaseRecord) -> bool:
        """Stamp a new record, unless an equal new one is there already; then both are one."""
        meta, values = record.meta, record._values
        table = meta.table
        for columns in meta.match:
            key = self._key(meta, columns, values)
            # without its first column a key tells nobody apart
            if key[0] is None:
                continue
            keys = self._keys.setdefault((table, columns), {})
            first = keys.setdefault(key, record)
            if first is record:
                continue
            if is_another(meta, columns, values, first._values):
                continue
            # the first one may have been renamed since, and then leaves its name to this one
            if self._has(first, columns, key):
                record._check_agrees(first._values, values)
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
        # what the caller said, such as a branch, goes before what is stamped
        record._values = {**stamps, **values}
        self._new[table].append(record)
        if "type" in meta.foreign_keys:
            self._named.setdefault((table, values.get(meta.name_field)), record)
        if "uid" in values:
            self._uids[(table, values["uid"])] = record
        return True


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
