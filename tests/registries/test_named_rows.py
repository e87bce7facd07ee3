"""Every uid in every column names a row after a commit, whatever others commit in between."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

import lakehouse as ln
from lakehouse.errors import KeyConflict, LakehouseError, ObjectDoesNotExist, ProtectedRecord
from lakehouse.orm import Lake


@pytest.fixture
def other(lake: Lake) -> Iterator[Lake]:
    """The same lake, as another process has it."""
    opened = Lake.open(lake.root)
    yield opened
    opened.close()


def named(lake: Lake) -> dict[str, list[str]]:
    """Rows that name rows which aren't there, by column."""
    state = lake.engine.state()
    lost: dict[str, list[str]] = {}
    for table in state.tables:
        rows = state.arrow(table)
        for reference in lake.directory.references(table):
            if reference.column not in rows.column_names:
                continue
            for row in rows.to_pylist():
                uid, target = row[reference.column], reference.target or row.get("registry")
                if uid and target and state.row(target, uid) is None:
                    lost.setdefault(f"{table}.{reference.column}", []).append(row["uid"])
    return lost


def artifact(tmp_path: Path, lake: Lake, **fields: Any) -> Any:
    path = tmp_path / f"{lake is ln}.txt"
    path.write_text(str(fields))
    return lake.Artifact(path, key="a.txt", **fields)


TARGETS: dict[str, Callable[[Lake, Any, Path], Any]] = {
    "type": lambda lake, type_, _: lake.ULabel(name="x", type=type_).save(),
    "assigned": lambda lake, type_, _: (
        setattr(x := lake.ULabel.get(name="there"), "type", type_),
        x.save(),
    ),
    "link": lambda lake, type_, tmp: artifact(tmp, lake).save().ulabels.add(type_),
    "value": lambda lake, type_, tmp: (
        artifact(tmp, lake).save().features.add_values({"label": type_})
    ),
    "many": lambda lake, type_, _: lake.save(
        [lake.ULabel(name=f"x{i}", type=type_) for i in range(300)]
    ),
}


@pytest.mark.parametrize("how", TARGETS)
def test_what_was_deleted_meanwhile_isnt_referred_to(
    lake: Lake, other: Lake, tmp_path: Path, how: str
) -> None:
    ln.ULabel(name="there").save()
    ln.Feature(name="label", dtype=ln.ULabel).save()
    target = lake.ULabel(name="target", is_type=how not in ("link", "value")).save()
    other.ULabel.get(target.uid).delete(permanent=True)
    before = len(lake.log())
    with pytest.raises(LakehouseError) as raised, lake.transaction():
        TARGETS[how](lake, target, tmp_path)
    assert isinstance(raised.value, ObjectDoesNotExist), raised.value
    assert len(lake.log()) == before
    assert named(lake) == {}


def test_what_is_referred_to_meanwhile_isnt_deleted(lake: Lake, other: Lake) -> None:
    target = lake.ULabel(name="target", is_type=True).save()
    with pytest.raises(ProtectedRecord, match="meanwhile"), lake.transaction():
        target.delete(permanent=True)  # nothing refers to it yet
        other.ULabel(name="x", type=other.ULabel.get(target.uid)).save()
    assert named(lake) == {}
    assert lake.ULabel.get(name="x").type == target
    with lake.transaction():  # what goes with it doesn't hold it
        lake.ULabel.get(name="x").delete(permanent=True)
        target.delete(permanent=True)
    assert lake.ULabel.filter().count() == 0


def test_what_a_transaction_saves_and_deletes(lake: Lake) -> None:
    with lake.transaction():
        one = lake.ULabel(name="one", is_type=True).save()
        lake.ULabel(name="two", type=one).save()
    two = lake.ULabel.get(name="two")
    with lake.transaction():
        two.type = None
        two.save()
        one.delete(permanent=True)
    assert named(lake) == {}


NAMES = st.sampled_from("abc")
DTYPES = st.sampled_from(["int", "str", "cat[ULabel]"])


class Two(RuleBasedStateMachine):
    """Two handles of a lake do what they like; some of it in transactions that overlap."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = tempfile.mkdtemp()
        first = Lake.create(f"{self.folder}/lake")
        self.lakes = [first, Lake.open(first.root)]
        self.kept: list[dict[str, Any]] = [{}, {}]

    def teardown(self) -> None:
        for lake in self.lakes:
            lake.close()
        shutil.rmtree(self.folder)

    def _try(self, who: int, action: Callable[[Lake], Any]) -> None:
        with suppress(LakehouseError):  # nothing may be half done: the invariant looks
            action(self.lakes[who])

    @rule(who=st.integers(0, 1), name=NAMES, under=NAMES, is_type=st.booleans())
    def label(self, who: int, name: str, under: str, is_type: bool) -> None:
        def act(lake: Lake) -> None:
            types = self.kept[who].get("types", {})
            made = lake.ULabel(name=name, is_type=is_type, type=types.get(under)).save()
            self.kept[who].setdefault("types" if made.is_type else "labels", {})[name] = made

        self._try(who, act)

    @rule(who=st.integers(0, 1), name=NAMES, dtype=DTYPES)
    def feature_is_made(self, who: int, name: str, dtype: str) -> None:
        self._try(who, lambda lake: self.kept[who].update(f=lake.Feature(name=name, dtype=dtype)))

    @rule(who=st.integers(0, 1))
    def feature_is_saved(self, who: int) -> None:
        self._try(who, lambda lake: self.kept[who]["f"].save() if "f" in self.kept[who] else None)

    @rule(who=st.integers(0, 1), name=NAMES, slot=st.booleans())
    def schema_is_made(self, who: int, name: str, slot: bool) -> None:
        def act(lake: Lake) -> None:
            feature = lake.Feature.filter(name=name).first()
            if feature is not None:
                schema = lake.Schema([feature])
                if slot:
                    schema = lake.Schema(slots={"obs": schema}, otype="AnnData", name=f"of {name}")
                self.kept[who]["s"] = schema

        self._try(who, act)

    @rule(who=st.integers(0, 1))
    def schema_is_saved(self, who: int) -> None:
        self._try(who, lambda lake: self.kept[who]["s"].save() if "s" in self.kept[who] else None)

    @rule(who=st.integers(0, 1), other=st.booleans(), name=NAMES)
    def overlapping(self, who: int, other: bool, name: str) -> None:
        """A record refers to what the other handle deletes before the commit."""

        def act(lake: Lake) -> None:
            target = lake.ULabel.filter(name=name).first()
            with lake.transaction():
                record = lake.Record(name=f"r{name}").save()
                if target is not None:
                    record.ulabels.add(target)
                    if other:
                        theirs = self.lakes[1 - who].ULabel.filter(uid=target.uid).first()
                        self._try(1 - who, lambda _: theirs and theirs.delete(permanent=True))

        self._try(who, act)

    @rule(who=st.integers(0, 1), registry=st.sampled_from(["ULabel", "Feature", "Schema"]))
    def deleted(self, who: int, registry: str) -> None:
        def act(lake: Lake) -> None:
            found = getattr(lake, registry).filter().first()
            if found is not None:
                found.delete(permanent=True)

        self._try(who, act)

    @invariant()
    def all_is_there(self) -> None:
        state_of = self.lakes[0]
        assert named(state_of) == {}
        schemas = {r["uid"]: r for r in state_of.engine.state().arrow("schema").to_pylist()}
        for row in schemas.values():
            row = state_of.engine.state().row("schema", row["uid"]) or row
            for uid in (row["slots_uids"] or {}).values():
                assert uid in schemas
            for table, uid, _ in (row["content"] or {}).get("members", []):
                assert state_of.engine.state().row(table, uid) is not None


Two.TestCase.settings = settings(
    max_examples=8, stateful_step_count=25, deadline=None, suppress_health_check=list(HealthCheck)
)
TestTwoHandles = pytest.mark.slow(Two.TestCase)


@pytest.fixture
def members(lake: Lake) -> list[Any]:
    return [lake.Feature(name=n, dtype=int).save() for n in ("donor", "x")]


def test_a_composite_keeps_the_slot_whose_part_others_saved(
    lake: Lake, other: Lake, members: list[Any]
) -> None:
    donor, x = members
    for at in (lake, other):
        part = {"obs": lake.Schema([donor])}
        two = lake.Schema(slots=part | {"uns": lake.Schema([x])}, otype="AnnData", name=f"{at}")
        theirs = at.Schema([at.Feature.get(name="donor")]).save()  # the part is there before
        two.save()
        assert two.slots["obs"].uid == theirs.uid
        again = lake.Schema.get(two.uid)
        assert sorted(again.slots) == ["obs", "uns"]
        assert again.slots["obs"].uid == theirs.uid
        assert again.hash == two.hash
        assert lake.Schema(slots=dict(again.slots), otype="AnnData").uid == two.uid
        two.delete(permanent=True)
        theirs.delete(permanent=True)
    assert named(lake) == {}


def test_a_schema_follows_features_that_others_saved(lake: Lake, other: Lake) -> None:
    feature = lake.Feature(name="new", dtype=str)
    schema = lake.Schema([feature], index=lake.Feature(name="id", dtype=str), name="s")
    theirs = [other.Feature(name=n, dtype=str).save() for n in ("new", "id")]
    schema.save()
    assert feature.uid == theirs[0].uid
    stored = lake.Schema.get(schema.uid)
    assert [f.uid for f in stored.members] == [theirs[1].uid, theirs[0].uid]
    assert stored._values["content"]["members"] == [["feature", theirs[0].uid, False]]
    assert lake.Schema([theirs_of(lake, "new")], index=theirs_of(lake, "id")).uid == schema.uid
    assert named(lake) == {}


def theirs_of(lake: Lake, name: str) -> Any:
    return lake.Feature.get(name=name)


def test_an_artifact_follows_a_schema_that_others_saved(
    lake: Lake, other: Lake, members: list[Any], tmp_path: Path
) -> None:
    with lake.transaction():
        schema = lake.Schema(members[:1], name="s", maximal_set=True).save()
        lake.Artifact.from_dataframe(
            pd.DataFrame({"donor": [1]}), key="h.parquet", schema=schema
        ).save()
        theirs = other.Schema([other.Feature.get(name="donor")], name="s", maximal_set=True).save()
    assert lake.Artifact.get(key="h.parquet").schema.uid == theirs.uid
    assert named(lake) == {}


def test_equal_parts_of_one_save_are_one(lake: Lake, members: list[Any]) -> None:
    donor, x = members
    whole = lake.Schema(
        slots={"obs": lake.Schema([donor]), "var": lake.Schema([donor]), "uns": lake.Schema([x])},
        otype="AnnData",
        name="w",
    ).save()
    slots = lake.Schema.get(whole.uid).slots
    assert sorted(slots) == ["obs", "uns", "var"]
    assert slots["obs"].uid == slots["var"].uid
    assert named(lake) == {}


NEW: dict[str, Callable[[Lake], Any]] = {
    "term by name": lambda lake: lake.bionty.CellType(name="my cell"),
    "term by id": lambda lake: lake.bionty.CellType(name="T cell", ontology_id="CL:0000084"),
    "term with abbr": lambda lake: lake.bionty.Tissue(name="odd", abbr="od"),
    "organism": lambda lake: lake.bionty.Organism(name="mouse"),
    "organism by id": lambda lake: lake.bionty.Organism(name="a", ontology_id="NCBITaxon:8296"),
    "gene": lambda lake: lake.bionty.Gene(symbol="G", ensembl_gene_id="ENSG00000000001"),
    "label": lambda lake: lake.ULabel(name="u"),
    "type": lambda lake: lake.Record(name="r", is_type=True),
    "project": lambda lake: lake.Project(name="p"),
    "branch": lambda lake: lake.Branch(name="br"),
    "transform": lambda lake: lake.Transform(key="t", kind="pipeline"),
}


@pytest.mark.parametrize("what", NEW)
def test_what_two_make_at_once_is_one(lake: Lake, other: Lake, what: str) -> None:
    """Made by both before either is saved: the second becomes the first, alone and in a list."""
    mine, theirs = NEW[what](lake), NEW[what](other)
    theirs.save()
    lake.save([mine, lake.ULabel(name="beside")])
    assert mine.uid == theirs.uid
    assert type(mine).filter(uid=mine.uid).count() == 1
    assert lake.ULabel.filter(name="beside").count() == 1


def test_a_conflict_names_all_tables(lake: Lake, other: Lake) -> None:
    mine = [lake.bionty.Tissue(name="a", abbr="x"), lake.bionty.CellType(name="a", abbr="x")]
    other.save([other.bionty.Tissue(name="b", abbr="x"), other.bionty.CellType(name="b", abbr="x")])
    with pytest.raises(KeyConflict, match=r"'tissue', 'cell_type'|'cell_type', 'tissue'"):
        lake.save(mine)
    assert lake.bionty.Tissue.filter().count() == 1
