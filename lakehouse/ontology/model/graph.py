"""Walks over the hierarchy: closures, ancestors, descendants, former ids. Cycles are harmless."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Mapping

import pyarrow as pa

from lakehouse.ontology.model.model import Ontology
from lakehouse.walks import along, leading, reached

CLOSURE_SCHEMA = pa.schema(
    [("descendant", pa.string()), ("ancestor", pa.string()), ("distance", pa.int32())]
)


def closure(parents: pa.Table) -> pa.Table:
    """All ancestors of all terms, with the length of the shortest way up.

    Args:
        parents: `id, parent` edges, e.g. `Ontology.parents`.

    Returns:
        `descendant, ancestor, distance` (from 1), sorted. A term in a cycle isn't its own ancestor.

    Example:
        >>> edges = pa.table({"id": ["a", "b"], "parent": ["b", "c"]})
        >>> closure(edges).to_pylist()[1]
        {'descendant': 'a', 'ancestor': 'c', 'distance': 2}
    """
    up = _edges(parents, "id", "parent")
    descendants: list[str] = []
    ancestors_: list[str] = []
    distances: list[int] = []
    for start in sorted(up):
        above = reached((start,), along(up))
        del above[start]
        descendants += [start] * len(above)
        for node in sorted(above):
            ancestors_.append(node)
            distances.append(above[node])
    return pa.table([descendants, ancestors_, distances], schema=CLOSURE_SCHEMA)


def ancestors(parents: pa.Table, ids: str | Iterable[str]) -> dict[str, int]:
    """Ids above the given ones, with the shortest distance, nearest first."""
    return _reached(ids, _edges(parents, "id", "parent"))


def descendants(parents: pa.Table, ids: str | Iterable[str]) -> dict[str, int]:
    """Ids below the given ones, with the shortest distance, nearest first."""
    return _reached(ids, _edges(parents, "parent", "id"))


def cycles(parents: pa.Table) -> list[tuple[str, ...]]:
    """Groups of terms that are each other's ancestors, each group sorted.

    Example:
        >>> cycles(pa.table({"id": ["a", "b"], "parent": ["b", "a"]}))
        [('a', 'b')]
    """
    up, down = _edges(parents, "id", "parent"), _edges(parents, "parent", "id")
    # only terms that are left after peeling off roots and leaves can lie on a cycle
    core = set(up) & set(down)
    for edges in (up, down):
        waiting = deque(node for node in core if not any(n in core for n in edges.get(node, ())))
        back = down if edges is up else up
        while waiting:
            node = waiting.popleft()
            if node not in core:
                continue
            core.discard(node)
            waiting += [
                n for n in back.get(node, ()) if n in core and not core.intersection(edges[n])
            ]
    groups: set[tuple[str, ...]] = set()
    for node in core:
        above, below = (reached((node,), along(edges)) for edges in (up, down))
        group = tuple(sorted(above.keys() & below.keys()))
        if len(group) > 1 or node in up[node]:
            groups.add(group)
    return sorted(groups)


def resolve_alt(ontology: Ontology, ids: Iterable[str]) -> list[str | None]:
    """The current id for each id: itself, the term that it is a former id of, or None.

    Obsolete terms stand for themselves; their successors are in `terms.replaced_by`.
    """
    known = set(ontology.terms["id"].to_pylist())
    pairs = zip(
        ontology.alt_ids["alt_id"].to_pylist(), ontology.alt_ids["id"].to_pylist(), strict=True
    )
    former: dict[str, str] = {}
    for old, new in pairs:
        former.setdefault(old, new)
    return [key if key in known else former.get(key) for key in ids]


def _edges(table: pa.Table, source: str, target: str) -> dict[str, list[str]]:
    return leading(zip(table[source].to_pylist(), table[target].to_pylist(), strict=True))


def _reached(ids: str | Iterable[str], edges: Mapping[str, list[str]]) -> dict[str, int]:
    starts = (ids,) if isinstance(ids, str) else tuple(ids)
    found = ((distance, node) for node, distance in reached(starts, along(edges)).items())
    return {node: distance for distance, node in sorted(found) if distance}
