"""`check` and `repair`: is a lake whole, and how it becomes whole again."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated, Any

import typer

import lakehouse as ln
from lakehouse.cli.group import AsJson, KnownCatalog, NewCatalog, say, say_json

if TYPE_CHECKING:
    from lakehouse.engine.health.damage import CheckReport, Progress
    from lakehouse.engine.health.site import Site


_LAKE = Annotated[
    str | None, typer.Argument(help="A folder or URI; by default the connected lake.")
]


def _site(lake: str | None, db: str | None) -> Site:
    """What is there of a lake; it isn't opened, since that may be impossible.

    Raises:
        LakeNotFound: There is no lake.
    """
    from lakehouse.errors import LakeNotFound
    from lakehouse.orm.lake.connection import configured_place
    from lakehouse.orm.lake.health import site_at

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

    from lakehouse.io.progress import description

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
    from lakehouse.orm.lake import health

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
    from lakehouse.orm.lake import health

    site = _site(lake, db)
    report = health.repair(site, dry_run=not apply)
    site.close()
    if json:
        say_json(report.to_dict())
    else:
        say(report)
    if report.left:
        raise typer.Exit(1)


# -- `backup`, `restore`: copies of the whole lake, and lakes made of them


def backup(
    dest: Annotated[str, typer.Argument(help="A folder or URI for this lake's backups.")],
    keep: Annotated[
        int | None, typer.Option("--keep", min=1, help="Keep only the newest N backups.")
    ] = None,
    with_storages: Annotated[  # noqa: FBT002
        bool, typer.Option("--with-storages", help="Copy other storage locations' artifacts, too.")
    ] = False,
    show: Annotated[  # noqa: FBT002
        bool, typer.Option("--list", help="Show the backups that are there, and make none.")
    ] = False,
    verify: Annotated[  # noqa: FBT002
        bool, typer.Option("--verify", help="Read the backups that are there, and make none.")
    ] = False,
) -> None:
    """Back the lake up, while others write to it.

    Only what is new since the last backup is copied; any backup can be restored. Exit code 1:
    the lake, or with --verify a backup, has lost something, which is named.
    """
    if show or verify:
        _show_backups(dest, verify=verify)
        return
    made = ln.current_lake().backup(dest, keep=keep, with_storages=with_storages)
    say(made)
    if not made.whole:
        raise typer.Exit(1)


def _show_backups(dest: str, *, verify: bool) -> None:
    from lakehouse.backup import BackupStore
    from lakehouse.cli import output
    from lakehouse.errors import LakeCorrupt
    from lakehouse.orm.show.tables import size_text

    store = BackupStore(dest)
    rows, bad = [], []
    for name in store.names():
        try:
            one = store.manifest(name)
        except LakeCorrupt as error:
            bad.append(str(error))
            continue
        size = size_text(one.size)
        rows.append((name, one.commit.get("seq"), one.lake["root"], len(one.files), size))
        if verify:
            bad += [f"{name}: damaged or gone: {path}" for path in store.damaged(one)]
    output.show(output.table(["backup", "commit", "lake", "files", "size"], rows))
    for line in bad:
        say(line, err=True)
    if bad:
        raise typer.Exit(1)


def restore(
    source: Annotated[str, typer.Argument(metavar="BACKUP", help="The folder or URI of backups.")],
    root: Annotated[str, typer.Argument(help="Where the lake will lie: a new folder or a URI.")],
    db: NewCatalog = None,
    at: Annotated[
        str | None, typer.Option("--at", help="A backup's name; by default the newest.")
    ] = None,
) -> None:
    """Make a lake of a backup, every byte verified."""
    lake = ln.setup.restore(source, root, db=db, at=at)
    newest = next(iter(lake.log(1)), None)
    say(f"restored the lake {lake.name!r} to {lake.root}, at commit {newest and newest.seq}")
    say(f"connect to it: lakehouse connect {lake.root}")
