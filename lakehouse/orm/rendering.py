"""What rich draws of data: tables for reprs, and anything else without control characters."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from typing import TYPE_CHECKING, Any

from lakehouse.printable import printable, printable_line

if TYPE_CHECKING:
    from rich.console import Console, ConsoleOptions
    from rich.segment import Segment

_SHOWN = 20
_COLUMNS = ("", "uid", "name", "field", "old", "new")
_SIGNS = {"added": "+", "removed": "-", "changed": "~"}
_WIDTH = 120


class Harmless:
    """Something that rich draws, without what a terminal would obey in its texts.

    Colours and links that rich itself makes stay. Cells are better escaped where they are made,
    so that columns are as wide as what stands in them; this is what nothing gets past.
    """

    def __init__(self, drawn: Any) -> None:
        self._drawn = drawn

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> Iterator[Segment]:
        """The segments of what is drawn, escaped."""
        from rich.segment import Segment

        for segment in console.render(self._drawn, options):
            yield Segment(printable(segment.text), segment.style, segment.control)


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
