"""The table that registries are filled from."""

from __future__ import annotations

import pytest

from lakehouse.errors import InvalidArgument
from lakehouse.ontology import own_prefix, read, registry_rows
from lakehouse.ontology.rows import ROWS_SCHEMA
from tests.ontology.sample import HEADER, OBO

MIXED = f"""{HEADER}[Term]
id: X:1
name: root

[Term]
id: X:2
name: leaf
synonym: "rel" RELATED []
synonym: "b" EXACT []
synonym: "a" EXACT []
synonym: "a" BROAD []
synonym: "leaf" EXACT []
synonym: "either|or" NARROW []
is_a: X:1
is_a: Y:1
is_a: X:99

[Term]
id: X:3
name: leaf
is_obsolete: true
replaced_by: X:2

[Term]
id: X:4

[Term]
id: Y:1
name: foreign

[Term]
id: Y:2
name: foreign too

[Term]
id: Y:3
name: foreign three

[Term]
id: Y:4

[Term]
id: Y:5
"""


@pytest.fixture(scope="module")
def onto():
    return read(MIXED.encode(), keep=False)


def test_only_terms_of_the_own_id_space(onto):
    assert own_prefix(onto) == "X"
    table = registry_rows(onto)
    assert table.schema.equals(ROWS_SCHEMA)
    assert table["ontology_id"].to_pylist() == ["X:1", "X:2", "X:3", "X:4"]


@pytest.mark.parametrize(("prefix", "n"), [("Y", 5), ("Y:", 5), ("", 9)])
def test_another_id_space(onto, prefix: str, n: int):
    assert registry_rows(onto, prefix).num_rows == n


def test_foreign_and_stub_parents_are_listed_apart(onto):
    row = registry_rows(onto).to_pylist()[1]
    assert row["parents"] == ["X:1"]
    assert row["foreign_parents"] == ["X:99", "Y:1"]
    assert registry_rows(onto, "").to_pylist()[1]["parents"] == ["X:1", "Y:1"]


def test_synonyms_keep_their_scope(onto):
    row = registry_rows(onto).to_pylist()[1]
    assert row["synonyms"] == "a|b"
    assert row["narrow_synonyms"] == "either/or"
    assert row["broad_synonyms"] is None  # "a" is an exact one, too
    assert row["related_synonyms"] == "rel"
    assert any("'|'" in note for note in row["notes"])
    assert registry_rows(onto).to_pylist()[0]["synonyms"] is None


def test_names_are_unique_and_changes_are_noted(onto):
    rows = registry_rows(onto).to_pylist()
    assert [row["name"] for row in rows] == ["root", "leaf", "leaf (X:3)", "X:4"]
    assert rows[2]["replaced_by"] == ["X:2"]
    assert "that of X:2" in rows[2]["notes"][0]
    assert "no name" in rows[3]["notes"][0]
    assert rows[0]["notes"] == []


def test_without_a_declared_id_the_most_frequent_prefix_counts():
    onto = read(MIXED.replace("ontology: x\n", "").encode(), keep=False)
    assert own_prefix(onto) == "Y"


def test_unknown_prefix_names_the_known_ones(onto):
    with pytest.raises(InvalidArgument) as caught:
        registry_rows(onto, "Z")
    assert "X, Y" in str(caught.value.found)


def test_description_is_the_definition():
    rows = registry_rows(read(OBO.encode(), keep=False)).to_pylist()
    assert rows[0]["description"] == "What there is."
    assert [row["obsolete"] for row in rows] == [False, False, False, True]


def test_an_ontology_of_relations_fills_no_registry():
    onto = read(f"{HEADER}[Typedef]\nid: part_of\nname: part of\n".encode(), keep=False)
    with pytest.raises(InvalidArgument, match="defines no terms"):
        registry_rows(onto)


def test_id_spaces_that_belong_to_an_ontology_come_with_it():
    terms = "".join(f"[Term]\nid: {k}:1\nname: {k}\n\n" for k in ("HANCESTRO", "AfPO", "GEO"))
    link = "[Term]\nid: HANCESTRO:2\nname: b\nis_a: AfPO:1\n"
    found = read(f"format-version: 1.4\nontology: hancestro\n\n{terms}{link}".encode(), keep=False)
    rows = registry_rows(found)
    assert rows["ontology_id"].to_pylist() == ["AfPO:1", "HANCESTRO:1", "HANCESTRO:2"]
    assert rows["parents"].to_pylist()[2] == ["AfPO:1"]
    only = registry_rows(found, "HANCESTRO")
    assert only["ontology_id"].to_pylist() == ["HANCESTRO:1", "HANCESTRO:2"]
