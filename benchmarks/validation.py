"""The lines of `validate.py`: frames of eight columns in several forms, beside the peers."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from typing import Any

from benchmarks.harness import Bench, Line, environment
from benchmarks.validate import FORMS, FRAMES, PANDERA, in_process

MEMORY = 1.3
# of the mixed frames lamindb checks less, for it has no ranges and patterns
FASTER = {"plain": 8, "plain, 1% bad": 5, "mixed": 1, "mixed, 1% bad": 1}
LAMINDB_S = 8.1  # for ten million rows of the plain frame, where lamindb isn't there


def _peers(bench: Bench, rows: int, kind: str) -> dict[str, dict[str, Any]]:
    """What the peers take, by side, as far as their interpreters were given."""
    found = {}
    if bench.peer is not None:
        found["lamindb"] = in_process(bench.peer.python, rows, kind, "lamindb", bench.peer.env())
    if bench.pandera is not None:
        for side in PANDERA:
            found[side] = in_process(bench.pandera, rows, kind, side)
            bench.versions["pandera"] = found[side]["pandera"]
    return found


def _note(found: dict[str, Any], peers: dict[str, dict[str, Any]]) -> str:
    said = f"CPU {found['cpu']:.2f} s, the first run {found['first']:.2f} s"
    if found["wrong"]:
        said += f"; {found['wrong']:,} values wrong"
    if "lamindb" in peers:
        said += f"; lamindb CPU {peers['lamindb']['cpu']:.2f} s"
        if found["wrong"]:
            said += " to its error, which lacks what ranges and patterns would say"
    return said


def validate(bench: Bench, kind: str) -> Iterator[Line]:
    """Time and peak memory; of three runs the best counts on all sides."""
    rows = bench.size(10_000_000, 200_000)
    peers = _peers(bench, rows, kind)
    faster = FASTER[kind]
    rival = peers["lamindb"]["best"] if "lamindb" in peers else None
    known = LAMINDB_S * rows / 1e7 if rival is None and kind == "plain" else rival
    for form in FORMS:
        found = in_process(sys.executable, rows, kind, form, environment())
        name = f"validate {rows:,} rows x 8, {kind}, {form}"
        # lamindb's frame is in memory; a file must be read first
        times = 1 if form == "parquet" else faster
        limit = None if known is None else known / times
        reach = f"≥ {times}x lamindb" if times > 1 else "faster than lamindb"
        note = _note(found, peers)
        yield Line(name, found["best"], "s", reach, limit, rival, "lamindb, pandas", note=note)
        beside = peers.get(f"pandera, {form}")
        if beside is not None:
            took, side = beside["best"], f"pandera, {form}"
            yield Line("  beside pandera", found["best"], "s", "nothing promised", None, took, side)
        # a Parquet file's data isn't in memory before, so that all of it is growth
        held = 0 if form == "parquet" else found["size"]
        yield Line(
            f"  its peak memory, {kind}, {form}",
            (held + found["grown"]) / found["size"],
            "x the data",
            f"≤ {MEMORY}x the data",
            MEMORY,
        )


def _of(kind: str) -> Callable[[Bench], Iterator[Line]]:
    def measure(bench: Bench) -> Iterator[Line]:
        yield from validate(bench, kind)

    return measure


MEASURES = {kind.replace(", 1% ", "_"): _of(kind) for kind in FRAMES}
