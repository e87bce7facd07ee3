"""Printing rows readably."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, TextIO

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from lakehouse.orm.show.tables import Harmless
from lakehouse.text.printable import printable, printable_line

_PIPED_WIDTH = 240


def show(*parts: Any, file: TextIO | None = None) -> None:
    """Print rich renderables or plain text; wide where nobody's terminal limits the width.

    Texts are never markup, and what a terminal would obey in them is shown escaped.
    """
    target = file or sys.stdout
    width = None if target.isatty() else _PIPED_WIDTH
    console = Console(file=target, highlight=False, width=width)
    for part in parts:
        console.print(Text(printable(part)) if isinstance(part, str) else Harmless(part))


def _text(value: Any) -> Text:
    if value is None:
        return Text("–", style="dim")
    if isinstance(value, datetime):
        return Text(value.astimezone().strftime("%Y-%m-%d %H:%M:%S"))
    if isinstance(value, float):
        return Text(f"{value:.6g}")
    if isinstance(value, list | tuple):
        return Text(printable_line(", ".join(str(item) for item in value)))
    # Text, never markup: values may hold square brackets.
    return Text(printable(str(value)))


def table(
    columns: Sequence[str], rows: Iterable[Sequence[Any]], *, title: str | None = None
) -> Table:
    """Rows as a rich table; numbers are aligned right."""
    listed = [list(row) for row in rows]
    made = Table(
        title=None if title is None else Text(title),
        title_justify="left",
        title_style="bold",
        box=box.SIMPLE_HEAD,
    )
    for position, name in enumerate(columns):
        numeric = any(isinstance(row[position], int | float) for row in listed)
        made.add_column(
            Text(printable_line(name)), justify="right" if numeric else "left", overflow="fold"
        )
    for row in listed:
        made.add_row(*[_text(value) for value in row])
    return made


def fields(values: Mapping[str, Any], *, title: str | None = None) -> Table:
    """Names and values, one pair a line; None is left out."""
    made = Table(
        title=None if title is None else Text(title),
        title_justify="left",
        title_style="bold",
        box=None,
        show_header=False,
    )
    made.add_column(style="cyan")
    made.add_column(overflow="fold")
    for name, value in values.items():
        if value is not None:
            made.add_row(Text(printable_line(name)), _text(value))
    return made
