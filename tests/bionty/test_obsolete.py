"""Replacing obsolete labels after a source was upgraded."""

from __future__ import annotations

import pandas as pd
import pytest

import lakehouse as ln
import lakehouse.bionty as bt
from lakehouse.errors import InvalidArgument


@pytest.fixture
def labelled(lake, obo):
    bt.CellType.import_source(obo((1, "cell"), (2, "old"), (3, "older"), (4, "oldest")))
    artifact = ln.Artifact.from_dataframe(pd.DataFrame({"a": [1]}), key="a.parquet").save()
    artifact.cell_types.add(*(bt.CellType.get(name=n) for n in ("cell", "old", "older", "oldest")))
    assert len(bt.CellType.obsolete_labels()) == 0
    obsolete = "is_obsolete: true"
    bt.CellType.import_source(
        obo(
            (1, "cell"),
            (2, "old", obsolete, "replaced_by: ZZ:5"),
            (3, "older", obsolete, "consider: ZZ:1", "consider: ZZ:5"),
            (4, "oldest", obsolete),
            (5, "new", "is_a: ZZ:1"),
            version="2025-01-01",
        )
    )
    return artifact


def test_report(labelled):
    report = bt.CellType.obsolete_labels()
    assert {x.record.name: x.replaced_by for x in report.labels} == {
        "old": ("ZZ:5",), "older": (), "oldest": ()
    }  # fmt: skip
    shown = repr(report)
    assert "3 obsolete labels in use" in shown
    assert "'old' (ZZ:2) on 1: replaced by ZZ:5" in shown
    assert "nothing; consider ZZ:1, ZZ:5" in shown
    frame = report.to_dataframe().set_index("name")
    assert frame.loc["old", "n_labelled"] == 1
    assert frame.loc["older", "consider"] == "ZZ:1|ZZ:5"


def test_apply_in_one_commit(labelled, lake):
    before = len(lake.log())
    left = bt.CellType.obsolete_labels().apply()
    assert len(lake.log()) == before + 1
    assert sorted(x.record.name for x in left) == ["older", "oldest"]
    assert set(labelled.cell_types.to_list("name")) == {"cell", "new", "older", "oldest"}
    bt.CellType.obsolete_labels().apply({"ZZ:3": "ZZ:1"})
    assert set(labelled.cell_types.to_list("name")) == {"cell", "new", "oldest"}
    assert len(bt.CellType.obsolete_labels()) == 1
    with pytest.raises(InvalidArgument, match="'ZZ:9' can't replace"):
        bt.CellType.obsolete_labels().apply({"ZZ:4": "ZZ:9"})


def test_features_are_kept(lake, obo):
    bt.CellType.import_source(obo((1, "cell"), (2, "old")))
    ln.Feature(name="kind", dtype=bt.CellType).save()
    artifact = ln.Artifact.from_dataframe(pd.DataFrame({"a": [1]}), key="a.parquet").save()
    artifact.features.set_values({"kind": "old"})
    more = ("is_obsolete: true", "replaced_by: ZZ:1")
    bt.CellType.import_source(obo((1, "cell"), (2, "old", *more), version="2025-01-01"))
    bt.CellType.obsolete_labels().apply()
    assert artifact.features.get_values()["kind"] == "cell"


def test_replacements_come_from_the_source(lake, obo):
    old = bt.CellType(name="old", ontology_id="ZZ:2").save()
    artifact = ln.Artifact.from_dataframe(pd.DataFrame({"a": [1]}), key="a.parquet").save()
    artifact.cell_types.add(old)
    more = ("is_obsolete: true", "replaced_by: ZZ:5")
    path = obo((1, "cell"), (2, "old", *more), (5, "new", "is_a: ZZ:1"), version="2025-01-01")
    source = bt.Source(entity="bionty.CellType", name="zz", url=str(path), currently_used=True)
    bt.CellType.add_source(source)
    bt.CellType.obsolete_labels().apply()
    assert artifact.cell_types.to_list("name") == ["new"]
    assert bt.CellType.get(name="new").parents.to_list("name") == ["cell"]
