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
    html = report._repr_html_()
    assert "3 obsolete labels in use" in html
    assert "<td>ZZ:2</td><td>old</td><td>1</td><td>ZZ:5</td><td></td>" in html
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
    with pytest.raises(InvalidArgument, match="'ZZ:44' can't be replaced") as caught:
        bt.CellType.obsolete_labels().apply({"ZZ:44": "ZZ:1"})
    assert caught.value.expected == "ZZ:4"


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


def test_merged_ids_are_obsolete(lake, obo):
    bt.CellType.import_source(obo((1, "cell"), (2, "left", 'synonym: "l" EXACT []'), (3, "right")))
    artifact = ln.Artifact.from_dataframe(pd.DataFrame({"a": [1]}), key="a.parquet").save()
    artifact.cell_types.add(bt.CellType.get(name="left"))
    merged = obo((1, "cell"), (3, "right", "alt_id: ZZ:2", "alt_id: ZZ:7"), version="2025-01-01")
    bt.CellType.import_source(merged)
    left = bt.CellType.get(ontology_id="ZZ:2")
    assert (left.name, left.is_obsolete, left.replaced_by) == ("left", True, "ZZ:3")
    assert bt.CellType.filter().count() == 3
    assert bt.CellType.obsolete_labels().apply() == []
    assert artifact.cell_types.to_list("name") == ["right"]


def test_what_replaces_may_be_replaced_too(labelled, obo):
    obsolete = "is_obsolete: true"
    bt.CellType.import_source(
        obo(
            (1, "cell"),
            (2, "old", obsolete, "replaced_by: ZZ:5"),
            (5, "new", obsolete, "replaced_by: ZZ:6"),
            (6, "newest"),
            (7, "round", obsolete, "replaced_by: ZZ:8"),
            (8, "about", obsolete, "replaced_by: ZZ:7"),
            version="2026-01-01",
        )
    )
    found = {x.record.name: x.replaced_by for x in bt.CellType.obsolete_labels().labels}
    assert found["old"] == ("ZZ:6",)


def test_what_was_unlabelled_meanwhile_stays_so(labelled):
    report = bt.CellType.obsolete_labels()
    labelled.cell_types.remove(bt.CellType.get(name="old"))
    report.apply()
    assert set(labelled.cell_types.to_list("name")) == {"cell", "older", "oldest"}


def test_terms_of_ones_own_follow(labelled):
    mine = bt.CellType(name="mine", parents=[bt.CellType.get(name="old")]).save()
    bt.CellType.obsolete_labels().apply()
    assert mine.parents.to_list("name") == ["new"]
    assert mine in bt.CellType.get(name="cell").query_children()


def test_records_runs_and_labels_of_their_own(lake, labelled):
    feature = ln.Feature(name="cell", dtype=bt.CellType).save()
    record = ln.Record(name="sample").save()
    record.features.set_values({"cell": bt.CellType.get(name="old")})
    state = lake.log()[0].id
    bt.CellType.obsolete_labels().apply()
    assert record.features.get_values() == {feature.name: "new"}
    past = lake.at(state).Record.get(name="sample")
    assert past.features.get_values() == {feature.name: "old"}


def cells(field=bt.CellType.name):
    return ln.Schema([ln.Feature(name="cell", dtype=field).save()], name="cells").save()


def test_obsolete_terms_are_valid_and_told_with_what_replaces_them(labelled, capsys):
    frame = pd.DataFrame({"cell": ["old", "older", "oldest", "cell", "old"]})
    curator = ln.curators.DataFrameCurator(frame, cells())
    capsys.readouterr()
    curator.validate()
    said = capsys.readouterr().err
    call = "curator.cat.replace_obsolete('cell')"
    assert "3 terms of 'cell' are obsolete: 'old' → 'new', " in said
    assert "'older' (consider ZZ:1 or ZZ:5), 'oldest' (nothing replaces it)" in said
    assert said.count("obsolete:") == 1
    assert f"via: {call}" in said
    curator.validate()
    curator.save_artifact(key="cells.parquet")
    assert "obsolete" not in capsys.readouterr().err
    eval(call, {"curator": curator})
    assert frame["cell"].tolist() == ["new", "older", "oldest", "cell", "new"]
    said = capsys.readouterr().err
    assert "2 terms of 'cell' are obsolete" in said
    assert " via: " not in said  # nothing is left that could be replaced


def test_obsolete_terms_of_a_registry_are_told_and_replaced(labelled, capsys):
    capsys.readouterr()
    assert bt.CellType.validate(["old", "cell"]).all()
    assert "via: bt.CellType.replace_obsolete(values)" in capsys.readouterr().err
    bt.CellType.inspect(["ZZ:2"], "ontology_id")
    assert "replace_obsolete(values, field='ontology_id')" in capsys.readouterr().err
    bt.CellType.validate(["old"], mute=True)
    bt.CellType.validate(["cell", "nothing"])
    assert "obsolete" not in capsys.readouterr().err
    assert bt.CellType.replace_obsolete(["old", "older", "no", None]) == [
        "new", "older", "no", None
    ]  # fmt: skip
    assert bt.CellType.replace_obsolete("ZZ:2", bt.CellType.ontology_id) == "ZZ:5"


def test_a_current_term_of_the_same_name_is_meant(labelled, capsys):
    bt.CellType(name="old", ontology_id="ZZ:77").save()
    capsys.readouterr()
    assert bt.CellType.validate("old")
    assert "obsolete" not in capsys.readouterr().err


def test_chains_of_replacements_end(labelled):
    old, new, oldest = (bt.CellType.get(name=n) for n in ("old", "new", "oldest"))
    new.is_obsolete, new.replaced_by = True, oldest.ontology_id
    new.save()
    assert bt.CellType.replace_obsolete("old") == "old"  # nothing replaces what replaces it
    oldest.replaced_by = old.ontology_id
    oldest.save()
    assert bt.CellType.replace_obsolete("old") == "old"  # a circle
    oldest.is_obsolete, oldest.replaced_by = False, None
    oldest.save()
    assert bt.CellType.replace_obsolete("old") == "oldest"


@pytest.mark.parametrize("saves", [False, True])
def test_obsolete_terms_that_only_the_public_source_has(lake, obo, capsys, saves):
    bt.CellType.import_source(
        obo((1, "cell"), (2, "old", "is_obsolete: true", "replaced_by: ZZ:1"))
    )
    assert not bt.CellType.filter(ontology_id="ZZ:2").exists()
    frame, schema = pd.DataFrame({"cell": ["ZZ:2", "ZZ:1"]}), cells(bt.CellType.ontology_id)
    capsys.readouterr()
    if saves:
        ln.Artifact.from_dataframe(frame, key="a.parquet", schema=schema).save()
        assert "bt.CellType.obsolete_labels().apply()" in capsys.readouterr().err
    else:
        curator = ln.curators.DataFrameCurator(frame, schema)
        assert curator.check(saves=False).ok
        assert "1 term of 'cell' is obsolete: 'ZZ:2' → 'ZZ:1'" in capsys.readouterr().err
        curator.cat.replace_obsolete("cell")
        assert frame["cell"].tolist() == ["ZZ:1", "ZZ:1"]
