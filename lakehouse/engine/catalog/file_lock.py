"""The writers' lock of a SQLite catalog: a file that one process at a time has locked.

The kernel hands the lock over in order, and frees it when its holder dies. Who may only read the
catalog can't open the file, so can't hold up those who write. A writer that waits says for whom,
and gives up after `settings.lock_timeout` seconds.

Where locks don't exclude others (some network mounts acknowledge every lock), SQLite would lose
commits without a word. So the first lock of a process is tried: a second opening of the file
must not get it, neither with `flock` nor with the `fcntl` that SQLite uses.
"""

from __future__ import annotations

import errno
import fcntl
import functools
import os
import socket
import struct
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime

import orjson

from lakehouse.config import login_name, notify
from lakehouse.engine import forks
from lakehouse.errors import CatalogUnavailable, NoWriteAccess
from lakehouse.io import filesystem
from lakehouse.text.printable import printable_line

PATIENCE = 2.0
"""Seconds that one waits for others without a word."""

_TAKEN = (errno.EAGAIN, errno.EACCES, errno.EWOULDBLOCK)
_UNKNOWN = (errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP, errno.ENOTSUP, errno.EINVAL)
_FIRST_BYTE = 0
_TRIED_BYTE = 1 << 40  # far beyond all that is written or locked otherwise
_NOTE_SIZE = 256  # of each note, so that none leaves the end of a longer one
_TRIES = 10
_TRY_ELSEWHERE = """
import fcntl, os, sys
try: fcntl.lockf(os.open(sys.argv[1], os.O_RDWR), fcntl.LOCK_EX | fcntl.LOCK_NB, 1, int(sys.argv[2]))
except OSError: sys.exit(7)
"""
_DENIED = 7  # what that process ends with


class FileLock:
    """A lock by which threads and processes exclude each other.

    Args:
        path: The file, made when it is first locked.
        guarded: The file that only its holder may write; who may write that, may lock.
        limit: Gives how many seconds to wait for others.
    """

    def __init__(self, path: str, guarded: str, limit: Callable[[], float]) -> None:
        self._limit = limit
        self._path = path
        self._guarded = guarded
        self._open: set[int] = set()
        self._ranges = False  # whether a range of bytes is locked, where `flock` doesn't work
        self._tried = False
        forks.watch(self)

    def before_fork(self) -> None:
        """Nothing to prepare."""

    def after_fork(self, *, child: bool) -> None:
        """Let go of what the parent's threads hold or wait for."""
        if child:
            # closed and never unlocked: it is one lock that both have, and the parent needs it
            for descriptor in self._open:
                os.close(descriptor)
            self._open.clear()

    @contextmanager
    def held(self) -> Iterator[None]:
        """Hold the lock for the duration of the block.

        Raises:
            CatalogUnavailable: Another process holds it for too long, or locks don't work here.
            NoWriteAccess: Only who may write may lock.
        """
        descriptor = self._acquired()
        while not self._tried and not self._works(descriptor):
            self._release(descriptor)
            descriptor = self._acquired()  # by a range of bytes now
        try:
            with suppress(OSError):  # a full disk: who waits reads an older name then
                os.pwrite(descriptor, _note(), 0)
            yield
        finally:
            self._release(descriptor)

    def check_known(self) -> None:
        """Tell a mount that knows no locks from one where somebody holds them.

        Raises:
            CatalogUnavailable: It knows none, or has no more.
        """
        with suppress(FileNotFoundError, PermissionError):
            descriptor = os.open(self._path, os.O_RDWR | os.O_CLOEXEC)
            try:
                fcntl.lockf(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB, 1, _TRIED_BYTE)
            except OSError as error:
                if error.errno not in _TAKEN:
                    raise self._broken(str(error)) from error
            finally:
                os.close(descriptor)

    def check(self) -> None:
        """Try, once in this process, whether locks exclude others.

        Raises:
            CatalogUnavailable: They don't.
        """
        if not self._tried:
            with self.held():
                pass

    # -- taking and giving back --------------------------------------------------------

    def _acquired(self) -> int:
        """A descriptor of the file that has the lock."""
        descriptor = self._opened()
        self._open.add(descriptor)
        try:
            # a thread that waits in the queue is made only where somebody holds it
            at_once = self._lock(descriptor, wait=False)
        except BaseException:
            self._release(descriptor)
            raise
        if at_once:
            return descriptor
        turn = _Turn(lambda: self._lock(descriptor, wait=True), lambda: self._release(descriptor))
        try:
            self._wait(turn)
        except BaseException:
            turn.leave()
            raise
        return descriptor

    def _wait(self, turn: _Turn) -> None:
        limit = self._limit()
        if turn.comes_within(min(PATIENCE, limit)):
            return
        if limit > PATIENCE:
            tell_waiting(holder_of(self._path))
            if turn.comes_within(limit - PATIENCE):
                return
        raise waited_too_long(self._guarded, limit, holder_of(self._path))

    def _opened(self) -> int:
        try:
            try:
                return os.open(self._path, os.O_RDWR | os.O_CLOEXEC)
            except FileNotFoundError:
                return filesystem.create(self._path, exclusive=False, mode=self._mode())
        except PermissionError as error:
            raise NoWriteAccess(
                f"The lake's catalog {self._guarded!r} can't be written; nothing was committed.",
                found=str(error),
                expected="permission to write",
                hint="in a folder that a group shares, its owner opens the lake once, or runs"
                f" chmod g+rw {self._path}"
                if os.access(self._guarded, os.W_OK)
                else None,
            ) from error
        except OSError as error:
            if error.errno == errno.EROFS:
                raise NoWriteAccess(
                    f"The lake's catalog {self._guarded!r} can't be written; nothing was committed.",
                    found=str(error),
                    expected="a file system that isn't mounted read-only",
                ) from error
            raise CatalogUnavailable(
                f"The lock file {self._path!r} can't be opened; nothing was committed.",
                found=str(error),
            ) from error

    def _mode(self) -> int:
        """The file's mode: whoever may write the catalog may lock, nobody else."""
        try:
            mode = os.stat(self._guarded).st_mode
        except FileNotFoundError:
            mode = filesystem.file_mode(os.path.dirname(self._path)) or 0
        # the bit for reading is the one above that for writing
        return 0o600 | (mode & 0o022) | (mode & 0o022) << 1

    def _lock(self, descriptor: int, *, wait: bool) -> bool:
        """Whether the lock was got; `wait` until it is."""
        if not self._ranges:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
            except OSError as error:
                if error.errno in _TAKEN:
                    return False
                if error.errno not in _UNKNOWN:
                    raise self._broken(str(error)) from error
                self._ranges = True
            else:
                return True
        try:
            _lock_range(descriptor, _FIRST_BYTE, wait=wait)
        except OSError as error:
            if error.errno in _TAKEN:
                return False
            raise self._broken(str(error)) from error
        return True

    def _release(self, descriptor: int) -> None:
        # unlocked by hand, since a child may have inherited the descriptor
        with suppress(OSError):
            if self._ranges:
                _lock_range(descriptor, _FIRST_BYTE, wait=False, kind=fcntl.F_UNLCK)
            else:
                fcntl.flock(descriptor, fcntl.LOCK_UN)
        self._open.discard(descriptor)
        os.close(descriptor)

    # -- trying ------------------------------------------------------------------------

    def _works(self, descriptor: int) -> bool:
        """Whether the lock that was taken excludes others; False where another kind may.

        Raises:
            CatalogUnavailable: No kind does.
        """
        try:
            other = self._opened()
            try:
                if self._lock(other, wait=False):
                    if self._ranges:
                        raise self._broken("the lock was given to two at once")
                    self._ranges = True
                    return False
                # a thread that closes the file in between frees all such locks of its process
                if not any(_ranges_exclude(descriptor, other, self._path) for _ in _paced(_TRIES)):
                    raise self._broken("the lock that SQLite uses was given to two at once")
            finally:
                os.close(other)
            self._tried = True
            found = os.fstat(descriptor)
            if found.st_uid == os.geteuid() and found.st_mode & 0o777 != self._mode():
                with suppress(OSError):  # some mounts give all files one mode
                    os.fchmod(descriptor, self._mode())
        except OSError as error:
            self._release(descriptor)
            raise self._broken(str(error)) from error
        except BaseException:
            self._release(descriptor)
            raise
        return True

    def _broken(self, found: str) -> CatalogUnavailable:
        folder = os.path.dirname(self._path)
        kind = filesystem.network_kind(folder)
        return CatalogUnavailable(
            f"The catalog in {folder!r} can't be used: file locks don't work there, so writers"
            " would undo each other's commits; nothing was committed.",
            found=f"{found} (on a {kind} mount)" if kind else found,
            expected="a folder whose locks exclude other processes",
            hint="keep the catalog in Postgres: db='postgresql://user@host/name'; or on a disk of"
            " the one machine that writes: db='sqlite:////var/lib/lake/catalog.db'",
        )


class _Turn:
    """A place in a lock's queue: a thread waits in it, so that whoever waits for that can leave.

    Args:
        take: Waits for the lock.
        give: Gives it back.
    """

    def __init__(self, take: Callable[[], object], give: Callable[[], None]) -> None:
        self._take = take
        self._give = give
        self._guard = threading.Lock()
        self._came = threading.Event()
        self._left = False
        self._error: Exception | None = None
        # nothing ends a wait in the kernel, so it mustn't keep the process from ending
        threading.Thread(target=self._run, name="lakehouse-lock", daemon=True).start()

    def _run(self) -> None:
        try:
            self._take()
        except (OSError, CatalogUnavailable) as error:
            self._error = error
        # coming and leaving exclude each other, or a lock would be held by nobody who knows
        with self._guard:
            if not self._left:
                self._came.set()
                return
        self._give()

    def comes_within(self, seconds: float) -> bool:
        """Wait for the turn; whether it came."""
        # more is an OverflowError
        if not self._came.wait(min(seconds, threading.TIMEOUT_MAX)):
            return False
        if self._error is not None:
            raise self._error
        return True

    def leave(self) -> None:
        """Leave the queue; a turn that comes nevertheless is passed on at once."""
        with self._guard:
            self._left = True
            if not self._came.is_set():
                return
        self._give()


def _lock_range(descriptor: int, byte: int, *, wait: bool, kind: int = fcntl.F_WRLCK) -> None:
    """Lock one byte for this opening of the file, which must be one for writing.

    Raises:
        OSError: It is taken, or there are no such locks here.
    """
    # of the opening, not of the process: threads exclude each other, too, and closing
    # another descriptor of the file doesn't free it
    command = getattr(fcntl, "F_OFD_SETLKW" if wait else "F_OFD_SETLK", None)
    if command is None:  # macOS
        raise OSError(errno.ENOTSUP, os.strerror(errno.ENOTSUP))
    # `struct flock` of 64-bit Linux; for these locks its pid has to be 0
    fcntl.fcntl(descriptor, command, struct.pack("hhqqi4x", kind, os.SEEK_SET, byte, 1, 0))


def _paced(times: int) -> Iterator[int]:
    """Count, with a pause that grows between each two."""
    for n in range(times):
        time.sleep(n / 1000)
        yield n


def _ranges_exclude(descriptor: int, other: int, path: str) -> bool:
    """Whether the locks that SQLite takes exclude other processes.

    A process never excludes itself by these, but it does so by those of an opening of the file.
    """
    fcntl.lockf(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB, 1, _TRIED_BYTE)
    try:
        _lock_range(other, _TRIED_BYTE, wait=False)
    except OSError as error:
        return error.errno in _TAKEN or _excluded_elsewhere(path)
    else:
        _lock_range(other, _TRIED_BYTE, wait=False, kind=fcntl.F_UNLCK)
        return False
    finally:
        fcntl.lockf(descriptor, fcntl.LOCK_UN, 1, _TRIED_BYTE)


def _excluded_elsewhere(path: str) -> bool:
    """Whether another process doesn't get a lock that this one has."""
    # isolated: no environment decides what it loads, and it starts faster
    command = [sys.executable, "-I", "-S", "-c", _TRY_ELSEWHERE, path, str(_TRIED_BYTE)]
    try:
        done = subprocess.run(command, check=False, stdin=subprocess.DEVNULL)
    except OSError as error:
        raise _untried(path, str(error)) from error
    if done.returncode not in (0, _DENIED):
        raise _untried(path, f"exit code {done.returncode} of {sys.executable!r}")
    return done.returncode == _DENIED


def _untried(path: str, found: str) -> CatalogUnavailable:
    """The error where it can't be told whether locks work: that doesn't say that they don't."""
    return CatalogUnavailable(
        f"Whether the lock file {path!r} excludes others can't be tried; nothing was committed.",
        found=found,
        expected="another process, which asks for the lock",
    )


# -- who holds it --------------------------------------------------------------------------


@functools.lru_cache(maxsize=2)
def _whoami(pid: int) -> dict[str, object]:
    return {"pid": pid, "host": socket.gethostname(), "user": login_name()}


def _note() -> bytes:
    """What a holder leaves in the file for those who wait."""
    note = {**_whoami(os.getpid()), "since": datetime.now(UTC).isoformat(timespec="seconds")}
    return orjson.dumps(note)[: _NOTE_SIZE - 1].ljust(_NOTE_SIZE - 1) + b"\n"


def holder_of(path: str, *more: str) -> str:
    """Who holds a file's lock, in words.

    Args:
        path: A lock file, in which its holder has left a note.
        *more: Further files whose locks count.
    """
    try:
        with open(path, "rb") as file:
            note = orjson.loads(file.read(_NOTE_SIZE))
        noted = printable_line(
            f"process {note['pid']} of {note['user']} on {note['host']} (since {note['since']})"
        )
        same = (note["host"], note["pid"])
    except (OSError, orjson.JSONDecodeError, KeyError, TypeError):
        noted, same = "another process", ("", 0)
    pids = _pids_with_locks((path, *more))
    # the kernel knows better than a note, which a former holder may have left
    if not pids or same == (socket.gethostname(), pids[0]):
        return noted
    return " and ".join(f"process {pid}{_whose(pid)}" for pid in pids)


def _pids_with_locks(paths: tuple[str, ...]) -> list[int]:
    """The processes of this machine that hold locks of files, as far as Linux tells."""
    inodes = set()
    for path in paths:
        with suppress(OSError):
            inodes.add(str(os.stat(path).st_ino))
    try:
        with open("/proc/locks", encoding="ascii") as file:
            # with an arrow: those that only wait
            fields = [line.split() for line in file if "->" not in line]
    except OSError:
        return []
    found = (int(f[4]) for f in fields if len(f) > 5 and f[5].rpartition(":")[2] in inodes)
    # locks of an opening belong to no process, and have -1
    return [pid for pid in dict.fromkeys(found) if pid > 0 and pid != os.getpid()]


def _whose(pid: int) -> str:
    """The program and user of a process, as far as they may be known."""
    import pwd

    try:
        uid = os.stat(f"/proc/{pid}").st_uid
        with open(f"/proc/{pid}/comm", encoding="utf-8", errors="replace") as file:
            program = printable_line(file.read().strip())
    except OSError:
        return ""
    try:
        user = pwd.getpwuid(uid).pw_name
    except KeyError:
        user = f"uid-{uid}"
    return f" ({program}) of {user}"


def tell_waiting(holder: str) -> None:
    """Say that a lock is waited for."""
    notify(f"waiting for the lake's lock, which {holder} holds", "warning")


def waited_too_long(catalog: str, seconds: float, holder: str) -> CatalogUnavailable:
    """The error of one who has waited for a lock as long as they may."""
    return CatalogUnavailable(
        f"The catalog {catalog!r} is locked by another process; nothing was committed.",
        found=f"the lock was held for {seconds:g} s by {holder}",
        hint="retry when it has finished, or end it; LAKEHOUSE_LOCK_TIMEOUT is how many seconds"
        " are waited",
    )
