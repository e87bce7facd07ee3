"""How commands fail: a clean message and exit code 1; wrong usage is 2, as is a file that `validate` can't judge."""

from __future__ import annotations

import gc
from typing import Any

import typer
from typer.core import TyperGroup

from lakehouse.errors import LakehouseError
from lakehouse.printable import printable

_INTERRUPTED = 128 + 2  # as shells tell of a command that SIGINT ended


def say(text: object, *, err: bool = False) -> None:
    """Print a line; what a terminal would obey in it is shown escaped."""
    typer.echo(printable(str(text)), err=err)


def tell(error: Exception) -> None:
    """Print an error on stderr, without a traceback."""
    start = typer.style("error: ", fg="red", bold=True)
    typer.echo(start + printable(str(error)), err=True)


class Group(TyperGroup):
    """A group of commands whose lakehouse errors become messages."""

    def invoke(self, ctx: Any) -> Any:
        """Run the command; an error of ours is printed on stderr, without a traceback."""
        before = gc.get_threshold()
        # Imports are most of a command, and leave nothing to collect.
        gc.set_threshold(max(before[0], 100_000), *before[1:])
        try:
            return super().invoke(ctx)
        except LakehouseError as error:
            tell(error)
            raise typer.Exit(1) from error
        except KeyboardInterrupt:
            typer.echo("interrupted", err=True)
            raise typer.Exit(_INTERRUPTED) from None
        finally:
            gc.set_threshold(*before)
