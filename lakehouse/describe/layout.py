"""How descriptions look: a tree of headed sections, each a few aligned columns of text.

Nothing is cut off at the width of a terminal; long lines wrap there as any text does.
"""

from __future__ import annotations

import io
import sys
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any

from rich.console import Console
from rich.text import Text
from rich.tree import Tree

from lakehouse.orm.show.tables import Harmless, one_line, short, title

SHOWN = 10
_WIDE = 1_000_000
_GAP = "  "
_VERSION = 16  # where the version starts in a versioned uid


def heading(record: Any) -> Tree:
    """The root of a record's description: registry, title and version, and what it is."""
    meta = record.meta
    text = Text.assemble((f"{meta.cls.__name__}: ", "bold"), one_line(title_of(record)))
    if meta.versioned:
        text.append(f" ({record.uid[_VERSION:]})", style="dim")
    description = record._values.get("description")
    if description and description != title(record):
        text.append("\n│   description: ", style="dim").append(one_line(str(description)))
    return Tree(text, guide_style="dim")


def title_of(record: Any) -> str:
    """What people call a record; a run's title also names its transform."""
    if record.meta.name != "Run" or record._values.get("transform_uid") is None:
        return title(record)
    transform = record._get_related("transform")
    name = record._values.get("name")
    return f"{name} ({title(transform)})" if name else title(transform)


def section(tree: Tree, head: str, lines: Iterable[Text | str]) -> Tree | None:
    """Add a headed section to a tree, if it has lines.

    Returns:
        The section's branch, or None.
    """
    found = list(lines)
    if not found:
        return None
    branch = tree.add(Text(head, style="bold"))
    branch.add(Text("\n").join(Text(one_line(x)) if isinstance(x, str) else x for x in found))
    return branch


def pairs(items: Sequence[tuple[str, str]]) -> Text:
    """Named values in two columns, row by row."""
    cells = [Text.assemble((f"{name}: ", "dim"), one_line(value)) for name, value in items]
    width = max((c.cell_len for c in cells[::2]), default=0)
    rows = []
    for i in range(0, len(cells), 2):
        left = cells[i].copy()
        if i + 1 < len(cells):
            left.append(" " * (width - left.cell_len) + _GAP).append_text(cells[i + 1])
        rows.append(left)
    return Text("\n").join(rows)


def columns(rows: Sequence[Sequence[str]], styles: Sequence[str] = ()) -> list[Text]:
    """Rows of texts, aligned; the last column isn't padded."""
    if not rows:
        return []
    rows = [[one_line(cell) for cell in row] for row in rows]
    widths = [max(Text(row[i]).cell_len for row in rows) for i in range(len(rows[0]))]
    lines = []
    for row in rows:
        line = Text()
        for i, (cell, width) in enumerate(zip(row, widths, strict=True)):
            line.append(cell, style=styles[i] if i < len(styles) else None)
            if i < len(row) - 1 and any(row[i + 1 :]):
                line.append(" " * (width - Text(cell).cell_len) + _GAP)
        lines.append(line)
    return lines


def listed(values: Sequence[str], total: int | None = None) -> str:
    """Some values, and how many more there are."""
    total = len(values) if total is None else total
    text = ", ".join(values[:SHOWN])
    more = total - min(len(values), SHOWN)
    return f"{text}, … {more} more" if more > 0 and text else text


def when(moment: datetime | None) -> str:
    """A time, to the second."""
    return "" if moment is None else short(moment)


def shown(tree: Tree, *, return_str: bool) -> str | None:
    """Print a tree, or give it as text without colours."""
    if not return_str:
        Console(file=sys.stdout, width=_WIDE, soft_wrap=True).print(Harmless(tree))
        return None
    text = io.StringIO()
    Console(file=text, width=_WIDE, color_system=None, force_terminal=False).print(Harmless(tree))
    return "\n".join(line.rstrip() for line in text.getvalue().rstrip().split("\n"))
