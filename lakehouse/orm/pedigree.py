"""Pictures of hierarchies: `record.view_parents()`, `record.view_children()`."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from lakehouse.engine.view import operations
from lakehouse.errors import InvalidArgument
from lakehouse.orm.graph import Graph
from lakehouse.orm.links import belongs, links_from, links_to
from lakehouse.orm.meta import Relation
from lakehouse.orm.showing import now, title

_UP = ("parents", "predecessors")
_HIDDEN = ("archive", "trash")
DISTANCE = 5


@operations
class ViewParents:
    """For records that have parents, or predecessors: their place in the hierarchy, drawn."""

    def view_parents(
        self,
        field: Any = None,
        with_children: bool = False,  # noqa: FBT001, FBT002 - the peer's signature
        distance: int = DISTANCE,
    ) -> Graph:
        """Draw the parents of a record and what is above them, as a graph.

        Args:
            field: The field that nodes are called by; the registry's name field by default.
            with_children: Also what is below it.
            distance: How many steps away records are still shown.

        Returns:
            A graph with `.dot`, `.mermaid` and `.svg`.

        Example:
            >>> print(CellType.get(name="T cell").view_parents().mermaid)
        """
        return hierarchy(self, field, up=True, down=with_children, distance=distance)

    def view_children(self, field: Any = None, distance: int = DISTANCE) -> Graph:
        """Draw the children of a record and what is below them, as a graph.

        Args:
            field: The field that nodes are called by; the registry's name field by default.
            distance: How many steps away records are still shown.
        """
        return hierarchy(self, field, up=False, down=True, distance=distance)


def hierarchy(record: Any, field: Any, *, up: bool, down: bool, distance: int) -> Graph:
    """The graph of a record with what is above and below it.

    Raises:
        InvalidArgument: The record isn't saved, or nothing is at such a distance.
    """
    meta = record.meta
    name = getattr(field, "name", field) or meta.name_field
    if name not in meta.fields:
        raise meta.unknown(name)
    lake = record._lake
    if not record._saved and not now(lake, type(record), [record.uid]):
        raise InvalidArgument(f"{record!r} isn't saved, so it has no place in a hierarchy.")
    if distance < 1:
        raise InvalidArgument("The distance is at least 1.", found=str(distance))
    relation = next(r for r in (meta.relations.get(n) for n in _UP) if r is not None)
    edges: dict[tuple[str, str], None] = {}  # from the parent to the child
    uids = {record.uid: None}
    for wanted, upward in ((up, True), (down, False)):
        if wanted:
            found = _walk(lake, relation, record.uid, distance, upward=upward)
            edges |= found
            uids |= {uid: None for edge in found for uid in edge}
    graph = Graph(f"{meta.name}: {title(record)}")
    for one in now(lake, type(record), list(uids)):
        if one == record or one._values.get("branch_uid") not in _HIDDEN:
            named = one._values.get(name)
            label = one.uid if named in (None, "") else str(named)
            graph.add_node(one.uid, label, meta.cls.__name__, "focus" if one == record else "")
    for start, end in edges:
        graph.add_edge(start, end)
    return graph


def _walk(
    lake: Any, relation: Relation, uid: str, distance: int, *, upward: bool
) -> dict[tuple[str, str], None]:
    """The links that are reached in so many steps, from the parent to the child."""
    edges: dict[tuple[str, str], None] = {}
    seen, level = {uid}, {uid}
    for _ in range(distance):
        found = list(_links(lake, relation, sorted(level), upward=upward))
        for child, parent in found:
            edges[parent, child] = None
        level = {pair[1] if upward else pair[0] for pair in found} - seen
        seen |= level
        if not level:
            break
    return edges


def _links(
    lake: Any, relation: Relation, uids: list[str], *, upward: bool
) -> Iterable[tuple[str, str]]:
    """Pairs of child and parent, of which the child (`upward`) or the parent is one of these."""
    read = links_from if upward else links_to
    for uid in uids:
        for row in read(lake, relation.link, uid):
            if belongs(relation, row):
                yield row["subject_uid"], row["target_uid"]
