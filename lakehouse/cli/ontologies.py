"""`ontology`: terms from files."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from lakehouse.cli.group import Group
from lakehouse.errors import UnknownField, near

app = typer.Typer(cls=Group, help="Import ontologies.", no_args_is_help=True)


@app.command("import")
def import_(
    entity: Annotated[str, typer.Argument(help="The registry, e.g. CellType.")],
    source: Annotated[
        str, typer.Argument(help="An OBO, OWL or OBO-graph JSON file, or the name of an extract.")
    ],
) -> None:
    """Fill a registry with the terms of an ontology, in one commit."""
    _registry(entity).import_source(source)


@app.command("list")
def list_() -> None:
    """Show the ontologies that lakehouse knows, and where to get them."""
    from lakehouse.cli import output
    from lakehouse.ontology import manifests

    rows = [
        (m.name, m.entity, m.version, m.licence, m.extract, m.address())
        for m in manifests().values()
    ]
    columns = ["name", "registry", "version", "licence", "shipped extract", "address"]
    made = output.table(columns, rows)
    for column in made.columns[:-1]:
        column.no_wrap = True  # only the addresses give way on a narrow terminal
    output.show(made)


def _registry(entity: str) -> Any:
    """The registry of an entity: `CellType`, `bionty.CellType`, `cell_type`, in any case."""
    import lakehouse.bionty as bt

    known = {
        name.lower(): name for name in bt.__all__ if hasattr(getattr(bt, name), "import_source")
    }
    wanted = entity.rpartition(".")[2].replace("_", "").lower()
    if wanted not in known:
        raise UnknownField(
            f"There is no registry of ontology terms named {entity!r}.",
            expected=", ".join(near(wanted, list(known.values())) or sorted(known.values())),
        )
    return getattr(bt, known[wanted])
