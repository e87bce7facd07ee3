"""`init`, `connect`, `info`: which lake."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

import lakehouse as ln
from lakehouse.cli.group import KnownCatalog, NewCatalog, say
from lakehouse.cli.history import reference
from lakehouse.errors import InvalidArgument


def init(
    storage: Annotated[str, typer.Option(help="Where the lake lies: a folder or a URI.")],
    modules: Annotated[
        str | None, typer.Option(help="Further registries, e.g. bionty; separated by commas.")
    ] = None,
    name: Annotated[
        str | None, typer.Option(help="The lake's name; by default the folder's.")
    ] = None,
    db: NewCatalog = None,
) -> None:
    """Make a lake, or connect to the one that is there."""
    ln.setup.init(storage=storage, modules=modules, name=name, db=db)


def connect(
    lake: Annotated[
        str | None, typer.Argument(help="A folder or URI; default: look upward.")
    ] = None,
    db: KnownCatalog = None,
    trust: Annotated[  # noqa: FBT002  (an option, never positional)
        bool,
        typer.Option(
            "--trust",
            help="Use what lies in the folder LAKE from now on, whoever made it; * is all.",
        ),
    ] = False,
    untrust: Annotated[  # noqa: FBT002
        bool, typer.Option("--untrust", help="Trust the folder LAKE no longer.")
    ] = False,
    trusted: Annotated[  # noqa: FBT002
        bool, typer.Option("--trusted", help="List the folders that are trusted.")
    ] = False,
) -> None:
    """Connect this directory to a lake that exists."""
    if trusted:
        for folder in ln.setup.trusted():
            say(folder)
        return
    if untrust or trust:
        if lake is None:
            raise InvalidArgument("Which folder?", hint="lakehouse connect --trust FOLDER")
        if untrust:
            known = ln.setup.untrust(lake)
            say(f"{lake} {'is trusted no longer' if known else 'was not trusted'}")
            return
        folder = ln.setup.trust(lake)
        say(f"trusted: {folder}")
        if not Path(folder, ".lakehouse", "lake.json").is_file():
            return  # all folders, or one that is only connected to a lake
    found = ln.setup.connect(lake, db=db)
    say(f"connected to the lake {found.name!r} in {found.root}")


def info() -> None:
    """Show the lake that this directory is connected to."""
    from lakehouse.cli import output

    lake = ln.current_lake()
    newest = next(iter(lake.log(1)), None)
    output.show(
        output.fields(
            {
                "lake": lake.name,
                "uid": lake.uid,
                "root": lake.root,
                "modules": lake.modules or None,
                "user": lake.user.handle,
                "branch": lake.branch.name,
                "space": lake.space.name if lake.space_uid != "all" else None,
                "version": f"lakehouse {ln.__version__}",
                "commits": newest and newest.seq,
                "last commit": newest and newest.time,
                "message": newest and newest.message,
            }
        )
    )
    state = lake.state
    counts = [(table, n) for table in state.tables if (n := state.count(table))]
    output.show(output.table(["table", "rows"], sorted(counts)))


# -- `switch`, `merge`, `branch`, `diff`: work that isn't everybody's yet


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
