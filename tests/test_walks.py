"""Walks over hierarchies against sums of powers of the links' matrix."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from lakehouse.walks import along, leading, reached

nodes = st.integers(0, 7)


@given(
    pairs=st.lists(st.tuples(nodes, nodes)),
    starts=st.lists(nodes),
    far=st.none() | st.integers(0, 9),
)
def test_what_is_reached_and_how_far_it_is(pairs, starts, far):
    links = np.zeros((8, 8), int)
    for start, end in pairs:
        links[start, end] = 1
    expected, ways = {}, np.eye(8, dtype=int)
    for distance in range((8 if far is None else far) + 1):
        for node in range(8):
            if any(ways[start, node] for start in starts):
                expected.setdefault(node, distance)
        ways = (ways @ links > 0).astype(int)
    found = reached(starts, along(leading(pairs)), distance=far)
    assert found == expected
    assert list(found.values()) == sorted(found.values())
