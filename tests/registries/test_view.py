"""`ln.view()` and the HTML of notebooks."""

from __future__ import annotations

import pandas as pd
import pytest

import lakehouse as ln
import lakehouse.bionty as bt
from lakehouse.errors import InvalidArgument
from lakehouse.registries.view import as_html


def test_newest_records_of_every_registry(lake, capsys):
    for i in range(9):
        ln.ULabel(name=f"label {i}").save()
    bt.CellType(name="T cell").save()
    assert ln.view() is None
    shown = capsys.readouterr().out
    assert "module: core" in shown
    assert "module: bionty" in shown
    assert "label 8" in shown
    assert "label 2" in shown
    assert "label 1" not in shown  # the seven newest
    assert "T cell" in shown
    assert "\nProject\n" not in shown  # there is none
    assert all(len(line) < 1_000 for line in shown.splitlines())


def test_modules_registries_and_limit(lake, capsys):
    ln.save([ln.ULabel(name="a"), ln.ULabel(name="b"), ln.Feature(name="f", dtype=int)])
    ln.view(modules="core", registries=["ULabel"], limit=1)
    shown = capsys.readouterr().out
    assert "module" not in shown
    assert " b " in shown
    assert " a " not in shown
    assert "Feature" not in shown


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"modules": "physics"}, "no such module"),
        ({"registries": ["ULable"]}, "ULabel"),
        ({"limit": 0}, "At least one"),
    ],
)
def test_wrong_options(lake, options, said):
    with pytest.raises(InvalidArgument, match=said):
        ln.view(**options)


def test_a_data_frame_with_what_its_features_say(lake, capsys):
    ln.Feature(name="dose", dtype=float, unit="mg", description="how much").save()
    frame = pd.DataFrame({"dose": [1.0], "note": ["x"]})
    ln.view(df=frame)
    dose, note = capsys.readouterr().out.splitlines()[-2:]
    assert dose.split() == ["dose", "float64", "float", "mg", "how", "much"]
    assert note.split() == ["note", str(frame["note"].dtype)]  # pandas 3 has a type of its own


def test_html_of_a_view():
    html = as_html("module: core", [("ULabel", (["name"], [["<b>"], ["c"]]))])
    assert html.startswith("<h3>module: core</h3><h4>ULabel</h4><table>")
    assert "<td>&lt;b&gt;</td>" in html


def test_html_of_records_is_escaped(lake):
    label = ln.ULabel(name="<script>alert(1)</script>", description="a & b").save()
    html = label._repr_html_()
    assert "<script>" not in html
    assert "&lt;script&gt;" in html
    assert "a &amp; b" in html
    assert label.uid in html


def test_html_of_query_sets(lake):
    ln.save([ln.ULabel(name=f"<{i}>") for i in range(12)])
    html = ln.ULabel.filter()._repr_html_()
    assert "12 ULabel records, the first 10" in html
    assert "&lt;9&gt;" in html
    assert "&lt;10&gt;" not in html
    assert "<th>description</th>" not in html  # nobody has one
    one = ln.ULabel.filter(name="<3>")._repr_html_()
    assert "1 ULabel record</p>" in one
    assert "0 ULabel records" in ln.ULabel.filter(name="none")._repr_html_()


def test_managers_and_inspections_in_notebooks(lake):
    label = ln.ULabel(name="<raw>").save()
    artifact = ln.Artifact.from_dataframe(pd.DataFrame({"a": [1]}), key="a.parquet").save()
    assert "0 ULabel records" in artifact.ulabels._repr_html_()
    artifact.ulabels.add(label)
    html = artifact.ulabels._repr_html_()
    assert html.startswith("<b>ulabels</b> of a.parquet<div>")
    assert "<td>&lt;raw&gt;</td>" in html
    assert repr(artifact.ulabels).startswith("<ulabels of Artifact(")
    assert ln.ULabel(name="unsaved").artifacts._repr_html_() == "<b>artifacts</b> of unsaved"

    values = ["<raw>", "RAW", *(f"<{i}>" for i in range(30))]
    result = ln.ULabel.inspect(values, mute=True)
    html = result._repr_html_()
    assert "1 of 32 values validated" in html
    assert "<td>&lt;0&gt;</td><td>no term</td>" in html
    assert html.count("<tr>") == 1 + 20
    assert "and 11 more that are no terms" in html
    assert "<table>" not in ln.ULabel.inspect(["<raw>"], mute=True)._repr_html_()
