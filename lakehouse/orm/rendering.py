"""Rows of text as a table, for reprs."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import islice

from lakehouse.printable import printable_line

_SHOWN = 20
_COLUMNS = ("", "uid", "name", "field", "old", "new")
_SIGNS = {"added": "+", "removed": "-", "changed": "~"}
_WIDTH = 120


def table_text(title: str, lines: Iterable[Sequence[str | None]]) -> str:
    """Changes as a table of text; of many the first ones, and that there are more."""
    from rich import box
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    rows = iter(lines)
    shown = list(islice(rows, _SHOWN))
    more = sum(1 for _ in rows)
    used = [i for i in range(len(_COLUMNS)) if i == 0 or any(r[i] is not None for r in shown)]
    made = Table(
        title=Text(printable_line(title)),
        title_justify="left",
        title_style="bold",
        box=box.SIMPLE_HEAD,
    )
    for i in used:
        made.add_column(_COLUMNS[i], overflow="fold")
    for row in shown:
        cells = [_SIGNS[str(row[0])], *row[1:]]
        made.add_row(
            *[Text("–" if cells[i] is None else printable_line(str(cells[i]))) for i in used]
        )
    console = Console(width=_WIDTH, color_system=None)
    with console.capture() as capture:
        console.print(made)
    rest = f"  … and {more} more; .to_polars() has all\n" if more else ""
    return capture.get() + rest
