"""Data sets of several modalities, and spatial ones."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from typing import Any

from lakehouse._lazy import require
from lakehouse.examples.datasets._cells import category, ensembl, matrix, symbols


def mudata_papalexi21_subset(with_uns: bool = False) -> Any:  # noqa: FBT001, FBT002
    """200 cells with four modalities: RNA, surface proteins, hashtags and guides.

    Args:
        with_uns: Also say in `uns` what the study was.
    """
    np = require("numpy", "make an example MuData")
    mudata = require("mudata", "make an example MuData")
    draw = np.random.default_rng(21)
    n = 200
    kinds = draw.integers(0, 2, n)
    cells = [f"l{i % 8 + 1}_{i:05d}" for i in range(n)]
    proteins = ["CD86", "PDL1", "PDL2", "CD366"]
    hashtags = [f"rep{i}-tx" for i in range(1, 5)]
    guides = [f"{gene}g{i}" for gene in ("BRD4", "IFNGR1", "STAT1", "eGFP") for i in (1, 2)]
    parts = {
        name: matrix(cells, genes, {}, {}, kinds, draw)
        for name, genes in (
            ("rna", symbols(120)),
            ("adt", proteins),
            ("hto", hashtags),
            ("gdo", guides),
        )
    }
    rna, hto = parts["rna"], parts["hto"]
    rna.obs["nCount_RNA"] = rna.X.sum(axis=1).astype("int64")
    rna.obs["nFeature_RNA"] = (rna.X > 0).sum(axis=1)
    rna.obs["percent.mito"] = draw.uniform(0, 10, n)
    hto.obs["nCount_HTO"] = hto.X.sum(axis=1).astype("float64")
    hto.obs["nFeature_HTO"] = (hto.X > 0).sum(axis=1)
    hto.obs["technique"] = category(["cell hashing"] * n)
    with without_pulling(mudata):
        mdata = mudata.MuData(parts)
    mdata.obs["perturbation"] = category([("NT", "Perturbed")[k] for k in kinds])
    mdata.obs["replicate"] = category([f"rep{i % 3 + 1}" for i in range(n)])
    if with_uns:
        study = {"study_metadata": {"temperature": 21.6, "experiment": "Experiment 1"}}
        mdata.uns.update(study)
        rna.uns["site_metadata"] = {"pos": 99.9, "site_id": "SITE001"}
    return mdata


def without_pulling(mudata: Any) -> AbstractContextManager[Any]:
    """A `with` statement in which a MuData doesn't copy the columns of its modalities.

    Since 0.4 it doesn't anyway.
    """
    options = getattr(mudata, "set_options", None)
    return nullcontext() if options is None else options(pull_on_update=False)


def spatialdata_blobs() -> Any:
    """The blobs that spatialdata makes, with sample metadata in `attrs` and in the table.

    Raises:
        MissingExtra: spatialdata isn't installed.
    """
    require("spatialdata", "make example spatial data")
    blobs = require("spatialdata.datasets", "make example spatial data").blobs()
    genes = ["ENSG00000139618", "ENSG00000157764", "ENSG00000999999"]
    table = blobs.tables["table"]
    table.var_names = genes[: table.n_vars]
    table.obs["sample_region"] = "sample region"
    blobs.attrs["bio"] = {"disease": "Alzheimer disease", "developmental_stage": "adult stage"}
    blobs.attrs["tech"] = {"assay": "Visium Spatial Gene Expression"}
    blobs.attrs["random_int"] = 20
    return blobs


def anndata_suo22_Visium10X() -> Any:  # noqa: N802 - the peer's name
    """A liver section: 100 spots and 100 genes with places and an image's scale."""
    return _section("F121_LP1_4LIV", seed=22)


def anndata_visium_mouse_cellxgene() -> Any:
    """A thymus section of a mouse with the columns that CELLxGENE asks for."""
    adata = _section("zhang_2024_pcw56", seed=56)
    ids = {
        "organism_ontology_term_id": "NCBITaxon:10090",
        "assay_ontology_term_id": "EFO:0022857",
        "tissue_ontology_term_id": "UBERON:0002370",
        "disease_ontology_term_id": "PATO:0000461",
        "sex_ontology_term_id": "PATO:0000383",
        "cell_type_ontology_term_id": "unknown",
    }
    for name, value in ids.items():
        adata.obs[name] = category([value] * adata.n_obs)
    adata.obs["is_primary_data"] = True
    return adata


def _section(sample: str, seed: int) -> Any:
    np = require("numpy", "make an example AnnData")
    draw = np.random.default_rng(seed)
    side = 10
    rows, columns = np.divmod(np.arange(side * side), side)
    obs = {
        "in_tissue": np.ones(side * side, dtype=int),
        "array_row": rows,
        "array_col": columns,
        "sample": category([sample] * side * side),
    }
    spots = [f"{sample}_{i:04d}" for i in range(side * side)]
    kinds = (rows >= side // 2).astype(int)
    adata = matrix(spots, ensembl(100), obs, {}, kinds, draw)
    adata.obsm["spatial"] = np.column_stack([columns, rows]) * 100.0
    scale = {"spot_diameter_fullres": 89.43, "tissue_hires_scalef": 0.177}
    adata.uns["spatial"] = {sample: {"scalefactors": scale}}
    return adata
