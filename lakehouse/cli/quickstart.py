"""`quickstart`: the main job on a real single-cell file, in a minute."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def quickstart(
    storage: Annotated[Path, typer.Option(help="Where the lake is made: a new folder.")] = Path(
        "lakehouse-quickstart"
    ),
) -> None:
    """Register, validate and query real single-cell data."""
    from lakehouse.cli import tour

    tour.run(storage)
