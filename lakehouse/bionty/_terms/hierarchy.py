"""Walking hierarchies: many terms at once, with distances, along one kind of relation.

The links of a registry are kept as arrays for the state that they were read from, so that a
walk touches only what it reaches.
"""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from lakehouse.bionty._sources.links import IS_A, LINK_TABLE, edges
from lakehouse.engine import Engine
from lakehouse.orm import QuerySet

if TYPE_CHECKING:
    from lakehouse.orm.lake.lake import Lake

Ints = npt.NDArray[np.int64]

# engine → (table, relation, direction) → the links that were read, and the walk over them
_KEPT: WeakKeyDictionary[Engine, dict[tuple[str, str, bool], tuple[pa.Table, Walk]]] = (
    WeakKeyDictionary()
)


class Walk:
    """The relations of one registry in one state, in one direction.

    Args:
        links: `id, parent` edges between uids.
        up: Whether walks lead from `id` to `parent`.
    """

    def __init__(self, links: pa.Table, *, up: bool) -> None:
        both = pa.chunked_array([*links["id"].chunks, *links["parent"].chunks], pa.string())
        encoded = both.combine_chunks().dictionary_encode()
        self.nodes: pa.Array = encoded.dictionary
        codes = encoded.indices.to_numpy().astype(np.int64)
        start, end = codes[: len(links)], codes[len(links) :]
        if not up:
            start, end = end, start
        order = np.argsort(start, kind="stable")
        self._ends: Ints = end[order]
        counts = np.bincount(start, minlength=len(self.nodes))
        self._offsets: Ints = np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)

    @cached_property
    def _places(self) -> dict[str, int]:
        return {uid: i for i, uid in enumerate(self.nodes.to_pylist())}

    def reach(self, uids: list[str], distance: int | None = None) -> tuple[Ints, Ints, Ints]:
        """Everything that is reached from some nodes.

        Args:
            uids: Where to start.
            distance: At most so far.

        Returns:
            Positions in `uids`, nodes reached, and the lengths of the shortest ways.
        """
        places = self._places
        at = np.array([places.get(uid, -1) for uid in uids], np.int64)
        origin = np.flatnonzero(at >= 0).astype(np.int64)
        node = at[origin].astype(np.int64)
        size = max(len(self.nodes), 1)
        seen = np.sort(origin * size + node)
        origins, nodes, steps = [], [], []
        step = 0
        while len(node) and (distance is None or step < distance):
            step += 1
            origin, node = self._next(origin, node)
            pairs = _not_in(seen, np.unique(origin * size + node))
            seen = np.sort(np.concatenate([seen, pairs]), kind="stable")
            origin, node = pairs // size, pairs % size
            origins.append(origin)
            nodes.append(node)
            steps.append(np.full(len(node), step, np.int64))
        none = np.empty(0, np.int64)
        if not origins:
            return none, none, none
        return np.concatenate(origins), np.concatenate(nodes), np.concatenate(steps)

    def _next(self, origin: Ints, node: Ints) -> tuple[Ints, Ints]:
        low, high = self._offsets[node], self._offsets[node + 1]
        counts = high - low
        total = int(counts.sum())
        inside = np.arange(total) - np.repeat(np.cumsum(counts) - counts, counts)
        return np.repeat(origin, counts), self._ends[np.repeat(low, counts) + inside]


def _not_in(seen: Ints, pairs: Ints) -> Ints:
    """The sorted pairs that aren't among the sorted ones that were seen."""
    if not len(seen):
        return pairs
    at = np.minimum(np.searchsorted(seen, pairs), len(seen) - 1)
    found: Ints = pairs[seen[at] != pairs]
    return found


def walk_of(lake: Lake, table: str, relation: str, *, up: bool) -> Walk:
    """The walk over the links of one registry in the lake's present state."""
    links = lake.state.arrow(LINK_TABLE)
    kept = _KEPT.setdefault(lake.engine, {})
    key = (table, relation, up)
    known = kept.get(key)
    if known is None or known[0] is not links:
        known = kept[key] = (links, Walk(edges(lake, table, relation), up=up))
    return known[1]


def closure_of(
    records: list[Any], *, relation: str = IS_A, up: bool = True, distance: int | None = None
) -> pa.Table:
    """All terms above, or below, some terms: `uid, reached_uid, distance`."""
    if not records:
        empty = pa.array([], pa.string())
        return pa.table({"uid": empty, "reached_uid": empty, "distance": pa.array([], pa.int64())})
    first = records[0]
    walk = walk_of(first._lake, first.meta.table, relation, up=up)
    uids = [record.uid for record in records]
    origins, nodes, steps = walk.reach(uids, distance)
    return pa.table(
        {
            "uid": pa.array(uids, pa.string()).take(pa.array(origins)),
            "reached_uid": walk.nodes.take(pa.array(nodes)),
            "distance": pa.array(steps),
        }
    )


def distances(record: Any, distance: int | None, relation: str, *, up: bool) -> dict[Any, int]:
    """The visible terms above or below one, with the shortest distance, nearest first."""
    found = closure_of([record], relation=relation, up=up, distance=distance)
    steps = dict(zip(found["reached_uid"].to_pylist(), found["distance"].to_pylist(), strict=True))
    lake = record._lake
    rows = lake.state.rows(record.meta.table, list(steps))
    visible = [row for row in rows if row["branch_uid"] in lake.visible_branches]
    ordered = sorted(visible, key=lambda row: (steps[row["uid"]], row["name"] or ""))
    return {type(record)._from_row(lake, row): steps[row["uid"]] for row in ordered}


def related(record: Any, relation: str) -> QuerySet[Any]:
    """The visible terms that one is directly related to."""
    lake = record._lake
    links = edges(lake, record.meta.table, relation)
    uids = links.filter(pc.equal(links["id"], record.uid))["parent"].to_pylist()
    query: QuerySet[Any] = record._query()
    return query.filter(uid__in=uids, branch_uid__in=list(lake.visible_branches))
