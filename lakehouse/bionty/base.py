"""What biological registries have in common."""

from __future__ import annotations

from lakehouse.orm import BaseRecord, Relation, TrackedRow, relations

ONTOLOGY_KEYS = {"source": "bionty.Source"}
NAME_AND_ID = (("name", "ontology_id"),)


class OntologyRow(TrackedRow):
    """A row of a registry of ontology terms."""

    name: str | None = None
    ontology_id: str | None = None
    abbr: str | None = None
    synonyms: str | None = None
    description: str | None = None
    is_obsolete: bool = False
    source_uid: str | None = None


def hierarchy(registry: str, table: str) -> dict[str, Relation]:
    """The relations `parents` and `children` of a registry of terms."""
    return dict(
        relations(
            Relation("parents", registry, "ontology_link", registry=table),
            Relation("children", registry, "ontology_link", registry=table, reverse=True),
        )
    )


class Term(BaseRecord):
    """A term of an ontology, or one of your own.

    A term is known by its `ontology_id`, and one of your own by its name: constructing
    either again gives the existing record.
    """
