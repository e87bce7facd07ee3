"""Garbage collection: removing the files that no retained state needs.

Every commit notes which files it supersedes. A file superseded at commit q is needed only by
states before q, so with a retention that keeps all states from S on, exactly the noted files
with q <= S can go, except those that a tag reaches. Files that no commit ever named (left by
killed writers) are found by a sweep, and removed only when they are older than the age gate,
so that a writer at work never loses its files.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime

from lakehouse.engine.catalog import Catalog, Heads
from lakehouse.engine.files import Files, Listed
from lakehouse.engine.reach import reachable, reachable_with_history
from lakehouse.engine.tables import TableCache
from lakehouse.errors import InvalidArgument

PointersAt = Callable[[int], Mapping[str, str]]

_CLOCK_TICK = 0.02  # file times lag behind the clock by up to a tick of the kernel
_TABLE_SUFFIXES = (".parquet", ".avro", ".json")


@dataclass(frozen=True)
class GcReport:
    """What a garbage collection removed, or would remove.

    Attributes:
        dry_run: Whether nothing was removed.
        kept_from: Number of the oldest retained commit.
        superseded: Removed files that old commits had superseded.
        orphans: Removed files that no commit ever named.
        bytes: Their size together, as far as known.
    """

    dry_run: bool
    kept_from: int
    superseded: tuple[str, ...]
    orphans: tuple[str, ...]
    bytes: int

    def __str__(self) -> str:
        verb = "would remove" if self.dry_run else "removed"
        return (
            f"gc {verb} {len(self.superseded)} superseded and {len(self.orphans)} orphan files"
            f" ({self.bytes / 1e6:.1f} MB); states from commit {self.kept_from} on are kept"
        )


def floor_of(catalog: Catalog, heads: Heads, keep: int | None, older_than: datetime | None) -> int:
    """The oldest commit that a retention keeps.

    Args:
        catalog: The catalog.
        heads: The newest state.
        keep: Keep the last so many commits.
        older_than: Keep every commit since this moment; of both limits the older one holds.
    """
    if keep is not None and keep < 1:
        raise InvalidArgument(
            "gc keeps at least the newest commit.", found=keep, expected="keep >= 1"
        )
    floors = []
    if keep is not None:
        floors.append(max(heads.seq - keep + 1, 0))
    if older_than is not None:
        moment = older_than if older_than.tzinfo else older_than.astimezone()
        floors.append(catalog.seq_at(moment) or 0)
    return min(floors) if floors else 0


def _needed(
    cache: TableCache, files: Files, heads: Heads, pointers_at: PointersAt, seqs: Iterable[int]
) -> set[str]:
    """Files that the heads (with their listed snapshots) or one of some states reach.

    A table that a stock writer moved has two heads: its pointer, and the logged location that
    the next commit compares it with.
    """
    needed: set[str] = set()
    seen = {*heads.pointers.values(), *heads.logged.values()}
    for location in seen:
        needed |= reachable_with_history(cache.version(location), files)
    for seq in seqs:
        for location in pointers_at(seq).values():
            if location not in seen:
                seen.add(location)
                needed |= reachable(cache.version(location))
    return needed


def collect(
    catalog: Catalog,
    files: Files,
    cache: TableCache,
    pointers_at: PointersAt,
    folder: str,
    *,
    keep: int | None,
    older_than: datetime | None,
    min_age: float,
    dry_run: bool,
) -> GcReport:
    """Remove what no retained commit, tag or running writer can reach.

    Args:
        catalog, files, cache: The lake.
        pointers_at: Gives the pointers of a past state.
        folder: Where the tables lie.
        keep, older_than: The retention; with neither, all history is kept.
        min_age: Orphans younger than this many seconds are left alone.
        dry_run: Only report.
    """
    with catalog.exclusive() as exclusive:
        heads = exclusive.heads()
        before = int(catalog.info().get("gc_floor", "0"))
        floor = max(floor_of(catalog, heads, keep, older_than), before)
        tags = [s for s in catalog.tags().values() if s < floor]
        needed = _needed(cache, files, heads, pointers_at, {*tags, floor})
        doomed = [(i, p) for i, p in catalog.garbage(floor) if p not in needed]
        kept_noted = {p for _, p in catalog.garbage(heads.seq)}
        since = time.monotonic()
        if not dry_run:
            # the floor rises first, then pointers go, then files: a state that can be opened is
            # whole, wherever this is cut short
            catalog.set_info({"gc_floor": str(floor)})
            catalog.forget(floor, tags, [])
    listing = {f.path: f for f in files.list(folder)}
    # whatever the next commits have written since belongs to them, however low the age gate
    gate = max(min_age, time.monotonic() - since + _CLOCK_TICK)
    orphans = _orphans(listing.values(), needed | kept_noted, gate)
    superseded = tuple(sorted({p for _, p in doomed if p in listing}))
    size = sum(listing[p].size for p in (*superseded, *orphans))
    if not dry_run:
        files.remove([p for _, p in doomed])
        files.remove(orphans)
        catalog.forget(floor, tags, [i for i, _ in doomed])
    return GcReport(dry_run, floor, superseded, tuple(orphans), size)


def _orphans(listing: Iterable[Listed], named: set[str], min_age: float) -> list[str]:
    return sorted(
        f.path
        for f in listing
        if f.path not in named
        and f.age >= min_age
        and (f.path.endswith(_TABLE_SUFFIXES) or f.path.endswith(".tmp"))
    )
