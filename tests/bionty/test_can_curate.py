"""validate, inspect, standardize and from_values on any registry, with any iterable."""

from __future__ import annotations

import h5py
import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
import zarr

import lakehouse as ln
import lakehouse.bionty as bt
from lakehouse.curation.vocabulary import Vocabulary
from lakehouse.errors import InvalidArgument, TypeMismatch, UnknownField, ValidationError

VALUES = ["T cell", "T-cell", "t cell", "blob", None, ""]


@pytest.fixture
def cells(lake):
    bt.CellType.import_source("blood-cells")
    return lake


@pytest.mark.slow
@pytest.mark.parametrize(
    "make",
    [
        list,
        tuple,
        iter,
        np.array,
        lambda v: np.array(v, dtype=object),
        pd.Series,
        pd.Index,
        lambda v: pd.Series(v, dtype="category"),
        lambda v: pd.Series(v, dtype="string"),
        pl.Series,
        pa.array,
        lambda v: pa.chunked_array([v]),
        lambda v: [v[:3], v[3:]],
        lambda v: dict.fromkeys(v),
    ],
)
def test_any_iterable(cells, make):
    assert bt.CellType.validate(make(VALUES), mute=True).tolist() == [True] + [False] * 5
    assert bt.CellType.standardize(make(VALUES), mute=True)[:4] == [*["T cell"] * 3, "blob"]
    assert [r.name for r in bt.CellType.from_values(make(VALUES), mute=True)] == ["T cell"]
    result = bt.CellType.inspect(make(VALUES), mute=True)
    assert result.validated == ["T cell"]
    assert result["non_validated"] == result.non_validated == ["T-cell", "t cell", "blob"]
    assert result.synonyms_mapper == {"T-cell": "T cell", "t cell": "T cell"}
    assert (result.frac_validated, result.n_unique, result.n_empty) == (25.0, 4, 2)
    assert result.df["__validated__"].tolist() == [True] + [False] * 5


def test_columns_of_open_files(cells, tmp_path):
    values = ["T cell", "T-cell", "blob"]
    group = zarr.open_group(tmp_path / "cells.zarr", mode="w", zarr_format=2)
    with h5py.File(tmp_path / "cells.h5", "w") as file:
        for column in (
            group.create_array("cell_type", data=np.array(values)),
            file.create_dataset("cell_type", data=values),
        ):
            assert bt.CellType.validate(column, mute=True).tolist() == [True, False, False]
            assert bt.CellType.standardize(column, mute=True) == ["T cell", "T cell", "blob"]
            assert bt.CellType.inspect(column, mute=True).non_validated == values[1:]
            assert bt.CellType.from_values(column, mute=True).to_list("name") == ["T cell"]


def test_single_texts_give_single_answers(cells):
    assert bt.CellType.validate("T cell")
    assert not bt.CellType.validate("T-cell")
    assert bt.CellType.standardize("T-cell") == "T cell"
    assert bt.CellType.standardize("T-cell", return_mapper=True) == {"T-cell": "T cell"}


def test_empty_input(cells):
    assert bt.CellType.validate([]).shape == (0,)
    assert bt.CellType.standardize([]) == []
    assert bt.CellType.from_values([None, "", float("nan")]) == []
    result = bt.CellType.inspect([])
    assert (result.validated, result.frac_validated, result.n_unique) == ([], 0, 0)
    nan = float("nan")
    assert bt.CellType.standardize([None, nan, pd.NA, "", "T-cell"], mute=True) == [
        None, nan, pd.NA, "", "T cell"
    ]  # fmt: skip


def test_what_cant_be_compared(cells):
    with pytest.raises(TypeMismatch) as error:
        bt.CellType.validate([1, 2])
    assert isinstance(error.value, TypeError)
    with pytest.raises(InvalidArgument, match="Several values"):
        bt.CellType.validate(3)
    with pytest.raises(UnknownField, match="'nam'"):
        bt.CellType.validate(["a"], field="nam")
    with pytest.raises(InvalidArgument, match="another registry"):
        bt.CellType.validate(["a"], field=ln.ULabel.name)
    for method in ("validate", "inspect", "standardize", "from_values"):
        with pytest.raises(TypeError, match=f"CellType.{method}"):
            getattr(bt.CellType.get(name="T cell"), method)(["a"])


def test_numbers_are_compared_with_numbers(lake):
    ln.Schema([ln.Feature(name="a", dtype=int).save()], name="one").save()
    assert ln.models.Schema.meta.fields["n_members"].kind == "int"
    words = Vocabulary(pa.table({"n": [1, 2, None]}), "n")
    assert words.known([1, 3, 2.0]) == {1, 2}
    with pytest.raises(TypeMismatch):
        words.known(["1"])


def test_other_fields(cells):
    ids = ["CL:0000084", "cl:0000084", "T cell"]
    assert bt.CellType.validate(ids, field=bt.CellType.ontology_id).tolist() == [True, False, False]
    assert bt.CellType.standardize(ids, field="ontology_id", mute=True) == [
        "CL:0000084", "cl:0000084", "T cell"
    ]  # fmt: skip
    mapper = bt.CellType.standardize(
        ["T-cell", "B cell", "blob"], return_field="ontology_id", return_mapper=True, mute=True
    )
    assert mapper == {"T-cell": "CL:0000084", "B cell": "CL:0000236"}
    found = bt.CellType.standardize(["T-cell", "blob"], return_field=bt.CellType.ontology_id)
    assert found == ["CL:0000084", "blob"]
    records = bt.CellType.from_values(ids, field=bt.CellType.ontology_id)
    assert records.to_list("name") == ["T cell"]


def test_case(cells):
    assert bt.CellType.standardize(["t cell"], case_sensitive=True) == ["t cell"]
    assert bt.CellType.standardize(["t-CELL"]) == ["T cell"]
    assert bt.CellType.standardize(["t-CELL"], case_sensitive=True) == ["t-CELL"]


def test_ambiguous_synonyms_are_told(lake, capsys):
    a, b = lake.save([bt.CellType(name=n, synonyms="same|Same") for n in ("a", "b")])
    options = [r.name for r in sorted((a, b), key=lambda r: r.uid)]
    assert bt.CellType.standardize(["same"]) == options[:1]
    told = capsys.readouterr().err
    assert "1 value mean several terms" in told
    assert f"'same': {options[0]}, {options[1]}" in told
    assert bt.CellType.standardize(["same"], keep="last") == options[1:]
    assert bt.CellType.standardize(["same", "a"], keep=False) == [options, "a"]
    with pytest.raises(ValueError, match="keep"):
        bt.CellType.standardize(["same"], keep="all")
    assert bt.CellType.inspect(["same"], mute=True).ambiguous == {"same": options}
    found = bt.CellType.from_values(["same"])
    assert found == [a, b] or found == [b, a]


def test_inspect_gives_advice(cells, capsys):
    bt.CellType.inspect(VALUES)
    told = capsys.readouterr().err
    for part in (
        "1 unique term (25.00%) is validated for name",
        "3 unique terms (75.00%) are not validated for name: 'T-cell', 't cell', 'blob'",
        "2 empty or repeated ones ignored",
        "detected 2 unique terms with inconsistent casing/synonyms",
        ".standardize()",
        "couldn't validate 1 term: 'blob'",
        "create new record via CellType()",
    ):
        assert part in told
    bt.CellType.inspect(VALUES, mute=True)
    bt.CellType.validate(VALUES, mute=True)
    assert capsys.readouterr().err == ""


def test_from_values_creates_where_asked(lake):
    assert ln.ULabel.from_values(["a", "b"]) == []
    before = len(lake.log())
    made = ln.ULabel.from_values(["a", "b", "a", None], create=True)
    assert made.to_list("name") == ["a", "b"]
    assert made.save() is made
    assert len(lake.log()) - before <= 2  # the first writer is registered
    again = ln.ULabel.from_values(["b", "c"], create=True)
    assert (again[0], again[1]._saved) == (made[1], False)
    assert ln.ULabel.from_values(["c", "a"]).one() == made[0]
    frame = made.to_dataframe()
    assert frame["name"].tolist() == ["a", "b"]
    assert frame.index.tolist() == [r.uid for r in made]
    assert ln.Record.from_values(["x"], field=ln.Record.name, create=True).save().one().name == "x"


def test_what_is_in_the_trash_is_no_term(lake):
    ln.ULabel(name="a").save().delete()
    assert not ln.ULabel.validate("a")
    assert ln.ULabel.from_values(["a"]) == []


def test_synonyms_of_a_record(lake):
    t_cell, b_cell = lake.save([bt.CellType(name=n) for n in ("T cell", "B cell")])
    for nothing in ("", [], [""]):
        t_cell.add_synonym(nothing)
    assert t_cell.synonyms is None
    t_cell.add_synonym(["mine", "T-cell"])
    t_cell.add_synonym("mine")
    assert bt.CellType.get(name="T cell").synonyms == "mine|T-cell"
    with pytest.raises(ValidationError, match="another record has it"):
        b_cell.add_synonym("mine")
    assert b_cell.synonyms is None
    b_cell.add_synonym("mine", force=True)
    with pytest.raises(ValidationError, match="can't contain"):
        t_cell.add_synonym("a|b")
    t_cell.remove_synonym(["mine", "unknown"])
    assert bt.CellType.get(name="T cell").synonyms == "T-cell"
    t_cell.remove_synonym("T-cell")
    assert bt.CellType.get(name="T cell").synonyms is None


def test_abbreviations(lake):
    record = bt.CellType(name="my cell")
    record.set_abbr("my cell")
    assert (record.abbr, record.synonyms, record._saved) == ("my cell", None, False)
    record.save().set_abbr("MC")
    again = bt.CellType.get(name="my cell")
    assert (again.abbr, again.synonyms) == ("MC", "MC")
    assert bt.CellType.lookup("abbr").mc == record
    assert bt.CellType.standardize(["MC"]) == ["my cell"]


def test_registries_without_synonyms_have_no_such_methods(lake):
    label = ln.ULabel(name="a").save()
    for method in ("add_synonym", "remove_synonym", "set_abbr"):
        with pytest.raises(AttributeError):
            getattr(label, method)
    assert ln.ULabel.standardize(["A", "b"], mute=True) == ["A", "b"]
