"""The requirements of CELLxGENE 7.1 for AnnData, as far as registries cover them.

Written after the published schema (https://github.com/chanzuckerberg/single-cell-curation).
`create_cellxgene_schema()` demands columns, ontologies and keys. With `strict=True` it demands
what the published schema demands: branches of ontologies, several terms in one value
(`MONDO:1 || MONDO:2`), what columns demand of each other, raw counts, embeddings, colors.
Not covered: experimental conditions, and which genes a perturbation intends.

Example:
    >>> schema = ln.examples.schemas.cellxgene("human")
    >>> ln.examples.cellxgene.save_cellxgene_defaults()
    >>> schema = ln.examples.cellxgene.create_cellxgene_schema()
    >>> ln.curators.AnnDataCurator(adata, schema).check()
"""

from __future__ import annotations

from collections.abc import Collection
from typing import TYPE_CHECKING, Any, Literal

from lakehouse.errors import InvalidArgument, InvalidFeature, near
from lakehouse.extensions.cellxgene.cases import ORGANISMS, cases

if TYPE_CHECKING:
    from lakehouse.registries import Schema

__all__ = ["create_cellxgene_schema", "organism_named", "save_cellxgene_defaults"]

FieldType = Literal["ontology_id", "name"]

_TYPES = ("CELLxGENE", *(f"CELLxGENE {number}" for number in range(2, 10)))

TISSUE_TYPES = ("tissue", "organoid", "primary cell culture", "cell line")
SUSPENSIONS = ("cell", "nucleus", "na")
SEXES = {
    "female": "PATO:0000383",
    "male": "PATO:0000384",
    "hermaphrodite": "PATO:0001340",
    "unknown": "unknown",
}
_CATEGORIES = {
    "assay": ("ExperimentalFactor",),
    "cell_type": ("CellType",),
    "development_stage": ("DevelopmentalStage", "Tissue"),
    "disease": ("Disease",),
    "self_reported_ethnicity": ("Ethnicity",),
    "sex": ("Phenotype",),
    "tissue": ("Tissue", "CellType", "CellLine"),
}
_CONTROLS = {
    "CellType": ("unknown", "na"),
    "DevelopmentalStage": ("unknown", "na"),
    "Ethnicity": ("unknown", "na"),
    "Phenotype": ("na",),
}
_NEVER = (
    "ethnicity",
    "ethnicity_ontology_term_id",
    "organism",
    "organism_ontology_term_id",
    "observation_joinid",
    "experimental_condition",
    "perturbation_types",
)
_NEVER_IN_VAR = tuple(
    f"feature_{what}" for what in ("name", "reference", "biotype", "length", "type")
)
_DEPRECATED_IN_UNS = (
    "X_normalization", "default_field", "layer_descriptions", "tags", "version", "contributors",
    "preprint_doi", "project_description", "project_links", "project_name", "publication_doi",
)  # fmt: skip
# ids that are allowed beside those of any organism's genes
_SPIKE_INS = (
    2, 3, 4, 9, 12, 13, 14, 16, 17, 19, 22, 24, 25, 28, 31, 33, 34, 35, 39, 40, 41, 42, 43, 44, 46,
    48, 51, 53, 54, 57, 58, 59, 60, 61, 62, 67, 69, 71, 73, 74, 75, 76, 77, 78, 79, 81, 83, 84, 85,
    86, 92, 95, 96, 97, 98, 99, 104, 108, 109, 111, 112, 113, 116, 117, 120, 123, 126, 130, 131, 134,
    136, 137, 138, 142, 143, 144, 145, 147, 148, 150, 154, 156, 157, 158, 160, 162, 163, 164, 165,
    168, 170, 171,
)  # fmt: skip
_VIRUS = (
    "ORF1ab", "ORF1ab", "S", "N", "ORF3a", "M", "ORF8", "ORF7a", "E", "ORF6", "ORF7b", "ORF10",
)  # fmt: skip
_ALWAYS = {"ERCC": "NCBITaxon:32630", "SARS-CoV-2": "NCBITaxon:2697049"}
_NEVER_IN_UNS = ("schema_version", "schema_reference", "citation", "is_pre_analysis", "organism")


def save_cellxgene_defaults() -> None:
    """Save the words of CELLxGENE that no ontology has, and the sexes and the healthy state."""
    from lakehouse import bionty as bt
    from lakehouse.orm import transaction
    from lakehouse.orm.session.matching import quiet_matching
    from lakehouse.registries import ULabel

    with transaction(message="words of CELLxGENE"), quiet_matching():
        _save_terms(bt.Disease, {"normal": "PATO:0000461"})
        _save_terms(bt.Phenotype, SEXES)
        for registry, words in _CONTROLS.items():
            _save_terms(getattr(bt, registry), {word: word for word in words})
        kinds = {"TissueType": TISSUE_TYPES, "SuspensionType": SUSPENSIONS}
        for kind, choices in kinds.items():
            above = ULabel(name=kind, is_type=True, type=None).save()
            for word in choices:
                ULabel(name=word, type=above).save()


def organism_named(ontology_id: object) -> str | None:
    """The organism that a dataset's `organism_ontology_term_id` means, as schemas are asked for it.

    Example:
        >>> organism_named("NCBITaxon:10090")
        'mouse'
    """
    names = (name for name, species in ORGANISMS.items() if species.ontology_id == ontology_id)
    return next(names, None)


def create_cellxgene_schema(
    *,
    field_types: FieldType | Collection[FieldType] = "ontology_id",
    spatial_library_id: str | None = None,
    organism: str = "human",
    strict: bool = False,
) -> Schema:
    """The schema of a CELLxGENE AnnData, with the features that it needs.

    Args:
        field_types: Whether columns hold ontology ids (`tissue_ontology_term_id`), names
            (`tissue`), or both.
        spatial_library_id: Demand what spatial data of this library need in `uns`, too.
        organism: Of which organism the data are.
        strict: Demand all that is published, not only columns, ontologies and keys.

    Raises:
        InvalidArgument: The field type or the organism isn't known.
    """
    from lakehouse.orm import transaction
    from lakehouse.orm.session.matching import quiet_matching
    from lakehouse.registries import Schema

    types: list[str] = [field_types] if isinstance(field_types, str) else list(field_types)
    if unknown := set(types) - {"ontology_id", "name"}:
        raise InvalidArgument("A field is an ontology_id or a name.", found=sorted(unknown))
    if organism not in ORGANISMS:
        known = list(ORGANISMS)
        raise InvalidArgument(
            f"CELLxGENE knows no organism {organism!r}.",
            expected=", ".join(near(organism, known) or known),
        )
    species = ORGANISMS[organism]
    with transaction(message="schema of CELLxGENE"), quiet_matching():
        if strict:
            save_cellxgene_defaults()
            _save_genes()
        slots: dict[str, Any] = {
            "obs": _obs(types, cases(species) if strict else {}),
            "var": _var(organism, strict=strict),
            "uns": Schema(
                [_feature("title", str), _feature("organism_ontology_term_id", str)],
                constraints={
                    **_forbidden((*_NEVER_IN_UNS, *(_DEPRECATED_IN_UNS if strict else ()))),
                    "title": {"nullable": False, "min_length": 1},
                    "organism_ontology_term_id": {"enum": [species.ontology_id]},
                },
            ),
        }
        if spatial_library_id is not None:
            slots |= _spatial(spatial_library_id)
        name = f"cellxgene_{organism}_{'_'.join(types)}{'_strict' if strict else ''}"
        rules = {"*": {"dataset": {"rules": "cellxgene"}}} if strict else None
        return Schema(name=name, otype="AnnData", slots=slots, constraints=rules).save()


def _obs(types: list[str], demanded: dict[str, dict[str, Any]]) -> Schema:
    from lakehouse.registries import Schema, ULabel

    features: list[Any] = []
    # the labels of ids are added when the data are published
    conditions = _forbidden(_NEVER if "name" in types else (*_NEVER, *_CATEGORIES))
    for category, registries in _CATEGORIES.items():
        for kind in types:
            name = category if kind == "name" else f"{category}_ontology_term_id"
            field = "" if kind == "name" else ".ontology_id"
            dtype = f"cat[{'|'.join(f'bionty.{r}{field}' for r in registries)}]"
            features.append(_feature(name, dtype))
            conditions[name] = {"nullable": False}
    for name, kind in (("tissue_type", "TissueType"), ("suspension_type", "SuspensionType")):
        features.append(_feature(name, ULabel.get(name=kind, is_type=True)))
        conditions[name] = {"nullable": False}
    features += [_feature("donor_id", str), _feature("is_primary_data", bool)]
    conditions["donor_id"] = {"nullable": False, "min_length": 1}
    conditions["is_primary_data"] = {"nullable": False}
    for name, found in demanded.items():
        if name in conditions:
            conditions[name]["cases"] = found
    return Schema(features, constraints=conditions)


def _var(organism: str, *, strict: bool) -> Schema:
    from lakehouse.registries import Schema

    name = ORGANISMS[organism].gene_organism
    if strict:
        # by id: a lake may have these two organisms under other names
        always = (f"organism__ontology_id={key!r}" for key in _ALWAYS.values())
        filters = (f"organism__name={name!r}", *always)
        kinds = (f"bionty.Gene[{f}].ensembl_gene_id" for f in filters)
        genes = _feature(f"{organism}_feature_id", f"cat[{'|'.join(kinds)}]")
    else:
        narrowed = {"organism__name": name}
        dtype = "cat[bionty.Gene.ensembl_gene_id]"
        genes = _feature(f"{organism}_gene_id", dtype, cat_filters=narrowed)
    return Schema(
        [_feature("feature_is_filtered", bool)],
        index=genes,
        constraints={
            **_forbidden(_NEVER_IN_VAR),
            "feature_is_filtered": {"nullable": False},
        },
    )


def _save_genes() -> None:
    """Save the spike-ins and the genes of the virus that any organism's data may have."""
    from lakehouse import bionty as bt

    names = [f"ERCC-{number:05}" for number in _SPIKE_INS]
    if bt.Gene.filter(ensembl_gene_id__in=names).count() == len(names):
        return
    spike_ins, virus = (
        bt.Organism(name=name, ontology_id=ontology_id).save()
        for name, ontology_id in _ALWAYS.items()
    )
    for name in names:
        bt.Gene(symbol=name, ensembl_gene_id=name, organism=spike_ins).save()
    for number, symbol in zip((2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13), _VIRUS, strict=True):
        gene_id = f"ENSSASG000050000{number:02}"
        bt.Gene(symbol=symbol, ensembl_gene_id=gene_id, organism=virus).save()


def _spatial(library: str) -> dict[str, Schema]:
    from lakehouse.registries import Schema

    root = f"uns:spatial:{library}"
    sizes = ("spot_diameter_fullres", "tissue_hires_scalef")
    return {
        "uns:spatial": Schema([_feature("is_single", bool)]),
        f"{root}:images": Schema([_feature("hires", "object")]),
        f"{root}:scalefactors": Schema([_feature(name, float) for name in sizes]),
    }


def _forbidden(names: Collection[str]) -> dict[str, dict[str, Any]]:
    return {name: {"forbidden": True} for name in names}


def _feature(name: str, dtype: Any, **more: Any) -> Any:
    """A feature; where the lake has another one of this name, one of CELLxGENE's own.

    What other schemas demand of the other one stays as it is.
    """
    from lakehouse.registries import Feature

    try:
        return Feature(name=name, dtype=dtype, **more).save()
    except InvalidFeature as error:
        wrong = error
    for kind in _TYPES:  # the first may hold one of an older dtype, too
        above = Feature(name=kind, is_type=True).save()
        try:
            return Feature(name=name, dtype=dtype, type=above, **more).save()
        except InvalidFeature:
            continue
    raise wrong


def _save_terms(registry: Any, words: dict[str, str]) -> None:
    for name, ontology_id in words.items():
        if not registry.filter(ontology_id=ontology_id).exists():
            registry(name=name, ontology_id=ontology_id).save()
