"""What a check of a lake finds: damages by name, and the report that lists them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from lakehouse.text.printable import printable, printable_line

MISSING = "missing"
TRUNCATED = "truncated"
CHANGED = "changed"
CONTRADICTORY = "contradictory"
DANGLING = "dangling"
DOUBLED = "doubled"
UNCLAIMED = "unclaimed"
CATALOG = "catalog"

EXPLAINED = {
    MISSING: "a file or row isn't there",
    TRUNCATED: "a file was cut off",
    CHANGED: "a file has other bytes than were written",
    CONTRADICTORY: "a file says something else than what names it",
    DANGLING: "a row names a row that isn't there",
    DOUBLED: "a uid or unique value is there twice",
    UNCLAIMED: "a unique value isn't kept as its row's, or is kept for a row that isn't there",
    CATALOG: "the catalog is damaged, or contradicts itself",
}

Progress = Callable[[str, int], None]
"""Told what is being checked, and how many of its parts are done."""


@dataclass(frozen=True)
class Damage:
    """One damage.

    Attributes:
        kind: `missing`, `truncated`, `changed`, `contradictory`, `dangling`, `doubled`,
            `unclaimed` or `catalog`.
        what: The file, row or key.
        detail: What was found there, and what should be.
        table: The table that it belongs to, or empty text.
        version: The table version (its metadata file) that needs it, or empty text.
    """

    kind: str
    what: str
    detail: str = ""
    table: str = ""
    version: str = ""

    def __str__(self) -> str:
        of = f" ({self.table})" if self.table else ""
        return printable_line(
            f"{self.kind}: {self.what}{of}{': ' if self.detail else ''}{self.detail}"
        )


@dataclass
class CheckReport:
    """What a check found.

    Attributes:
        root: The lake.
        deep: Whether all kept states were checked, and every row and byte.
        seq: Number of the commit that was checked, -1 where the catalog couldn't be read.
        damages: What is damaged.
        orphans: Files that no kept state names: left by killed writers, or about to be named
            by one at work. `gc` removes them; they are no damage.
        notes: What else is worth knowing.
        checked: How many of each thing were checked.
    """

    root: str
    deep: bool = False
    seq: int = -1
    damages: list[Damage] = field(default_factory=list)
    orphans: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    checked: Counter[str] = field(default_factory=Counter)

    @property
    def ok(self) -> bool:
        """Whether nothing is damaged."""
        return not self.damages

    def to_dict(self) -> dict[str, Any]:
        """The report as plain values."""
        return {
            "root": self.root,
            "ok": self.ok,
            "deep": self.deep,
            "commit": self.seq,
            "checked": dict(self.checked),
            "damages": [vars(d) for d in self.damages],
            "orphans": self.orphans,
            "notes": self.notes,
        }

    def __str__(self) -> str:
        counts = ", ".join(f"{n:,} {what}" for what, n in self.checked.items())
        verdict = "is whole" if self.ok else f"has {len(self.damages)} damage(s)"
        lines = [f"The lake at {self.root!r} {verdict} (checked: {counts or 'nothing'})."]
        lines += [f"  {damage}" for damage in self.damages]
        lines += [f"  note: {note}" for note in self.notes]
        if self.orphans:
            lines.append(f"  {len(self.orphans)} file(s) that no kept state names; gc removes them")
        if not self.ok:
            lines.append("  → lakehouse repair shows what can be mended, and how")
        return printable("\n".join(lines))
