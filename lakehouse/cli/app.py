"""The application: which command is in which module."""

from __future__ import annotations

from typing import Annotated

import typer

import lakehouse as ln
from lakehouse.cli import artifacts, history, lakes, ontologies, queries, quickstart
from lakehouse.cli import artifacts as validation
from lakehouse.cli import lakes as branches
from lakehouse.cli import upkeep as backups
from lakehouse.cli import upkeep as health
from lakehouse.cli.group import Group, say

app = typer.Typer(
    name="lakehouse",
    cls=Group,
    help="Git for a lab's data: registries, artifacts and ontologies over open Iceberg tables.",
    no_args_is_help=True,
    rich_markup_mode=None,  # help by rich takes 0.3 s more than by typer alone
    pretty_exceptions_show_locals=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _version(asked: bool) -> None:  # noqa: FBT001  (typer calls it with the option's value)
    if asked:
        say(f"lakehouse {ln.__version__}")
        raise typer.Exit


@app.callback()
def main(
    version: Annotated[  # noqa: FBT002  (an option, never positional)
        bool,
        typer.Option("--version", callback=_version, is_eager=True, help="Print the version."),
    ] = False,
) -> None:
    """Git for a lab's data: registries, artifacts and ontologies over open Iceberg tables."""


_COMMANDS = (
    lakes.init,
    lakes.connect,
    lakes.info,
    artifacts.save,
    artifacts.load,
    artifacts.ls,
    artifacts.describe,
    validation.validate,
    queries.sql,
    branches.switch,
    branches.merge,
    branches.branch,
    branches.diff,
    history.log,
    history.tag,
    history.gc,
    health.check,
    health.repair,
    backups.backup,
    backups.restore,
    quickstart.quickstart,
)
for command in _COMMANDS:
    app.command()(command)
app.add_typer(ontologies.app, name="ontology")
