"""What the SQL catalogs share: their tables and statements.

Statements are written once, with `?` as placeholder and `INSERT … ON CONFLICT`, which both
SQLite and Postgres take; a backend supplies connections, locking and its error classes.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Protocol

from lakehouse.engine.catalog.base import (
    CATALOG_NAME,
    NAMESPACE,
    Commit,
    Heads,
    KeysTaken,
    PointerMoved,
    Swap,
)
from lakehouse.engine.table import keypack
from lakehouse.engine.table.spec import KEY_SEPARATOR
from lakehouse.errors import LakeCorrupt

_CHUNK = 500  # older SQLite takes 999 parameters in a statement
_MANY = 64

TABLES = (
    """CREATE TABLE IF NOT EXISTS iceberg_tables (
        catalog_name VARCHAR(255) NOT NULL, table_namespace VARCHAR(255) NOT NULL,
        table_name VARCHAR(255) NOT NULL, metadata_location VARCHAR(1000),
        previous_metadata_location VARCHAR(1000), iceberg_type VARCHAR(5),
        PRIMARY KEY (catalog_name, table_namespace, table_name))""",
    """CREATE TABLE IF NOT EXISTS iceberg_namespace_properties (
        catalog_name VARCHAR(255) NOT NULL, namespace VARCHAR(255) NOT NULL,
        property_key VARCHAR(255) NOT NULL, property_value VARCHAR(1000) NOT NULL,
        PRIMARY KEY (catalog_name, namespace, property_key))""",
    "CREATE TABLE IF NOT EXISTS lh_info (name TEXT PRIMARY KEY, value TEXT NOT NULL)",
    """CREATE TABLE IF NOT EXISTS lh_commit (
        seq BIGINT PRIMARY KEY, id TEXT NOT NULL UNIQUE, parent TEXT, time_us BIGINT NOT NULL,
        author TEXT NOT NULL, run TEXT NOT NULL, message TEXT NOT NULL, tables TEXT NOT NULL)""",
    "CREATE INDEX IF NOT EXISTS lh_commit_time ON lh_commit (time_us)",
    """CREATE TABLE IF NOT EXISTS lh_change (
        table_name TEXT NOT NULL, seq BIGINT NOT NULL, location TEXT NOT NULL,
        PRIMARY KEY (table_name, seq))""",
    """CREATE TABLE IF NOT EXISTS lh_head (
        table_name TEXT PRIMARY KEY, location TEXT NOT NULL)""",
    "CREATE TABLE IF NOT EXISTS lh_tag (name TEXT PRIMARY KEY, seq BIGINT NOT NULL)",
    keypack.TABLE,
    keypack.INDEX,
)

# a catalog without a row in any of these holds nothing of a lake
TELLING = (
    "iceberg_tables",
    "lh_info",
    "lh_commit",
    "lh_change",
    "lh_head",
    "lh_tag",
    "lh_key",
    "lh_pack",
    "lh_garbage",
)

# one statement is one moment in both databases; without tables it gives the commit alone
HEADS = f"""
    WITH t AS (SELECT table_name, metadata_location FROM iceberg_tables
               WHERE catalog_name = '{CATALOG_NAME}' AND table_namespace = '{NAMESPACE}')
    SELECT n.table_name, t.metadata_location, h.location, c.seq, c.id
    FROM (SELECT seq, id FROM lh_commit ORDER BY seq DESC LIMIT 1) c
    LEFT JOIN (SELECT table_name FROM t UNION SELECT table_name FROM lh_head) n ON 1 = 1
    LEFT JOIN t ON t.table_name = n.table_name
    LEFT JOIN lh_head h ON h.table_name = n.table_name
"""

_LOG = "SELECT id, seq, parent, time_us, author, run, message, tables FROM lh_commit"


Statement = tuple[str, Sequence[Any]]


class Connection(Protocol):
    """A database connection as the statements here use it."""

    def rows(self, sql: str, values: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        """Run a statement and fetch its rows."""

    def run(self, sql: str, values: Sequence[Any] = ()) -> int:
        """Run a statement; how many rows it changed."""

    def run_many(self, sql: str, values: Iterable[Sequence[Any]]) -> None:
        """Run a statement for many rows of values."""

    def run_all(self, statements: Sequence[Statement]) -> None:
        """Run different statements whose results don't matter."""

    def claim(self, claims: Sequence[tuple[str, str]]) -> bool:
        """Insert unique keys; False where one is taken (the transaction is then lost)."""

    def release(self, releases: Sequence[tuple[str, str]]) -> None:
        """Delete those of many unique keys that the given uids hold."""


def micros(moment: datetime) -> int:
    """Microseconds since 1970 of an aware moment, exactly."""
    # in integers: a float of seconds rounds microseconds
    delta = moment - datetime(1970, 1, 1, tzinfo=UTC)
    return (delta.days * 86_400 + delta.seconds) * 1_000_000 + delta.microseconds


def moment_of(us: int) -> datetime:
    """The UTC moment of microseconds since 1970."""
    seconds, rest = divmod(us, 1_000_000)
    return datetime.fromtimestamp(seconds, UTC).replace(microsecond=rest)


def to_commit(row: Sequence[Any]) -> Commit:
    """A row of the log as a `Commit`."""
    id_, seq, parent, us, user, run, message, tables = row
    try:
        names = tuple(t for t in tables.split(",") if t)
        return Commit(id_, seq, parent, moment_of(us), user, run, message, names)
    except (AttributeError, TypeError, ValueError, OverflowError) as error:
        raise LakeCorrupt(
            f"The lake's catalog is damaged: commit {seq!r} of its log can't be read.",
            found=str(error),
        ) from error


def have_rows(db: Connection, tables: Iterable[str]) -> bool:
    """Whether any of some tables, which are there, has a row."""
    return any(db.rows(f"SELECT 1 FROM {table} LIMIT 1") for table in tables)


def read_heads(db: Connection) -> Heads:
    """All pointers in one statement."""
    rows = db.rows(HEADS)
    if not rows:
        # a lake whose making isn't finished
        return Heads(-1, "", {}, {})
    *names, seqs, ids = (set(map(type, column)) for column in zip(*rows, strict=True))
    if not set().union(*names, ids) <= {str, type(None)} or seqs != {int}:
        raise LakeCorrupt(
            "The lake's catalog is damaged: its pointers aren't texts.", found=rows[0]
        )
    return Heads(
        rows[0][3],
        rows[0][4],
        {r[0]: r[1] for r in rows if r[0] is not None and r[1] is not None},
        {r[0]: r[2] for r in rows if r[0] is not None and r[2] is not None},
    )


def read_log(db: Connection, limit: int | None) -> list[Commit]:
    """Commits, newest first."""
    tail = "" if limit is None else f" LIMIT {int(limit)}"
    return [to_commit(r) for r in db.rows(f"{_LOG} ORDER BY seq DESC{tail}")]


def read_commit(db: Connection, commit_id: str) -> Commit | None:
    """A commit by its id."""
    rows = db.rows(f"{_LOG} WHERE id = ?", (commit_id,))
    return to_commit(rows[0]) if rows else None


def read_commit_at(db: Connection, seq: int) -> Commit | None:
    """A commit by its number."""
    rows = db.rows(f"{_LOG} WHERE seq = ?", (seq,))
    return to_commit(rows[0]) if rows else None


def read_seq_at(db: Connection, moment: datetime, now: datetime | None) -> int | None:
    """The number of the last commit before the first one that is later than a moment."""
    at = micros(moment)
    later, values = "l.time_us > ?", [at]
    if now is not None:
        later += """ AND NOT (l.time_us > ? AND EXISTS
            (SELECT 1 FROM lh_commit n WHERE n.seq > l.seq AND n.time_us <= ?))"""
        values += [micros(now), at]
    sql = f"""
        SELECT MAX(seq) FROM lh_commit
        WHERE seq < COALESCE((SELECT MIN(l.seq) FROM lh_commit l WHERE {later}), {2**62})"""
    found: int | None = db.rows(sql, values)[0][0]
    return found


def read_garbage(db: Connection, until_seq: int) -> list[tuple[int, str]]:
    """Entries of files that commits up to a number superseded, and no later one."""
    sql = """
        SELECT g.id, g.path FROM lh_garbage g WHERE g.seq <= ? AND NOT EXISTS
            (SELECT 1 FROM lh_garbage l WHERE l.path = g.path AND l.seq > ?)"""
    return [(id_, path) for id_, path in db.rows(sql, (until_seq, until_seq))]


def read_pointers(db: Connection, seq: int) -> dict[str, str]:
    """The logged location of every table as of a commit."""
    sql = """
        SELECT c.table_name, c.location FROM lh_change c JOIN (
            SELECT table_name, MAX(seq) AS seq FROM lh_change WHERE seq <= ? GROUP BY table_name
        ) m ON m.table_name = c.table_name AND m.seq = c.seq"""
    return dict(db.rows(sql, (seq,)))


def read_holders(db: Connection, keys: Sequence[str]) -> dict[str, str]:
    """The uids that hold the taken ones of many keys."""
    out = keypack.holders(db, keys)
    for start in range(0, len(keys), _CHUNK):
        part = keys[start : start + _CHUNK]
        marks = ",".join("?" * len(part))
        out.update(db.rows(f"SELECT key, uid FROM lh_key WHERE key IN ({marks})", part))
    return out


def read_holder(db: Connection, key: str) -> str | None:
    """The uid that holds a unique key."""
    rows = db.rows("SELECT uid FROM lh_key WHERE key = ?", (key,))
    return str(rows[0][0]) if rows else keypack.holder(db, key)


def _release(db: Connection, releases: Sequence[tuple[str, str]]) -> None:
    if len(releases) >= _MANY:
        db.release(releases)
        keypack.release_many(db, releases)
        return
    for key, uid in releases:
        # not a row of its own: then it may be packed
        if db.run("DELETE FROM lh_key WHERE key = ? AND uid = ?", (key, uid)) == 0:
            keypack.release(db, key, uid)


def _claim(db: Connection, swap: Swap) -> None:
    """Claim keys, those of bulk inserts as packs.

    Raises:
        KeysTaken: One is taken or claimed twice; the transaction must be rolled back.
    """
    if swap.claims and not db.claim(swap.claims):
        raise KeysTaken(())
    scopes: dict[str, list[str]] = {}
    for key, _ in swap.claims:
        scopes.setdefault(keypack.scope_of(key), []).append(key)
    for scope, keys in scopes.items():
        # the index of `lh_key` knows nothing of packs
        if keypack.used(db, scope) and keypack.holders(db, keys):
            raise KeysTaken(())
    for bulk in swap.bulk:
        if not keypack.claim(db, bulk):
            raise KeysTaken(())


def _log_entry(swap: Swap, seq: int, parent: str | None) -> list[Statement]:
    """What the log records of a commit: who, which tables, which files it superseded."""
    tables = ",".join(swap.pointers)
    who = (swap.user, swap.run, swap.message)
    out: list[Statement] = [
        (
            "INSERT INTO lh_commit VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
            (seq, swap.commit_id, parent, micros(swap.time), *who, tables),
        )
    ]
    for table, (_, new) in swap.pointers.items():
        out.append(("INSERT INTO lh_change VALUES (?, ?, ?)", (table, seq, new)))
        out.append(
            (
                "INSERT INTO lh_head VALUES (?, ?)"
                " ON CONFLICT (table_name) DO UPDATE SET location = excluded.location",
                (table, new),
            )
        )
    garbage = "INSERT INTO lh_garbage (seq, path) VALUES (?, ?)"
    return [*out, *((garbage, (seq, path)) for path in swap.garbage)]


def _history_of(swap: Swap) -> list[Statement]:
    """What a commit changes of the states before it: an erasure does."""
    moved = "UPDATE lh_change SET location = ? WHERE location = ?"
    noted = "INSERT INTO lh_garbage (seq, path) VALUES (?, ?)"
    told = "UPDATE lh_commit SET message = ? WHERE seq = ?"
    return [
        *((moved, (new, old)) for old, new in swap.moved.items()),
        *((noted, note) for note in swap.noted),
        *((told, (message, seq)) for seq, message in swap.messages.items()),
    ]


def apply_swap(db: Connection, swap: Swap) -> int:
    """The body of a swap's transaction.

    Raises:
        PointerMoved, KeysTaken: The transaction must be rolled back.
    """
    # under the lock; where that failed `seq` is a primary key, and the second commit fails
    head = db.rows("SELECT seq, id FROM lh_commit ORDER BY seq DESC LIMIT 1")
    seq, parent = (head[0][0] + 1, head[0][1]) if head else (0, None)
    for table, (old, new) in swap.pointers.items():
        if old is None:
            changed = db.run(
                "INSERT INTO iceberg_tables VALUES (?, ?, ?, ?, NULL, 'TABLE') ON CONFLICT DO NOTHING",
                (CATALOG_NAME, NAMESPACE, table, new),
            )
        else:
            changed = db.run(
                "UPDATE iceberg_tables SET metadata_location = ?, previous_metadata_location = ?"
                " WHERE catalog_name = ? AND table_namespace = ? AND table_name = ?"
                " AND metadata_location = ?",
                (new, old, CATALOG_NAME, NAMESPACE, table, old),
            )
        # compare and swap: no row changes where the pointer isn't the expected one
        if changed != 1:
            raise PointerMoved(table)
    # before claims, so that a key can go from one row to another in one commit
    _release(db, swap.releases)
    _claim(db, swap)
    # together: each round trip to a server is time in which others wait for the lock
    db.run_all([*_log_entry(swap, seq, parent), *_history_of(swap)])
    return int(seq)


def taken_of(db: Connection, swap: Swap) -> KeysTaken:
    """Which claims of a failed swap are taken, by other rows or twice within the swap."""
    claims = list(swap.claims)
    for bulk in swap.bulk:
        claims += zip(bulk.keys.to_pylist(), bulk.uids.to_pylist(), strict=True)
    # what the swap itself would have given back isn't in its way
    released = set(swap.releases)
    holders = read_holders(db, [k for k, _ in claims])
    taken = [(k, u) for k, u in holders.items() if (k, u) not in released]
    seen: dict[str, str] = {}
    for key, uid in claims:
        if key in seen:
            taken.append((key, seen[key]))
        seen.setdefault(key, uid)
    return KeysTaken(taken)


def read_locations(db: Connection) -> list[tuple[str, int, str]]:
    """Every kept version of every table: its name, the commit that made it, its location."""
    rows = db.rows("SELECT table_name, seq, location FROM lh_change ORDER BY seq, table_name")
    return [(table, seq, location) for table, seq, location in rows]


def read_claims(db: Connection) -> list[tuple[str, str]]:
    """Every unique key with a row of its own, and its holder."""
    return [(key, uid) for key, uid in db.rows("SELECT key, uid FROM lh_key")]


def read_packs(db: Connection) -> list[tuple[str, bytes, bytes]]:
    """Every block of packed keys: scope, digests, uids."""
    rows = db.rows("SELECT scope, digests, uids FROM lh_pack ORDER BY id")
    return [(scope, bytes(digests), bytes(uids)) for scope, digests, uids in rows]


def do_mend(
    db: Connection, moved: Mapping[str, str], keys: Mapping[str, Sequence[tuple[str, str]]]
) -> None:
    """The body of `Catalog.mend`'s transaction."""
    for old, new in moved.items():
        db.run("UPDATE lh_change SET location = ? WHERE location = ?", (new, old))
    for scope, pairs in keys.items():
        head = scope + KEY_SEPARATOR
        db.run("DELETE FROM lh_pack WHERE scope = ?", (scope,))
        # from the head to the next text after it: U+0020 follows U+001F
        db.run("DELETE FROM lh_key WHERE key >= ? AND key < ?", (head, head[:-1] + " "))
        db.claim(pairs)


def do_forget(db: Connection, floor: int, kept: Sequence[int], garbage_ids: Sequence[int]) -> None:
    """The body of `Catalog.forget`'s transaction."""
    needed: set[tuple[str, int]] = set()
    # a state shows of each table the last version at or before it
    for seq in {floor, *kept}:
        sql = "SELECT table_name, MAX(seq) FROM lh_change WHERE seq <= ? GROUP BY table_name"
        needed.update((t, s) for t, s in db.rows(sql, (seq,)))
    old = db.rows("SELECT table_name, seq FROM lh_change WHERE seq < ?", (floor,))
    drop = [(t, s) for t, s in old if (t, s) not in needed]
    db.run_many("DELETE FROM lh_change WHERE table_name = ? AND seq = ?", drop)
    db.run_many("DELETE FROM lh_garbage WHERE id = ?", [(i,) for i in garbage_ids])


def do_rewrite(db: Connection, old: str, new: str) -> None:
    """The body of `Catalog.rewrite_locations`'s transaction."""
    for table, column in (
        ("iceberg_tables", "metadata_location"),
        ("iceberg_tables", "previous_metadata_location"),
        ("lh_change", "location"),
        ("lh_head", "location"),
        ("lh_garbage", "path"),
    ):
        db.run(
            # by length: LIKE takes some characters for patterns, and replace() changes the middle
            f"UPDATE {table} SET {column} = ? || substr({column}, {len(old) + 1})"
            f" WHERE substr({column}, 1, {len(old)}) = ?",
            (new, old),
        )
