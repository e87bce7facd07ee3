from __future__ import annotations

import os
import shutil
import subprocess
import sys
import threading

import pytest

import lakehouse
from lakehouse import setup
from lakehouse.config import environment, settings
from lakehouse.errors import (
    InvalidArgument,
    LakeCorrupt,
    LakeExists,
    LakeNotFound,
    ObjectDoesNotExist,
    UnknownField,
)
from lakehouse.orm import Lake, connect, current_lake, open_lake, scan, sql, use
from lakehouse.registries import Storage, ULabel


def run_python(code, cwd, **env):
    paths = os.pathsep.join(p for p in sys.path if p)
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=cwd, capture_output=True, text=True, check=False,
        env={**os.environ, "PYTHONPATH": paths, **env},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


PRINT_ROOT = "import lakehouse.orm as o; print(o.current_lake().root)"


def test_no_lake_says_how_to_make_one():
    with pytest.raises(LakeNotFound, match="lakehouse init --storage"):
        ULabel(name="a")
    with pytest.raises(LakeNotFound):
        connect("nowhere")


@pytest.mark.slow
def test_init_connects_and_children_find_it(tmp_path, capfd):
    lake = setup.init(storage=tmp_path / "store", modules="bionty", name="mine")
    assert current_lake() is lake
    assert (lake.name, lake.modules) == ("mine", ["bionty"])
    assert run_python(PRINT_ROOT, os.getcwd()) == lake.root
    os.makedirs("deep/below")
    assert run_python(PRINT_ROOT, "deep/below") == lake.root
    assert run_python(PRINT_ROOT, "/", LAKEHOUSE_ROOT=lake.root) == lake.root
    assert "made the lake 'mine'" in capfd.readouterr().err


@pytest.mark.slow
def test_init_inside_the_working_directory():
    lake = setup.init(storage=".")
    assert not os.path.exists(".lakehouse/connection.json")
    assert run_python(PRINT_ROOT, os.getcwd()) == lake.root


def test_init_again_connects(tmp_path, capfd):
    first = setup.init(storage=tmp_path / "store")
    ULabel(name="a").save()
    again = setup.init(storage=tmp_path / "store", modules="bionty")
    assert again.uid == first.uid
    assert again.modules == ["bionty"]
    assert ULabel.filter().count() == 1
    assert "at" in capfd.readouterr().err
    with pytest.raises(LakeExists):
        setup.init(storage=tmp_path / "store", db=f"sqlite:///{tmp_path}/other.db")
    with pytest.raises(UnknownField, match="bionty"):
        setup.init(storage=tmp_path / "two", modules="bionti")
    assert not (tmp_path / "two").exists()


@pytest.mark.slow
def test_init_with_a_database_of_its_own(tmp_path):
    db = f"sqlite:///{tmp_path}/catalog/c.db"
    lake = setup.init(storage=tmp_path / "store", db=db)
    assert setup.init(storage=tmp_path / "store", db=db).uid == lake.uid
    assert run_python(PRINT_ROOT, os.getcwd()) == lake.root


@pytest.mark.slow
def test_close_and_connect(tmp_path):
    lake = setup.init(storage=tmp_path / "store")
    setup.close()
    with pytest.raises(LakeNotFound):
        current_lake()
    assert connect(lake.root).uid == lake.uid
    setup.close()
    setup.connect(lake.root)
    assert run_python(PRINT_ROOT, os.getcwd()) == lake.root
    with open(".lakehouse/connection.json", "w") as file:
        file.write("{")
    with pytest.raises(LakeCorrupt, match=r"connection\.json"):
        connect()


def test_delete(tmp_path):
    lake = setup.init(storage=tmp_path / "store", name="mine")
    (tmp_path / "store" / "keep.txt").write_text("x")
    setup.delete("mine", force=True)
    assert os.listdir(tmp_path / "store") == ["keep.txt"]
    with pytest.raises(LakeNotFound):
        current_lake()
    with pytest.raises(LakeNotFound):
        setup.delete(tmp_path / "gone")
    again = setup.init(storage=tmp_path / "store")
    assert again.uid != lake.uid
    setup.delete()


def test_settings(tmp_path, monkeypatch):
    setup.init(storage=tmp_path / "store", name="mine")
    assert setup.settings.instance.name == "mine"
    instance = setup.settings.instance
    assert (instance.slug, instance.owner, instance.dialect) == ("ada/mine", "ada", "sqlite")
    assert instance.db == f"sqlite:///{tmp_path}/store/.lakehouse/catalog.db"
    assert instance.storage.root_as_str == str(tmp_path / "store")
    flags = (instance.is_remote, instance.is_on_hub, instance.keep_artifacts_local)
    assert flags == (False, False, False)
    assert instance.git_repo is None
    assert setup.settings.user.handle == "ada"
    assert setup.settings.branch.name == "main"
    assert setup.settings.storage.root_as_str == str(tmp_path / "store")
    assert setup.settings.storage.root.exists()
    assert settings.storage.record == Storage.get(root=str(tmp_path / "store"))
    assert settings.branch.uid == "main"
    monkeypatch.setenv("LAKEHOUSE_VERBOSITY", "hint")
    assert environment().verbosity == "hint"
    monkeypatch.setattr(settings, "_verbosity", None)
    settings.verbosity = 3
    assert settings.verbosity == "info"
    for wrong in ("loud", 9, -1, True):
        with pytest.raises(InvalidArgument, match="3 'info'"):
            settings.verbosity = wrong
    with pytest.raises(InvalidArgument, match="local"):
        settings.local_storage  # noqa: B018


def test_another_user_is_registered_with_their_first_change(tmp_path, monkeypatch):
    lake = setup.init(storage=tmp_path / "store")
    monkeypatch.setenv("LAKEHOUSE_USER", "bob")
    connect(lake.root)
    assert ULabel(name="a").save().created_by.handle == "bob"
    assert sorted(current_lake().User.to_list("handle")) == ["ada", "bob"]


def test_threads_and_contexts(tmp_path):
    one, two = (Lake.create(str(tmp_path / n)) for n in ("one", "two"))
    found = {}

    def work(lake, name):
        with use(lake):
            for i in range(20):
                ULabel(name=f"{name}{i}").save()
            found[name] = sorted(set(ULabel.to_list("name")))

    threads = [threading.Thread(target=work, args=a) for a in ((one, "a"), (two, "b"))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found["a"] == sorted(f"a{i}" for i in range(20))
    assert found["b"] == sorted(f"b{i}" for i in range(20))
    connect(one.root)
    seen = []
    thread = threading.Thread(target=lambda: seen.append(current_lake().root))
    thread.start()
    thread.join()
    assert seen == [one.root]  # the process's lake is known in new threads
    with two:
        assert current_lake() is two
        with one:
            assert current_lake() is one
        assert current_lake() is two
    assert current_lake().root == one.root


def test_bound_registries(tmp_path):
    lake = Lake.create(str(tmp_path / "lake"))
    label = lake.ULabel(name="a").save()
    assert lake.ULabel.get(label.uid) == label
    assert lake.ULabel.name == ULabel.name
    cell_type = lake.bionty.CellType(name="T cell").save()
    assert isinstance(cell_type, lake.bionty.CellType)
    assert "CellType" in dir(lake.bionty)
    assert "ULabel" in dir(lake)
    assert repr(lake.ULabel) == f"<ULabel of {lake.root}>"
    with pytest.raises(UnknownField, match="ULabel"):
        _ = lake.Ulabels
    with pytest.raises(UnknownField, match="CellType"):
        _ = lake.bionty.CellTyp
    query = lake.ULabel.filter()
    assert [r.created_by.handle for r in query] == ["ada"]  # bound, with no current lake


def test_sql_and_scan(lake):
    ULabel(name="o'brien").save()
    assert sql("SELECT name FROM ulabel WHERE name = ?", "o'brien").fetchall() == [("o'brien",)]
    assert sql("SELECT name FROM ulabel WHERE name = $n", n="o'brien").pl().height == 1
    assert sql("SELECT count(*) AS n FROM cell_type").df()["n"].tolist() == [0]
    assert scan("ulabel").collect().height == scan("ULabel").collect().height == 1
    shown = {name for (name,) in sql(" show tables").fetchall()}
    assert {"ulabel", "artifact", "cell_type", "artifact_ulabels"} <= shown
    assert "name" in {row[0] for row in sql("DESCRIBE ulabel").fetchall()}
    with pytest.raises(InvalidArgument, match="ulabel"):
        sql("SELECT * FROM ulabels")
    with pytest.raises(UnknownField):
        scan("ulabels")


def test_history(lake):
    ULabel(name="a").save()
    commit = lake.tag("v1")
    ULabel(name="b").save()
    assert lake.tags()["v1"].id == commit.id
    assert lake.at(commit.id).ULabel.filter().count() == 1
    assert lake.at(commit.time).ULabel.filter().count() == 1
    assert lake.at(commit.seq).tag("v1").id == commit.id
    assert [c.seq for c in lake.log(2)] == [commit.seq + 1, commit.seq]
    assert lake.gc(dry_run=True) is not None


def test_a_moved_lake_knows_its_storage(tmp_path):
    with Lake.create(str(tmp_path / "here")) as lake:
        ULabel(name="a").save()
    shutil.move(tmp_path / "here", tmp_path / "there")
    with open_lake(tmp_path / "there") as moved:
        assert moved.uid == lake.uid
        assert moved.storage.root == str(tmp_path / "there")
        assert ULabel.filter().one().name == "a"


@pytest.mark.slow
def test_importing_touches_nothing(tmp_path):
    code = (
        "import sys, lakehouse, lakehouse.registries, os;"
        "print(sorted(os.listdir('.')), 'duckdb' in sys.modules and 'pandas' in sys.modules)"
    )
    assert run_python(code, tmp_path / "cwd") == "[] False"
    assert lakehouse.settings is settings


def test_misspelt_tables_are_answered_by_our_own_names(tmp_path):
    with Lake.create(str(tmp_path / "lake")) as lake:
        with pytest.raises(InvalidArgument, match="did you mean: artifact") as caught:
            lake.sql("SELECT * FROM artefact")
        assert "pg_" not in str(caught.value)
        with pytest.raises(ObjectDoesNotExist, match="lakehouse switch --create nobranch"):
            lake.merge("nobranch")
