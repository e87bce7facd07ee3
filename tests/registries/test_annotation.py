"""Schemas, validation of content, annotation, and filters by features."""

from __future__ import annotations

import datetime
from pathlib import Path

import anndata as ad
import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import lakehouse as ln
import lakehouse.bionty as bt
from lakehouse.errors import (
    FieldValidationError,
    InvalidArgument,
    ObjectDoesNotExist,
    UnknownDtype,
    UnknownField,
    ValidationError,
)

GOOD = {"cell_type": ["T cell", "T cell", "B cell"], "n": [1, 2, 3]}
BAD = {"cell_type": ["T cell", "T-cell", "B cel"], "n": [1, 2, 3]}


@pytest.fixture
def terms(lake):
    ln.save(
        [
            bt.CellType(name="T cell", ontology_id="CL:0000084", synonyms="T-cell"),
            bt.CellType(name="B cell", ontology_id="CL:0000236"),
            ln.Feature(name="cell_type", dtype=bt.CellType),
            ln.Feature(name="n", dtype=int),
        ]
    )
    return lake


@pytest.fixture
def schema(terms):
    members = [ln.Feature.get(name="cell_type"), ln.Feature.get(name="n")]
    return ln.Schema(members, name="cells").save()


def forms(data, folder="."):
    table = pa.table(data)
    pq.write_table(table, f"{folder}/f.parquet")
    return {
        "pandas": table.to_pandas(),
        "polars": pl.DataFrame(data),
        "lazy": pl.LazyFrame(data),
        "arrow": table,
        "path": f"{folder}/f.parquet",
    }


FORMS = ["pandas", "polars", "lazy", "arrow", "path"]


@pytest.mark.slow
@pytest.mark.parametrize("form", FORMS)
def test_valid_content_is_annotated(schema, form):
    artifact = ln.Artifact.from_dataframe(forms(GOOD)[form], key="d.parquet", schema=schema).save()
    assert artifact.features.get_values() == {"cell_type": {"B cell", "T cell"}}
    assert artifact.schema == schema
    inferred = artifact.features.slots["columns"]
    assert sorted(f.name for f, _ in inferred.feature_list()) == ["cell_type", "n"]
    assert sorted(artifact.cell_types.to_list("name")) == ["B cell", "T cell"]
    assert ln.Artifact.filter(cell_type="T cell").one() == artifact
    assert ln.Artifact.filter(schema=schema).one() == artifact
    rows = ln.sql("SELECT feature, value, slot FROM artifact_features ORDER BY value").fetchall()
    assert rows == [("cell_type", "B cell", "columns"), ("cell_type", "T cell", "columns")]


@pytest.mark.parametrize("form", FORMS)
def test_invalid_content_is_refused(schema, stored, form):
    commits = len(ln.current_lake().log())
    with pytest.raises(ValidationError) as caught:
        ln.Artifact.from_dataframe(forms(BAD)[form], key="d.parquet", schema=schema)
    assert {(f.column, f.value) for f in caught.value.report.failures} == {
        ("cell_type", "T-cell"),
        ("cell_type", "B cel"),
    }
    for text in ('"T-cell" → "T cell"', '"B cell"', "cell_type"):
        assert text in str(caught.value)
    assert ln.Artifact.filter().count() == 0
    assert len(ln.current_lake().log()) == commits
    assert stored() == []


def test_all_failures_at_once(schema):
    data = {"cell_type": ["x", None, "T cell"], "n": ["a", "2", "3"]}
    with pytest.raises(ValidationError) as caught:
        ln.Artifact.from_dataframe(pa.table(data), key="d.parquet", schema=schema)
    assert {f.column for f in caught.value.report.failures} == {"cell_type", "n"}
    with pytest.raises(ValidationError, match="n"):
        ln.Artifact.from_dataframe(pa.table({"cell_type": ["T cell"]}), schema=schema)
    mistaken = {"cell_type": ["x"], "n": [1]}
    with pytest.raises(ValidationError) as caught:
        ln.Artifact(pa.table(mistaken), key="d.parquet", schema=schema, features={"n": "many"})
    assert len(caught.value.report.failures) == 2


def test_the_same_content_without_a_schema_can_be_validated_later(schema):
    plain = ln.Artifact(pa.table(GOOD), key="d.parquet").save()
    assert plain.features.get_values() == {}
    again = ln.Artifact(pa.table(GOOD), key="d.parquet", schema=schema).save()
    assert again == plain
    assert ln.Artifact.filter(cell_type="T cell", schema=schema).one() == plain
    strict = ln.Schema([ln.Feature(name="more", dtype=int)])
    with pytest.raises(ValidationError):
        ln.Artifact(pa.table(GOOD), key="d.parquet", schema=strict)


def test_coercion_changes_what_is_stored(lake):
    when = ln.Feature(name="when", dtype=datetime.date)
    schema = ln.Schema([ln.Feature(name="n", dtype=int), when], coerce=True).save()
    for form in (pa.table, pd.DataFrame, pl.DataFrame):
        data = form({"n": ["1", "2"], "when": ["2024-01-01", "2024-02-02"]})
        artifact = ln.Artifact.from_dataframe(data, key="d.parquet", schema=schema).save()
        assert artifact.columns["columns"] == [("n", "int64"), ("when", "date32[day]")]
        assert pq.read_table(artifact.path)["n"].to_pylist() == [1, 2]
        artifact.delete(permanent=True)
    strict = ln.Schema([ln.Feature.get(name="n")]).save()
    with pytest.raises(ValidationError):
        ln.Artifact.from_dataframe(pa.table({"n": ["1"]}), key="d.parquet", schema=strict)


def test_valid_features(terms, capfd):
    data = pa.table({"n": [1], "unknown": [2]})
    artifact = ln.Artifact.from_dataframe(data, key="v.parquet", schema="valid_features").save()
    assert [f.name for f, _ in artifact.features.slots["columns"].feature_list()] == ["n"]
    assert "unknown" in capfd.readouterr().err
    with pytest.raises(ValidationError):
        ln.Artifact.from_dataframe(pa.table({"n": ["a"]}), schema="valid_features")
    with pytest.raises(ObjectDoesNotExist, match="valid_features"):
        ln.Artifact.from_dataframe(data, key="v.parquet", schema="valid_feature")
    with pytest.raises(InvalidArgument, match="Schema or its name"):
        ln.Artifact.from_dataframe(data, key="v.parquet", schema=3)


def test_equal_schemas_are_one(terms):
    n, cell_type = ln.Feature.get(name="n"), ln.Feature.get(name="cell_type")
    first = ln.Schema([n, cell_type], name="a").save()
    assert ln.Schema([cell_type, n]) == first
    assert ln.Schema([cell_type, n], name="other name").save() == first
    assert ln.Schema.get(first.uid).name == "other name"
    others = [
        ln.Schema([n, cell_type], ordered_set=True),
        ln.Schema([cell_type, n], ordered_set=True),
        ln.Schema([n, cell_type], maximal_set=True),
        ln.Schema([n, cell_type], minimal_set=False),
        ln.Schema([n, cell_type], coerce=True),
        ln.Schema([n, cell_type], optionals=["n"]),
        ln.Schema([n], index=cell_type),
        ln.Schema([n]),
        ln.Schema(itype=bt.Gene.ensembl_gene_id),
        ln.Schema(itype=bt.Gene.symbol),
    ]
    ln.save(others)
    assert len({s.uid for s in (first, *others)}) == 11
    assert ln.Schema.filter().count() == 11


def test_members_and_optionals(terms):
    n, cell_type = ln.Feature.get(name="n"), ln.Feature.get(name="cell_type")
    schema = ln.Schema([n, cell_type], optionals=[n], name="opt").save()
    again = ln.Schema.get(name="opt")
    assert [f.name for f in again.optionals] == ["n"]
    assert [(f.name, o) for f, o in again.feature_list()] == [("n", True), ("cell_type", False)]
    assert sorted(again.features.to_list("name")) == ["cell_type", "n"]
    assert again.n_members == 2
    ln.Artifact.from_dataframe(pa.table({"cell_type": ["T cell"]}), schema=schema).save()
    with pytest.raises(ValidationError):
        ln.Artifact.from_dataframe(pa.table({"n": [1]}), schema=schema)
    with pytest.raises(InvalidArgument, match="among"):
        ln.Schema([n], optionals=["m"])
    with pytest.raises(InvalidArgument, match="made of features"):
        ln.Schema(["n"])
    assert "cell_type" in again.describe(return_str=True)


def test_sets_of_columns(terms):
    n, cell_type = ln.Feature.get(name="n"), ln.Feature.get(name="cell_type")

    def fits(schema, **data):
        try:
            ln.Artifact.from_dataframe(pa.table(data), schema=schema)
        except ValidationError:
            return False
        return True

    assert fits(ln.Schema([n]), n=[1], more=[1])
    assert not fits(ln.Schema([n], maximal_set=True), n=[1], more=[1])
    assert fits(ln.Schema([n, cell_type], minimal_set=False), n=[1])
    assert not fits(ln.Schema([n, cell_type], minimal_set=False), n=["a"])
    ordered = ln.Schema([n, cell_type], ordered_set=True)
    assert fits(ordered, n=[1], cell_type=["T cell"])
    assert not fits(ordered, cell_type=["T cell"], n=[1])


def test_index(terms):
    sample = ln.Feature(name="sample", dtype=str)
    schema = ln.Schema([ln.Feature.get(name="n")], index=sample).save()
    frame = pd.DataFrame({"n": [1, 2]}, index=pd.Index(["s1", "s2"], name="sample"))
    artifact = ln.Artifact.from_dataframe(frame, key="i.parquet", schema=schema).save()
    assert artifact.load().index.name == "sample"
    assert ln.Schema.get(schema.uid).index == ln.Feature.get(name="sample")
    with pytest.raises(ValidationError, match="sample"):
        ln.Artifact.from_dataframe(
            pd.DataFrame({"n": [1]}, index=pd.Index([7], name="sample")), schema=schema
        )


def test_feature_dtypes(lake):
    kind = ln.Record(name="Perturbation", is_type=True).save()
    given = {
        "int": int,
        "float": float,
        "str": str,
        "bool": bool,
        "date": datetime.date,
        "datetime": datetime.datetime,
        "dict": dict,
        "list[str]": list[str],
        "list[cat[ULabel]]": list[ln.ULabel],
        "cat[ULabel]": ln.ULabel,
        "cat[bionty.CellType]": bt.CellType,
        "cat[bionty.CellType.ontology_id]": bt.CellType.ontology_id,
        "cat[Record[Perturbation]]": kind,
        "cat[ULabel|bionty.CellType]": "cat[ULabel|bionty.CellType]",
    }
    for i, (text, dtype) in enumerate(given.items()):
        ln.Feature(name=f"f{i}", dtype=dtype).save()
        assert ln.Feature.get(name=f"f{i}").dtype == text
        assert ln.Feature(name=f"f{i}", dtype=dtype)._saved
    with pytest.raises(UnknownDtype, match="int"):
        ln.Feature(name="x", dtype="integr")
    with pytest.raises(InvalidArgument, match="needs a dtype"):
        ln.Feature(name="x")
    with pytest.raises(InvalidArgument, match="another dtype"):
        ln.Feature(name="f0", dtype=str)
    assert ln.Feature.get(name="f0").dtype == "int"


def test_union_and_typed_categories(terms):
    kind = ln.Record(name="Perturbation", is_type=True).save()
    ln.save([ln.Record(name="drug", type=kind), ln.Record(name="loose"), ln.ULabel(name="odd")])
    union = ln.Feature(name="u", dtype="cat[bionty.CellType|ULabel]")
    typed = ln.Feature(name="p", dtype=kind)
    schema = ln.Schema([union, typed]).save()
    data = pa.table({"u": ["odd", "T cell"], "p": ["drug", "drug"]})
    artifact = ln.Artifact.from_dataframe(data, key="u.parquet", schema=schema).save()
    assert sorted(r.name for r in artifact.features["u"]) == ["T cell", "odd"]
    for value in ("odd", "T cell"):
        assert ln.Artifact.filter(u=value).one() == artifact
    assert ln.Artifact.filter(p="drug").count() == 1
    assert artifact.records.to_list("name") == ["drug"]
    assert artifact.ulabels.to_list("name") == ["odd"]
    with pytest.raises(ValidationError, match="loose"):
        ln.Artifact.from_dataframe(pa.table({"u": ["odd"], "p": ["loose"]}), schema=schema)


@pytest.mark.slow
def test_anndata_slots(terms):
    organism = bt.Organism(name="human", ontology_id="NCBITaxon:9606").save()
    ln.save(
        [bt.Gene(symbol=s, ensembl_gene_id=f"ENSG{i:011d}", organism=organism)
         for i, s in enumerate("AB")]
    )  # fmt: skip
    obs = ln.Schema([ln.Feature.get(name="cell_type")], name="obs").save()
    var = ln.Schema(itype=bt.Gene.ensembl_gene_id, name="var", maximal_set=True).save()
    schema = ln.Schema(otype="AnnData", slots={"obs": obs, "var.T": var}, name="ad").save()
    assert set(ln.Schema.get(name="ad").slots) == {"obs", "var.T"}

    def adata(gene="ENSG00000000001", cell="T cell"):
        frame = pd.DataFrame({"cell_type": pd.Categorical(["B cell", cell])}, index=["c1", "c2"])
        genes = pd.DataFrame(index=["ENSG00000000000", gene])
        return ad.AnnData(X=np.ones((2, 2), "float32"), obs=frame, var=genes)

    artifact = ln.Artifact.from_anndata(adata(), key="a.h5ad", schema=schema).save()
    assert ln.Artifact.filter(cell_type="T cell").one() == artifact
    assert set(artifact.features.slots) >= {"obs"}
    with pytest.raises(ValidationError) as caught:
        ln.Artifact.from_anndata(adata("ENSG9", "T cel"), key="b.h5ad", schema=schema)
    assert {f.value for f in caught.value.report.failures} >= {"T cel"}
    assert "ENSG9" in str(caught.value)
    adata("ENSG9").write_h5ad("c.h5ad")
    with pytest.raises(ValidationError, match="ENSG9"):
        ln.Artifact.from_anndata("c.h5ad", key="b.h5ad", schema=schema)
    with pytest.raises(InvalidArgument, match="another type"):
        ln.Artifact.from_dataframe(pa.table(GOOD), schema=schema)
    with pytest.raises(InvalidArgument, match="takes a schema"):
        ln.Schema(slots={"obs": "x"})


@pytest.fixture
def many(terms):
    """Artifacts a to e with external features of several dtypes."""
    ln.save(
        [
            ln.Feature(name="temperature", dtype=float),
            ln.Feature(name="donor", dtype=str),
            ln.Feature(name="day", dtype=datetime.date),
            ln.Feature(name="info", dtype=dict),
            ln.Feature(name="tags", dtype=list[str]),
            ln.Feature(name="ok", dtype=bool),
        ]
    )
    values = {
        "a": {"temperature": 20.5, "donor": "D1", "ok": True},
        "b": {"temperature": 30.0, "donor": "d2", "day": datetime.date(2024, 1, 2)},
        "c": {"info": {"lab": {"city": "Bonn"}, "x y": 3}, "tags": ["p", "q"], "ok": False},
        "d": {"cell_type": "T cell", "donor": 'it\'s "quoted"'},
        "e": {},
    }
    for name, features in values.items():
        with open(f"{name}.txt", "w") as file:
            file.write(name)
        ln.Artifact(f"{name}.txt", key=f"{name}.txt", features=features).save()


def keys(**lookups):
    return "".join(k[0] for k in sorted(ln.Artifact.filter(**lookups).to_list("key")))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("lookups", "expected"),
    [
        ({"temperature": 20.5}, "a"),
        ({"temperature__gt": 20.5}, "b"),
        ({"temperature__gte": 20.5, "temperature__lt": 30}, "a"),
        ({"temperature__in": [30, 31]}, "b"),
        ({"temperature__in": []}, ""),
        ({"donor": "D1"}, "a"),
        ({"donor__iexact": "D2"}, "b"),
        ({"donor__icontains": "d"}, "abd"),
        ({"donor__startswith": "d"}, "b"),
        ({"donor__in": ["D1", "d2"]}, "ab"),
        ({"donor": 'it\'s "quoted"'}, "d"),
        ({"donor__contains": '"quo'}, "d"),
        ({"donor__ne": "D1"}, "bcde"),
        ({"donor__isnull": True}, "ce"),
        ({"donor__isnull": False}, "abd"),
        ({"day": datetime.date(2024, 1, 2)}, "b"),
        ({"day__lt": datetime.date(2024, 1, 3)}, "b"),
        ({"ok": True}, "a"),
        ({"ok": False}, "c"),
        ({"info__lab__city": "Bonn"}, "c"),
        ({"info__lab__city": "Köln"}, ""),
        ({"info__x y": 3}, "c"),
        ({"tags": "p"}, "c"),
        ({"tags": ["p", "q"]}, "c"),
        ({"tags": ["p"]}, ""),
        ({"cell_type": "T cell"}, "d"),
        ({"cell_type__in": ["T cell", "B cell"]}, "d"),
        ({"cell_type__contains": "ce"}, "d"),
        ({"cell_type__ne": "T cell"}, "abce"),
        ({"cell_type__isnull": True}, "abce"),
        ({"cell_types__name": "T cell"}, "d"),
        ({"donor": "x' OR 1=1 --"}, ""),
        ({"cell_type__in": ["x') OR 1=1 --"]}, ""),
    ],
)
def test_filters(many, lookups, expected):
    assert keys(**lookups) == expected


def test_filter_errors(many):
    with pytest.raises(UnknownField, match="temperature"):
        ln.Artifact.filter(temperatur=3)
    with pytest.raises(FieldValidationError, match="text"):
        ln.Artifact.filter(cell_type__gt=3).count()
    with pytest.raises(ObjectDoesNotExist, match="CellType matching"):
        ln.Artifact.filter(cell_type="x') OR 1=1 --")
    with pytest.raises(UnknownField, match="look-up"):
        ln.Artifact.filter(donor__foo=3).count()
    assert keys(cell_type=bt.CellType.get(name="T cell")) == "d"
    assert keys(**{"info__a'b": 1}) == ""


def test_external_features(many):
    artifact = ln.Artifact.get(key="c.txt")
    assert artifact.features.get_values() == {
        "info": {"lab": {"city": "Bonn"}, "x y": 3}, "tags": ["p", "q"], "ok": False,
    }  # fmt: skip
    assert ln.Artifact.get(key="b.txt").features["day"] in ("2024-01-02", datetime.date(2024, 1, 2))
    with open("z.txt", "w") as file:
        file.write("z")
    with pytest.raises(ValidationError, match="temperatur"):
        ln.Artifact("z.txt", key="z.txt", features={"temperatur": 1.0})
    with pytest.raises(ValidationError) as caught:
        ln.Artifact("z.txt", key="z.txt", features={"temperature": "warm", "cell_type": "T cel"})
    assert {f.column for f in caught.value.report.failures} == {"temperature", "cell_type"}
    assert ln.Artifact.filter(key="z.txt").count() == 0
    rows = ln.sql("SELECT artifact_key FROM artifact_feature_value WHERE feature = 'donor'")
    assert len(rows.fetchall()) == 3


def test_labels_by_hand(many):
    artifact, label = ln.Artifact.get(key="e.txt"), ln.ULabel(name="raw").save()
    artifact.ulabels.add(label)
    artifact.ulabels.add(label)
    assert artifact.ulabels.to_list("name") == ["raw"]
    assert ln.Artifact.filter(ulabels=label).one() == artifact
    assert ln.Artifact.filter(ulabels__name="raw").count() == 1
    assert ln.sql("SELECT name FROM artifact_ulabels").fetchall() == [("raw",)]
    artifact.ulabels.remove(label)
    assert artifact.ulabels.count() == 0
    with pytest.raises(InvalidArgument, match="isn't saved"):
        artifact.ulabels.add(ln.ULabel(name="new"))
    with pytest.raises(InvalidArgument, match="Only records"):
        artifact.ulabels.add("raw")


def test_snapshots_are_shared(lake):
    for i, data in enumerate(({"x": [1], "y": ["a"]}, {"x": [2], "y": ["b"]}, {"x": [1.5]})):
        ln.Artifact(pa.table(data), key=f"{i}.parquet").save()
    ln.Artifact(pa.table({"x": [9], "y": ["z"]}), key="3.csv").save()
    query = "SELECT snapshot_uid, count(*) n FROM artifact_snapshot GROUP BY 1 ORDER BY n"
    assert [n for _, n in ln.sql(query).fetchall()] == [1, 3]
    assert ln.sql("SELECT count(*) FROM snapshot").fetchall() == [(2,)]
    rows = ln.sql(
        "SELECT artifact_key FROM artifact_column"
        " WHERE column_name = 'y' AND type = 'string' ORDER BY 1"
    ).fetchall()
    assert rows == [("0.parquet",), ("1.parquet",), ("3.csv",)]


def test_a_folder_of_tables_is_validated(lake):
    ln.Feature(name="x", dtype=int).save()
    schema = ln.Schema([ln.Feature.get(name="x")], name="xs").save()
    for part, value in (("good", 1), ("bad", "a")):
        Path(f"{part}.parquet").mkdir()
        for i in range(2):
            pq.write_table(pa.table({"x": [value]}), f"{part}.parquet/{i}.parquet")
    artifact = ln.Artifact("good.parquet", key="good.parquet", schema=schema).save()
    assert (artifact.n_observations, artifact.schema) == (2, schema)
    with pytest.raises(ValidationError, match="x"):
        ln.Artifact("bad.parquet", key="bad.parquet", schema=schema).save()
    assert ln.Artifact.filter().count() == 1


def test_labels_of_lists_keep_the_order_of_cells(lake):
    for name in ("a", "b", "c"):
        ln.ULabel(name=name).save()
    tags = ln.Feature(name="tags", dtype=list[ln.ULabel]).save()
    df = pd.DataFrame({"tags": [["c", "a"], ["b", "c"]]})
    schema = ln.Schema([tags]).save()
    artifact = ln.Artifact.from_dataframe(df, key="t.parquet", schema=schema).save()
    assert artifact.features.get_values() == {"tags": ["c", "a", "b"]}
    artifact.features.add_values({"tags": ["b", "a"]})
    assert artifact.features.get_values() == {"tags": ["c", "a", "b"]}
    assert artifact.features.get_values(external_only=True) == {"tags": ["b", "a"]}
