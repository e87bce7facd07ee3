"""Committing: stage every table, make the files durable, swap all pointers at once.

Large inserts are written before the lock is taken. Under the lock the newest pointers are
read, the changes are staged against them, the files are written and fsynced, and one catalog
transaction claims keys, moves pointers and extends the log. A lost race stages anew; what the
caller decided from the old state is checked again, and only a real conflict is an error.
"""

from __future__ import annotations

import random
import time
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from datetime import UTC, datetime

import pyarrow.compute as pc

from lakehouse.engine.catalog.base import Commit, Exclusive, Heads, KeysTaken, PointerMoved, Swap
from lakehouse.engine.commit.changes import Changes
from lakehouse.engine.commit.evolve import add_columns, base_of, lacking
from lakehouse.engine.commit.leases import Lease
from lakehouse.engine.commit.named_rows import NamedRows
from lakehouse.engine.commit.parts import Parts
from lakehouse.engine.commit.stage import StagedTable, stage_table
from lakehouse.engine.table.datafile import Ready, bulk_claims, prepare
from lakehouse.engine.table.reach import reachable
from lakehouse.engine.table.spec import KEY_SEPARATOR, TableSpec
from lakehouse.engine.table.version import TableCache, TableVersion
from lakehouse.errors import (
    CommitConflict,
    IntegrityError,
    InvalidArgument,
    KeyConflict,
    LakeCorrupt,
    ObjectDoesNotExist,
    StorageError,
)
from lakehouse.identity import new_uid

# -- Noticing writers that don't know us


FOREIGN = "written by another Iceberg engine"


def reconcile(
    exclusive: Exclusive, cache: TableCache, specs: Mapping[str, TableSpec], heads: Heads
) -> Heads:
    """Enter foreign changes into keys and log; the heads afterwards.

    Raises:
        IntegrityError: Foreign rows break a unique key; they must be mended where they came from.
    """
    foreign = {t: p for t, p in heads.foreign().items() if t in specs}
    if not foreign:
        return heads
    swap = Swap(new_uid(), datetime.now(UTC), message=FOREIGN)
    for table, pointer in foreign.items():
        # first of all: rows are found by uid, so of two with the same one is out of reach
        _check_uids(table, cache.version(pointer))
        now = Counter(specs[table].keys_of_table(cache.version(pointer).arrow()))
        logged = heads.logged.get(table)
        before = (
            Counter(specs[table].keys_of_table(cache.version(logged).arrow()))
            if logged
            else Counter()
        )
        # the pointer stays where it is: only the log and `lh_head` catch up with it
        swap.pointers[table] = (pointer, pointer)
        if logged:
            # noted, or gc would take them for orphans while kept states before this one need them
            lost = reachable(cache.version(logged)) - reachable(cache.version(pointer))
            swap.garbage += sorted(lost)
        swap.claims += list((now - before).elements())
        swap.releases += list((before - now).elements())
    try:
        exclusive.swap(swap)
    except KeysTaken as error:
        shown = ", ".join(f"{k!r} (held by {u})" for k, u in error.taken[:5])
        raise IntegrityError(
            f"Another Iceberg engine wrote rows to {sorted(foreign)} that repeat unique values.",
            found=shown,
            expected="every unique value once",
            hint="delete or rename the repeated rows with the engine that wrote them, or set them"
            " aside: lakehouse repair",
        ) from None
    # read again: a swap ends the turn in Postgres, and others may have had theirs since
    return exclusive.heads()


def _check_uids(table: str, version: TableVersion) -> None:
    if version.memory_schema.names[0] != "uid":
        raise IntegrityError(
            f"Another Iceberg engine made the table {table!r} with other columns.",
            found=", ".join(version.memory_schema.names),
            expected="uid as the first one",
            hint="drop it with the engine that made it: it is made by the first row that is saved",
        )
    counts = version.arrow()["uid"].value_counts()
    repeated = counts.filter(pc.greater(counts.field("counts"), 1)).field("values").to_pylist()
    if repeated:
        raise IntegrityError(
            f"Another Iceberg engine wrote rows to {table!r} that repeat uids.",
            found=", ".join(map(str, repeated[:5])),
            expected="every uid once",
            hint="delete the repeated rows with the engine that wrote them, or set them aside:"
            " lakehouse repair",
        )


_Ready = dict[str, dict[int, Ready]]


class Committer:
    """Turns changes into commits, for one lake."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        self._named = NamedRows(parts.cache.version)

    def commit(
        self, changes: Changes, heads: Heads, *, user: str = "", run: str = "", message: str = ""
    ) -> Commit:
        """Commit changes, all or nothing.

        Args:
            changes: What to change.
            heads: A recent state, from which bulk inserts are prepared before the lock.
            user, run, message: Recorded in the log.

        Raises:
            KeyConflict: A unique key is held by another row, or claimed twice.
            RowConflict: A row was changed or deleted by another commit meanwhile.
            CommitConflict: Other writers won every race.
            ObjectDoesNotExist, ProtectedRecord: A row would name one that isn't there.
        """
        # unknown tables are refused before anything is written
        for table in changes.tables:
            self._spec(table)
        # one for all attempts: by it the log is asked where the outcome of a swap isn't known
        commit_id = new_uid()
        ready: _Ready = {}
        lease = self._parts.leases.new()
        try:
            self._prepare(changes, heads, ready, lease)
            return self._race(changes, ready, commit_id, (user, run, message))
        except (
            IntegrityError, InvalidArgument, LakeCorrupt, StorageError, CommitConflict,
            ObjectDoesNotExist,
        ):  # fmt: skip
            # after other errors the commit may have happened: then gc finds what it left
            prepared = (one for inserts in ready.values() for one in inserts.values())
            self._discard(file.path for one in prepared for file in one.files if file.written)
            raise
        finally:
            # only now: either a state names the files, or nothing ever will
            lease.end()

    def _race(
        self, changes: Changes, ready: _Ready, commit_id: str, who: tuple[str, str, str]
    ) -> Commit:
        for attempt in range(self._parts.limits.attempts):
            if attempt:
                # at random, so that those who lost one race don't meet again; 0.5 s at most
                time.sleep(random.uniform(0, min(0.005 * 2**attempt, 0.5)))
            try:
                with self._parts.catalog.exclusive() as exclusive:
                    return self._attempt(exclusive, changes, ready, commit_id, who)
            # ours wait for the lock; stock engines don't know it, and a lost connection gives it up
            except PointerMoved:
                continue
            except KeysTaken as error:
                raise self._conflict(error) from None
        raise CommitConflict(
            f"Other writers won {self._parts.limits.attempts} races in a row; nothing was committed.",
            hint="save again",
        )

    def _spec(self, table: str) -> TableSpec:
        if table not in self._parts.specs:
            raise InvalidArgument(
                f"There is no table {table!r}.", expected=sorted(self._parts.specs)
            )
        return self._parts.specs[table]

    def _discard(self, paths: Iterable[str]) -> None:
        """Remove files that no commit will name."""
        # gc removes what stays; the error that led here says more
        with suppress(OSError):
            self._parts.files.remove(paths)

    def _prepare(self, changes: Changes, heads: Heads, ready: _Ready, lease: Lease) -> None:
        for name, table in changes.tables.items():
            for i, insert in enumerate(table.inserts):
                if insert.if_absent:
                    continue  # which of its rows are new is known under the lock only
                spec, rows = self._spec(name), insert.rows
                if isinstance(rows, list):
                    rows = spec.encode_rows(rows)
                elif rows.num_rows < self._parts.limits.bulk_rows:
                    continue
                if rows.num_rows < self._parts.limits.bulk_rows:
                    one = Ready([], rows, bulk_claims(spec, rows))
                else:
                    base = base_of(self._parts, heads, name)
                    if lacking(self._parts.cache, self._parts.specs, heads, [name]):
                        continue  # other code has made it; the commit adds its columns first
                    one = prepare(spec, base, rows, self._parts.limits)
                    # before the first byte: until a commit names them they look like leftovers
                    lease.add(f.path for f in one.files)
                    self._parts.files.write([(f.path, f.data) for f in one.files])
                for file in one.files:
                    # so no attempt writes them again, however many races are lost
                    file.written = True
                ready.setdefault(name, {})[i] = one

    def _attempt(
        self,
        exclusive: Exclusive,
        changes: Changes,
        ready: _Ready,
        commit_id: str,
        who: tuple[str, str, str],
    ) -> Commit:
        # first, or keys of foreign rows would be claimed by ours
        heads = reconcile(exclusive, self._parts.cache, self._parts.specs, exclusive.heads())
        heads = add_columns(exclusive, self._parts, heads, changes.tables)
        # from here on `heads` is what the commit follows: all is decided in it (decision 011)
        self._check_expected(changes, heads)
        self._named.check(changes, heads.pointers)
        for check in changes.checks:
            check(lambda table: base_of(self._parts, heads, table))
        user, run, message = who
        swap = Swap(commit_id, datetime.now(UTC), user, run, message)
        staged: list[StagedTable] = []
        for name, table in changes.tables.items():
            base = base_of(self._parts, heads, name)
            swap.claims += table.claims
            swap.releases += table.releases
            one = stage_table(
                self._spec(name), base, table, ready.get(name, {}), self._parts.limits, commit_id
            )
            if one is None:
                continue
            staged.append(one)
            # None where the table isn't made yet: then the swap fails if somebody has made it
            swap.pointers[name] = (base.location or None, one.version.location)
            swap.claims += one.claims
            swap.bulk += one.bulk
            swap.releases += one.releases
            swap.garbage += one.garbage
        written = [file for one in staged for file in one.files]
        # durable before the swap, since a pointer must not outlive its files in a crash; without
        # a lease: gc judges what it has listed under this lock, after the swap or its failure
        self._parts.files.write(written)
        try:
            seq = exclusive.swap(swap)
        except (PointerMoved, KeysTaken):
            # certainly not committed; after any other error a state may name them
            self._discard(path for path, _ in written)
            raise
        for one in staged:
            # its rows are in memory: the next read of this process decodes nothing
            self._enter(one.version)
        return Commit(
            commit_id, seq, heads.commit_id, swap.time, user, run, message, tuple(swap.pointers)
        )

    def _check_expected(self, changes: Changes, heads: Heads) -> None:
        """Refuse what was decided from a state that another commit has changed meanwhile."""
        moved = [
            table
            for table, location in changes.expected_tables.items()
            if heads.pointers.get(table) != location
        ]
        for (table, uid), values in changes.expected_rows.items():
            row = base_of(self._parts, heads, table).row(uid) or {}
            if any(row.get(name) != value for name, value in values.items()):
                moved.append(f"{table} {uid}")
        if moved:
            raise CommitConflict(
                "Another commit changed what this one was decided from; nothing was committed.",
                found=", ".join(moved),
                hint="save again",
            )

    def _enter(self, version: TableVersion) -> None:
        for manifest in version.manifests:
            self._parts.cache.remember_manifest(manifest)
        self._parts.cache.keep(version)

    def _conflict(self, error: KeysTaken) -> KeyConflict:
        return key_conflict(error.taken)


def key_conflict(taken: Sequence[tuple[str, str]]) -> KeyConflict:
    """The error for taken keys, naming tables, columns and values."""
    shown = []
    tables = list(
        dict.fromkeys(key.partition(KEY_SEPARATOR)[0].partition(".")[0] for key, _ in taken)
    )
    for key, uid in taken[:5]:
        head, _, values = key.partition(KEY_SEPARATOR)
        table, _, columns = head.partition(".")
        if len(tables) > 1:
            columns = f"{table}.{columns}"
        shown.append(
            f"{columns.replace('+', ', ')} = {values.replace(KEY_SEPARATOR, ', ')!r} (uid {uid})"
        )
    more = f" and {len(taken) - 5} more" if len(taken) > 5 else ""
    return KeyConflict(
        f"Unique values of {', '.join(map(repr, tables))} are already taken; nothing was committed.",
        found="; ".join(shown) + more,
        hint="get the existing record, or choose another value",
        table=tables[0] if tables else "",
        taken=tuple(taken),
    )
