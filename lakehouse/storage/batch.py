"""Many local copies at once.

Measured with 1,000 files of 2 kB on ext4: fsync of each file in parallel takes 0.45 s, one
`syncfs` for all of them 0.15 s. `syncfs` is trusted only on the file systems where it flushes
to the device and reports write errors (Linux 5.8 and later, not FUSE or network mounts);
elsewhere every file gets its own fsync.
"""

from __future__ import annotations

import ctypes
import os
import platform
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor

from lakehouse import filesystem
from lakehouse.progress import Advance
from lakehouse.storage import local
from lakehouse.storage.failures import reported
from lakehouse.storage.hashing import ContentHash
from lakehouse.storage.source import Source

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
        local.make_folders(folders)
    together = len(targets) >= _WORTH_A_SYNCFS and all(map(can_sync_at_once, folders))
    temps = [local.temp_beside(target) for target in targets]
    fresh: list[str] = []

    def copy_one(index: int) -> ContentHash:
        source, temp = sources[index], temps[index]
        with reported("store", targets[index], writing=True):
            if source.is_folder:
                content = local.copy_folder(source, temp, advance)
            else:
                content = local.copy(source, source.files[0], temp, advance, settle=not together)
            local.mark_saved(source, temp, content, saved_at)
        return content

    try:
        hashes = _in_chunks(copy_one, len(targets), workers)
        if together:
            with reported("store", targets[0], writing=True):
                sync_at_once(folders)
        for temp, target in zip(temps, targets, strict=True):
            with reported("store", target, writing=True):
                before = os.path.lexists(target)
                local.put_in_place(temp, target)
            if not before:
                fresh.append(target)
    except BaseException:
        local.abandon((*temps, *fresh))
        raise
    for folder in folders:
        local.sync_folder(folder)
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
