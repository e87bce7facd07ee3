"""What killed processes left behind: stored bytes that no artifact names, or not at their key."""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pyarrow.compute as pc

from lakehouse import storage
from lakehouse.engine.confine import Confinement
from lakehouse.engine.files import files_at
from lakehouse.errors import StorageError
from lakehouse.registries.artifact.place import location_of, locations
from lakehouse.registries.artifact.row import MANAGED
from lakehouse.registries.artifact.stored import is_owned, why_not
from lakehouse.storage.local import TEMP_PREFIX

if TYPE_CHECKING:
    from lakehouse.engine import State
    from lakehouse.orm import Lake
    from lakehouse.storage import StorageLocation


def finish(lake: Lake, min_age: float) -> None:
    """Move content to its real key where a process ended after it had replaced the content.

    Args:
        lake: The lake.
        min_age: What was replaced later is left alone; so is what a running process may be
            about to move.
    """
    rows = lake.state.arrow("artifact")
    beside = pc.starts_with(rows["storage_key"], f"{MANAGED}/")
    pending = rows.filter(pc.and_(beside, pc.equal(rows["key_is_virtual"], False)))
    if not pending.num_rows:
        return
    announced = lake.engine.announced()
    oldest = datetime.now(UTC) - timedelta(seconds=min_age)
    registry: Any = lake.directory.get("Artifact")
    for row in lake.state.rows("artifact", pending["uid"].to_pylist()):
        place = location_of(lake, row["storage_uid"]).uri(row["storage_key"])
        if row["updated_at"] <= oldest and place not in announced:
            registry._from_row(lake, row)._take_place()


@dataclass(frozen=True)
class Found:
    """What a sweep found.

    Attributes:
        paths: Places of stored bytes that no retained state names, with their sizes.
        outside: Folders that are links to a place which isn't the lake's; nothing was looked for.
    """

    paths: list[tuple[str, int]]
    outside: list[str]


def orphans(lake: Lake, min_age: float, kept_from: int, *, tidy: bool = True) -> Found:
    """Managed bytes in the lake's own storage locations that no retained state names.

    Locations without this lake's owner mark may be another lake's, so what lies there is left
    alone. The folders are listed before the announcements of running writers are read, and
    those before the newest state: whatever is found was announced, or its writer is done.

    Args:
        lake: The lake.
        min_age: Younger ones are left alone: for writers that announce nothing.
        kept_from: Number of the oldest retained commit; tags are retained, too.
        tidy: Whether announcements of processes that are gone may be removed.
    """
    found: dict[tuple[str, str], tuple[str, int]] = {}
    outside: list[str] = []
    for uid, location in locations(lake).items():
        folder = f"{location.root}/{MANAGED}"
        if not is_owned(lake, location):
            continue
        there = not location.is_local or os.path.isdir(folder)
        if there and (reason := why_not(lake, location, f"{MANAGED}/x")) is not None:
            outside.append(f"{folder} ({reason})")
            continue
        for name, age, size in listed(location):
            if age >= min_age or min_age <= 0:
                found[uid, f"{MANAGED}/{name}"] = (f"{folder}/{name}", size)
    if found:
        announced = lake.engine.announced(tidy=tidy)
        busy = {path.rpartition("/")[0] for path in announced}
        found = {k: v for k, v in found.items() if not _is_written(v[0], announced, busy)}
    for named in _named(lake, kept_from):
        if not found:
            break
        for place in named & found.keys():
            del found[place]
    return Found(list(found.values()), outside)


def _is_written(path: str, announced: set[str], busy: set[str]) -> bool:
    """Whether a running writer may be writing there: to its target, or first beside it."""
    folder, _, name = path.rpartition("/")
    return path in announced or (name.startswith(TEMP_PREFIX) and folder in busy)


def listed(location: StorageLocation) -> Iterable[tuple[str, float, int]]:
    """Names, ages and sizes of the managed bytes in a storage location."""
    folder = f"{location.root}/{MANAGED}"
    return _local(folder) if location.is_local else _remote(location, folder)


def _local(folder: str) -> Iterator[tuple[str, float, int]]:
    """Names, ages and sizes in a local folder."""
    now = time.time()
    with contextlib.suppress(FileNotFoundError), os.scandir(folder) as entries:
        for entry in entries:
            # a temporary name that another process is just giving up is none of ours
            with contextlib.suppress(FileNotFoundError, StorageError):
                stat = entry.stat(follow_symlinks=False)
                plain = not entry.is_dir(follow_symlinks=False)
                size = stat.st_size if plain else storage.stat_size(entry.path)
                # the time of the last write is a stamp; that of the rename is when it came here
                yield entry.name, now - max(stat.st_mtime, stat.st_ctime), size


def _remote(location: StorageLocation, folder: str) -> list[tuple[str, float, int]]:
    """Names, ages and sizes in a folder of an object store; of a folder in it, all its objects'."""
    out: dict[str, tuple[float, int]] = {}
    confinement = Confinement(folder)
    for file in files_at(location.root, dict(location.options)).list(folder):
        if confinement.holds(file.path):
            name = file.path[len(folder) + 1 :].partition("/")[0]
            age, size = out.get(name, (file.age, 0))
            out[name] = min(age, file.age), size + file.size
    return [(name, age, size) for name, (age, size) in out.items()]


def _named(lake: Lake, kept_from: int) -> Iterator[set[tuple[str, str]]]:
    """The storage keys that retained states name: the newest, tagged ones, then the others."""
    yield _keys(lake.engine.state())
    for commit in lake.tags().values():
        yield _keys(lake.engine.state_at(commit.seq))
    changed = [c.seq for c in lake.log() if c.seq >= kept_from and "artifact" in c.tables]
    for seq in {kept_from, *changed}:
        yield _keys(lake.engine.state_at(seq))


def _keys(state: State) -> set[tuple[str, str]]:
    """Storage locations and keys that a state names."""
    if "artifact" not in state.pointers:
        return set()
    rows = state.arrow("artifact").select(["storage_uid", "storage_key"])
    return set(zip(*(column.to_pylist() for column in rows.columns), strict=True))


def remove(paths: list[str]) -> None:
    """Remove what `orphans` found."""
    for path in paths:
        storage.remove(path)
