"""`check` and `repair`: is a lake whole, and how it becomes whole again."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated, Any

import typer

from lakehouse.cli.group import say, say_json
from lakehouse.cli.options import AsJson, KnownCatalog

if TYPE_CHECKING:
    from lakehouse.engine.damage import CheckReport, Progress
    from lakehouse.engine.site import Site

_LAKE = Annotated[
    str | None, typer.Argument(help="A folder or URI; by default the connected lake.")
]


def _site(lake: str | None, db: str | None) -> Site:
    """What is there of a lake; it isn't opened, since that may be impossible.

    Raises:
        LakeNotFound: There is no lake.
    """
    from lakehouse.errors import LakeNotFound
    from lakehouse.orm.connection import configured_place
    from lakehouse.orm.health import site_at

    found = False
    if lake is None:
        place = configured_place()
        if place is None:
            raise LakeNotFound(
                f"There is no lake in {os.getcwd()!r} or above it.", hint="lakehouse check ROOT"
            )
        lake, db, found = place.root, db or place.db, place.found
    return site_at(lake, db=db, found=found)


@contextmanager
def _bar() -> Iterator[Progress | None]:
    """A line that says what is being checked, where somebody watches."""
    if not sys.stderr.isatty():
        yield None
        return
    from rich.console import Console
    from rich.progress import Progress, SpinnerColumn

    from lakehouse.progress import description

    columns = (SpinnerColumn(), description(), "{task.completed}")
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        tasks: dict[str, Any] = {}

        def advance(what: str, done: int) -> None:
            if what not in tasks:
                tasks[what] = bar.add_task(what, total=None)
            bar.advance(tasks[what], done)

        yield advance


def _show(report: CheckReport) -> None:
    from lakehouse.cli import output

    verdict = "whole" if report.ok else f"damaged in {len(report.damages)} place(s)"
    output.show(
        output.fields(
            {
                "lake": report.root,
                "commit": report.seq if report.seq >= 0 else None,
                "checked": ", ".join(f"{n:,} {what}" for what, n in report.checked.items()),
                "verdict": verdict,
            }
        )
    )
    if report.damages:
        rows = [(d.kind, d.table or None, d.what, d.detail) for d in report.damages]
        output.show(output.table(["damage", "table", "what", "found"], rows))
        say("→ lakehouse repair shows what can be mended, and how")
    if report.orphans:
        orphans = [(path,) for path in report.orphans]
        output.show(output.table(["orphans: no kept state names them; gc removes them"], orphans))
    for note in report.notes:
        say(f"note: {note}")


def check(
    lake: _LAKE = None,
    deep: Annotated[  # noqa: FBT002
        bool, typer.Option("--deep", help="All kept states, every row, and all artifacts' bytes.")
    ] = False,
    json: AsJson = False,  # noqa: FBT002
    db: KnownCatalog = None,
) -> None:
    """Look for damage; exit code 1 if there is any.

    Nothing is changed, and others may go on writing meanwhile.
    """
    from lakehouse.orm import health

    site = _site(lake, db)
    with _bar() as progress:
        report = health.check(site, deep=deep, progress=progress)
    site.close()
    if json:
        say_json(report.to_dict())
    else:
        _show(report)
    if not report.ok:
        raise typer.Exit(1)


def repair(
    lake: _LAKE = None,
    apply: Annotated[  # noqa: FBT002
        bool, typer.Option("--apply", help="Do it; without, it is only told.")
    ] = False,
    json: AsJson = False,  # noqa: FBT002
    db: KnownCatalog = None,
) -> None:
    """Make a damaged lake whole again: tells what it would do, and with --apply does it.

    Nothing is deleted: what can't be read is moved to the folder .lakehouse/quarantine.
    """
    from lakehouse.orm import health

    site = _site(lake, db)
    report = health.repair(site, dry_run=not apply)
    site.close()
    if json:
        say_json(report.to_dict())
    else:
        say(report)
    if report.left:
        raise typer.Exit(1)
