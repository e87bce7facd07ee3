"""How many modules one call goes through: a reader of the code has to know as many."""

from __future__ import annotations

import pandas as pd
import pytest

import lakehouse as ln
import lakehouse.bionty as bt
from tests.traced import modules_entered

pytestmark = pytest.mark.usefixtures("lake")


@pytest.fixture
def schema():
    features = [ln.Feature(name="cell", dtype=bt.CellType), ln.Feature(name="dose", dtype=float)]
    bt.CellType(name="B cell").save()
    return ln.Schema([feature.save() for feature in features]).save()


def table(path, dose):
    pd.DataFrame({"cell": ["B cell"], "dose": [dose]}).to_parquet(path)
    return path


def test_walks_grow_no_longer(schema, tmp_path):
    label = ln.ULabel(name="raw").save()

    def artifact(dose):
        return ln.Artifact(
            table(tmp_path / f"{dose}.parquet", dose), key=f"{dose}.parquet", schema=schema
        )

    calls = {
        "get by uid": lambda: ln.ULabel.get(label.uid),
        "filter": lambda: ln.Artifact.filter(suffix=".parquet").to_dataframe(),
        "save a label": lambda: ln.ULabel(name=f"label {len(ln.ULabel.filter())}").save(),
        "validated save": lambda: artifact(float(len(ln.Artifact.filter()))).save(),
    }
    for call in calls.values():
        call()  # what is done once in a process is no step of the way
    walks = {name: len(modules_entered(call)) for name, call in calls.items()}
    most = {"get by uid": 15, "filter": 25, "save a label": 51, "validated save": 121}
    assert not {name: (n, most[name]) for name, n in walks.items() if n > most[name]}
    assert all(n > 5 for n in walks.values()), walks
