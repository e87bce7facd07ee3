"""What a user keeps for themselves of the folders that they work in: current branch and space.

A lake, and any folder that others write, is no place for it: the next user would be on the branch
of the last one, or couldn't replace their file. So it is kept among the user's own settings, by
the lake's uid, which stays with a lake that is moved, or by the folder's path.
"""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import Any

import orjson

from lakehouse.config import user_dir
from lakehouse.identity import digest_text
from lakehouse.io.whole_files import write_whole

_MARKER = Path(".lakehouse", "lake.json")
_NAMES = ("branch", "space")


def shared_with_others(folder: Path) -> bool:
    """Whether a folder is another user's, or others may write in it."""
    try:
        found = folder.stat()
    except OSError:
        return True
    # who may write in a folder may replace its connection file
    return found.st_uid != os.geteuid() or bool(found.st_mode & (stat.S_IWGRP | stat.S_IWOTH))


def own_entries(folder: Path) -> dict[str, Any]:
    """What the user keeps of a folder: its branch and its space."""
    file = _file(folder)
    try:
        found = orjson.loads(file.read_bytes()) if file is not None else {}
    except (OSError, orjson.JSONDecodeError):
        return {}
    if not isinstance(found, dict):
        return {}
    kept = Path(str(found.get("folder")))
    if kept != _real(folder) and _uid(folder) == _uid(kept) is not None:
        return {}  # this lake is a copy of that one, which is where it was
    return {name: str(found[name]) for name in _NAMES if found.get(name)}


def keep_own(folder: Path, entries: dict[str, Any]) -> bool:
    """Keep what is the user's own of a folder, or forget what was kept.

    Returns:
        False where the user has no place for it, as in a container without a home.
    """
    file = _file(folder)
    if file is None:
        return not entries
    try:
        if not entries:
            file.unlink(missing_ok=True)
            return True
        file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        data = orjson.dumps({"folder": str(_real(folder)), **entries})
        write_whole(file, data, mode=0o600)
    except OSError:
        return not entries
    return True


def _file(folder: Path) -> Path | None:
    settings = user_dir("config")
    if settings is None:
        return None
    return settings / "places" / f"{_uid(folder) or digest_text(os.fsencode(_real(folder)))}.json"


def _real(folder: Path) -> Path:
    return Path(os.path.realpath(folder))


def _uid(folder: Path) -> str | None:
    """The uid of the lake in a folder; None where there is none."""
    try:
        found = orjson.loads((folder / _MARKER).read_bytes())["uid"]
    except (OSError, orjson.JSONDecodeError, KeyError, TypeError):
        return None
    return found if isinstance(found, str) and found.isalnum() else None
