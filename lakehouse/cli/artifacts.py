"""`save`, `load`, `ls`, `describe`: artifacts."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

import lakehouse as ln
from lakehouse.cli.group import say, tell
from lakehouse.errors import InvalidArgument, LakehouseError, MissingFile

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
    from lakehouse.orm.show.tables import size_text

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


# -- `validate`: compare a file with a schema, without saving anything of the file


_CELLXGENE = "cellxgene"
_REPORTS = (".html", ".json", ".csv", ".parquet")


def validate(
    path: Annotated[Path, typer.Argument(help="The file or folder.")],
    schema: Annotated[
        str,
        typer.Option(
            "--schema",
            "-s",
            help="Name of the schema; cellxgene, or e.g. cellxgene:mouse, for CELLxGENE's.",
        ),
    ],
    report: Annotated[
        Path | None, typer.Option(help="Write the report here: .html, .json, .csv or .parquet.")
    ] = None,
    rows: Annotated[
        Path | None, typer.Option(help="Write every failing row here, as Parquet.")
    ] = None,
) -> None:
    """Validate a file. Exits with 0 if it is valid, 1 if not, 2 if it can't be validated.

    Nothing of the file is saved.
    """
    from lakehouse.cli import output

    try:
        _check_paths(path, report, rows)
        curator = ln.curators.curator_of(path, _schema(schema, path))
        found = curator.check(all_rows=rows is not None, saves=False)
        if report is not None:
            found.write(report, title=f"{path.name} and the schema {schema}")
        if rows is not None:
            found.write_rows(rows)
    except (LakehouseError, OSError) as error:
        tell(error)
        raise typer.Exit(2) from error
    output.show(found)
    if not found.ok:
        raise typer.Exit(1)


def _check_paths(path: Path, report: Path | None, rows: Path | None) -> None:
    """Refuse at once what would fail after all of a file was read."""
    from lakehouse.io.uris import is_remote  # loads the settings, which help does without

    address = str(path).replace(":/", "://", 1)  # of which Path has taken a slash
    if is_remote(address) and not path.exists():
        raise InvalidArgument(
            "Only files on this machine are validated.",
            found=address,
            hint="download it first, e.g. ln.Artifact(address, key=…).save().cache()",
        )
    for target in (report, rows):
        if target is not None and not target.parent.is_dir():
            raise InvalidArgument(
                f"{str(target)!r} can't be written.", found=f"no folder {str(target.parent)!r}"
            )
    if report is not None and report.suffix not in _REPORTS:
        raise InvalidArgument(
            f"A report can't be written as {report.name!r}.", expected=", ".join(_REPORTS)
        )
    if not path.exists():
        raise MissingFile(f"There is no file or folder {str(path)!r}.")


def _schema(name: str, path: Path) -> Any:
    """The schema of a name; that of CELLxGENE is for the organism named, or the file's own."""
    from lakehouse.registries.artifact.validate import schema_named

    kind, _, organism = name.partition(":")
    if kind != _CELLXGENE or ln.Schema.filter(name=name).exists():
        return schema_named(name)
    return ln.examples.schemas.cellxgene(organism or _organism_of(path))


def _organism_of(path: Path) -> str:
    from lakehouse.curation.slots import slots_in
    from lakehouse.extensions.cellxgene.schema import organism_named
    from lakehouse.formats import format_for

    adapter = format_for(str(path))
    if adapter is None or adapter.otype != "AnnData":
        return "human"  # which the curator refuses with a reason
    part = slots_in(path, "AnnData").part("uns", of_features=True)
    told = part.data.get("organism_ontology_term_id")
    return organism_named(told) or "human"
