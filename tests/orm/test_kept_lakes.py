"""Lakes that earlier versions made open, hold what they held, and can be written.

`tests/data/make_lake.py` says how they were made, each by the version that it names.
"""

from __future__ import annotations

import shutil
import tarfile
from pathlib import Path

import pytest

import lakehouse as ln
import lakehouse.bionty as bt
from lakehouse.orm.model.context import set_process_lake

KEPT = Path(__file__).resolve().parents[1] / "data"


@pytest.fixture(params=sorted(KEPT.glob("lake-*.tar.xz")), ids=lambda path: path.name)
def lake(request, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("LAKEHOUSE_USER", "ada")
    monkeypatch.delenv("LAKEHOUSE_ROOT", raising=False)
    with tarfile.open(request.param) as kept:
        kept.extractall(tmp_path, filter="data")
    with ln.open("./lake") as lake:
        set_process_lake(lake)
        yield lake
        set_process_lake(None)


def test_it_holds_what_it_held(lake) -> None:
    assert lake.check().ok
    assert ln.ULabel.filter().to_list("name") == ["QC", "passed"]
    assert ln.ULabel.get(name="passed").type.name == "QC"
    assert ln.ULabel.filter(branch__name="trash").one().name == "gone"
    first, second = ln.Artifact.get(key="cells.parquet").versions
    assert first.load()["temperature"].to_list() == [21.5, 22.0]
    assert second.load()["temperature"].to_list() == [21.5, 23.0]
    assert second.is_latest
    assert second.schema.name == "cells"
    assert second.run.transform.key == "import.py"
    assert second.notes == "# Read me"
    assert second.features.get_values() == {"cell_type": {"B cell", "T cell"}, "temperature": 37.5}
    assert [a.uid for a in ln.Artifact.filter(temperature__gt=37)] == [second.uid]
    # terms are linked with what is below them
    assert ln.Artifact.filter(cell_type__under="lymphocyte").count() == 2
    assert bt.CellType.filter().count() == 99
    assert bt.CellType.standardize(["T-cell"]) == ["T cell"]
    assert ln.Collection.get(key="atlas").ordered_artifacts.to_list("uid") == [second.uid]
    sheet = ln.Record.get(name="Samples").to_dataframe()
    assert dict(zip(sheet["__lakehouse_record_name__"], sheet["gc"], strict=True)) == {
        "S-1": 0.5,
        "S-2": 0.25,
    }
    assert ln.Project.get(name="Atlas").abbr == "AT"
    assert lake.at("before").Record.filter().count() == 0


def test_its_branch_is_apart_and_merges(lake) -> None:
    lake.switch("trial")
    assert ln.ULabel.get(name="passed").description == "second"
    assert ln.ULabel.filter(name="only here").count() == 1
    lake.switch("main")
    assert ln.ULabel.get(name="passed").description == "first"
    lake.merge("trial")
    assert ln.ULabel.get(name="passed").description == "second"
    assert ln.ULabel.filter(name="only here").count() == 1


def test_it_is_written_and_keeps_its_keys(lake, tmp_path) -> None:
    kept = ln.ULabel.get(name="passed")
    assert ln.ULabel(name="passed", type=kept.type).uid == kept.uid
    artifact = ln.Artifact.get(key="cells.parquet")
    copy = shutil.copy(artifact.cache(), tmp_path / "other.parquet")
    again = ln.Artifact(copy, key="other.parquet")
    assert again.uid == artifact.uid
    ln.ULabel(name="new").save()
    kept.description = "third"
    kept.save()
    frame = artifact.load().assign(temperature=[1.5, 2.5])
    made = ln.Artifact.from_dataframe(frame, key="cells.parquet", schema=artifact.schema).save()
    assert made.stem_uid == artifact.stem_uid
    assert len(made.versions) == 3
    lake.gc()
    assert lake.check().ok
    assert lake.at("before").ULabel.get(name="passed").description == "first"
