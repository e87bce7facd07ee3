"""Making, connecting to and removing lakes, and the settings of the connected one.

Example:
    >>> import lakehouse as ln
    >>> ln.setup.init(storage="./my-lake", modules="bionty")  # doctest: +SKIP
    >>> ln.setup.settings.instance.name                       # doctest: +SKIP
    'my-lake'
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import orjson

from lakehouse.config import notify
from lakehouse.errors import (
    InvalidArgument,
    LakeExists,
    LakeNotFound,
    NoWriteAccess,
    StorageError,
    UnknownField,
    near,
)
from lakehouse.orm import Lake, current_lake
from lakehouse.orm import connect as _connect
from lakehouse.orm.context import active_lake, set_process_lake
from lakehouse.orm.current import CONNECTION, FOLDER, MARKER, configured_place
from lakehouse.orm.directory import default_directory

__all__ = ["close", "connect", "delete", "init", "settings"]


def init(
    *,
    storage: str | os.PathLike[str],
    name: str | None = None,
    db: str | None = None,
    modules: str | Iterable[str] | None = None,
) -> Lake:
    """Make a lake, or connect to the one that is at this place already.

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
    root = os.fspath(storage)
    wanted = _modules(modules)
    try:
        lake = Lake.create(root, db=db, name=name, modules=wanted)
        notify(f"made the lake {lake.name!r} at {lake.root}")
    except LakeExists:
        lake = _existing(root, db)
        if missing := [m for m in wanted if m not in lake.modules]:
            lake.engine.set_info(modules=sorted({*lake.modules, *missing}))
        notify(f"connected to the lake {lake.name!r}, which is at {lake.root} already")
    _remember(lake, db)
    set_process_lake(lake)
    return lake


def _existing(root: str, db: str | None) -> Lake:
    lake = Lake.open(root)
    if db is not None:
        other = Lake.open(root, db=db) if _has_catalog(root, db) else None
        if other is None or other.uid != lake.uid:
            raise LakeExists(
                f"There already is a lake at {lake.root!r}, with another catalog.",
                found=f"db={db!r}",
                hint=f"lakehouse connect {lake.root}",
            )
    return lake


def _has_catalog(root: str, db: str) -> bool:
    marker = Path(root) / FOLDER / MARKER
    if "://" not in root and marker.is_file():
        recorded = orjson.loads(marker.read_bytes()).get("db")
        return bool(recorded == db) or (recorded is not None and "@" in db)
    return True


def _modules(modules: str | Iterable[str] | None) -> list[str]:
    names = modules.split(",") if isinstance(modules, str) else list(modules or ())
    names = [n.strip() for n in names if n.strip()]
    known = default_directory().modules
    for name in names:
        if name not in known:
            raise UnknownField(
                f"There is no module {name!r}.",
                expected=", ".join(near(name, known) or sorted(known)),
            )
    return names


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


def close() -> None:
    """Disconnect, and let the working directory forget the lake."""
    lake = active_lake()
    if lake is not None:
        lake.close()
    set_process_lake(None)
    _connection_file().unlink(missing_ok=True)


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
    if "://" in lake.root:
        raise InvalidArgument(
            f"The lake at {lake.root!r} is in an object store, which isn't emptied from here.",
            hint="remove its .lakehouse folder with the store's own tool",
        )
    lake.close()
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
    connection = _connection_file()
    if connection.is_file() and orjson.loads(connection.read_bytes()).get("root") == lake.root:
        connection.unlink()


def _named(instance: str | os.PathLike[str] | None) -> Lake:
    if instance is None:
        return current_lake()
    text = os.fspath(instance)
    place = configured_place()
    if not (Path(text) / FOLDER / MARKER).is_file() and place is not None:
        lake = Lake.open(place.root, db=place.db)
        if lake.name == text:
            return lake
    if "://" not in text and not Path(text).exists():
        raise LakeNotFound(f"There is no lake at {text!r} or of this name.")
    return Lake.open(text)


def _connection_file() -> Path:
    return Path.cwd() / FOLDER / CONNECTION


def _remember(lake: Lake, db: str | None) -> None:
    """Write the connection file into the working directory, unless it is the lake itself."""
    if lake.root == os.path.realpath(os.getcwd()):
        _connection_file().unlink(missing_ok=True)
        return
    file = _connection_file()
    content: dict[str, Any] = {"root": lake.root}
    if db is not None:
        content["db"] = db
    try:
        file.parent.mkdir(exist_ok=True)
        temporary = file.with_name(f"{CONNECTION}.{os.getpid()}.tmp")
        # a database URL may hold a password
        with os.fdopen(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as f:
            f.write(orjson.dumps(content, option=orjson.OPT_INDENT_2))
        temporary.replace(file)
    except OSError as error:
        notify(
            f"the working directory can't remember the lake ({error}); set LAKEHOUSE_ROOT={lake.root}",
            "warning",
        )


class InstanceSettings:
    """What is known of the connected lake."""

    def __init__(self, lake: Lake) -> None:
        self._lake = lake

    @property
    def name(self) -> str:
        """The lake's name."""
        return self._lake.name

    @property
    def uid(self) -> str:
        """The lake's uid."""
        return self._lake.uid

    @property
    def root(self) -> str:
        """The lake's root."""
        return self._lake.root

    @property
    def modules(self) -> set[str]:
        """Its modules beside the core."""
        return set(self._lake.modules)

    @property
    def storage(self) -> Any:
        """Its own storage location."""
        return self._lake.storage

    def __repr__(self) -> str:
        modules = ", ".join(sorted(self.modules)) or "none"
        return f"Lake {self.name!r}\n  root: {self.root}\n  uid: {self.uid}\n  modules: {modules}"


class SetupSettings:
    """The settings of the connected lake: `instance`, `user`, `branch`, `storage`."""

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
        """The current branch."""
        return current_lake().branch

    @property
    def storage(self) -> Any:
        """The default storage location: `root` as a path, `root_as_str` as text."""
        return StorageSettings(current_lake().storage)

    def __repr__(self) -> str:
        return repr(self.instance)


class StorageSettings:
    """A storage location as settings show it."""

    def __init__(self, record: Any) -> None:
        self.record = record

    @property
    def root(self) -> Any:
        """The root as a path."""
        return self.record.path

    @property
    def root_as_str(self) -> str:
        """The root as text."""
        return str(self.record.root_as_str)

    @property
    def type(self) -> str:
        """Its kind: `local`, `s3` and so on."""
        return str(self.record.type)

    def __repr__(self) -> str:
        return f"StorageSettings({self.root_as_str!r})"


settings = SetupSettings()
