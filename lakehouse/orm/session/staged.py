"""What a batch has staged so far, and finding it: by name, by uid, by values."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from lakehouse.orm.session.matching import is_another

if TYPE_CHECKING:
    from lakehouse.orm.lake.lake import Lake
    from lakehouse.orm.model.meta import RegistryMeta
    from lakehouse.orm.record.base import BaseRecord


class Staged:
    """The records of one batch.

    Attributes:
        lake: The lake.
    """

    def __init__(self, lake: Lake) -> None:
        self.lake = lake
        self._records: dict[int, BaseRecord] = {}
        self._new: dict[str, list[BaseRecord]] = {}
        self._keys: dict[tuple[str, tuple[str, ...]], dict[tuple[Any, ...], BaseRecord]] = {}
        self._named: dict[tuple[str, Any], BaseRecord] = {}
        self._uids: dict[tuple[str, str], BaseRecord] = {}
        self._missed: set[tuple[str, str]] = set()
        self._twins: dict[int, BaseRecord] = {}
        self._firsts: dict[int, BaseRecord] = {}  # by twin: whose values it has
        self._moved: dict[tuple[str, str], str] = {}

    def records(self, table: str) -> list[BaseRecord]:
        """The new and changed records of one table, in the order in which they were saved."""
        return [r for r in self._records.values() if r.meta.table == table]

    def holds(self, record: BaseRecord) -> bool:
        """Whether a record that isn't saved yet will be saved with this batch."""
        return id(record) in self._records or id(record) in self._twins

    def staged(self, meta: RegistryMeta, values: dict[str, Any]) -> BaseRecord | None:
        """A staged new record that a constructor call with these values means."""
        for columns in meta.match:
            key = self._key(meta, columns, values)
            first = self._keys.get((meta.table, columns), {}).get(key)
            # keys are noted when a record is staged, and it may have been renamed since
            if key[0] is None or first is None or not self._has(first, columns, key):
                continue
            if not is_another(meta, columns, values, first._values):
                return first
        return None

    def staged_named(self, meta: RegistryMeta, values: dict[str, Any]) -> BaseRecord | None:
        """The first staged new record of a name, whatever its type."""
        name = values.get(meta.name_field)
        found = None if name is None else self._named.get((meta.table, name))
        if found is None or found._saved or not self.holds(found):
            return None
        # the name may have changed since it was noted; a type doesn't stand for what is none
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
        own = record._values.get("uid")
        if own is not None and own != (uid := first._ensure_uid()):
            # links may be staged with its uid, instead of with the record
            self._moved[record.meta.table, own] = uid
        # one dictionary for both, so that a change of either is a change of the row
        record._values = first._values
        self._twins[id(record)] = record
        self._firsts[id(record)] = first
