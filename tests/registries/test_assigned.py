"""What a constructor checks holds for what is assigned later, too: alone, in bulk, in transactions."""

from __future__ import annotations

from contextlib import nullcontext
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

import lakehouse as ln
from lakehouse.errors import FieldValidationError, InvalidArgument, InvalidFeature, ValidationError
from lakehouse.orm import Lake


@pytest.fixture
def artifact(lake: Lake) -> Any:
    return ln.Artifact.from_dataframe(pd.DataFrame({"donor": ["x", "y"]}), key="a.parquet").save()


DERIVED = {
    "Artifact": {"size": 7, "hash": "x", "suffix": ".csv", "n_files": 2},
    "Schema": {"hash": "x", "n_members": 7, "itype": "bionty.Gene"},
    "Storage": {"root": "/elsewhere", "type": "s3"},
}


@pytest.mark.parametrize("registry", DERIVED)
def test_what_follows_from_the_content_isnt_assigned(
    lake: Lake, artifact: Any, registry: str
) -> None:
    ln.Schema([ln.Feature(name="donor", dtype=str)], name="s").save()
    record = getattr(ln, registry).filter().first()
    before = {name: getattr(record, name) for name in DERIVED[registry]}
    for name, value in DERIVED[registry].items():
        with pytest.raises(FieldValidationError, match=f"'{name}'"):
            setattr(record, name, value)
        with pytest.raises(FieldValidationError, match=f"'{name}'"):
            getattr(ln, registry).filter(uid=record.uid).update(**{name: value})
        setattr(record, name, before[name])  # what it is may be said
    record.save()
    again = getattr(ln, registry).get(record.uid)
    assert {name: getattr(again, name) for name in before} == before


def test_an_artifact_stays_where_its_bytes_are(lake: Lake, artifact: Any, tmp_path: Path) -> None:
    place = ln.Storage(root=str(tmp_path / "place")).save()
    with pytest.raises(FieldValidationError, match="storage"):
        artifact.storage = place
    artifact.save()
    assert artifact.load()["donor"].tolist() == ["x", "y"]


def schemas() -> tuple[Any, Any]:
    donor = ln.Feature(name="donor", dtype=str).save()
    fits = ln.Schema([donor], name="fits").save()
    return fits, ln.Schema([donor, ln.Feature(name="age", dtype=int).save()], name="more").save()


@pytest.mark.parametrize("together", [False, True])
def test_an_assigned_schema_is_satisfied(lake: Lake, artifact: Any, together: bool) -> None:
    fits, more = schemas()
    artifact.schema = more
    with pytest.raises(ValidationError, match="age"), lake.transaction() if together else nullcontext():  # fmt: skip
        artifact.save()
    assert ln.Artifact.get(artifact.uid).schema is None
    artifact = ln.Artifact.get(artifact.uid)
    artifact.schema = fits
    with lake.transaction() if together else nullcontext():
        artifact.save()
    stored = ln.Artifact.get(artifact.uid)
    assert stored.schema == fits
    assert stored._values["schema_hash"] == fits.hash
    assert stored.features.slots["columns"].members.to_list("name") == ["donor"]
    with pytest.raises(ValidationError, match="age"):
        ln.Artifact.filter(uid=artifact.uid).update(schema=more)
    stored.schema = None
    stored.save()
    assert ln.Artifact.get(artifact.uid)._values["schema_hash"] is None


def test_a_schema_assigned_before_the_first_save(lake: Lake) -> None:
    fits, more = schemas()
    for schema, right in ((more, False), (fits, True)):
        artifact = ln.Artifact.from_dataframe(pd.DataFrame({"donor": ["z"]}), key="b.parquet")
        artifact.schema = schema
        if right:
            artifact.save()
            assert ln.Artifact.get(key="b.parquet").schema == fits
        else:
            with pytest.raises(ValidationError, match="age"):
                artifact.save()
            assert ln.Artifact.filter(key="b.parquet").count() == 0


def test_a_schema_assigned_to_replaced_content(lake: Lake, artifact: Any) -> None:
    _, more = schemas()
    artifact.replace(pd.DataFrame({"donor": ["x"], "age": [3]}))
    artifact.schema = more
    artifact.save()
    assert ln.Artifact.get(artifact.uid).schema == more
    artifact.replace(pd.DataFrame({"donor": ["x"]}))
    artifact.schema = more
    with pytest.raises(ValidationError, match="age"):
        artifact.save()
    assert ln.Artifact.get(artifact.uid).load().columns.tolist() == ["donor", "age"]


def test_external_values_count_for_an_assigned_schema(lake: Lake, artifact: Any) -> None:
    outer = ln.Schema([ln.Feature(name="score", dtype=float).save()], name="outer").save()
    schema = ln.Schema(
        [ln.Feature(name="donor", dtype=str).save()], slots={"__external__": outer}, name="both"
    ).save()
    artifact.schema = schema
    with pytest.raises(ValidationError, match="score"):
        artifact.save()
    artifact = ln.Artifact.get(artifact.uid)
    artifact.features.set_values({"score": 1.5})
    artifact.schema = schema
    artifact.save()
    assert ln.Artifact.get(artifact.uid).schema == schema
    assert artifact.features.get_values()["score"] == 1.5


@pytest.mark.parametrize("how", ["alone", "together", "list", "twin", "update"])
def test_a_dtype_is_never_rewritten(lake: Lake, artifact: Any, how: str) -> None:
    one, two = ln.Feature(name="n", dtype=str), ln.Feature(name="n", dtype=int)
    with pytest.raises(InvalidFeature, match=r"another dtype|in use"):
        if how == "alone":
            one.save()
            two.save()
        elif how == "together":
            with lake.transaction():
                one.save()
                two.save()
        elif how == "list":
            ln.save([one, two])
        elif how == "twin":
            with lake.transaction():
                one.save()
                ln.Feature(name="n", dtype=int)
        else:
            one.save()
            artifact.features.add_values({"n": "x"})
            ln.Feature.filter(name="n").update(dtype="int")
    assert ln.Feature.filter(name="n").to_list("dtype") in ([], ["str"])


def test_the_dtype_of_a_feature_that_nobody_uses(lake: Lake, artifact: Any) -> None:
    feature = ln.Feature(name="n", dtype=str).save()
    feature.dtype = "int"
    feature.save()
    artifact.features.add_values({"n": 3})
    feature.dtype = "str"
    with pytest.raises(InvalidFeature, match="in use") as raised:
        feature.save()
    assert "expected: int" in str(raised.value)
    assert ln.Artifact.filter(n=3).count() == 1
    schema_of = ln.Feature(name="m", dtype=str).save()
    ln.Schema([schema_of], name="s").save()
    schema_of.dtype = "int"
    with pytest.raises((InvalidFeature, InvalidArgument)):
        schema_of.save()


WAYS = {
    "add": lambda s, f: s.features.add(f[2]),
    "remove": lambda s, f: s.features.remove(f[0]),
    "set": lambda s, f: s.features.set([f[2], f[0]]),
    "other side": lambda s, f: f[2].schemas.add(s),
    "other side, removed": lambda s, f: f[0].schemas.remove(s),
    "create": lambda s, f: s.features.create(name="new", dtype=int),
}


@pytest.mark.parametrize("together", [False, True])
@pytest.mark.parametrize("way", WAYS)
def test_members_changed_by_managers_are_what_the_schema_says(
    lake: Lake, way: str, together: bool
) -> None:
    features = [ln.Feature(name=n, dtype=int).save() for n in "abc"]
    schema = ln.Schema(features[:2], name="s").save()
    before = schema.hash
    with lake.transaction() if together else nullcontext():
        WAYS[way](schema, features)
    stored = ln.Schema.get(schema.uid)
    members = list(stored.members)
    assert stored.n_members == stored.n == len(members)
    assert [m[1] for m in stored._values["content"]["members"]] == [m.uid for m in members]
    assert stored.hash != before
    assert ln.Schema(members).uid == schema.uid  # found by its content
    assert lake.check().ok


def test_a_schema_takes_members_of_one_registry(lake: Lake) -> None:
    schema = ln.Schema([ln.Feature(name="a", dtype=int).save()], name="s").save()
    gene = lake.bionty.Gene(symbol="x", ensembl_gene_id="ENSG00000000001").save()
    with pytest.raises(InvalidArgument, match="of Feature"):
        schema.genes.add(gene)
    assert ln.Schema.get(schema.uid).n_members == 1
    assert list(ln.Schema.get(schema.uid).genes) == []


def test_members_are_set_in_one_step(lake: Lake) -> None:
    """While they are exchanged the schema is none, and needn't be told from one that is there."""
    a, b = (ln.Feature(name=n, dtype=int).save() for n in "ab")
    ln.Schema(itype="Feature", name="any", flexible=False).save()
    schema = ln.Schema([a], name="s").save()
    schema.features.set([b])
    with lake.transaction():
        schema.features.set([a])
        schema.features.set([b, a])
    assert [f.name for f in ln.Schema.get(name="s").members] == ["b", "a"]
    assert ln.Schema.get(name="s").n == 2
