"""The CELLxGENE schema, on a small dataset that fulfils it and on broken variants."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

import lakehouse as ln
import lakehouse.bionty as bt
from lakehouse.errors import InvalidArgument, ValidationError

pytestmark = pytest.mark.usefixtures("lake")

TERMS = {
    "ExperimentalFactor": {"10x 3' v2": "EFO:0009899"},
    "CellType": {"T cell": "CL:0000084", "B cell": "CL:0000236"},
    "Disease": {"Alzheimer disease": "MONDO:0004975"},
    "Tissue": {"lung": "UBERON:0002048"},
}
GENES = ("ENSG00000000457", "ENSG00000000419", "ENSG00000139618")


@pytest.fixture
def schema(lake):
    human = bt.Organism(name="human", ontology_id="NCBITaxon:9606").save()
    mouse = bt.Organism(name="mouse", ontology_id="NCBITaxon:10090").save()
    for i, gene in enumerate(GENES):
        bt.Gene(symbol=f"G{i}", ensembl_gene_id=gene, organism=human).save()
    bt.Gene(symbol="Mm", ensembl_gene_id="ENSMUSG00000000001", organism=mouse).save()
    for registry, terms in TERMS.items():
        for name, ontology_id in terms.items():
            getattr(bt, registry)(name=name, ontology_id=ontology_id).save()
    ln.examples.cellxgene.save_cellxgene_defaults()
    return ln.examples.cellxgene.create_cellxgene_schema()


def example():
    adata = ln.examples.datasets.small_dataset3_cellxgene(with_uns_organism=True)
    del adata.uns["organism"]  # a label, which is added when the data are published
    adata.obs = pd.DataFrame(
        {
            "assay_ontology_term_id": "EFO:0009899",
            "cell_type_ontology_term_id": ["CL:0000084", "CL:0000236", "unknown"],
            "development_stage_ontology_term_id": "unknown",
            "disease_ontology_term_id": ["PATO:0000461", "MONDO:0004975", "PATO:0000461"],
            "self_reported_ethnicity_ontology_term_id": "unknown",
            "sex_ontology_term_id": ["PATO:0000383", "PATO:0000384", "unknown"],
            "tissue_ontology_term_id": "UBERON:0002048",
            "tissue_type": "tissue",
            "suspension_type": "cell",
            "donor_id": ["d1", "d2", "d3"],
            "is_primary_data": True,
        },
        index=adata.obs_names,
    )
    return adata


def broken(change):
    adata = example()
    change(adata)
    return adata


def test_an_example_that_fulfils_it(schema, tmp_path):
    adata = example()
    artifact = ln.Artifact.from_anndata(adata, key="c.h5ad", schema=schema).save()
    assert artifact.tissues.to_list("name") == ["lung"]
    assert artifact.features.slots["var"].n == 2
    ln.curators.AnnDataCurator(artifact, schema).validate()
    assert ln.examples.cellxgene.create_cellxgene_schema() == schema


def _set(slot, name, value):
    def change(adata):
        getattr(adata, slot)[name] = value

    return change


def _drop(slot, name):
    def change(adata):
        del getattr(adata, slot)[name]

    return change


def _rename_genes(first):
    def change(adata):
        adata.var_names = [first, *GENES[1:]]

    return change


@pytest.mark.slow
@pytest.mark.parametrize(
    ("change", "column"),
    [
        (_set("obs", "tissue_ontology_term_id", "UBERON:0002048XXX"), "tissue_ontology_term_id"),
        (_set("obs", "cell_type_ontology_term_id", "T cell"), "cell_type_ontology_term_id"),
        (_set("obs", "sex_ontology_term_id", "female"), "sex_ontology_term_id"),
        (_set("obs", "suspension_type", "tissue"), "suspension_type"),
        (_set("obs", "tissue_type", "cell"), "tissue_type"),
        (_set("obs", "donor_id", ["", "a", "b"]), "donor_id"),
        (_set("obs", "donor_id", [None, "a", "b"]), "donor_id"),
        (_set("obs", "is_primary_data", "yes"), "is_primary_data"),
        (_set("obs", "organism_ontology_term_id", "NCBITaxon:9606"), "organism_ontology_term_id"),
        (_set("obs", "disease_ontology_term_id", [np.nan] * 3), "disease_ontology_term_id"),
        (_set("obs", "cell_type", "T cell"), "cell_type"),
        (_set("var", "feature_name", "TP53"), "feature_name"),
        (_set("uns", "schema_version", "7.1.0"), "schema_version"),
        (_drop("obs", "assay_ontology_term_id"), "assay_ontology_term_id"),
        (_drop("var", "feature_is_filtered"), "feature_is_filtered"),
        (_rename_genes("invalid_ensembl_id"), "human_gene_id"),
        (_rename_genes("ENSMUSG00000000001"), "human_gene_id"),
        (_drop("uns", "title"), "title"),
        (_set("uns", "organism_ontology_term_id", "NCBITaxon:10090"), "organism_ontology_term_id"),
    ],
)
def test_broken_variants(schema, change, column):
    curator = ln.curators.AnnDataCurator(broken(change), schema)
    with pytest.raises(ValidationError):
        curator.validate()
    assert {f.column for f in curator.report.failures} == {column}


def test_spatial_requirements(schema):
    spatial = ln.examples.cellxgene.create_cellxgene_schema(spatial_library_id="library_123")
    with pytest.raises(InvalidArgument, match="spatial"):
        ln.curators.AnnDataCurator(example(), spatial)
    adata = example()
    adata.uns["spatial"] = {
        "is_single": True,
        "library_123": {
            "images": {"hires": np.zeros((2, 2, 3), dtype="uint8")},
            "scalefactors": {"spot_diameter_fullres": 1.0, "tissue_hires_scalef": 0.5},
        },
    }
    ln.curators.AnnDataCurator(adata, spatial).validate()
    del adata.uns["spatial"]["library_123"]["scalefactors"]["tissue_hires_scalef"]
    with pytest.raises(ValidationError, match="tissue_hires_scalef"):
        ln.curators.AnnDataCurator(adata, spatial).validate()


def test_unknown_choices(lake):
    with pytest.raises(InvalidArgument, match="martian"):
        ln.examples.cellxgene.create_cellxgene_schema(organism="martian")
    with pytest.raises(InvalidArgument, match="ontology_id or a name"):
        ln.examples.cellxgene.create_cellxgene_schema(field_types="label")
