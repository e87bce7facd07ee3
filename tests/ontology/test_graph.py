"""Closures and former ids."""

from __future__ import annotations

import pyarrow as pa
from hypothesis import given, settings
from hypothesis import strategies as st

from lakehouse.ontology import ancestors, closure, cycles, descendants, read, resolve_alt
from tests.ontology.sample import OBO


def _edges(*pairs: tuple[str, str]) -> pa.Table:
    ids, parents = zip(*pairs, strict=True) if pairs else ((), ())
    return pa.table({"id": pa.array(ids, pa.string()), "parent": pa.array(parents, pa.string())})


DIAMOND = _edges(("d", "b"), ("d", "c"), ("b", "a"), ("c", "a"), ("d", "a"))


def test_closure_has_the_shortest_distance():
    found = {tuple(row.values()) for row in closure(DIAMOND).to_pylist()}
    assert found == {("b", "a", 1), ("c", "a", 1), ("d", "a", 1), ("d", "b", 1), ("d", "c", 1)}


def test_closure_of_a_cycle_ends():
    ring = _edges(("a", "b"), ("b", "c"), ("c", "a"), ("x", "a"))
    found = {tuple(row.values()) for row in closure(ring).to_pylist()}
    assert ("a", "c", 2) in found
    assert ("x", "c", 3) in found
    assert not any(low == high for low, high, _ in found)
    assert cycles(ring) == [("a", "b", "c")]


def test_closure_of_nothing():
    assert closure(_edges()).num_rows == 0
    assert cycles(_edges()) == []


def test_ancestors_and_descendants():
    assert ancestors(DIAMOND, "d") == {"a": 1, "b": 1, "c": 1}
    assert descendants(DIAMOND, "a") == {"b": 1, "c": 1, "d": 1}
    assert ancestors(_edges(("a", "b"), ("b", "c")), ["a", "b"]) == {"c": 1}
    assert ancestors(DIAMOND, "nowhere") == {}


def test_cycles():
    two = _edges(("a", "b"), ("b", "a"), ("p", "q"), ("q", "p"), ("q", "a"), ("a", "z"))
    assert cycles(two) == [("a", "b"), ("p", "q")]
    assert cycles(DIAMOND) == []
    assert cycles(_edges(("a", "a"))) == [("a",)]


NODES = st.sampled_from("abcdefg")


@settings(deadline=None)
@given(st.lists(st.tuples(NODES, NODES), max_size=14))
def test_against_plain_relaxation(pairs: list[tuple[str, str]]):
    table = _edges(*pairs)
    best: dict[tuple[str, str], int] = dict.fromkeys(pairs, 1)
    for _ in range(8):
        for (low, mid), steps in list(best.items()):
            for start, end in pairs:
                if start == mid:
                    best[low, end] = min(best.get((low, end), 99), steps + 1)
    expected = {(low, high): n for (low, high), n in best.items() if low != high}
    found = {(r["descendant"], r["ancestor"]): r["distance"] for r in closure(table).to_pylist()}
    assert found == expected
    in_cycle = {node for (node, high) in best if node == high}
    assert {node for group in cycles(table) for node in group} == in_cycle


def test_resolve_alt():
    onto = read(OBO.encode(), keep=False)
    ids = ["X:0000020", "X:0000002", "X:0000004", "X:9"]
    assert resolve_alt(onto, ids) == ["X:0000002", "X:0000002", "X:0000004", None]
