"""A progress bar for long transfers, only where somebody watches."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Literal

from lakehouse.text.printable import printable_line

if TYPE_CHECKING:
    from rich.progress import ProgressColumn

Advance = Callable[[int], object]

WORTH_SHOWING = 100_000_000  # bytes


def description() -> ProgressColumn:
    """The column of a bar that says what is done, as it is: it may be the name of a file."""
    from rich.progress import ProgressColumn, Task
    from rich.text import Text

    class Description(ProgressColumn):
        def render(self, task: Task) -> Text:
            return Text(printable_line(task.description))

    return Description()


@contextmanager
def tracked(
    label: str, total: int | None, progress: Advance | Literal[True, False] | None
) -> Iterator[Advance | None]:
    """Yield a callable to be told of every block's bytes, or None.

    Args:
        label: What is being transferred.
        total: Bytes in all, where that is known.
        progress: A callable of your own; True for a bar, False for none, None for a bar if
            standard error is a terminal and more than 100 MB are to come.
    """
    if callable(progress):
        yield progress
    elif progress or (progress is None and (total or 0) > WORTH_SHOWING and sys.stderr.isatty()):
        from rich.console import Console
        from rich.progress import BarColumn, DownloadColumn, Progress, TransferSpeedColumn

        columns = (description(), BarColumn(), DownloadColumn(), TransferSpeedColumn())
        with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
            task = bar.add_task(label, total=total)
            yield lambda n: bar.advance(task, n)
    else:
        yield None
