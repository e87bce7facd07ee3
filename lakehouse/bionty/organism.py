"""Organisms."""

from __future__ import annotations

from typing import Any

from lakehouse.bionty.base import NAME_AND_ID, ONTOLOGY_KEYS, OntologyRow, OntologyTerm, hierarchy


class OrganismRow(OntologyRow):
    """A row of the table `organism`."""

    scientific_name: str | None = None


class Organism(
    OntologyTerm,
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

    @classmethod
    def _complete(cls, values: dict[str, Any]) -> dict[str, Any]:
        if values["ontology_id"].startswith("NCBITaxon:"):
            return {**values, "scientific_name": values["name"]}
        return values
