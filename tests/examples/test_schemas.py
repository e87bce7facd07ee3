"""Example schemas and the features and labels of the example data."""

from __future__ import annotations

import pytest

import lakehouse as ln
import lakehouse.bionty as bt
from lakehouse.examples.datasets import mini_immuno

pytestmark = pytest.mark.usefixtures("lake")


def test_features_and_labels_are_saved_once():
    mini_immuno.define_features_labels()
    commits = len(ln.current_lake().log())
    mini_immuno.define_features_labels()
    assert len(ln.current_lake().log()) == commits
    assert ln.Record.filter(type__name="Perturbations").to_list("name") == ["DMSO", "IFNG"]
    assert bt.CellType.get(name="B cell").ontology_id == "CL:0000236"
    dtypes = {f.name: f.dtype for f in ln.Feature.filter(type__name="ImmunoSamples")}
    assert dtypes["perturbation"] == "cat[Record[Perturbations]]"
    assert dtypes["assay_oid"] == "cat[bionty.ExperimentalFactor.ontology_id]"
    assert dtypes["donor_ethnicity"] == "list[cat[bionty.Ethnicity]]"


def test_the_flexible_schema_takes_the_right_data_and_names_each_wrong_value():
    schema = mini_immuno.define_mini_immuno_schema_flexible()
    assert [f.name for f, _ in schema.feature_list()] == [
        "perturbation",
        "cell_type_by_model",
        "assay_oid",
        "donor",
        "concentration",
        "treatment_time_h",
    ]
    right = mini_immuno.get_dataset1()
    artifact = ln.Artifact.from_dataframe(right, key="immuno.parquet", schema=schema).save()
    assert set(artifact.records.all().to_list("name")) == {"DMSO", "IFNG"}
    wrong = mini_immuno.get_dataset1(with_typo=True, with_cell_type_typo=True)
    with pytest.raises(ln.errors.ValidationError) as error:
        ln.Artifact.from_dataframe(wrong, key="wrong.parquet", schema=schema)
    assert "IFNJ" in str(error.value)
    assert "CD8-pos alpha-beta T cell" in str(error.value)


def test_a_schema_of_a_feature_type_knows_only_its_features():
    mini_immuno.define_features_labels()
    ln.Feature(name="sample_note", dtype=float).save()  # not of the type, so of no concern
    schema = ln.Schema(itype=ln.Feature.get(name="ImmunoSamples"), name="any immuno").save()
    assert schema.flexible
    frame = mini_immuno.get_dataset1()
    ln.Artifact.from_dataframe(frame, key="notes.parquet", schema=schema).save()


def test_built_in_schemas_are_made_once():
    assert ln.examples.schemas.valid_features() == ln.examples.schemas.valid_features()
    schema = ln.examples.schemas.anndata_ensembl_gene_ids_and_valid_features_in_obs()
    assert schema.otype == "AnnData"
    assert schema.slots["var.T"].itype == "bionty.Gene.ensembl_gene_id"
    assert schema.slots["obs"] == ln.examples.schemas.valid_features()


@pytest.mark.parametrize(
    ("save", "kind", "n"),
    [
        (ln.examples.wandb.save_wandb_features, "Weights & Biases", 11),
        (ln.examples.mlflow.save_mlflow_features, "MLflow", 10),
    ],
)
def test_features_of_experiment_trackers(save, kind, n):
    save()
    save()
    assert ln.Feature.filter(type__name=kind).count() == n
    assert {f.dtype_as_str for f in ln.Feature.filter(type__name=kind)} <= {"str", "int", "float"}
