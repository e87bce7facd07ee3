"""Local targets: temporary name, fsync, atomic rename, fsync of the folder.

A killed process leaves only names that start with `.tmp-`.
"""

from __future__ import annotations

import ctypes
import errno
import os
import platform
import secrets
import shutil
import stat
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path

from lakehouse.errors import InvalidArgument
from lakehouse.io import filesystem
from lakehouse.io.progress import Advance
from lakehouse.storage.failures import reported
from lakehouse.storage.hashing import ContentHash
from lakehouse.storage.source import Entry, Source
from lakehouse.storage.stamps import stamp

TEMP_PREFIX = ".tmp-"
_WRITE = stat.S_IWUSR | stat.S_IWGRP | stat.S_IWOTH


def temp_beside(target: str) -> str:
    """A fresh temporary name in the folder of a target."""
    return os.path.join(os.path.dirname(target), TEMP_PREFIX + secrets.token_hex(8))


def write(
    source: Source, target: str, advance: Advance | None = None, saved_at: int | None = None
) -> ContentHash:
    """Copy a source to a local path, durable when this returns; all of it or nothing.

    Args:
        source: What is copied.
        target: The path of the copy, whose files are read-only.
        advance: Called with the numbers of bytes as they are written.
        saved_at: The second that its stamp tells, if it gets one; see `stamps`.
    """
    with reported("store", target, writing=True):
        make_folders([os.path.dirname(target)])
        temp = temp_beside(target)
        try:
            if source.is_folder:
                content = copy_folder(source, temp, advance)
            else:
                content = copy(source, source.files[0], temp, advance)
            mark_saved(source, temp, content, saved_at)
            put_in_place(temp, target)
        except BaseException:
            abandon([temp])
            raise
        sync_folder(os.path.dirname(target))
    return content


@contextmanager
def appearing(target: str | os.PathLike[str]) -> Iterator[Path]:
    """A temporary path beside a file's; what the block has written there becomes the file.

    Raises:
        StorageError: It can't be written; then an older file is as it was.
    """
    path = os.path.realpath(target)
    temp = temp_beside(path)
    with reported("write", path, writing=True):
        if not os.path.isdir(os.path.dirname(path)):
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), os.path.dirname(path))
        try:
            yield Path(temp)
            os.replace(temp, path)
        finally:
            abandon([temp])


def copy(
    source: Source,
    entry: Entry,
    path: str,
    advance: Advance | None = None,
    *,
    settle: bool = True,
) -> ContentHash:
    """Copy one file to a new read-only one, and fsync it unless the caller does so for many."""
    sink = filesystem.create(path)
    try:
        content = source.read(entry, _writer(sink, advance))
        make_read_only(sink)
        if settle:
            os.fsync(sink)
    finally:
        os.close(sink)
    return content


def _writer(sink: int, advance: Advance | None) -> Callable[[memoryview], None]:
    def write_all(block: memoryview) -> None:
        done = 0
        while done < len(block):
            done += os.write(sink, block[done:])
        if advance is not None:
            advance(done)

    return write_all


def copy_folder(source: Source, temp: str, advance: Advance | None) -> ContentHash:
    """Copy a folder to a new path and fsync all that is in it."""
    filesystem.make_folder(temp)
    folders = {os.path.dirname(os.path.join(temp, file.name)) for file in source.files}
    for folder in folders:
        filesystem.make_folders(folder)
    content = source.each(lambda file: copy(source, file, os.path.join(temp, file.name), advance))
    for folder, _, _ in os.walk(temp):
        sync_folder(folder)
    return content


def mark_saved(source: Source, path: str, content: ContentHash, saved_at: int | None) -> None:
    """Stamp a copy, if it is to have a stamp."""
    if saved_at is not None:
        stamp(path, [file.name for file in source.files], content, saved_at)


def put_in_place(path: str, target: str) -> None:
    """Rename to a target on the same file system, replacing what is there."""
    try:
        os.replace(path, target)
    except OSError as error:
        # a folder can't replace a file or a folder with content: step around it
        if error.errno not in (errno.ENOTEMPTY, errno.EEXIST, errno.EISDIR, errno.ENOTDIR):
            raise
        if not os.path.lexists(target):
            raise
        old = temp_beside(target)
        os.rename(target, old)
        try:
            os.rename(path, target)
        except OSError:
            os.rename(old, target)
            raise
        discard(old)


def make_folders(folders: Iterable[str]) -> None:
    """Create folders with their parents, so that they survive a power loss."""
    for folder in folders:
        missing = []
        while not os.path.isdir(folder):
            missing.append(folder)
            folder = os.path.dirname(folder)
        for path in reversed(missing):
            try:
                filesystem.make_folder(path)
            except FileExistsError:
                if not os.path.isdir(path):
                    raise
        for path in missing:
            sync_folder(os.path.dirname(path))


def sync_folder(path: str) -> None:
    """Make the names in a folder durable."""
    folder = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(folder)
    except OSError as error:
        if error.errno not in (errno.EINVAL, errno.ENOTSUP):  # network mounts may not know it
            raise
    finally:
        os.close(folder)


def make_read_only(file: int | str) -> None:
    """Let nobody change the bytes of a stored file, open or not, by mistake."""
    with suppress(OSError):  # some mounts give all files one mode
        os.chmod(file, stat.S_IMODE(os.stat(file).st_mode) & ~_WRITE)


def settle_tree(path: str) -> None:
    """Make a file, or a folder with all it holds, durable, and its files read-only."""
    if not os.path.isdir(path):
        handle = os.open(path, os.O_RDONLY)
        try:
            make_read_only(handle)
            os.fsync(handle)
        finally:
            os.close(handle)
        return
    with os.scandir(path) as entries:
        for entry in entries:
            settle_tree(entry.path)
    sync_folder(path)


def discard(path: str) -> None:
    """Remove a file or folder if it is there."""
    if not os.path.lexists(path):
        return
    if os.path.isdir(path) and not os.path.islink(path):
        shutil.rmtree(path)
    else:
        os.unlink(path)


def abandon(paths: Iterable[str]) -> None:
    """Clean up after a failure, which is the error to be told, not that of cleaning up."""
    for path in paths:
        with suppress(OSError):
            discard(path)


def remove(target: str) -> bool:
    """Remove a file or folder; False if there is none."""
    if os.path.dirname(target) == target:
        raise InvalidArgument(
            f"Refusing to remove {target!r}.", expected="a file or folder in a storage location"
        )
    with reported("remove", target, writing=True):
        if not os.path.lexists(target):
            return False
        if os.path.isdir(target) and not os.path.islink(target):
            gone = temp_beside(target)  # a killed removal mustn't leave half a folder behind
            os.rename(target, gone)
            target = gone
        discard(target)
        sync_folder(os.path.dirname(target))
    return True


# -- Many local copies at once


_SYNCFS_TRUSTED = {
    0xEF53,  # ext2, ext3, ext4
    0x58465342,  # xfs
    0x9123683E,  # btrfs
    0xF2F52010,  # f2fs
    0x01021994,  # tmpfs
}
_WORTH_A_SYNCFS = 16  # below, separate fsyncs are cheaper than flushing a whole file system
_CHUNK = 32


def write_many(
    sources: Sequence[Source],
    targets: Sequence[str],
    workers: int,
    advance: Advance | None,
    saved_at: int | None = None,
) -> list[ContentHash]:
    """Copy sources to absolute local paths, durable when this returns; all or nothing.

    Everything is durable under temporary names before the first one is renamed. Targets that
    held something before hold the new content if a later rename fails.
    """
    folders = {os.path.dirname(target) for target in targets}
    with reported("store", targets[0], writing=True):
        make_folders(folders)
    together = len(targets) >= _WORTH_A_SYNCFS and all(map(can_sync_at_once, folders))
    temps = [temp_beside(target) for target in targets]
    fresh: list[str] = []

    def copy_one(index: int) -> ContentHash:
        source, temp = sources[index], temps[index]
        with reported("store", targets[index], writing=True):
            if source.is_folder:
                content = copy_folder(source, temp, advance)
            else:
                content = copy(source, source.files[0], temp, advance, settle=not together)
            mark_saved(source, temp, content, saved_at)
        return content

    try:
        hashes = _in_chunks(copy_one, len(targets), workers)
        if together:
            with reported("store", targets[0], writing=True):
                sync_at_once(folders)
        for temp, target in zip(temps, targets, strict=True):
            with reported("store", target, writing=True):
                before = os.path.lexists(target)
                put_in_place(temp, target)
            if not before:
                fresh.append(target)
    except BaseException:
        abandon((*temps, *fresh))
        raise
    for folder in folders:
        sync_folder(folder)
    return hashes


def _in_chunks(work: Callable[[int], ContentHash], count: int, workers: int) -> list[ContentHash]:
    def chunk(start: int) -> list[ContentHash]:
        return [work(index) for index in range(start, min(start + _CHUNK, count))]

    with ThreadPoolExecutor(workers) as pool:
        jobs = [pool.submit(chunk, start) for start in range(0, count, _CHUNK)]
        return [found for job in jobs for found in job.result()]


def can_sync_at_once(folder: str) -> bool:
    """Whether one `syncfs` makes all files on this folder's file system durable."""
    if platform.system() != "Linux" or _kernel() < (5, 8):
        return False
    return filesystem.magic_number(folder) in _SYNCFS_TRUSTED


def sync_at_once(folders: set[str]) -> None:
    """Flush the file systems of the folders to their devices.

    Raises:
        OSError: Something could not be written back.
    """
    for folder in {os.stat(folder).st_dev: folder for folder in folders}.values():
        handle = os.open(folder, os.O_RDONLY)
        try:
            if _libc().syncfs(handle) != 0:
                code = ctypes.get_errno()
                raise OSError(code, os.strerror(code), folder)
        finally:
            os.close(handle)


def _libc() -> ctypes.CDLL:
    return ctypes.CDLL(None, use_errno=True)


def _kernel() -> tuple[int, int]:
    major, _, rest = platform.release().partition(".")
    minor = rest.partition(".")[0]
    return (int(major), int(minor)) if major.isdigit() and minor.isdigit() else (0, 0)
