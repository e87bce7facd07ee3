"""`describe()` of records of every registry, and of registries themselves."""

from __future__ import annotations

import anndata as ad
import numpy as np
import pandas as pd
import polars as pl
import pytest

import lakehouse as ln
import lakehouse.bionty as bt
from lakehouse.examples.datasets import mini_immuno


def lines_of(record) -> list[str]:
    return [line.strip("│├└─ ") for line in record.describe(return_str=True).splitlines()]


@pytest.fixture
def immuno(lake):
    schema = mini_immuno.define_mini_immuno_schema_flexible()
    return ln.Artifact.from_dataframe(
        mini_immuno.get_dataset1(), key="immuno.parquet", schema=schema, description="three samples"
    ).save()


def test_artifact_with_fields_and_path(immuno):
    text = immuno.describe(return_str=True)
    first, second = text.splitlines()[:2]
    assert first == "Artifact: immuno.parquet (0000)"
    assert second.endswith("description: three samples")
    for part in ("kind: dataset", "otype: DataFrame", "n_observations: 3", "schema: mini_immuno"):
        assert part in text
    assert f"storage/path: {immuno.path}" in text
    assert "created_by: ada" in text
    assert "hash_key" not in text


def test_dataset_features_with_dtypes_and_values(immuno):
    lines = lines_of(immuno)
    assert "columns (8 Feature, 12 columns)" in lines
    rows = {line.split()[0]: line.split()[1:] for line in lines if line}
    assert rows["perturbation"] == ["Record[Perturbations]", "DMSO,", "IFNG"]
    assert rows["assay_oid"] == ["bionty.ExperimentalFactor.ontology_id", "EFO:0008913"]
    assert rows["donor"] == ["str"]
    assert rows["ENSG00000153563"] == ["int64"]  # no feature, but it is there


def test_labels_by_accessor(immuno):
    immuno.ulabels.add(ln.ULabel(name="checked").save())
    lines = lines_of(immuno)
    start = lines.index("Entities")
    assert lines[start + 1].split() == [".ulabels", "ULabel", "checked"]
    assert any(line.startswith(".cell_types") for line in lines[start:])


def test_external_features(immuno):
    ln.save([ln.Feature(name="dose", dtype=float), ln.Feature(name="about", dtype=dict)])
    immuno.features.set_values({"dose": 1.5, "about": {"a": [1, 2]}})
    lines = lines_of(immuno)
    start = lines.index("External features")
    assert [line.split(maxsplit=2) for line in lines[start + 1 : start + 3]] == [
        ["about", "dict", "{'a': [1, 2]}"],
        ["dose", "float", "1.5"],
    ]
    assert "Dataset features" in immuno.features.describe(return_str=True)


def test_slots_of_an_anndata(lake):
    mini_immuno.save_mini_immuno_datasets()
    artifact = ln.Artifact.get(key="examples/dataset1.h5ad")
    lines = lines_of(artifact)
    start = lines.index("var.T (3 bionty.Gene.ensembl_gene_id)")
    assert lines[start + 1 : start + 4] == ["CD14  num", "CD4   num", "CD8A  num"]
    assert "obs (4 Feature, 8 columns)" in lines


def test_lineage_of_an_artifact(lake):
    source = ln.Artifact.from_dataframe(pl.DataFrame({"x": [1]}), key="source.parquet").save()
    transform = ln.Transform(key="clean.py", kind="script", source_code="print('hi')").save()
    run = ln.Run(transform, name="first", params={"depth": 3}).save()
    run.input_artifacts.add(source)
    made = ln.Artifact.from_dataframe(pl.DataFrame({"x": [2]}), key="made.parquet", run=run).save()
    lines = lines_of(made)
    start = lines.index("Lineage")
    assert [line.split(maxsplit=1) for line in lines[start + 1 : start + 5]] == [
        ["run", "first (clean.py)"],
        ["transform", "clean.py (0000)"],
        ["input_artifacts", "source.parquet"],
        ["created_by", "ada"],
    ]
    told = lines_of(run)
    assert told[0] == "Run: first (clean.py)"
    assert "depth: 3" in told
    assert ".input_artifacts  Artifact  source.parquet" in told
    assert ".output_artifacts  Artifact  made.parquet" in told
    assert ".input_of_runs  Run  first (clean.py)" in lines_of(source)
    assert "print('hi')" in transform.describe(return_str=True)
    assert any(line.startswith(".runs") for line in lines_of(transform))


def test_schema_with_members_and_slots(lake):
    inner = mini_immuno.define_mini_immuno_schema_flexible()
    lines = lines_of(inner)
    head = lines.index(next(x for x in lines if x.startswith("name ")))
    assert lines[head].split() == [
        "name",
        "dtype",
        "optional",
        "nullable",
        "coerce",
        "default_value",
    ]
    assert lines[head + 1].split() == [
        *("perturbation", "Record[Perturbations]", "✗", "✓", "✗", "unset"),
    ]
    outer = ln.Schema(name="outer", otype="AnnData", slots={"obs": inner}).save()
    text = outer.describe(return_str=True)
    assert "obs: mini_immuno" in text
    assert "cell_type_by_model" in text


def test_a_schema_is_described_when_it_is_saved(lake):
    schema = ln.Schema([ln.Feature(name="dose", dtype=float)], name="doses")
    with pytest.raises(ValueError, match="Schema must be saved before describing"):
        schema.describe()
    assert "Features (1)" in lines_of(schema.save())


def test_a_schema_shows_what_it_demands_itself(lake):
    class Settings(ln.DatasetModel):
        rate: float
        steps: int = 3

    lines = lines_of(Settings.to_schema().save())
    rate = next(line for line in lines if line.startswith("rate")).split()
    steps = next(line for line in lines if line.startswith("steps")).split()
    assert rate == ["rate", "float", "✗", "✗", "✗", "unset"]
    assert steps[-1] == "3"


def test_brackets_in_names_are_shown(lake):
    feature = ln.Feature(name="size [mm]", dtype=float, description="[b] bold?").save()
    schema = ln.Schema([feature], name="[red]sizes[/red]").save()
    assert "size [mm]" in schema.describe(return_str=True)
    assert schema.describe(return_str=True).startswith("Schema: [red]sizes[/red]")
    assert "description: [b] bold?" in feature.describe(return_str=True)


@pytest.mark.parametrize(
    "make",
    [
        lambda: ln.ULabel(name="a name").save(),
        lambda: ln.Record(name="a name").save(),
        lambda: ln.Project(name="a name", url="https://example.org").save(),
        lambda: ln.Feature(name="a name", dtype=int).save(),
        lambda: ln.Transform(key="a name").save(),
        lambda: ln.Branch(name="a name").save(),
        lambda: bt.CellType(name="a name").save(),
        lambda: ln.ULabel(name="a name"),  # not saved
    ],
)
def test_every_registry_describes_its_records(lake, make, capsys):
    record = make()
    text = record.describe(return_str=True)
    assert text.startswith(f"{type(record).__name__}: a name")
    assert f"uid: {record.uid}" in text
    assert record.describe() is None
    assert "a name" in capsys.readouterr().out


def test_what_refers_to_a_record(lake):
    top = ln.ULabel(name="top").save()
    labels = [ln.ULabel(name=f"l{i:02d}").save() for i in range(13)]
    for label in labels:
        label.parents.add(top)
    assert lines_of(labels[0])[-1].split() == [".parents", "ULabel", "top"]
    last = lines_of(top)[-1]
    assert last.startswith(".children  ULabel  l00, l01")
    assert last.endswith("l09, … 3 more")
    labels[0].delete()
    assert "l00" not in top.describe(return_str=True)


def test_registries_list_their_fields(lake):
    text = ln.Artifact.describe(return_str=True)
    assert text.splitlines()[:3] == ["Artifact", "  Simple fields", "    .uid: CharField"]
    for line in (
        "    .n_observations: BigIntegerField",
        "    .is_latest: BooleanField",
        "  Relational fields",
        "    .storage: Storage",
        "    .ulabels: ULabel",
        "  Bionty fields",
        "    .cell_types: bionty.CellType",
    ):
        assert line in text.splitlines()
    assert "Bionty fields" not in ln.User.describe(return_str=True).splitlines()


def test_a_readme_and_comments(lake):
    label = ln.ULabel(name="noted").save()
    block = ln.models.ULabelBlock
    block(ulabel=label, content="# Title\ntext", kind="readme").save()
    block(ulabel=label, content="looks good\nreally", kind="comment").save()
    lines = lines_of(label)
    assert lines[lines.index("Notes") + 1 :][:2] == ["# Title", "text"]
    assert lines[lines.index("Comments") + 1] == "looks good …"


def test_names_of_any_kind_keep_the_tree_whole(lake):
    wild = ln.ULabel(name="two\nlines \x1b[31mred", description="x" * 10_000).save()
    child = ln.ULabel(name="c" * 10_000).save()
    child.parents.add(wild)
    text = wild.describe(return_str=True)
    assert text.startswith("ULabel: two lines \\x1b[31mred\n")
    assert "\x1b" not in text
    assert "x" * 10_000 in text  # what the record is isn't shortened
    assert "c" * 119 + "…" in text  # what is only mentioned is


def test_many_genes_are_one_line_and_few_are_listed(lake):
    human = bt.Organism(name="human").save()
    ids = [f"ENSG{i:011}" for i in range(60)]
    symbols = [f"G{i:02}" for i in range(60)]
    ln.save(
        bt.Gene(symbol=s, ensembl_gene_id=i, organism=human)
        for s, i in zip(symbols, ids, strict=True)
    )
    genes = ln.Schema(itype=bt.Gene.ensembl_gene_id).save()
    schema = ln.Schema(otype="AnnData", slots={"var.T": genes}).save()

    def described(n):
        obs = pd.DataFrame({f"x{i:02}": [1] for i in range(15)}, index=["a"])
        adata = ad.AnnData(np.zeros((1, n)), obs=obs, var=pd.DataFrame(index=ids[:n]))
        return lines_of(ln.Artifact.from_anndata(adata, key=f"{n}.h5ad", schema=schema).save())

    lines = described(60)
    head = lines.index("var.T (60 bionty.Gene.ensembl_gene_id)")
    assert lines[head + 1] == f"{', '.join(symbols[:10])}, … 50 more  num"
    assert head + 2 == len(lines)
    assert "x09  int64" in lines
    assert not any("x10" in line for line in lines)
    assert "… 5 more" in lines  # columns that are no features
    assert described(2)[-2:] == ["G00  num", "G01  num"]
    members = ln.Schema(bt.Gene.filter().all()).save()
    assert f"{', '.join(symbols[:10])}, … 50 more" in lines_of(members)


def test_parts_without_columns_are_not_listed(lake):
    adata = ad.AnnData(np.zeros((1, 1)), obs=pd.DataFrame({"x": [1]}, index=["a"]))
    lines = lines_of(ln.Artifact.from_anndata(adata, key="cells.h5ad").save())
    assert "obs (1 column)" in lines
    assert not any(line.startswith("var") for line in lines)
    bare = ad.AnnData(np.zeros((1, 1)))
    shown = lines_of(ln.Artifact.from_anndata(bare, key="bare.h5ad").save())
    assert "Dataset features" not in shown
