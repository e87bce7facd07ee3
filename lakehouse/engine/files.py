"""Where the files of the tables lie: durable writes, whole reads, listing, removal.

A local lake's files are named by plain absolute paths, so that every engine opens them as
they are; other lakes by URIs that fsspec knows.
"""

from __future__ import annotations

import errno
import os
import stat as modes
import time
import uuid
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import pyarrow as pa

from lakehouse.engine.confine import FOLDER, Confinement, Owner
from lakehouse.errors import NoWriteAccess, StorageError
from lakehouse.io import filesystem
from lakehouse.io.uris import client_errors, is_remote, remote_filesystem, scheme_of
from lakehouse.text.redaction import harmless

_FSYNC_THREADS = 8
_AT_ONCE_BYTES = 1 << 20  # so much is in the kernel's memory sooner than a thread is woken up
_UNLINK_THREADS = 32
# a link isn't followed, and nobody waits for the other end of a pipe
_READ = os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK
_CHANGE = os.O_WRONLY | os.O_CLOEXEC | os.O_NOFOLLOW


@dataclass(frozen=True)
class Listed:
    """One file found in a listing.

    Attributes:
        path: Its path.
        age: Its age in seconds, by this machine's clock.
        size: Bytes.
        outside: Whether it is a link to a folder that isn't the lake's, which wasn't entered.
    """

    path: str
    age: float
    size: int
    outside: bool = False


class Files(Protocol):
    """What the engine asks of a file store.

    Every path that it is given has to be one of the lake's own, below `<root>/.lakehouse`;
    others are refused by a `LakeCorrupt`, and nothing is opened.

    Attributes:
        root: The lake's root.
        confinement: What decides which paths are the lake's own.
    """

    root: str
    confinement: Confinement

    def confine(self, root: str, uid: str) -> None:
        """Say which lake this is, once it is known."""

    def may_write(self) -> bool:
        """Whether the present user may write here, as far as can be known without trying."""

    def write(self, files: Sequence[tuple[str, bytes | pa.Buffer]]) -> None:
        """Write files so that they outlive a crash; all of them, or an error and none."""

    def replace(self, path: str, data: bytes) -> None:
        """Write a file in the place of another, atomically."""

    def note(self, path: str, data: bytes) -> None:
        """Write a small file that needn't outlive a crash of the machine."""

    def pad(self, path: str, head: bytes) -> Pad:
        """Make a small file with a head, to which lines are added again and again."""

    def read(self, path: str) -> bytes:
        """A file's content."""

    def list(self, folder: str) -> Iterator[Listed]:
        """Every file below a folder."""

    def remove(self, paths: Iterable[str]) -> int:
        """Remove files, missing ones too; how many were there."""


class Pad(Protocol):
    """A small file of one writer, which needn't outlive a crash of the machine."""

    def add(self, line: bytes) -> None:
        """Add a line; once this returns, everybody sees it."""

    def clear(self) -> None:
        """Take all lines away, but not the head."""

    def is_there(self) -> bool:
        """Whether others still find the file."""

    def remove(self) -> None:
        """Remove the file."""


class LocalFiles:
    """Files below a local folder."""

    def __init__(self, root: str) -> None:
        self.root = root
        self.confinement = Confinement(f"{root}/{FOLDER}")
        self._pool: ThreadPoolExecutor | None = None
        self._pool_pid = 0
        self._made: set[str] = set()

    def may_write(self) -> bool:
        """Whether the lake's folder may be written."""
        return os.access(self.root, os.W_OK)

    def confine(self, root: str, uid: str) -> None:
        """Say which lake this is: how its root is written in its tables, and its uid."""
        self.root = root
        self.confinement = Confinement(f"{root}/{FOLDER}", Owner(uid, root))

    def _threads(self) -> ThreadPoolExecutor:
        # a forked child has a pool without threads, and would wait for ever
        if self._pool is None or self._pool_pid != os.getpid():
            self._pool = ThreadPoolExecutor(_FSYNC_THREADS, thread_name_prefix="lakehouse-fsync")
            self._pool_pid = os.getpid()
        return self._pool

    def _create(self, path: str) -> int:
        folder = os.path.dirname(path)
        if folder not in self._made:
            filesystem.make_folders(folder)
            self._made.add(folder)
        # never over another file: names tell content, and a version's files don't change
        return filesystem.create(path)

    def _write_one(self, path: str, data: bytes | pa.Buffer) -> None:
        descriptor = self._create(path)
        try:
            _fill(descriptor, data)
            os.fsync(descriptor)
        finally:
            os.close(descriptor)

    def write(self, files: Sequence[tuple[str, bytes | pa.Buffer]]) -> None:
        """Write and fsync files in parallel; after a failure none of them is left."""
        for path, _ in files:
            self.confinement.check(path)
        with _told(self.root):
            if sum(len(data) for _, data in files) <= _AT_ONCE_BYTES:
                self._write_small(files)
            else:
                tasks = [self._threads().submit(self._write_one, *f).result for f in files]
                _all_or_none(tasks, self, files)

    def _write_small(self, files: Sequence[tuple[str, bytes | pa.Buffer]]) -> None:
        """Write from this thread, and only wait for the disk in parallel."""
        descriptors: list[int] = []
        syncs: list[Future[None]] = []
        try:
            for path, data in files:
                descriptors.append(self._create(path))
                _fill(descriptors[-1], data)
            syncs = [self._threads().submit(os.fsync, d) for d in descriptors[1:]]
            # this thread syncs one itself: where there is one file, no other thread is woken
            for descriptor in descriptors[:1]:
                os.fsync(descriptor)
            for sync in syncs:
                sync.result()
        except OSError:
            with suppress(OSError):
                self.remove([path for path, _ in files])
            raise
        finally:
            # a descriptor that is closed during its sync may be another file's by then
            wait(syncs)
            for descriptor in descriptors:
                os.close(descriptor)

    def replace(self, path: str, data: bytes) -> None:
        """Write a file beside another and rename it."""
        # beside it: a rename is atomic within one file system only
        temporary = f"{path}.{uuid.uuid4().hex}.tmp"
        self.write([(temporary, data)])
        with _told(self.root):
            os.replace(temporary, path)

    def note(self, path: str, data: bytes) -> None:
        """Write a small file that needn't outlive a crash of the machine."""
        self.confinement.check(path)
        with _told(self.root):
            folder = os.path.dirname(path)
            if folder not in self._made:
                filesystem.make_folders(folder)
                self._made.add(folder)
            try:
                descriptor = filesystem.create(path)
            except FileNotFoundError:
                filesystem.make_folders(folder)  # somebody has removed it
                descriptor = filesystem.create(path)
            # not synced: a crash of the machine ends the writer whose note it is, too
            with open(descriptor, "wb") as handle:
                handle.write(data)

    def pad(self, path: str, head: bytes) -> Pad:
        """Make a small file with a head, to which lines are added again and again."""
        self.note(path, head)
        with _told(self.root):
            return _LocalPad(self, path, os.open(path, _CHANGE), len(head))

    def read(self, path: str) -> bytes:
        """A file's content; a link to a file is not followed."""
        self.confinement.check(path)
        try:
            descriptor = os.open(path, _READ)
        except OSError as error:
            if error.errno != errno.ELOOP:
                raise
            raise self.confinement.refusal(path) from error
        with open(descriptor, "rb") as handle:
            if not modes.S_ISREG(os.fstat(descriptor).st_mode):
                raise self.confinement.refusal(path)
            return handle.read()

    def list(self, folder: str) -> Iterator[Listed]:
        """Every file below a folder, with its age."""
        now = time.time()
        self.confinement.check(f"{folder}/x")
        pending = [folder]
        while pending:
            try:
                entries = os.scandir(pending.pop())
            except FileNotFoundError:
                continue
            with entries:
                for entry in entries:
                    if entry.is_dir(follow_symlinks=False):
                        pending.append(entry.path)
                        continue
                    linked = entry.is_symlink() and entry.is_dir()
                    if linked and self.confinement.holds(f"{entry.path}/x", fresh=True):
                        pending.append(entry.path)
                        continue
                    try:
                        stat = entry.stat(follow_symlinks=False)
                    except FileNotFoundError:
                        continue
                    yield Listed(entry.path, now - stat.st_mtime, stat.st_size, linked)

    def remove(self, paths: Iterable[str]) -> int:
        """Remove files; those that are gone already don't count."""

        def unlink(some: Sequence[str]) -> int:
            removed = 0
            for path in some:
                try:
                    os.unlink(path)
                except FileNotFoundError:
                    continue
                removed += 1
            return removed

        # each may wait for the disk's journal: many at a time take a fifth of the time
        known = list(paths)
        # each folder once, looked at anew: since it was, somebody may have put a link there
        for path in {p.rpartition("/")[0] + "/x": p for p in known}.values():
            if not self.confinement.holds(path, fresh=True):
                raise self.confinement.refusal(path)
        for path in known:
            self.confinement.check(path)
        count = min(_UNLINK_THREADS, len(known) // 16 + 1)
        if count == 1:
            return unlink(known)
        with ThreadPoolExecutor(count) as threads:
            return sum(threads.map(unlink, (known[i::count] for i in range(count))))


class _LocalPad:
    """A file that is open for adding lines.

    Lines are blanked, not cut off: a file that is cut off is written out with the next file that
    any process syncs on that disk, which costs a commit more than all else that a pad does.
    """

    def __init__(self, files: LocalFiles, path: str, descriptor: int, head: int) -> None:
        self._files = files
        self._path = path
        self._descriptor = descriptor
        self._head = self._end = head

    def add(self, line: bytes) -> None:
        with _told(self._files.root):
            self._put(line)
            self._end += len(line)

    def clear(self) -> None:
        used, self._end = self._end - self._head, self._head
        self._put(b"\n" * used)

    def _put(self, data: bytes) -> None:
        # a short write is what a full disk gives first
        if os.pwrite(self._descriptor, data, self._end) < len(data):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    def is_there(self) -> bool:
        return os.fstat(self._descriptor).st_nlink > 0  # the descriptor outlives the name

    def remove(self) -> None:
        os.close(self._descriptor)
        self._files.remove([self._path])


# A child that dropped its parent's file systems would close the parent's sockets.
_inherited: list[object] = []


class RemoteFiles:
    """Files below a URI that fsspec knows, such as `s3://bucket/prefix`.

    Object stores acknowledge a write only once it is durable, so there is nothing to sync.
    """

    def __init__(self, root: str, options: dict[str, Any] | None = None) -> None:
        self.root = root.rstrip("/")
        self.confinement = Confinement(f"{self.root}/{FOLDER}")
        self._options = options or {}
        self._scheme = scheme_of(root)
        self._kept: tuple[int, Any] | None = None

    def may_write(self) -> bool:
        """True: only trying tells."""
        return True

    def confine(self, root: str, uid: str) -> None:
        """Say which lake this is: how its root is written in its tables, and its uid."""
        self.root = root
        self.confinement = Confinement(f"{root}/{FOLDER}", Owner(uid, root))

    @property
    def _fs(self) -> Any:
        # a filesystem runs a thread, which a forked child doesn't inherit
        if self._kept is None or self._kept[0] != os.getpid():
            if self._kept is not None:
                _inherited.append(self._kept)
            self._kept = (os.getpid(), remote_filesystem(self.root, self._options)[0])
        return self._kept[1]

    @contextmanager
    def _plain_errors(self) -> Iterator[None]:
        """Raise what the store's client has for an `OSError` as one."""
        try:
            yield
        except client_errors(self._scheme) as error:
            raise OSError(str(error)) from harmless(error)

    def _put(self, path: str, data: bytes | pa.Buffer) -> None:
        with self._plain_errors():
            self._fs.pipe_file(path, data if isinstance(data, bytes) else data.to_pybytes())

    def write(self, files: Sequence[tuple[str, bytes | pa.Buffer]]) -> None:
        """Put objects in parallel; after a failure none of them is left."""
        for path, _ in files:
            self.confinement.check(path)
        with _told(self.root), ThreadPoolExecutor(_FSYNC_THREADS) as pool:
            _all_or_none([pool.submit(self._put, *f).result for f in files], self, files)

    def replace(self, path: str, data: bytes) -> None:
        """Put an object, which replaces another atomically."""
        self.confinement.check(path)
        with _told(self.root):
            self._put(path, data)

    def note(self, path: str, data: bytes) -> None:
        """Put an object."""
        self.replace(path, data)

    def pad(self, path: str, head: bytes) -> Pad:
        """An object that is there while it has lines."""
        return _RemotePad(self, path, head)

    def read(self, path: str) -> bytes:
        """An object's content."""
        self.confinement.check(path)
        with self._plain_errors():
            data = self._fs.cat_file(path)
        return data if isinstance(data, bytes) else bytes(data)

    def list(self, folder: str) -> Iterator[Listed]:
        """Every object below a prefix, with its age."""
        self.confinement.check(f"{folder}/x")
        now = time.time()
        with self._plain_errors():
            # fsspec keeps listings, in which what others have written since is missing
            self._fs.invalidate_cache()
            found = self._fs.find(folder, detail=True)
        for path, info in found.items():
            modified = info.get("LastModified") or info.get("created") or info.get("mtime")
            stamp = modified.timestamp() if hasattr(modified, "timestamp") else modified
            # of unknown age counts as new, which gc's age gate spares
            age = now - float(stamp) if stamp is not None else 0.0
            yield Listed(f"{self._scheme}://{path.lstrip('/')}", age, int(info.get("size") or 0))

    def _remove_one(self, path: str) -> int:
        try:
            with self._plain_errors():
                self._fs.rm_file(path)
        except FileNotFoundError:
            return 0
        return 1

    def remove(self, paths: Iterable[str]) -> int:
        """Remove objects; those that are gone already don't count."""
        paths = list(paths)
        for path in paths:
            self.confinement.check(path)
        with ThreadPoolExecutor(_FSYNC_THREADS) as pool:
            return sum(pool.map(self._remove_one, paths))


class _RemotePad:
    """An object that is put again with each line."""

    def __init__(self, files: RemoteFiles, path: str, head: bytes) -> None:
        self._files = files
        self._path = path
        self._head = head
        self._lines: list[bytes] = []

    def add(self, line: bytes) -> None:
        self._lines.append(line)
        self._files.replace(self._path, self._head + b"".join(self._lines))

    def clear(self) -> None:
        self._lines.clear()
        self._files.remove([self._path])

    def is_there(self) -> bool:
        return True  # each line puts the whole object, so one that was removed comes back

    def remove(self) -> None:
        if self._lines:
            self.clear()


def _fill(descriptor: int, data: bytes | pa.Buffer) -> None:
    view = memoryview(data)
    # a write may take less than all: 2 GiB at most on Linux
    while len(view):
        view = view[os.write(descriptor, view) :]


def _all_or_none(
    tasks: Sequence[Callable[[], None]],
    files: Files,
    written: Sequence[tuple[str, bytes | pa.Buffer]],
) -> None:
    """Wait for all tasks; if one fails, remove what the others wrote."""
    failures: list[OSError] = []
    # all are waited for, or what a slower one writes would stay after the removal
    for task in tasks:
        try:
            task()
        except OSError as error:
            failures.append(error)
    if failures:
        with suppress(OSError):
            files.remove([path for path, _ in written])
        raise failures[0]


@contextmanager
def _told(root: str) -> Iterator[None]:
    """Tell what went wrong in writing below a root."""
    try:
        yield
    except StorageError:
        raise
    except OSError as error:
        if isinstance(error, PermissionError) or error.errno in (errno.EROFS, errno.EPERM):
            raise NoWriteAccess(
                f"The lake at {root!r} can't be written; nothing was committed.",
                found=str(error),
                expected="permission to write",
            ) from error
        raise StorageError(
            f"Writing the tables of the lake at {root!r} failed; nothing was committed.",
            found=str(error),
            hint="free some space or mend the storage, then save again",
        ) from error


def files_at(root: str, options: dict[str, Any] | None = None) -> LocalFiles | RemoteFiles:
    """The file store for a lake's root: a local path or a URI."""
    if is_remote(root):
        return RemoteFiles(root, options)
    return LocalFiles(str(Path(root).expanduser().absolute()))
