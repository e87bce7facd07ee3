"""Staging: from a table's version and the changes to it, to the files of its next version.

Updates and deletes are copy-on-write, so that any engine sees exactly the current rows. New
rows go to small files, and small files of one size class are folded together as soon as there
are too many, in the same commit; so a row is rewritten O(log n) times and a table has few
files. Nothing here touches the catalog: a staged table is invisible until its pointer moves.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import orjson
import pyarrow as pa
import pyarrow.compute as pc

from lakehouse.engine.commit.assemble import Written, assemble
from lakehouse.engine.commit.changes import Insert, TableChanges, Update
from lakehouse.engine.table.arrays import array_of, scalar_of
from lakehouse.engine.table.datafile import (
    NewFile,
    Ready,
    bulk_claims,
    fit,
    one_column,
    rising,
    sort_rows,
    split,
)
from lakehouse.engine.table.json_text import dump_json
from lakehouse.engine.table.keypack import BulkClaim
from lakehouse.engine.table.limits import Limits
from lakehouse.engine.table.manifest_writing import FileEntry
from lakehouse.engine.table.spec import TableSpec
from lakehouse.engine.table.version import TableVersion
from lakehouse.errors import IntegrityError, InvalidArgument, KeyConflict, LakeCorrupt, RowConflict

# -- Updates of rows in the memory of one data file: what was seen is checked, columns are replaced


def replaced_rows(spec: TableSpec, table: pa.Table, changes: Mapping[int, Update]) -> pa.Table:
    """The rows of a file with updates applied, by the places of their rows.

    Raises:
        InvalidArgument: A column doesn't exist or can't hold its new value, or is the uid.
        RowConflict: A row was changed since the caller saw it.
    """
    columns: dict[str, dict[int, Any]] = {}
    for at, update in changes.items():
        _check_columns(spec, table, update)
        _check_seen(spec, table, at, update)
        for name, value in update.new.items():
            text = name in spec.json_columns and value is not None
            # by column: each is replaced once per file, however many rows change
            columns.setdefault(name, {})[at] = dump_json(value) if text else value
    for name, values in columns.items():
        index = table.schema.get_field_index(name)
        table = table.set_column(index, name, _replaced(spec, name, table.column(index), values))
    return table


def _replaced(
    spec: TableSpec, name: str, old: pa.ChunkedArray, values: Mapping[int, Any]
) -> pa.Array | pa.ChunkedArray:
    order = sorted(values)
    try:
        fresh = array_of([values[i] for i in order], old.type)
    except (pa.ArrowInvalid, pa.ArrowTypeError, OverflowError, UnicodeError) as error:
        raise InvalidArgument(
            f"Column {name!r} of table {spec.name!r} takes {old.type}.", found=str(error)
        ) from error
    if pa.types.is_list(old.type):  # `replace_with_mask` takes none
        items = old.to_pylist()
        for i in order:
            items[i] = values[i]
        return array_of(items, old.type)
    mask = array_of([i in values for i in range(len(old))], pa.bool_())
    return pc.replace_with_mask(old.combine_chunks(), mask, fresh)


def _check_columns(spec: TableSpec, table: pa.Table, update: Update) -> None:
    if "uid" in update.new:
        raise InvalidArgument(f"The uid of a row of {spec.name!r} never changes.")
    for name in (*update.new, *update.old):
        if name not in table.column_names:
            raise InvalidArgument(f"Table {spec.name!r} has no column {name!r}.")


def _check_seen(spec: TableSpec, table: pa.Table, at: int, update: Update) -> None:
    for name, seen in update.old.items():
        now = table.column(name)[at].as_py()
        if name in spec.json_columns and now is not None:
            now = orjson.loads(now)
        # equal to the new value isn't enough: of two that count from 5 to 6 one must count again
        if not _same(now, seen):
            uid = table.column(0)[at].as_py()
            raise RowConflict(
                f"The row {uid!r} of {spec.name!r} was changed by another commit.",
                found=f"{name} = {now!r}",
                expected=f"{name} = {seen!r}",
                hint="query the record again, apply the change, and save",
            )


def _same(now: Any, seen: Any) -> bool:
    """Whether two values of a column are the same; JSON values compare as they are stored."""
    if isinstance(seen, dict | list | tuple):
        seen = orjson.loads(dump_json(seen))
    # NaN isn't equal to itself, and would be a conflict for ever
    return bool(now == seen) or (now != now and seen != seen)


@dataclass
class StagedTable:
    """The next version of a table, and what committing it does to keys and garbage."""

    name: str
    version: TableVersion
    base: TableVersion
    files: Written = field(default_factory=list)
    claims: list[tuple[str, str]] = field(default_factory=list)
    bulk: list[BulkClaim] = field(default_factory=list)
    releases: list[tuple[str, str]] = field(default_factory=list)
    garbage: list[str] = field(default_factory=list)
    inserted: int = 0
    deleted: int = 0


class TableStage:
    """Stages the changes to one table against one version of it."""

    def __init__(self, spec: TableSpec, base: TableVersion, limits: Limits) -> None:
        self._spec = spec
        self._base = base
        self._limits = limits
        self._folder: str = base.metadata["location"]
        self._fresh: list[pa.Table] = []  # rows to write: new, small and folded ones
        self._rewritten: list[pa.Table] = []  # what is left of files in which rows change
        self._ready: list[NewFile] = []  # written before the lock, so never folded in this commit
        self._gone: dict[str, FileEntry] = {}  # files that the next version doesn't list
        self._dropped: frozenset[str] = frozenset()  # deleted uids, which may be inserted again
        self._new_uids: list[pa.ChunkedArray] = []
        self._out = StagedTable(spec.name, base, base)

    # -- the three kinds of change ---------------------------------------------------

    def insert(self, insert: Insert, ready: Ready | None = None) -> None:
        """Add rows, which may have been prepared before the lock."""
        if ready is not None and ready.files and not ready.fits(self._base.schema):
            # the table wasn't made yet, and a process with other code has made it meanwhile
            # on disk already, and named by no version: noted, gc needn't wait for their age
            self._out.garbage += [file.path for file in ready.files]
            ready = None
        if ready is not None and ready.files:
            # another process may have added columns since they were written
            for file in ready.files:
                file.table = fit(file.table, self._base.memory_schema, self._spec.name)
            uids = pa.concat_tables([file.table.select(["uid"]) for file in ready.files])
            self._count_inserted(uids, ready.claims)
            self._ready += ready.files
            return
        rows = insert.rows if ready is None else ready.rows
        table = rows if isinstance(rows, pa.Table) else self._spec.encode_rows(rows)
        table = fit(table, self._base.memory_schema, self._spec.name)
        if insert.if_absent:
            table = self._absent(table)
        if table.num_rows:
            claims = bulk_claims(self._spec, table) if ready is None else ready.claims
            self._count_inserted(table, claims)
            self._fresh.append(table)

    def _count_inserted(self, table: pa.Table, claims: Sequence[BulkClaim]) -> None:
        if table["uid"].null_count:
            raise InvalidArgument(f"A row of table {self._spec.name!r} has no uid.")
        self._check_new(table["uid"])
        self._out.inserted += table.num_rows
        for claim in claims:
            # many keys are claimed faster so, but a look-up reads a whole block (decision 001)
            if len(claim.keys) >= self._limits.pack_from:
                self._out.bulk.append(claim)
            else:
                pairs = zip(claim.keys.to_pylist(), claim.uids.to_pylist(), strict=True)
                self._out.claims += pairs

    def _check_new(self, uids: pa.ChunkedArray) -> None:
        """Refuse rows that are there already, or twice in this commit.

        Raises:
            KeyConflict: A uid is taken.
        """
        bounds = pc.min_max(uids)
        taken: list[str] = []
        # new uids come after all others, so that most inserts meet no file at all
        if self._base.overlaps(bounds["min"].as_py(), bounds["max"].as_py()):
            found = self._base.locate(uids.to_pylist())
            taken = [uid for uid in found if uid not in self._dropped]
        self._new_uids.append(uids)
        # uids that rise strictly can't repeat: bulk rows are sorted, and need no hash table
        if not taken and not rising(column := one_column(self._new_uids)):
            counts = column.value_counts()
            taken = (
                counts.filter(pc.greater(counts.field("counts"), scalar_of(1, pa.int64())))
                .field("values")
                .to_pylist()
            )
        if taken:
            raise KeyConflict(
                f"Rows of {self._spec.name!r} exist already; nothing was committed.",
                found=", ".join(taken[:5]) + (f" and {len(taken) - 5} more" if taken[5:] else ""),
                expected="new uids",
                hint="update the rows, or insert with if_absent=True",
                table=self._spec.name,
                taken=tuple((uid, uid) for uid in taken),
            )

    def _absent(self, table: pa.Table) -> pa.Table:
        uids = table["uid"].to_pylist()
        known = self._base.locate(uids).keys() - self._dropped
        # also those that earlier inserts of this commit bring
        seen = set(one_column(self._new_uids).to_pylist()) if self._new_uids else set()
        keep = []
        for uid in uids:
            keep.append(uid not in known and uid not in seen)
            seen.add(uid)
        return table if all(keep) else table.filter(array_of(keep, pa.bool_()))

    def rewrite(self, updates: Mapping[str, Update], deletes: Iterable[str]) -> None:
        """Apply updates and deletes by rewriting the files that hold the rows.

        Raises:
            RowConflict: An updated row is gone, or was changed since the caller saw it.
        """
        gone = list(deletes)
        self._dropped = frozenset(gone)
        places = self._base.locate([*updates, *gone])
        if lost := [uid for uid in updates if uid not in places]:
            raise RowConflict(
                f"{len(lost)} row(s) of {self._spec.name!r} were deleted meanwhile.",
                found=", ".join(lost[:5]),
                hint="query the records again before changing them",
            )
        touched: dict[str, tuple[FileEntry, dict[int, Update], set[int]]] = {}
        for uid, (entry, at) in places.items():
            slot = touched.setdefault(entry.path, (entry, {}, set()))
            if uid in updates:
                slot[1][at] = updates[uid]
        for uid in gone:
            # deleting what isn't there is harmless, so that a deletion can be repeated
            if uid in places:
                entry, at = places[uid]
                touched[entry.path][2].add(at)
        for entry, changed, dropped in touched.values():
            self._rewrite_file(entry, changed, dropped)

    def _rewrite_file(
        self, entry: FileEntry, changed: Mapping[int, Update], dropped: set[int]
    ) -> None:
        # copy on write: a version's rows and files never change, older states may be reading them
        table = self._base.file(entry)
        for at in dropped:
            row = {n: table.column(n)[at].as_py() for n in self._spec.key_columns}
            uid = table.column(0)[at].as_py()
            self._out.releases += [(k, uid) for k in self._spec.keys_of(row)]
        new = {at: u for at, u in changed.items() if at not in dropped}
        if new:
            before = table
            table = replaced_rows(self._spec, table, new)
            # most updates touch no key column, and then no key text is made
            if any(self._spec.key_columns & set(u.new) for u in new.values()):
                places = array_of(sorted(new), pa.int64())
                self._move_keys(before.take(places), table.take(places))
        if dropped:
            mask = [i not in dropped for i in range(table.num_rows)]
            table = table.filter(array_of(mask, pa.bool_()))
        self._out.deleted += len(dropped)
        self._gone[entry.path] = entry
        if table.num_rows:
            self._rewritten.append(table)

    def _move_keys(self, before: pa.Table, after: pa.Table) -> None:
        """Release the keys that changed rows had, and claim those that they have now."""
        old, new = self._spec.keys_of_table(before), self._spec.keys_of_table(after)
        # pairs with the uid: a key that goes from one row to another is released and claimed
        had, have = set(old), set(new)
        self._out.releases += [pair for pair in old if pair not in have]
        self._out.claims += [pair for pair in new if pair not in had]

    # -- folding and writing ---------------------------------------------------------

    def _fold(self, cap: int, rows: int) -> list[FileEntry]:
        """Small files to rewrite together with the fresh rows."""
        classes: dict[int, list[FileEntry]] = {}
        for entry in self._base.entries:
            # more than half of a full file is left alone: folded, it would only be cut again
            if entry.path not in self._gone and entry.rows * 2 <= cap:
                classes.setdefault(self._class(entry.rows), []).append(entry)
        folded: list[FileEntry] = []
        level = self._class(rows)
        # what a class yields may fill the next one: so a row is rewritten once per class
        while len(same := classes.pop(level, [])) >= self._limits.fold:
            folded += same
            rows += sum(e.rows for e in same)
            if rows * 2 > cap:
                break
            level = self._class(rows)
        return folded

    def _class(self, rows: int) -> int:
        # the classes of the default fold: 1-7 rows, 8-63, 64-511, and so on
        level = 0
        while rows >= self._limits.fold:
            rows //= self._limits.fold
            level += 1
        return level

    def finish(self, operation_id: str) -> StagedTable | None:
        """The staged next version, or None where nothing changes.

        Raises:
            LakeCorrupt: The staged version would not have exactly the expected rows.
        """
        if not (self._fresh or self._ready or self._gone):
            return None
        cap = self._limits.file_rows(self._base.rows + self._out.inserted)
        new = list(self._ready)
        for table in self._rewritten:
            # a small one goes with the new rows, instead of staying a file of its own
            if table.num_rows * 2 <= cap:
                self._fresh.append(table)
            else:
                # a file keeps its size while rows in it change; an oversized one is split
                rows = table.num_rows if table.num_rows <= 2 * cap else cap
                new += split(sort_rows(table), self._base.schema, self._folder, rows)
        fresh_rows = sum(t.num_rows for t in self._fresh)
        if self._fresh:
            for entry in self._fold(cap, fresh_rows):
                self._gone[entry.path] = entry
                self._fresh.append(self._base.file(entry))
        if self._fresh:
            # in uid order: look-ups bisect within files and skip those whose bounds don't fit
            rows = sort_rows(pa.concat_tables(self._fresh))
            new += split(rows, self._base.schema, self._folder, cap)
        done = assemble(
            self._base,
            new,
            self._gone,
            inserts=self._out.inserted > 0,
            manifest_entries=self._limits.manifest_entries,
            operation_id=operation_id,
        )
        self._out.version = done.version
        self._out.files += done.files
        self._out.garbage += done.garbage
        # the last guard: a row lost or doubled here would be so in every later version
        self._check()
        return self._out

    def _check(self) -> None:
        entries = [e.path for m in self._out.version.manifests for e in m.entries]
        expected = self._base.rows + self._out.inserted - self._out.deleted
        if self._out.version.rows != expected or len(set(entries)) != len(entries):
            raise LakeCorrupt(
                f"Staging a commit to {self._spec.name!r} went wrong; nothing was committed.",
                found=f"{self._out.version.rows} rows in {len(entries)} files",
                expected=f"{expected} rows, no file listed twice",
            )


def stage_table(
    spec: TableSpec,
    base: TableVersion,
    changes: TableChanges,
    ready: Mapping[int, Ready],
    limits: Limits,
    operation_id: str,
) -> StagedTable | None:
    """Stage all changes to one table.

    Args:
        spec: The table's specification.
        base: The version to change.
        changes: The changes.
        ready: Inserts prepared before the lock, by the index of their insert.
        limits: The engine's sizes.
        operation_id: The commit's id, recorded in the snapshot.
    """
    both = [uid for uid in changes.deletes if uid in changes.updates]
    if both:
        raise IntegrityError(f"Rows {both[:3]} of {spec.name!r} are updated and deleted at once.")
    stage = TableStage(spec, base, limits)
    # before inserts, so that a commit may delete a row and insert it again
    if changes.updates or changes.deletes:
        stage.rewrite(changes.updates, changes.deletes)
    for i, insert in enumerate(changes.inserts):
        stage.insert(insert, ready.get(i))
    return stage.finish(operation_id)
