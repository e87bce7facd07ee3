"""What a transaction wants to change: inserts, updates and deletes over any tables."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from lakehouse.engine.commit.references import References

if TYPE_CHECKING:
    from lakehouse.engine.table.version import TableVersion

Row = Mapping[str, Any]


@dataclass
class Insert:
    """Rows to insert; with `if_absent`, rows whose uid is there already are skipped."""

    rows: list[Row] | pa.Table
    if_absent: bool = False


@dataclass
class Update:
    """New values of some columns of one row, and the values that the caller saw before."""

    new: dict[str, Any]
    old: dict[str, Any]


@dataclass
class TableChanges:
    """The changes to one table."""

    inserts: list[Insert] = field(default_factory=list)
    updates: dict[str, Update] = field(default_factory=dict)
    deletes: dict[str, None] = field(default_factory=dict)  # a set that keeps its order
    claims: list[tuple[str, str]] = field(default_factory=list)
    releases: list[tuple[str, str]] = field(default_factory=list)


class Changes:
    """Changes over any number of tables, to be committed together or not at all.

    Example:
        >>> changes = Changes()
        >>> changes.insert("ulabel", [{"uid": "0R5sVvVx8mY2uQ4z", "name": "raw"}])
        >>> changes.empty
        False
    """

    def __init__(self) -> None:
        self.tables: dict[str, TableChanges] = {}
        self.expected_tables: dict[str, str | None] = {}
        self.expected_rows: dict[tuple[str, str], dict[str, Any]] = {}
        self.references: References | None = None  # by which every named row must be there
        self.checks: list[Callable[[Callable[[str], TableVersion]], None]] = []
        self.decided: Mapping[str, str] | None = None  # the tables by which deletes were allowed

    def _of(self, table: str) -> TableChanges:
        return self.tables.setdefault(table, TableChanges())

    @property
    def empty(self) -> bool:
        """Whether there is nothing to commit."""
        return not self.tables

    def insert(
        self, table: str, rows: Sequence[Row] | pa.Table, *, if_absent: bool = False
    ) -> None:
        """Insert rows, given as dictionaries or as an Arrow table.

        Args:
            table: The table's name.
            rows: The rows; each has a `uid`.
            if_absent: Skip rows whose uid exists already, so that inserting twice is harmless.
        """
        if not len(rows):
            return
        inserts = self._of(table).inserts
        if isinstance(rows, pa.Table):
            inserts.append(Insert(rows, if_absent))
        # one insert of many saves is encoded, and its keys are claimed, at once
        elif inserts and isinstance(inserts[-1].rows, list) and inserts[-1].if_absent == if_absent:
            inserts[-1].rows.extend(rows)
        else:
            inserts.append(Insert(list(rows), if_absent))

    def update(
        self, table: str, uid: str, new: Mapping[str, Any], old: Mapping[str, Any] | None = None
    ) -> None:
        """Change some columns of a row.

        Args:
            table: The table's name.
            uid: The row.
            new: The changed columns.
            old: The values that the caller saw. If another commit has changed one of them
                meanwhile, committing raises `RowConflict`; other columns merge.
        """
        known = self._of(table).updates.get(uid)
        if known is None:
            self._of(table).updates[uid] = Update(dict(new), dict(old or {}))
        else:
            known.new.update(new)
            # the first look counts: the second one saw what the first update has staged
            known.old = {**(old or {}), **known.old}

    def delete(self, table: str, uids: Iterable[str]) -> None:
        """Delete rows; those that aren't there are passed over."""
        self._of(table).deletes.update(dict.fromkeys(uids))

    def expect_table(self, table: str, location: str | None) -> None:
        """Commit only if a table is still at the version from which this was decided.

        None is the location of a table that isn't made yet. If it isn't, committing raises `CommitConflict`; then decide again, and commit that.
        """
        self.expected_tables[table] = location

    def expect_row(self, table: str, uid: str, values: Mapping[str, Any]) -> None:
        """Commit only if a row still has some values, which aren't JSON; else as above."""
        self.expected_rows.setdefault((table, uid), {}).update(values)

    def check(self, check: Callable[[Callable[[str], TableVersion]], None]) -> None:
        """Have something checked in the very state that is changed, under the writers' lock.

        Args:
            check: Gets a function that gives a table's version, and raises what is wrong.
        """
        self.checks.append(check)

    def claim(self, table: str, key: str, uid: str) -> None:
        """Claim a unique key beyond those of the table's specification."""
        self._of(table).claims.append((key, uid))

    def release(self, table: str, key: str, uid: str) -> None:
        """Release a unique key that was claimed with `claim`."""
        self._of(table).releases.append((key, uid))
