"""Annotated matrices of single cells, drawn at random with a fixed seed.

Each has the columns, categories and slots of the study that it is named after, and fewer cells
and genes.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from lakehouse._lazy import require

_BLOOD = (
    "CD4+/CD25 T Reg",
    "CD4+/CD45RO+ Memory",
    "CD8+ Cytotoxic T",
    "CD8+/CD45RA+ Naive Cytotoxic",
    "CD14+ Monocytes",
    "CD19+ B",
    "CD34+",
    "CD56+ NK",
    "Dendritic cells",
)
_SYMBOLS = (
    *("HES4", "TNFRSF4", "SSU72", "PARK7", "RBP7", "SRM", "MAD2L2", "AGTRAP", "TNFRSF1B", "EFHD2"),
    *("CD8A", "CD4", "CD14", "CD19", "MS4A1", "NKG7", "GNLY", "CST3", "PPBP", "CD3D", "CD38"),
    *("IL7R", "CCR7", "LYZ", "S100A8", "FCGR3A", "MS4A7", "FCER1A", "TCF7", "BRCA2", "TP53"),
)
# Stable ids of the first human genes in Ensembl's order.
_ENSEMBL = (
    *(3, 5, 419, 457, 460, 938, 971, 1036, 1084, 1167, 1460, 1461, 1497, 1561, 1617, 1626),
    *(1629, 1630, 1631, 2016, 2079, 2330, 2549, 2586, 2587, 2726, 2745, 2746, 2822, 2834),
)


def anndata_pbmc68k_reduced() -> Any:
    """70 blood cells and 100 genes with clusters, components, an embedding and neighbours."""
    return _blood(70, 100, seed=68)


def anndata_file_pbmc68k_test() -> Path:
    """Write `pbmc68k_test.h5ad`: 30 of these cells with every slot filled, also `raw`."""
    sparse = require("scipy.sparse", "make an example AnnData")
    adata = anndata_pbmc68k_reduced()[:30].copy()
    adata.raw = adata[:, :50]
    adata.obsp["test"] = sparse.eye(adata.n_obs, format="csr")
    adata.varp["test"] = sparse.eye(adata.n_vars, format="csr")
    adata.layers["test"] = sparse.csr_matrix(adata.X)
    path = Path("pbmc68k_test.h5ad")
    adata.write_h5ad(path)
    return path


def anndata_pbmc3k_processed() -> Any:
    """200 blood cells and 120 genes, clustered; genes by symbol."""
    adata = _blood(200, 120, seed=3)
    adata.obs["n_counts"] = adata.X.sum(axis=1)
    return adata


def _blood(n_cells: int, n_genes: int, seed: int) -> Any:
    np = require("numpy", "make an example AnnData")
    pd = require("pandas", "make an example AnnData")
    sparse = require("scipy.sparse", "make an example AnnData")
    draw = np.random.default_rng(seed)
    kinds = draw.integers(0, len(_BLOOD), n_cells)
    obs = {
        "cell_type": pd.Categorical([_BLOOD[k] for k in kinds], categories=list(_BLOOD)),
        "n_genes": draw.integers(200, 2000, n_cells),
        "percent_mito": draw.uniform(0, 0.05, n_cells).astype("float32"),
        "louvain": pd.Categorical([str(k) for k in kinds]),
    }
    var = {
        "n_counts": draw.uniform(1, 5000, n_genes).astype("float32"),
        "highly_variable": draw.random(n_genes) < 0.3,
    }
    adata = matrix(_barcodes(n_cells, draw), symbols(n_genes), obs, var, kinds, draw)
    components = draw.normal(size=(n_cells, 10)).astype("float32") + kinds[:, None]
    adata.obsm["X_pca"] = components
    adata.obsm["X_umap"] = components[:, :2] + draw.normal(scale=0.1, size=(n_cells, 2))
    adata.varm["PCs"] = draw.normal(size=(n_genes, 10)).astype("float32")
    near = sparse.csr_matrix((kinds[:, None] == kinds[None, :]).astype("float32"))
    adata.obsp["connectivities"] = near
    adata.obsp["distances"] = near
    adata.uns["louvain"] = {"params": {"resolution": 1.0, "random_state": 0}}
    adata.uns["louvain_colors"] = np.array([f"#{i * 25:02x}4080" for i in range(len(_BLOOD))])
    adata.uns["neighbors"] = {"params": {"method": "umap", "n_neighbors": 15}}
    adata.uns["pca"] = {"variance": draw.random(10)}
    return adata


def anndata_human_immune_cells(populate_registries: bool = False) -> Any:  # noqa: FBT001, FBT002
    """400 immune cells of twelve donors in six tissues; 200 genes by Ensembl id.

    Args:
        populate_registries: Save the species as a term, as if it was known.
    """
    np = require("numpy", "make an example AnnData")
    draw = np.random.default_rng(62)
    n = 400
    kinds = draw.integers(0, 6, n)
    cells = (
        "classical monocyte",
        "CD8-positive, alpha-beta memory T cell",
        "naive B cell",
        "plasma cell",
        "group 3 innate lymphoid cell",
        "gamma-delta T cell",
    )
    tissues = ("blood", "thoracic lymph node", "spleen", "mesenteric lymph node", "lung", "liver")
    obs = {
        "donor": category([f"D{k:03d}" for k in draw.integers(496, 508, n)]),
        "tissue": category([tissues[k] for k in draw.integers(0, len(tissues), n)]),
        "cell_type": category([cells[k] for k in kinds]),
        "assay": category([("10x 3' v3", "10x 5' v2")[k] for k in draw.integers(0, 2, n)]),
    }
    adata = matrix(_barcodes(n, draw), ensembl(200), obs, {}, kinds, draw)
    adata.uns["default_embedding"] = "X_umap"
    adata.obsm["X_umap"] = draw.normal(size=(n, 2)) + kinds[:, None]
    if populate_registries:
        _save_organism("human", "NCBITaxon:9606")
    return adata


def anndata_mouse_sc_lymph_node(populate_registries: bool = False) -> Any:  # noqa: FBT001, FBT002
    """300 cells of mouse lymph nodes with the wordy columns of a public archive.

    Args:
        populate_registries: Save the species as a term, as if it was known.
    """
    np = require("numpy", "make an example AnnData")
    draw = np.random.default_rng(84)
    n = 300
    kinds = draw.integers(0, 3, n)
    names = ("hematopoietic system", "stromal cell", "endothelial cell")
    obs = {
        "Characteristics[organism]": category(["Mus musculus"] * n),
        "Factor Value[inferred cell type - ontology labels]": category([names[k] for k in kinds]),
        "Characteristics[organism part]": category(["inguinal lymph node"] * n),
        "Characteristics[age]": draw.integers(6, 9, n),
        "Unit[time unit]": category(["week"] * n),
    }
    genes = [f"ENSMUSG{i * 17 + 1:011d}" for i in range(150)]
    adata = matrix(_barcodes(n, draw), genes, obs, {}, kinds, draw)
    if populate_registries:
        _save_organism("mouse", "NCBITaxon:10090")
    return adata


def anndata_with_obs() -> Any:
    """40 cells and 100 genes whose cell types, tissues and diseases are names of terms.

    One cell type in four is none that an ontology knows.

    Example:
        >>> anndata_with_obs().obs["cell_type"].nunique()
        4
    """
    np = require("numpy", "make an example AnnData")
    draw = np.random.default_rng(40)
    cells = {
        "T cell": "CL:0000084",
        "hematopoietic stem cell": "CL:0000037",
        "hepatocyte": "CL:0000182",
        "my new cell type": "",
    }
    obs = {
        "cell_type": list(cells) * 10,
        "cell_type_id": list(cells.values()) * 10,
        "tissue": ["kidney", "liver", "heart", "brain"] * 10,
        "disease": [
            "chronic kidney disease",
            "liver lymphoma",
            "cardiac ventricle disorder",
            "Alzheimer disease",
        ]
        * 10,
    }
    kinds = np.tile(np.arange(4), 10)
    return matrix([f"cell{i}" for i in range(40)], ensembl(100), obs, {}, kinds, draw)


def schmidt22_perturbseq(basedir: str | Path = ".") -> Path:
    """Write `schmidt22_perturbseq.h5ad`: 200 T cells in clusters of a CRISPR activation screen.

    Args:
        basedir: Where the file goes.
    """
    np = require("numpy", "make an example AnnData")
    draw = np.random.default_rng(23)
    kinds = draw.integers(0, 5, 200)
    names = ("IFNG high 1", "IFNG high 2", "IL2 high", "Negative regulators", "Proliferative")
    obs = {"cluster_name": category([names[k] for k in kinds])}
    adata = matrix(_barcodes(200, draw), symbols(100), obs, {}, kinds, draw)
    path = Path(basedir) / "schmidt22_perturbseq.h5ad"
    adata.write_h5ad(path)
    return path


def matrix(cells: list[str], genes: list[str], obs: Any, var: Any, kinds: Any, draw: Any) -> Any:
    """Counts that differ between kinds of cells."""
    anndata = require("anndata", "make an example AnnData")
    pd = require("pandas", "make an example AnnData")
    rates = draw.gamma(0.5, 2, size=(int(kinds.max()) + 1, len(genes)))
    return anndata.AnnData(
        X=draw.poisson(rates[kinds]).astype("float32"),
        obs=pd.DataFrame(obs, index=pd.Index(cells, dtype=object)),
        var=pd.DataFrame(var, index=pd.Index(genes, dtype=object)),
    )


def _barcodes(n: int, draw: Any) -> list[str]:
    letters = draw.choice(list("ACGT"), size=(n, 14))
    return ["".join(row) + f"-{i}" for i, row in enumerate(letters)]


def symbols(n: int) -> list[str]:
    """Gene symbols, the first of them real."""
    return [*_SYMBOLS, *(f"GENE{i}" for i in range(n))][:n]


def ensembl(n: int) -> list[str]:
    """Ensembl gene ids, the first of them real."""
    known = [f"ENSG{i:011d}" for i in _ENSEMBL]
    return [*known, *(f"ENSG{900_000 + i:011d}" for i in range(n))][:n]


def category(values: list[str]) -> Any:
    """A pandas Categorical."""
    return require("pandas", "make an example AnnData").Categorical(values)


def _save_organism(name: str, ontology_id: str) -> None:
    from lakehouse import bionty as bt

    bt.Organism(name=name, ontology_id=ontology_id).save()
