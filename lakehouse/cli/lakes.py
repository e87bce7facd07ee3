"""`init`, `connect`, `info`: which lake."""

from __future__ import annotations

from typing import Annotated

import typer

import lakehouse as ln


def init(
    storage: Annotated[str, typer.Option(help="Where the lake lies: a folder or a URI.")],
    modules: Annotated[
        str | None, typer.Option(help="Further registries, e.g. bionty; separated by commas.")
    ] = None,
    name: Annotated[
        str | None, typer.Option(help="The lake's name; by default the folder's.")
    ] = None,
    db: Annotated[
        str | None,
        typer.Option(help="URL of the catalog database; by default SQLite in the lake."),
    ] = None,
) -> None:
    """Make a lake, or connect to the one that is there."""
    ln.setup.init(storage=storage, modules=modules, name=name, db=db)


def connect(
    lake: Annotated[
        str | None, typer.Argument(help="A folder or URI; default: look upward.")
    ] = None,
) -> None:
    """Connect this directory to a lake that exists."""
    found = ln.setup.connect(lake)
    typer.echo(f"connected to the lake {found.name!r} in {found.root}")


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
