"""The main job on real input, as a new user starts it."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import lakehouse as ln
import lakehouse.bionty as bt
from lakehouse.cli import tour as steps
from lakehouse.cli.tour import code_of, sample_file
from lakehouse.orm.model.context import set_process_lake

# How many cells of each kind the sample file has, by the names of the Cell Ontology.
CELLS = {
    "CL:0000451": 240,  # dendritic cell
    "CL:0001201": 95,  # B cell, CD19-positive
    "CL:0000623": 31,  # natural killer cell
}


@pytest.mark.slow
def test_quickstart(shell, here: Path) -> None:
    done = shell("quickstart")
    assert done.returncode == 0, done.stderr
    assert "Traceback" not in done.stderr
    assert "Warning" not in done.stderr
    text = done.stdout
    # the report names both mistakes, and what was meant
    assert re.search(r"NK cell.*natural killer cell", text)
    assert re.search(r"dentritic cell.*dendritic cell", text)
    for ontology_id, n_cells in CELLS.items():
        assert re.search(rf"{ontology_id} .* {n_cells} ", text), ontology_id
    _check_the_lake(here / "lakehouse-quickstart")
    again = shell("quickstart")
    assert again.returncode == 1
    assert "--storage another-folder" in again.stderr


def _check_the_lake(root: Path) -> None:
    set_process_lake(None)
    lake = ln.current_lake()
    assert lake.root == str(root)
    assert "quickstart" in lake.tags()
    keys = {artifact.key for artifact in ln.Artifact.filter()}
    assert keys == {"pbmc/raw.h5ad", "pbmc/cells.h5ad", "pbmc/cells.parquet"}
    assert ln.Artifact.get(key="pbmc/raw.h5ad").path.read_bytes() == sample_file().read_bytes()
    found = {artifact.key for artifact in ln.Artifact.filter(cell_type="natural killer cell")}
    assert found == keys - {"pbmc/raw.h5ad"}
    assert bt.CellType.filter().count() > 90


def test_code_of_a_step() -> None:
    assert code_of(steps.import_ontology).startswith("bt.CellType.import_source(")
    assert "return" not in code_of(steps.import_ontology)
    assert '"""' not in code_of(steps.make_lake)
