"""The figures as a table on the terminal and as a section of RESULTS.md."""

from __future__ import annotations

import importlib.metadata
import math
import os
import platform
import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path

from rich.console import Console
from rich.table import Table

from benchmarks.harness import Line

RESULTS = Path(__file__).with_name("RESULTS.md")
PACKAGES = ("duckdb", "polars", "pronto", "pyarrow", "pydantic", "pyiceberg")
HEAD = ("measure", "ours", "peer", "times better", "reach", "kept")


def figure(value: float | None, unit: str) -> str:
    """A figure with three significant digits and its unit."""
    if value is None or math.isnan(value):
        return "–"
    digits = max(0, 2 - len(str(int(abs(value)))) + (1 if abs(value) >= 1 else 0))
    digits = 3 if 0 < abs(value) < 1 else digits
    return f"{value:,.{digits}f} {unit}".replace(" /s", "/s")


def cells(line: Line) -> tuple[str, ...]:
    """One line's cells."""
    peer = "–"
    if line.peer is not None:
        peer = f"{figure(line.peer, line.unit)} ({line.peer_name})"
    ratio = "–" if line.ratio is None else f"{line.ratio:,.1f}x"
    kept = {True: "yes", False: "NO", None: "–"}[line.ok]
    return line.name, figure(line.ours, line.unit), peer, ratio, line.reach, kept


def sentence(line: Line) -> str:
    """One line as running text."""
    name, ours, peer, ratio, reach, kept = cells(line)
    note = f" [{line.note}]" if line.note else ""
    return f"{name.strip()}: {ours}; peer {peer}, {ratio}; {reach}: {kept}{note}"


def show(lines: Sequence[Line]) -> None:
    """Print the figures."""
    table = Table(*HEAD, title="lakehouse beside its peers")
    for line in lines:
        style = {True: "green", False: "bold red", None: None}[line.ok]
        table.add_row(*cells(line), style=style)
    Console().print(table)


def machine(peer: Mapping[str, str]) -> dict[str, str]:
    """What the figures depend on."""
    found = {
        "date": datetime.now(UTC).strftime("%Y-%m-%d"),
        "machine": f"{_processor()}, {os.cpu_count()} cores, {_memory()} memory, {platform.system()}",
        "load at the end": f"{os.getloadavg()[0]:.1f}",
        "python": platform.python_version(),
    }
    found.update({p: importlib.metadata.version(p) for p in PACKAGES})
    return {**found, **peer}


def _processor() -> str:
    info = Path("/proc/cpuinfo")
    names = re.findall(r"model name\s*: (.*)", info.read_text()) if info.exists() else []
    return names[0].strip() if names else platform.machine()


def _memory() -> str:
    size = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return f"{size / 2**30:.0f} GiB"


def record(
    lines: Sequence[Line], machine: Mapping[str, str], *, only: Sequence[str], quick: bool
) -> None:
    """Put a section into RESULTS.md; an earlier one with the same title is replaced."""
    title = f"## {'Quick run' if quick else 'Full run'}{': ' + ', '.join(only) if only else ''}"
    facts = "; ".join(f"{k} {v}" for k, v in machine.items())
    rows = [" | ".join(("| " + HEAD[0], *HEAD[1:])) + " |", "|---" * len(HEAD) + "|"]
    rows += ["| " + " | ".join(c.strip() for c in cells(line)) + " |" for line in lines]
    notes = [f"- {x.name.strip()}: {x.note}." for x in lines if x.note]
    section = "\n".join([title, "", f"{facts}.", "", *rows, "", *notes]).rstrip() + "\n"
    text = RESULTS.read_text()
    parts = re.split(r"(?m)^(?=## )", text)
    kept = [p.rstrip() + "\n" for p in parts if not p.startswith(title + "\n")]
    RESULTS.write_text("\n".join([*kept, section]))
