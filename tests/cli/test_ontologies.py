"""`ontology import` and `ontology list`."""

from __future__ import annotations

from pathlib import Path

import pytest

import lakehouse.bionty as bt
from lakehouse.ontology import extract


@pytest.mark.parametrize("entity", ["CellType", "bionty.CellType", "cell_type"])
def test_import(run, lake: Path, entity: str) -> None:
    text = run("ontology", "import", entity, extract("blood-cells")).stdout
    assert "CellType: " in text
    assert bt.CellType.filter().count() > 90
    assert bt.CellType.get(name="B cell").ontology_id == "CL:0000236"


def test_importing_again_adds_nothing(run, lake: Path) -> None:
    run("ontology", "import", "CellType", extract("blood-cells"))
    assert "CellType: 0 new" in run("ontology", "import", "CellType", extract("blood-cells")).stdout


def test_unknown_registry_names_the_near_ones(run, lake: Path) -> None:
    assert "CellType" in run("ontology", "import", "CellTyp", "x.obo", code=1).stderr


def test_unreadable_source(run, lake: Path) -> None:
    Path("bad.obo").write_text("this is no ontology")
    assert "bad.obo" in run("ontology", "import", "CellType", "bad.obo", code=1).stderr
    assert bt.CellType.filter().count() == 0


def test_list(run, here: Path) -> None:
    text = run("ontology", "list").stdout
    assert "blood-cells" in text
    assert "CellType" in text
