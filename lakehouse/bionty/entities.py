"""The biological registries, all from one table.

A line says what a registry is called, where its rows lie, what tells its records apart, and
what it is for; the fields are those of its row model.
"""

from __future__ import annotations

from dataclasses import dataclass
from types import new_class
from typing import Any

from lakehouse.bionty.bound import Bound, CellMarkerRow, GeneRow, GeneTerm, ProteinRow
from lakehouse.bionty.term import OntologyRow, OntologyTerm, Term
from lakehouse.engine import RowModel
from lakehouse.registries._relations import relations_of

_BY_ID: tuple[tuple[str, ...], ...] = (("ontology_id",), ("name", "ontology_id"))


class _Organism(RowModel):
    name: str | None = None
    ontology_id: str | None = None
    scientific_name: str | None = None


class OrganismRow(OntologyRow, _Organism):
    """A row of the table `organism`."""


class OrganismTerm(OntologyTerm):
    """Organisms: of a taxonomy a term's name is the scientific one, too."""

    @classmethod
    def _complete(cls, values: dict[str, Any]) -> dict[str, Any]:
        if str(values.get("ontology_id")).startswith("NCBITaxon:"):
            return {"scientific_name": values["name"], **values}
        return values


@dataclass(frozen=True)
class Entity:
    """A biological registry.

    Attributes:
        table: Its table.
        doc: What its records are.
        id_field: The field with the id of public sources.
        name_field: The field that people know a record by.
        row: The row model.
        base: The record class with its methods.
        unique: What may not be there twice.
        match: By what constructing finds an existing record.
    """

    table: str
    doc: str
    id_field: str = "ontology_id"
    name_field: str = "name"
    row: type[Any] = OntologyRow
    base: type[Term] = OntologyTerm
    unique: tuple[tuple[str, ...], ...] = _BY_ID
    match: tuple[tuple[str, ...], ...] = (("ontology_id",), ("name",))

    @property
    def has_hierarchy(self) -> bool:
        """Whether its terms have parents."""
        return issubclass(self.base, OntologyTerm)


ENTITIES: dict[str, Entity] = {
    "Organism": Entity(
        "organism", "Organisms, by their common names.",
        row=OrganismRow, base=OrganismTerm, unique=(*_BY_ID, ("scientific_name",)),
        match=(("ontology_id",), ("name",), ("scientific_name",)),
    ),
    "Gene": Entity(
        "gene", "Genes, known by Ensembl id, or by the stable id of another source.",
        "ensembl_gene_id", "symbol", GeneRow, GeneTerm,
        unique=(("ensembl_gene_id",), ("stable_id",)), match=(("ensembl_gene_id",), ("stable_id",)),
    ),
    "Protein": Entity(
        "protein", "Proteins, known by UniProt id.",
        "uniprotkb_id", "name", ProteinRow, Bound,
        unique=(("uniprotkb_id",),), match=(("uniprotkb_id",),),
    ),
    "CellMarker": Entity(
        "cell_marker", "Cell markers, e.g. surface proteins, by name and organism.",
        "name", "name", CellMarkerRow, Bound,
        unique=(("name", "organism_uid"),), match=(("name", "organism_uid"),),
    ),
    "Tissue": Entity("tissue", "Tissues and anatomical structures, e.g. of UBERON."),
    "CellType": Entity("cell_type", "Cell types, e.g. of the Cell Ontology."),
    "Disease": Entity("disease", "Diseases, e.g. of MONDO."),
    "CellLine": Entity("cell_line", "Cell lines, e.g. of CLO or Cellosaurus."),
    "Phenotype": Entity("phenotype", "Phenotypes, e.g. of HP."),
    "Pathway": Entity("pathway", "Pathways and processes, e.g. of GO."),
    "ExperimentalFactor": Entity(
        "experimental_factor", "Assays and other experimental factors, e.g. of EFO."
    ),
    "DevelopmentalStage": Entity("developmental_stage", "Developmental stages, e.g. of HsapDv."),
    "Ethnicity": Entity("ethnicity", "Ethnicities, e.g. of HANCESTRO."),
}  # fmt: skip


def _registry(name: str, entity: Entity) -> type[Any]:
    keys = {"source": "bionty.Source"}
    if "organism_uid" in entity.row.model_fields:
        keys["organism"] = "bionty.Organism"
    keywords: dict[str, Any] = {
        "row": entity.row,
        "table": entity.table,
        "module": "bionty",
        "name_field": entity.name_field,
        "unique": (*entity.unique, ("abbr",)),
        "match": entity.match,
        "required": ("name",) if entity.base is not GeneTerm and name != "Protein" else (),
        "foreign_keys": keys,
        "relations": relations_of(f"bionty.{name}"),
    }
    example = f"\n\nExample:\n    >>> {name}.filter().to_dataframe()  # doctest: +SKIP\n"
    members = {"__doc__": entity.doc + example, "__module__": __name__}
    return new_class(name, (entity.base,), keywords, lambda body: body.update(members))


_made = {name: _registry(name, entity) for name, entity in ENTITIES.items()}


def __getattr__(name: str) -> type[Any]:
    try:
        return _made[name]
    except KeyError:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}") from None
