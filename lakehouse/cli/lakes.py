"""`init`, `connect`, `info`: which lake."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

import lakehouse as ln
from lakehouse.cli.group import say
from lakehouse.cli.options import KnownCatalog, NewCatalog
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
