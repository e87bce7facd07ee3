"""Extensions: little packages that are really installed, good ones and bad ones."""

from __future__ import annotations

import importlib
import subprocess
import sys
from pathlib import Path

import anndata
import numpy as np
import pandas as pd
import pytest

import lakehouse as ln
from lakehouse import extension as own
from lakehouse.curators.core import curator_of
from lakehouse.errors import (
    BrokenExtension,
    InvalidArgument,
    MissingExtra,
    NoLoader,
    ProtectedRecord,
    UnknownField,
)
from lakehouse.extension import Extension, extension, extensions
from lakehouse.formats import format_for, format_in, format_of, known_suffixes
from lakehouse.orm import Lake
from lakehouse.orm.lake.health import check as site_check
from lakehouse.orm.lake.health import repair, site_at
from lakehouse.orm.model.context import set_process_lake, use
from lakehouse.testing import FormatContract, SlotsContract
from tests.example_lake import REPO

BARE = "from lakehouse.extension import Extension\nEXTENSION = Extension({})\n"


def bare(**tables):
    return {"__init__": BARE.format(", ".join(f"{k}={v!r}" for k, v in tables.items()))}


# -- what an extension adds --------------------------------------------------------------------


def test_a_format(plates, tmp_path, monkeypatch):
    from lab_plates.content import Plate

    assert format_for("x.PLATE") is format_of(Plate(["A1"])) is format_for(".plate")
    assert ".plate" in known_suffixes()
    with Lake.create(str(tmp_path / "lake")) as lake:
        artifact = lake.Artifact(Plate(["A1", "B2"]), key="one.plate").save()
        assert artifact.load() == Plate(["A1", "B2"])
        monkeypatch.undo()  # the package is gone
        again = lake.Artifact.get(key="one.plate")
        with pytest.raises(NoLoader, match=r"(?s)\.plate.*extension"):
            again.load()
        assert again.cache().read_text() == "A1\nB2\n"


def test_folders_of_files_of_one_format(plates, tmp_path):
    folder = tmp_path / "parts"
    folder.mkdir()
    for name in ("x.csv", "y.CSV"):
        (folder / name).write_text("a\n1\n")
    assert format_in(folder).name == "csv"
    (folder / "z.plate").write_text("A1\n")
    assert format_in(folder) is None
    for name in ("x.csv", "y.CSV"):
        (folder / name).unlink()
    assert format_in(folder) is None  # no table


def test_a_dataset_rule(plates, tmp_path, monkeypatch):
    adata = anndata.AnnData(np.ones((3, 1), "float32"), obs=pd.DataFrame(index=list("abc")))
    with Lake.create(str(tmp_path / "lake")) as lake, use(lake):
        obs = ln.Schema([ln.Feature(name="n", dtype=int).save()], minimal_set=False).save()

        def schema(rules):
            demanded = {"*": {"dataset": {"rules": rules, "least": 4}}}
            parts = {"obs": obs}
            return ln.Schema(name=rules, slots=parts, otype="AnnData", constraints=demanded).save()

        wells = schema("plates")
        [failure] = ln.curators.AnnDataCurator(adata, wells).check().failures
        assert (failure.found, failure.expected) == ("3 wells", "at least 4")
        with pytest.raises(InvalidArgument, match=r"(?s)'plates.gone'.*expected: plates"):
            ln.curators.AnnDataCurator(adata, schema("plates.gone")).check()
        with pytest.raises(BrokenExtension, match=r"(?s)'plates' names 'lab_plates.content:lost'"):
            ln.curators.AnnDataCurator(adata, schema("plates.lost")).check()
        monkeypatch.undo()
        with pytest.raises(InvalidArgument, match=r"(?s)'plates'.*→ install.*extension 'plates'"):
            ln.curators.AnnDataCurator(adata, wells).check()


def test_column_rules(plates, tmp_path, monkeypatch):
    frame = pd.DataFrame({"well": ["A1", "Ax", None, "B2", "Ax"]})
    with Lake.create(str(tmp_path / "lake")) as lake, use(lake):
        well = ln.Feature(name="well", dtype=str, nullable=True).save()

        def check(rule):
            schema = ln.Schema([well], constraints={"well": {"custom": rule}}).save()
            schema = ln.Schema.get(schema.uid)
            found = ln.curators.DataFrameCurator(frame, schema).check().failures
            return [(f.value, f.count, tuple(f.rows), f.found) for f in found]

        assert check("plates.well") == [("Ax", 2, (1, 4), "Ax has no column")]
        assert check("plates.row") == [("B2", 1, (3,), "not of row A")]
        with pytest.raises(InvalidArgument, match=r"(?s)'plates.wall' for columns.*plates.well"):
            check("plates.wall")
        with pytest.raises(BrokenExtension, match=r"lab_plates\.content:lost"):
            check("plates.lost")
        monkeypatch.undo()
        with pytest.raises(InvalidArgument, match=r"→ install.*the extension 'plates'"):
            check("plates.well")
        schema = ln.Schema([well], constraints={"well": {"custom": "plates.well"}}).save()
        assert "well" in schema.describe(return_str=True)
        assert schema.to_dataframe().shape


def test_slots_and_a_curator(plates, tmp_path, monkeypatch):
    from lab_plates.content import Workbook

    with Lake.create(str(tmp_path / "lake")) as lake, use(lake):
        plate = ln.Schema([ln.Feature(name="n", dtype=int).save()]).save()
        schema = ln.Schema(slots={"plate": plate}, otype="Workbook", name="book").save()
        bad = curator_of(Workbook(plate=pd.DataFrame({"n": ["x"]})), schema).check()
        assert [(f.slot, f.rule) for f in bad.failures] == [("plate", "dtype")]
        assert curator_of(Workbook(plate=pd.DataFrame({"n": [1]})), schema).check().ok
        with pytest.raises(UnknownField, match="This workbook has no slot 'plate'"):
            curator_of(Workbook(), schema)
        monkeypatch.undo()
        with pytest.raises(InvalidArgument, match="no columns to validate"):
            curator_of(Workbook(plate=pd.DataFrame({"n": [1]})), schema)


def test_examples(plates):
    assert ln.examples.plates == ["A1", "A2"]
    assert {"plates", "cellxgene"} <= {*dir(ln.examples)}
    with pytest.raises(AttributeError, match="plate_"):
        _ = ln.examples.plate_


# -- registries --------------------------------------------------------------------------------


@pytest.fixture
def root(plates, tmp_path):
    root = str(tmp_path / "lake")
    with Lake.create(root, modules=["plates", "bionty"]) as lake:
        lake.plates.Plate(name="small", wells=24).save()
        lake.Feature(name="plate", dtype="cat[plates.Plate]").save()
        lake.ULabel(name="core").save()
    return root


def test_registries(root, tmp_path):
    from lab_plates.registries import Plate

    with Lake.open(root) as lake:
        assert lake.modules == ["bionty", "plates"]
        found = {p.name: p.wells for p in lake.plates.Plate.filter()}
        assert found == {"standard": 96, "small": 24}
        assert Plate.get(name="small") == lake.plates.Plate.get(name="small")
        assert lake.plates.Plate(name="small").uid == Plate.get(name="small").uid
        assert lake.sql("SELECT count(*) FROM plates_plate").fetchall() == [(2,)]
        frame = pd.DataFrame({"plate": ["small", "smal"]})
        schema = ln.Schema([ln.Feature.get(name="plate")]).save()
        [failure] = ln.curators.DataFrameCurator(frame, schema).check().failures
        assert (failure.rule, failure.column, failure.value) == ("category", "plate", "smal")
        assert lake.check(deep=True).ok
    with use(lake):
        assert ln.DB(root).plates.Plate.get(name="small").wells == 24


def test_a_lake_without_its_extension(root, monkeypatch):
    monkeypatch.undo()
    monkeypatch.setenv("LAKEHOUSE_USER", "ada")
    assert "plates" not in extensions()
    with Lake.open(root) as lake:
        assert lake.sql("SELECT name FROM plates_plate ORDER BY 1").fetchall() == [
            ("small",),
            ("standard",),
        ]
        assert lake.ULabel.get(name="core").save()
        lake.ULabel(name="more").save()
        for ask in (lambda: lake.plates, lambda: lake.directory.get("plates.Plate")):
            with pytest.raises(UnknownField, match=r"→ install .*the extension 'plates'"):
                ask()
        with pytest.raises(UnknownField) as caught:
            _ = lake.palindromes  # nobody's module
        assert caught.value.hint is None
        assert lake.check(deep=True).ok
        assert lake.modules == ["bionty", "plates"]
        lake.gc()
        assert lake.sql("SELECT count(*) FROM plates_plate").fetchall() == [(2,)]
    assert repair(site_at(root), dry_run=False) is not None
    with Lake.open(root) as lake:
        assert lake.sql("SELECT count(*) FROM plates_plate").fetchall() == [(2,)]


@pytest.mark.parametrize("edited", [False, True])
def test_a_branch_is_merged_with_all_registries_or_not_at_all(root, plates, monkeypatch, edited):
    with Lake.open(root) as lake:
        lake.Branch(name="dev").save()
        lake.switch("dev")
        lake.plates.Plate(name="new").save()
        if edited:
            small = lake.plates.Plate.get(name="small")
            small.wells = 6
            small.save()
    monkeypatch.undo()
    with Lake.open(root) as lake:
        for dry_run in (True, False):
            with pytest.raises(MissingExtra, match=r"(?s)'plates' is needed to merge.*→ install"):
                lake.merge("dev", dry_run=dry_run)
        assert lake.Branch.get(name="dev").merged_at is None
    monkeypatch.syspath_prepend(str(plates))
    with Lake.open(root) as lake:
        lake.merge("dev")
        found = {p.name: p.wells for p in lake.plates.Plate.filter()}
        assert found == {"standard": 96, "small": 6 if edited else 24, "new": None}


def test_what_was_deleted_without_the_extension_is_found_with_it(root, plates, monkeypatch):
    with Lake.open(root) as lake:
        run = lake.Run(transform=lake.Transform(key="t", kind="notebook").save()).save()
        lake.plates.Plate(name="made", run=run).save()
        with pytest.raises(ProtectedRecord, match="made"):
            run.delete(permanent=True)
    monkeypatch.undo()
    with Lake.open(root) as lake:
        lake.Run.get(run.uid).delete(permanent=True)
        assert lake.check(deep=True).ok
    monkeypatch.syspath_prepend(str(plates))
    with Lake.open(root) as lake:
        assert "plates_plate" in str(lake.check(deep=True))


def test_edits_without_the_extension_are_there_with_it(root, plates, monkeypatch):
    monkeypatch.undo()
    with Lake.open(root) as lake:
        lake.ULabel(name="meanwhile").save()
    monkeypatch.syspath_prepend(str(plates))
    with Lake.open(root) as lake:
        assert lake.plates.Plate.filter().count() == 2
        assert lake.ULabel.filter(name="meanwhile").exists()


def test_a_module_is_added_to_a_lake(plates, tmp_path):
    try:
        made = ln.setup.init(storage=str(tmp_path / "lake"))
        with pytest.raises(UnknownField, match=r"modules='plates'"):
            _ = made.plates
        with pytest.raises(UnknownField, match=r"(?s)no module 'platez'.*extension 'platez'"):
            ln.setup.init(storage=str(tmp_path / "lake"), modules="platez")
        with pytest.raises(UnknownField, match="no module 'cellxgene'"):  # it has no registries
            ln.setup.init(storage=str(tmp_path / "lake"), modules="cellxgene")
        lake = ln.setup.init(storage=str(tmp_path / "lake"), modules="bionty,plates")
        assert lake.plates.Plate(name="big").save().wells is None
        assert ln.setup.init(storage=str(tmp_path / "lake")).plates.Plate.get(name="big")
    finally:
        set_process_lake(None)


def test_repair_and_check_know_its_tables(root):
    site = site_at(root)
    assert "plates_plate" in site.specs
    assert "needs no repair" in str(repair(site))


@pytest.mark.parametrize("there", [True, False])
def test_a_lost_catalog(root, plates, monkeypatch, there):
    if not there:
        monkeypatch.undo()
    for path in Path(root, ".lakehouse").glob("catalog.db*"):
        path.unlink()
    assert "made anew" in str(repair(site_at(root), dry_run=False))
    if not there:
        with Lake.open(root) as lake:
            assert lake.sql("SELECT count(*) FROM plates_plate").fetchall() == [(2,)]
        monkeypatch.syspath_prepend(str(plates))
        set_process_lake(None)
        ln.setup.init(storage=root, modules="plates,bionty").close()
        set_process_lake(None)
        assert not site_check(site_at(root), deep=True).ok  # of its keys nobody knew
        repair(site_at(root), dry_run=False)
    with Lake.open(root) as lake:
        assert "plates" in lake.modules
        assert lake.check(deep=True).ok
        assert lake.plates.Plate(name="small").uid == lake.plates.Plate.get(name="small").uid
        holder = lake.engine.holder("plates_plate", ("name",), ("small",), "main")
        assert holder == lake.plates.Plate.get(name="small").uid


def test_other_lakes_have_nothing_of_an_extension_after_a_repair(plates, tmp_path):
    with Lake.create(str(tmp_path / "other")) as lake:
        lake.ULabel(name="x").save()
    for path in (tmp_path / "other" / ".lakehouse").glob("catalog.db*"):
        path.unlink()
    assert "plates" not in str(repair(site_at(str(tmp_path / "other")), dry_run=False))
    with Lake.open(str(tmp_path / "other")) as lake:
        assert lake.modules == []
        assert lake.check().ok


# -- bad ones ----------------------------------------------------------------------------------

BAD = {
    "imports": ({"__init__": "import lab_isnt_there"}, "ModuleNotFoundError.*lab_isnt_there"),
    "raises": ({"__init__": "raise RuntimeError('boom')"}, "RuntimeError: boom"),
    "lacks": ({"__init__": ""}, "AttributeError"),
    "kind": ({"__init__": "EXTENSION = 3"}, "is none.*int"),
    "table": (bare(colours={}), "TypeError.*colours"),
    "newer": (bare(since="99.1"), "needs a newer.*99.1 or later.*--upgrade lakehouse"),
    "registry": (bare(registries={"bionty.Plate": "x:Y"}), "'bionty.Plate'.*'bad.Plate'"),
    "rules": (bare(dataset_rules={"cellxgene": "x:y"}), "'cellxgene'.*'bad.layout'"),
    "column rules": (bare(column_rules={"well": "x:y"}), "'well'.*'bad.layout'"),
    "suffix": (bare(formats={"plate": "x:Y"}), "suffix 'plate'"),
    "object": (bare(objects={"x.Y": ".csv"}), r"suffix '\.csv' of x\.Y"),
}


@pytest.mark.parametrize("kind", BAD)
def test_a_bad_extension_is_told_and_harms_no_other(kind, on_path, plates, tmp_path, caplog):
    modules, message = BAD[kind]
    on_path(package=f"lab_bad_{kind.split()[0]}", name="bad", **modules)
    with pytest.raises(
        BrokenExtension, match=rf"(?s)extension 'bad' of 'lab_bad_{kind.split()[0]}'.*{message}"
    ):
        extension("bad")
    with pytest.raises(BrokenExtension):  # the second time, too
        extension("bad")
    with pytest.raises(BrokenExtension):
        ln.setup.init(storage=str(tmp_path / "lake"), modules="bad")
    assert format_for("x.plate").name == "plate"
    with Lake.create(str(tmp_path / "lake"), modules=["bad", "plates"]) as lake:
        assert lake.plates.Plate(name="x").save()
        with pytest.raises(BrokenExtension):
            _ = lake.bad
    with Lake.open(str(tmp_path / "lake")) as lake:
        assert lake.plates.Plate.get(name="x")


def test_it_is_told_once_that_one_cannot_be_used(on_path, capsys, caplog):
    on_path(package="lab_told_once", name="told", __init__="import lab_isnt_there")
    assert format_for("x.nobodys") is None
    assert format_for("x.nobodyelses") is None
    told = capsys.readouterr().err + caplog.text
    assert told.count("The extension 'told' of 'lab_told_once' can't be imported.") == 1


def test_two_packages_claim_a_name(on_path, tmp_path):
    for package in ("lab_one", "lab_two"):
        on_path(package=package, name="twice", **bare(formats={".twice": f"{package}:Nope"}))
    with pytest.raises(BrokenExtension, match=r"(?s)'twice'.*lab_(one|two), lab_(one|two)"):
        extension("twice")
    assert format_for("x.twice") is None


def test_one_package_found_twice_is_one(on_path, plates):
    on_path()
    assert extension("plates") == extension("plates")
    assert isinstance(extension("plates"), Extension)


def test_two_extensions_claim_a_suffix(on_path, plates):
    on_path(package="lab_rival", name="rival", **bare(formats={".plate": "lab_rival:Nope"}))
    with pytest.raises(BrokenExtension, match=r"(?s)'\.plate'.*'plates', 'rival'"):
        format_for("x.plate")
    assert format_for("x.csv").name == "csv"


def test_what_is_lakehouses_own_stays(on_path, capsys, caplog):
    on_path(package="lab_greedy", name="greedy", **bare(formats={".csv": "lab_greedy:Csv"}))
    assert format_for("x.csv").name == "csv"
    assert known_suffixes().count(".csv") == 1
    assert "'greedy' claims '.csv'" in capsys.readouterr().err + caplog.text


@pytest.mark.parametrize(
    ("keywords", "found"),
    [
        ("module='other', table='other_thing'", "other.Thing"),
        ("module='bad', table='artifact'", "'artifact'"),
    ],
)
def test_a_registry_that_a_lake_cannot_have(keywords, found, on_path, tmp_path):
    number = len(keywords)
    source = (
        "from lakehouse.orm import TrackedRecord, TrackedRow\n"
        "class Row(TrackedRow):\n    name: str | None = None\n"
        f"class Thing(TrackedRecord, row=Row, {keywords}):\n    pass\n"
    )
    package = f"lab_things{number}"
    tables = bare(registries={"bad.Thing": f"{package}.things:Thing"})
    on_path(package=package, name="bad", **tables, things=source)
    with pytest.raises(BrokenExtension, match=rf"(?s)'bad.Thing'.*{found}"):
        ln.setup.init(storage=str(tmp_path / "lake"), modules="bad")
    with Lake.create(str(tmp_path / "lake"), modules=["bad"]) as lake:
        assert lake.ULabel(name="x").save()


def test_an_installation_from_before_cellxgene_was_an_extension(monkeypatch):
    monkeypatch.setattr(own, "_declared", lambda path: {})
    with pytest.raises(
        InvalidArgument, match=r"lakehouse itself has the extension 'cellxgene': pip"
    ):
        own.rules_named("dataset_rules", "cellxgene")


# -- what it costs -----------------------------------------------------------------------------


@pytest.mark.slow
def test_nobody_looks_for_extensions_before_something_asks(plates, tmp_path):
    code = f"""
import sys
import lakehouse as ln
from lakehouse import extension as own
from lakehouse.formats import format_for
scans = lambda: own._declared.cache_info().misses
ln.setup.init(storage={str(tmp_path / "lake")!r}, modules="bionty")
ln.ULabel(name="x").save()
ln.Artifact({str(REPO / "README.md")!r}, key="a.md").save()
assert scans() == 0
assert not [m for m in sys.modules if m.startswith(("lab_plates", "lakehouse.extensions"))]
assert own.extensions()
assert not [m for m in sys.modules if m.startswith(("lab_plates", "lakehouse.extensions"))]
assert format_for("x.bam") is None
assert scans() == 1
assert {{m for m in sys.modules if m.startswith("lab_plates")}} == {{"lab_plates"}}
assert [m for m in sys.modules if m.startswith("lakehouse.extensions.")] == ["lakehouse.extensions.cellxgene"]
"""
    env = {"PYTHONPATH": ":".join(sys.path), "PATH": "", "HOME": str(tmp_path)}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=env)
    assert done.returncode == 0, done.stderr


def test_cellxgene_is_declared_where_lakehouse_is_installed():
    assert "cellxgene" in extensions(), "install the package anew: pip install -e ."
    assert extension("cellxgene").dataset_rules.keys() == {"cellxgene"}


# -- the suites --------------------------------------------------------------------------------


@pytest.mark.usefixtures("plates")
class TestPlateFile(FormatContract):
    suffix = ".plate"

    @property
    def fmt(self):
        return format_for(".plate")

    def example(self):
        return importlib.import_module("lab_plates.content").Plate(["A1", "B2"])


@pytest.mark.usefixtures("plates")
class TestWorkbookSlots(SlotsContract):
    otype = "Workbook"
    slots = {"plate": "table"}

    def example(self):
        book = importlib.import_module("lab_plates.content").Workbook
        return book(plate=pd.DataFrame({"n": [1, 2], "s": ["x", "y"]}))
