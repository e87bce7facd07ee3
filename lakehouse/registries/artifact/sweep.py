"""What killed processes left behind: stored bytes that no artifact names, or not at their key."""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pyarrow.compute as pc

from lakehouse import storage
from lakehouse.errors import StorageError
from lakehouse.registries.artifact.row import MANAGED
from lakehouse.uris import is_remote

if TYPE_CHECKING:
    from lakehouse.engine import State
    from lakehouse.orm import Lake


def finish(lake: Lake, min_age: float) -> None:
    """Move content to its real key where a process ended after it had replaced the content.

    Args:
        lake: The lake.
        min_age: What was replaced later is left alone: its process may be about to move it.
    """
    rows = lake.state.arrow("artifact")
    beside = pc.starts_with(rows["storage_key"], f"{MANAGED}/")
    pending = rows.filter(pc.and_(beside, pc.equal(rows["key_is_virtual"], False)))
    oldest = datetime.now(UTC) - timedelta(seconds=min_age)
    registry: Any = lake.directory.get("Artifact")
    for row in lake.state.rows("artifact", pending["uid"].to_pylist()):
        if row["updated_at"] <= oldest:
            registry._from_row(lake, row)._take_place()


def orphans(lake: Lake, min_age: float, kept_from: int) -> list[tuple[str, int]]:
    """Managed files in the lake's own storage that no retained state names, with their sizes.

    Other storage locations may be another lake's, so what lies there is left alone.

    Args:
        lake: The lake.
        min_age: Younger ones are left alone: a running process may be about to name them.
        kept_from: Number of the oldest retained commit; tags are retained, too.
    """
    folder = f"{lake.root}/{MANAGED}"
    if is_remote(lake.root) or not os.path.isdir(folder):
        return []
    found = {}
    with os.scandir(folder) as entries:
        for entry in entries:
            # a temporary name that another process is just giving up is none of ours
            with contextlib.suppress(FileNotFoundError, StorageError):
                info = entry.stat(follow_symlinks=False)
                # the time of the last write is a stamp; that of the rename is when it came here
                if time.time() - max(info.st_mtime, info.st_ctime) >= min_age:
                    found[f"{MANAGED}/{entry.name}"] = entry.path
    for named in _named(lake, kept_from):
        if not found:
            break
        for key in named & found.keys():
            del found[key]
    out = []
    for path in found.values():
        with contextlib.suppress(FileNotFoundError, StorageError):
            out.append((path, storage.stat_size(path)))
    return out


def _named(lake: Lake, kept_from: int) -> Iterator[set[str]]:
    """The storage keys that retained states name: the newest, tagged ones, then the others."""
    yield _keys(lake.state)
    for commit in lake.tags().values():
        yield _keys(lake.engine.state_at(commit.seq))
    changed = [c.seq for c in lake.log() if c.seq >= kept_from and "artifact" in c.tables]
    for seq in {kept_from, *changed}:
        yield _keys(lake.engine.state_at(seq))


def _keys(state: State) -> set[str]:
    if "artifact" not in state.pointers:
        return set()
    return set(state.arrow("artifact")["storage_key"].to_pylist())


def remove(paths: list[str]) -> None:
    """Remove what `orphans` found."""
    for path in paths:
        storage.remove(path)
