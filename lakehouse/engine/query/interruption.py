"""Ctrl-C while DuckDB works.

DuckDB looks for signals only in some of its calls; in the others Python learns of Ctrl-C when
the query is over. The C handler of a signal, however, writes to a socket at once. A thread that
waits there interrupts the query.

polars puts a handler of its own before Python's, which keeps every Ctrl-C to itself while it takes
a query of polars to be running; it may take that for the rest of the process, once one was cut
short. So Python's own is put back while DuckDB works.
"""

from __future__ import annotations

import os
import signal
import socket
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Protocol

_PERIOD = 0.02


class Interruptible(Protocol):
    """What can be told to stop, from another thread."""

    def interrupt(self) -> None:
        """Stop what runs at present."""
        ...


class _Watcher:
    """The thread that waits for signals while a query runs in the main thread."""

    def __init__(self) -> None:
        self.process = os.getpid()
        self._read, self._write = socket.socketpair()
        self._read.setblocking(True)  # whatever timeout somebody gives all new sockets
        self._write.setblocking(False)
        self._running: Interruptible | None = None
        self._before = -1
        self.seen = False
        self._thread = threading.Thread(target=self._watch, name="lakehouse-ctrl-c", daemon=True)
        self._thread.start()

    @property
    def works(self) -> bool:
        """Whether it watches this process: a forked child has none of its threads."""
        return self.process == os.getpid() and self._thread.is_alive()

    def _watch(self) -> None:
        with self._read:
            self._wait()

    def _wait(self) -> None:
        while signals := self._read.recv(64):
            if self._before >= 0:  # an event loop waits for them, too
                with suppress(OSError):
                    os.write(self._before, signals)
            if signal.SIGINT not in signals:
                continue
            self.seen = self._running is not None
            # a call that comes between two of its statements is missed
            while (running := self._running) is not None and self.seen:
                with suppress(Exception):  # closed meanwhile
                    running.interrupt()
                time.sleep(_PERIOD)

    @contextmanager
    def watching(self, running: Interruptible) -> Iterator[None]:
        outer = self._running, self._before
        self.seen = False
        self._running = running
        before = signal.set_wakeup_fd(self._write.fileno(), warn_on_full_buffer=False)
        if before != self._write.fileno():
            self._before = before
        try:
            yield
        finally:
            signal.set_wakeup_fd(before)
            self._running, self._before = outer


_watcher: _Watcher | None = None


@contextmanager
def _pythons_handler() -> Iterator[None]:
    """Let Python's C handler get Ctrl-C inside the block, where another library has taken it."""
    handler = signal.getsignal(signal.SIGINT)
    # where Ctrl-C is ignored, as in a job in the background, it stays so
    if "polars" not in sys.modules or sys.platform == "win32" or not callable(handler):
        yield
        return
    import ctypes  # 2 ms

    libc = ctypes.CDLL(None)
    found = ctypes.create_string_buffer(512)  # a `struct sigaction`, whatever is in it here
    if libc.sigaction(int(signal.SIGINT), None, found) != 0:
        yield
        return
    signal.signal(signal.SIGINT, handler)
    try:
        yield
    finally:
        libc.sigaction(int(signal.SIGINT), found, None)


@contextmanager
def stopped_by_ctrl_c(running: Interruptible) -> Iterator[None]:
    """Interrupt what runs inside the block when Ctrl-C is pressed, as KeyboardInterrupt.

    Only the main thread gets signals; in others nothing is watched.
    """
    global _watcher
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    if _watcher is None or not _watcher.works:
        _watcher = _Watcher()
    try:
        with _watcher.watching(running), _pythons_handler():
            yield
    except Exception as error:
        if _watcher.seen and signal.getsignal(signal.SIGINT) is signal.default_int_handler:
            # that it was interrupted says nothing more; any other failure stays the cause
            cause = None if "interrupt" in str(error).lower() else error
            raise KeyboardInterrupt from cause
        raise
