"""Victims: processes that are ended at random moments."""

from __future__ import annotations

import os
import random
import signal
import time
from pathlib import Path
from typing import Any

from lakehouse.identity import new_uid
from tests.faults.jobs import Acks
from tests.faults.server import RUNS_ON, ForkServer

SEED = int(os.environ.get("LAKEHOUSE_SEED", "0")) or time.time_ns() % 1_000_000


class Victims:
    """Starts processes, kills them at random moments, and keeps what they acknowledged."""

    def __init__(self, server: ForkServer, folder: Path) -> None:
        self._server = server
        self._folder = folder
        self._random = random.Random(SEED)
        self.killed = 0
        self.acks: list[dict[str, Any]] = []

    def round(
        self,
        root: Path,
        jobs: dict[str, dict[str, Any]],
        lives: float,
        signal_: int = signal.SIGKILL,
    ) -> None:
        """Run jobs at once, and kill each after a random part of `lives` seconds."""
        running = {}
        for job, args in jobs.items():
            path = self._folder / f"acks-{new_uid()}"
            running[self._server.start(job, root=str(root), acks=str(path), **args)] = path
        deadline = time.monotonic() + 30
        while not all(path.exists() and path.stat().st_size for path in running.values()):
            assert time.monotonic() < deadline, "a victim did not come up"
            time.sleep(0.001)
        moments = sorted((self._random.uniform(0, lives), pid) for pid in running)
        start = time.monotonic()
        for moment, pid in moments:
            time.sleep(max(0.0, start + moment - time.monotonic()))
            os.kill(pid, signal_)
        for pid, path in running.items():
            code = self._end(pid, signal_)
            lines = Acks.read(path)
            ended = (0, 130 if signal_ == signal.SIGINT else -signal_)
            assert code in ended, f"a victim failed by itself: {jobs}"
            self.killed += code != 0
            self.acks += lines

    def _end(self, pid: int, signal_: int) -> int:
        """How a victim ended; one that lost the interrupt in a callback gets another."""
        for _ in range(5):
            code = self._server.wait(pid, 2)
            if code != RUNS_ON:
                return code
            os.kill(pid, signal_)
        # shows where it is; only now, since that may end a process whose stack changes meanwhile
        os.kill(pid, signal.SIGUSR1)
        time.sleep(0.2)
        os.kill(pid, signal.SIGKILL)
        self._server.wait(pid)
        return RUNS_ON
