"""How commands fail: a clean message and exit code 1; wrong usage is 2, as is a file that `validate` can't judge."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated, Any

import typer
from typer.core import TyperGroup
from typer.exceptions import TyperException

from lakehouse.errors import LakehouseError
from lakehouse.text.printable import json_text, printable

_INTERRUPTED = 128 + 2  # as shells tell of a command that SIGINT ended


def say(text: object, *, err: bool = False) -> None:
    """Print a line; what a terminal would obey in it is shown escaped."""
    typer.echo(printable(str(text)), err=err)


def say_json(value: Any) -> None:
    """Print a value as JSON; programs read what they would without anything escaped."""
    import orjson

    typer.echo(json_text(orjson.dumps(value, option=orjson.OPT_INDENT_2).decode()))


def tell(error: Exception) -> None:
    """Print an error on stderr, without a traceback."""
    start = typer.style("error: ", fg="red", bold=True)
    typer.echo(start + printable(str(error)), err=True)


@contextmanager
def _harmless_usage() -> Iterator[None]:
    """Errors of wrong usage, which repeat what was given: words that may be names of files."""
    try:
        yield
    except TyperException as error:
        error.message = printable(error.message)
        raise


class Group(TyperGroup):
    """A group of commands whose lakehouse errors become messages."""

    def make_context(self, *args: Any, **kwargs: Any) -> Any:
        """The group's own options."""
        with _harmless_usage():
            return super().make_context(*args, **kwargs)

    def invoke(self, ctx: Any) -> Any:
        """Run the command; an error of ours is printed on stderr, without a traceback."""
        before = gc.get_threshold()
        # Imports are most of a command, and leave nothing to collect.
        gc.set_threshold(max(before[0], 100_000), *before[1:])
        try:
            with _harmless_usage():
                return super().invoke(ctx)
        except LakehouseError as error:
            tell(error)
            raise typer.Exit(1) from error
        except KeyboardInterrupt:
            typer.echo("interrupted", err=True)
            raise typer.Exit(_INTERRUPTED) from None
        finally:
            gc.set_threshold(*before)


# -- Options that several commands have, said in one way


NewCatalog = Annotated[
    str | None,
    typer.Option("--db", help="URL of the catalog database; by default SQLite in the lake."),
]
KnownCatalog = Annotated[
    str | None,
    typer.Option("--db", help="URL of the catalog database, where the lake doesn't name it."),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print the report as JSON.")]
