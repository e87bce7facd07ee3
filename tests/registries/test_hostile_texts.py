"""Hostile texts in every text column of every registry, through everything that shows them."""

from __future__ import annotations

import contextlib
import importlib
import inspect
import io
import pkgutil
from collections.abc import Callable, Iterator
from dataclasses import is_dataclass
from functools import cached_property
from typing import Any

import pandas as pd
import pyarrow as pa
import pytest
from anndata import AnnData
from rich.console import Console

import lakehouse as ln
import lakehouse.bionty as bt
from lakehouse.bionty._sources.content import terms_of
from lakehouse.bionty._sources.public import PublicOntology
from lakehouse.bionty._terms.obsolete import ObsoleteLabel, ObsoleteReport
from lakehouse.curation.filter import Filtered
from lakehouse.curators.cat import _Either
from lakehouse.curators.values import CatVector
from lakehouse.orm import Lake
from lakehouse.orm.model.context import use
from lakehouse.orm.session.links import LazyUids
from lakehouse.registries.artifact.diff import ArtifactDiff
from lakehouse.registries.table import DIRECTORY
from lakehouse.registries.view import as_html
from lakehouse.schema.diff import SchemaDiff
from tests.hostile import HOSTILE, MARK, check_html, check_terminal, exemplar, plant

REGISTRIES = sorted(DIRECTORY.registries)


@pytest.fixture(scope="module")
def planted(tmp_path_factory) -> Iterator[tuple[Lake, dict[str, dict[str, str]]]]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LAKEHOUSE_USER", "ada")
        with Lake.create(str(tmp_path_factory.mktemp("p") / "lake"), modules=["bionty"]) as lake:
            uids = plant(lake)
    return lake, uids


@pytest.fixture(autouse=True)
def _connected(planted):
    with use(planted[0]):
        yield


@pytest.fixture
def rows(planted) -> Callable[[Any], list[Any]]:
    """The planted records of a registry."""
    _, uids = planted

    def found(registry: Any) -> list[Any]:
        return [registry.get(uid) for uid in uids[registry.meta.table].values()]

    return found


@pytest.mark.slow
@pytest.mark.parametrize("name", REGISTRIES)
def test_records_of_every_registry(planted, rows, name):
    registry = planted[0].directory.get(name)
    for record in rows(registry):
        shows = MARK in str(record._values.get(registry.meta.name_field))
        check_terminal(repr(record), shows=shows)
        check_terminal(record.describe(return_str=True), shows=shows)
        check_html(record._repr_html_())
        assert not shows or MARK in record._repr_html_()
        for relation in registry.meta.relations:
            manager = getattr(record, relation)
            check_terminal(repr(manager))
            if hasattr(manager, "_repr_html_"):
                check_html(manager._repr_html_())
        for manager in (getattr(record, n, None) for n in ("features", "labels")):
            if hasattr(manager, "describe"):
                check_terminal(repr(manager))
                check_terminal(manager.describe(return_str=True) or "")


@pytest.mark.slow
@pytest.mark.parametrize("name", REGISTRIES)
def test_printing(planted, rows, name, capsys):
    registry = planted[0].directory.get(name)
    for record in rows(registry):
        record.describe()
    check_terminal(capsys.readouterr().out)


@pytest.mark.parametrize("name", REGISTRIES)
def test_sets_and_frames_of_every_registry(planted, name):
    registry = planted[0].directory.get(name)
    found = registry.filter()
    for one in (found, found.order_by("-uid")[:3]):
        check_terminal(repr(one))
        check_html(one._repr_html_())
    assert found.count() >= len(HOSTILE)
    # what pandas and polars print is theirs; their HTML is looked at as a browser does
    check_html(found.to_dataframe()._repr_html_(), ours=False)
    check_html(found.to_polars().collect()._repr_html_(), ours=False)
    field = registry.meta.name_field
    check_terminal(repr(registry.lookup(field)) if field in registry.meta.fields else "")
    check_terminal(repr(found.to_list(field)))


def test_view(planted, capsys):
    ln.view(limit=100)
    printed = capsys.readouterr().out
    check_terminal(printed, shows=True)
    assert HOSTILE["rich"] in printed
    ln.view(df=pd.DataFrame({text: [text] for text in HOSTILE.values()}))
    check_terminal(capsys.readouterr().out, shows=True)
    for text in HOSTILE.values():
        check_html(as_html(text, [(text, ([text], [[text]]))]))


def test_rich_markup_and_tags_are_shown_as_they_are(rows):
    label = next(r for r in rows(ln.ULabel) if r.name == HOSTILE["rich"])
    assert HOSTILE["rich"] in label.describe(return_str=True)
    script = next(r for r in rows(ln.ULabel) if r.name == HOSTILE["script"])
    assert "&lt;script&gt;" in script._repr_html_()


def test_differences_of_everything(planted):
    lake, _ = planted
    diff = lake.diff(1)
    check_terminal(repr(diff), shows=True)
    check_terminal(diff.summary())
    check_html(diff._repr_html_())
    for one in diff.values():
        check_terminal(repr(one))
    check_html(diff.to_polars()._repr_html_(), ours=False)


def test_sql(planted, capsys):
    for table in planted[0].state.tables:
        found = ln.sql(f'SELECT * FROM "{table}"')
        check_terminal(repr(found))
        found.show()
        check_terminal(capsys.readouterr().out)


# -- every class that says how it is shown --------------------------------------------------


def shown_by_themselves() -> dict[str, tuple[type[Any], list[str]]]:
    """The classes of the package that have a method to show themselves, with these."""
    found = {}
    for module in pkgutil.walk_packages(ln.__path__, "lakehouse."):
        for name, cls in vars(importlib.import_module(module.name)).items():
            if not inspect.isclass(cls) or cls.__module__ != module.name:
                continue
            methods = [m for m in ("__repr__", "__str__", "_repr_html_") if _own(cls, m)]
            if methods:
                found[f"{module.name.removeprefix('lakehouse.')}.{name}"] = cls, methods
    return found


def _own(cls: type[Any], method: str) -> bool:
    """Whether somebody wrote a method; those of dataclasses and named tuples show reprs."""
    function = vars(cls).get(method)
    if function is None or (method == "__repr__" and hasattr(cls, "_fields")):
        return False
    code = getattr(inspect.unwrap(function), "__code__", None)
    return code is not None and code.co_filename == inspect.getsourcefile(cls)


class Shown:
    """Makes the object of each class that isn't a dataclass of plain values."""

    def __init__(self, lake: Lake, uids: dict[str, dict[str, str]], kind: str) -> None:
        self.lake, self.text = lake, HOSTILE[kind]
        self._uids, self._kind = uids, kind

    def of(self, registry: Any) -> Any:
        """The planted record with this text."""
        return registry.get(self._uids[registry.meta.table][self._kind])

    @cached_property
    def frame(self) -> pd.DataFrame:
        return pd.DataFrame({self.column: [self.text + "?", None, self.text]})

    @cached_property
    def column(self) -> str:
        return f"{self.text}!".replace("\r", "").replace("\n", " ")

    @cached_property
    def feature(self) -> Any:
        found = ln.Feature.filter(name=self.column).one_or_none()
        return found or ln.Feature(name=self.column, dtype=ln.ULabel).save()

    @cached_property
    def schema(self) -> Any:
        return ln.Schema([self.feature], name=self.text).save()

    @cached_property
    def curator(self) -> Any:
        curator = ln.curators.DataFrameCurator(self.frame, self.schema)
        with contextlib.suppress(ln.errors.ValidationError):
            curator.validate()
        return curator

    @cached_property
    def slots(self) -> Any:
        schema = ln.Schema(otype="AnnData", slots={"obs": self.schema}, name=self.text).save()
        return ln.curators.AnnDataCurator(AnnData(obs=self.frame.set_axis(["a", "b", "c"])), schema)

    @cached_property
    def public(self) -> Any:
        names = ("ontology_id", "name", "definition", "synonyms")
        content = pa.table({name: [self.text] for name in names})
        told = dict.fromkeys(("entity", "organism", "source", "version"), self.text)
        return PublicOntology(terms_of(bt.CellType, content), content, **told)


SHOWN: dict[str, Callable[[Shown], Any]] = {
    "registries.artifact.diff.ArtifactDiff": lambda s: ArtifactDiff(
        s.of(ln.Artifact),
        s.of(ln.Artifact),
        {s.text: exemplar(SchemaDiff, s.text)},
        {s.text: (s.text, [s.text])},
        None,
    ),
    "features.manager.FeatureManager": lambda s: s.of(ln.Artifact).features,
    "terms.inspect.InspectResult": lambda s: ln.ULabel.inspect([s.text, s.text + "?"]),
    "relations.labels.LabelManager": lambda s: s.of(ln.Artifact).labels,
    "relations.managers.RelatedManager": lambda s: s.of(ln.Artifact).ulabels,
    "features.expressions.FeaturePredicate": lambda s: s.feature == s.text,
    "bionty._sources.settings.Settings": lambda s: bt.settings,
    "bionty._terms.obsolete.ObsoleteReport": lambda s: ObsoleteReport(
        bt.CellType, s.lake, [ObsoleteLabel(s.of(bt.CellType), (s.text,), (s.text,), {})]
    ),
    "bionty._sources.public.PublicOntology": lambda s: s.public,
    "bionty._sources.public.PublicTerm": lambda s: s.public.lookup()[s.text],
    "bionty._sources.source.Source": lambda s: s.of(bt.Source),
    "config.Settings": lambda s: ln.settings,
    "curation.reports.failures.Failures": lambda s: s.curator.report.failures,
    "curation.filter.Filtered": lambda s: Filtered(s.frame, s.frame, s.curator.report),
    "curation.reports.report.Report": lambda s: s.curator.report,
    "curators.cat.DataFrameCatManager": lambda s: s.curator.cat,
    "curators.cat.CatLookup": lambda s: s.curator.cat.lookup(),
    "curators.cat._Either": lambda s: _Either([s.curator.cat.lookup()[s.column]]),
    "curators.core.Curator": lambda s: s.curator,
    "curators.core.SlotsCurator": lambda s: s.slots,
    "curators.part.ComponentCurator": lambda s: s.slots.slots["obs"],
    "curators.values.CatVector": lambda s: CatVector(
        [s.text, s.text + "?"], ln.ULabel.name, s.text
    ),
    "engine.query.relation.Relation": lambda s: ln.sql(
        "SELECT name AS {} FROM ulabel".format('"' + s.column.replace('"', '""') + '"')
    ),
    "errors.LakehouseError": lambda s: ln.errors.LakehouseError(
        s.text, found=s.text, expected=s.text, hint=s.text
    ),
    "orm.lake.bound.BoundRegistry": lambda s: s.lake.ULabel,
    "orm.lake.other.DB": lambda s: ln.DB(s.lake.root),
    "orm.lake.other.ReadRegistry": lambda s: ln.DB(s.lake.root).ULabel,
    "orm.branches.diff.RegistryDiff": lambda s: s.lake.diff(1)["ULabel"],
    "orm.branches.diff.Diff": lambda s: s.lake.diff(1, registry="ULabel"),
    "orm.show.graph.Graph": lambda s: s.of(ln.ULabel).view_parents(),
    "orm.lake.instance.InstanceSettings": lambda s: ln.setup.settings.instance,
    "orm.lake.instance.StorageSettings": lambda s: ln.setup.settings.storage,
    "orm.lake.lake.Lake": lambda s: s.lake,
    "orm.session.links.LazyUids": lambda s: LazyUids(s.lake, list, repr(s.of(ln.ULabel))),
    "orm.query.completion.Lookup": lambda s: ln.ULabel.lookup(),
    "orm.query.q.Q": lambda s: ln.Q(**{s.text: s.text}) | ~ln.Q(name=s.of(ln.ULabel)),
    "orm.query.queryset.QuerySet": lambda s: ln.ULabel.filter(name=s.text),
    "orm.record.values.RecordValues": lambda s: s.of(ln.Project),
    "orm.show.tables.Showing": lambda s: s.of(ln.Reference),
    "orm.query.values.Values": lambda s: ln.ULabel.filter(name=s.text).values_list("name"),
    "registries.schema.members.SchemaOptionals": lambda s: s.schema.optionals,
    "registries.schema.versions.SchemaVersion": lambda s: s.schema.versions()[0],
    "registries.record.sheets.RecordBatch": lambda s: ln.Record.from_dataframe(
        s.frame, type=s.text + "!"
    ),
    "setup.SetupSettings": lambda s: ln.setup.settings,
}
# Their texts aren't of data, or are read again as they are: names of dtypes and fields.
PLAIN = {
    *(
        "bionty._sources.public.PublicOntologyField",
        "formats.annotated.base.Backed",
        "ontology.model.model.Ontology",
    ),
    *(
        "orm.model.meta.FieldRef",
        "orm.model.unset.Unset",
        "schema.dtype.CatTarget",
        "schema.dtype.DType",
    ),
}


@pytest.fixture(scope="module")
def examples(planted) -> list[Shown]:
    return [Shown(*planted, kind) for kind in HOSTILE]


def test_reports(examples):
    for shown in examples:
        report = shown.curator.report
        assert not report.ok
        check_html(report.to_html(shown.text))
        console = Console(file=io.StringIO(), width=300, color_system=None)
        console.print(report)
        check_terminal(console.file.getvalue())


def test_every_class_is_known():
    found = shown_by_themselves()
    others = {name for name, (cls, _) in found.items() if not is_dataclass(cls)}
    assert others <= {*SHOWN, *PLAIN}, "a class shows itself: say above how one is made of data"
    assert {*SHOWN, *PLAIN} <= set(found)


@pytest.mark.slow
@pytest.mark.parametrize("name", sorted(set(shown_by_themselves()) - PLAIN))
def test_every_class(examples, name):
    cls, methods = shown_by_themselves()[name]
    for shown in examples:
        one = SHOWN[name](shown) if name in SHOWN else exemplar(cls, shown.text)
        assert isinstance(one, cls)
        check_terminal(repr(one))
        check_terminal(str(one))
        if "_repr_html_" in methods:
            check_html(one._repr_html_())
