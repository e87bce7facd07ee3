"""Which lake, branch and space a directory is connected to: the file `.lakehouse/connection.json`.

It is found upward from the working directory, as git finds its repository, so that a child
process works in the lake and on the branch that its parent was switched to.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, NamedTuple

import orjson

from lakehouse.config import environment, notify
from lakehouse.engine.catalog.place import server_of, within
from lakehouse.errors import InvalidArgument, LakeCorrupt, UntrustedPlace
from lakehouse.io.filesystem import make_folder
from lakehouse.io.uris import is_remote, root_of
from lakehouse.io.whole_files import write_whole
from lakehouse.orm.lake.own_place import keep_own, own_entries, shared_with_others
from lakehouse.orm.model.builtin import ALL, MAIN
from lakehouse.text.redaction import without_credentials
from lakehouse.trust import (
    check_found,
    check_named,
    is_named,
    is_trusted,
    read_found,
    remember_named,
)

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
        found: Whether nobody named it: it was found on the way up.
    """

    root: str
    db: str | None
    branch: str = MAIN
    space: str = ALL
    folder: Path | None = None
    found: bool = False


def find_place(start: str | Path | None = None) -> Place | None:
    """The lake of the nearest `.lakehouse` folder upward from a directory.

    Raises:
        UntrustedPlace: It, or what it names, isn't the user's or one that they trust.
        LakeCorrupt: The connection file can't be read.
    """
    here = Path(start or os.getcwd()).resolve()
    for folder in (here, *here.parents):
        data = read_found(folder, FOLDER, CONNECTION)
        if data is not None:
            place = _parsed(data, folder)
            # before anything of that place is opened
            _check_elsewhere(place, folder)
            if not _is_mine(folder):
                place = place._replace(branch=MAIN, space=ALL)  # those are another user's
            return place._replace(**own_entries(folder))
        if read_found(folder, FOLDER, MARKER) is not None:
            place = Place(str(folder), None, folder=folder, found=True)
            return place._replace(**own_entries(folder))
    return None


def _is_mine(folder: Path) -> bool:
    """Whether the present user wrote a folder's connection file."""
    try:
        return (folder / FOLDER / CONNECTION).stat().st_uid == os.geteuid()
    except OSError:
        return False


def _parsed(data: bytes, folder: Path) -> Place:
    file = str(folder / FOLDER / CONNECTION)
    try:
        found = orjson.loads(data)
        root, db = found["root"], found.get("db")
        branch, space = found.get("branch") or MAIN, found.get("space") or ALL
    except (orjson.JSONDecodeError, KeyError, TypeError, AttributeError) as error:
        raise _damaged(file, str(error)) from error
    for value in (root, db or "", branch, space):
        if not isinstance(value, str):
            raise _damaged(file, f"{value!r} ({type(value).__name__}) where a text belongs")
    if not is_remote(root) and not os.path.isabs(root) and "://" not in root:
        root = os.path.normpath(folder / root)
    return Place(root_of(root), db or None, branch, space, folder, found=True)


def _damaged(file: str, found: str) -> LakeCorrupt:
    return LakeCorrupt(f"The file {file!r} is damaged.", found=found, hint="lakehouse connect ROOT")


def _check_elsewhere(place: Place, folder: Path) -> None:
    """Refuse what a connection file names outside its folder, unless the user knows it."""
    by = str(folder)
    if is_remote(place.root):
        check_named(place.root, by)
    elif not _same(place.root, by) and os.path.isdir(os.path.join(place.root, FOLDER)):
        try:
            check_found(place.root)
        except UntrustedPlace:
            if not is_named(os.path.realpath(place.root)) and not is_trusted(by):
                raise
    if place.db is not None and not within(place.root, place.db):
        check_named(server_of(place.db), by)


def configured_place() -> Place | None:
    """The lake that the environment names, else the nearest one upward.

    Raises:
        UntrustedPlace: One that isn't the user's was found.
    """
    named = environment()
    if not named.root:
        return find_place()
    near = remembered(named.root)
    place = Place(named.root, named.db)
    if near is None:
        return place
    # named by the user, so it needn't be trusted; only branch and space come from nearby
    return near._replace(root=place.root, db=place.db or near.db, found=False)


def remembered(root: str) -> Place | None:
    """What the nearest `.lakehouse` folder upward says, if it is of this lake.

    A lake that is named is opened whatever lies around: what can't be used isn't.
    """
    try:
        place = find_place()
    except (UntrustedPlace, LakeCorrupt, InvalidArgument):
        return None
    return place if place is not None and _same(place.root, root) else None


def _same(a: str, b: str) -> bool:
    if is_remote(a) or is_remote(b):
        return a.rstrip("/") == b.rstrip("/")
    return os.path.realpath(a) == os.path.realpath(b)


def name_place(root: str, db: str | None) -> None:
    """Record that the user named a lake, so that a connection file may name it, too.

    Args:
        root: The lake's root.
        db: URL of its catalog database, if that was named.
    """
    addresses = []
    if is_remote(root):
        addresses.append(root)
    elif not _own(root):
        addresses.append(os.path.realpath(root))
    if db is not None and not within(root, db):
        addresses.append(server_of(db))
    for address in addresses:
        if not remember_named(address):
            notify(
                f"your configuration folder can't remember {address}: other processes find the "
                f"lake by LAKEHOUSE_ROOT={root}" + (" and LAKEHOUSE_DB" if db else ""),
                "warning",
            )


def _own(root: str) -> bool:
    try:
        check_found(root)
    except (UntrustedPlace, OSError):
        return False
    return True


def connection_file(folder: str | Path | None = None) -> Path:
    """The connection file of a folder, of the working directory by default."""
    return Path(folder or os.getcwd()) / FOLDER / CONNECTION


def remember(place: Place) -> None:
    """Write what a folder is connected to; nothing to write, where it is the lake itself.

    In a lake, and in a folder that others write, the current branch and space are kept among
    the user's own files.

    Args:
        place: The lake and what is current in it; its folder is the working directory by
            default.
    """
    folder = place.folder or Path.cwd()
    file = connection_file(folder)
    content: dict[str, Any] = {"root": place.root}
    if not is_remote(place.root) and _same(place.root, str(folder)):
        content["root"] = "."  # the lake may be moved
    if place.db is not None:
        content["db"] = without_credentials(place.db)
        if content["db"] != place.db:
            notify(
                "the database's password isn't kept: other processes need PGPASSWORD, or a line "
                "in ~/.pgpass",
                "warning",
            )
    current: dict[str, Any] = {}
    if place.branch != MAIN:
        current["branch"] = place.branch
    if place.space != ALL:
        current["space"] = place.space
    shared = content["root"] == "." or shared_with_others(folder)
    # who has no folder of their own, as in a container, keeps it here nevertheless
    if not keep_own(folder, current if shared else {}) or not shared:
        content |= current
    try:
        if content == {"root": "."}:
            file.unlink(missing_ok=True)
            return
        if not file.parent.is_dir():
            make_folder(str(file.parent))
        write_whole(file, orjson.dumps(content, option=orjson.OPT_INDENT_2))
    except OSError as error:
        notify(
            f"the directory {folder} can't remember the lake ({error}); "
            f"set LAKEHOUSE_ROOT={place.root}",
            "warning",
        )


def forget(folder: str | Path | None = None) -> None:
    """Let a folder, the working directory by default, forget the lake that it is connected to."""
    file = connection_file(folder)
    try:
        file.unlink(missing_ok=True)
    except OSError as error:
        notify(f"the directory {file.parent.parent} can't forget its lake ({error})", "warning")
    keep_own(file.parent.parent, {})
