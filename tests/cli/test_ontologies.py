"""`ontology import` and `ontology list`."""

from __future__ import annotations

from pathlib import Path

import pytest

import lakehouse.bionty as bt
from lakehouse.ontology import extract


@pytest.mark.parametrize("entity", ["CellType", "bionty.CellType", "cell_type"])
def test_import(run, lake: Path, entity: str) -> None:
    run("ontology", "import", entity, extract("blood-cells"))
    assert bt.CellType.filter().count() > 90
    assert bt.CellType.get(name="B cell").ontology_id == "CL:0000236"


def test_importing_again_adds_nothing(run, lake: Path) -> None:
    run("ontology", "import", "CellType", "blood-cells")
    before = bt.CellType.filter().to_list("uid")
    run("ontology", "import", "CellType", extract("blood-cells"))
    assert bt.CellType.filter().to_list("uid") == before


@pytest.mark.slow
def test_import_says_how_many(shell) -> None:
    shell("init", "--storage", "lake", "--modules", "bionty")
    done = shell("ontology", "import", "CellType", "blood-cells")
    assert done.returncode == 0
    assert "99 new" in done.stderr


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
