"""Query sets: lazy, immutable, compiled to one DuckDB statement when they are read.

Example:
    >>> qs = ULabel.filter(name__startswith="raw").order_by("-created_at")
    >>> qs.exclude(description=None)[:10].to_dataframe()
"""

from __future__ import annotations

import random
import time
from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Generic, Self, TypeVar, overload

import pyarrow as pa

from lakehouse.engine.query.view import operations
from lakehouse.errors import (
    CommitConflict,
    InvalidArgument,
    MultipleObjectsReturned,
    ObjectDoesNotExist,
    RowConflict,
    TypeMismatch,
)
from lakehouse.orm.model.context import active_batch, use
from lakehouse.orm.model.rows import as_dicts
from lakehouse.orm.query.compile import Compiler
from lakehouse.orm.query.lookups import Sql
from lakehouse.orm.query.q import Q
from lakehouse.orm.query.read import Reading
from lakehouse.orm.query.search import near_values, search_for
from lakehouse.orm.query.statement import Statement
from lakehouse.orm.session.batch import batch_on
from lakehouse.orm.show.tables import html_of_set

if TYPE_CHECKING:
    from lakehouse.orm.lake.lake import Lake
    from lakehouse.orm.model.meta import RegistryMeta


# -- Query sets joined with others: `a | b`, `a & b`, `a - b`


T = TypeVar("T")


@operations
class Combining(Generic[T]):
    """The part of a query set that joins it with others of the same registry.

    The joined set has the order of creation, and sees of each set what that one sees.
    """

    _registry: type[T]
    _lake: Lake

    def __init__(self, registry: type[T], lake: Lake) -> None:
        self._registry = registry
        self._lake = lake

    def filter(self, *queries: Any, **lookups: Any) -> Self:
        """The records that fulfil all of the conditions."""
        raise TypeError(type(self).__name__)

    def union(self, *others: Combining[T]) -> Self:
        """The records of any of several sets, each once."""
        return self._combined("OR", others)

    def intersection(self, *others: Combining[T]) -> Self:
        """The records that are in all of several sets."""
        return self._combined("AND", others)

    def difference(self, *others: Combining[T]) -> Self:
        """The records that are in none of the other sets."""
        return self._combined("AND", ()).filter(*(~Q(uid__in=other) for other in others))

    def _combined(self, connector: str, others: tuple[Combining[T], ...]) -> Self:
        # a condition on uids lifts the joined set's own visibility, and each set keeps its own
        sets = tuple(Q(uid__in=one) for one in (self, *others))
        return type(self)(self._registry, self._lake).filter(Q._make(sets, connector))

    def __or__(self, other: Combining[T]) -> Self:
        return self.union(other) if isinstance(other, Combining) else NotImplemented

    def __and__(self, other: Combining[T]) -> Self:
        return self.intersection(other) if isinstance(other, Combining) else NotImplemented

    def __sub__(self, other: Combining[T]) -> Self:
        return self.difference(other) if isinstance(other, Combining) else NotImplemented


# -- Making records through a query set, as Django's managers do


@operations
class Making(Generic[T]):
    """The half of a query set that makes records."""

    _registry: type[T]
    _lake: Lake

    @property
    def model(self) -> type[T]:
        """The registry."""
        return self._registry

    def create(self, **fields: Any) -> T:
        """Create a record: construct and save it.

        Example:
            >>> ULabel.objects.create(name="raw")
        """
        with use(self._lake):
            record: Any = self._registry(**fields)
            saved: T = record.save()
        return saved

    def get_or_create(
        self, defaults: dict[str, Any] | None = None, **fields: Any
    ) -> tuple[T, bool]:
        """Get the only record of the set with these fields, or create it; and whether it is new.

        Args:
            defaults: Further fields of a new one.
            **fields: Fields to look for; look-ups such as `name__startswith` find only.

        Raises:
            MultipleObjectsReturned: There are several.
        """
        found = self.filter(**fields).one_or_none()  # type: ignore[attr-defined]
        if found is not None:
            return found, False
        # somebody else may make it now: where names are unique, saving gives theirs
        given = {name: value for name, value in fields.items() if "__" not in name}
        return self.create(**{**given, **(defaults or {})}), True


# -- One record out of a query set: the only one, the first, the last


@operations
class Picking(Generic[T]):
    """The part of a query set that gives single records."""

    _statement: Statement

    def _self(self) -> QuerySet[T]:
        raise TypeError(type(self).__name__)

    def first(self) -> T | None:
        """The first record, or None."""
        found = list(self._self()._sliced(slice(0, 1)))
        return found[0] if found else None

    def last(self) -> T | None:
        """The last record, or None."""
        # a slice has its order already, so it can't be read from the other end
        if self._statement.sliced:
            found = self._self()._records()
            return found[-1] if found else None
        return self._self().reverse().first()

    def one(self) -> T:
        """The only record.

        Raises:
            ObjectDoesNotExist, MultipleObjectsReturned.
        """
        # three are shown, the fourth tells that there are more
        name, found = self._statement.meta.name, list(self._self()._sliced(slice(0, 4)))
        if len(found) == 1:
            return found[0]
        if not found:
            raise self._nothing()
        shown = ", ".join(map(repr, found[:3])) + (", …" if len(found) > 3 else "")
        raise MultipleObjectsReturned(
            f"More than one {name} fulfils the conditions.",
            found=shown,
            hint="add a condition, or get the record by its uid",
        )

    def one_or_none(self) -> T | None:
        """The only record, or None if there is none."""
        found = list(self._self()._sliced(slice(0, 2)))
        return self.one() if len(found) > 1 else next(iter(found), None)

    def get(self, uid: str | None = None, *queries: Any, **lookups: Any) -> T:
        """The only record of this set that fulfils further conditions.

        Of versioned records, the latest version is meant, unless the conditions say otherwise.
        """
        found = self._self() if uid is None else self._self().filter(uid__startswith=uid)
        found = found.filter(*queries, **lookups)
        if not self._statement.meta.versioned or not lookups or _names_version(lookups):
            return found.one()
        # peer: the latest is meant, else the newest that fulfils the conditions
        latest = found.filter(is_latest=True)
        if latest.exists():
            return latest.one()
        newest = found.last()
        return found.one() if newest is None else newest  # one() says what is near

    def earliest(self, *fields: str) -> T:
        """The first record in the order of fields, by default of creation."""
        return self._self().order_by(*(fields or ("created_at",)))._end(first=True)

    def latest(self, *fields: str) -> T:
        """The last record in the order of fields, by default of creation."""
        return self._self().order_by(*(fields or ("created_at",)))._end(first=False)

    def _end(self, *, first: bool) -> T:
        found = self.first() if first else self.last()
        return self.one() if found is None else found

    def _nothing(self) -> ObjectDoesNotExist:
        """The error of a query that finds nothing; names what is near, where it asked for a text."""
        meta = self._statement.meta
        close: list[str] = []
        hint = f"{meta.code}.filter(…).to_dataframe() shows what there is"
        for lookup, value in self._statement.demanded():
            close = near_values(self._statement.lake, meta, lookup, value)
            if close:
                hint = f"{meta.code}.get({lookup}={close[0]!r})"
                break
        return ObjectDoesNotExist(
            f"No {meta.name} fulfils the conditions.",
            found=self._described(),
            expected=" or ".join(map(repr, close)) or None,
            hint=hint,
        )

    def _described(self) -> str:
        text = " and ".join(repr(q) for q in self._statement.where)
        return text if len(text) < 300 else text[:300] + "…"


def _names_version(lookups: dict[str, Any]) -> bool:
    names = {name.partition("__")[0] for name in lookups}
    return bool(names & {"is_latest", "version", "version_tag", "uid", "id", "pk", "hash"})


_TRIES = 100  # of an update, each of them lost to another commit


@operations
class QuerySet(Combining[T], Making[T], Picking[T], Reading[T]):
    """Records of one registry that fulfil conditions.

    Unless a condition names the branch or the uid, records on main and the current branch
    are meant. Records come in the order of their creation unless `order_by` says otherwise.
    """

    def __init__(self, registry: type[T], lake: Lake) -> None:
        self._registry = registry
        self._lake = lake
        self._statement = Statement(lake, registry.meta)  # type: ignore[attr-defined]
        self._distinct = False
        self._read: tuple[tuple[int, str], list[T]] | None = None

    def _self(self) -> QuerySet[T]:
        return self

    def _with(self, **changes: Any) -> Self:
        new = type(self)(self._registry, self._lake)
        new._statement = replace(self._statement, **changes) if changes else self._statement
        new._distinct = self._distinct
        return new

    def _unsliced(self, what: str) -> None:
        if self._statement.sliced:
            raise InvalidArgument(
                f"A sliced query set can't be {what}.", hint=f"{what} first, then slice"
            )

    # -- narrowing and ordering --------------------------------------------------------

    def filter(self, *queries: Any, **lookups: Any) -> Self:
        """Filter the records: those that fulfil all of the conditions.

        Args:
            *queries: `Q` objects and feature predicates.
            **lookups: Django-style look-ups, e.g. `created_by__handle__startswith="a"`.

        Raises:
            UnknownField: A field or look-up doesn't exist.
        """
        self._unsliced("filtered")
        return self._narrowed(Q(*queries, **lookups)) if queries or lookups else self._with()

    def exclude(self, *queries: Any, **lookups: Any) -> Self:
        """Filter out the records that fulfil the conditions."""
        self._unsliced("filtered")
        return self._narrowed(~Q(*queries, **lookups)) if queries or lookups else self._with()

    def _narrowed(self, q: Q) -> Self:
        Compiler(self._lake).tree(self._meta, "r", q)  # wrong names are refused at once
        return self._with(where=(*self._statement.where, q))

    def order_by(self, *fields: Any) -> Self:
        """Sort the records by fields; `-name` is descending.

        Args:
            *fields: Fields, paths such as `created_by__handle`, or features; none for the
                order of creation.
        """
        self._unsliced("ordered")
        found = self._with(order=fields)
        for field in fields:
            if hasattr(field, "annotated"):
                # by a feature, those come that have it: others have no place in its order
                found = found.filter(field.annotated())
            elif not isinstance(field, str):
                raise InvalidArgument(
                    "Records are ordered by fields and features.",
                    found=f"{field!r} ({type(field).__name__})",
                    hint="order_by('name', '-created_at')",
                )
        found._statement.ordering(Compiler(self._lake))  # wrong names are refused at once
        return found

    def reverse(self) -> Self:
        """The records in the opposite order."""
        return self.order_by(*(_opposite(item) for item in self._statement.order or ("uid",)))

    def distinct(self) -> Self:
        """Without duplicates, which only `values_list` and `to_list(field)` can have."""
        new = self._with()
        new._distinct = True
        return new

    def search(
        self,
        string: str,
        *,
        field: Any = None,
        limit: int | None = 20,
        case_sensitive: bool = False,
    ) -> Self:
        """Search the records by text, best match first; see `Registry.search`."""
        self._unsliced("searched")
        if isinstance(string, str) and not string.strip():
            return self._sliced(slice(0, limit))  # peer: everything matches no text
        wanted = search_for(self._meta, string, field, case_sensitive=case_sensitive)
        found = self._with(search=wanted, order=())
        return found if limit is None else found._sliced(slice(0, limit))

    def all(self) -> Self:
        """A copy of the query set."""
        return self._with()

    def only(self, *fields: str) -> Self:
        """The same records; columns are read as they are needed anyway.

        Raises:
            UnknownField: There is no such field.
        """
        for name in fields:
            if name not in self._meta.names():
                raise self._meta.unknown(name)
        return self._with()

    defer = only

    def none(self) -> Self:
        """An empty query set."""
        return self.filter(uid__in=[])

    # -- SQL ---------------------------------------------------------------------------

    def uids_sql(self, compiler: Compiler, target: RegistryMeta) -> Sql:
        """The statement that selects the uids, for use inside another one.

        Raises:
            InvalidArgument: These are records of another registry than is asked for.
        """
        if self._meta is not target:
            raise InvalidArgument(
                f"This is compared with records of {target.name}.",
                found=f"a query set of {self._meta.name}",
            )
        # two objects may be of one lake, such as lake.at(…)
        if self._lake.uid != compiler.lake.uid:
            raise InvalidArgument("The query sets belong to two lakes.", found=self._lake.root)
        # aliases of both statements nest properly, since each subquery opens a scope
        return self._statement.select(compiler, "r.uid", ordered=False)

    def explain(self) -> str:
        """The SQL statement and its parameters, as text."""
        sql, params = self._statement.select(Compiler(self._lake), "r.*")
        return f"{sql}\n-- parameters: {params}"

    # -- reading records ---------------------------------------------------------------

    def _records(self) -> list[T]:
        # read once a state: a set that is asked again sees what was committed since
        seen = self._seen()
        if self._read is None or self._read[0] != seen:
            self._read = (seen, self._from_table(self._statement.rows()))
        return self._read[1]

    def _seen(self) -> tuple[int, str]:
        """What records that were read belong to: the state, and the branch that saw it."""
        return self._lake.state.seq, self._lake.branch_uid

    def _from_table(self, table: pa.Table) -> list[T]:
        make, lake = self._registry._from_row, self._lake  # type: ignore[attr-defined]
        return [make(lake, row) for row in as_dicts(table, self._meta.spec.json_columns)]

    def __iter__(self) -> Iterator[T]:
        return iter(self._records())

    def __len__(self) -> int:
        return len(self._records())

    def __bool__(self) -> bool:
        return self.exists()

    def __contains__(self, record: object) -> bool:
        return record in self._records()

    @overload
    def __getitem__(self, index: int) -> T: ...
    @overload
    def __getitem__(self, index: slice) -> Self: ...
    def __getitem__(self, index: int | slice) -> T | Self:
        if isinstance(index, slice):
            return self._sliced(index)
        if not isinstance(index, int):
            raise TypeMismatch(
                "A record of a query set is asked for by its position.",
                found=f"{index!r} ({type(index).__name__})",
                hint=".get(name=…), or .filter(name=…).one()",
            )
        # for one record no more are read, unless it is counted from the end
        if self._read is not None or index < 0:
            return self._records()[index]
        found = list(self._sliced(slice(index, index + 1)))
        if not found:
            raise IndexError(f"The query set has no record {index}.")
        return found[0]

    def _sliced(self, index: slice) -> Self:
        start, stop = index.start or 0, index.stop
        whole = isinstance(start, int) and isinstance(stop, int | None)
        if index.step not in (None, 1) or not whole or start < 0 or (stop or 0) < 0:
            raise InvalidArgument(
                "Query sets are sliced forwards, by whole numbers, without steps.",
                found=str(index),
            )
        first, last = self._statement.start, self._statement.stop
        # places count from where this set begins, which may be a slice itself
        low = first + start
        high = last if stop is None else first + max(stop, start)
        if last is not None and high is not None:
            high = min(high, last)
            low = min(low, high)
        return self._with(start=low, stop=high)

    def count(self) -> int:
        """Number of records."""
        if self._read is not None and self._read[0] == self._seen():
            return len(self._read[1])
        return self._statement.count()

    def exists(self) -> bool:
        """Whether there is any record."""
        return bool(self._sliced(slice(0, 1)).count())

    # -- changing ----------------------------------------------------------------------

    def delete(self, permanent: bool | None = None) -> None:  # noqa: FBT001 - the peer's signature
        """Delete all records of the set in one commit; see `BaseRecord.delete`."""
        records = self._records()
        if records:
            with batch_on(self._lake):
                for record in records:
                    record.delete(permanent=permanent)  # type: ignore[attr-defined]

    def restore(self) -> None:
        """Bring all records of the set back from the trash or the archive, in one commit.

        Example:
            >>> ULabel.filter(branch__name="trash").restore()
        """
        records = self._records()
        if records:
            with batch_on(self._lake):
                for record in records:
                    record.restore()  # type: ignore[attr-defined]

    def update(self, **fields: Any) -> int:
        """Set fields of all records of the set in one commit; gives their number.

        Where others change the same fields at the same time, the later change stays.
        """
        # in a transaction nothing is committed here, so there is nothing to try again
        tries = 1 if active_batch(self._lake) is not None else _TRIES
        for attempt in range(tries):
            records = self._records()
            try:
                with batch_on(self._lake) as batch:
                    for record in records:
                        for name, value in fields.items():
                            setattr(record, name, value)
                        batch.add(record)  # type: ignore[arg-type]
            except (RowConflict, CommitConflict):  # others were faster: their rows are read now
                if attempt == tries - 1:
                    raise
                time.sleep(random.uniform(0, min(0.001 * attempt, 0.02)))
            else:
                break
        return len(records)

    def __repr__(self) -> str:
        shown = list(self._sliced(slice(0, 6)))
        lines = [f"  {record!r}" for record in shown[:5]]
        more = "\n  …" if len(shown) > 5 else ""
        return f"<QuerySet of {self._meta.name}:\n" + "\n".join(lines) + f"{more}>"

    def _repr_html_(self) -> str:
        """The first rows, as a table for notebooks."""
        return html_of_set(self)


def _opposite(item: Any) -> Any:
    if not isinstance(item, str):
        return -item
    return item[1:] if item.startswith("-") else f"-{item}"
