"""The catalog: one pointer per table, unique keys, the commit log and tags.

This is the whole contract between the engine and a catalog backend. The pointers of all
tables are read in one statement, and `Exclusive.swap` changes any number of them in one
transaction, together with keys, log and garbage. The layout of the pointer table is the one
of pyiceberg's `SqlCatalog`, so a stock catalog opens the same database.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol

from lakehouse.engine.table.keypack import BulkClaim

CATALOG_NAME = "lakehouse"
NAMESPACE = "lake"


@dataclass(frozen=True)
class Commit:
    """One entry of the commit log.

    Attributes:
        id: The commit's uid.
        seq: Its number; 0 is the lake's creation.
        parent: The id of the commit before it.
        time: When it was made (UTC).
        user, run, message: Who made it, in which run, and why.
        tables: The tables that it changed.
    """

    id: str
    seq: int
    parent: str | None
    time: datetime
    user: str
    run: str
    message: str
    tables: tuple[str, ...] = ()


@dataclass(frozen=True)
class Heads:
    """All pointers at one moment.

    Attributes:
        seq: Number of the newest commit.
        commit_id: Its id.
        pointers: The metadata location of every table.
        logged: The location that the log last recorded for every table; where it differs
            from the pointer, a writer that doesn't know us has moved the table. Tables without
            rows from the beginning aren't made yet, and are in neither.
    """

    seq: int
    commit_id: str
    pointers: Mapping[str, str]
    logged: Mapping[str, str]

    def foreign(self) -> dict[str, str]:
        """Tables whose pointer isn't the last logged one, with that pointer."""
        return {t: p for t, p in self.pointers.items() if self.logged.get(t) != p}

    def lost(self) -> dict[str, str]:
        """Tables that the log knows and that have no pointer, with the logged location."""
        return {t: p for t, p in self.logged.items() if t not in self.pointers}


@dataclass
class Swap:
    """Everything that one commit changes in the catalog.

    Attributes:
        commit_id, time, user, run, message: The entry of the log.
        pointers: Tables, with the location that each is expected to have and its next one.
        claims, bulk, releases: Unique keys and the rows that take them or give them back.
        garbage: The files that only states before the commit need.
        moved: Locations of kept versions that were written anew, and where they lie now.
        noted: Files of such versions, with the number of the commit that superseded them.
        messages: Other messages in the place of some that the log has, by commit number.
    """

    commit_id: str
    time: datetime
    user: str = ""
    run: str = ""
    message: str = ""
    pointers: dict[str, tuple[str | None, str]] = field(default_factory=dict)
    claims: list[tuple[str, str]] = field(default_factory=list)
    bulk: list[BulkClaim] = field(default_factory=list)
    releases: list[tuple[str, str]] = field(default_factory=list)
    garbage: list[str] = field(default_factory=list)
    moved: dict[str, str] = field(default_factory=dict)
    noted: list[tuple[int, str]] = field(default_factory=list)
    messages: dict[int, str] = field(default_factory=dict)


class PointerMoved(Exception):
    """A pointer wasn't what the swap expected; nothing was changed. Refresh and retry."""


class KeysTaken(Exception):
    """Unique keys are held by other rows; nothing was changed.

    Attributes:
        taken: `(key, uid of its holder)`; a key claimed twice in one swap names itself.
    """

    def __init__(self, taken: Sequence[tuple[str, str]]) -> None:
        super().__init__(f"{len(taken)} keys are taken")
        self.taken = tuple(taken)


class Exclusive(Protocol):
    """What a writer may do while it holds the catalog's lock."""

    def heads(self) -> Heads:
        """All pointers, read in one statement."""

    def swap(self, swap: Swap) -> int:
        """Apply a swap in one transaction; the new commit's number.

        Raises:
            PointerMoved: A pointer is no longer the expected one.
            KeysTaken: A claimed key belongs to another row.
            CommitStateUnknown: The connection broke and the outcome can't be learnt.
        """


class Catalog(Protocol):
    """A catalog backend. Every backend passes the same contract suite."""

    def create(self, info: Mapping[str, str]) -> None:
        """Make the catalog's own tables; `LakeExists` where they hold a lake already."""

    def info(self) -> dict[str, str]:
        """The lake's settings; empty where there is no lake."""

    def is_empty(self) -> bool:
        """Whether it holds nothing of any lake: its tables aren't there, or have no rows."""

    def set_info(self, values: Mapping[str, str]) -> None:
        """Set some of the lake's settings."""

    def may_write(self) -> bool:
        """Whether the present user has the right to commit. Cheap; a commit may fail even so."""

    def heads(self) -> Heads:
        """All pointers, read in one statement."""

    def token(self) -> object:
        """A value that differs from an earlier one if any pointer has changed since. Cheap.

        A token taken before `heads` is read stands for those heads or older ones.
        """

    def exclusive(self) -> AbstractContextManager[Exclusive]:
        """Take the writers' lock, fairly, for the duration of the block."""

    def holder(self, key: str) -> str | None:
        """The uid that holds a unique key."""

    def holders(self, keys: Sequence[str]) -> dict[str, str]:
        """The uids that hold the taken ones of many unique keys."""

    def commit_by_id(self, commit_id: str) -> Commit | None:
        """A commit by its id: the look-up of an unknown outcome."""

    def commit_at(self, seq: int) -> Commit | None:
        """A commit by its number."""

    def log(self, limit: int | None = None) -> list[Commit]:
        """Commits, newest first."""

    def seq_at(self, moment: datetime, now: datetime | None = None) -> int | None:
        """The number of the last commit before the first one that is later than a moment.

        Clocks of writers differ, and one may be days behind, so times needn't rise with the
        numbers: the states before any commit that says a later time are those of the moment.
        So of two moments the earlier one never gives the later state, and nothing younger than
        a moment lies before its state.

        Args:
            moment: The moment.
            now: The present time, if commits are to be passed over whose time is in the future
                and which later commits contradict: their clock was ahead.
        """

    def pointers_at(self, seq: int) -> dict[str, str]:
        """The logged location of every table as of a commit."""

    def tags(self) -> dict[str, int]:
        """Tag names and the commits that they name."""

    def set_tag(self, name: str, seq: int) -> None:
        """Name a commit; a name that names another one already is a `KeysTaken`."""

    def delete_tag(self, name: str) -> None:
        """Remove a tag."""

    def garbage(self, until_seq: int) -> list[tuple[int, str]]:
        """`(entry id, path)` of the files that commits up to a number superseded.

        Of a file that is listed more than once the last commit counts.
        """

    def forget(self, floor: int, kept: Sequence[int], garbage_ids: Sequence[int]) -> None:
        """Drop what only states before `floor` need, except those in `kept`.

        Log entries stay; the pointers of forgotten states and the given garbage entries go.
        """

    def locations(self) -> list[tuple[str, int, str]]:
        """Every kept version of every table: its name, the commit that made it, its location."""

    def claims(self) -> list[tuple[str, str]]:
        """Every unique key that has a row of its own in the catalog, and the uid that holds it."""

    def packs(self) -> list[tuple[str, bytes, bytes]]:
        """Scope, digests and uids of every block of packed unique keys."""

    def problems(self, *, deep: bool) -> list[str]:
        """What the database itself finds damaged in its file."""

    def mend(self, moved: Mapping[str, str], keys: Mapping[str, Sequence[tuple[str, str]]]) -> None:
        """Put other locations in the place of logged ones, and keys in that of whole scopes."""

    def drop_info(self, name: str) -> None:
        """Remove one of the lake's settings."""

    def wipe(self) -> bool:
        """Overwrite what was deleted from the database's files; False where others hinder it."""

    def rewrite_locations(self, old: str, new: str) -> None:
        """Replace the prefix of every location (a lake that was moved)."""

    def copy_to(self, path: str) -> None:
        """Write a copy of one moment into a new SQLite file; writers go on meanwhile."""

    def copy_from(self, path: str) -> None:
        """Take over what `copy_to` wrote; `LakeExists` where there is a lake already."""

    def close(self) -> None:
        """Release connections."""
