"""Walking a hierarchy: direct parents and children, and everything above or below."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.compute as pc

from lakehouse.annotation.tables import link_row
from lakehouse.engine import Changes
from lakehouse.errors import InvalidArgument
from lakehouse.orm import QuerySet
from lakehouse.orm.batch import Batch, batch_on

if TYPE_CHECKING:
    from lakehouse.orm.lake import Lake

LINK_TABLE = "ontology_link"
IS_A = "is_a"


class Related:
    """The direct parents, or children, of one term.

    Example:
        >>> t_cell = CellType.get(name="T cell")     # doctest: +SKIP
        >>> t_cell.parents.to_list("name")           # doctest: +SKIP
        ['lymphocyte']
        >>> t_cell.parents.add(my_group)             # doctest: +SKIP
    """

    def __init__(self, record: Any, *, up: bool) -> None:
        self._record = record
        self._up = up

    def all(self) -> QuerySet[Any]:
        """The related terms as a query set."""
        inverse = "children" if self._up else "parents"
        query: QuerySet[Any] = self._record._query()
        return query.filter(**{inverse: self._record})

    def filter(self, *queries: Any, **lookups: Any) -> QuerySet[Any]:
        """The related terms that fulfil conditions."""
        return self.all().filter(*queries, **lookups)

    def to_list(self, field: str | None = None) -> list[Any]:
        """The related records, or their values of one field."""
        return self.all().to_list(field)

    def to_dataframe(self, **options: Any) -> Any:
        """The related terms as a pandas data frame; see `QuerySet.to_dataframe`."""
        return self.all().to_dataframe(**options)

    def count(self) -> int:
        """Number of related terms."""
        return self.all().count()

    def add(self, *records: Any) -> None:
        """Relate terms of the same registry, in one commit; unsaved ones are saved with it.

        Raises:
            InvalidArgument: Something is no term of this registry, or is the term itself.
            MixedLakes: A record belongs to another lake.
        """
        own = self._record
        name = own.meta.name
        for record in records:
            if getattr(record, "meta", None) is not own.meta or record == own:
                raise InvalidArgument(
                    f"{record!r} can't be a {'parent' if self._up else 'child'} of {own!r}.",
                    expected=f"another {name}",
                    hint=f"{name}.get(name=…)",
                )
        with batch_on(own._lake) as batch:
            for record in (own, *records):
                batch.check_lake(record)
                batch.add(record)

            def stage(changes: Changes) -> None:
                stamps = link_stamps(own._lake, batch.now)
                pairs = [(own, r) if self._up else (r, own) for r in records]
                rows = [
                    link_row(child.uid, own.meta.table, parent.uid, slot=IS_A, **stamps)
                    for child, parent in pairs
                ]
                changes.insert(LINK_TABLE, rows, if_absent=True)

            batch.stage(stage)

    def __repr__(self) -> str:
        return repr(self.all())


def link_stamps(lake: Lake, now: Any) -> dict[str, Any]:
    """What new links are stamped with."""
    stamps = {k: v for k, v in lake.stamps.items() if k in ("created_by_uid", "run_uid")}
    return {"created_at": now, **stamps}


def edges(lake: Lake, table: str) -> pa.Table:
    """The hierarchy of one registry as `id, parent` (both uids), and `uid` of the link."""
    links = lake.state.arrow(LINK_TABLE)
    wanted = pc.and_(pc.equal(links["registry"], table), pc.equal(links["slot"], IS_A))
    found = links.filter(wanted).select(["subject_uid", "target_uid", "uid"])
    return found.rename_columns(["id", "parent", "uid"])


def links_of(lake: Lake, table: str) -> dict[tuple[str, str], str]:
    """The uids of a registry's links, by the uids of child and parent."""
    columns = (column.to_pylist() for column in edges(lake, table).columns)
    return {(child, parent): uid for child, parent, uid in zip(*columns, strict=True)}


def reach(record: Any, *, up: bool) -> QuerySet[Any]:
    """All terms above or below one, at any distance; cycles are harmless."""
    # the reader of ontologies isn't needed by who merely opens a lake
    from lakehouse.ontology import ancestors, descendants

    lake = record._lake
    walk = ancestors if up else descendants
    uids = list(walk(edges(lake, record.meta.table), record.uid))
    query: QuerySet[Any] = record._query()
    # naming the uid would show what is in the trash too
    return query.filter(uid__in=uids, branch_uid__in=list(lake.visible_branches))


def stage_unlinking(batch: Batch, record: Any) -> None:
    """Let a term that is deleted for good take its links with it."""

    def stage(changes: Changes) -> None:
        found = links_of(record._lake, record.meta.table)
        gone = [uid for ends, uid in found.items() if record.uid in ends]
        if gone:
            changes.delete(LINK_TABLE, gone)

    batch.stage(stage)
