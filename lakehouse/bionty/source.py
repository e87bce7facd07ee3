"""Sources: versions of public ontologies."""

from __future__ import annotations

from lakehouse.orm import BaseRecord, TrackedRow


class SourceRow(TrackedRow):
    """A row of the table `source`."""

    entity: str | None = None
    organism: str | None = None
    name: str | None = None
    version: str | None = None
    in_db: bool = False
    currently_used: bool = False
    description: str | None = None
    url: str | None = None
    hash: str | None = None
    source_website: str | None = None
    dataframe_artifact_uid: str | None = None


class Source(
    BaseRecord,
    row=SourceRow,
    module="bionty",
    unique=(("entity", "organism", "name", "version"),),
    required=("entity", "name"),
    foreign_keys={"dataframe_artifact": "Artifact"},
):
    """A version of a public ontology for one entity, e.g. the Cell Ontology of 2024-05-15.

    Example:
        >>> Source.filter(entity="bionty.CellType", currently_used=True)  # doctest: +SKIP
    """
