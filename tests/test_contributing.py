"""CONTRIBUTING.md is true: what it shows is done here as it says."""

from __future__ import annotations

import re
import sys
import textwrap
import tomllib
import types
from dataclasses import replace

import pandas as pd
import pyarrow as pa
import pytest

import lakehouse as ln
from lakehouse.curation import DatasetSpec, validate
from lakehouse.curation.rules.table import DATASET_RULES
from lakehouse.curation.slots import table as slots
from lakehouse.errors import UnknownField
from lakehouse.formats import format_for
from lakehouse.formats import table as _table
from lakehouse.ontology.sources.manifest import Manifest
from lakehouse.orm import Lake
from lakehouse.orm.model.context import use
from lakehouse.registries.table import DIRECTORY
from tests.example_lake import REPO

PAGE = (REPO / "CONTRIBUTING.md").read_text(encoding="utf-8")


def _shown(heading: str) -> str:
    """The first block of code below a heading."""
    part = PAGE.split(f"# {heading}\n")[1]
    indent, code = re.search(r"^( *)```(?:python|toml)\n(.*?)^ *```$", part, re.M | re.S).groups()
    return textwrap.dedent(code) if indent else code


def _module(name: str, heading: str, monkeypatch: pytest.MonkeyPatch) -> types.ModuleType:
    module = types.ModuleType(name)
    monkeypatch.setitem(sys.modules, name, module)
    exec(compile(_shown(heading), "CONTRIBUTING.md", "exec"), vars(module))
    return module


def test_a_registry_is_a_class_and_a_line(tmp_path, monkeypatch) -> None:
    _module("instruments", "A registry", monkeypatch)
    registries = {**DIRECTORY.registries, "Instrument": "instruments:Instrument"}
    directory = replace(DIRECTORY, registries=registries, _loaded={})
    with Lake.create(str(tmp_path / "lake"), directory=directory) as lake:
        made = lake.Instrument(name="microscope", maker="anybody").save()
        assert lake.Instrument.get(name="microscope") == made
        assert lake.sql("SELECT name, maker FROM instrument").fetchall() == [
            ("microscope", "anybody")
        ]
        assert lake.Instrument(name="microscope").uid == made.uid
        assert lake.ULabel(name="core registries are there").save()
    with Lake.open(str(tmp_path / "lake"), directory=directory) as lake:
        assert lake.Instrument.get(name="microscope").maker == "anybody"


def test_a_format_is_a_class_and_a_line(tmp_path, monkeypatch) -> None:
    _module("tomls", "A format", monkeypatch)
    monkeypatch.setitem(_table._BY_SUFFIX, ".toml", "tomls:Toml")
    fmt = format_for("a.toml")
    fmt.write({"n": 3}, tmp_path / "a.toml")
    assert fmt.load(tmp_path / "a.toml") == {"n": 3}
    with Lake.create(str(tmp_path / "lake")) as lake:
        artifact = lake.Artifact(tmp_path / "a.toml", key="a.toml").save()
        assert artifact.load() == {"n": 3}


def test_a_name_that_goes_says_so() -> None:
    names: dict[str, object] = {}
    exec(_shown("Changing what is there").split("# ")[-1], names)
    with pytest.warns(DeprecationWarning, match=r"backed .*removed in 0\.4: use Artifact\.open"):
        names["backed"]("path")


def test_a_rule_is_a_function_and_a_line(monkeypatch) -> None:
    _module("blanks", "A rule", monkeypatch)
    monkeypatch.setitem(DATASET_RULES, "blanks", "blanks:check")
    report = validate(pa.table({" a": [1], "b": [1]}), DatasetSpec(columns=()))
    assert [(f.rule, f.column) for f in report.failures] == [("blanks", " a")]
    assert "no blanks around it" in str(report)


def test_a_slot_is_a_class_and_a_line(tmp_path, monkeypatch) -> None:
    workbook = _module("workbooks", "A slot", monkeypatch).Workbook
    monkeypatch.setitem(slots._BY_OTYPE, "Workbook", "workbooks:WorkbookSlots")
    monkeypatch.setitem(slots._BY_OBJECT, "workbooks.Workbook", "Workbook")

    class WorkbookCurator(ln.curators.SlotsCurator):
        otype = "Workbook"

    with Lake.create(str(tmp_path / "lake")) as lake, use(lake):
        plate = ln.Schema([ln.Feature(name="n", dtype=int).save()]).save()
        schema = ln.Schema(slots={"plate": plate}, otype="Workbook", name="book").save()
        report = WorkbookCurator(workbook(plate=pd.DataFrame({"n": ["x"]})), schema).check()
        assert [(f.slot, f.rule) for f in report.failures] == [("plate", "dtype")]
        WorkbookCurator(workbook(plate=pd.DataFrame({"n": [1]})), schema).validate()
        with pytest.raises(UnknownField, match="This workbook has no slot 'plate'"):
            WorkbookCurator(workbook(), schema)


def test_an_ontology_is_a_file() -> None:
    envo = Manifest.model_validate(tomllib.loads(_shown("An ontology")))
    assert envo.address() == "https://example.org/envo/2026-01-01/envo.obo"
    assert f"bionty.{envo.entity}" in DIRECTORY.registries


def test_commands_and_files_that_it_names() -> None:
    block = (REPO / "README.md").read_text(encoding="utf-8").split("```bash\n")[2].split("```")[0]
    for command in ("ruff check .", "ruff format --check .", "mypy", "lint-imports", "pytest -n 2"):
        assert command in block
        assert command in PAGE
    for path in re.findall(r"(?:tests|docs)/[\w/]+\.(?:py|md)", PAGE):
        assert (REPO / path).is_file(), path
