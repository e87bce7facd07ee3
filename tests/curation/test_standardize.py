"""Replacing synonyms."""

from __future__ import annotations

import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

from lakehouse.curation import ColumnRule, DatasetSpec, TableResolver, standardize, validate
from lakehouse.errors import UnknownField
from lakehouse.formats.arrow import usual

SPEC = DatasetSpec(
    (
        ColumnRule("cell_type", "cat[bionty.CellType]"),
        ColumnRule("many", "list[cat[bionty.CellType]]"),
        ColumnRule("either", "cat[bionty.CellType|bionty.Tissue]"),
        ColumnRule("free", str),
    )
)
DATA = {
    "cell_type": ["B-cell", "B cell", None, "t CELL", "unknown"],
    "many": [["B-cell", "x"], [], None, ["T cell"], ["B lymphocyte"]],
    "either": ["LUNG", "T cell", "B-cell", "lung", None],
    "free": ["B-cell"] * 5,
}
EXPECTED = {
    "cell_type": ["B cell", "B cell", None, "T cell", "unknown"],
    "many": [["B cell", "x"], [], None, ["T cell"], ["B cell"]],
    "either": ["lung", "T cell", "B cell", "lung", None],
    "free": ["B-cell"] * 5,
}


@pytest.mark.parametrize("form", [pa.table, pl.DataFrame, pd.DataFrame])
def test_synonyms_become_terms(form: type, resolver: TableResolver) -> None:
    table, mapping = standardize(form(DATA), SPEC, resolver)
    assert table.to_pydict() == EXPECTED
    assert mapping == {
        "cell_type": {"B-cell": "B cell", "t CELL": "T cell"},
        "many": {"B-cell": "B cell", "B lymphocyte": "B cell"},
        "either": {"LUNG": "lung", "B-cell": "B cell"},
    }
    assert {f.value for f in validate(table, SPEC, resolver).failures} == {"unknown", "x"}
    again, nothing = standardize(table, SPEC, resolver)
    assert nothing == {}
    assert again.equals(table)


def test_dictionaries_stay_dictionaries(resolver: TableResolver) -> None:
    column = pd.Categorical(["B-cell", "B cell", None], ordered=True)
    table, _ = standardize(pd.DataFrame({"cell_type": column}), SPEC, resolver)
    assert usual(table["cell_type"].type) == pa.dictionary(pa.int32(), pa.string(), ordered=True)
    assert table["cell_type"].to_pylist() == ["B cell", "B cell", None]
    assert table["cell_type"].chunk(0).dictionary.to_pylist() == ["B cell"]


def test_sliced_chunks(resolver: TableResolver) -> None:
    whole = pa.table(DATA)
    table, _ = standardize(pa.concat_tables([whole.slice(0, 2), whole.slice(2)]), SPEC, resolver)
    assert table.to_pydict() == EXPECTED


def test_only_the_columns_asked_for(resolver: TableResolver) -> None:
    table, mapping = standardize(pa.table(DATA), SPEC, resolver, columns=["cell_type"])
    assert list(mapping) == ["cell_type"]
    assert table["many"].to_pylist() == DATA["many"]
    with pytest.raises(UnknownField, match="'free'"):
        standardize(pa.table(DATA), SPEC, resolver, columns=["free"])


def test_nothing_to_do(resolver: TableResolver) -> None:
    for data in ({"free": ["x"]}, {"cell_type": pa.nulls(2)}, {"cell_type": [1]}):
        table, mapping = standardize(pa.table(data), SPEC, resolver)
        assert mapping == {}
        assert table.equals(pa.table(data))
