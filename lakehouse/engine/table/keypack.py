"""Unique keys of bulk inserts, packed.

One row per key in a B-tree takes most of the time of a bulk insert. So a bulk claim is kept as
blocks of a thousand sorted 128-bit digests with their uids, one database row each, written and
checked with array operations. Single keys keep rows of their own; look-ups ask both.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, Protocol

import mmh3
import pyarrow as pa
import pyarrow.compute as pc

from lakehouse.engine.table.spec import KEY_SEPARATOR
from lakehouse.errors import LakeCorrupt

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    Numbers = npt.NDArray[np.uint64]

_BLOCK = 1_024  # digests of 16 bytes: a look-up reads 16 kB, and as many uids
_PART = 20_000
_SHIFT = 1 << 63  # databases have signed 64-bit integers: shifted, unsigned ones keep their order

TABLE = """CREATE TABLE IF NOT EXISTS lh_pack (
    id BIGINT PRIMARY KEY, scope TEXT NOT NULL, low BIGINT NOT NULL, high BIGINT NOT NULL,
    digests BYTEA NOT NULL, uids BYTEA NOT NULL)"""
INDEX = "CREATE INDEX IF NOT EXISTS lh_pack_range ON lh_pack (scope, low)"


class Database(Protocol):
    """The part of a connection that is needed here."""

    def rows(self, sql: str, values: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        """Run a statement and fetch its rows."""

    def run(self, sql: str, values: Sequence[Any] = ()) -> int:
        """Run a statement; how many rows it changed."""

    def run_many(self, sql: str, values: Iterable[Sequence[Any]]) -> None:
        """Run a statement for many rows of values."""


def scope_of(key: str) -> str:
    """The table and columns that a key belongs to."""
    return key.partition(KEY_SEPARATOR)[0]


def digest_one(key: str) -> tuple[int, int]:
    """A key's digest as two unsigned 64-bit numbers."""
    raw = mmh3.mmh3_x64_128_digest(key.encode("utf-8", "surrogatepass"))
    # the halves as `digest_many` reads them
    return int.from_bytes(raw[:8], "little"), int.from_bytes(raw[8:], "little")


def digest_many(keys: Sequence[str] | pa.ChunkedArray) -> tuple[Numbers, Numbers]:
    """The digests of many keys at once; the same as `digest_one`'s.

    MurmurHash3 takes a sixth of md5's time. Like md5 it isn't proof against keys that were
    built to collide; the worst that such a pair does is that the second counts as taken.
    """
    import numpy as np

    if isinstance(keys, pa.ChunkedArray):
        data = keys.cast(pa.binary()).to_pylist()
    else:
        data = [key.encode("utf-8", "surrogatepass") for key in keys]
    # in parts, so that threads that encode files meanwhile get their turns
    parts = (data[start : start + _PART] for start in range(0, len(data), _PART))
    raw = [b"".join(map(mmh3.mmh3_x64_128_digest, part)) for part in parts]
    numbers = np.frombuffer(b"".join(raw), "<u8")
    # each for itself in memory: they are sorted and searched in
    return numbers[::2].copy(), numbers[1::2].copy()


@dataclass(frozen=True)
class BulkClaim:
    """Unique keys of a bulk insert, as columns.

    Attributes:
        scope: The table and columns that the keys belong to.
        keys, uids: The key texts, and the rows that claim them.
    """

    scope: str
    keys: pa.ChunkedArray
    uids: pa.ChunkedArray

    @cached_property
    def packed(self) -> tuple[Numbers, Numbers, Any]:
        """Both halves of the digests in order, and the uids; done before the lock is taken."""
        import numpy as np

        upper, lower = digest_many(self.keys)
        # one half is enough to sort by, as long as no two are equal
        order = np.argsort(upper)
        if np.any(upper[order[1:]] == upper[order[:-1]]):
            # only then does the order within equal upper halves matter
            order = np.lexsort((lower, upper))
        return upper[order], lower[order], _fixed(self.uids)[order]


class _Block:
    """One stored block, decoded."""

    def __init__(self, id_: int, digests: bytes, uids: bytes) -> None:
        import numpy as np

        self.id = id_
        try:
            # a block's order: the upper halves, ascending, then the lower ones in the same order
            numbers = np.frombuffer(digests, np.uint64)
            self.upper, self.lower = numbers[: len(numbers) // 2], numbers[len(numbers) // 2 :]
            self.uids = np.frombuffer(uids, f"S{len(uids) // len(self.upper)}")
        except (ValueError, TypeError, ZeroDivisionError) as error:
            raise LakeCorrupt(
                f"The lake's catalog is damaged: block {id_} of its unique keys can't be read.",
                found=str(error),
            ) from error

    def find(self, upper: int, lower: int) -> int | None:
        """The place of a digest, or None."""
        import numpy as np

        at = int(np.searchsorted(self.upper, np.uint64(upper)))
        # `searchsorted` knows the upper half only, of which several may be equal
        while at < len(self.upper) and int(self.upper[at]) == upper:
            if int(self.lower[at]) == lower:
                return at
            at += 1
        return None


def _encode(scope: str, id_: int, upper: Numbers, lower: Numbers, uids: Any) -> tuple[Any, ...]:
    digests = upper.tobytes() + lower.tobytes()
    return id_, scope, int(upper[0]) - _SHIFT, int(upper[-1]) - _SHIFT, digests, uids.tobytes()


def used(db: Database, scope: str) -> bool:
    """Whether a scope has packed keys at all."""
    return bool(db.rows("SELECT 1 FROM lh_pack WHERE scope = ? LIMIT 1", (scope,)))


def _blocks(db: Database, scope: str, upper: int) -> list[_Block]:
    # blocks of later claims overlap those of earlier ones, so several may be asked
    where = "WHERE scope = ? AND low <= ? AND high >= ?"
    rows = db.rows(
        f"SELECT id, digests, uids FROM lh_pack {where}",
        (scope, upper - _SHIFT, upper - _SHIFT),
    )
    return [_Block(*row) for row in rows]


def holder(db: Database, key: str) -> str | None:
    """The uid that holds a packed key."""
    upper, lower = digest_one(key)
    for block in _blocks(db, scope_of(key), upper):
        at = block.find(upper, lower)
        if at is not None:
            return str(block.uids[at].decode())
    return None


def holders(db: Database, keys: Sequence[str]) -> dict[str, str]:
    """The uids that hold the packed ones of many keys."""
    scopes: dict[str, list[str]] = {}
    for key in keys:
        scopes.setdefault(scope_of(key), []).append(key)
    out: dict[str, str] = {}
    for scope, some in scopes.items():
        if not used(db, scope):
            continue
        # fewer are looked up one by one; for more all blocks are read once
        if len(some) < _BLOCK:
            found = ((key, holder(db, key)) for key in some)
            out.update({key: uid for key, uid in found if uid is not None})
            continue
        upper, lower = digest_many(some)
        places = {(int(a), int(b)): i for i, (a, b) in enumerate(zip(upper, lower, strict=True))}
        for row in db.rows("SELECT id, digests, uids FROM lh_pack WHERE scope = ?", (scope,)):
            block = _Block(*row)
            for i, (a, b) in enumerate(
                zip(block.upper.tolist(), block.lower.tolist(), strict=True)
            ):
                if (at := places.get((a, b))) is not None:
                    out[some[at]] = str(block.uids[i].decode())
    return out


def release(db: Database, key: str, uid: str) -> None:
    """Release a packed key, if this uid holds it."""
    import numpy as np

    upper, lower = digest_one(key)
    scope = scope_of(key)
    for block in _blocks(db, scope, upper):
        at = block.find(upper, lower)
        # held by another uid it stays: a row gives back what is its own only
        if at is None or block.uids[at].decode() != uid:
            continue
        db.run("DELETE FROM lh_pack WHERE id = ?", (block.id,))
        # an empty block has no bounds to be found by
        if len(block.upper) > 1:
            rest = (np.delete(a, at) for a in (block.upper, block.lower, block.uids))
            db.run("INSERT INTO lh_pack VALUES (?, ?, ?, ?, ?, ?)", _encode(scope, block.id, *rest))


def release_many(db: Database, releases: Sequence[tuple[str, str]]) -> None:
    """Release many packed keys, each if its uid holds it; a block is rewritten once."""
    import numpy as np

    scopes: dict[str, list[tuple[str, str]]] = {}
    for pair in releases:
        scopes.setdefault(scope_of(pair[0]), []).append(pair)
    for scope, some in scopes.items():
        if not used(db, scope):
            continue
        keys, names = (pa.chunked_array([list(column)]) for column in zip(*some, strict=True))
        upper, lower, uids = BulkClaim(scope, keys, names).packed
        gone: list[tuple[int]] = []
        left: list[tuple[Any, ...]] = []
        for row in db.rows("SELECT id, digests, uids FROM lh_pack WHERE scope = ?", (scope,)):
            block = _Block(*row)
            at = np.searchsorted(upper, block.upper)
            # beyond the last one: any place will do, since the comparison fails there
            at[at == len(upper)] = 0
            hit = (upper[at] == block.upper) & (lower[at] == block.lower) & (uids[at] == block.uids)
            if not hit.any():
                continue
            gone.append((block.id,))
            if not hit.all():
                rest = (a[~hit] for a in (block.upper, block.lower, block.uids))
                left.append(_encode(scope, block.id, *rest))
        db.run_many("DELETE FROM lh_pack WHERE id = ?", gone)
        db.run_many("INSERT INTO lh_pack VALUES (?, ?, ?, ?, ?, ?)", left)


def claim(db: Database, bulk: BulkClaim) -> bool:
    """Claim many keys of one scope; False where one is taken or claimed twice."""
    import numpy as np

    upper, lower, uids = bulk.packed
    # sorted, so what is claimed twice lies side by side
    if np.any((upper[1:] == upper[:-1]) & (lower[1:] == lower[:-1])):
        return False
    # no unique index guards packs: under the writers' lock this look does
    if _taken(db, bulk.scope, upper, lower):
        return False
    # numbers that nobody else takes, under the same lock
    first = int(db.rows("SELECT COALESCE(MAX(id), 0) FROM lh_pack")[0][0]) + 1
    parts = [slice(s, s + _BLOCK) for s in range(0, len(upper), _BLOCK)]
    db.run_many(
        "INSERT INTO lh_pack VALUES (?, ?, ?, ?, ?, ?)",
        [_encode(bulk.scope, first + i, upper[p], lower[p], uids[p]) for i, p in enumerate(parts)],
    )
    return True


def _fixed(uids: pa.ChunkedArray) -> Any:
    """Uids as a numpy array of bytes; without a copy where all have one length."""
    import numpy as np

    array = uids.combine_chunks() if isinstance(uids, pa.ChunkedArray) else uids
    lengths = pc.min_max(pc.binary_length(array))
    width, data = lengths["max"].as_py(), array.buffers()[2]
    if array.offset == 0 and data is not None and lengths["min"].as_py() == width:
        return np.frombuffer(data, f"S{width}", count=len(array))
    return np.array([uid.encode() for uid in array.to_pylist()], dtype="S")


def _taken(db: Database, scope: str, upper: Numbers, lower: Numbers) -> bool:
    import numpy as np

    def meets(other_upper: Numbers, other_lower: Numbers) -> bool:
        at = np.searchsorted(upper, other_upper)
        at[at == len(upper)] = 0
        # equal upper halves of different keys don't occur by chance; both halves are compared
        hit = (upper[at] == other_upper) & (lower[at] == other_lower)
        return bool(np.any(hit))

    for row in db.rows("SELECT id, digests, uids FROM lh_pack WHERE scope = ?", (scope,)):
        block = _Block(*row)
        if meets(block.upper, block.lower):
            return True
    head = scope + KEY_SEPARATOR
    # U+001F ends the head, and U+0020 comes next: that range is all keys of the scope
    singles = [
        r[0]
        for r in db.rows(
            "SELECT key FROM lh_key WHERE key >= ? AND key < ?", (head, head[:-1] + " ")
        )
    ]
    return bool(singles) and meets(*digest_many(singles))
