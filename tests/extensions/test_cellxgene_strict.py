"""CELLxGENE as it is published: a small valid dataset, and variants that break one rule each."""

from __future__ import annotations

import anndata as ad
import numpy as np
import pandas as pd
import pytest
from scipy import sparse

import lakehouse as ln
import lakehouse.bionty as bt

TERMS = {
    "ExperimentalFactor": {
        "EFO:0002772": ("assay by molecule", None),
        "EFO:0009899": ("10x 3' v2", "EFO:0002772"),
        "EFO:0030080": ("10x", "EFO:0002772"),
        "EFO:0009922": ("10x 3' v3", "EFO:0030080"),
        "EFO:0000001": ("factor", None),
    },
    "CellType": {
        "CL:0000000": ("cell", None),
        "CL:0000084": ("T cell", "CL:0000000"),
        "CL:0000255": ("eukaryotic cell", "CL:0000000"),
    },
    "Disease": {
        "MONDO:0000001": ("disease", None),
        "MONDO:0004975": ("Alzheimer disease", "MONDO:0000001"),
        "MONDO:0005015": ("diabetes mellitus", "MONDO:0000001"),
        "MONDO:0021125": ("disease characteristic", None),
    },
    "Tissue": {"UBERON:0001062": ("entity", None), "UBERON:0002048": ("lung", "UBERON:0001062")},
    "CellLine": {"CVCL_0023": ("A549", None)},
    "Ethnicity": {
        "HANCESTRO:0602": ("geography", None),
        "HANCESTRO:0612": ("one", "HANCESTRO:0602"),
        "HANCESTRO:0614": ("other", "HANCESTRO:0602"),
    },
    "DevelopmentalStage": {
        "HsapDv:0000001": ("life", None),
        "HsapDv:0000003": ("stage", "HsapDv:0000001"),
    },
}
GENES = ["ENSG00000000457", "ENSG00000000419", "ERCC-00002"]
DISEASE = "disease_ontology_term_id"
CELL = "cell_type_ontology_term_id"
TISSUE = "tissue_ontology_term_id"
ETHNICITY = "self_reported_ethnicity_ontology_term_id"
STAGE = "development_stage_ontology_term_id"
SEX = "sex_ontology_term_id"
ASSAY = "assay_ontology_term_id"


@pytest.fixture(scope="module")
def schema(tmp_path_factory):
    ln.setup.init(storage=str(tmp_path_factory.mktemp("cxg") / "lake"), modules="bionty")
    with ln.transaction():
        human = bt.Organism(name="human", ontology_id="NCBITaxon:9606").save()
        # the organism of spike-ins, as it is called elsewhere
        bt.Organism(name="synthetic construct", ontology_id="NCBITaxon:32630").save()
        for gene in GENES[:2]:
            bt.Gene(symbol=gene, ensembl_gene_id=gene, organism=human).save()
    for registry, terms in TERMS.items():
        saved = {}
        for ontology_id, (name, above) in terms.items():
            term = getattr(bt, registry)(name=name, ontology_id=ontology_id).save()
            if above is not None:
                term.parents.add(saved[above])
            saved[ontology_id] = term
    yield ln.examples.schemas.cellxgene()
    ln.setup.close()


def example():
    counts = np.array([[3, 0, 0], [0, 4, 0], [1, 0, 2], [0, 0, 5]], dtype="float32")
    obs = pd.DataFrame(
        {
            ASSAY: "EFO:0009922",
            CELL: ["CL:0000084", "unknown", "CL:0000000", "CL:0000084"],
            STAGE: "HsapDv:0000003",
            DISEASE: [
                "MONDO:0004975",
                "PATO:0000461",
                "MONDO:0004975 || MONDO:0005015",
                "MONDO:0005015",
            ],
            ETHNICITY: ["unknown", "HANCESTRO:0612", "HANCESTRO:0612 || HANCESTRO:0614", "unknown"],
            SEX: ["PATO:0000383", "PATO:0000384", "unknown", "PATO:0001340"],
            TISSUE: "UBERON:0002048",
            "tissue_type": "tissue",
            "suspension_type": "cell",
            "donor_id": ["d1", "d2", "d1", "d2"],
        },
        index=list("abcd"),
        dtype="category",
    )
    obs["is_primary_data"] = True
    var = pd.DataFrame({"feature_is_filtered": [False] * 3}, index=GENES)
    adata = ad.AnnData(sparse.csr_matrix(counts), obs=obs, var=var)
    adata.obsm["X_umap"] = np.ones((4, 2), dtype="float32")
    adata.uns |= {"title": "An example", "organism_ontology_term_id": "NCBITaxon:9606"}
    raw = adata.copy()
    del raw.var["feature_is_filtered"]
    adata.raw = raw
    adata.X = adata.X.log1p()
    return adata


def cells(**columns):
    def change(adata):
        for name, value in columns.items():
            values = value if isinstance(value, list) else [value] * adata.n_obs
            adata.obs[name] = pd.Categorical(values)

    return change


def cell_line(**columns):
    same = {CELL: "na", STAGE: "na", ETHNICITY: "na", SEX: "na", "donor_id": "na"}
    return cells(tissue_type="cell line", **{TISSUE: "CVCL_0023", **same, **columns})


def uns(key, value):
    return lambda adata: adata.uns.__setitem__(key, value)


def obsm(key, value):
    return lambda adata: adata.obsm.__setitem__(key, value)


def raw(change):
    def apply(adata):
        made = adata.raw.to_adata()
        made.X = change(made.X)
        adata.raw = made

    return apply


def repeated(matrix):
    dense = matrix.toarray()
    dense[1] = dense[0]
    return sparse.csr_matrix(dense)


def emptied(matrix):
    dense = matrix.toarray()
    dense[0] = 0
    return sparse.csr_matrix(dense)


VALID = {
    "as it is": lambda adata: None,
    "a cell line": cell_line(),
    "a culture": cells(tissue_type="primary cell culture", **{TISSUE: "CL:0000084"}),
    "counts only": lambda adata: (setattr(adata, "X", adata.raw.X.copy()), delattr(adata, "raw")),
    "colors": uns("donor_id_colors", np.array(["#ff0000", "#00ff00"], dtype=object)),
    "a default embedding": uns("default_embedding", "X_umap"),
}
BROKEN = {
    "not in order": (cells(**{DISEASE: "MONDO:0005015 || MONDO:0004975"}), DISEASE),
    "twice": (cells(**{DISEASE: "MONDO:0004975 || MONDO:0004975"}), DISEASE),
    "normal and ill": (cells(**{DISEASE: "MONDO:0004975 || PATO:0000461"}), DISEASE),
    "another branch": (cells(**{DISEASE: "MONDO:0021125"}), DISEASE),
    "the root itself": (cells(**{DISEASE: "MONDO:0000001"}), DISEASE),
    "an unknown one of two": (cells(**{DISEASE: "MONDO:0004975 || MONDO:9"}), DISEASE),
    "no assay": (cells(**{ASSAY: "EFO:0000001"}), ASSAY),
    "a forbidden cell type": (cells(**{CELL: "CL:0000255"}), CELL),
    "na but no cell line": (cells(**{CELL: "na"}), CELL),
    "some of a cell line": (cell_line(**{CELL: ["na", "na", "CL:0000084", "na"]}), CELL),
    "the sex of a cell line": (cell_line(**{SEX: "PATO:0000383"}), SEX),
    "the donor of a cell line": (cell_line(donor_id="d1"), "donor_id"),
    "a tissue as cell line": (cell_line(**{TISSUE: "UBERON:0002048"}), TISSUE),
    "a cell as tissue": (cells(**{TISSUE: "CL:0000084"}), TISSUE),
    "unknown and known": (cells(**{ETHNICITY: "HANCESTRO:0612 || unknown"}), ETHNICITY),
    "suspension of the assay": (cells(suspension_type="na"), "suspension_type"),
    "donors not categorical": (
        lambda adata: setattr(adata, "obs", adata.obs.astype({"donor_id": str})),
        "donor_id",
    ),
    "cells of one name": (lambda adata: setattr(adata, "obs_names", list("aacd")), "index"),
    "a reserved name": (cells(__x="a"), "__x"),
    "spaces": (uns("title", " A  title"), "title"),
    "no such embedding": (uns("default_embedding", "X_tsne"), "default_embedding"),
    "no such column": (uns("batch_condition", ["x"]), "batch_condition"),
    "nothing": (uns("log", {}), "log"),
    "too few colors": (uns("donor_id_colors", np.array(["red"], dtype=object)), "donor_id_colors"),
    "spatial": (uns("spatial", {"is_single": True}), "spatial"),
    "no embedding": (lambda adata: adata.obsm.clear(), "obsm"),
    "one dimension": (obsm("X_one", np.ones((4, 1))), "X_one"),
    "infinite": (obsm("X_inf", np.full((4, 2), np.inf)), "X_inf"),
    "float64": (raw(lambda x: x.astype("float64")), "raw.X"),
    "fractions": (raw(lambda x: x * np.float32(0.3)), "raw.X"),
    "negative": (raw(lambda x: -x), "raw.X"),
    "same counts": (raw(repeated), "raw.X"),
    "an empty cell": (raw(emptied), "raw.X"),
    "columns first": (lambda adata: setattr(adata, "X", adata.X.tocsc()), "X"),
    "dense": (lambda adata: setattr(adata, "X", adata.X.toarray()), "X"),
    "other genes": (lambda adata: setattr(adata, "raw", adata.raw.to_adata()[:, ::-1]), "raw.var"),
    "filtered without raw": (
        lambda adata: (
            setattr(adata, "X", adata.raw.X.copy()),
            delattr(adata, "raw"),
            adata.var.__setitem__("feature_is_filtered", [True, False, False]),
        ),
        "feature_is_filtered",
    ),
    "perturbed without description": (
        cells(genetic_perturbation_id=["g", "na", "na", "na"]),
        "genetic_perturbation_id",
    ),
}  # fmt: skip


def failures(schema, change, path=None):
    adata = example()
    change(adata)
    if path is not None:
        adata.write_h5ad(path)
    return ln.curators.AnnDataCurator(adata if path is None else path, schema).check().failures


@pytest.mark.slow
@pytest.mark.parametrize("name", VALID)
def test_valid(schema, name, tmp_path):
    assert failures(schema, VALID[name]) == ()
    assert failures(schema, VALID[name], tmp_path / "a.h5ad") == ()


@pytest.mark.slow
@pytest.mark.parametrize("name", BROKEN)
def test_broken(schema, name):
    change, column = BROKEN[name]
    found = failures(schema, change)
    assert {f.column for f in found} == {column}
    assert all(f.hint for f in found)


@pytest.mark.parametrize(
    "name", ["another branch", "fractions", "same counts", "infinite", "spaces"]
)
def test_broken_in_a_file(schema, name, tmp_path):
    change, column = BROKEN[name]
    assert {f.column for f in failures(schema, change, tmp_path / "a.h5ad")} == {column}


def test_what_is_said(schema):
    (found,) = failures(schema, raw(repeated))
    assert (found.slot, found.count, found.rows) == ("raw.X", 2, (0, 1))
    (found,) = failures(schema, cell_line(**{SEX: ["PATO:0000383", "na", "na", "na"]}))
    assert (found.value, found.count, found.rows) == ("PATO:0000383", 1, (0,))
    assert (found.expected, found.found) == ("na", "'tissue_type' is cell line")


def test_artifacts_are_linked_to_each_of_several_terms(schema):
    artifact = ln.Artifact.from_anndata(example(), key="cells.h5ad", schema=schema).save()
    names = artifact.diseases.to_list("name")
    assert {"Alzheimer disease", "diabetes mellitus", "normal"} <= set(names)
    wrong = example()
    wrong.obsm.clear()
    with pytest.raises(ln.errors.ValidationError, match="embedding"):
        ln.Artifact.from_anndata(wrong, key="wrong.h5ad", schema=schema)


def test_made_again_it_is_the_same(schema):
    genes = bt.Gene.filter().count()
    assert genes > len(GENES)
    assert ln.examples.schemas.cellxgene() == schema
    assert bt.Gene.filter().count() == genes
