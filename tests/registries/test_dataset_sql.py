"""`dataset('key')` in SQL, and hostile names in every place where a name goes."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pytest

import lakehouse as ln
import lakehouse.bionty as bt
from lakehouse.errors import InvalidArgument, InvalidKey, LakehouseError, ObjectDoesNotExist

HOSTILE = [
    "it's",
    'double "quoted"',
    "a'; DROP TABLE artifact; --",
    "x') UNION SELECT uid FROM artifact --",
    "[1] {2} *?",
    "%_{row}?$1",
    "ünïcode 细胞 🧬",
]


def write(path: str | Path, text: str = "text") -> str:
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    Path(path).write_text(text)
    return str(path)


@pytest.fixture
def cells(lake):
    bt.CellType(name="T cell", ontology_id="CL:1").save()
    bt.CellType(name="B cell", ontology_id="CL:2").save()
    return ln.Artifact(pa.table({"cell": ["T cell", "x", "T cell"]}), key="c/cells.parquet").save()


def test_joined_with_registries(cells):
    rows = ln.sql(
        "SELECT t.ontology_id, count(*) FROM dataset('c/cells.parquet') d"
        " JOIN cell_type t ON t.name = d.cell GROUP BY 1"
    )
    assert rows.fetchall() == [("CL:1", 2)]
    assert ln.sql("SELECT count(*) FROM DATASET ( 'c/cells.parquet' )").fetchall() == [(3,)]
    twice = "SELECT count(*) FROM dataset('c/cells.parquet') a, dataset('c/cells.parquet') b"
    assert ln.sql(twice).fetchall() == [(9,)]
    by_uid = f"SELECT count(*) FROM dataset('{cells.uid}')"
    assert ln.sql(by_uid).fetchall() == [(3,)]


def test_text_and_comments_stay(cells):
    assert ln.sql("SELECT 'see dataset(''x'')' AS t").fetchall() == [("see dataset('x')",)]
    query = """
        SELECT /* dataset('none') */ count(*) AS "dataset('none')"  -- dataset('none')
        FROM dataset('c/cells.parquet')
    """
    assert ln.sql(query).fetchall() == [(3,)]
    assert ln.sql("SELECT $$dataset('none')$$").fetchall() == [("dataset('none')",)]
    assert ln.sql("SELECT E'\\' dataset(' AS t").fetchall() == [("' dataset(",)]


def test_what_has_no_rows(cells):
    ln.Artifact(write("t.txt"), key="t.txt").save()
    with pytest.raises(InvalidArgument, match="no rows"):
        ln.sql("SELECT * FROM dataset('t.txt')")
    with pytest.raises(ObjectDoesNotExist, match=r"cells\.parquet"):
        ln.sql("SELECT * FROM dataset('c/cell.parquet')")


def test_past_states_have_their_versions(lake):
    ln.Artifact(write("t.csv", "x\n1\n"), key="t.csv").save()
    lake.tag("one")
    ln.Artifact(write("t.csv", "x\n1\n2\n"), key="t.csv").save()
    query = "SELECT max(x) FROM dataset('t.csv')"
    assert ln.sql(query).fetchall() == [(2,)]
    past = lake.at("one")
    assert past.sql(query).fetchall() == [(1,)]
    assert past.Artifact.get(key="t.csv").is_latest
    ln.Artifact.get(key="t.csv").delete()
    assert ln.sql(query).fetchall() == [(1,)]


@pytest.mark.slow
@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_keys(lake, name):
    key = f"h/{name}.csv"
    for text in ("x\n1\n", "x\n1\n2\n"):
        ln.Artifact(write("t.csv", text), key=key, description=name, kind=name).save()
    found = ln.Artifact.get(key=key)
    assert (found.key, found.description, found.kind) == (key, name, name)
    assert ln.Artifact.filter(key=key, is_latest=True).one().load()["x"].tolist() == [1, 2]
    assert ln.Artifact.filter(key__contains=name).count() == 2
    assert ln.Artifact.filter(key__startswith=f"h/{name}").count() == 2
    quoted = key.replace("'", "''")
    assert ln.sql(f"SELECT sum(x) FROM dataset('{quoted}')").fetchall() == [(3,)]
    assert ln.Artifact.filter().count() == 2
    real = ln.Artifact(
        pa.table({"x": [7]}), key=f"{name}/{name}.parquet", key_is_virtual=False
    ).save()
    assert real.path == Path(lake.root) / name / f"{name}.parquet"
    quoted = real.key.replace("'", "''")
    assert ln.sql(f"SELECT sum(x) FROM dataset('{quoted}')").fetchall() == [(7,)]
    assert real.open().to_table()["x"].to_pylist() == [7]
    with real.open(engine="polars") as lazy:
        assert lazy.collect()["x"].to_list() == [7]


@pytest.mark.slow
@pytest.mark.parametrize("name", [*HOSTILE, "line\nbreak", "n" * 10_000])
def test_hostile_names(lake, name):
    ln.ULabel(name=name).save()
    feature = ln.Feature(name=name, dtype=ln.ULabel).save()
    schema = ln.Schema([feature], name=name, description=name).save()
    data = pa.table({name: [name]})
    artifact = ln.Artifact.from_dataframe(data, key="t.parquet", schema=schema).save()
    assert artifact.features.get_values() == {name: name}
    assert artifact.columns["columns"] == [(name, "string")]
    assert ln.Schema.get(name=name) == schema
    if "__" not in name:
        assert ln.Artifact.filter(**{name: name}).one() == artifact
    assert ln.sql("SELECT column_name FROM artifact_column").fetchall() == [(name,)]
    assert ln.sql("SELECT feature, value FROM artifact_features").fetchall() == [(name, name)]
    assert artifact.describe(return_str=True)
    assert ln.sql("SELECT count(*) FROM artifact").fetchall() == [(1,)]


@pytest.mark.parametrize(
    "key",
    ["../x.csv", "a/../../x.csv", "/etc/x.csv", "", "a//x.csv", "a\\x.csv", "a\nb.csv", "~/x.csv",
     "s3://bucket/x.csv", "k" * 10_000 + ".csv", "a\0.csv", "./x.csv", 3, b"x.csv"],
)  # fmt: skip
def test_keys_that_name_nothing(lake, stored, key):
    write("t.csv", "x\n1\n")
    for virtual in (True, False):
        with pytest.raises(InvalidKey):
            ln.Artifact("t.csv", key=key, key_is_virtual=virtual)
        with pytest.raises(InvalidKey):
            ln.Artifact(pa.table({"x": [1]}), key=key, key_is_virtual=virtual)
    artifact = ln.Artifact("t.csv", key="t.csv").save()

    def rename():
        artifact.key = key
        artifact.save()

    with pytest.raises(LakehouseError):
        rename()
    assert ln.Artifact.filter().to_list("key") == ["t.csv"]
    assert len(stored()) == 1


def test_keys_among_our_own_files(lake):
    write("t.csv", "x\n1\n")
    for key in (".lakehouse/artifacts/x.csv", ".lakehouse/catalog.csv"):
        with pytest.raises(InvalidArgument):
            ln.Artifact("t.csv", key=key, key_is_virtual=False).save()


def test_long_names_of_real_files(lake, stored):
    write("t.csv", "x\n1\n")
    key = "k" * 300 + ".csv"
    assert ln.Artifact("t.csv", key=key).save().load()["x"].tolist() == [1]
    with pytest.raises(LakehouseError):
        ln.Artifact(write("u.csv", "x\n2\n"), key="m" * 300 + ".csv", key_is_virtual=False).save()
    assert ln.Artifact.filter().count() == 1
    suffix = "." + "s" * 240
    long = ln.Artifact(write("a" + suffix, "long"), key="a" + suffix).save()
    assert long.path.read_text() == "long"
