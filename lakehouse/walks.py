"""Walks over hierarchies: everything that is reached from some nodes, at the shortest distance.

Where the links come from is the caller's: a dictionary, Arrow, a table's rows. Cycles are harmless.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Mapping
from typing import TypeVar

Node = TypeVar("Node", bound=Hashable)


def reached(
    starts: Iterable[Node],
    following: Callable[[list[Node]], Iterable[Node]],
    *,
    distance: int | None = None,
) -> dict[Node, int]:
    """All nodes that are reached from some, themselves among them, with the distance.

    Args:
        starts: Where to start, at the distance 0.
        following: Gives the nodes at the other end of the links of some nodes.
        distance: Walk at most so far.

    Returns:
        Distances by node, the nearest first, those at equal distance in the order of the links.

    Example:
        >>> reached(["a"], along({"a": ["b"], "b": ["c", "a"]}))
        {'a': 0, 'b': 1, 'c': 2}
    """
    found = dict.fromkeys(starts, 0)
    level, step = list(found), 0
    while level and (distance is None or step < distance):
        step += 1
        new = []
        for node in following(level):
            if node not in found:
                found[node] = step
                new.append(node)
        level = new
    return found


def along(links: Mapping[Node, Iterable[Node]]) -> Callable[[list[Node]], Iterable[Node]]:
    """The links of a dictionary, for `reached`: a node → those that it leads to."""
    return lambda level: [node for start in level for node in links.get(start, ())]


def leading(pairs: Iterable[tuple[Node, Node]]) -> dict[Node, list[Node]]:
    """Links as a dictionary, for `along`: the start of each pair → its ends."""
    links: dict[Node, list[Node]] = {}
    for start, end in pairs:
        links.setdefault(start, []).append(end)
    return links
