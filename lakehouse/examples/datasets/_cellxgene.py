"""Data sets shaped like those of CELLxGENE: ontology ids in `obs`, genes in `var`."""

from __future__ import annotations

from typing import Any, Literal

from lakehouse._lazy import require

_DEFAULTS = {
    "cell_type_ontology_term_id": ["CL:0000084", "CL:0000236", "CL:0000236"],
    "self_reported_ethnicity_ontology_term_id": ["na"] * 3,
    "assay_ontology_term_id": ["EFO:1001982"] * 3,
    "assay": ["single-cell RNA sequencing"] * 3,
}


def small_dataset3_cellxgene(
    otype: Literal["DataFrame", "AnnData"] = "AnnData",
    *,
    with_obs_defaults: bool = False,
    with_var_typo: bool = False,
    with_obs_typo: bool = False,
    with_uns_organism: bool = False,
    with_uns_spatial: bool = False,
) -> Any:
    """Three cells and three genes with the columns that CELLxGENE asks for.

    Args:
        otype: An AnnData, or the pandas DataFrame that it is made of.
        with_obs_defaults: Further columns of `obs`: ids of cell types, ethnicities and assays.
        with_var_typo: `"invalid_ensembl_id"` for the first gene.
        with_obs_typo: `"UBERON:0002048XXX"` for the id of the lung.
        with_uns_organism: The organism in `uns` instead of `obs`.
        with_uns_spatial: A library with an image of 2000 x 2000 pixels in `uns["spatial"]`.
    """
    pd = require("pandas", "make an example table")
    genes = ["ENSG00000000457", "ENSG00000000419", "ENSG00000139618"]
    if with_var_typo:
        genes[0] = "invalid_ensembl_id"
    lung = "UBERON:0002048XXX" if with_obs_typo else "UBERON:0002048"
    cells = pd.Index(["barcode1", "barcode2", "barcode3"])
    counts = pd.DataFrame([[2.0, 3.0, 4.0], [3.0, 4.0, 2.0], [3.0, 5.0, 3.0]], cells, genes)
    obs = pd.DataFrame(
        {
            "disease_ontology_term_id": ["MONDO:0004975", "MONDO:0004980", "MONDO:0004980"],
            "development_stage_ontology_term_id": ["unknown"] * 3,
            "sex_ontology_term_id": ["PATO:0000383", "PATO:0000384", "unknown"],
            "tissue_ontology_term_id": [lung, lung, "UBERON:0000948"],
            "cell_type": ["T cell", "B cell", "B cell"],
            "self_reported_ethnicity": ["South Asian"] * 3,
            "donor_id": pd.Categorical(["-1", "1", "2"]),
            "is_primary_data": [False] * 3,
            "suspension_type": ["cell"] * 3,
            "tissue_type": ["tissue"] * 3,
        },
        index=cells,
    )
    if with_obs_defaults:
        for name, values in _DEFAULTS.items():
            obs[name] = values
    if otype == "DataFrame":
        return pd.concat([counts, obs], axis=1)
    uns: dict[str, Any] = {"title": "CELLxGENE example"}
    if with_uns_organism:
        uns |= {"organism_ontology_term_id": "NCBITaxon:9606", "organism": "Homo sapiens"}
    else:
        obs["organism_ontology_term_id"] = "NCBITaxon:9606"
    if with_uns_spatial:
        uns["spatial"] = {"is_single": True, "library_123": _library()}
    anndata = require("anndata", "make an example AnnData")
    np = require("numpy", "make an example AnnData")
    adata = anndata.AnnData(
        X=counts.to_numpy(dtype="float32"),
        obs=obs,
        var=pd.DataFrame({"feature_is_filtered": [False] * 3}, index=genes),
        obsm={"X_pca": np.asarray([[-1.2, 0.8], [0.5, -0.3], [0.7, -0.5]])},
    )
    adata.uns.update(uns)
    return adata


def _library() -> dict[str, Any]:
    np = require("numpy", "make an example image")
    image = np.random.default_rng(0).integers(0, 256, (2000, 2000, 3), dtype=np.uint8)
    scale = {"spot_diameter_fullres": 165.0, "tissue_hires_scalef": 0.5}
    return {"scalefactors": scale, "images": {"hires": image}}


def dict_cellxgene_uns() -> dict[str, Any]:
    """What the `uns` of a spatial CELLxGENE data set may hold: an organism and two libraries.

    Example:
        >>> dict_cellxgene_uns()["organism_ontology_term_id"]
        'NCBITaxon:9606'
    """
    libraries = {
        "library_1": _described("", spot=89.43, scale=0.177),
        "library_2": _described("_2", spot=120.34, scale=0.355),
    }
    return {
        "organism_ontology_term_id": "NCBITaxon:9606",
        "spatial": {"is_single": True, **libraries},
    }


def _described(ending: str, *, spot: float, scale: float) -> dict[str, Any]:
    return {
        "images": {
            "fullres": f"path/to/fullres{ending}.jpg",
            "hires": f"path/to/hires{ending}.jpg",
        },
        "scalefactors": {"spot_diameter_fullres": spot, "tissue_hires_scalef": scale},
    }
