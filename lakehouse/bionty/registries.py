"""The biological registries. The fields of each are those of its row model."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from lakehouse.bionty._terms.bound import Bound, CellMarkerRow, GeneRow, GeneTerm, ProteinRow
from lakehouse.bionty._terms.term import OntologyRow, OntologyTerm, Term
from lakehouse.engine import RowModel
from lakehouse.registries.relations import relations_of

if TYPE_CHECKING:
    from collections.abc import Iterable

    from lakehouse.bionty._sources.source import Source
    from lakehouse.orm.model.meta import FieldDescriptor, RelationDescriptor
    from lakehouse.registries.artifact import Artifact
    from lakehouse.registries.place import Branch, Space, User
    from lakehouse.registries.record.record import Record
    from lakehouse.registries.run import Run
    from lakehouse.registries.schema.record import Schema
    from lakehouse.relations.managers import KeyManager, LinkManager

_BY_ID: tuple[tuple[str, ...], ...] = (("ontology_id",), ("name", "ontology_id"))


def _terms(
    name: str,
    row: type[RowModel] = OntologyRow,
    unique: tuple[tuple[str, ...], ...] = _BY_ID,
    match: tuple[tuple[str, ...], ...] = (("ontology_id",), ("name",)),
    required: tuple[str, ...] = ("name",),
) -> dict[str, Any]:
    """The class keywords of a biological registry; most are the same for all.

    Args:
        name: The name of the class.
        row: The row model.
        unique: What may not be there twice; abbreviations never may.
        match: By what constructing finds an existing record.
        required: Fields without which a record can't be made.
    """
    keys = {"source": "bionty.Source"}
    if "organism_uid" in row.model_fields:
        keys["organism"] = "bionty.Organism"
    return {
        "row": row,
        "module": "bionty",
        "unique": (*unique, ("abbr",)),
        "match": match,
        "required": required,
        "foreign_keys": keys,
        "relations": relations_of(f"bionty.{name}"),
    }


class _Organism(RowModel):
    name: str | None = None
    ontology_id: str | None = None
    scientific_name: str | None = None


class OrganismRow(OntologyRow, _Organism):
    """A row of the table `organism`."""


class Organism(
    OntologyTerm,
    **_terms(
        "Organism",
        OrganismRow,
        unique=(*_BY_ID, ("scientific_name",)),
        match=(("ontology_id",), ("name",), ("scientific_name",)),
    ),
):
    """Organisms, by their common names.

    Example:
        >>> Organism.filter().to_dataframe()
    """

    if TYPE_CHECKING:
        scientific_name: FieldDescriptor[str | None]
        artifacts: RelationDescriptor[LinkManager[Artifact]]
        records: RelationDescriptor[LinkManager[Record]]
        parents: RelationDescriptor[LinkManager[Organism]]
        children: RelationDescriptor[LinkManager[Organism]]
        genes: RelationDescriptor[KeyManager[Gene]]
        proteins: RelationDescriptor[KeyManager[Protein]]
        cell_markers: RelationDescriptor[KeyManager[CellMarker]]

        def __init__(
            self,
            *found: Any,
            parents: Iterable[str | OntologyTerm] | str | OntologyTerm | None = None,
            name: str | None = None,
            ontology_id: str | None = None,
            scientific_name: str | None = None,
            abbr: str | None = None,
            synonyms: str | None = None,
            description: str | None = None,
            source: Source | None = None,
            broad_synonyms: str | None = None,
            narrow_synonyms: str | None = None,
            related_synonyms: str | None = None,
            is_obsolete: bool | None = False,
            replaced_by: str | None = None,
            consider: str | None = None,
            uid: str | None = None,
            branch: Branch | None = None,
            space: Space | None = None,
            run: Run | None = None,
            created_by: User | None = None,
        ) -> None: ...

    @classmethod
    def _complete(cls, values: dict[str, Any]) -> dict[str, Any]:
        # of a taxonomy a term's name is the scientific one, too
        if str(values.get("ontology_id")).startswith("NCBITaxon:"):
            return {"scientific_name": values["name"], **values}
        return values


class Gene(
    GeneTerm,
    name_field="symbol",
    **_terms(
        "Gene",
        GeneRow,
        unique=(("ensembl_gene_id",), ("stable_id",)),
        match=(("ensembl_gene_id",), ("stable_id",)),
        required=(),
    ),
):
    """Genes, known by Ensembl id, or by the stable id of another source.

    Example:
        >>> Gene.filter().to_dataframe()
    """

    if TYPE_CHECKING:
        symbol: FieldDescriptor[str | None]
        stable_id: FieldDescriptor[str | None]
        ensembl_gene_id: FieldDescriptor[str | None]
        ensembl_version: FieldDescriptor[int | None]
        ncbi_gene_ids: FieldDescriptor[str | None]
        biotype: FieldDescriptor[str | None]
        previous_symbols: FieldDescriptor[str | None]
        artifacts: RelationDescriptor[LinkManager[Artifact]]
        records: RelationDescriptor[LinkManager[Record]]
        schemas: RelationDescriptor[LinkManager[Schema]]
        pathways: RelationDescriptor[LinkManager[Pathway]]

        def __init__(
            self,
            *found: Any,
            organism: Organism | str | None = None,
            symbol: str | None = None,
            stable_id: str | None = None,
            ensembl_gene_id: str | None = None,
            ensembl_version: int | None = None,
            ncbi_gene_ids: str | None = None,
            biotype: str | None = None,
            previous_symbols: str | None = None,
            abbr: str | None = None,
            synonyms: str | None = None,
            description: str | None = None,
            source: Source | None = None,
            uid: str | None = None,
            branch: Branch | None = None,
            space: Space | None = None,
            run: Run | None = None,
            created_by: User | None = None,
        ) -> None: ...

    _id_field = "ensembl_gene_id"


class Protein(
    Bound,
    **_terms(
        "Protein",
        ProteinRow,
        unique=(("uniprotkb_id",),),
        match=(("uniprotkb_id",),),
        required=(),
    ),
):
    """Proteins, known by UniProt id.

    Example:
        >>> Protein.filter().to_dataframe()
    """

    if TYPE_CHECKING:
        name: FieldDescriptor[str | None]
        uniprotkb_id: FieldDescriptor[str | None]
        length: FieldDescriptor[int | None]
        gene_symbol: FieldDescriptor[str | None]
        ensembl_gene_ids: FieldDescriptor[str | None]
        artifacts: RelationDescriptor[LinkManager[Artifact]]
        records: RelationDescriptor[LinkManager[Record]]
        schemas: RelationDescriptor[LinkManager[Schema]]

        def __init__(
            self,
            *found: Any,
            organism: Organism | str | None = None,
            name: str | None = None,
            uniprotkb_id: str | None = None,
            length: int | None = None,
            gene_symbol: str | None = None,
            ensembl_gene_ids: str | None = None,
            abbr: str | None = None,
            synonyms: str | None = None,
            description: str | None = None,
            source: Source | None = None,
            uid: str | None = None,
            branch: Branch | None = None,
            space: Space | None = None,
            run: Run | None = None,
            created_by: User | None = None,
        ) -> None: ...

    _id_field = "uniprotkb_id"


class CellMarker(
    Bound,
    **_terms(
        "CellMarker",
        CellMarkerRow,
        unique=(("name", "organism_uid"),),
        match=(("name", "organism_uid"),),
    ),
):
    """Cell markers, e.g. surface proteins, by name and organism.

    Example:
        >>> CellMarker.filter().to_dataframe()
    """

    if TYPE_CHECKING:
        name: FieldDescriptor[str]
        gene_symbol: FieldDescriptor[str | None]
        ncbi_gene_id: FieldDescriptor[str | None]
        uniprotkb_id: FieldDescriptor[str | None]
        artifacts: RelationDescriptor[LinkManager[Artifact]]
        records: RelationDescriptor[LinkManager[Record]]
        schemas: RelationDescriptor[LinkManager[Schema]]

        def __init__(
            self,
            *found: Any,
            organism: Organism | str | None = None,
            name: str | None = None,
            gene_symbol: str | None = None,
            ncbi_gene_id: str | None = None,
            uniprotkb_id: str | None = None,
            abbr: str | None = None,
            synonyms: str | None = None,
            description: str | None = None,
            source: Source | None = None,
            uid: str | None = None,
            branch: Branch | None = None,
            space: Space | None = None,
            run: Run | None = None,
            created_by: User | None = None,
        ) -> None: ...

    _id_field = "name"


class Tissue(OntologyTerm, **_terms("Tissue")):
    """Tissues and anatomical structures, e.g. of UBERON.

    Example:
        >>> Tissue.filter().to_dataframe()
    """

    if TYPE_CHECKING:
        artifacts: RelationDescriptor[LinkManager[Artifact]]
        records: RelationDescriptor[LinkManager[Record]]
        parents: RelationDescriptor[LinkManager[Tissue]]
        children: RelationDescriptor[LinkManager[Tissue]]


class CellType(OntologyTerm, **_terms("CellType")):
    """Cell types, e.g. of the Cell Ontology.

    Example:
        >>> CellType.filter().to_dataframe()
    """

    if TYPE_CHECKING:
        artifacts: RelationDescriptor[LinkManager[Artifact]]
        records: RelationDescriptor[LinkManager[Record]]
        parents: RelationDescriptor[LinkManager[CellType]]
        children: RelationDescriptor[LinkManager[CellType]]


class Disease(OntologyTerm, **_terms("Disease")):
    """Diseases, e.g. of MONDO.

    Example:
        >>> Disease.filter().to_dataframe()
    """

    if TYPE_CHECKING:
        artifacts: RelationDescriptor[LinkManager[Artifact]]
        records: RelationDescriptor[LinkManager[Record]]
        parents: RelationDescriptor[LinkManager[Disease]]
        children: RelationDescriptor[LinkManager[Disease]]


class CellLine(OntologyTerm, **_terms("CellLine")):
    """Cell lines, e.g. of CLO or Cellosaurus.

    Example:
        >>> CellLine.filter().to_dataframe()
    """

    if TYPE_CHECKING:
        artifacts: RelationDescriptor[LinkManager[Artifact]]
        records: RelationDescriptor[LinkManager[Record]]
        parents: RelationDescriptor[LinkManager[CellLine]]
        children: RelationDescriptor[LinkManager[CellLine]]


class Phenotype(OntologyTerm, **_terms("Phenotype")):
    """Phenotypes, e.g. of HP.

    Example:
        >>> Phenotype.filter().to_dataframe()
    """

    if TYPE_CHECKING:
        artifacts: RelationDescriptor[LinkManager[Artifact]]
        records: RelationDescriptor[LinkManager[Record]]
        parents: RelationDescriptor[LinkManager[Phenotype]]
        children: RelationDescriptor[LinkManager[Phenotype]]


class Pathway(OntologyTerm, **_terms("Pathway")):
    """Pathways and processes, e.g. of GO.

    Example:
        >>> Pathway.filter().to_dataframe()
    """

    if TYPE_CHECKING:
        artifacts: RelationDescriptor[LinkManager[Artifact]]
        records: RelationDescriptor[LinkManager[Record]]
        schemas: RelationDescriptor[LinkManager[Schema]]
        genes: RelationDescriptor[LinkManager[Gene]]
        parents: RelationDescriptor[LinkManager[Pathway]]
        children: RelationDescriptor[LinkManager[Pathway]]


class ExperimentalFactor(OntologyTerm, **_terms("ExperimentalFactor")):
    """Assays and other experimental factors, e.g. of EFO.

    Example:
        >>> ExperimentalFactor.filter().to_dataframe()
    """

    if TYPE_CHECKING:
        artifacts: RelationDescriptor[LinkManager[Artifact]]
        records: RelationDescriptor[LinkManager[Record]]
        parents: RelationDescriptor[LinkManager[ExperimentalFactor]]
        children: RelationDescriptor[LinkManager[ExperimentalFactor]]


class DevelopmentalStage(OntologyTerm, **_terms("DevelopmentalStage")):
    """Developmental stages, e.g. of HsapDv.

    Example:
        >>> DevelopmentalStage.filter().to_dataframe()
    """

    if TYPE_CHECKING:
        artifacts: RelationDescriptor[LinkManager[Artifact]]
        records: RelationDescriptor[LinkManager[Record]]
        parents: RelationDescriptor[LinkManager[DevelopmentalStage]]
        children: RelationDescriptor[LinkManager[DevelopmentalStage]]


class Ethnicity(OntologyTerm, **_terms("Ethnicity")):
    """Ethnicities, e.g. of HANCESTRO.

    Example:
        >>> Ethnicity.filter().to_dataframe()
    """

    if TYPE_CHECKING:
        artifacts: RelationDescriptor[LinkManager[Artifact]]
        records: RelationDescriptor[LinkManager[Record]]
        parents: RelationDescriptor[LinkManager[Ethnicity]]
        children: RelationDescriptor[LinkManager[Ethnicity]]


ENTITIES: dict[str, type[Term]] = {
    entity.__name__: entity
    for entity in (
        Organism,
        Gene,
        Protein,
        CellMarker,
        Tissue,
        CellType,
        Disease,
        CellLine,
        Phenotype,
        Pathway,
        ExperimentalFactor,
        DevelopmentalStage,
        Ethnicity,
    )
}
"""The classes by name."""
