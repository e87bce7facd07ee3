"""What `lakehouse.testing` gives to others: lakes of one's own, and suites that can fail."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

import lakehouse as ln
from lakehouse.config import settings
from lakehouse.errors import LakeExists, LakeNotFound, UnknownField
from lakehouse.orm.model.context import active_lake, set_process_lake
from lakehouse.testing import fresh_lake
from tests.example_lake import REPO

# -- fresh lakes -------------------------------------------------------------------------------


def test_a_fresh_lake_is_apart_from_the_one_that_one_is_connected_to(tmp_path, monkeypatch):
    monkeypatch.setenv("LAKEHOUSE_USER", "ada")
    monkeypatch.chdir(tmp_path)
    try:
        own = ln.setup.init(storage=str(tmp_path / "own"))
        monkeypatch.setenv("LAKEHOUSE_ROOT", str(tmp_path / "own"))
        settings.creation.search_names = False
        with fresh_lake() as lake:
            assert ln.current_lake() is lake
            assert settings.creation.search_names
            assert "LAKEHOUSE_ROOT" not in os.environ
            label = ln.ULabel(name="fresh").save()
            assert label.created_by.handle == "tester"
            with fresh_lake(user="eve") as inner:
                assert ln.ULabel(name="fresh").save().created_by.handle == "eve"
                assert ln.current_lake() is inner
            assert ln.current_lake() is lake
            settings.annotation.n_max_records = 7
            ln.setup.connect(str(tmp_path / "own"))
            place = lake.root
        assert ln.current_lake().root == own.root
        assert not ln.ULabel.filter(name="fresh").exists()
        assert (os.environ["LAKEHOUSE_USER"], os.environ["LAKEHOUSE_ROOT"]) == ("ada", own.root)
        assert not settings.creation.search_names
        assert not Path(place).exists()
    finally:
        set_process_lake(None)


def test_a_failing_block_leaves_nothing(tmp_path, monkeypatch):
    monkeypatch.delenv("LAKEHOUSE_USER", raising=False)
    with pytest.raises(RuntimeError, match="boom"), fresh_lake() as lake:
        place = lake.root
        raise RuntimeError("boom")
    assert active_lake() is None
    assert "LAKEHOUSE_USER" not in os.environ
    assert not Path(place).exists()


def test_a_fresh_lake_at_a_place_stays_there(tmp_path):
    with fresh_lake(tmp_path / "lake", modules=()) as lake:
        lake.ULabel(name="kept").save()
        assert lake.modules == []
    with pytest.raises(LakeExists), fresh_lake(tmp_path / "lake"):
        pass
    with ln.open(tmp_path / "lake") as lake:
        assert lake.ULabel.get(name="kept")


def test_unknown_modules_are_told():
    with pytest.raises(UnknownField, match="no module 'biontie'"), fresh_lake(modules=["biontie"]):
        pass


def test_nothing_is_connected_afterwards(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with fresh_lake():
        pass
    with pytest.raises(LakeNotFound):
        ln.current_lake()


# -- suites and fixtures, as others use them ---------------------------------------------------


def _pytest(folder: Path, **files: str) -> str:
    (folder / "conftest.py").write_text('pytest_plugins = ["lakehouse.testing.fixtures"]\n')
    for name, text in files.items():
        (folder / f"{name}.py").write_text(text)
    command = [sys.executable, "-m", "pytest", "-q", "-rA", "-p", "no:cacheprovider", str(folder)]
    env = os.environ | {"PYTHONPATH": os.pathsep.join([str(REPO), *sys.path])}
    done = subprocess.run(command, cwd=folder, env=env, capture_output=True, text=True)
    return done.stdout + done.stderr


def _outcomes(told: str) -> dict[str, str]:
    found = re.findall(r"^(PASSED|FAILED|ERROR) \S*?::(\S+)", told, re.M)
    return {name: outcome for outcome, name in found}


@pytest.mark.slow
def test_the_fixture(tmp_path):
    told = _pytest(
        tmp_path,
        test_own="""
import lakehouse as ln

def test_one(lake):
    assert ln.current_lake() is lake
    ln.ULabel(name="x").save()

def test_another(lake):
    assert ln.ULabel.filter().count() == 0
    assert lake.modules == ["bionty"]
""",
    )
    assert _outcomes(told) == {"test_one": "PASSED", "test_another": "PASSED"}, told


BAD = """
import itertools
import pandas as pd
import pyarrow as pa
import pytest
from lakehouse.curation.slots import table as slots
from lakehouse.curation.slots.base import Part
from lakehouse.engine.catalog.sqlite import SqliteCatalog
from lakehouse.formats import table as formats
from lakehouse.formats.plain import Json
from lakehouse.testing import CatalogContract, FormatContract, SlotsContract

number = itertools.count()

class Restless(Json):
    name = "restless"
    suffixes = (".restless",)

    def parse(self, text):
        return text

    def dump(self, obj, **kwargs):
        return f"{obj} {next(number)}"

class TestFormat(FormatContract):
    fmt = Restless()
    suffix = ".restless"

    def example(self):
        return {"a": 1}

class Book(dict):
    pass

class BookSlots:
    def __init__(self, data):
        self.data = data

    def part(self, slot, *, of_features):
        frame = pd.DataFrame(self.data)
        self.data["calls"] = [len(self.data)] * 2
        return Part("other", "table", frame, lambda columns: None)

slots._BY_OTYPE["Book"] = f"{__name__}:BookSlots"
slots._BY_OBJECT[f"{__name__}.Book"] = "Book"

class TestSlots(SlotsContract):
    otype = "Book"
    slots = {"plate": "table"}

    def example(self):
        return Book(n=["1", "2"])

class Forgetful(SqliteCatalog):
    def log(self, *args):
        return super().log(*args)[:1]

    def set_tag(self, name, seq):
        pass

class TestCatalog(CatalogContract):
    @pytest.fixture
    def make(self, tmp_path):
        return lambda: Forgetful(str(tmp_path / "catalog.db"))

    @pytest.fixture
    def stock_uri(self, tmp_path):
        return f"sqlite:///{tmp_path}/catalog.db"
"""


@pytest.mark.slow
def test_suites_fail_for_what_is_wrong_and_show_it(tmp_path):
    told = _pytest(tmp_path, test_bad=BAD)
    failed = {name for name, outcome in _outcomes(told).items() if outcome != "PASSED"}
    assert {n for n in failed if n.startswith("TestFormat")} == {
        "TestFormat::test_registered",
        "TestFormat::test_round_trip",
        "TestFormat::test_equal_objects_give_equal_bytes",
        "TestFormat::test_a_refused_object_leaves_no_file",
    }, told
    assert {n for n in failed if n.startswith("TestSlots")} == {
        "TestSlots::test_each_slot_has_its_kind",
        "TestSlots::test_asking_changes_nothing",
        "TestSlots::test_an_unknown_slot_is_told",
        "TestSlots::test_replaced_columns_are_in_the_dataset",
    }, told
    assert {n for n in failed if n.startswith("TestCatalog")} >= {
        "TestCatalog::test_tags",
        "TestCatalog::test_writers_take_turns",
    }, told
    assert "TestCatalog::test_keys_are_claimed_and_released" not in failed
    assert "('other', 'table') == ('plate', 'table')" in told  # asserts are rewritten


@pytest.mark.slow
def test_without_pytest_only_the_suites_are_missing():
    code = """
import sys

class Blocked:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in ("pytest", "_pytest"):
            raise ModuleNotFoundError(f"No module named {name!r}")

sys.meta_path.insert(0, Blocked())
import lakehouse as ln
from lakehouse import testing
from lakehouse.errors import MissingExtra
with testing.fresh_lake() as lake:
    assert ln.ULabel(name="x").save()
assert "FormatContract" in dir(testing)
for name in set(testing.__all__) - {"fresh_lake"}:
    try:
        getattr(testing, name)
    except MissingExtra as error:
        assert f"'pytest' is needed to use lakehouse.testing.{name}" in str(error), error
        assert "pip install 'pytest'" in str(error), error
    else:
        raise AssertionError(name)
"""
    env = os.environ | {"PYTHONPATH": os.pathsep.join([str(REPO), *sys.path])}
    done = subprocess.run([sys.executable, "-c", code], env=env, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_a_misspelt_suite_is_an_attribute_error():
    import lakehouse.testing

    with pytest.raises(AttributeError, match="FormatContrakt"):
        _ = lakehouse.testing.FormatContrakt
