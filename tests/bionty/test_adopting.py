"""Terms of public sources that features and datasets name before the registry has them."""

from __future__ import annotations

import subprocess
import sys
import textwrap

import pandas as pd
import pydantic
import pytest

import lakehouse as ln
import lakehouse.bionty as bt
from lakehouse.errors import ValidationError
from lakehouse.orm import Lake
from lakehouse.orm.model.context import use
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


@pytest.fixture
def source(lake):
    return add(bt.CellType, pd.DataFrame(CELLS), currently_used=True)


@pytest.fixture
def schema(source):
    return ln.Schema([ln.Feature(name="cell", dtype=bt.CellType).save()], name="cells").save()


def curator(schema, *cells):
    return ln.curators.DataFrameCurator(pd.DataFrame({"cell": [*cells]}), schema)


def test_a_term_of_one_registry_is_no_new_term_of_another(source):
    feature = ln.Feature(name="cell", dtype="cat[bionty.CellType|ULabel]").save()
    schema = ln.Schema([feature], name="either").save()
    ln.ULabel(name="T cell").save()
    saved = curator(schema, "T cell", "lymphocyte").save_artifact(key="a.parquet")
    assert saved.ulabels.to_list("name") == ["T cell"]
    assert sorted(bt.CellType.filter().to_list("name")) == ["cell", "lymphocyte"]


def test_transactions_save_them_together_with_the_artifact(lake, schema):
    with ln.transaction():
        saved = curator(schema, "T cell", "B cell").save_artifact(key="a.parquet")
        curator(schema, "T cell").validate()
    assert sorted(saved.cell_types.to_list("name")) == ["B cell", "T cell"]
    assert bt.CellType.filter().count() == 4
    with pytest.raises(RuntimeError), ln.transaction():
        curator(schema, "cell").validate()
        raise RuntimeError
    assert bt.CellType.filter().count() == 4


def test_a_transaction_that_fails_saves_none(schema):
    with pytest.raises(RuntimeError), ln.transaction():
        curator(schema, "T cell").save_artifact(key="a.parquet")
        raise RuntimeError
    assert (bt.CellType.filter().count(), ln.Artifact.filter(key="a.parquet").count()) == (0, 0)


def test_what_is_not_valid_saves_none(lake, schema):
    cells = pd.DataFrame({"cell": ["T cell", "blob"]})
    for save in (
        lambda: curator(schema, *cells["cell"]).save_artifact(key="a.parquet"),
        lambda: ln.Artifact.from_dataframe(cells, key="a.parquet", schema=schema).save(),
    ):
        before = len(lake.log())
        with pytest.raises(ValidationError, match="blob"):
            save()
        assert (len(lake.log()), bt.CellType.filter().count()) == (before, 0)
    saved = curator(schema, "T cell").save_artifact(key="a.parquet")
    assert saved.cell_types.to_list("name") == ["T cell"]
    assert len(lake.log()) == before + 1  # with the terms that its labels are


def test_what_only_judges_saves_nothing(lake, schema):
    before = len(lake.log())
    model = schema.to_pydantic()
    assert model(cell="T cell").cell == "T cell"
    with pytest.raises(pydantic.ValidationError, match="did you mean 'T cell'"):
        model(cell="T-cell")
    assert curator(schema, "T cell", "B cell").check(saves=False).ok
    assert not curator(schema, "T cell", "B-cell").check(saves=False).ok
    assert len(lake.log()) == before


def test_past_states_judge_alike(lake, schema):
    lake.tag("before")
    past = lake.at("before")
    with use(past):
        curator(past.Schema.get(name="cells"), "T cell").validate()
        with pytest.raises(ValidationError, match="blob"):
            curator(past.Schema.get(name="cells"), "blob").validate()
    assert bt.CellType.filter().count() == 0


def test_several_versions_of_the_named_source(source):
    add(bt.CellType, pd.DataFrame({"ontology_id": ["CL:9"], "name": ["new cell"]}), version="2")
    named = ln.Feature(name="cell", dtype=bt.CellType, cat_filters={"source__name": "cl"}).save()
    schema = ln.Schema([named], name="named").save()
    with pytest.raises(ValidationError, match="new cell"):
        curator(schema, "T cell", "new cell").validate()
    assert bt.CellType.get(name="T cell").source == source


@pytest.mark.slow
def test_several_processes_at_once(lake, schema, tmp_path):
    script = tmp_path / "adopt.py"
    script.write_text(
        textwrap.dedent(
            f"""
            import sys
            import pandas as pd
            import lakehouse as ln
            ln.connect({lake.root!r})
            frame = pd.DataFrame({{"cell": ["T cell", "B cell"], "n": [int(sys.argv[1])] * 2}})
            curator = ln.curators.DataFrameCurator(frame, ln.Schema.get(name="cells"))
            print("ready", flush=True)
            sys.stdin.readline()
            curator.save_artifact(key=f"{{sys.argv[1]}}.parquet")
            """
        )
    )
    started = [
        subprocess.Popen(
            [sys.executable, script, str(n)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )
        for n in range(3)
    ]  # fmt: skip
    for process in started:
        process.stdout.readline()
    for process in started:
        process.stdin.write("\n")
        process.stdin.flush()
    ended = [process.communicate()[1] for process in started]
    assert [process.returncode for process in started] == [0, 0, 0], ended
    assert sorted(bt.CellType.filter().to_list("name")) == sorted(CELLS["name"])
    for artifact in ln.Artifact.filter(kind="dataset", suffix=".parquet", key__regex=r"^\d"):
        assert sorted(artifact.cell_types.to_list("name")) == ["B cell", "T cell"]


@pytest.fixture
def other(lake):
    """The same lake, as another process has it."""
    opened = Lake.open(lake.root)
    yield opened
    opened.close()


def test_terms_that_others_saved_meanwhile_are_taken_over(source, other):
    with ln.transaction():
        mine = bt.CellType.from_source(name="T cell").save()
        with use(other):
            theirs = bt.CellType.from_source(name="T cell").save()
    assert (mine.uid, mine.parents.one().name) == (theirs.uid, "lymphocyte")
    assert bt.CellType.filter().count() == 3
    assert mine.query_parents().count() == 2


def test_labels_follow_terms_that_others_saved_meanwhile(schema, other):
    ln.Feature(name="kind", dtype=bt.CellType).save()
    plain = ln.Artifact.from_dataframe(pd.DataFrame({"a": [1]}), key="plain.parquet").save()
    with ln.transaction():
        saved = curator(schema, "T cell").save_artifact(key="a.parquet")
        plain.features.add_values({"kind": "T cell"})
        with use(other):
            theirs = bt.CellType.from_source(name="T cell").save()
    assert (saved.cell_types.one(), plain.cell_types.one()) == (theirs, theirs)
    assert plain.features.get_values() == {"kind": "T cell"}


def test_terms_of_other_branches_are_no_synonyms_of_themselves(lake, schema):
    ln.setup.switch("other", create=True)
    curator(schema, "T cell").validate()
    ln.setup.switch("main")
    with pytest.raises(ValidationError, match="T cell") as caught:
        curator(schema, "T cell").validate()
    assert [failure.synonym_of for failure in caught.value.report.failures] == [None]


def test_terms_of_another_branch_are_said_to_be_there(lake, schema, capsys):
    ln.setup.switch("other", create=True)
    curator(schema, "T cell").validate()
    ln.setup.switch("main")
    capsys.readouterr()
    with pytest.raises(ValidationError):
        curator(schema, "T cell", "blob").validate()
    told = capsys.readouterr().err
    assert "1 CellType record on the branch 'other' can't be used on 'main': 'T cell'" in told
    call = "bt.CellType.from_values(['T cell']).save()"
    assert f"to have them here: ln.setup.merge('other'), or {call}" in told
    bt.CellType.from_values(["T cell"]).save()
    curator(schema, "T cell").validate()
    bt.CellType.get(name="T cell").delete()
    with pytest.raises(ValidationError):
        curator(schema, "T cell").validate()
    assert "in the trash can't be used on 'main'" in capsys.readouterr().err
