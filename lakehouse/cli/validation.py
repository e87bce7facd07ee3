"""`validate`: compare a file with a schema, without saving anything."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

import lakehouse as ln


def validate(
    path: Annotated[Path, typer.Argument(help="The file or folder.")],
    schema: Annotated[str, typer.Option("--schema", "-s", help="Name of the schema.")],
    report: Annotated[
        Path | None, typer.Option(help="Write the report here: .html, .json, .csv or .parquet.")
    ] = None,
    rows: Annotated[
        Path | None, typer.Option(help="Write every failing row here, as Parquet.")
    ] = None,
) -> None:
    """Validate a file; exit with 1 if it doesn't match its schema. Nothing is saved."""
    from lakehouse.cli import output
    from lakehouse.registries.artifact.validating import schema_named

    wanted = schema_named(schema)
    assert wanted is not None
    found = ln.curators.curator_of(path, wanted).check(all_rows=rows is not None)
    if report is not None:
        found.write(report, title=f"{path.name} and the schema {schema}")
    if rows is not None:
        found.write_rows(rows)
    output.show(found)
    if not found.ok:
        raise typer.Exit(1)
