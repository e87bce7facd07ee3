"""The registries of terms that come from one table."""

from __future__ import annotations

import pytest

import lakehouse.bionty as bt
from lakehouse.bionty.terms import TERMS
from lakehouse.orm import current_lake


@pytest.mark.parametrize("name", TERMS)
def test_each_is_a_registry_of_terms(name: str, lake) -> None:
    registry = getattr(bt, name)
    parent = registry(name="parent", ontology_id="X:1").save()
    child = registry(name="child", ontology_id="X:2", synonyms="kid").save()
    child.parents.add(parent)
    assert registry(name="child") == child
    assert child.parents.to_list("name") == ["parent"]
    assert registry.standardize(["kid"]) == ["child"]
    rows = current_lake().sql(f"SELECT * FROM {TERMS[name][0]}_closure").fetchall()
    assert rows == [(child.uid, parent.uid, 1)]
