"""Two tiny data sets of stimulated immune cells: three samples and three genes each.

The columns hold every kind of feature once: categories of a record type, of cell types and of
an ontology id, free text, numbers, missing values and lists. Options put a mistake in.
"""

from __future__ import annotations

from datetime import date
from typing import TYPE_CHECKING, Any, Literal

from lakehouse._lazy import require

if TYPE_CHECKING:
    from lakehouse.registries import Schema

__all__ = [
    "define_features_labels",
    "define_mini_immuno_schema_flexible",
    "get_dataset1",
    "get_dataset2",
    "save_mini_immuno_datasets",
]

GENES = {
    "CD8A": "ENSG00000153563",
    "CD4": "ENSG00000010610",
    "CD14": "ENSG00000170458",
    "CD38": "ENSG00000004468",
}
CELL_TYPES = {
    "B cell": ("CL:0000236", "B-cell|B lymphocyte|B-lymphocyte"),
    "T cell": ("CL:0000084", "T-cell|T lymphocyte|T-lymphocyte"),
    "CD8-positive, alpha-beta T cell": ("CL:0000625", None),
}
ETHNICITIES = {
    "Chinese": "HANCESTRO:0021",
    "Singaporean Chinese": "HANCESTRO:0027",
    "Han Chinese": "HANCESTRO:0024",
}
ASSAY = ("EFO:0008913", "single-cell RNA sequencing")
_NOT_OBS = ("donor_ethnicity",)  # lists can't be written to .h5ad


def get_dataset1(
    otype: Literal["DataFrame", "AnnData"] = "DataFrame",
    gene_symbols_in_index: bool = False,  # noqa: FBT001, FBT002 - the peer's signature
    with_typo: bool = False,  # noqa: FBT001, FBT002
    with_cell_type_synonym: bool = False,  # noqa: FBT001, FBT002
    with_cell_type_typo: bool = False,  # noqa: FBT001, FBT002
    with_gene_typo: bool = False,  # noqa: FBT001, FBT002
    with_outdated_gene: bool = False,  # noqa: FBT001, FBT002
    with_wrong_subtype: bool = False,  # noqa: FBT001, FBT002
    with_index_type_mismatch: bool = False,  # noqa: FBT001, FBT002
    with_date_as_iso_string: bool = True,  # noqa: FBT001, FBT002
) -> Any:
    """Counts of CD8A, CD4 and CD14 in three samples, with nine columns of metadata.

    Args:
        otype: A pandas DataFrame, with the metadata of the study in `attrs`, or an AnnData,
            with it in `uns` and the counts in `X`.
        gene_symbols_in_index: Name genes by symbol instead of Ensembl id.
        with_typo: `"IFNJ"` for `"IFNG"` among the perturbations.
        with_cell_type_synonym: `"B-cell"` for `"B cell"`.
        with_cell_type_typo: `"CD8-pos alpha-beta T cell"`, which no ontology knows.
        with_gene_typo: `"GeneTypo"` for the third gene.
        with_outdated_gene: Accepted for compatibility; all three ids are current.
        with_wrong_subtype: A label that is no perturbation among the perturbations.
        with_index_type_mismatch: The integer 0 among the sample names.
        with_date_as_iso_string: The date of the study as text, else as a `date`.

    Example:
        >>> get_dataset1()["perturbation"].tolist()
        ['DMSO', 'IFNG', 'DMSO']
    """
    genes = _genes(["CD8A", "CD4", "CD14"], symbols=gene_symbols_in_index)
    if with_gene_typo:
        genes[2] = "GeneTypo"
    cell = "CD8-pos alpha-beta T cell" if with_cell_type_typo else "CD8-positive, alpha-beta T cell"
    columns: dict[str, list[Any]] = {
        "perturbation": [
            "DMSO",
            "IFNJ" if with_typo else "IFNG",
            "ulabel_but_not_perturbation" if with_wrong_subtype else "DMSO",
        ],
        "sample_note": ["was ok", "looks naah", "pretty! 🤩"],
        "cell_type_by_expert": ["B-cell" if with_cell_type_synonym else "B cell", cell, cell],
        "cell_type_by_model": ["B cell", "T cell", "T cell"],
        "assay_oid": [ASSAY[0]] * 3,
        "concentration": ["0.1%", "200 nM", "0.1%"],
        "treatment_time_h": [24, 24, 6],
        "donor": ["D0001", "D0002", None],
        "donor_ethnicity": [
            ["Chinese", "Singaporean Chinese"],
            ["Chinese", "Han Chinese"],
            ["Chinese"],
        ],
    }
    study = _study(1, 21.6, date(2024, 12, 1), iso=with_date_as_iso_string)
    study["study_note"] = (
        "We had a great time performing this study and the results look compelling."
    )
    samples = ["sample1", "sample2", 0 if with_index_type_mismatch else "sample3"]
    counts = [[1, 2, 3], [3, 4, 5], [5, 6, 7]]
    return _dataset(otype, dict(zip(genes, counts, strict=True)), columns, samples, study)


def get_dataset2(
    otype: Literal["DataFrame", "AnnData"] = "DataFrame",
    gene_symbols_in_index: bool = False,  # noqa: FBT001, FBT002 - the peer's signature
    with_date_as_iso_string: bool = True,  # noqa: FBT001, FBT002
) -> Any:
    """Counts of CD8A, CD4 and CD38 in three more samples, with five columns of metadata.

    Args:
        otype: See `get_dataset1`.
        gene_symbols_in_index: See `get_dataset1`.
        with_date_as_iso_string: See `get_dataset1`.

    Example:
        >>> get_dataset2()["donor"].tolist()
        ['D0003', 'D0003', 'D0004']
    """
    genes = _genes(["CD8A", "CD4", "CD38"], symbols=gene_symbols_in_index)
    columns: dict[str, list[Any]] = {
        "perturbation": ["DMSO", "IFNG", "IFNG"],
        "cell_type_by_model": ["B cell", "T cell", "T cell"],
        "concentration": ["0.1%", "200 nM", "0.1%"],
        "treatment_time_h": [24, 24, 6],
        "donor": ["D0003", "D0003", "D0004"],
    }
    study = _study(2, 22.6, date(2025, 2, 13), iso=with_date_as_iso_string)
    counts = [[2, 3, 3], [3, 4, 5], [4, 2, 3]]
    samples = ["sample4", "sample5", "sample6"]
    return _dataset(otype, dict(zip(genes, counts, strict=True)), columns, samples, study)


def define_features_labels() -> None:
    """Save the features and labels that the two data sets are validated with.

    The features belong to the feature type `ImmunoSamples`; perturbations are records of the
    type `Perturbations`; cell types, the assay and ethnicities are terms of their ontologies.
    """
    from lakehouse.orm import transaction
    from lakehouse.registries import Feature, Record

    bt = _bionty()

    with transaction(message="features and labels of mini_immuno"):
        kinds = Record(name="Perturbations", is_type=True, type=None).save()
        for name in ("DMSO", "IFNG"):
            Record(name=name, type=kinds).save()
        _save_terms()
        immuno = Feature(name="ImmunoSamples", is_type=True, type=None).save()
        for name, dtype, coerce in (
            ("perturbation", kinds, None),
            ("cell_type_by_expert", bt.CellType, None),
            ("cell_type_by_model", bt.CellType, None),
            ("assay_oid", bt.ExperimentalFactor.ontology_id, None),
            ("concentration", str, None),
            ("treatment_time_h", "num", True),
            ("donor", str, None),
            ("donor_ethnicity", "list[cat[bionty.Ethnicity]]", None),
        ):
            Feature(name=name, dtype=dtype, type=immuno, coerce=coerce).save()


def define_mini_immuno_schema_flexible() -> Schema:
    """Save the features and labels, and a schema that demands six of the columns.

    Other columns may be there, and are validated where they are named like a feature of the
    type `ImmunoSamples`.

    Returns:
        The saved schema `mini_immuno`.
    """
    from lakehouse.registries import Feature, Schema

    define_features_labels()
    immuno = Feature.get(name="ImmunoSamples")
    names = (
        "perturbation",
        "cell_type_by_model",
        "assay_oid",
        "donor",
        "concentration",
        "treatment_time_h",
    )
    return Schema(
        [Feature.get(name=name, type=immuno) for name in names],
        name="mini_immuno",
        itype=immuno,
        flexible=True,
    ).save()


def save_mini_immuno_datasets() -> None:
    """Save both data sets as `examples/dataset1.h5ad` and `examples/dataset2.h5ad`.

    They are validated against gene ids in `var` and features of the type `Cells` in `obs`, and
    annotated with what `uns` says of the study and a dictionary `study_metadata`.
    """
    from lakehouse.orm import transaction
    from lakehouse.registries import Artifact, Feature, Record, Schema

    bt = _bionty()

    with transaction(message="features and labels of mini_immuno"):
        cells = Feature(name="Cells", is_type=True, type=None).save()
        Feature(name="cell_type_by_model", dtype=bt.CellType, type=cells).save()
        Feature(name="cell_type_by_expert", dtype=bt.CellType, type=cells).save()
        Feature(name="perturbation", dtype=Record, type=cells).save()
        Feature(name="sample_note", dtype=str, type=cells).save()
        Feature(name="temperature", dtype=float).save()
        Feature(name="experiment", dtype=Record).save()
        Feature(name="date_of_study", dtype=date, coerce=True).save()
        Feature(name="study_note", dtype=str).save()
        Feature(name="study_metadata", dtype=dict).save()
        for name in ("DMSO", "IFNG", "Experiment 1", "Experiment 2"):
            Record(name=name).save()
        _save_terms()
        _save_genes()
        genes = Schema(name="valid_ensembl_gene_ids", itype=bt.Gene.ensembl_gene_id).save()
        schema = Schema(
            name="anndata_ensembl_gene_ids_and_obs_feature_type",
            otype="AnnData",
            slots={"obs": Schema(itype=cells).save(), "var.T": genes},
        ).save()
    details: tuple[dict[str, Any], ...] = (
        {"detail1": "123", "detail2": 1},
        {"detail1": "456", "detail2": 2},
    )
    for i, adata in enumerate((get_dataset1("AnnData"), get_dataset2("AnnData"))):
        artifact = Artifact.from_anndata(
            adata, key=f"examples/dataset{i + 1}.h5ad", schema=schema
        ).save()
        features: Any = artifact.features
        features.add_values({**adata.uns, "study_metadata": details[i]})


def _bionty() -> Any:
    # the registries are loaded by who saves labels, not by who wants a table
    from lakehouse import bionty

    return bionty


def _save_terms() -> None:
    bt = _bionty()

    for name, (oid, synonyms) in CELL_TYPES.items():
        _save_term(bt.CellType, name, oid, synonyms=synonyms)
    for name, oid in ETHNICITIES.items():
        _save_term(bt.Ethnicity, name, oid)
    _save_term(bt.ExperimentalFactor, ASSAY[1], ASSAY[0])


def _save_term(registry: Any, name: str, ontology_id: str, **fields: Any) -> None:
    """Save a term unless the registry has it, from a public source or from its user."""
    from lakehouse.orm import Q

    if not registry.filter(Q(ontology_id=ontology_id) | Q(name=name)).exists():
        registry(name=name, ontology_id=ontology_id, **fields).save()


def _save_genes() -> None:
    bt = _bionty()

    human = bt.Organism.filter(name="human").first()
    if human is None:
        human = bt.Organism(
            name="human", ontology_id="NCBITaxon:9606", scientific_name="homo_sapiens"
        ).save()
    for symbol, ensembl in GENES.items():
        if not bt.Gene.filter(ensembl_gene_id=ensembl).exists():
            bt.Gene(symbol=symbol, ensembl_gene_id=ensembl, organism=human).save()


def _genes(names: list[str], *, symbols: bool) -> list[str]:
    return list(names) if symbols else [GENES[n] for n in names]


def _study(number: int, temperature: float, day: date, *, iso: bool) -> dict[str, Any]:
    return {
        "temperature": temperature,
        "experiment": f"Experiment {number}",
        "date_of_study": day.isoformat() if iso else day,
    }


def _dataset(
    otype: str,
    counts: dict[str, list[int]],
    columns: dict[str, list[Any]],
    samples: list[Any],
    study: dict[str, Any],
) -> Any:
    pd = require("pandas", "make an example table")
    frame = pd.DataFrame(counts | columns, index=pd.Index(samples, dtype=object))
    for name in ("perturbation", "cell_type_by_expert", "cell_type_by_model", "assay_oid"):
        if name in columns:
            frame[name] = frame[name].astype("category")
    if otype == "DataFrame":
        frame.attrs = study
        return frame
    anndata = require("anndata", "make an example AnnData")
    obs = frame.drop(columns=[*counts, *(n for n in _NOT_OBS if n in columns)])
    obs.index = obs.index.astype(str)
    adata = anndata.AnnData(
        X=frame[list(counts)].to_numpy(), obs=obs, var=pd.DataFrame(index=list(counts))
    )
    adata.uns.update(study)
    return adata
