"""This version beside an earlier one: the same actions, in turn, in two processes.

python -m benchmarks.run --only before --before PATH_OF_AN_EARLIER_CHECKOUT
"""

from __future__ import annotations

import statistics
import subprocess
import sys
from collections.abc import Iterator

from benchmarks.harness import ROOT, Bench, Line, environment

# action → what a reader calls it, repetitions, the promise as a factor and as added milliseconds
ACTIONS: dict[str, tuple[str, int, float, float]] = {
    "label": ("save one label", 200, 1.05, 0.0),
    "artifact": ("save one small artifact", 200, 1.05, 0.0),
    "bulk save": ("save 2,000 labels", 15, 1.05, 0.0),
    "sql": ("SQL over 100,000 labels", 60, 1.0, 1.0),
    "sql small": ("SQL over one artifact", 100, 1.0, 1.0),
    "dataset": ("SQL over a stored dataset", 60, 1.0, 1.0),
    "get": ("get by name", 200, 1.0, 1.0),
    "filter": ("filter and count", 200, 1.0, 1.0),
    "load": ("load a small Parquet artifact", 100, 1.0, 1.0),
    "open lake": ("open a lake", 30, 1.0, 1.0),
    "create lake": ("create a lake", 40, 1.0, 1.0),
    "first label": ("save the first label of a lake", 40, 1.05, 0.0),
    "bulk read": ("read 100,000 labels from files", 30, 1.10, 0.0),
}


class Worker:
    """One version in a process of its own."""

    def __init__(self, checkout: str) -> None:
        self._process = subprocess.Popen(
            [sys.executable, str(ROOT / "benchmarks" / "before_worker.py")],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={**environment(), "PYTHONPATH": checkout},
        )
        self._answer()

    def _answer(self) -> str:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise RuntimeError("the measuring process has ended")
        return line.strip()

    def ask(self, action: str) -> float:
        """Seconds that an action takes there."""
        assert self._process.stdin is not None
        self._process.stdin.write(action + "\n")
        self._process.stdin.flush()
        return float(self._answer())

    def end(self) -> None:
        """End the process."""
        self._process.communicate()


def before(bench: Bench) -> Iterator[Line]:
    """Every action in turn in both versions, so that a drift of the machine hits both.

    Of two processes of one version the one that was started first is up to 8 % slower at saves;
    so each half of the repetitions has another one started first.
    """
    if bench.before is None:
        return
    pairs: dict[str, list[tuple[float, float]]] = {action: [] for action in ACTIONS}
    for earlier_first in (False, True):
        for action, took in _in_turn(bench, bench.before, earlier_first):
            pairs[action].append(took)
    for action, (name, _, factor, added) in ACTIONS.items():
        mine, other = (
            statistics.median(column) * 1e3 for column in zip(*pairs[action], strict=True)
        )
        promise = f"≤ {factor:g}x before" if factor > 1 else f"≤ {added:g} ms more than before"
        yield Line(name, mine, "ms", promise, factor * other + added, other, "before")


def _in_turn(
    bench: Bench, before: str, earlier_first: bool
) -> Iterator[tuple[str, tuple[float, float]]]:
    """Per action and repetition the seconds of this version and of the earlier one."""
    roots = (before, str(ROOT)) if earlier_first else (str(ROOT), before)
    started = [Worker(root) for root in roots]
    theirs, ours = started if earlier_first else started[::-1]
    for action, (_, times, _, _) in ACTIONS.items():
        for i in range(bench.size(times, 6) // 2 + 3):
            first, second = (ours, theirs) if i % 2 else (theirs, ours)
            took = {first: first.ask(action)}
            took[second] = second.ask(action)
            if i >= 3:  # the first ones load modules and fill caches
                yield action, (took[ours], took[theirs])
    for worker in started:
        worker.end()


MEASURES = {"before": before}
