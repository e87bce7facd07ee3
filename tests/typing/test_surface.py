"""What type checkers, editors and notebooks are told of the registries is what they have."""

from __future__ import annotations

import importlib.util
import inspect
import sys
import typing
from pathlib import Path

import pytest

import lakehouse as ln
import lakehouse.bionty as bt
from lakehouse.bionty.registries import ENTITIES
from lakehouse.orm.lake.attributes import BiontyRegistries, CoreRegistries
from lakehouse.registries.table import DIRECTORY
from tests.typing import surface

REGISTRIES = surface.registries()


@pytest.mark.parametrize("cls", REGISTRIES, ids=lambda cls: cls.meta.name)
def test_annotations_are_what_the_registry_has(cls):
    names, init = surface.declared(cls)
    hint = "run python tests/typing/surface.py --write, then ruff"
    assert names == surface.attributes(cls), hint
    assert init == surface.constructor(cls), hint


@pytest.mark.parametrize("cls", REGISTRIES, ids=lambda cls: cls.meta.name)
def test_computed_fields_are_typed_properties(cls):
    for name in cls.meta.computed:
        told = typing.cast("property", inspect.getattr_static(cls, name))
        assert told.fget.__annotations__["return"] in ("bool", "str", "UPath | Path"), name


def test_lakes_are_annotated_with_their_registries():
    found = {f"bionty.{name}": type_ for name, type_ in _annotated(BiontyRegistries)}
    found |= dict(_annotated(CoreRegistries))
    assert found.pop("bionty") == "BiontyRegistries"
    assert found.keys() == DIRECTORY.registries.keys()
    assert all(t == f"type[{DIRECTORY.get(n).meta.code}]" for n, t in found.items())


def _annotated(cls):
    return surface.written(cls)[0].items()


def test_nothing_is_annotated_that_a_base_says_already():
    assert [part.__name__ for part, _ in surface.differences()] == []


@pytest.mark.parametrize("cls", REGISTRIES, ids=lambda cls: cls.meta.name)
def test_every_registry_can_be_read(cls):
    source = inspect.getsource(cls)
    assert source.startswith((f"class {cls.__name__}(", "@"))
    assert cls.__doc__
    assert sys.modules[cls.__module__].__dict__[cls.__name__] is cls


@pytest.mark.parametrize("cls", REGISTRIES, ids=lambda cls: cls.meta.name)
def test_signatures_name_what_constructors_take(cls):
    parameters = inspect.signature(cls).parameters.values()
    assert all(p.kind is not p.VAR_KEYWORD for p in parameters)
    fields = {*cls.meta.fields, *cls.meta.foreign_keys}
    own = {
        name
        for part in cls.__mro__
        if "__init__" in vars(part)
        for name in inspect.signature(vars(part)["__init__"]).parameters
    }
    assert {p.name for p in parameters} <= fields | own


def test_signatures_of_some():
    assert "name" in inspect.signature(ln.ULabel).parameters
    assert inspect.signature(ln.ULabel).parameters["name"].default is inspect.Parameter.empty
    assert inspect.signature(bt.CellType).parameters["name"].default is None
    assert next(iter(inspect.signature(ln.Artifact).parameters)) == "path"
    assert {"symbol", "organism"} <= inspect.signature(bt.Gene).parameters.keys()
    assert "hash" not in inspect.signature(ln.Artifact).parameters


def test_entities_are_written_out():
    assert inspect.getsource(bt.CellType).startswith("class CellType(OntologyTerm")
    assert len(ENTITIES) == 13
    assert all(getattr(bt, name) is cls for name, cls in ENTITIES.items())


# -- completion ------------------------------------------------------------------------------

INTERNALS = {
    "engine",
    "orm",
    "identity",
    "annotation",
    "curation",
    "registries",
    "importlib",
    "Any",
}


@pytest.mark.parametrize(
    "module",
    [ln, bt, ln.models, bt.models, bt.base, ln.setup, ln.curators, ln.integrations, ln.examples,
     ln.errors],
    ids=lambda module: module.__name__,
)  # fmt: skip
def test_modules_offer_public_names_only(module):
    offered = dir(module)
    assert offered
    assert all(hasattr(module, name) for name in offered)
    assert [n for n in offered if n.startswith("_") and n != "__version__"] == []
    assert INTERNALS & set(offered) == set()
    packages = {n for n in offered if importlib.util.find_spec(f"{module.__name__}.{n}")} if hasattr(
        module, "__path__"
    ) else set()  # fmt: skip
    assert packages <= {
        "curators", "errors", "examples", "integrations", "models", "setup",
        "base", "core", "uids", "cellxgene", "croissant", "datasets", "mlflow", "schemas", "wandb",
    }  # fmt: skip


def test_faces_offer_what_they_say():
    assert sorted(set(dir(ln)) - {"__version__"}) == sorted(ln.__all__)
    assert sorted(dir(bt)) == sorted(bt.__all__)


@pytest.mark.parametrize("cls", REGISTRIES, ids=lambda cls: cls.meta.name)
def test_registries_offer_their_fields(cls):
    names = {*cls.meta.fields, *cls.meta.foreign_keys, *cls.meta.relations, *cls.meta.computed}
    methods = {"get", "filter", "save", "delete", "search", "to_dataframe"}
    assert (names | methods) <= set(dir(cls))


def test_records_offer_their_fields(lake):
    label = ln.ULabel(name="raw").save()
    assert {"name", "type", "artifacts", "created_by", "save", "query_parents"} <= set(dir(label))
    assert Path(inspect.getfile(type(label))).name == "labels.py"
