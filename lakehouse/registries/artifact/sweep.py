"""Finding stored bytes that no artifact names: what killed processes left behind."""

from __future__ import annotations

import contextlib
import os
import time
from typing import TYPE_CHECKING

from lakehouse import storage
from lakehouse.errors import StorageError
from lakehouse.registries.artifact.row import MANAGED
from lakehouse.storage import StorageLocation

if TYPE_CHECKING:
    from lakehouse.orm import Lake


def orphans(lake: Lake, min_age: float) -> list[tuple[str, int]]:
    """Managed files and folders in local storage that no row names, with their sizes.

    Args:
        lake: The lake.
        min_age: Younger ones are left alone: a running process may be about to name them.
    """
    rows = lake.state.arrow("artifact").select(["storage_uid", "storage_key"]).to_pylist()
    named = {(r["storage_uid"], r["storage_key"]) for r in rows}
    found = []
    for row in lake.state.arrow("storage").select(["uid", "root"]).to_pylist():
        location = StorageLocation(row["root"])
        folder = f"{location.root}/{MANAGED}"
        if not location.is_local or not os.path.isdir(folder):
            continue
        with os.scandir(folder) as entries:
            for entry in entries:
                if (row["uid"], f"{MANAGED}/{entry.name}") in named:
                    continue
                # a temporary name that another process is just giving up is none of ours
                with contextlib.suppress(FileNotFoundError, StorageError):
                    age = time.time() - entry.stat(follow_symlinks=False).st_mtime
                    if age >= min_age:
                        found.append((entry.path, storage.stat_size(entry.path)))
    return found


def remove(paths: list[str]) -> None:
    """Remove what `orphans` found."""
    for path in paths:
        storage.remove(path)
