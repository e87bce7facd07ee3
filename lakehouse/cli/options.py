"""Options that several commands have, said in one way."""

from __future__ import annotations

from typing import Annotated

import typer

NewCatalog = Annotated[
    str | None,
    typer.Option("--db", help="URL of the catalog database; by default SQLite in the lake."),
]
KnownCatalog = Annotated[
    str | None,
    typer.Option("--db", help="URL of the catalog database, where the lake doesn't name it."),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print the report as JSON.")]
