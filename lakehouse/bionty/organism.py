"""Organisms."""

from __future__ import annotations

from lakehouse.bionty.base import NAME_AND_ID, ONTOLOGY_KEYS, OntologyRow, Term, hierarchy


class OrganismRow(OntologyRow):
    """A row of the table `organism`."""

    scientific_name: str | None = None


class Organism(
    Term,
    row=OrganismRow,
    module="bionty",
    unique=(("ontology_id",), *NAME_AND_ID),
    match=(("ontology_id",), ("name",)),
    required=("name",),
    foreign_keys=ONTOLOGY_KEYS,
    relations=hierarchy("bionty.Organism", "organism"),
):
    """Organisms, by their common names.

    Example:
        >>> Organism(name="human", scientific_name="homo_sapiens").save()  # doctest: +SKIP
    """
