"""What a text stands for is one thing, whether a registry or a curator is asked."""

from __future__ import annotations

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lakehouse.curation import TableResolver
from lakehouse.curation.vocabulary import Vocabulary
from lakehouse.schema import CatTarget

TARGET = CatTarget("bionty.CellType")
# few letters, so that spellings of different terms collide by case
WORD = st.text("aAbB ", min_size=1, max_size=3).map(str.strip).filter(bool)
TERMS = st.lists(st.tuples(WORD, st.lists(WORD, max_size=3)), max_size=6, unique_by=lambda t: t[0])


@pytest.mark.slow
@settings(max_examples=300, deadline=None)
@given(terms=TERMS, asked=st.lists(WORD, min_size=1, max_size=6, unique=True))
def test_curator_and_registry_give_the_same_standard(
    terms: list[tuple[str, list[str]]], asked: list[str]
) -> None:
    table = pa.table(
        {
            "uid": pa.array([str(i) for i in range(len(terms))], pa.string()),
            "name": pa.array([name for name, _ in terms], pa.string()),
            "synonyms": pa.array(["|".join(s) or None for _, s in terms], pa.string()),
        }
    )
    standards = Vocabulary(table, "name", "synonyms").standards(asked)
    answer = TableResolver({"bionty.CellType": table}).resolve(TARGET, pa.array(asked))
    for value, valid, standard in zip(
        asked, answer.valid.to_pylist(), answer.synonym_of.to_pylist(), strict=True
    ):
        assert valid == (value in standards.exact)
        if not valid:
            assert standard == next(iter(standards.found.get(value, [])), None)


def test_an_exact_synonym_counts_before_one_in_another_case() -> None:
    table = pa.table(
        {"uid": ["1", "2"], "name": ["one cell", "two cell"], "synonyms": ["ab|x y", "AB"]}
    )
    answer = TableResolver({"bionty.CellType": table}).resolve(TARGET, pa.array(["AB", "Ab", "ab"]))
    assert answer.synonym_of.to_pylist() == ["two cell", "one cell", "one cell"]
