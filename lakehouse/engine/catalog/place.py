"""Where a lake lies: its root, its marker file, and which catalog it has."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

import orjson

from lakehouse.engine.catalog.base import Catalog
from lakehouse.engine.catalog.postgres_url import SCHEMES, PostgresUrl
from lakehouse.engine.catalog.sqlite import SqliteCatalog
from lakehouse.engine.catalog.sqlite_db import check_is_catalog
from lakehouse.engine.confine import FOLDER as FOLDER
from lakehouse.engine.files import LocalFiles, RemoteFiles, files_at
from lakehouse.errors import (
    CatalogUnavailable,
    InvalidArgument,
    LakeCorrupt,
    LakeExists,
    LakeTooNew,
    NoWriteAccess,
    StorageError,
)
from lakehouse.io import filesystem
from lakehouse.io.uris import is_remote, root_of, scheme_of, text_of
from lakehouse.trust import check_named, is_named, is_trusted

FORMAT_VERSION = 1
MARKER = "lake.json"
QUARANTINE = "quarantine"  # the folder of what a repair took out


def dump(value: Any) -> str:
    """A setting as the JSON text that the catalog keeps."""
    return orjson.dumps(value).decode()


def settings_of(known: Mapping[str, str], root: str) -> dict[str, Any]:
    """The settings that a catalog keeps as JSON texts, as values.

    Raises:
        LakeCorrupt: One can't be read.
    """
    try:
        return {name: orjson.loads(text) for name, text in known.items()}
    except (orjson.JSONDecodeError, TypeError) as error:
        raise LakeCorrupt(
            f"The catalog of the lake at {root!r} is damaged: its settings can't be read.",
            found=str(error),
        ) from error


def normalise(root: str) -> str:
    """A root as it is recorded: an absolute local path without links, or a URI."""
    root = root_of(text_of(root))
    if is_remote(root):
        return root
    root = os.path.realpath(root)
    # a link to another lake's folder is that lake, which lies there
    folder, name = os.path.split(os.path.realpath(f"{root}/{FOLDER}"))
    return folder if name == FOLDER else root


def _marker_path(root: str) -> str:
    return f"{root}/{FOLDER}/{MARKER}"


def read_marker(files: LocalFiles | RemoteFiles, root: str) -> dict[str, Any] | None:
    """The content of a lake's marker file, or None where there is no lake."""
    try:
        data = files.read(_marker_path(root))
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        raise StorageError(f"The lake at {root!r} can't be read.", found=str(error)) from error
    try:
        marker = orjson.loads(data)
        if not isinstance(marker["uid"], str) or not isinstance(marker.get("db") or "", str):
            raise TypeError("its values aren't texts")
    except (ValueError, KeyError, TypeError) as error:
        raise LakeCorrupt(
            f"The file {_marker_path(root)!r} is damaged.",
            found=f"{type(error).__name__}: {error}",
        ) from error
    return dict(marker)


def write_marker(
    files: LocalFiles | RemoteFiles, root: str, marker: Mapping[str, Any], db: str | None
) -> None:
    """Write the marker file, which makes the folder a lake."""
    content = dict(marker)
    if db is not None and (portable := _portable(db)) != own_catalog(root):
        content["db"] = portable
    # atomic: half a marker would be a damaged lake
    files.replace(_marker_path(root), orjson.dumps(content, option=orjson.OPT_INDENT_2))


def server_of(db: str) -> str:
    """What a database URL reaches: a server, or the real path of a file.

    Raises:
        InvalidArgument: The URL names no catalog that we have.
    """
    if scheme_of(db) == "sqlite":
        return f"sqlite:///{os.path.realpath(_sqlite_path(db))}"
    return _postgres(db).server


def within(root: str, db: str) -> bool:
    """Whether a database is a file in the lake's own folder."""
    if is_remote(root) or scheme_of(db) != "sqlite":
        return False
    return os.path.realpath(_sqlite_path(db)).startswith(os.path.realpath(root) + os.sep)


def is_mounted(root: str, db: str | None) -> bool:
    """Whether there is a folder where the file of a SQLite catalog is missing."""
    db = db or own_catalog(root)
    return scheme_of(db) == "sqlite" and os.path.isdir(os.path.dirname(_sqlite_path(db)))


def has_catalog(root: str, db: str) -> bool:
    """Whether the lake at a root has its catalog on this server, or in this file."""
    root = normalise(root)
    marker = read_marker(files_at(root), root) or {}
    recorded = marker.get("db") or own_catalog(root)
    return server_of(recorded) == server_of(db)


def _sqlite_path(db: str) -> str:
    # as SQLAlchemy reads it: after three slashes a relative path, after four an absolute one
    path = db.partition("://")[2].removeprefix("/")
    if not path or not path.isprintable():
        raise InvalidArgument(
            "This database URL names no file.", found=ascii(db), expected="sqlite:///path"
        )
    return os.path.abspath(path)


def _postgres(db: str) -> PostgresUrl:
    if scheme_of(db) not in SCHEMES:
        raise InvalidArgument(
            "There is no catalog for this database URL.",
            found=f"{ascii(scheme_of(db))[1:-1]}://…",
            expected="sqlite:///path or postgresql://user@host/name",
        )
    return PostgresUrl.parse(db)


def recorded_catalog(
    root: str, marker: Mapping[str, Any], *, found: bool, db: str | None = None
) -> tuple[str | None, bool]:
    """The database of a lake, which its marker names, and whether the user's credentials go there.

    They go to servers that the user has named, or that a trusted lake names. A lake that
    was named itself, and not its server, is opened if the server asks for none.

    Args:
        root: The lake's root.
        marker: The content of its marker.
        found: Whether the lake was found, rather than named.
        db: The database that the user names.

    Raises:
        UntrustedPlace: The lake was found, and the user never named its database.
        InvalidArgument: The URL names no catalog that we have.
    """
    if db is not None:
        return db, True
    db = marker.get("db")
    if db is None or within(root, db):
        return db, True
    server = server_of(db)
    if is_named(server) or is_trusted(root):
        return db, True
    if found and not is_named(root):
        check_named(server, root)
    return db, False


def _portable(db: str) -> str:
    """A database URL as the marker records it."""
    if scheme_of(db) == "sqlite":
        return f"sqlite:///{_sqlite_path(db)}"
    return without_password(db)


def without_password(db: str) -> str:
    """A database URL without its password, which is no business of a file in the lake."""
    parts = urlsplit(db)
    login, at, place = parts.netloc.rpartition("@")
    query = urlencode([(k, v) for k, v in parse_qsl(parts.query) if k != "password"])
    netloc = f"{login.partition(':')[0]}{at}{place}"
    return urlunsplit((parts.scheme, netloc, parts.path, query, ""))


def own_catalog(root: str) -> str:
    """The URL of the SQLite file inside a local lake."""
    return f"sqlite:///{root}/{FOLDER}/catalog.db"


def is_copy(root: str, former: str, options: dict[str, Any] | None) -> bool:
    """Whether the same lake is at its former root too."""
    there = read_marker(files_at(former, options), former)
    here = read_marker(files_at(root, options), root)
    return there is not None and here is not None and there["uid"] == here["uid"]


def check_readable(root: str, known: Mapping[str, Any], version: int) -> None:
    """Refuse a lake that this version of the engine can't read.

    Args:
        root: The lake's root.
        known: The settings that its catalog keeps.
        version: The newest format that is read.

    Raises:
        LakeCorrupt: The catalog is empty.
        LakeTooNew: The format is a newer one.
    """
    if not known:
        raise LakeCorrupt(f"The lake at {root!r} has lost its catalog.", found="an empty catalog")
    if not isinstance(known.get("format"), int) or not isinstance(known.get("root"), str):
        raise LakeCorrupt(
            f"The catalog of the lake at {root!r} is damaged: it doesn't say what it is of.",
            found=dict(known),
        )
    if known["format"] > version:
        raise LakeTooNew(
            f"The lake at {root!r} was written by a newer version of lakehouse.",
            found=f"format {known['format']}",
            expected=f"format {version} or older",
            hint="pip install --upgrade lakehouse",
        )


def check_same(root: str, marker: Mapping[str, Any], known: Mapping[str, Any]) -> None:
    """Refuse a marker and a catalog of two lakes.

    Raises:
        LakeCorrupt: They have different uids.
    """
    if known and known.get("uid") != marker["uid"]:
        raise LakeCorrupt(
            f"The catalog of the lake at {root!r} isn't that of its file {_marker_path(root)!r}.",
            found=f"a catalog of the lake {known.get('uid')!r}",
            expected=f"the lake {marker['uid']!r}",
        )


def check_moved(root: str, former: str, options: dict[str, Any] | None) -> None:
    """Refuse a copy of a lake whose catalog, which lies elsewhere, is the original's.

    Raises:
        LakeExists: The same lake is at its former root too.
    """
    if is_copy(root, former, options):
        raise LakeExists(
            f"The lake at {root!r} is a copy, but its catalog still belongs to the original.",
            found=f"the original at {former!r}",
            hint=f"open the original: lakehouse connect {former}",
        )


def check_own_catalog(root: str, known: Mapping[str, Any], marker: Mapping[str, Any]) -> None:
    """Refuse a copied lake whose catalog is a link, perhaps to the original's.

    Args:
        root: The lake's root.
        known: The settings that the catalog keeps.
        marker: The content of the lake's marker file.

    Raises:
        LakeCorrupt: It is, and following the move would change the original.
    """
    if is_remote(root) or same_place(str(known["root"]), root):
        return
    path = f"{root}/{FOLDER}/catalog.db"
    # a hard link, as `cp -al` makes it, is the original's file, too
    linked = os.path.islink(path) or (os.path.exists(path) and os.stat(path).st_nlink > 1)
    if linked and not marker.get("db"):
        raise LakeCorrupt(
            f"The lake at {root!r} was moved or copied, and its catalog is a link, "
            "perhaps to the original's; nothing was changed.",
            found=f"a link at {path!r}",
            expected="a file of its own",
            hint="copy the whole folder, files instead of links",
        )


def same_place(old: str, new: str) -> bool:
    """Whether two roots are the same local folder under two paths."""
    try:
        return os.path.samefile(f"{old}/{FOLDER}", f"{new}/{FOLDER}")
    except (OSError, ValueError):
        return False


def catalog_for(root: str, db: str | None, *, create: bool, credentials: bool = True) -> Catalog:
    """The catalog of a lake.

    Args:
        root: The lake's root.
        db: None for the SQLite file in the lake, `sqlite:///path`, or `postgresql://…`.
        create: Whether a missing SQLite file may be made.
        credentials: Whether those of the environment may be sent to a server.

    Raises:
        InvalidArgument: The URL names no catalog that we have.
        CatalogUnavailable: The SQLite file isn't there.
    """
    if db is None:
        if is_remote(root):
            raise InvalidArgument(
                f"A lake at {root!r} needs a catalog database beside the object store.",
                hint="pass db='postgresql://user@host/name', or db='sqlite:///path' for one machine",
            )
        db = own_catalog(root)
    if scheme_of(db) == "sqlite":
        path = _sqlite_file(_sqlite_path(db), create=create)
        check_is_catalog(path)
        return SqliteCatalog(path)
    # other URLs are refused before psycopg is asked for
    _postgres(db)
    from lakehouse.engine.catalog.postgres import PostgresCatalog

    return PostgresCatalog(db, credentials=credentials)


def make_root(root: str) -> None:
    """Make a local lake's folder.

    Raises:
        NoWriteAccess, CatalogUnavailable: It can't be made.
    """
    if not is_remote(root):
        _made(root, filesystem.make_root)


def _sqlite_file(path: str, *, create: bool) -> str:
    if not create and not os.path.exists(path):
        raise CatalogUnavailable(
            f"The catalog {path!r} is missing.",
            hint="`lakehouse repair` makes it anew from the tables, or restore it from a backup",
        )
    if create:
        _made(os.path.dirname(path), filesystem.make_folders)
    return path


def _made(folder: str, make: Callable[[str], None]) -> None:
    try:
        make(folder)
    except OSError as error:
        kind = NoWriteAccess if isinstance(error, PermissionError) else CatalogUnavailable
        if error.errno == errno.EROFS:
            kind = NoWriteAccess
        raise kind(f"The folder {folder!r} can't be made.", found=str(error)) from error
