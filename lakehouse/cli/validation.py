"""`validate`: compare a file with a schema, without saving anything of the file."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

import lakehouse as ln
from lakehouse.cli.group import tell
from lakehouse.errors import InvalidArgument, LakehouseError, MissingFile

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
    from lakehouse.uris import is_remote  # loads the settings, which help does without

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
    from lakehouse.registries.artifact.validating import schema_named

    kind, _, organism = name.partition(":")
    if kind != _CELLXGENE or ln.Schema.filter(name=name).exists():
        return schema_named(name)
    return ln.examples.schemas.cellxgene(organism or _organism_of(path))


def _organism_of(path: Path) -> str:
    from lakehouse.curation.slots import slots_in
    from lakehouse.examples.cellxgene import organism_named
    from lakehouse.formats import format_for

    adapter = format_for(str(path))
    if adapter is None or adapter.otype != "AnnData":
        return "human"  # which the curator refuses with a reason
    part = slots_in(path, "AnnData").part("uns", of_features=True)
    told = part.data.get("organism_ontology_term_id")
    return organism_named(told) or "human"
