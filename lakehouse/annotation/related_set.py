"""Query sets of the records that a record is related to."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from lakehouse.engine.view import operations
from lakehouse.orm import QuerySet
from lakehouse.orm.context import active_batch
from lakehouse.orm.links import LazyUids

if TYPE_CHECKING:
    from lakehouse.orm import Lake

_SINGLY = 200  # records that are read one by one, which takes less than a statement


@operations
class RelatedSet(QuerySet[Any]):
    """All records that one record is related to; those of the open transaction among them.

    A set that is narrowed, ordered or sliced is an ordinary query, of what is committed.
    """

    _read_uids: Callable[[], list[str]] | None = None

    @classmethod
    def of(
        cls,
        registry: type[Any],
        lake: Lake,
        read: Callable[[], list[str]],
        shown: str,
        *,
        ordered: bool = False,
    ) -> RelatedSet:
        """The query set of the records that have some uids.

        Args:
            registry: Their registry.
            lake: The lake.
            read: Finds the uids whenever the set is read.
            shown: What stands for the uids in texts.
            ordered: Whether the records come in the order of the uids, not in that of their age.
        """
        uids = LazyUids(lake, read, shown)
        found: QuerySet[Any] = QuerySet(registry, lake).filter(uid__in=uids)
        if ordered:
            found = found._with(order=(uids,))
        made = cls(registry, lake)
        made._statement = found._statement
        made._read_uids = read
        return made

    def _staged(self, uids: Sequence[str]) -> dict[str, Any]:
        batch = active_batch(self._lake)
        if batch is None:
            return {}
        table = self._meta.table
        found = {uid: batch.staged_uid(table, uid) for uid in uids}
        return {uid: record for uid, record in found.items() if record is not None}

    def _records(self) -> list[Any]:
        if self._read_uids is None:
            return super()._records()
        uids = self._read_uids()
        staged = self._staged(uids)
        if not staged and len(uids) > _SINGLY:
            return super()._records()
        rows = self._lake.state.rows(self._meta.table, [u for u in uids if u not in staged])
        make = self._registry._from_row
        found = {row["uid"]: make(self._lake, row) for row in rows} | staged
        return [found[uid] for uid in uids if uid in found]

    def count(self) -> int:
        """Number of records."""
        return super().count() if self._read_uids is None else len(self._read_uids())

    def exists(self) -> bool:
        """Whether there is any record."""
        return super().exists() if self._read_uids is None else bool(self._read_uids())

    def first(self) -> Any:
        """The first record, or None."""
        if self._read_uids is None:
            return super().first()
        return next(iter(self._records()), None)

    def to_list(self, field: str | None = None) -> list[Any]:
        """The records, or the values of one field, as a list."""
        if self._read_uids is None or (field is not None and field not in self._meta.fields):
            return super().to_list(field)
        if field is None:
            return list(self._records())
        return [getattr(record, field) for record in self._records()]
