"""Schemas: what they are made of, equal ones, changed ones and their versions."""

from __future__ import annotations

import anndata as ad
import pandas as pd
import polars as pl
import pytest

import lakehouse as ln
import lakehouse.bionty as bt
from lakehouse.errors import (
    FieldValidationError,
    InvalidArgument,
    ObjectDoesNotExist,
    ValidationError,
)

pytestmark = pytest.mark.usefixtures("lake")


@pytest.fixture
def features(lake):
    made = {"f1": str, "f2": int, "f3": float}
    return [ln.Feature(name=name, dtype=dtype).save() for name, dtype in made.items()]


@pytest.fixture
def genes(lake):
    human = bt.Organism(name="human").save()
    for symbol, ensembl in (("CD8A", "ENSG00000153563"), ("CD4", "ENSG00000010610")):
        bt.Gene(symbol=symbol, ensembl_gene_id=ensembl, organism=human).save()
    return bt.Gene.filter().to_list()


def names(schema):
    return [f.name for f, _ in schema.feature_list()]


def test_arguments_that_make_no_schema(features):
    with pytest.raises(InvalidArgument, match="features, slots or an itype"):
        ln.Schema()
    with pytest.raises(InvalidArgument, match="features, slots or an itype"):
        ln.Schema(features=[])
    with pytest.raises(ValueError, match="list of features, not a single"):
        ln.Schema(features[0])
    with pytest.raises(TypeError, match="feature records"):
        ln.Schema(["f1"])
    with pytest.raises(FieldValidationError, match="foo"):
        ln.Schema(features, foo=1)
    with pytest.raises(InvalidArgument, match="twice"):
        ln.Schema([features[0], features[0]])
    with pytest.raises(InvalidArgument, match="takes a schema"):
        ln.Schema(slots={"obs": "x"}, otype="AnnData")
    with pytest.raises(InvalidArgument, match="type of object"):
        ln.Schema(slots={"obs": ln.Schema(features)})


def test_members_of_one_registry_only(features, genes):
    with pytest.raises(TypeError, match="single registry"):
        ln.Schema([features[0], genes[0]])
    schema = ln.Schema(genes).save()
    assert (schema.itype, schema.dtype, schema.n, schema.flexible) == (
        "bionty.Gene",
        "num",
        2,
        False,
    )
    again = ln.Schema.get(schema.uid)
    assert again.members.to_list("symbol") == again.genes.to_list("symbol") == ["CD8A", "CD4"]


def test_what_is_not_said(features):
    schema = ln.Schema(features[:2], name="s")
    assert (schema.itype, schema.otype, schema.dtype, schema.n) == ("Feature", None, None, 2)
    assert (schema.minimal_set, schema.maximal_set, schema.flexible) == (True, False, False)
    assert [f.name for f in schema.members] == ["f1", "f2"]
    ids = ln.Schema(itype=bt.Gene.ensembl_gene_id)
    assert (ids.itype, ids.dtype, ids.n) == ("bionty.Gene.ensembl_gene_id", "num", None)
    assert ln.Schema(itype=ln.Feature).flexible
    assert ln.Schema(itype=ln.Feature).hash == ln.Schema(itype="Feature").hash
    kind = ln.Schema(name="Panel", is_type=True).save()
    assert kind.hash is None
    assert kind.itype is None
    assert ln.Schema(features[:1], type=kind).save().type == kind


def test_the_hash_finds_an_equal_schema(features):
    f1, f2, _ = features
    schema = ln.Schema([f1, f2], name="s").save()
    assert ln.Schema([f2, f1]) == schema
    assert ln.Schema([f2, f1]).name == "s"
    assert ln.Schema([f1, f2], ordered_set=True).hash != ln.Schema([f2, f1], ordered_set=True).hash
    for changed in ({"maximal_set": True}, {"coerce": True}, {"optionals": ["f1"]}, {"index": f1}):
        members = [f2] if "index" in changed else [f1, f2]
        assert ln.Schema(members, **changed).hash != schema.hash
    assert ln.Schema([f1, f2], coerce=False).hash == schema.hash


def test_the_index_is_a_member(features):
    f1, f2, f3 = features
    schema = ln.Schema([f2], index=f1).save()
    again = ln.Schema.get(schema.uid)
    assert again.index == f1
    assert again.members.to_list("name") == ["f1", "f2"]
    assert again.n == 2
    assert names(again) == ["f2"]
    before = again.hash
    again.index = f3
    again.save()
    assert again.hash != before
    assert ln.Schema.get(schema.uid).members.to_list("name") == ["f3", "f2"]
    again.index = None
    again.save()
    assert ln.Schema.get(schema.uid).n == 1


def test_optionals(features):
    f1, f2, f3 = features
    schema = ln.Schema([f1, f2.with_config(optional=True)]).save()
    before = schema.hash
    assert schema.optionals.get().to_list("name") == ["f2"]
    schema.optionals.set([f1])
    assert schema.optionals.get().to_list("name") == ["f1"]
    assert schema.hash != before
    schema.optionals.add(f2)
    assert schema.optionals.get_uids() == [f1.uid, f2.uid]
    schema.optionals.remove(f1)
    assert schema.hash == before
    again = ln.Schema.get(schema.uid)
    assert again.hash == before
    assert [f.name for f in again.optionals] == ["f2"]
    with pytest.raises(TypeError, match="feature records"):
        schema.optionals.set(["f1"])
    with pytest.raises(InvalidArgument, match="no feature of"):
        schema.optionals.add(f3)
    schema.add_optional_features([f3])
    assert [f.name for f in ln.Schema.get(schema.uid).optionals] == ["f2", "f3"]


def test_features_are_added_and_removed(features):
    f1, f2, f3 = features
    schema = ln.Schema([f1, f2]).save()
    before = schema.hash
    schema.features.add(f3)
    schema.save()
    assert schema.hash != before
    assert schema.n == 3
    assert names(ln.Schema.get(schema.uid)) == ["f1", "f2", "f3"]
    schema.features.remove(f3)
    schema.save()
    assert schema.hash == before
    assert ln.Schema.get(schema.uid).n == 2


def test_an_equal_name_changes_the_schema(features):
    f1, _f2, f3 = features
    schema = ln.Schema([f1], name="study").save()
    changed = ln.Schema([f1.with_config(optional=True), f3], name="study", maximal_set=True)
    assert changed.uid == schema.uid
    assert names(ln.Schema.get(name="study")) == ["f1"]  # until it is saved
    changed.save()
    again = ln.Schema.get(name="study")
    assert names(again) == ["f1", "f3"]
    assert again.maximal_set
    assert again.n == 2
    assert again.hash == ln.Schema([f1.with_config(optional=True), f3], maximal_set=True).hash
    assert ln.Schema.filter(name="study").count() == 1


def test_slots(features):
    f1, f2, _ = features
    obs = ln.Schema([f1], name="obs").save()
    whole = ln.Schema(slots={"obs": obs}, otype="AnnData", name="whole").save()
    assert whole.itype is None
    assert ln.Schema.get(name="whole").slots == {"obs": obs}
    assert whole.components.to_list("name") == ["obs"]
    assert obs.composites.to_list("name") == ["whole"]
    assert ln.Schema(slots={"obs": ln.Schema([f1])}, otype="AnnData") == whole
    assert ln.Schema(slots={"__external__": obs}).save().slots == {"__external__": obs}
    before = whole.hash
    obs.features.add(f2)
    obs.save()
    again = ln.Schema.get(name="whole")
    assert again.hash != before
    assert ln.Schema(slots={"obs": ln.Schema([f1, f2])}, otype="AnnData") == again


def test_a_changed_schema_keeps_what_datasets_were_validated_with(features):
    f1, f2, f3 = features
    schema = ln.Schema([f1], name="study").save()
    schema.features.add(f2)
    schema.save()
    assert len(schema.versions()) == 1  # nothing was validated with the former content
    frame = pd.DataFrame({"f1": ["a"], "f2": [1]})
    artifact = ln.Artifact.from_dataframe(frame, key="a.parquet", schema=schema).save()
    used = schema.hash
    schema.features.add(f3)
    schema.maximal_set = True
    schema.save()
    assert artifact.schema == schema
    assert ln.Artifact.get(artifact.uid).schema_hash == used
    again = ln.Schema.get(name="study")
    old, new = again.versions()
    assert (old.hash, names(old)) == (used, ["f1", "f2"])
    assert not old.maximal_set
    assert names(new) == ["f1", "f2", "f3"]
    assert new.maximal_set
    assert again.version(used).feature_list() == old.feature_list()
    with pytest.raises(ObjectDoesNotExist, match="no version"):
        again.version("nothing")


def test_versions_of_composites_know_the_versions_of_their_slots(features):
    f1, f2, _ = features
    part = ln.Schema([f1], name="part").save()
    whole = ln.Schema(slots={"__external__": part}, name="whole").save()
    frame = pd.DataFrame({"x": [1]})
    ln.Artifact.from_dataframe(frame, key="a.parquet", schema=whole, features={"f1": "a"}).save()
    part.features.add(f2)
    part.save()
    old, new = ln.Schema.get(name="whole").versions()
    assert names(old.slots["__external__"]) == ["f1"]
    assert names(new.slots["__external__"]) == ["f1", "f2"]


def test_from_values(features, genes):
    schema = ln.Schema.from_values(["CD8A", "CD4"], field=bt.Gene.symbol, organism="human").save()
    assert (schema.itype, schema.dtype, schema.n) == ("bionty.Gene", "num", 2)
    assert ln.Schema.from_values(["CD4", "CD8A"], field=bt.Gene.symbol, organism="human") == schema
    with pytest.raises(ValidationError, match="FOO"):
        ln.Schema.from_values(["CD8A", "FOO"], field=bt.Gene.symbol, organism="human")
    some = ln.Schema.from_values(
        ["CD8A", "FOO"], field=bt.Gene.symbol, organism="human", raise_validation_error=False
    )
    assert some.n == 1
    assert [f.name for f in ln.Schema.from_values(["f1", "f2"]).members] == ["f1", "f2"]
    with pytest.raises(ValueError, match="at least one"):
        ln.Schema.from_values([])
    with pytest.raises(TypeError):
        ln.Schema.from_values([1, 2])
    with pytest.raises(TypeError, match="field of a registry"):
        ln.Schema.from_values(["f1"], field="name")


def test_from_dataframe(features, genes):
    frame = pd.DataFrame({"f1": ["a"], "f2": [1], "zz": [2.0]})
    schema = ln.Schema.from_dataframe(frame, name="frame").save()
    assert (schema.name, schema.n, schema.otype) == ("frame", 2, None)
    assert ln.Schema.from_dataframe(pd.DataFrame({"q": [1]})) is None
    counts = pd.DataFrame({"CD4": [1], "CD8A": [2]})
    made = ln.Schema.from_dataframe(counts, field=bt.Gene.symbol, organism="human")
    assert (made.itype, made.dtype, made.n) == ("bionty.Gene", "int", 2)
    mixed = pd.DataFrame({"CD4": [1], "CD8A": [2.5]})
    with pytest.raises(ValueError, match="several dtypes"):
        ln.Schema.from_dataframe(mixed, field=bt.Gene.symbol, organism="human")


def test_optional_features_are_added_and_removed(features):
    first, second, third = features
    schema = ln.Schema([first], name="s").save()
    schema.add_optional_features([second, third])
    assert schema.n_members == 3
    schema.remove_optional_features([second])
    assert schema.members.to_list("name") == ["f1", "f3"]
    assert schema.optionals.get().to_list("name") == ["f3"]
    with pytest.raises(InvalidArgument, match="not optional"):
        schema.remove_optional_features([third, first])
    assert schema.n_members == 2
    with pytest.raises(TypeError, match=r"passed by keyword|is a feature"):
        ln.Schema(features, "name")
    with pytest.raises(TypeError, match="list of features"):
        ln.Schema("f1")


def test_values_that_an_external_schema_demands_are_changed_as_a_whole(features):
    first, second, _ = features
    outside = ln.Schema([second], name="outside").save()
    schema = ln.Schema([first], slots={"__external__": outside}, otype="DataFrame", name="s").save()
    artifact = ln.Artifact.from_dataframe(
        pd.DataFrame({"f1": ["a"]}), key="a.parquet", schema=schema, features={"f2": 1}
    ).save()
    for call in (
        lambda: artifact.features.add_values({"f2": 2}),
        lambda: artifact.features.remove_values("f2"),
        lambda: artifact.features.remove_values(),
    ):
        with pytest.raises(ValueError, match="values if artifact has external schema"):
            call()
    assert artifact.features.get_values() == {"f2": 1}
    artifact.features.set_values({"f2": 3})
    assert artifact.features.get_values() == {"f2": 3}
    plain = ln.Schema([first], name="plain").save()
    other = ln.Artifact.from_dataframe(
        pd.DataFrame({"f1": ["b"]}), key="b.parquet", schema=plain
    ).save()
    other.features.add_values({"f3": 0.5})
    assert other.features.get_values() == {"f3": 0.5}


def test_what_a_dataset_has_is_the_schema_that_demands_exactly_this(features):
    f1, f2, _ = features
    schema = ln.Schema([f2, f1], name="both").save()
    strict = ln.Schema([f1, f2], name="strict", maximal_set=True).save()
    for n, used in enumerate((schema, strict)):
        df = pd.DataFrame({"f1": ["a"], "f2": [n]})
        artifact = ln.Artifact.from_dataframe(df, key=f"{n}.parquet", schema=used).save()
        assert artifact.features.slots["columns"] == schema
        assert artifact.feature_sets.to_list("name") == ["both"]
    assert sorted(schema.artifacts.to_list("key")) == ["0.parquet", "1.parquet"]
    assert schema.validated_artifacts.to_list("key") == ["0.parquet"]


def test_what_a_dataset_has_stays_when_the_schema_changes(features):
    f1, f2, f3 = features
    schema = ln.Schema([f1, f2], name="both").save()
    df = pd.DataFrame({"f1": ["a"], "f2": [1]})
    artifact = ln.Artifact.from_dataframe(df, key="a.parquet", schema=schema).save()
    schema.features.add(f3)
    schema.save()
    assert names(schema) == ["f1", "f2", "f3"]
    found = artifact.features.slots["columns"]
    assert found != schema
    assert set(names(found)) == {"f1", "f2"}
    assert schema.artifacts.count() == 0
    schema.features.remove(f3)
    schema.save()
    other = ln.Artifact.from_dataframe(df.assign(f2=2), key="b.parquet", schema=schema).save()
    assert other.features.slots["columns"] == schema


def test_a_dataset_that_is_annotated_again_has_one_set_per_slot(features):
    f1, f2, _ = features
    df = pd.DataFrame({"f1": ["a"], "f2": [1]})
    artifact = ln.Artifact.from_dataframe(df, key="a.parquet").save()
    for schema in (ln.Schema([f1]).save(), ln.Schema([f1, f2]).save()):
        ln.curators.DataFrameCurator(artifact, schema).save_artifact()
        assert artifact.features.slots["columns"] == schema
        assert artifact.schemas.count() == 1


def test_sets_of_one_feature_type(lake):
    kind = ln.Feature(name="Kind", is_type=True).save()
    inside = ln.Feature(name="inside", dtype=str, type=kind).save()
    schema = ln.Schema(itype=kind).save()
    df = pd.DataFrame({"inside": ["a"], "other": [1]})
    artifact = ln.Artifact.from_dataframe(df, key="a.parquet", schema=schema).save()
    found = artifact.features.slots["columns"]
    assert found.itype == f"Feature[{kind.uid}]"
    assert found.members.to_list() == [inside]


def test_sets_of_genes_are_the_schemas_of_them(genes):
    field = bt.Gene.ensembl_gene_id
    schema = ln.Schema(genes, itype=field, name="two genes").save()
    named = ln.Schema(slots={"var.T": ln.Schema(itype=field).save()}, otype="AnnData").save()
    adata = ad.AnnData(var=pd.DataFrame(index=["ENSG00000010610", "ENSG00000153563"]))
    artifact = ln.Artifact.from_anndata(adata, key="a.h5ad", schema=named).save()
    assert artifact.features.slots["var.T"] == schema


def test_an_edit_may_not_make_a_schema_equal_to_another(features):
    f1, f2, f3 = features
    ln.Schema([f1, f2], name="one").save()
    ordered = ln.Schema([f1, f2], name="ordered", ordered_set=True).save()
    ordered.ordered_set = False
    more = ln.Schema([f1, f2, f3.with_config(optional=True)], name="more").save()
    for edit in (ordered.save, lambda: more.remove_optional_features([f3])):
        with pytest.raises(ValidationError, match="Another schema already has this hash"):
            edit()
    assert ln.Schema.get(name="ordered").ordered_set
    assert ln.Schema.get(name="more").n_members == 3


def test_what_is_optional_may_make_schemas_equal(features):
    f1, f2, _ = features
    one = ln.Schema([f1, f2], name="one").save()
    two = ln.Schema([f1, f2.with_config(optional=True)], name="two").save()
    two.optionals.remove(f2)
    assert (two.hash, two.uid != one.uid) == (one.hash, True)
    assert ln.Schema([f1, f2]).uid == one.uid
    assert [s.optionals.get_uids() for s in (one, two)] == [[], []]
    one.optionals.add(f1)
    two.optionals.add(f1)
    one.optionals.remove(f1)
    assert ln.Schema([f1, f2]).uid == one.uid


def test_a_schema_that_demands_what_a_dataset_has_is_the_set_of_it(features):
    f1, f2, _ = features
    df = pd.DataFrame({"f1": ["a"], "f2": [1]})
    artifact = ln.Artifact.from_dataframe(df, key="a.parquet", schema="valid_features").save()
    found = artifact.features.slots["columns"]
    assert found.name is None
    schema = ln.Schema([f2, f1], name="both").save()
    assert (schema.uid, schema.name) == (found.uid, "both")
    assert {f.name for f in schema.members} == {f1.name, f2.name}
    schema.optionals.add(f1)
    other = artifact.features.slots["columns"]
    assert (other.name, other.uid != schema.uid) == (None, True)
    assert {f.name for f in other.members} == {f1.name, f2.name}
    again = ln.Artifact.from_dataframe(df.assign(f2=2), key="b.parquet", schema="valid_features")
    assert again.save().features.slots["columns"].uid == other.uid


@pytest.mark.parametrize("frame", [pd.DataFrame, pl.DataFrame])
@pytest.mark.parametrize("default", [0, "none"])
def test_defaults_of_columns_of_several_types(lake, frame, default):
    model = type(
        "Seeds", (ln.DatasetModel,), {"__annotations__": {"seed": int | str}, "seed": default}
    )
    curator = ln.curators.DataFrameCurator(frame({"n": [1, 2]}), model)
    curator.validate()
    assert list(curator.dataset["seed"]) == [default, default]
    ln.curators.DataFrameCurator(frame({"seed": ["a", "b"]}), model).validate()
    assert model.to_schema().save().to_pydantic()().seed == default


def test_a_schema_is_changed_back_by_its_name_after_it_was_used(lake):
    first, second, third = [ln.Feature(name=n, dtype=int).save() for n in ("a", "b", "c")]
    schema = ln.Schema([first, second], name="demands").save()
    df = pd.DataFrame({"a": [1], "b": [2]})
    used = ln.Artifact.from_dataframe(df, key="used.parquet", schema=schema).save()
    ln.Schema([first, second, third], name="demands").save()
    before = used.features.slots["columns"]
    assert before != schema  # what the dataset was validated with, without a name
    back = ln.Schema([first, second], name="demands")
    assert back == schema
    back.save()
    assert ln.Schema.get(name="demands").members.to_list("name") == ["a", "b"]
    assert used.features.slots["columns"].members.to_list("name") == ["a", "b"]
    assert used.schema == schema
    ln.curators.DataFrameCurator(df, ln.Schema.get(name="demands")).validate()


def test_curators_of_a_model_say_nothing_of_its_schema(lake, capsys):
    class Donors(ln.DatasetModel):
        name: str

    for _ in range(2):
        ln.curators.DataFrameCurator(pd.DataFrame({"name": ["ada"]}), Donors).validate()
    assert "existing" not in capsys.readouterr().err
    assert ln.Schema.filter(name="Donors").count() == 1
