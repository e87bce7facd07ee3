"""Hierarchies: parents and children over links, types and what is grouped by them.

Both must never lead back to where they began; walking them is safe even where they do, since
two processes may close a circle together.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any, Self

import pyarrow as pa
import pyarrow.compute as pc

from lakehouse.engine.query.view import operations
from lakehouse.errors import InvalidArgument
from lakehouse.orm.model.builtin import HIDDEN, TRASH
from lakehouse.orm.model.context import active_batch
from lakehouse.orm.model.meta import Relation
from lakehouse.orm.record.base import BaseRecord, Deleted, TrackedRecord
from lakehouse.orm.record.record_list import RecordList
from lakehouse.orm.session.batch import batch_on
from lakehouse.orm.session.links import LazyUids, belongs, links_from, links_to, staged_links
from lakehouse.orm.show.graph import Graph
from lakehouse.orm.show.tables import now, title
from lakehouse.walks import along, leading, reached

if TYPE_CHECKING:
    from lakehouse.orm.lake.lake import Lake
    from lakehouse.orm.model.meta import (
        FieldDescriptor,
        ForeignIdDescriptor,
        RegistryMeta,
        Relation,
    )
    from lakehouse.orm.query.queryset import QuerySet
    from lakehouse.orm.session.batch import Batch


# -- Pictures of hierarchies: `record.view_parents()`, `record.view_children()`


_UP = ("parents", "predecessors")
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
        if one == record or one._values.get("branch_uid") not in HIDDEN:
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

    def following(level: list[str]) -> Iterator[str]:
        for child, parent in _links(lake, relation, sorted(level), upward=upward):
            edges[parent, child] = None
            yield parent if upward else child

    reached([uid], following, distance=distance)
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


# -- walking over links --------------------------------------------------------------------


def above(lake: Lake, relation: Relation, uid: str) -> list[str]:
    """The uids that links lead to from a record at any distance, the nearest first.

    Args:
        lake: The lake.
        relation: The relation as the links' subject sees it, e.g. `parents`.
        uid: The record, which is not among them.
    """

    def following(level: list[str]) -> Iterable[str]:
        rows = (r for u in level for r in links_from(lake, relation.link, u))
        return (r["target_uid"] for r in rows if belongs(relation, r))

    return list(reached([uid], following))[1:]


def below(lake: Lake, relation: Relation, uid: str) -> list[str]:
    """The uids from which links lead to a record at any distance, the nearest first."""
    # links lie by their subject: downwards there is one pass a level, not one a record
    edges = _edges(lake, relation)

    def following(level: list[str]) -> Iterable[str]:
        hits = pc.is_in(edges["target_uid"], value_set=pa.array(level, pa.string()))
        found: list[str] = edges.filter(hits)["subject_uid"].to_pylist()
        return found

    return list(reached([uid], following))[1:]


def _edges(lake: Lake, relation: Relation) -> pa.Table:
    names = ["subject_uid", "target_uid"]
    rows = lake.state.arrow(relation.link)
    own = pc.equal(rows["registry"], relation.registry)
    if relation.slot is not None:
        own = pc.and_kleene(own, pc.equal(rows["slot"], relation.slot))
    staged = staged_links(lake, relation.link)
    if staged is None:
        return rows.filter(own).select(names)
    if staged.deleted:
        gone = pc.is_in(rows["uid"], value_set=pa.array(sorted(staged.deleted), pa.string()))
        own = pc.and_kleene(own, pc.invert(gone))
    new = [{n: r[n] for n in names} for r in staged.rows.values() if belongs(relation, r)]
    kept = rows.filter(own).select(names)
    return pa.concat_tables([kept, pa.Table.from_pylist(new, kept.schema)])


def check_acyclic(record: Any, others: Iterable[Any], relation: Relation) -> None:
    """Refuse links that would lead from a record back to itself.

    Args:
        record: The record whose manager is used.
        others: The records that are added to it.
        relation: The relation as the record sees it, in either direction.

    Raises:
        InvalidArgument: They would.
    """
    lake, meta = record._lake, record.meta
    forward = meta.relations[relation.inverse] if relation.reverse else relation
    # only what is seen: two processes may still close a circle, so walks end in one, too
    up = {record.uid, *above(lake, forward, record.uid)} if relation.reverse else set()
    for other in others:
        closing = other.uid in up
        if not relation.reverse:
            closing = other == record or record.uid in above(lake, forward, other.uid)
        if closing:
            raise InvalidArgument(
                f"This would create a cycle: {other!r} among the {relation.name} of {record!r}.",
                found="the same record"
                if other == record
                else f"{record!r} is among those at the other end of its {relation.name}",
                hint=f"see .query_{relation.inverse}()",
            )


class HasParents(ViewParents, TrackedRecord):
    """Records with parents and children."""

    def query_parents(self) -> QuerySet[Self]:
        """All ancestors: the records above this one, at any distance.

        Example:
            >>> ULabel.get(name="sub").query_parents().to_list("name")
            ['top']
        """
        return self._reached("query_parents", above)

    def query_children(self) -> QuerySet[Self]:
        """All descendants: the records below this one, at any distance."""
        return self._reached("query_children", below)

    def _reached(self, name: str, walk: Any) -> QuerySet[Self]:
        lake, relation = self._lake, self.meta.relations["parents"]
        uids = LazyUids(lake, lambda: walk(lake, relation, self.uid), f"{self!r}.{name}()")
        # naming the uid alone would show what is in the trash too
        return self._query().filter(uid__in=uids, branch_uid__in=list(lake.visible_branches))


# -- types -----------------------------------------------------------------------------------


class HasType(TrackedRecord):
    """Records that are grouped by types, which are records of the same registry."""

    if TYPE_CHECKING:
        is_type: FieldDescriptor[bool]
        type_uid: FieldDescriptor[str | None]
        type_id: ForeignIdDescriptor[str | None]

    def _set_related(self, name: str, value: Any) -> None:
        # a saved record's type is checked when the change is saved
        if name == "type" and not self._saved and getattr(value, "meta", None) is self.meta:
            check_type(self, value)
        super()._set_related(name, value)

    def _before_save(self, batch: Batch) -> None:
        super()._before_save(batch)
        checked = not self._saved and self._related is not None and "type" in self._related
        if not checked and (not self._saved or "type_uid" in (self._old or ())):
            kind = self._get_related("type")
            if kind is not None:
                check_type(self, kind)

    def delete(self, permanent: bool | None = None) -> Deleted | None:  # noqa: FBT001 - the peer's
        """Move the record to the trash, a type with all that is of it; see `BaseRecord.delete`.

        Args:
            permanent: True deletes at once, False only ever moves to the trash.
        """
        trashed = self._values.get("branch_uid") == TRASH
        # for good only the type itself goes, and only if nothing is of it any more
        if permanent or trashed or not self._values.get("is_type"):
            return super().delete(permanent)
        with batch_on(self._lake):
            for record in self._members_of_type():
                BaseRecord.delete(record)
            return super().delete(permanent)

    def query_types(self) -> RecordList[Self]:
        """The type of this record, the type of that one, and so on, the nearest first.

        Example:
            >>> Record.get(name="S-1").query_types().to_list("name")
            ['Samples', 'Materials']
        """

        def following(level: list[Any]) -> Iterable[Any]:
            return (kind for one in level if (kind := one._get_related("type")) is not None)

        return RecordList(list(reached([self], following))[1:])

    def _members_of_type(self) -> QuerySet[Self]:
        """All records of this type and of the types below it, those types included."""
        lake, meta = self._lake, self.meta
        types = LazyUids(lake, lambda: types_below(lake, meta, self.uid), f"types of {self!r}")
        return self._query().filter(type__in=types)


def check_type(record: Any, kind: Any) -> None:
    """Refuse a type that is no type, or that is a record of this type itself.

    Raises:
        InvalidArgument: It is.
    """
    name = record.meta.name
    if not kind._values.get("is_type"):
        raise InvalidArgument(
            f"The type of a {name} is a {name} with is_type=True.",
            found=repr(kind),
            hint=f"{name}(name=…, is_type=True).save()",
        )
    own = record._values.get("uid")
    if own is None or not record._values.get("is_type"):
        return  # nothing can be of this type yet
    if own == kind.uid or own in {k.uid for k in kind.query_types()}:
        raise InvalidArgument(
            f"Setting this type would create a cycle: {kind!r} can't be the type of {record!r}.",
            found="the same record" if own == kind.uid else f"{kind!r} is of the type {record!r}",
            hint="see .query_types()",
        )


def types_below(lake: Lake, meta: RegistryMeta, uid: str) -> list[str]:
    """The uid of a type, and those of all types below it."""
    rows = lake.state.arrow(meta.table).select(["uid", "type_uid", "is_type"])
    rows = rows.filter(pc.fill_null(rows["is_type"], False))
    uids, above_ = rows["uid"].to_pylist(), rows["type_uid"].to_pylist()
    type_of = dict(zip(uids, above_, strict=True))
    batch = active_batch(lake)
    # types that the transaction makes or moves are in no state yet
    for record in () if batch is None else batch.records(meta.table):
        if record._values.get("is_type"):
            type_of[record.uid] = record._values.get("type_uid")
    return list(reached([uid], along(leading((kind, own) for own, kind in type_of.items()))))
