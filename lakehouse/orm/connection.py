"""Which lake, branch and space a directory is connected to: the file `.lakehouse/connection.json`.

It is found upward from the working directory, as git finds its repository, so that a child
process works in the lake and on the branch that its parent was switched to.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, NamedTuple

import orjson

from lakehouse.config import Environment, notify
from lakehouse.errors import LakeCorrupt
from lakehouse.orm.bootstrap import ALL, MAIN

FOLDER = ".lakehouse"
CONNECTION = "connection.json"
MARKER = "lake.json"


class Place(NamedTuple):
    """Where a lake is, and where in it one works.

    Attributes:
        root: The lake's root.
        db: URL of its catalog database, where the lake doesn't know it.
        branch: The uid of the current branch.
        space: The uid of the current space.
        folder: The folder whose `.lakehouse` says so.
    """

    root: str
    db: str | None
    branch: str = MAIN
    space: str = ALL
    folder: Path | None = None


def find_place(start: str | Path | None = None) -> Place | None:
    """The lake of the nearest `.lakehouse` folder upward from a directory."""
    here = Path(start or os.getcwd()).absolute()
    for folder in (here, *here.parents):
        connection = folder / FOLDER / CONNECTION
        if connection.is_file():
            return _read(connection, folder)
        if (folder / FOLDER / MARKER).is_file():
            return Place(str(folder), None, folder=folder)
    return None


def _read(connection: Path, folder: Path) -> Place:
    try:
        found = orjson.loads(connection.read_bytes())
        root = str(found["root"])
        if "://" not in root and not os.path.isabs(root):
            root = os.path.normpath(folder / root)
        names = found.get("branch") or MAIN, found.get("space") or ALL
        return Place(root, found.get("db"), *names, folder)
    except (orjson.JSONDecodeError, KeyError, TypeError) as error:
        raise LakeCorrupt(
            f"The file {str(connection)!r} is damaged.",
            found=str(error),
            hint="lakehouse connect ROOT",
        ) from error


def configured_place() -> Place | None:
    """The lake that the environment names, else the nearest one upward."""
    environment = Environment()
    if not environment.root:
        return find_place()
    near = remembered(environment.root)
    place = Place(environment.root, environment.db)
    return place if near is None else near._replace(root=place.root, db=place.db or near.db)


def remembered(root: str) -> Place | None:
    """What the nearest `.lakehouse` folder upward says, if it is of this lake."""
    place = find_place()
    return place if place is not None and _same(place.root, root) else None


def _same(a: str, b: str) -> bool:
    if "://" in a or "://" in b:
        return a.rstrip("/") == b.rstrip("/")
    return os.path.realpath(a) == os.path.realpath(b)


def connection_file(folder: str | Path | None = None) -> Path:
    """The connection file of a folder, of the working directory by default."""
    return Path(folder or os.getcwd()) / FOLDER / CONNECTION


def remember(place: Place) -> None:
    """Write what a folder is connected to; nothing to write, where it is the lake itself.

    Args:
        place: The lake and what is current in it; its folder is the working directory by
            default.
    """
    folder = place.folder or Path.cwd()
    file = connection_file(folder)
    content: dict[str, Any] = {"root": place.root}
    if place.db is not None:
        content["db"] = place.db
    if place.branch != MAIN:
        content["branch"] = place.branch
    if place.space != ALL:
        content["space"] = place.space
    if "://" not in place.root and _same(place.root, str(folder)):
        content["root"] = "."  # the lake may be moved
    try:
        if content == {"root": "."}:
            file.unlink(missing_ok=True)
            return
        file.parent.mkdir(exist_ok=True)
        temporary = file.with_name(f"{CONNECTION}.{os.getpid()}.tmp")
        # a database URL may hold a password
        with os.fdopen(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as f:
            f.write(orjson.dumps(content, option=orjson.OPT_INDENT_2))
        temporary.replace(file)
    except OSError as error:
        notify(
            f"the directory {folder} can't remember the lake ({error}); "
            f"set LAKEHOUSE_ROOT={place.root}",
            "warning",
        )
