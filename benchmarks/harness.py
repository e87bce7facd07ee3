"""What the measuring modules share: medians, fresh folders, peers, and one line per figure."""

from __future__ import annotations

import atexit
import contextlib
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
PEER_TIMEOUT = 3600.0
# every process finds its modules compiled, as an installed package's are, whatever the caller's
# environment says; the compiled files of one run are shared by its processes
COMPILED = {"PYTHONPYCACHEPREFIX": tempfile.mkdtemp(prefix="lakehouse-bench-pyc-")}
atexit.register(shutil.rmtree, COMPILED["PYTHONPYCACHEPREFIX"], ignore_errors=True)


@dataclass(frozen=True)
class Line:
    """One figure beside its peer's.

    Attributes:
        name: What was measured.
        ours: Our figure, in `unit`.
        unit: "ms", "s", "/s", "MB" or "x".
        reach: The promise in words.
        limit: The promise as a figure in `unit`; None where there is nothing to compare with.
        peer: The peer's figure in `unit`.
        peer_name: Who the peer is.
        more: More is better, as with commits per second.
        note: What a reader should know, such as how the peer's figure was scaled.
    """

    name: str
    ours: float
    unit: str
    reach: str
    limit: float | None
    peer: float | None = None
    peer_name: str = ""
    more: bool = False
    note: str = ""

    @property
    def ratio(self) -> float | None:
        """How many times better than the peer."""
        if not self.peer or not self.ours:
            return None
        return self.ours / self.peer if self.more else self.peer / self.ours

    @property
    def ok(self) -> bool | None:
        """Whether the promise is kept; None where it can't be judged."""
        if self.limit is None:
            return None
        return self.ours >= self.limit if self.more else self.ours <= self.limit


class PeerFailed(RuntimeError):
    """A peer's script ended with an error; its last words are the message."""


@dataclass
class Peer:
    """lamindb in its own interpreter, offline, with a home folder of its own."""

    python: str
    folder: Path
    versions: dict[str, str] = field(default_factory=dict)

    def env(self) -> dict[str, str]:
        """An environment without our packages and without the user's own settings."""
        keep = ("PATH", "LANG", "TMPDIR", "LD_LIBRARY_PATH")
        env = {k: os.environ[k] for k in keep if k in os.environ}
        home = self.folder / "home"
        home.mkdir(exist_ok=True, parents=True)
        return {**env, "HOME": str(home), "PYTHONWARNINGS": "ignore", **COMPILED}

    def run(self, measure: str, **options: Any) -> dict[str, Any]:
        """Run one measure of `peer_lamindb.py` in a fresh instance; its figures in seconds."""
        env = self.env()
        work = Path(tempfile.mkdtemp(prefix=f"{measure}-", dir=self.folder))
        script = str(ROOT / "benchmarks" / "peer_lamindb.py")
        done = subprocess.run(
            [self.python, script, measure, json.dumps(options)],
            cwd=work,
            env=env,
            capture_output=True,
            text=True,
            timeout=PEER_TIMEOUT,
            check=False,
        )
        shutil.rmtree(work, ignore_errors=True)
        if done.returncode:
            raise PeerFailed(f"{measure}: {done.stderr.strip()[-2000:]}")
        found: dict[str, Any] = json.loads(done.stdout.strip().splitlines()[-1])
        self.versions.update(found.pop("versions", {}))
        return found


@dataclass
class Bench:
    """One run: how thorough, against which peer, and where its files lie."""

    folder: Path
    peer: Peer | None = None
    quick: bool = False
    pandera: str | None = None  # an interpreter that has pandera
    before: str | None = None  # an earlier checkout of the package
    versions: dict[str, str] = field(default_factory=dict)

    def fresh(self, name: str) -> Path:
        """A new empty folder of this run."""
        return Path(tempfile.mkdtemp(prefix=f"{name}-", dir=self.folder))

    def size(self, full: int, quick: int) -> int:
        """A size that depends on how thorough the run is."""
        return quick if self.quick else full

    def ask(self, measure: str, **options: Any) -> dict[str, Any]:
        """The peer's figures in seconds; nothing where there is no peer."""
        if self.peer is None:
            return {}
        try:
            return self.peer.run(measure, **options)
        except PeerFailed as error:
            print(f"  the peer failed: {error}", file=sys.stderr)
            return {}


def timed(action: Callable[[], Any]) -> float:
    """Seconds that one call takes."""
    start = time.perf_counter()
    action()
    return time.perf_counter() - start


def median(action: Callable[[], Any], times: int, *, warm: int = 1) -> float:
    """The median of several calls in seconds."""
    for _ in range(warm):
        action()
    return statistics.median(timed(action) for _ in range(times))


def each(action: Callable[[Any], Any], values: Iterable[Any]) -> list[float]:
    """Seconds of one call per value."""
    return [timed(lambda v=value: action(v)) for value in values]  # type: ignore[misc]


def ms(seconds: float | None) -> float | None:
    """Seconds as milliseconds."""
    return None if seconds is None else seconds * 1e3


def environment() -> dict[str, str]:
    """The environment of our own processes: they find this checkout, and compiled modules."""
    env = {**os.environ, "PYTHONPATH": str(ROOT), **COMPILED}
    env.pop("PYTHONDONTWRITEBYTECODE", None)
    return env


@contextmanager
def public_lake(bench: Bench) -> Iterator[Any]:
    """A new lake through the public face, connected to, in a folder of its own."""
    import lakehouse as ln

    folder = bench.fresh("public")
    with contextlib.chdir(folder), contextlib.redirect_stdout(sys.stderr):
        yield ln.setup.init(storage=str(folder / "lake"), modules="bionty")


def child(module: str, *arguments: str, **kwargs: Any) -> subprocess.Popen[str]:
    """A process that runs a module of ours with pipes for its input and output."""
    command = [sys.executable, "-m", module, *arguments]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    return subprocess.Popen(command, cwd=ROOT, env=environment(), **{**pipes, **kwargs})
