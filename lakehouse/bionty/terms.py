"""Registries of ontology terms that differ in nothing but their name: one line each."""

from __future__ import annotations

from types import new_class
from typing import Any

from lakehouse.bionty.base import NAME_AND_ID, ONTOLOGY_KEYS, OntologyRow, OntologyTerm, hierarchy

# registry → table, accessor on artifacts, what its terms are
TERMS = {
    "Tissue": ("tissue", "tissues", "Tissues and anatomical structures, e.g. of UBERON."),
    "Disease": ("disease", "diseases", "Diseases, e.g. of MONDO."),
    "Phenotype": ("phenotype", "phenotypes", "Phenotypes, e.g. of HP."),
    "Pathway": ("pathway", "pathways", "Pathways and processes, e.g. of GO."),
    "ExperimentalFactor": (
        "experimental_factor",
        "experimental_factors",
        "Assays and other experimental factors, e.g. of EFO.",
    ),
    "DevelopmentalStage": (
        "developmental_stage",
        "developmental_stages",
        "Developmental stages, e.g. of HsapDv.",
    ),
    "CellLine": ("cell_line", "cell_lines", "Cell lines, e.g. of CLO."),
    "Ethnicity": ("ethnicity", "ethnicities", "Ethnicities, e.g. of HANCESTRO."),
}


def _registry(name: str, table: str, doc: str) -> type[OntologyTerm]:
    keywords: dict[str, Any] = {
        "row": OntologyRow,
        "module": "bionty",
        "unique": (("ontology_id",), *NAME_AND_ID),
        "match": (("ontology_id",), ("name",)),
        "required": ("name",),
        "foreign_keys": ONTOLOGY_KEYS,
        "relations": hierarchy(f"bionty.{name}", table),
    }
    members = {"__doc__": doc, "__module__": __name__}
    return new_class(name, (OntologyTerm,), keywords, lambda body: body.update(members))


_made = {name: _registry(name, table, doc) for name, (table, _, doc) in TERMS.items()}


def __getattr__(name: str) -> type[OntologyTerm]:
    try:
        return _made[name]
    except KeyError:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}") from None
