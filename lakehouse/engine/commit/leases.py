"""Leases: writers announce the files that no commit names yet, so that no sweep removes them.

Bytes lie at their place before the commit that names them. Until then they look like what a
killed writer left, so a writer first adds them to a small file of its own in `.lakehouse/writing`,
which says which process it is, and takes them out after the commit. A sweep lists what lies in the
folders, then reads the leases, then the newest state: whatever it found was either announced,
or its writer had finished and its state says whether the files are needed. No age is needed for
that, and no clock.

A lease doesn't outlive its process: of one of the same machine the sweep looks whether the
process is there; one of another machine is believed for a week.
"""

from __future__ import annotations

import contextlib
import functools
import os
import socket
import time
import weakref
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

import orjson

from lakehouse.engine import forks
from lakehouse.engine.files import Files, Pad
from lakehouse.errors import LakehouseError
from lakehouse.identity import new_uid

FOLDER = "writing"
_BELIEVED_SECONDS = 7 * 24 * 3600.0
_KEPT_SECONDS = 3600.0  # long before another machine takes its writer to be gone


class Lease:
    """The announcement of one writer; `add` what is about to be written, `end` it afterwards.

    Args:
        leases: Where it belongs.
    """

    def __init__(self, leases: Leases) -> None:
        self._leases = leases
        self._pad: Pad | None = None
        self._pid = 0

    def add(self, paths: Iterable[str]) -> None:
        """Announce paths before anything is written there.

        Raises:
            NoWriteAccess, StorageError: The lake can't be written.
        """
        # a forked child must not write into its parent's file, whose lines end with the parent
        if self._pad is None or self._pid != os.getpid():
            self._pad, self._pid = self._leases.take(), os.getpid()
        self._pad.add(orjson.dumps(list(paths)) + b"\n")

    def end(self) -> None:
        """Nothing is announced any more; a lease that can't be removed ends with its process."""
        pad, self._pad = self._pad, None
        if pad is not None and self._pid == os.getpid():
            self._leases.give_back(pad)

    def __del__(self) -> None:
        with suppress(Exception):  # the interpreter may be shutting down
            self.end()


class Leases:
    """All leases of one lake.

    A writer's file is used again for its next lease: making and removing one takes longer than
    all else that an announcement needs. At rest it holds its head only.

    Args:
        files: The lake's files.
        folder: The folder of the lake's own files.
    """

    def __init__(self, files: Files, folder: str) -> None:
        self._files = files
        self.folder = f"{folder}/{FOLDER}"
        self._free: list[tuple[Pad, float]] = []
        self._inherited: list[tuple[Pad, float]] = []
        forks.watch(self)
        # at exit, too; it is given the list, since with `self` it would keep that alive
        weakref.finalize(self, _remove, os.getpid(), self._free)

    def before_fork(self) -> None:
        """Nothing to prepare."""

    def after_fork(self, *, child: bool) -> None:
        """Leave to the parent what is its."""
        if child:
            self._inherited, self._free = self._free, []
            weakref.finalize(self, _remove, os.getpid(), self._free)

    def new(self) -> Lease:
        """A lease that announces nothing yet."""
        return Lease(self)

    def take(self) -> Pad:
        """A file for one lease."""
        while self._free:
            try:
                pad, since = self._free.pop()  # one step, whatever other threads do
            except IndexError:
                break
            with suppress(OSError, LakehouseError):
                # in a file that was removed, e.g. by a sweep elsewhere, lines would protect nothing
                if time.monotonic() - since < _KEPT_SECONDS and pad.is_there():
                    return pad
                pad.remove()
        pid = os.getpid()
        head = {"host": _host(), "pid": pid, "start": _own_start(pid), "paths": []}
        return self._files.pad(f"{self.folder}/{new_uid()}.json", orjson.dumps(head) + b"\n")

    def give_back(self, pad: Pad) -> None:
        """Let a file be used by the next lease."""
        with suppress(OSError, LakehouseError):
            # where that fails it isn't used again: its lines hold until the process ends
            pad.clear()
            self._free.append((pad, time.monotonic()))

    def close(self) -> None:
        """Remove the files that no lease uses."""
        _remove(os.getpid(), self._free)

    @contextmanager
    def held(self, paths: Iterable[str]) -> Iterator[None]:
        """Announce paths for the duration of the block."""
        lease = self.new()
        lease.add(paths)
        try:
            yield
        finally:
            lease.end()

    def announced(self, *, tidy: bool = True) -> set[str]:
        """The paths that running writers have announced.

        Args:
            tidy: Whether to remove the leases of processes that are gone.
        """
        paths: set[str] = set()
        gone: list[str] = []
        for found in self._files.list(self.folder):
            try:
                data = self._files.read(found.path)
            except (OSError, LakehouseError):
                continue  # its writer has just ended it
            lease = _parse(data)
            if lease is None or _is_gone(lease, found.age):
                # one that is being written has no content yet, and protects nothing yet
                if lease is not None or found.age > _BELIEVED_SECONDS:
                    gone.append(found.path)
                continue
            paths.update(lease["paths"])
        if tidy and gone:
            with contextlib.suppress(OSError, LakehouseError):
                self._files.remove(gone)
        return paths


def _parse(data: bytes) -> dict[str, Any] | None:
    head, *lines = data.split(b"\n")
    try:
        lease = orjson.loads(head)
    except orjson.JSONDecodeError:
        return None
    if not isinstance(lease, dict) or not isinstance(lease.get("paths"), list):
        return None
    named = list(lease["paths"])
    for line in lines:
        # one that is being written has no end yet, and nothing was written after it
        with suppress(orjson.JSONDecodeError):
            more = orjson.loads(line)
            named += more if isinstance(more, list) else []
    return {**lease, "paths": [p for p in named if isinstance(p, str)]}


def _remove(pid: int, pads: list[tuple[Pad, float]]) -> None:
    """Remove what this process has made; a child leaves it to its parent."""
    while pads and pid == os.getpid():
        with suppress(OSError, LakehouseError, IndexError):
            pads.pop()[0].remove()


def _is_gone(lease: dict[str, Any], age: float) -> bool:
    """Whether the process that wrote a lease is no more."""
    if lease.get("host") != _host():
        return age > _BELIEVED_SECONDS
    pid = lease.get("pid")
    # to `kill` such numbers mean groups of processes, which are always there
    if not isinstance(pid, int) or pid <= 0:
        return True
    try:
        os.kill(pid, 0)  # signal 0 only asks whether it is there
    except ProcessLookupError:
        return True
    except (PermissionError, OverflowError):
        pass  # another user's, and there
    # without /proc (macOS) a process of that number is believed to be the writer
    started = _start_of(pid)
    return started is not None and started != lease.get("start")  # it has another's number


@functools.cache
def _host() -> str:
    """What tells machines apart, and the containers of one machine, which number processes anew."""
    parts = [socket.gethostname()]
    with suppress(OSError), open("/proc/sys/kernel/random/boot_id") as handle:
        parts.append(handle.read().strip())
    with suppress(OSError):
        parts.append(os.readlink("/proc/self/ns/pid"))
    return " ".join(parts)


@functools.lru_cache(maxsize=4)
def _own_start(pid: int) -> str | None:
    return _start_of(pid)


def _start_of(pid: int) -> str | None:
    """When a process was started, in the kernel's ticks: numbers of processes come again.

    One that has ended and only waits for its parent to look counts as never started.
    """
    try:
        with open(f"/proc/{pid}/stat", "rb") as handle:
            # after the last bracket: the program's name before it may hold blanks and brackets
            fields = handle.read().rpartition(b")")[2].split()
        # the state (field 3 of proc(5)) comes first here, so the start (field 22) is at 19
        return "ended" if fields[0] in (b"Z", b"X") else fields[19].decode()
    except (OSError, IndexError):
        return None
