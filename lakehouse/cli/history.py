"""`log`, `tag`, `gc`: the lake's commits."""

from __future__ import annotations

import re
from datetime import datetime, timedelta
from typing import Annotated

import typer

import lakehouse as ln
from lakehouse.cli.group import say

_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days", "w": "weeks"}


def moment(text: str) -> datetime:
    """A moment from an age (`30d`, `12h`) or an ISO date; local time without a zone.

    Raises:
        typer.BadParameter: It is neither.
    """
    if match := re.fullmatch(r"(\d+)([smhdw])", text):
        age = timedelta(**{_UNITS[match[2]]: int(match[1])})
        return datetime.now().astimezone() - age
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        raise typer.BadParameter(
            f"{text!r} is neither an age such as 30d, 12h, 90m, nor a date such as 2026-01-31"
        ) from None
    return found if found.tzinfo else found.astimezone()


def log(
    limit: Annotated[int, typer.Option("--limit", "-n", min=1, help="How many commits.")] = 20,
) -> None:
    """Show the commits, newest first."""
    from lakehouse.cli import output

    lake = ln.current_lake()
    names: dict[str, list[str]] = {}
    for name, commit in lake.tags().items():
        names.setdefault(commit.id, []).append(name)
    handles = dict(ln.sql("SELECT uid, handle FROM user").fetchall())
    rows = [
        (c.seq, c.id, c.time, handles.get(c.user), c.message, c.tables, names.get(c.id))
        for c in lake.log(limit)
    ]
    columns = ["seq", "id", "time", "user", "message", "tables", "tags"]
    output.show(output.table(columns, rows))


def tag(
    name: Annotated[str | None, typer.Argument(help="The tag's name; without, lists tags.")] = None,
    ref: Annotated[
        str | None, typer.Argument(help="A commit id, number, tag or date; default is now.")
    ] = None,
) -> None:
    """Name a commit, or list the names."""
    from lakehouse.cli import output

    lake = ln.current_lake()
    if name is None:
        rows = [(tag, c.seq, c.id, c.time, c.message) for tag, c in sorted(lake.tags().items())]
        output.show(output.table(["tag", "seq", "id", "time", "message"], rows))
        return
    commit = lake.tag(name) if ref is None else lake.tag(name, reference(ref))
    say(f"{name} → commit {commit.seq} ({commit.id})")


def reference(text: str) -> str | int | datetime:
    """What a reference on the command line names: a tag, commit id, commit number or moment."""
    if text in ln.current_lake().tags():
        return text
    if text.isdecimal() and len(text) < 16:  # commit ids have 16 characters
        return int(text)
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        return text
    return found.astimezone()


def gc(
    keep: Annotated[
        int | None, typer.Option("--keep", min=1, help="Keep the states of the last N commits.")
    ] = None,
    older_than: Annotated[
        str | None,
        typer.Option("--older-than", help="Keep states younger than this: 30d, 12h or a date."),
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would go.")] = False,  # noqa: FBT002
    erase: Annotated[
        str | None,
        typer.Option(
            "--erase",
            metavar="UID",
            help="Erase this artifact from all kept states and tags; its first 16 characters"
            " mean all versions. Can't be undone.",
        ),
    ] = None,
) -> None:
    """Remove files that no kept state can reach.

    Without --keep and --older-than the whole history is kept and only left-overs of
    interrupted writes go. Tagged states are always kept.
    """
    if erase is not None:
        if keep is not None or older_than is not None:
            raise typer.BadParameter("--erase goes with --dry-run only")
        say(str(ln.current_lake().gc(erase=erase, dry_run=dry_run)))
        return
    since = None if older_than is None else moment(older_than)
    say(str(ln.current_lake().gc(keep=keep, older_than=since, dry_run=dry_run)))
