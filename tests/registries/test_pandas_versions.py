"""One data frame is read, judged and written alike by every version of pandas.

The environments that CI makes hold pandas 2.2 to 3, and each compares with the same literals.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

import lakehouse as ln
import lakehouse.bionty as bt
from lakehouse.curation import as_arrow
from lakehouse.errors import ValidationError
from lakehouse.schema import Snapshot

COLUMNS = [
    ("cell_type", "string", "cat"),
    ("donor", "string", "str"),
    ("n", "int64", "int"),
    ("count", "int64", "int"),
    ("score", "double", "float"),
    ("ok", "bool", "bool"),
    ("taken", "timestamp[us]", "datetime"),
    ("tags", "list<item: string>", "list[str]"),
]


@pytest.fixture
def frame() -> pd.DataFrame:
    data = {
        "cell_type": pd.Categorical(["B cell", "B-cell", "Q cell", None]),
        "donor": ["d1", "d2", "", None],
        "n": [1, 2, 3, -4],
        "count": pd.array([1, None, 3, 2**62], dtype="Int64"),
        "score": [0.5, np.nan, 1e300, -0.0],
        "ok": [True, False, True, True],
        "taken": np.array(["2026-01-01T12:00", "NaT", "1969-12-31", "2026-01-02"], "M8[us]"),
        "tags": [["a"], ["d"], ["b", "c"], None],
    }
    return pd.DataFrame(data, index=pd.Index(["c1", "c2", "c3", "c4"], name="barcode"))


def test_snapshot(frame: pd.DataFrame) -> None:
    snapshot = Snapshot.of(as_arrow(frame).schema)
    found = [(f.name, f.type, f.dtype) for f in snapshot.fields]
    assert found == [*COLUMNS, ("barcode", "string", "str")]
    assert snapshot.uid == "4EdRPJbx9fNlEG54AMsyhz"


def test_stored(lake: ln.Lake, frame: pd.DataFrame) -> None:
    artifact = ln.Artifact.from_dataframe(frame, key="x.parquet").save()
    rows = ln.sql("SELECT column_name, type, dtype FROM artifact_column ORDER BY position")
    assert rows.fetchall() == COLUMNS
    pd.testing.assert_frame_equal(artifact.load(), frame)
    dtypes = ["cat[ULabel]", *(dtype for *_, dtype in COLUMNS[1:])]
    assert ln.Feature.from_dataframe(frame).to_list("dtype") == dtypes


def test_text_file(lake: ln.Lake, frame: pd.DataFrame) -> None:
    artifact = ln.Artifact.from_dataframe(frame.drop(columns="tags"), key="x.csv").save()
    assert artifact.path.read_text().splitlines() == [
        "barcode,cell_type,donor,n,count,score,ok,taken",
        "c1,B cell,d1,1,1,0.5,True,2026-01-01 12:00:00",
        "c2,B-cell,d2,2,,,False,",
        "c3,Q cell,,3,3,1e+300,True,1969-12-31 00:00:00",
        "c4,,,-4,4611686018427387904,-0.0,True,2026-01-02 00:00:00",
    ]
    assert artifact.hash == "hCiwnhzQGGU2PgnMcC3voQ"


def test_judged(lake: ln.Lake, frame: pd.DataFrame) -> None:
    bt.CellType(name="B cell", ontology_id="CL:0000236", synonyms="B-cell|B lymphocyte").save()
    dtypes = {name: dtype for name, _, dtype in COLUMNS} | {"cell_type": bt.CellType}
    features = [ln.Feature(name=n, dtype=d, nullable=n != "donor") for n, d in dtypes.items()]
    schema = ln.Schema([feature.save() for feature in features], name="samples").save()
    with pytest.raises(ValidationError) as error:
        ln.Artifact.from_dataframe(frame, key="y.parquet", schema=schema).save()
    failures = [(f.column, f.rule, f.value, f.rows) for f in error.value.report.failures]
    assert failures == [
        ("cell_type", "category", "B-cell", (1,)),
        ("cell_type", "category", "Q cell", (2,)),
        ("donor", "null", None, (3,)),
    ]
    names = ["B cell", "B cell", "Q cell", None]
    standard = bt.CellType.standardize(frame["cell_type"])
    assert [None if pd.isna(name) else name for name in standard] == names
    assert list(bt.CellType.validate(frame["cell_type"])) == [True, False, False, False]
