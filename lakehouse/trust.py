"""Whose files are obeyed that nobody named: lakes and connections found on the way up.

A file that is found is used if it and its folders belong to the user or to root, or if the
user trusts its folder by name, as with git's `safe.directory`; never if it lies in a folder
that everybody may write. What it names elsewhere (a database, a bucket) is used if the user
has named that before. Both lists are files in the user's own configuration folder, one for
each entry, so that processes don't overwrite each other's.
"""

from __future__ import annotations

import errno
import hashlib
import os
import pwd
import shlex
import stat
from pathlib import Path

import platformdirs

from lakehouse.errors import InvalidArgument, NoWriteAccess, UntrustedPlace
from lakehouse.io.whole_files import write_whole
from lakehouse.text.redaction import without_credentials

EVERYTHING = "*"
_TRUSTED, _NAMED = "trusted", "named"
_MOST = 1 << 20  # a connection file is smaller
_OPEN = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC


# -- what the user says --------------------------------------------------------------------


def trust(folder: str | os.PathLike[str]) -> str:
    """Trust what lies in a folder, whoever put it there; `"*"` trusts all folders.

    Args:
        folder: The folder of a lake, or one that is connected to a lake.

    Returns:
        The folder as it was recorded.

    Raises:
        InvalidArgument: Everybody may write it, or it is none.
        NoWriteAccess: The user's configuration can't be written.
    """
    entry = _entry(folder)
    if entry != EVERYTHING:
        if not os.path.isdir(entry):
            raise InvalidArgument(f"There is no folder {entry!r} to trust.")
        open_to_all = _written_by_all(entry, {os.stat(entry).st_uid, *_owners()})
        if open_to_all is not None:
            raise InvalidArgument(
                f"The folder {entry!r} can't be trusted.",
                found=f"everybody may write {open_to_all!r}",
                hint=f"chmod o-w {shlex.quote(open_to_all)}",
            )
    try:
        _write(_TRUSTED, entry)
    except OSError as error:
        raise NoWriteAccess(
            "The list of trusted folders can't be written.",
            found=str(error),
            hint="set XDG_CONFIG_HOME to a folder of yours",
        ) from error
    return entry


def untrust(folder: str | os.PathLike[str]) -> bool:
    """Trust a folder no longer; False if it wasn't trusted by name."""
    place = _list(_TRUSTED)
    file = None if place is None else place / _name(_entry(folder))
    if file is None or not file.is_file():
        return False
    file.unlink()
    return True


def trusted() -> list[str]:
    """The folders that the user trusts by name."""
    place = _list(_TRUSTED)
    if place is None or not place.is_dir():
        return []
    texts = (_read_entry(file) for file in place.iterdir())
    return sorted(text for text in texts if text is not None)


def is_trusted(folder: str) -> bool:
    """Whether the user trusts a folder by name."""
    return _has(_TRUSTED, EVERYTHING) or _has(_TRUSTED, os.path.realpath(folder))


def remember_named(address: str) -> bool:
    """Record that the user named a place themselves; False where that can't be written."""
    if is_named(address):
        return True
    try:
        _write(_NAMED, without_credentials(address))
    except OSError:
        return False
    return True


def is_named(address: str) -> bool:
    """Whether the user has named a place themselves, on this machine, before."""
    return _has(_NAMED, without_credentials(address))


def _entry(folder: str | os.PathLike[str]) -> str:
    text = os.fspath(folder)
    return text if text == EVERYTHING else os.path.realpath(os.path.expanduser(text))


def _list(kind: str) -> Path | None:
    """The folder of a list; None where there is none that only the user can write."""
    place = Path(platformdirs.user_config_dir("lakehouse"), kind)
    return place if place.is_absolute() else None  # without a home, it would be a relative one


def _name(entry: str) -> str:
    return hashlib.sha256(entry.encode("utf-8", "surrogateescape")).hexdigest()[:32]


def _write(kind: str, entry: str) -> None:
    place = _list(kind)
    if place is None:
        raise OSError(errno.ENOENT, "the user has no home folder")
    place.mkdir(parents=True, exist_ok=True, mode=0o700)
    write_whole(place / _name(entry), entry.encode("utf-8", "surrogateescape"), mode=0o600)


def _has(kind: str, entry: str) -> bool:
    place = _list(kind)
    return place is not None and _read_entry(place / _name(entry)) == entry


def _read_entry(file: Path) -> str | None:
    """An entry of a list, if nobody else than the user can have written it."""
    try:
        data, info = _read(str(file))
        folder = os.path.realpath(file.parent)
        own = info.st_uid in _owners() and os.stat(folder).st_uid in _owners()
        if not own or info.st_mode & stat.S_IWOTH or _written_by_all(folder, _owners()):
            return None
    except OSError:
        return None
    return data.decode("utf-8", "surrogateescape")


# -- what is found -------------------------------------------------------------------------


def read_found(folder: Path, inside: str, name: str) -> bytes | None:
    """The content of a file that was found, or None where there is none.

    Args:
        folder: The folder that was looked into.
        inside: The name of the folder in it.
        name: The file's name there.

    Raises:
        UntrustedPlace: It is somebody else's, or everybody may have put it there.
    """
    inner = folder / inside
    file = inner / name
    try:
        if not stat.S_ISDIR(os.stat(inner).st_mode) or not os.path.lexists(file):
            return None
        check_found(str(folder))
        data, info = _read(os.path.join(os.path.realpath(inner), name))
    except (FileNotFoundError, NotADirectoryError, PermissionError):
        return None
    except OSError as error:
        raise _refused(str(folder), str(file), f"not a plain file ({error.strerror})") from error
    known = is_trusted(str(folder))
    _check(str(folder), str(file), info, known=known)
    return data


def check_found(folder: str, inside: str = ".lakehouse") -> None:
    """Refuse a folder that was found, if what lies in it may be somebody else's.

    Raises:
        UntrustedPlace: It is somebody else's, or everybody may have put it there.
    """
    known = is_trusted(folder)
    for path in (folder, os.path.join(folder, inside)):
        real = os.path.realpath(path)
        info = os.stat(real)
        _check(folder, real, info, known=known)
        owners = {info.st_uid, *_owners()} if known else _owners()
        open_to_all = _written_by_all(real, owners)
        if open_to_all is not None:
            raise _refused(folder, open_to_all, "a folder that everybody may write")


def check_named(address: str, by: str) -> None:
    """Refuse a place elsewhere that a file names which was found, unless the user knows it.

    Args:
        address: The place, without credentials.
        by: The folder of the file that names it.

    Raises:
        UntrustedPlace: The user never named that place, and doesn't trust the folder.
    """
    if not is_named(address) and not is_trusted(by):
        raise UntrustedPlace(
            f"The lake of {by!r} isn't opened: it names a place that you haven't named yourself.",
            found=address,
            hint=f"if it is right: lakehouse connect --trust {shlex.quote(by)}",
        )


def _check(folder: str, path: str, info: os.stat_result, *, known: bool) -> None:
    if not known and info.st_uid not in _owners():
        raise _refused(folder, path, f"a file of {_user(info.st_uid)}")
    if info.st_mode & stat.S_IWOTH:
        raise _refused(folder, path, "a file that everybody may write")


def _refused(folder: str, path: str, found: str) -> UntrustedPlace:
    quoted = shlex.quote(folder)
    if "everybody" in found:
        hint = f"chmod o-w {shlex.quote(path)}, or name the lake: LAKEHOUSE_ROOT={quoted}"
    elif "plain" in found:
        hint = "name the lake: lakehouse connect ROOT"
    else:
        hint = f"if you trust its owner: lakehouse connect --trust {quoted}"
    return UntrustedPlace(
        f"The lake that was found at {folder!r} isn't opened, since others may have put it there.",
        found=f"{found}: {path!r}",
        expected="a folder of yours, of root, or one that you trust",
        hint=hint,
    )


def _owners() -> set[int]:
    """The users whose files are obeyed: the present one and root; under sudo, who called it."""
    uid = os.geteuid()
    caller = os.environ.get("SUDO_UID", "")
    return {uid, 0, int(caller)} if uid == 0 and caller.isdecimal() else {uid, 0}


def _user(uid: int) -> str:
    try:
        return f"the user {pwd.getpwuid(uid).pw_name!r}"
    except KeyError:
        return f"the user {uid}"


def _written_by_all(real: str, owners: set[int]) -> str | None:
    """The first folder, from a real path upward, in which anybody may put another in its place.

    In a sticky folder such as `/tmp` only the owner may, who then must be one of some.
    """
    info = os.stat(real)
    if info.st_mode & stat.S_IWOTH:
        return real
    while (above := os.path.dirname(real)) != real:
        folder = os.stat(above)
        kept = folder.st_mode & stat.S_ISVTX and info.st_uid in owners
        if folder.st_mode & stat.S_IWOTH and not kept:
            return above
        real, info = above, folder
    return None


def _read(path: str) -> tuple[bytes, os.stat_result]:
    """A plain file's content and what it is, both of one and the same file."""
    descriptor = os.open(path, _OPEN)
    with os.fdopen(descriptor, "rb") as file:
        info = os.fstat(descriptor)
        if not stat.S_ISREG(info.st_mode):
            raise OSError(errno.EINVAL, "not a plain file")
        return file.read(_MOST), info
