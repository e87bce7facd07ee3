"""Terms of public sources that features and datasets name before the registry has them."""

from __future__ import annotations

import pandas as pd
import pytest

import lakehouse as ln
import lakehouse.bionty as bt
from lakehouse.errors import ValidationError
from tests.bionty.test_data_frames import CELLS, add


@pytest.fixture
def feature(lake):
    add(bt.CellType, pd.DataFrame(CELLS), currently_used=True)
    return ln.Feature(name="cell", dtype=bt.CellType).save()


@pytest.fixture
def artifact(feature):
    return ln.Artifact.from_dataframe(pd.DataFrame({"a": [1]}), key="a.parquet").save()


def test_values_of_features(artifact, capsys):
    artifact.features.add_values({"cell": "T cell"})
    assert artifact.features.get_values() == {"cell": "T cell"}
    t_cell = bt.CellType.get(name="T cell")
    assert (t_cell.ontology_id, t_cell.source.version) == ("CL:2", "1")
    assert bt.CellType.filter().to_list("name") == ["T cell", "cell", "lymphocyte"]
    assert "created 1 CellType record from the public source: 'T cell'" in capsys.readouterr().err
    for wrong in ("B-cell", "b cell", "blob"):
        with pytest.raises(ValidationError, match="1 term not validated"):
            artifact.features.add_values({"cell": wrong})
    assert bt.CellType.filter().count() == 3


def test_values_of_a_dataset(feature):
    schema = ln.Schema([feature], name="cells").save()
    curator = ln.curators.DataFrameCurator(pd.DataFrame({"cell": ["B-cell", "T cell"]}), schema)
    with pytest.raises(ValidationError, match="B cell"):
        curator.validate()
    assert curator.cat.non_validated == {"cell": ["B-cell"]}
    curator.cat.standardize("cell")
    curator.validate()
    artifact = curator.save_artifact(key="b.parquet")
    assert sorted(artifact.cell_types.to_list("name")) == ["B cell", "T cell"]


def test_what_is_in_the_trash_stays_there(artifact):
    artifact.features.add_values({"cell": "T cell"})
    mine = bt.CellType.from_source(name="B cell").save()
    mine.delete()
    with pytest.raises(ValidationError, match="not validated"):
        artifact.features.add_values({"cell": "B cell"})
    assert bt.CellType.filter(name="B cell").count() == 0


def test_only_the_source_that_is_asked_for(lake, artifact):
    frame = pd.DataFrame({"ontology_id": ["CL:9"], "name": ["other cell"]})
    other = add(bt.CellType, frame, name="other")
    bound = ln.Feature(name="bound", dtype=bt.CellType, cat_filters={"source": other}).save()
    artifact.features.add_values({bound: "other cell"})
    assert bt.CellType.get(name="other cell").source == other
    with pytest.raises(ValidationError, match="not validated"):
        artifact.features.add_values({bound: "T cell"})
    assert not bt.CellType.filter(name="T cell").exists()


def test_inside_a_transaction(artifact):
    with ln.transaction():
        artifact.features.add_values({"cell": "T cell"})
    assert artifact.cell_types.to_list("name") == ["T cell"]


def test_searches_find_the_other_scopes_of_synonyms_last(lake):
    bt.CellType(name="a", related_synonyms="blood thing").save()
    bt.CellType(name="b", broad_synonyms="x|blood").save()
    bt.CellType(name="blood part").save()
    bt.CellType(name="c", synonyms="blood").save()
    assert bt.CellType.search("blood").to_list("name") == ["c", "blood part", "b", "a"]
    human = bt.Organism(name="human").save()
    bt.Gene(symbol="BRCA2", previous_symbols="FANCD1", organism=human).save()
    assert bt.Gene.search("FANCD1").to_list("symbol") == ["BRCA2"]
