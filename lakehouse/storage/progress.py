"""A progress bar for long transfers, only where somebody watches."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Literal

Advance = Callable[[int], object]

WORTH_SHOWING = 100_000_000  # bytes


@contextmanager
def tracked(
    label: str, total: int, progress: Advance | Literal[True, False] | None
) -> Iterator[Advance | None]:
    """Yield a callable to be told of every block's bytes, or None.

    Args:
        label: What is being transferred.
        total: Bytes in all.
        progress: A callable of your own; True for a bar, False for none, None for a bar if
            standard error is a terminal and more than 100 MB are to come.
    """
    if callable(progress):
        yield progress
    elif progress or (progress is None and total > WORTH_SHOWING and sys.stderr.isatty()):
        from rich.console import Console
        from rich.progress import BarColumn, DownloadColumn, Progress, TransferSpeedColumn

        columns = ("{task.description}", BarColumn(), DownloadColumn(), TransferSpeedColumn())
        with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
            task = bar.add_task(label, total=total)
            yield lambda n: bar.advance(task, n)
    else:
        yield None
