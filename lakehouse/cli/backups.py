"""`backup`, `restore`: copies of the whole lake, and lakes made of them."""

from __future__ import annotations

from typing import Annotated

import typer

import lakehouse as ln
from lakehouse.cli.group import say
from lakehouse.cli.options import NewCatalog


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
        _show(dest, verify=verify)
        return
    made = ln.current_lake().backup(dest, keep=keep, with_storages=with_storages)
    say(made)
    if not made.whole:
        raise typer.Exit(1)


def _show(dest: str, *, verify: bool) -> None:
    from lakehouse.backup import BackupStore
    from lakehouse.cli import output
    from lakehouse.errors import LakeCorrupt
    from lakehouse.orm.showing import size_text

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
