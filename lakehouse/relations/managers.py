"""Managers of relations: `artifact.ulabels.add(label)`, `transform.runs.all()`.

A relation is seen from both of its sides, over a link table or over a foreign key. Managers see
what the open transaction has changed, and what they change becomes part of it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from collections.abc import Set as AbstractSet
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Generic, TypeVar

import pyarrow.compute as pc

from lakehouse.engine.query.view import operations
from lakehouse.errors import InvalidArgument, TypeMismatch
from lakehouse.orm import QuerySet
from lakehouse.orm.model.checks import is_saved
from lakehouse.orm.model.context import active_batch, use
from lakehouse.orm.record.hierarchy import check_acyclic
from lakehouse.orm.session.batch import batch_on
from lakehouse.orm.session.links import LazyUids, Row, links_of, unlink
from lakehouse.orm.show.tables import html_of_set, title
from lakehouse.orm.view.present import present
from lakehouse.relations.checks import check_feature, check_record, check_saved, check_there
from lakehouse.relations.tables import link_row
from lakehouse.text.printable import html_text

if TYPE_CHECKING:
    import pandas as pd

    from lakehouse.engine import Changes
    from lakehouse.orm import BaseRecord, Batch, Lake, QuerySet, Relation


# -- Query sets of the records that a record is related to


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


T = TypeVar("T", bound="BaseRecord")


@operations
class RelatedManager(Generic[T]):
    """Manage the records that one record is linked to: list, filter, add, remove, replace.

    Example:
        >>> artifact.ulabels.add(label)
        >>> artifact.ulabels.to_list("name")
        ['raw']
    """

    def __init__(self, record: Any, relation: Relation) -> None:
        self._record = record
        self._relation = relation
        self._lake = record._lake
        self._target = self._lake.directory.get(relation.target)

    # -- reading -----------------------------------------------------------------------

    def uids(self) -> list[str]:
        """The uids of the related records, in order."""
        raise TypeError(type(self).__name__)

    def all(self) -> QuerySet[T]:
        """The related records; those on other branches and in the trash too."""
        check_saved(self._record)
        ordered = self._relation.ordered
        return RelatedSet.of(self._target, self._lake, self.uids, repr(self), ordered=ordered)

    def filter(self, *queries: Any, **lookups: Any) -> QuerySet[T]:
        """The related records that fulfil conditions."""
        return self.all().filter(*queries, **lookups)

    def exclude(self, *queries: Any, **lookups: Any) -> QuerySet[T]:
        """The related records that don't fulfil conditions."""
        return self.all().exclude(*queries, **lookups)

    def get(self, *args: Any, **lookups: Any) -> T:
        """The only related record that fulfils conditions."""
        return self.all().get(*args, **lookups)

    def to_list(self, field: str | None = None) -> list[Any]:
        """The related records, or one field of them."""
        return self.all().to_list(field)

    def to_dataframe(self, **options: Any) -> pd.DataFrame:
        """The related records as a pandas data frame; see `QuerySet.to_dataframe`."""
        return self.all().to_dataframe(**options)

    def values_list(self, *fields: str, **options: Any) -> Any:
        """Values of some fields; see `QuerySet.values_list`."""
        return self.all().values_list(*fields, **options)

    def order_by(self, *fields: str) -> QuerySet[T]:
        """The related records in another order."""
        return self.all().order_by(*fields)

    def search(self, text: str, **options: Any) -> QuerySet[T]:
        """The related records that match a text, best first."""
        return self.all().search(text, **options)

    def lookup(self, field: str | None = None, **options: Any) -> Any:
        """An object with the related records as attributes."""
        return self.all().lookup(field, **options)

    def distinct(self) -> QuerySet[T]:
        """The related records; none of them ever comes twice."""
        return self.all()

    def count(self) -> int:
        """How many there are."""
        check_saved(self._record)
        return len(self.uids())

    def exists(self) -> bool:
        """Whether there is one."""
        return self.count() > 0

    def contains(self, record: Any) -> bool:
        """Whether a record is among them."""
        return getattr(record, "meta", None) is self._target.meta and record.uid in self.uids()

    def first(self) -> T | None:
        """The first of them, or None."""
        return next(iter(self), None)

    def last(self) -> T | None:
        """The last of them, or None."""
        found = self.to_list()
        return found[-1] if found else None

    def one(self) -> T:
        """The only one.

        Raises:
            ObjectDoesNotExist, MultipleObjectsReturned.
        """
        found = self.to_list()
        return found[0] if len(found) == 1 else self.all().one()

    def one_or_none(self) -> T | None:
        """The only one, or None if there is none."""
        return self.one() if self.exists() else None

    def __iter__(self) -> Iterator[T]:
        return iter(self.all())

    def __len__(self) -> int:
        return self.count()

    def __contains__(self, record: object) -> bool:
        return self.contains(record)

    def __repr__(self) -> str:
        return f"<{self._relation.name} of {self._record!r}: {self._relation.target}>"

    def _repr_html_(self) -> str:
        head = f"<b>{html_text(self._relation.name)}</b> of {html_text(title(self._record))}"
        return f"{head}{html_of_set(self.all())}" if is_saved(self._lake, self._record) else head

    # -- changing ----------------------------------------------------------------------

    def add(self, *records: Any) -> None:
        """Link records; those that are linked already stay as they are.

        Raises:
            InvalidArgument: A record isn't saved.
            TypeMismatch: A record is of another registry.
            MixedLakes: A record belongs to another lake.
        """
        raise TypeError(type(self).__name__)

    def remove(self, *records: Any) -> None:
        """Unlink records, in one commit; those that aren't linked are passed over."""
        self._check(records)
        self._drop({r.uid for r in records}.intersection(self.uids()))

    def clear(self) -> None:
        """Unlink all records, in one commit."""
        check_saved(self._record)
        self._drop(set(self.uids()))

    def set(self, records: Iterable[T]) -> None:
        """Link exactly these records and unlink all others, in one commit."""
        if isinstance(records, str) or not isinstance(records, Iterable):
            raise TypeMismatch(
                "The relation is set to a list of records.",
                found=f"{records!r} ({type(records).__name__})",
                expected=f"records of {self._target.meta.name}",
                hint=".set([record]), or .clear()",
            )
        wanted = list(records)
        self._check(wanted)
        uids = [r.uid for r in wanted]
        gone = set(self.uids())
        if not self._relation.ordered:
            gone -= set(uids)
        elif self.uids() == uids:
            return
        with batch_on(self._lake) as batch, self._told_once(batch):
            self._drop(gone)
            self.add(*wanted)

    @contextmanager
    def _told_once(self, batch: Batch) -> Iterator[None]:
        """Tell the records at which links begin of all that the block changes, at its end."""
        yield

    def _drop(self, uids: AbstractSet[str]) -> None:
        """Relate the records with these uids no more."""
        raise TypeError(type(self).__name__)

    def create(self, **fields: Any) -> T:
        """Create a new record and link it, in one commit."""
        check_saved(self._record)
        with batch_on(self._lake), use(self._lake):
            record: T = self._target(**fields).save()
            self.add(record)
        return record

    def get_or_create(self, **fields: Any) -> tuple[T, bool]:
        """Get the linked record with these values, or create it; and whether it is new."""
        found = self.filter(**fields).one_or_none()
        return (self.create(**fields), True) if found is None else (found, False)

    def _check(self, records: Iterable[Any]) -> None:
        check_saved(self._record)
        for record in records:
            check_record(self._record, self._target, record)


@operations
class LinkManager(RelatedManager[T]):
    """The records that one record is linked to, or that are linked to it."""

    _waiting: dict[str, Any] | None = None  # who is told of changes once all are made

    def _links(self) -> list[Row]:
        return links_of(self._lake, self._relation, self._record.uid)

    def uids(self) -> list[str]:
        """The uids of the related records: by position, or else by age."""
        other, links = self._relation.other_column, self._links()
        if self._relation.ordered:
            links.sort(key=lambda r: (r["position"] is None, r["position"] or 0, r[other]))
            return list(dict.fromkeys(r[other] for r in links))
        return sorted({r[other] for r in links})

    def add(self, *records: Any, feature: Any = None) -> None:
        """Link records, in one commit; those that are linked already stay as they are.

        Args:
            *records: Saved records.
            feature: The feature of which they are values.

        Raises:
            InvalidArgument: A record isn't saved, or would be above itself in a hierarchy.
            TypeMismatch: A record is of another registry.
            MixedLakes: A record belongs to another lake.
            ValidationError: The feature takes no values of this registry.
        """
        self._check(records)
        if feature is not None:
            check_feature(self._record, feature, self._label_registry())
        other, links = self._relation.other_column, self._links()
        same = [r for r in links if feature is None or r["feature_uid"] == feature.uid]
        known = {r[other] for r in same}
        new = {r.uid: r for r in records if r.uid not in known}
        if not new:
            return
        check_there([self._record, *new.values()])
        if self._relation.acyclic:
            check_acyclic(self._record, list(new.values()), self._relation)
        start = max((r["position"] or 0 for r in links), default=-1) + 1
        with batch_on(self._lake) as batch:
            found = list(new.values())
            batch.stage(lambda changes: self._stage(changes, found, feature, start, batch.now))
            self._tell(batch, found if self._relation.reverse else [self._record])

    def _stage(
        self, changes: Changes, records: list[Any], feature: Any, start: int, now: Any
    ) -> None:
        relation, lake, own = self._relation, self._lake, self._record
        stamps = {k: v for k, v in lake.stamps.items() if k in ("created_by_uid", "run_uid")}
        stamps |= {"created_at": now, "slot": relation.slot}
        if feature is not None:
            stamps["feature_uid"] = feature.uid
        table = relation.registry or records[0].meta.table
        rows = []
        for place, record in enumerate(records, start):
            more = {**stamps, "position": place} if relation.ordered else stamps
            subject, target = (record, own) if relation.reverse else (own, record)
            rows.append(link_row(subject.uid, table, target.uid, **more))
        changes.insert(relation.link, rows, if_absent=True)

    def _label_registry(self) -> str:
        """The registry whose records are the values of the feature of a link."""
        meta = self._record.meta
        return str(meta.name if self._relation.reverse else self._relation.target)

    def _drop(self, uids: AbstractSet[str]) -> None:
        other = self._relation.other_column
        gone = [r["uid"] for r in self._links() if r[other] in uids]
        if gone:
            with batch_on(self._lake) as batch:
                batch.stage(lambda changes: unlink(changes, self._relation.link, gone))
                self._tell(batch, self._related(uids) if self._relation.reverse else [self._record])

    def _tell(self, batch: Batch, subjects: Iterable[Any]) -> None:
        """Tell records that links which begin at them have changed."""
        for subject in subjects:
            if self._waiting is None:
                subject._links_changed(batch, self._relation)
            else:
                self._waiting.setdefault(subject.uid, subject)

    @contextmanager
    def _told_once(self, batch: Batch) -> Iterator[None]:
        self._waiting = {}
        try:
            yield
        finally:
            waiting, self._waiting = self._waiting, None
        self._tell(batch, waiting.values())

    def _related(self, uids: AbstractSet[str]) -> list[Any]:
        rows = present(self._lake).rows(self._target.meta.table, sorted(uids))
        return [self._target._from_row(self._lake, row) for row in rows]


@operations
class KeyManager(RelatedManager[T]):
    """The records that refer to one record by a foreign key."""

    @property
    def _column(self) -> str:
        return self._relation.own_column

    def uids(self) -> list[str]:
        """The uids of the records that refer to this one, by age."""
        meta, lake, uid = self._target.meta, self._lake, self._record.uid
        rows = lake.state.arrow(meta.table)
        found: set[str] = set()
        if self._column in rows.column_names:
            found = set(rows.filter(pc.equal(rows[self._column], uid))["uid"].to_pylist())
        batch = active_batch(lake)
        for record in () if batch is None else batch.records(meta.table):
            if record._values.get(self._column) == uid:
                found.add(record.uid)
            else:
                found.discard(record._values.get("uid", ""))
        return sorted(found)

    def add(self, *records: Any) -> None:
        """Let records refer to this one, in one commit.

        Raises:
            InvalidArgument: A record isn't saved.
            TypeMismatch: A record is of another registry.
            MixedLakes: A record belongs to another lake.
        """
        self._check(records)
        self._refer(records, self._record)

    def _drop(self, uids: AbstractSet[str]) -> None:
        if not uids:
            return
        if self._column in self._target.meta.required:
            raise InvalidArgument(
                f"A {self._relation.target} can't be without its {self._relation.foreign_key!r}.",
                hint="add it to another one, or delete it",
            )
        self._refer([r for r in self.all() if r.uid in uids], None)

    def _refer(self, records: Iterable[Any], value: Any) -> None:
        with batch_on(self._lake) as batch:
            for record in records:
                setattr(record, str(self._relation.foreign_key), value)
                batch.add(record)


def manager_of(name: str) -> Callable[[Any], RelatedManager[Any]]:
    """Makes the manager of an accessor, for `Relation(manager=…)`."""

    def make(record: Any) -> RelatedManager[Any]:
        relation = record.meta.relations[name]
        kind = LinkManager if relation.foreign_key is None else KeyManager
        return kind(record, relation)

    return make
