"""`save`, `load`, `ls`, `describe`: artifacts."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

import lakehouse as ln
from lakehouse.cli.group import say

if TYPE_CHECKING:
    from lakehouse import Artifact

KeyOption = Annotated[str | None, typer.Option("--key", help="The artifact's key.")]
UidOption = Annotated[
    str | None, typer.Option("--uid", help="The artifact's uid, or how it begins.")
]


def _find(key: str | None, uid: str | None) -> Artifact:
    if (key is None) == (uid is None):
        raise typer.BadParameter("give either --key or --uid")
    return ln.Artifact.get(uid) if uid is not None else ln.Artifact.get(key=key, is_latest=True)


def save(
    path: Annotated[Path, typer.Argument(help="The file or folder.")],
    key: Annotated[
        str | None, typer.Option(help="Its relative path in the lake; by default the file's name.")
    ] = None,
    description: Annotated[str | None, typer.Option(help="What it is.")] = None,
    kind: Annotated[str | None, typer.Option(help="E.g. dataset or model.")] = None,
    schema: Annotated[
        str | None, typer.Option(help="Name of the schema that it must satisfy.")
    ] = None,
) -> None:
    """Register a file or folder as an artifact."""
    wanted = None if schema is None else ln.Schema.get(name=schema)
    artifact = ln.Artifact(
        path, key=key or path.name, description=description, kind=kind, schema=wanted
    ).save()
    say(f"{artifact.uid}  {artifact.key}")


def load(key: KeyOption = None, uid: UidOption = None) -> None:
    """Fetch an artifact's file, and print where it is."""
    say(str(_find(key, uid).cache()))


def ls(
    prefix: Annotated[str, typer.Argument(help="Only keys that begin like this.")] = "",
    limit: Annotated[int, typer.Option("--limit", "-n", min=1, help="How many at most.")] = 50,
) -> None:
    """List the artifacts, newest first."""
    from lakehouse.cli import output
    from lakehouse.orm.showing import size_text

    found = ln.Artifact.filter(is_latest=True)
    if prefix:
        found = found.filter(key__startswith=prefix)
    n_found = found.count()
    rows = [
        (
            a.uid,
            a.key,
            a.description,
            a.otype,
            a.n_observations,
            None if a.size is None else size_text(a.size),
            a.created_at,
        )
        for a in found.order_by("-created_at")[:limit]
    ]
    columns = ["uid", "key", "description", "type", "n_obs", "size", "created"]
    made = output.table(columns, rows)
    made.columns[0].no_wrap = True
    output.show(made)
    if n_found > limit:
        say(f"{limit} of {n_found}; --limit {n_found} shows all", err=True)


def describe(key: KeyOption = None, uid: UidOption = None) -> None:
    """Show an artifact with its columns and labels."""
    _find(key, uid).describe()
