"""`switch`, `merge`, `branch`, `diff`: work that isn't everybody's yet."""

from __future__ import annotations

from typing import Annotated, Literal

import typer

import lakehouse as ln
from lakehouse.cli.group import say
from lakehouse.cli.history import reference


def switch(
    target: Annotated[str, typer.Argument(help="The branch, or with --space the space.")],
    create: Annotated[bool, typer.Option("--create", "-c", help="Make the branch first.")] = False,  # noqa: FBT002
    space: Annotated[bool, typer.Option("--space", help="Switch the space instead.")] = False,  # noqa: FBT002
) -> None:
    """Switch this directory to a branch or space."""
    ln.setup.switch(target, space=space, create=create)


def merge(
    branch: Annotated[str, typer.Argument(help="The branch to merge into the current one.")],
    dry_run: Annotated[  # noqa: FBT002
        bool, typer.Option("--dry-run", help="Only show what would change.")
    ] = False,
    prefer: Annotated[
        Literal["branch", "main"] | None,
        typer.Option(help="Whose value counts where both sides changed a field."),
    ] = None,
) -> None:
    """Merge a branch into the current one, in one commit.

    With --dry-run the exit code is 1 if there are conflicts.
    """
    found = ln.setup.merge(branch, dry_run=dry_run, prefer=prefer)
    if dry_run:
        say("nothing to merge" if found is None else repr(found))
        if found is not None and found.conflicts:
            raise typer.Exit(1)


def branch(
    name: Annotated[str | None, typer.Argument(help="A branch; without, lists all.")] = None,
    status: Annotated[
        Literal["standalone", "draft", "review", "closed"] | None,
        typer.Option(help="Set its status: draft or review asks for a merge."),
    ] = None,
    description: Annotated[str | None, typer.Option(help="Say what it is for.")] = None,
) -> None:
    """List the branches, or show and change one."""
    from lakehouse.cli import output

    lake = ln.current_lake()
    if name is None and status is None and description is None:
        rows = [
            ("*" if b.uid == lake.branch_uid else "", b.name, b.status, b.created_at, b.merged_at,
             b.description)
            for b in ln.Branch.filter().order_by("-created_at")
        ]  # fmt: skip
        columns = ["", "branch", "status", "made at", "merged at", "description"]
        output.show(output.table(columns, rows))
        return
    found = lake.branch if name is None else lake.named("Branch", name)
    if status is not None:
        found.status = status
    if description is not None:
        found.description = description
    found.save()
    into = found.merged_into
    values = {
        "branch": found.name,
        "uid": found.uid,
        "status": found.status,
        "description": found.description,
        "made at": found.created_at,
        "forked at": found.forked_at,
        "merged at": found.merged_at,
        "merged into": into and into.name,
    }
    output.show(output.fields(values))


def diff(
    a: Annotated[str, typer.Argument(help="A commit id, number, tag, date or branch.")],
    b: Annotated[str | None, typer.Argument(help="Another one; default: now.")] = None,
    registry: Annotated[
        list[str] | None, typer.Option("--registry", "-r", help="Only this registry.")
    ] = None,
    summary: Annotated[bool, typer.Option("--summary", help="Only the numbers.")] = False,  # noqa: FBT002
) -> None:
    """Show what was added, removed and changed between two states, or what a branch changes."""
    lake = ln.current_lake()
    names = {record.name for record in ln.Branch.filter()}
    sides = [text if text in names else reference(text) for text in (a, b) if text is not None]
    found = lake.diff(*sides, registry=registry or None)
    say(found.summary() if summary else repr(found))
