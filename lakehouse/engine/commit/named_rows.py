"""Rows that the changes of a commit name: they are there, and stay there, or nothing is committed.

Whoever saves a record has looked at what it refers to, and whoever deletes one has looked at who
refers to it. In between others commit. So both are looked at again under the writers' lock, in
the very state that the commit follows.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Set
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.compute as pc

from lakehouse.engine.table.arrays import array_of
from lakehouse.errors import ObjectDoesNotExist, ProtectedRecord

if TYPE_CHECKING:
    from lakehouse.engine.commit.changes import Changes, TableChanges
    from lakehouse.engine.commit.references import Reference
    from lakehouse.engine.table.version import TableVersion

_SHOWN = 3


class NamedRows:
    """Looks at what changes name, and remembers which rows were seen to be there.

    Args:
        version: Gives a version of a table by its location.
    """

    def __init__(self, version: Callable[[str], TableVersion]) -> None:
        self._version = version
        # by table its location and the uids seen there: as long as it stays, so do its rows
        self._seen: dict[str, tuple[str, set[str]]] = {}

    def check(self, changes: Changes, pointers: Mapping[str, str]) -> None:
        """Refuse changes after which a row would name one that isn't there.

        Args:
            changes: The changes.
            pointers: The tables that they are made to.

        Raises:
            ObjectDoesNotExist: A new or changed row names a row that isn't there.
            ProtectedRecord: Others have referred meanwhile to a row that is deleted.
        """
        if changes.references is None:
            return
        inserted: dict[str, set[str]] = {}
        for table, change in changes.tables.items():
            for reference in changes.references(table):
                for target, uids in _named(change, reference).items():
                    there = self._there(target, uids, pointers)
                    gone = changes.tables[target].deletes if target in changes.tables else {}
                    # the usual case, without a look at what is inserted
                    if uids <= there and not (gone and uids & gone.keys()):
                        continue
                    if target not in inserted:
                        inserted[target] = _inserted(changes.tables.get(target))
                    # what is deleted and inserted again in the same commit is there afterwards
                    lost = (uids - (there - gone.keys())) - inserted[target]
                    if lost:
                        raise _missing(table, reference, target, lost)
        if changes.decided is not None:
            self._check_deletes(changes, changes.decided, pointers)

    def _there(self, target: str, uids: Set[str], pointers: Mapping[str, str]) -> set[str]:
        """Those of some uids that a table has."""
        location = pointers.get(target)
        if location is None:
            return set()
        known, seen = self._seen.get(target, ("", set[str]()))
        if known != location:
            seen = set()
            self._seen[target] = location, seen
        if unseen := uids - seen:
            seen.update(self._version(location).locate(list(unseen)))
        return seen & uids

    def _check_deletes(
        self, changes: Changes, decided: Mapping[str, str], pointers: Mapping[str, str]
    ) -> None:
        """Look for new references to deleted rows where others have written since."""
        doomed = {t: c.deletes.keys() for t, c in changes.tables.items() if c.deletes}
        references = changes.references
        if not doomed or references is None:
            return
        for table, location in pointers.items():
            if decided.get(table) == location:  # one that was made since is looked at, too
                continue
            change = changes.tables.get(table)
            for reference in references(table):
                for target, uids in doomed.items():
                    if reference.target in (target, None):
                        rows = self._naming(table, location, reference, target, uids)
                        if kept := [u for u in rows if not _is_changed(change, u, reference)]:
                            raise _referred(table, reference, target, kept)

    def _naming(
        self, table: str, location: str, reference: Reference, target: str, uids: Iterable[str]
    ) -> list[str]:
        """The rows of a table that name some rows of another."""
        version = self._version(location)
        if reference.column not in version.schema.names:
            return []
        columns = ["uid", reference.column, *([] if reference.target else ["registry"])]
        wanted = array_of(list(uids), pa.string())
        found: list[str] = []
        for entry in version.entries:
            rows = version.file(entry).select(columns)
            mask = pc.is_in(rows[reference.column], value_set=wanted)
            if reference.target is None:
                mask = pc.and_(mask, pc.equal(rows["registry"], target))
            found += rows.filter(pc.fill_null(mask, fill_value=False))["uid"].to_pylist()
        return found


def _named(change: TableChanges, reference: Reference) -> dict[str, set[str]]:
    """By target table, the uids that new rows and new values name."""
    column, out = reference.column, dict[str, set[str]]()
    for insert in change.inserts:
        rows = insert.rows
        pairs = _pairs(rows, reference) if isinstance(rows, pa.Table) else (
            (reference.target or row.get("registry"), row.get(column)) for row in rows
        )  # fmt: skip
        for target, uid in pairs:
            if uid and target:
                out.setdefault(target, set()).add(uid)
    if reference.target is not None:  # what a row is a link of is never changed
        for update in change.updates.values():
            if uid := update.new.get(column):
                out.setdefault(reference.target, set()).add(uid)
    return out


def _pairs(rows: pa.Table, reference: Reference) -> Iterator[tuple[str | None, str | None]]:
    """The different targets and uids that the rows of a table name."""
    if reference.column not in rows.column_names:
        return
    if reference.target is not None:
        for uid in pc.unique(rows[reference.column]).to_pylist():
            yield reference.target, uid
        return
    # grouped by both and with no aggregate: the groups are the different pairs
    both = rows.select(["registry", reference.column]).group_by(["registry", reference.column])
    for row in both.aggregate([]).to_pylist():
        yield row["registry"], row[reference.column]


def _inserted(change: TableChanges | None) -> set[str]:
    """The uids of the rows that are inserted."""
    found: set[str] = set()
    for insert in () if change is None else change.inserts:
        rows = insert.rows
        if isinstance(rows, pa.Table):
            found.update(rows["uid"].to_pylist())
        else:
            found.update(row["uid"] for row in rows)
    return found


def _is_changed(change: TableChanges | None, uid: str, reference: Reference) -> bool:
    """Whether a row goes with these changes, or names something else after them."""
    if change is None:
        return False
    update = change.updates.get(uid)
    return uid in change.deletes or (update is not None and reference.column in update.new)


def _missing(
    table: str, reference: Reference, target: str, lost: Iterable[Any]
) -> ObjectDoesNotExist:
    shown = ", ".join(map(repr, sorted(lost)[:_SHOWN]))
    return ObjectDoesNotExist(
        f"What is saved to {table!r} refers to a row of {target!r} that isn't there;"
        " nothing was committed.",
        found=f"{reference.column} = {shown}",
        expected=f"the uid of a row of {target!r}",
        hint="it was deleted meanwhile, or never saved: get it again, or save it first",
    )


def _referred(
    table: str, reference: Reference, target: str, rows: Iterable[str]
) -> ProtectedRecord:
    shown = list(rows)
    return ProtectedRecord(
        f"A row of {target!r} can't be deleted for good: others have referred to it meanwhile;"
        " nothing was committed.",
        found=f"{len(shown)} row(s) of {table!r} by {reference.column}: "
        + ", ".join(shown[:_SHOWN]),
        hint="delete those first, or leave it in the trash",
    )
