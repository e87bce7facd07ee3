"""Making, connecting to and removing lakes, and the settings of the connected one.

Example:
    >>> import lakehouse as ln
    >>> ln.setup.init(storage="./my-lake", modules="bionty")
    >>> ln.setup.settings.instance.name
    'my-lake'
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from lakehouse import trust as _trust
from lakehouse.config import notify
from lakehouse.engine.catalog.place import has_catalog
from lakehouse.engine.query.view import in_one_view, operations
from lakehouse.errors import (
    InvalidArgument,
    LakeCorrupt,
    LakeExists,
    LakeNotFound,
    NoWriteAccess,
    StorageError,
)
from lakehouse.io.uris import is_remote, text_of
from lakehouse.orm import Lake, current_lake
from lakehouse.orm import connect as _connect
from lakehouse.orm.lake.connection import (
    FOLDER,
    MARKER,
    Place,
    configured_place,
    forget,
    name_place,
    remember,
    remembered,
)
from lakehouse.orm.lake.current import return_to
from lakehouse.orm.lake.directory import known_modules
from lakehouse.orm.lake.instance import InstanceSettings, StorageSettings
from lakehouse.orm.model.context import active_lake, set_process_lake

__all__ = [
    "close",
    "connect",
    "delete",
    "init",
    "merge",
    "restore",
    "settings",
    "switch",
    "trust",
    "trusted",
    "untrust",
]


def __dir__() -> list[str]:
    return list(__all__)


@in_one_view
def init(
    *,
    storage: str | os.PathLike[str],
    name: str | None = None,
    db: str | None = None,
    modules: str | Iterable[str] | None = None,
) -> Lake:
    """Create a lake, or connect to the one that is at this place already.

    A child process that is started in the same directory finds it, too.

    Args:
        storage: The lake's root: a folder, or a URI such as `s3://bucket/prefix`.
        name: The lake's name; by default the last part of the root.
        db: URL of the catalog database; None keeps a SQLite file in the lake.
        modules: Modules of registries beside the core, e.g. `"bionty"`.

    Raises:
        LakeExists: There is a lake at this place with another catalog.
        UnknownField: There is no such module.
    """
    root = text_of(storage)
    wanted = known_modules(modules)
    try:
        lake = Lake.create(root, db=db, name=name, modules=wanted)
        notify(f"made the lake {lake.name!r} at {lake.root}")
    except LakeExists:
        lake = _existing(root, db)
        if missing := [m for m in wanted if m not in lake.modules]:
            lake.engine.set_info(modules=sorted({*lake.modules, *missing}))
            if not set(missing) <= lake.directory.modules:  # registries of extensions
                lake.close()
                lake = _existing(root, db)
        notify(f"connected to the lake {lake.name!r}, which is at {lake.root} already")
    _remember(lake, db)
    set_process_lake(lake)
    return lake


def _existing(root: str, db: str | None) -> Lake:
    if db is None:
        return Lake.open(root)
    error = LakeExists(
        f"There already is a lake at {root!r}, with another catalog.",
        found=f"db={db!r}",
        hint=f"lakehouse connect {root}",
    )
    if not has_catalog(root, db):
        raise error
    try:
        return Lake.open(root, db=db)
    except LakeCorrupt:  # the same server, and another lake there, or none
        raise error from None


@in_one_view
def connect(root: str | os.PathLike[str] | None = None, *, db: str | None = None) -> Lake:
    """Connect to a lake, and let the working directory remember it.

    Args:
        root: The lake's root; by default the one that is configured for this directory.
        db: URL of the catalog database, where the lake doesn't know it.

    Raises:
        LakeNotFound: There is no lake.
    """
    lake = _connect(root, db=db)
    if root is not None:
        _remember(lake, db)
    return lake


def trust(folder: str | os.PathLike[str]) -> str:
    """Trust a folder: a lake found there is opened, whoever made it.

    Lakes and connections that are found on the way up from the working directory are used if
    they belong to the user or to root; those of others have to be trusted by name. A lake that
    is named (`connect(root)`, `LAKEHOUSE_ROOT`) needs no trust.

    Args:
        folder: The folder that has the `.lakehouse` folder in it; `"*"` trusts all.

    Returns:
        The folder as it was recorded.

    Raises:
        InvalidArgument: There is no such folder, or everybody may write it.

    Example:
        >>> ln.setup.trust("./my-lake")
        '.../my-lake'
        >>> ln.setup.trusted()
        ['.../my-lake']
        >>> ln.setup.untrust("./my-lake")
        True
    """
    return _trust.trust(folder)


def untrust(folder: str | os.PathLike[str]) -> bool:
    """Trust a folder no longer; False if it wasn't trusted by name."""
    return _trust.untrust(folder)


def trusted() -> list[str]:
    """The folders that are trusted by name."""
    return _trust.trusted()


def close() -> None:
    """Disconnect from the lake, and let the working directory forget it."""
    lake = active_lake()
    if lake is not None:
        lake.close()
    set_process_lake(None)
    forget()


def delete(instance: str | os.PathLike[str] | None = None, *, force: bool = False) -> None:
    """Remove a lake: its tables, its catalog and the artifacts that it manages.

    Args:
        instance: The lake's root or name; the connected lake by default.
        force: Remove it even if there are artifacts in it.

    Raises:
        InvalidArgument: There are artifacts, and `force` isn't given.
    """
    lake = _named(instance)
    count = lake.state.count("artifact") if "artifact" in lake.state.tables else 0
    if count and not force:
        raise InvalidArgument(
            f"The lake at {lake.root!r} holds {count} artifact(s).",
            hint="pass force=True to remove them, too",
        )
    if is_remote(lake.root):
        raise InvalidArgument(
            f"The lake at {lake.root!r} is in an object store, which isn't emptied from here.",
            hint="remove its .lakehouse folder with the store's own tool",
        )
    lake.close()
    before = remembered(lake.root)
    try:
        shutil.rmtree(Path(lake.root) / FOLDER)
        if not any(Path(lake.root).iterdir()):
            Path(lake.root).rmdir()
    except PermissionError as error:
        raise NoWriteAccess(
            f"The lake at {lake.root!r} can't be removed.", found=str(error)
        ) from error
    except OSError as error:
        raise StorageError(
            f"The lake at {lake.root!r} can't be removed.", found=str(error)
        ) from error
    active = active_lake()
    if active is not None and active.root == lake.root:
        set_process_lake(None)
    if before is not None and before.folder == Path.cwd():
        forget()


def _named(instance: str | os.PathLike[str] | None) -> Lake:
    if instance is None:
        return current_lake()
    text = os.fspath(instance)
    place = configured_place()
    if not (Path(text) / FOLDER / MARKER).is_file() and place is not None:
        lake = Lake.open(place.root, db=place.db, found=place.found)
        if lake.name == text:
            return lake
    if not is_remote(text) and not Path(text).exists():
        raise LakeNotFound(f"There is no lake at {text!r} or of this name.")
    return Lake.open(text)


def _remember(lake: Lake, db: str | None) -> None:
    """Let the working directory remember a lake, and the branch where it was before in it."""
    before = remembered(lake.root)
    name_place(lake.root, db)
    place = Place(lake.root, db)
    if before is not None and before.folder == Path.cwd():
        place = place._replace(branch=before.branch, space=before.space, db=db or before.db)
        return_to(lake, place)
    remember(place)


@in_one_view
def switch(target: Any, *, space: bool = False, create: bool = False) -> None:
    """Switch to a branch or space; child processes in this directory are on it, too.

    Args:
        target: The branch or space: its name, its uid or the record.
        space: Switch the space instead of the branch.
        create: Make the branch first.

    Raises:
        BranchAlreadyExists: `create`, and there is such a branch.
        ObjectDoesNotExist: There is none.

    Example:
        >>> ln.setup.switch("clean-up", create=True)
    """
    lake = current_lake()
    found = lake.switch(target, space=space, create=create)
    before = remembered(lake.root)
    if before is not None or _same_as_environment(lake):
        place = before or Place(lake.root, None)
        remember(place._replace(branch=lake.branch_uid, space=lake.space_uid))
    verb = "made and switched to" if create else "switched to"
    notify(f"{verb} the {'space' if space else 'branch'} {found.name!r}")


def _same_as_environment(lake: Lake) -> bool:
    place = configured_place()
    return place is not None and os.path.realpath(place.root) == os.path.realpath(lake.root)


@in_one_view
def merge(branch: Any, *, prefer: str | None = None, dry_run: bool = False) -> Any:
    """Merge a branch into the current one, in one commit.

    Args:
        branch: The branch: its name, its uid or the record.
        prefer: `"branch"` or `"main"`: whose value counts where both sides changed a field,
            or made versions of one key; by default that is a conflict.
        dry_run: Only return what would change, as a `Diff`.

    Raises:
        MergeConflict: Both sides changed the same name, key or field; nothing was merged.
        ObjectDoesNotExist: There is no such branch.

    Example:
        >>> ln.setup.switch("main")
        >>> ln.setup.merge("my-branch")
    """
    return current_lake().merge(branch, prefer=prefer, dry_run=dry_run)


def restore(
    backup: str | os.PathLike[str],
    root: str | os.PathLike[str],
    *,
    db: str | None = None,
    at: str | None = None,
) -> Lake:
    """Restore a backup as a new lake, and return it; the connection stays as it is.

    Args:
        backup: The folder or URI that the backups are in.
        root: Where the lake will lie: an empty or new folder, or a URI.
        db: URL of the catalog database; None keeps a SQLite file in the lake.
        at: The name of the backup; the newest one by default.

    Raises:
        LakeExists: Something is at `root` already, or in the database.
        LakeNotFound: There is no such backup.
        LakeCorrupt: The backup is damaged.
        StorageError: `root` is full or can't be written; the same call goes on later.

    Example:
        >>> lake = ln.setup.restore("../backups", "./restored")
    """
    from lakehouse import backup as backups  # loads pyarrow, which connecting does without

    return backups.restore(backup, root, db=db, at=at)


@operations
class SetupSettings:
    """The settings of the connected lake: `instance`, `user`, `branch`, `space`, `storage`."""

    @property
    def instance(self) -> InstanceSettings:
        """The connected lake."""
        return InstanceSettings(current_lake())

    @property
    def user(self) -> Any:
        """The present user."""
        return current_lake().user

    @property
    def branch(self) -> Any:
        """The current branch; assigning one switches to it."""
        return current_lake().branch

    @branch.setter
    def branch(self, value: Any) -> None:
        switch(value)

    @property
    def space(self) -> Any:
        """The current space; assigning one switches to it."""
        return current_lake().space

    @space.setter
    def space(self, value: Any) -> None:
        switch(value, space=True)

    @property
    def storage(self) -> Any:
        """The default storage location: `root` as a path, `root_as_str` as text."""
        return StorageSettings(current_lake().storage)

    def __repr__(self) -> str:
        return repr(self.instance)


settings = SetupSettings()
