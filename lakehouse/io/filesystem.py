"""What a folder says of the files in it: who may read and write them, and on what they lie.

Everything that a lake makes takes the mode of the folder that it is made in: files of a
group's folder can be written by the group whatever the umask of the one who saved, and those
of a private folder stay private. `file_mode` is where that is decided.
"""

from __future__ import annotations

import os
import stat
import sys
from contextlib import suppress

# The magic numbers of `statfs` whose file systems other machines can mount, too.
_NETWORK = {
    0x6969: "NFS",
    0xFF534D42: "CIFS",
    0xFE534D42: "SMB",
    0x517B: "SMB",
    0x65735546: "FUSE",
    0x01021997: "9p",
    0x0BD00BD0: "Lustre",
    0x47504653: "GPFS",
    0x00C36400: "Ceph",
    0x19830326: "BeeGFS",
    0x5346414F: "AFS",
    0xAAD7AAEA: "PanFS",
    0x7461636F: "OCFS2",
    0x01161970: "GFS2",
}


def file_mode(folder: str) -> int | None:
    """The mode of files that are made in a folder: its own, without the right to search.

    Returns:
        None for a folder such as `/tmp`, where everybody may write, but not to each other's
        files: there the umask says what others may.
    """
    return _mode_below(os.stat(folder).st_mode)


def _mode_below(mode: int) -> int | None:
    return None if mode & stat.S_ISVTX else mode & 0o666 | 0o600


def create(path: str, *, exclusive: bool = True, mode: int | None = None) -> int:
    """Make a file with the mode that its folder gives, and open it for writing.

    Args:
        path: The file.
        exclusive: Refuse a file that is there already, and links; else it is opened as it is.
        mode: Another mode than the folder's.

    Returns:
        The descriptor, which children don't inherit.
    """
    above = os.stat(os.path.dirname(path) or ".")
    wanted = _mode_below(above.st_mode) if mode is None else mode
    flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
    try:
        descriptor = os.open(path, flags, 0o666 if wanted is None else wanted)
    except FileExistsError:
        if exclusive:
            raise
        return os.open(path, os.O_RDWR | os.O_CLOEXEC)
    if wanted is not None and stat.S_IMODE(os.fstat(descriptor).st_mode) != wanted:
        with suppress(OSError):  # some mounts give all files one mode, and keep no other
            os.fchmod(descriptor, wanted)
    if os.geteuid() == 0:
        _hand_to_owner(descriptor, above)
    return descriptor


def make_folder(path: str) -> None:
    """Make a folder with the mode of the one that it lies in."""
    os.mkdir(path)
    above = os.stat(os.path.dirname(path) or ".")
    _follow(path, above.st_mode)
    if os.geteuid() == 0:
        _hand_to_owner(path, above)


def _hand_to_owner(made: str | int, above: os.stat_result) -> None:
    """Let what root makes in another user's folder be theirs, or it would lock them out."""
    if above.st_uid != 0 and not above.st_mode & stat.S_ISVTX:
        with suppress(OSError):  # some mounts keep no owners
            os.chown(made, above.st_uid, above.st_gid)


def make_folders(path: str) -> None:
    """Make a folder and those above it that are missing, all with the mode of what is there."""
    missing = []
    while not os.path.isdir(path):
        missing.append(path)
        path = os.path.dirname(path)
    for folder in reversed(missing):
        try:
            make_folder(folder)
        except FileExistsError:
            if not os.path.isdir(folder):
                raise


def make_root(path: str) -> None:
    """Make the folder of a lake or storage location, where the umask says who may read it.

    In a folder that is handed on to a group (set-group-id), the group gets what it has there,
    unless the umask takes even reading from it.
    """
    missing = []
    while not os.path.isdir(path):
        missing.append(path)
        path = os.path.dirname(path)
    for folder in reversed(missing):
        above = os.stat(os.path.dirname(folder)).st_mode
        try:
            os.mkdir(folder)
        except FileExistsError:
            if not os.path.isdir(folder):
                raise
            continue
        mode = os.stat(folder).st_mode
        if above & stat.S_ISGID and mode & stat.S_IRGRP:
            _follow(folder, mode | above & 0o070)


def hand_over(path: str, folder: str) -> None:
    """Give a file, or a folder with all that it holds, the mode that it would have in another.

    Args:
        path: What was made elsewhere, and is moved next.
        folder: Where to.
    """
    above = os.stat(folder).st_mode
    _follow(path, above)
    if os.path.isdir(path) and not os.path.islink(path):
        for inside, folders, files in os.walk(path):
            for name in (*folders, *files):
                _follow(os.path.join(inside, name), above)


def _follow(path: str, above: int) -> None:
    """Give one file or folder the rights that the folder above it has."""
    found = os.lstat(path).st_mode
    if above & stat.S_ISVTX or stat.S_ISLNK(found):
        return
    wanted = above & 0o777 | 0o700 if stat.S_ISDIR(found) else above & 0o666 | 0o600
    if not found & 0o222:
        wanted &= ~0o222  # what is protected from changes stays so
    if found & 0o777 != wanted:
        with suppress(OSError):  # some mounts give all files one mode, and keep no other
            os.chmod(path, found & 0o7000 | wanted)


def network_kind(folder: str) -> str | None:
    """The name of the network file system that a folder is on; None on a disk of this machine.

    It is a hint only: whether locks exclude others is tried, see `engine.file_lock`.
    """
    if sys.platform != "linux":
        return None
    return _NETWORK.get(magic_number(folder))


def magic_number(folder: str) -> int:
    """What `statfs` calls the kind of a folder's file system on Linux; 0 if it doesn't say."""
    import ctypes  # 2 ms: only for those who ask

    buffer = ctypes.create_string_buffer(256)  # struct statfs; f_type is its first word
    if ctypes.CDLL(None, use_errno=True).statfs(os.fsencode(folder), buffer) != 0:
        return 0
    return ctypes.c_long.from_buffer(buffer).value & 0xFFFFFFFF
