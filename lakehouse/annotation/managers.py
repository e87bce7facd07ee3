"""Managers of relations over link tables: `artifact.ulabels.add(label)`."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any

from lakehouse.annotation.tables import link_row
from lakehouse.engine import Changes
from lakehouse.errors import InvalidArgument, MixedLakes
from lakehouse.orm import QuerySet
from lakehouse.orm.batch import batch_on


class LinkManager:
    """The related records of one record.

    Example:
        >>> artifact.ulabels.add(label)          # doctest: +SKIP
        >>> artifact.ulabels.to_list("name")     # doctest: +SKIP
        ['raw']
    """

    def __init__(self, record: Any, name: str) -> None:
        self._record = record
        self._relation = record.meta.relations[name]
        self._target = record._lake.directory.get(self._relation.target)

    def _uids(self) -> list[str]:
        record, relation = self._record, self._relation
        rows = record._lake.state.prefix(relation.link, record.uid, 10_000_000)
        found = (r["target_uid"] for r in rows if r["registry"] == relation.registry)
        return list(dict.fromkeys(found))

    def all(self) -> QuerySet[Any]:
        """The related records."""
        return QuerySet(self._target, self._record._lake).filter(uid__in=self._uids())

    def filter(self, *queries: Any, **lookups: Any) -> QuerySet[Any]:
        """The related records that fulfil conditions."""
        return self.all().filter(*queries, **lookups)

    def to_list(self, field: str | None = None) -> list[Any]:
        """The related records, or one field of them."""
        return self.all().to_list(field) if field else list(self.all())

    def to_dataframe(self, **options: Any) -> Any:
        """The related records as a pandas data frame."""
        return self.all().to_dataframe(**options)

    def count(self) -> int:
        """How many there are."""
        return self.all().count()

    def exists(self) -> bool:
        """Whether there is one."""
        return self.count() > 0

    def first(self) -> Any:
        """The first of them, or None."""
        return self.all().first()

    def one(self) -> Any:
        """The only one."""
        return self.all().one()

    def __iter__(self) -> Iterator[Any]:
        return iter(self.all())

    def __len__(self) -> int:
        return self.count()

    def __repr__(self) -> str:
        return f"{self._relation.target}s of {self._record!r}"

    def add(self, *records: Any, feature: Any = None) -> None:
        """Link records; those that are linked already stay as they are.

        Raises:
            InvalidArgument: A record is of another registry, or not saved.
        """
        for record in records:
            self._check(record)

        def stage(changes: Changes) -> None:
            rows = [
                link_row(
                    self._record.uid,
                    self._relation.registry,
                    record.uid,
                    feature_uid=None if feature is None else feature.uid,
                    created_at=datetime.now(UTC),
                    created_by_uid=self._record._lake.user_uid or None,
                )
                for record in records
            ]
            changes.insert(self._relation.link, rows, if_absent=True)

        self._commit(stage)

    def remove(self, *records: Any) -> None:
        """Unlink records."""
        gone = {r.uid for r in records}
        link = self._relation.link
        rows = self._record._lake.state.prefix(link, self._record.uid, 10_000_000)
        uids = [
            r["uid"]
            for r in rows
            if r["registry"] == self._relation.registry and r["target_uid"] in gone
        ]
        if uids:
            self._commit(lambda changes: changes.delete(link, uids))

    def clear(self) -> None:
        """Unlink all."""
        self.remove(*self.all())

    def set(self, records: list[Any]) -> None:
        """Link exactly these records."""
        wanted = {r.uid for r in records}
        self.remove(*(r for r in self.all() if r.uid not in wanted))
        self.add(*records)

    def _commit(self, stage: Callable[[Changes], None]) -> None:
        with batch_on(self._record._lake) as batch:
            batch.stage(stage)

    def _check(self, record: Any) -> None:
        if not isinstance(record, self._target):
            raise InvalidArgument(
                f"Only records of {self._relation.target} can be linked here.",
                found=f"{record!r} ({type(record).__name__})",
            )
        for one in (record, self._record):
            if not one._saved:
                raise InvalidArgument(
                    f"{one!r} isn't saved, so it can't be linked.", hint="call .save() first"
                )
        if record._lake.uid != self._record._lake.uid:
            raise MixedLakes(
                f"{record!r} belongs to another lake than {self._record!r}.",
                found=record._lake.root,
                expected=self._record._lake.root,
            )


def manager_of(name: str) -> Callable[[Any], LinkManager]:
    """Makes the manager of an accessor, for `Relation(manager=…)`."""
    return lambda record: LinkManager(record, name)
