"""The example data: right shapes, right columns, the same at every call."""

from __future__ import annotations

import datetime
import gzip
from pathlib import Path

import pytest

import lakehouse.bionty as bt
from lakehouse.examples import datasets
from lakehouse.examples.datasets import mini_immuno
from tests.optional import installed_or_skip

DATASET1 = {
    "ENSG00000153563": "int64",
    "ENSG00000010610": "int64",
    "ENSG00000170458": "int64",
    "perturbation": "category",
    "sample_note": "object",
    "cell_type_by_expert": "category",
    "cell_type_by_model": "category",
    "assay_oid": "category",
    "concentration": "object",
    "treatment_time_h": "int64",
    "donor": "object",
    "donor_ethnicity": "object",
}
WITH_PANDAS_3 = DATASET1 | dict.fromkeys(("sample_note", "concentration", "donor"), "str")
ANNDATA = [
    "anndata_human_immune_cells",
    "anndata_mouse_sc_lymph_node",
    "anndata_pbmc3k_processed",
    "anndata_pbmc68k_reduced",
    "anndata_suo22_Visium10X",
    "anndata_visium_mouse_cellxgene",
    "anndata_with_obs",
]
FILES = [
    "anndata_file_pbmc68k_test",
    "file_bam",
    "file_fastq",
    "file_fcs",
    "file_fcs_alpert19",
    "file_jpg_paradisi05",
    "file_mini_csv",
    "file_tiff_suo22",
    "file_tsv_rnaseq_nfcore_salmon_merged_gene_counts",
    "schmidt22_crispra_gws_IFNG",
    "schmidt22_perturbseq",
]


def test_every_name_is_there():
    assert {*ANNDATA, *FILES, "mini_immuno", "small_dataset1"} < set(datasets.__all__)
    assert datasets.small_dataset1 is mini_immuno.get_dataset1
    with pytest.raises(AttributeError, match="no_such"):
        datasets.no_such  # noqa: B018


def test_mini_immuno_dataset1_is_three_samples_with_twelve_columns():
    frame = mini_immuno.get_dataset1()
    assert {n: str(t) for n, t in frame.dtypes.items()} in (DATASET1, WITH_PANDAS_3)
    assert frame.index.tolist() == ["sample1", "sample2", "sample3"]
    assert frame["ENSG00000010610"].tolist() == [3, 4, 5]
    assert frame["treatment_time_h"].tolist() == [24, 24, 6]
    assert frame["donor"].dropna().tolist() == ["D0001", "D0002"]
    assert frame.attrs["experiment"] == "Experiment 1"
    assert frame.attrs["date_of_study"] == "2024-12-01"


@pytest.mark.parametrize(
    ("option", "where", "value"),
    [
        ("with_typo", "perturbation", "IFNJ"),
        ("with_cell_type_synonym", "cell_type_by_expert", "B-cell"),
        ("with_cell_type_typo", "cell_type_by_expert", "CD8-pos alpha-beta T cell"),
        ("with_wrong_subtype", "perturbation", "ulabel_but_not_perturbation"),
    ],
)
def test_options_put_one_mistake_in(option: str, where: str, value: str):
    right, wrong = mini_immuno.get_dataset1(), mini_immuno.get_dataset1(**{option: True})
    assert value not in set(right[where])
    assert value in set(wrong[where])
    others = [c for c in right if c != where]
    assert right[others].equals(wrong[others])


def test_options_of_names_and_dates():
    assert "GeneTypo" in mini_immuno.get_dataset1(with_gene_typo=True).columns
    assert mini_immuno.get_dataset1(with_index_type_mismatch=True).index.tolist()[2] == 0
    symbols = mini_immuno.get_dataset2(gene_symbols_in_index=True)
    assert symbols.columns.tolist()[:3] == ["CD8A", "CD4", "CD38"]
    day = mini_immuno.get_dataset2(with_date_as_iso_string=False).attrs["date_of_study"]
    assert day == datetime.date(2025, 2, 13)


def test_mini_immuno_as_anndata_has_counts_columns_and_the_study():
    adata = mini_immuno.get_dataset1(otype="AnnData")
    assert adata.X.tolist() == [[1, 3, 5], [2, 4, 6], [3, 5, 7]]
    assert adata.var_names.tolist()[0] == "ENSG00000153563"
    assert adata.obs.columns.tolist() == [c for c in list(DATASET1)[3:] if c != "donor_ethnicity"]
    assert list(adata.uns) == ["temperature", "experiment", "date_of_study", "study_note"]
    assert list(mini_immuno.get_dataset2(otype="AnnData").uns)[-1] == "date_of_study"


def test_irises():
    cm, m = datasets.df_iris(), datasets.df_iris_in_meter()
    assert cm.shape == (150, 5)
    assert cm["target"].tolist() == [0] * 50 + [1] * 50 + [2] * 50
    assert (cm.iloc[:, :4].to_numpy() / 100 == m.iloc[:, :4].to_numpy()).all()
    assert m["iris_organism_name"].unique().tolist() == ["setosa", "versicolor", "virginica"]
    first, second = datasets.df_iris_in_meter_study1(), datasets.df_iris_in_meter_study2()
    assert (len(first), second.index[0]) == (75, 75)


@pytest.mark.parametrize("name", FILES)
def test_files_are_written_once_and_for_all(name: str):
    path = getattr(datasets, name)()
    assert not path.is_absolute()
    content = path.read_bytes()
    if path.suffix != ".h5ad":  # HDF5 keeps times
        assert getattr(datasets, name)().read_bytes() == content
    assert len(content) > 10


def test_files_have_the_signature_of_their_format():
    assert gzip.decompress(datasets.file_fastq().read_bytes()).startswith(b"@read0\n")
    assert gzip.decompress(datasets.file_bam().read_bytes()).startswith(b"BAM\1")
    assert datasets.file_mini_csv().read_text() == "test\n1\n2\n3\n"
    fcs = datasets.file_fcs().read_bytes()
    assert fcs.startswith(b"FCS3.1")
    start, end = int(fcs[26:34]), int(fcs[34:42])
    assert end + 1 - start == 100 * 8 * 4
    assert end + 1 == len(fcs)


def test_files_in_the_storage_of_the_lake(lake):
    for make in (datasets.file_fastq, datasets.file_bam, datasets.file_mini_csv):
        path = make(in_storage_root=True)
        assert path == Path(lake.root) / make().name
        assert path.read_bytes() == make().read_bytes()


def test_species_and_assays_of_a_study_can_be_saved(lake):
    datasets.file_fcs_alpert19(populate_registries=True)
    datasets.file_tsv_rnaseq_nfcore_salmon_merged_gene_counts(populate_registries=True)
    datasets.anndata_human_immune_cells(populate_registries=True)
    datasets.anndata_mouse_sc_lymph_node(populate_registries=True)
    names = {"human", "mouse", "saccharomyces cerevisiae"}
    assert names <= set(bt.Organism.filter().to_list("name"))
    assert bt.ExperimentalFactor.filter(ontology_id="EFO:0008896").exists()


def test_images_decode():
    image = installed_or_skip("PIL.Image")
    for path, size in (
        (datasets.file_jpg_paradisi05(), (256, 192)),
        (datasets.file_tiff_suo22(), (96, 96)),
    ):
        with image.open(path) as opened:
            opened.load()
            dark, bright = opened.getextrema()
            assert opened.size == size
            assert dark < 20 < 200 < bright


@pytest.mark.parametrize("name", ANNDATA)
def test_matrices_are_equal_at_every_call(name: str):
    one, two = getattr(datasets, name)(), getattr(datasets, name)()
    assert one.obs.equals(two.obs)
    assert (one.X == two.X).all()
    assert one.var_names.is_unique


def test_cellxgene_options():
    plain = datasets.small_dataset3_cellxgene()
    assert plain.obs.shape == (3, 11)
    defaults = datasets.small_dataset3_cellxgene(with_obs_defaults=True)
    assert defaults.obs["cell_type_ontology_term_id"].tolist()[0] == "CL:0000084"
    typo = datasets.small_dataset3_cellxgene(with_var_typo=True, with_obs_typo=True)
    assert typo.var_names[0] == "invalid_ensembl_id"
    assert typo.obs["tissue_ontology_term_id"].iloc[0] == "UBERON:0002048XXX"
    organism = datasets.small_dataset3_cellxgene(with_uns_organism=True)
    assert organism.uns["organism"] == "Homo sapiens"
    assert "organism_ontology_term_id" not in organism.obs
    assert datasets.small_dataset3_cellxgene(otype="DataFrame").shape == (3, 13)


def test_folders():
    run = datasets.dir_scrnaseq_cellranger("s1", "runs", output_only=False)
    assert run == Path("runs/s1")
    assert sum(p.is_file() for p in run.rglob("*")) == 15
    assert len(list(Path("runs/fastq").iterdir())) == 2
    images = datasets.dir_iris_images()
    assert len(list(images.rglob("*.jpg"))) == 36


def test_titles_repeat():
    assert datasets.fake_bio_notebook_titles(5) == datasets.fake_bio_notebook_titles(100)[:5]


def test_mudata():
    installed_or_skip("mudata")
    mdata = datasets.mudata_papalexi21_subset(with_uns=True)
    assert set(mdata.mod) == {"rna", "adt", "hto", "gdo"}
    assert mdata.uns["study_metadata"]["temperature"] == 21.6
    assert mdata["rna"].obs["nCount_RNA"].dtype == "int64"
    assert mdata["hto"].obs["nCount_HTO"].dtype == "float64"
    assert {"perturbation", "replicate"} <= set(mdata.obs)
