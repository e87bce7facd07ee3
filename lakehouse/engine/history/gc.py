"""Garbage collection: removing the files that no retained state needs.

Every commit notes which files it supersedes. A file superseded at commit q is needed only by
states before q, so with a retention that keeps all states from S on, exactly the noted files
with q <= S can go, except those that a kept state reaches all the same. Files that no commit
ever named (left by killed writers) are found by a sweep: it lists the folder before it takes
the writers' lock, so that what it found and neither the newest state nor a running writer's
lease names belongs to nobody. The age gate is for writers that don't know of leases.

Only files that the listing shows are removed, so that a wrong note can't reach anything else.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, nullcontext, suppress
from dataclasses import dataclass
from datetime import datetime

from lakehouse.engine.catalog.base import Catalog, Exclusive, Heads
from lakehouse.engine.commit.leases import Leases
from lakehouse.engine.confine import MARK
from lakehouse.engine.files import Files, Listed
from lakehouse.engine.table.reach import reachable, reachable_with_history
from lakehouse.engine.table.version import TableCache
from lakehouse.errors import CatalogUnavailable, InvalidArgument, LakeCorrupt

PointersAt = Callable[[int], Mapping[str, str]]

_TABLE_SUFFIXES = (".parquet", ".avro", ".json", ".tmp")
_THREADS = 8
_FULL = ("is full", "disk I/O error", "No space left", "could not extend")


@dataclass(frozen=True)
class GcReport:
    """What a garbage collection removed, or would remove.

    Attributes:
        dry_run: Whether nothing was removed.
        kept_from: Number of the oldest retained commit.
        superseded: Removed files that old commits had superseded.
        orphans: Removed files that no commit ever named.
        bytes: Their size together, as far as known.
        outside: What was left alone because it isn't the lake's: paths that the lake's notes
            name but that lie elsewhere, and folders that are links to another place.
    """

    dry_run: bool
    kept_from: int
    superseded: tuple[str, ...]
    orphans: tuple[str, ...]
    bytes: int
    outside: tuple[str, ...] = ()

    def __str__(self) -> str:
        verb = "would remove" if self.dry_run else "removed"
        text = (
            f"gc {verb} {len(self.superseded)} superseded and {len(self.orphans)} orphan files"
            f" ({self.bytes / 1e6:.1f} MB); states from commit {self.kept_from} on are kept"
        )
        if self.outside:
            shown = ", ".join(map(repr, self.outside[:_SHOWN]))
            more = len(self.outside) - _SHOWN
            text += f"; left alone, since they aren't files of this lake: {shown}"
            text += f" and {more} more" if more > 0 else ""
        return text


_SHOWN = 10


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


def _turn(catalog: Catalog, *, dry_run: bool) -> AbstractContextManager[Exclusive | Catalog]:
    """The writers' lock; who may only read can't take it, and looks without."""
    if dry_run and not catalog.may_write():
        return nullcontext(catalog)
    return catalog.exclusive()


def _proof(cache: TableCache, visit: Callable[[Iterable[str]], None], kept: set[str]) -> set[str]:
    """Files that versions of tables reach: what is among them can't be garbage.

    Args:
        cache: The lake's table versions.
        visit: Brings versions of a lake that was moved along.
        kept: The metadata locations of the versions.
    """

    def reach(location: str) -> set[str]:
        with suppress(LakeCorrupt):  # another gc has just removed it
            return reachable(cache.version(location))
        return {location}

    for location in kept:
        with suppress(LakeCorrupt):
            visit([location])
    with ThreadPoolExecutor(_THREADS) as threads:
        return set().union(*threads.map(reach, kept))


class Collector:
    """Removes what no retained commit, tag or running writer of a lake can reach.

    Args:
        catalog, files, cache: The lake.
        pointers_at: Gives the pointers of a past state.
        visit: Brings logged versions of a lake that was moved along.
        leases: What running writers have announced.
        folder: Where the tables lie.
    """

    def __init__(
        self,
        catalog: Catalog,
        files: Files,
        cache: TableCache,
        pointers_at: PointersAt,
        visit: Callable[[Iterable[str]], None],
        leases: Leases,
        folder: str,
    ) -> None:
        self._catalog = catalog
        self._files = files
        self._cache = cache
        self._pointers_at = pointers_at
        self._visit = visit
        self._leases = leases
        self._folder = folder

    def run(
        self,
        *,
        keep: int | None,
        older_than: datetime | None,
        min_age: float,
        dry_run: bool,
    ) -> GcReport:
        """Collect.

        Args:
            keep, older_than: The retention; with neither, all history is kept.
            min_age: Orphans younger than this many seconds are left alone.
            dry_run: Only report.
        """
        # before lock and leases: what is written from now on isn't listed, and so can't go
        listing = {f.path: f for f in self._files.list(self._folder)}
        catalog, full = self._catalog, False
        # reads many versions, so it comes before others have to wait for the lock
        proof = self._proof_from(self._floor(catalog.heads(), keep, older_than))
        with _turn(catalog, dry_run=dry_run) as exclusive:
            # leases before the state: who ends one in between has committed, and is in it, or failed
            announced = self._leases.announced(tidy=not dry_run)
            heads = exclusive.heads()
            floor = self._floor(heads, keep, older_than)
            tags = [s for s in catalog.tags().values() if s < floor]
            needed = _needed(self._cache, self._files, heads, self._pointers_at, {*tags, floor})
            noted = catalog.garbage(heads.seq)
            doomed = [(i, p) for i, p in catalog.garbage(floor) if p not in needed | proof]
            superseded = sorted({p for _, p in doomed if _is_ours(listing.get(p))})
            orphans = _orphans(
                listing.values(), needed | announced | {p for _, p in noted}, min_age
            )
            outside = self._outside(listing.values(), (p for _, p in noted))
            if not dry_run:
                # the floor rises first, then pointers go, then files: a state that can be
                # opened is whole, wherever this is cut short
                full = not self._raise_floor(floor, tags)
                if full:
                    # space comes first then: what no state names makes some, mostly enough
                    self._files.remove(orphans)
                    if not self._raise_floor(floor, tags):
                        # nobody may tag an old state meanwhile
                        self._files.remove(superseded)
                        catalog.set_info({"gc_floor": str(floor)})
        size = sum(listing[p].size for p in (*superseded, *orphans))
        if not dry_run:
            self._files.remove(superseded)
            if not full:
                self._files.remove(orphans)
            # the notes go last: by them the next run finds what is left if this one is cut short
            catalog.forget(floor, tags, [i for i, p in doomed if p not in outside])
        return GcReport(dry_run, floor, tuple(superseded), tuple(orphans), size, tuple(outside))

    def _floor(self, heads: Heads, keep: int | None, older_than: datetime | None) -> int:
        # it never falls: the states below it are gone
        before = int(self._catalog.info().get("gc_floor", "0"))
        return max(floor_of(self._catalog, heads, keep, older_than), before)

    def _proof_from(self, floor: int) -> set[str]:
        if not self._catalog.garbage(floor):
            return set()
        kept = {place for _, seq, place in self._catalog.locations() if seq > floor}
        return _proof(self._cache, self._visit, kept)

    def _raise_floor(self, floor: int, tags: Sequence[int]) -> bool:
        """Record that older states are gone; False where the disk is full."""
        try:
            self._catalog.set_info({"gc_floor": str(floor)})
            self._catalog.forget(floor, tags, [])
        except CatalogUnavailable as error:
            if not any(word in str(error) for word in _FULL):
                raise
            return False
        return True

    def _outside(self, listing: Iterable[Listed], noted: Iterable[str]) -> list[str]:
        """What is named as the tables' but isn't a file of theirs, and is there."""
        folder = self._folder + "/"
        out = {f.path for f in listing if f.outside}
        for path in noted:
            holds = self._files.confinement.holds(path)
            if not holds or not path.startswith(folder) or not path.endswith(_TABLE_SUFFIXES):
                out.add(path)
        return sorted(out)


def _is_ours(found: Listed | None) -> bool:
    """Whether something in the tables' folder is a file that an engine wrote."""
    if found is None or found.outside or found.path.endswith(f"/{MARK}"):
        return False
    return found.path.endswith(_TABLE_SUFFIXES)


def _orphans(listing: Iterable[Listed], named: set[str], min_age: float) -> list[str]:
    return sorted(
        f.path
        for f in listing
        if f.path not in named and (f.age >= min_age or min_age <= 0) and _is_ours(f)
    )
