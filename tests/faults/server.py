"""A fork server for tests: imports the library once, then forks a process per job.

Run as `python -m tests.faults.server MODULE`. It reads one JSON request a line and answers one
line: `{"job": name, "args": {…}}` forks and answers the pid; `{"wait": pid, "seconds": n}` answers
how the process ended: its exit code, minus the signal that killed it, or 1000 if it runs on. Never opening a lake itself, it
hands nothing on to its children but imported modules.
"""

from __future__ import annotations

import faulthandler
import importlib
import json
import os
import signal
import subprocess
import sys
import time
import traceback
from pathlib import Path
from typing import Any

REPOSITORY = Path(__file__).parents[2]
RUNS_ON = 1_000


class ForkServer:
    """A running fork server, as a context manager.

    Args:
        module: Dotted name of the module whose functions are the jobs.
    """

    def __init__(self, module: str) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.faults.server", module],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            cwd=REPOSITORY,
            text=True,
        )

    def __enter__(self) -> ForkServer:
        return self

    def __exit__(self, *_: object) -> None:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.close()
        self._process.wait(timeout=30)
        self._process.stdout.close()

    def _ask(self, request: dict[str, Any]) -> int:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(request) + "\n")
        self._process.stdin.flush()
        return int(self._process.stdout.readline())

    def start(self, job: str, **args: Any) -> int:
        """Fork a process that runs a job; its pid."""
        return self._ask({"job": job, "args": args})

    def wait(self, pid: int, seconds: float = 300) -> int:
        """Wait for a process: its exit code, minus the signal that killed it, or `RUNS_ON`."""
        return self._ask({"wait": pid, "seconds": seconds})


def _fork(job: Any, args: dict[str, Any]) -> int:
    pid = os.fork()
    if pid:
        return pid
    code = 1
    faulthandler.register(signal.SIGUSR1)
    try:
        os.dup2(2, 1)
        job(**args)
        code = 0
    except KeyboardInterrupt:
        code = 130
    finally:
        if code == 1:
            traceback.print_exc()
        os._exit(code)  # without unwinding into the server's own loop


def _wait(pid: int, seconds: float) -> int:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        found, status = os.waitpid(pid, os.WNOHANG)
        if found:
            return os.waitstatus_to_exitcode(status)
        time.sleep(0.001)
    return RUNS_ON


def main(module: str) -> None:
    """Serve until the requests end."""
    jobs = importlib.import_module(module)
    for line in sys.stdin:
        request = json.loads(line)
        if "wait" in request:
            answer = _wait(request["wait"], request["seconds"])
        else:
            answer = _fork(getattr(jobs, request["job"]), request["args"])
        sys.stdout.write(f"{answer}\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main(sys.argv[1])
