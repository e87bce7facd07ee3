"""Erasure: rows leave every kept state of a lake, and the files that held them leave the disk.

An ordinary deletion makes a next version of a table; the versions before it stay as they are.
An erasure gives every kept version that holds the rows, or whose manifests name their uids, new
data files, manifests and metadata without them, and one transaction of the catalog puts these
in the place of the old ones: the pointers of the newest state, the logged locations of past
states and tags, the unique keys, the notes for gc and the messages of the log. Only then are the
old files removed, and with them whatever else in the tables' folders holds the rows. So wherever
it is cut short every state is whole, and erasing again does what is left.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any

import orjson
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from lakehouse.engine.catalog.base import Exclusive, Heads, PointerMoved, Swap
from lakehouse.engine.catalog.place import QUARANTINE
from lakehouse.engine.commit import leases
from lakehouse.engine.commit.assemble import Assembled, assemble_anew
from lakehouse.engine.commit.committer import reconcile
from lakehouse.engine.commit.parts import Parts
from lakehouse.engine.files import Listed
from lakehouse.engine.table import datafile as parquet
from lakehouse.engine.table import manifest_reading as _avro_read
from lakehouse.engine.table import metadata as md
from lakehouse.engine.table.datafile import NewFile, new_file, sort_rows
from lakehouse.engine.table.digest import named_digest
from lakehouse.engine.table.reach import reachable, reachable_with_history
from lakehouse.engine.table.version import TableVersion
from lakehouse.errors import CommitConflict, LakeCorrupt
from lakehouse.identity import new_uid

SILENCED = "(this message was removed by an erasure)"
_BOUND = 16  # characters that other engines keep of texts
_SUFFIXES = (".parquet", ".avro", ".json")


@dataclass(frozen=True)
class Match:
    """The rows of a table that have one of some values in a column.

    Attributes:
        table, column: Where to look.
        values: The values.
        registry: Only rows whose column `registry` has this value.
        empties: Whether the rows stay, and lose only the value.
        unless: A table and its column: a value that a row there names is spared, unless that
            row goes, too.
    """

    table: str
    column: str
    values: tuple[str, ...]
    registry: str | None = None
    empties: bool = False
    unless: tuple[str, str] | None = None

    def mask(self, rows: pa.Table) -> pa.ChunkedArray | None:
        """Which rows it means; None where it can mean none of them."""
        names = rows.column_names
        if self.column not in names or (self.registry is not None and "registry" not in names):
            return None
        column = rows[self.column]
        if not pa.types.is_string(column.type):
            return None
        hit = pc.is_in(column, value_set=pa.array(self.values, pa.string()))
        if self.registry is not None:
            hit = pc.and_(hit, pc.fill_null(pc.equal(rows["registry"], self.registry), False))
        return hit if pc.any(hit).as_py() else None


@dataclass(frozen=True)
class Doomed:
    """What is to be erased.

    Attributes:
        matches: The rows, and the values in rows that stay.
        uids: Uids of these rows: whatever else names one of them goes, too.
        words: What no message in the log may mention.
    """

    matches: tuple[Match, ...]
    uids: tuple[str, ...]
    words: tuple[str, ...] = ()

    @property
    def tables(self) -> tuple[str, ...]:
        """The tables that may hold such rows."""
        return tuple(dict.fromkeys(m.table for m in self.matches))

    def of(self, table: str) -> list[Match]:
        """What is to go from one table."""
        return [m for m in self.matches if m.table == table]

    def to_dict(self) -> dict[str, Any]:
        """As plain values, for the journal."""
        return {
            "matches": [vars(m) for m in self.matches],
            "uids": self.uids,
            "words": self.words,
        }

    @classmethod
    def from_dict(cls, found: Mapping[str, Any]) -> Doomed:
        """What `to_dict` gave."""
        matches = tuple(
            Match(
                **{
                    **m,
                    "values": tuple(m["values"]),
                    "unless": m["unless"] and (m["unless"][0], m["unless"][1]),
                }
            )
            for m in found["matches"]
        )
        return cls(matches, tuple(found["uids"]), tuple(found["words"]))

    def names_one(self, data: bytes) -> bool:
        """Whether bytes that aren't compressed name one of the uids."""
        return any(uid.encode() in data for uid in self.uids)


@dataclass
class Erased:
    """What an erasure did to the tables, or would do.

    Attributes:
        rows: Rows that go, by table; a row counts once, in however many states it is.
        emptied: Rows that stay and lose a value, by table.
        seqs: Numbers of the commits whose states change.
        files: Files that go.
        bytes: Their size.
        messages: Messages in the log that are taken out.
        left: What could not be decided or is still in use, and why.
        commit: The commit that says that there was an erasure.
    """

    rows: dict[str, int] = field(default_factory=dict)
    emptied: dict[str, int] = field(default_factory=dict)
    seqs: set[int] = field(default_factory=set)
    files: list[str] = field(default_factory=list)
    bytes: int = 0
    messages: int = 0
    left: list[str] = field(default_factory=list)
    commit: str | None = None


@dataclass
class _Table:
    """One table, as the erasure finds it.

    Attributes:
        kept: Commit numbers and locations of its kept versions, oldest first.
        head: The location of the newest version.
        sizes: The files in its folder, with their sizes.
        dirty: Those that hold a row or name a uid.
        broken: Those of this engine that can't be read, as killed writers leave them.
    """

    name: str
    kept: list[tuple[int, str]]
    head: str | None
    sizes: dict[str, int] = field(default_factory=dict)
    dirty: set[str] = field(default_factory=set)
    broken: set[str] = field(default_factory=set)

    @property
    def locations(self) -> list[str]:
        """The kept versions, each once."""
        found = [location for _, location in self.kept]
        return list(dict.fromkeys([*found, self.head] if self.head is not None else found))

    def superseded(self, location: str) -> int | None:
        """The number of the commit that superseded a version; None for the newest."""
        last = max((seq for seq, at in self.kept if at == location), default=-1)
        later = [seq for seq, _ in self.kept if seq > last]
        return min(later) if later and location != self.head else None


class Eraser:
    """Erases rows from all kept states of a lake.

    Args:
        parts: The lake.
        visit: Brings logged versions of a lake that was moved along.
        folder: The folder of the lake's own files.
    """

    def __init__(
        self,
        parts: Parts,
        visit: Callable[[Iterable[str]], None],
        folder: str,
    ) -> None:
        self._parts = parts
        self._visit = visit
        self._folder = folder

    # -- what is there -----------------------------------------------------------------

    def rows_on_disk(self, table: str) -> Iterator[pa.Table]:
        """The rows of every data file in a table's folder, whether or not a state needs it."""
        for found in self._parts.files.list(f"{self._folder}/tables/{table}/data"):
            rows = self._decoded(found)
            if rows is not None:
                yield rows

    def _decoded(self, found: Listed) -> pa.Table | None:
        """The rows of a data file; None for what is none, or can't be read."""
        if found.outside or not found.path.endswith(".parquet"):
            return None
        try:
            return _plain(pq.read_table(io.BytesIO(self._parts.files.read(found.path))))
        except (pa.ArrowException, OSError, ValueError):
            return None

    def look(self, doomed: Doomed) -> Erased:
        """What an erasure would do; nothing is changed."""
        told = Erased()
        heads = self._parts.catalog.heads()
        doomed = self._spared(doomed, heads)
        for table in self._find(doomed, heads, told):
            old = self._old(table)
            going = sorted(old.keys() | table.dirty)
            told.files += going
            told.bytes += sum(table.sizes.get(path, 0) for path in going)
            told.seqs |= self._states(table, old.values())
        told.messages = len(self._silenced(doomed))
        told.files += [path for path, data in self._elsewhere(doomed) if data is None]
        return told

    def _spared(self, doomed: Doomed, heads: Heads) -> Doomed:
        """What is doomed now: what others have come to use meanwhile stays."""
        named: set[str] = set()
        for match in doomed.matches:
            if match.unless is None or match.unless[0] not in heads.pointers:
                continue
            table, column = match.unless
            rows = self._parts.cache.version(heads.pointers[table]).arrow()
            for own in doomed.of(table):
                if (mask := own.mask(rows)) is not None:
                    rows = rows.filter(pc.invert(mask))
            named |= set(rows[column].to_pylist()) & set(match.values)
        if not named:
            return doomed
        matches = tuple(
            replace(m, values=tuple(v for v in m.values if v not in named)) if m.unless else m
            for m in doomed.matches
        )
        return Doomed(matches, tuple(u for u in doomed.uids if u not in named), doomed.words)

    def _find(self, doomed: Doomed, heads: Heads, told: Erased) -> list[_Table]:
        """The tables and the files in their folders that have anything to do with it."""
        announced = self._parts.leases.announced(tidy=False)
        locations = self._parts.catalog.locations()
        tables = []
        for name in doomed.tables:
            kept = [(seq, location) for table, seq, location in locations if table == name]
            table = _Table(name, kept, heads.pointers.get(name))
            gone: set[str] = set()
            emptied: set[str] = set()
            for found in self._parts.files.list(f"{self._folder}/tables/{name}"):
                if found.outside or not found.path.endswith(_SUFFIXES):
                    continue
                if found.path in announced:
                    told.left.append(f"{found.path} is being written; erase again afterwards")
                    continue
                table.sizes[found.path] = found.size
                self._sort_out(doomed, table, found, gone, emptied)
            if gone:
                told.rows[name] = len(gone)
            if emptied:
                told.emptied[name] = len(emptied)
            # in a lake that was moved, past versions name former paths until they are visited
            self._visit(table.locations)
            tables.append(table)
        return tables

    def _sort_out(
        self, doomed: Doomed, table: _Table, found: Listed, gone: set[str], emptied: set[str]
    ) -> None:
        """Note what a file is to the erasure; the uids of doomed rows are added to the sets."""
        if not found.path.endswith(".parquet"):
            data = self._parts.files.read(found.path)
            if doomed.names_one(data) or _bounds(doomed, found.path, data):
                table.dirty.add(found.path)
            return
        rows = self._decoded(found)
        if rows is None:
            table.broken.add(found.path)
            return
        for match in doomed.of(table.name):
            if (mask := match.mask(rows)) is not None:
                table.dirty.add(found.path)
                if "uid" in rows.column_names:
                    found_uids = rows.filter(mask)["uid"].to_pylist()
                    (emptied if match.empties else gone).update(found_uids)

    def _old(self, table: _Table) -> dict[str, str]:
        """The files of versions that are written anew, with the version that needs each."""
        out: dict[str, str] = {}
        needed: set[str] = set()
        for location in table.locations:
            version = self._parts.cache.version(location)
            paths = reachable(version)
            if self._is_affected(table, version, paths):
                out.update(dict.fromkeys(paths, location))
            else:
                needed |= paths
        return {path: at for path, at in out.items() if path not in needed | _clean(table, out)}

    def _is_affected(self, table: _Table, version: TableVersion, paths: set[str]) -> bool:
        if version.location == table.head and table.dirty:
            paths = reachable_with_history(version, self._parts.files)
        return not table.dirty.isdisjoint(paths)

    def _states(self, table: _Table, locations: Iterable[str]) -> set[int]:
        """The commits in whose kept states one of these versions of a table is."""
        old, found = set(locations), set()
        floor = int(self._parts.catalog.info().get("gc_floor", "0"))
        tagged = set(self._parts.catalog.tags().values())
        newest = self._parts.catalog.heads().seq
        for i, (seq, location) in enumerate(table.kept):
            end = table.kept[i + 1][0] if i + 1 < len(table.kept) else newest + 1
            if location in old:
                found |= set(range(max(seq, floor), end)) | (tagged & set(range(seq, end)))
        return found

    def _silenced(self, doomed: Doomed) -> dict[int, str]:
        """The commits whose messages mention what is erased."""
        words = [word.casefold() for word in (*doomed.uids, *doomed.words)]
        return {
            commit.seq: SILENCED
            for commit in self._parts.catalog.log()
            if any(word in commit.message.casefold() for word in words)
        }

    # -- doing it ----------------------------------------------------------------------

    def erase(self, doomed: Doomed, commit_id: str, user: str, message: str) -> Erased:
        """Erase; doing it again does what was left.

        Args:
            doomed: What is to go.
            commit_id: The id of the commit that says so, unless the log has it already.
            user, message: What the log says.
        """
        for _ in range(self._parts.limits.attempts):
            try:
                with self._parts.catalog.exclusive() as exclusive:
                    return self._erase(exclusive, doomed, commit_id, user, message)
            except PointerMoved:
                continue
        raise CommitConflict(
            f"Other writers won {self._parts.limits.attempts} races in a row; nothing was erased.",
            hint="erase again",
        )

    def _erase(
        self, exclusive: Exclusive, doomed: Doomed, commit_id: str, user: str, message: str
    ) -> Erased:
        told = Erased()
        heads = reconcile(exclusive, self._parts.cache, self._parts.specs, exclusive.heads())
        doomed = self._spared(doomed, heads)
        tables = self._find(doomed, heads, told)
        swap = Swap(commit_id, datetime.now(UTC), user, message=message)
        swap.messages = self._silenced(doomed)
        gone: set[str] = set()
        for table in tables:
            made = self._written_anew(table, doomed, swap)
            gone |= self._going(table, made, told)
            told.bytes += sum(table.sizes.get(path, 0) for path in gone & table.sizes.keys())
            told.seqs |= self._states(table, made)
        swap.releases = self._keys(doomed, tables, heads)
        known = self._parts.catalog.commit_by_id(commit_id) is not None
        if not known or swap.pointers or swap.moved or swap.messages or swap.releases:
            if known:  # what was left by an erasure that was cut short
                swap.commit_id = new_uid()
            exclusive.swap(swap)
        told.commit = swap.commit_id
        told.messages = len(swap.messages)
        # what nothing names any more goes last: until here every state was whole
        self._parts.files.remove(gone)
        told.files = sorted(gone)
        for path, data in self._elsewhere(doomed):
            if data is None:
                self._parts.files.remove([path])
                told.files.append(path)
            else:
                self._parts.files.replace(path, data)
        return told

    def _written_anew(self, table: _Table, doomed: Doomed, swap: Swap) -> dict[str, Assembled]:
        """Write the affected versions of a table anew; what they are now, by old location."""
        made: dict[str, Assembled] = {}
        new: dict[str, NewFile | None] = {}
        last: dict[str, str] = {}  # new files, and the last version that needs them
        for location in table.locations:
            version = self._parts.cache.version(location)
            if not self._is_affected(table, version, reachable(version)):
                continue
            files = []
            for entry in version.entries:
                # once each: versions that shared the old file share the new one
                if entry.path in table.dirty and entry.path not in new:
                    file = _rewritten(version, version.file(entry), doomed.of(table.name))
                    new[entry.path] = file
                    files += [] if file is None else [(file.path, file.data)]
            head = location == table.head
            done = assemble_anew(
                version,
                {path: new[path] for path in (e.path for e in version.entries) if path in new},
                manifest_entries=self._parts.limits.manifest_entries,
                # a past version goes on to say which commit made it
                operation_id=swap.commit_id if head else _commit_of(version),
                past=not head,
            )
            self._parts.files.write([*files, *done.files])
            made[location] = done
            last.update(dict.fromkeys(reachable(done.version), location))
            swap.moved[location] = done.version.location
            if head:
                swap.pointers[table.name] = (location, done.version.location)
        fresh = {path for done in made.values() for path, _ in done.files}
        fresh |= {file.path for file in new.values() if file is not None}
        for path in sorted(fresh):
            seq = table.superseded(last[path]) if path in last else None
            if seq is not None:
                # for gc: needed until the commit that superseded the last version with it
                swap.noted.append((seq, path))
        return made

    def _going(self, table: _Table, made: Mapping[str, Assembled], told: Erased) -> set[str]:
        """The files of a table that nothing will need."""
        old: set[str] = set(table.dirty)
        needed: set[str] = set()
        for location in table.locations:
            version = self._parts.cache.version(location)
            if location in made:
                old |= reachable(version)
                needed |= reachable(made[location].version)
                if location == table.head:
                    old |= reachable_with_history(version, self._parts.files) & table.dirty
            else:
                needed |= reachable(version)
        for path in sorted(table.broken):
            # of a writer of ours that runs it would be announced; others may be writing it yet
            if path not in needed and named_digest(path) is not None:
                old.add(path)
            else:
                told.left.append(f"{path} can't be read: see `lakehouse check`")
        return old - needed

    def _keys(
        self, doomed: Doomed, tables: Sequence[_Table], heads: Heads
    ) -> list[tuple[str, str]]:
        """The unique keys that doomed rows hold, those of bulk inserts, too."""
        uids: set[str] = set(doomed.uids)
        found: set[tuple[str, str]] = set()
        for table in tables:
            if table.head is None or table.name not in self._parts.specs:
                continue
            rows = self._parts.cache.version(heads.pointers[table.name]).arrow()
            for match in doomed.of(table.name):
                if not match.empties and (mask := match.mask(rows)) is not None:
                    own = rows.filter(mask)
                    uids |= set(own["uid"].to_pylist())
                    found |= set(self._parts.specs[table.name].keys_of_table(own))
        found |= {(key, uid) for key, uid in self._parts.catalog.claims() if uid in uids}
        # a key that another row holds by now isn't theirs to release
        held = self._parts.catalog.holders([key for key, _ in found])
        return sorted((key, uid) for key, uid in found if held.get(key) == uid)

    # -- beside the tables ---------------------------------------------------------------

    def _elsewhere(self, doomed: Doomed) -> Iterator[tuple[str, bytes | None]]:
        """Files in the quarantine and left leases that name a uid, and what is left of each."""
        alive = self._parts.leases.announced(tidy=False)
        for folder in (QUARANTINE, leases.FOLDER):
            for found in list(self._parts.files.list(f"{self._folder}/{folder}")):
                if found.outside:
                    continue
                try:
                    data = self._parts.files.read(found.path)
                except FileNotFoundError:
                    continue
                rows = self._decoded(found)
                named = doomed.names_one(data) if rows is None else _names_one(doomed, rows)
                # of a running writer: without it a sweep would take what it writes
                if folder == leases.FOLDER and any(path.encode() in data for path in alive):
                    continue
                if named:
                    yield found.path, _without(doomed, found.path, data)


def _plain(rows: pa.Table) -> pa.Table:
    """Rows with every kind of text column that engines write as plain text."""
    for i, column in enumerate(rows.schema):
        kind = column.type
        if pa.types.is_dictionary(kind):
            kind = kind.value_type
        if kind != column.type or pa.types.is_large_string(kind) or kind == pa.string_view():
            text = pa.types.is_string(kind) or pa.types.is_large_string(kind)
            if text or kind == pa.string_view():
                rows = rows.set_column(i, column.name, rows.column(i).cast(pa.string()))
    return rows


def _bounds(doomed: Doomed, path: str, data: bytes) -> bool:
    """Whether a manifest of another engine may hold bounds of doomed values, which it cuts off."""
    if not path.endswith(".avro"):
        return False
    try:
        blocks = _avro_read.foreign_blocks(data, path)
    except LakeCorrupt:
        return False
    heads = [text[:_BOUND].encode() for text in (*doomed.uids, *doomed.words)]
    return any(head in block for head in heads for block in blocks)


def _clean(table: _Table, old: Mapping[str, str]) -> set[str]:
    """Data files of rewritten versions that stay, since they hold nothing that is to go."""
    return {path for path in old if path.endswith(".parquet") and path not in table.dirty}


def _commit_of(version: TableVersion) -> str:
    """The commit that a version says it was made by."""
    snapshot = md.current_snapshot(version.metadata) or {}
    return str(snapshot.get("summary", {}).get("lakehouse.commit-id", ""))


def _rewritten(version: TableVersion, rows: pa.Table, matches: Sequence[Match]) -> NewFile | None:
    """A data file without the rows and values that are to go; None where no row is left."""
    for match in matches:
        mask = match.mask(rows)
        if mask is None:
            continue
        if match.empties:
            index = rows.schema.get_field_index(match.column)
            empty = pc.if_else(mask, pa.scalar(None, pa.string()), rows[match.column])
            rows = rows.set_column(index, match.column, empty)
        else:
            rows = rows.filter(pc.invert(mask))
    if not rows.num_rows:
        return None
    rows = sort_rows(rows)
    return new_file(version.metadata["location"], rows, parquet.encode(rows, version.schema))


def _names_one(doomed: Doomed, rows: pa.Table) -> bool:
    """Whether a text column of some rows names one of the uids."""
    return any(
        pc.any(pc.match_substring(column, uid)).as_py()
        for column in rows.columns
        if pa.types.is_string(column.type)
        for uid in doomed.uids
    )


def _without(doomed: Doomed, path: str, data: bytes) -> bytes | None:
    """Rows that were set aside, without those that name a uid; None where nothing is left."""
    if not path.endswith(".rows.json"):
        return None
    try:
        rows = orjson.loads(data)
    except orjson.JSONDecodeError:
        return None
    left = [row for row in rows if not doomed.names_one(orjson.dumps(row))]
    return orjson.dumps(left, option=orjson.OPT_INDENT_2) if left else None
