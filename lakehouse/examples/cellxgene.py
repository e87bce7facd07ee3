"""The requirements of CELLxGENE 7.1 for AnnData, as far as registries and columns cover them.

Written after the published schema (https://github.com/chanzuckerberg/single-cell-curation).
Covered: the required columns of `obs` with their ontologies and controlled words, columns that
are deprecated or reserved, gene ids, `feature_is_filtered`, and the required keys of `uns`.
Not covered: which branch of an ontology a term lies in, several terms in one value
(`MONDO:1 || MONDO:2`), and conditions on matrices.

Example:
    >>> ln.examples.cellxgene.save_cellxgene_defaults()                # doctest: +SKIP
    >>> schema = ln.examples.cellxgene.create_cellxgene_schema()       # doctest: +SKIP
    >>> ln.curators.AnnDataCurator(adata, schema).validate()           # doctest: +SKIP
"""

from __future__ import annotations

from collections.abc import Collection
from typing import TYPE_CHECKING, Any, Literal

from lakehouse.errors import InvalidArgument, near

if TYPE_CHECKING:
    from lakehouse.registries import Schema

__all__ = ["create_cellxgene_schema", "save_cellxgene_defaults"]

FieldType = Literal["ontology_id", "name"]

ORGANISMS = {
    "human": "NCBITaxon:9606",
    "mouse": "NCBITaxon:10090",
    "zebrafish": "NCBITaxon:7955",
    "fruitfly": "NCBITaxon:7227",
    "roundworm": "NCBITaxon:6239",
    "rat": "NCBITaxon:10116",
}
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
    "development_stage": ("DevelopmentalStage",),
    "disease": ("Disease",),
    "self_reported_ethnicity": ("Ethnicity",),
    "sex": ("Phenotype",),
    "tissue": ("Tissue", "CellType", "CellLine"),
}
_CONTROLS = {
    "CellType": ("unknown", "na"),
    "DevelopmentalStage": ("unknown", "na"),
    "Ethnicity": ("unknown", "na"),
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
_NEVER_IN_UNS = ("schema_version", "schema_reference", "citation", "is_pre_analysis", "organism")


def save_cellxgene_defaults() -> None:
    """Save the words of CELLxGENE that no ontology has, and the sexes and the healthy state."""
    from lakehouse import bionty as bt
    from lakehouse.orm import transaction
    from lakehouse.registries import ULabel

    with transaction(message="words of CELLxGENE"):
        _save_terms(bt.Disease, {"normal": "PATO:0000461"})
        _save_terms(bt.Phenotype, SEXES)
        for registry, words in _CONTROLS.items():
            _save_terms(getattr(bt, registry), {word: word for word in words})
        kinds = {"TissueType": TISSUE_TYPES, "SuspensionType": SUSPENSIONS}
        for kind, choices in kinds.items():
            above = ULabel(name=kind, is_type=True).save()
            for word in choices:
                ULabel(name=word, type=above).save()


def create_cellxgene_schema(
    *,
    field_types: FieldType | Collection[FieldType] = "ontology_id",
    spatial_library_id: str | None = None,
    organism: str = "human",
) -> Schema:
    """The schema of a CELLxGENE AnnData, with the features that it needs.

    Args:
        field_types: Whether columns hold ontology ids (`tissue_ontology_term_id`), names
            (`tissue`), or both.
        spatial_library_id: Demand what spatial data of this library need in `uns`, too.
        organism: Of which organism the genes are.

    Raises:
        InvalidArgument: The field type or the organism isn't known.
    """
    from lakehouse.orm import transaction
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
    with transaction(message="schema of CELLxGENE"):
        slots: dict[str, Any] = {
            "obs": _obs(types),
            "var": _var(organism),
            "uns": Schema(
                [_feature("title", str), _feature("organism_ontology_term_id", str)],
                constraints={
                    **_forbidden(_NEVER_IN_UNS),
                    "title": {"nullable": False, "min_length": 1},
                    "organism_ontology_term_id": {"enum": [ORGANISMS[organism]]},
                },
            ),
        }
        if spatial_library_id is not None:
            slots |= _spatial(spatial_library_id)
        return Schema(
            name=f"cellxgene_{organism}_{'_'.join(types)}", otype="AnnData", slots=slots
        ).save()


def _obs(types: list[str]) -> Schema:
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
    return Schema(features, constraints=conditions)


def _var(organism: str) -> Schema:
    from lakehouse.registries import Feature, Schema

    genes = Feature(
        name=f"{organism}_gene_id",
        dtype="cat[bionty.Gene.ensembl_gene_id]",
        cat_filters={"organism__name": organism},
    )
    return Schema(
        [_feature("feature_is_filtered", bool)],
        index=genes,
        constraints={
            **_forbidden(_NEVER_IN_VAR),
            "feature_is_filtered": {"nullable": False},
        },
    )


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


def _feature(name: str, dtype: Any) -> Any:
    from lakehouse.registries import Feature

    return Feature(name=name, dtype=dtype)


def _save_terms(registry: Any, words: dict[str, str]) -> None:
    for name, ontology_id in words.items():
        if not registry.filter(ontology_id=ontology_id).exists():
            registry(name=name, ontology_id=ontology_id).save()
