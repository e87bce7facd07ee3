"""Query sets: lazy, immutable, compiled to one DuckDB statement when they are read.

Example:
    >>> qs = ULabel.filter(name__startswith="raw").order_by("-created_at")  # doctest: +SKIP
    >>> qs.exclude(description=None)[:10].to_dataframe()                    # doctest: +SKIP
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Generic, TypeVar, overload

import pyarrow as pa

from lakehouse.config import notify
from lakehouse.errors import InvalidArgument, MultipleObjectsReturned, ObjectDoesNotExist
from lakehouse.orm.batch import batch_on
from lakehouse.orm.compile import Compiler
from lakehouse.orm.frames import to_pandas
from lakehouse.orm.lookup import Lookup
from lakehouse.orm.lookups import Sql
from lakehouse.orm.q import Q
from lakehouse.orm.rows import as_dicts
from lakehouse.orm.search import search_rank
from lakehouse.orm.statement import Statement

if TYPE_CHECKING:
    import polars as pl

    from lakehouse.orm.lake import Lake
    from lakehouse.orm.meta import RegistryMeta

T = TypeVar("T")


class QuerySet(Generic[T]):
    """Records of one registry that fulfil conditions.

    Unless a condition names the branch or the uid, records on main and the current branch
    are meant. Records come in the order of their creation unless `order_by` says otherwise.
    """

    def __init__(self, registry: type[T], lake: Lake) -> None:
        self._registry = registry
        self._lake = lake
        self._statement = Statement(lake, registry.meta)  # type: ignore[attr-defined]
        self._distinct = False
        self._read: tuple[int, list[T]] | None = None

    @property
    def _meta(self) -> RegistryMeta:
        return self._statement.meta

    def _with(self, **changes: Any) -> QuerySet[T]:
        new = QuerySet(self._registry, self._lake)
        new._statement = replace(self._statement, **changes) if changes else self._statement
        new._distinct = self._distinct
        return new

    def _unsliced(self, what: str) -> None:
        if self._statement.sliced:
            raise InvalidArgument(
                f"A sliced query set can't be {what}.", hint=f"{what} first, then slice"
            )

    # -- narrowing and ordering --------------------------------------------------------

    def filter(self, *queries: Any, **lookups: Any) -> QuerySet[T]:
        """The records that fulfil all of the conditions.

        Args:
            *queries: `Q` objects and feature predicates.
            **lookups: Django-style look-ups, e.g. `created_by__handle__startswith="a"`.

        Raises:
            UnknownField: A field or look-up doesn't exist.
        """
        self._unsliced("filtered")
        return self._narrowed(Q(*queries, **lookups)) if queries or lookups else self._with()

    def exclude(self, *queries: Any, **lookups: Any) -> QuerySet[T]:
        """The records that don't fulfil the conditions."""
        self._unsliced("filtered")
        return self._narrowed(~Q(*queries, **lookups)) if queries or lookups else self._with()

    def _narrowed(self, q: Q) -> QuerySet[T]:
        Compiler(self._lake).tree(self._meta, "r", q)  # wrong names are refused at once
        return self._with(where=(*self._statement.where, q))

    def order_by(self, *fields: str) -> QuerySet[T]:
        """The records in the order of fields; `-name` is descending."""
        self._unsliced("ordered")
        for name in fields:
            Compiler(self._lake).expression(self._meta, "r", name.lstrip("-").split("__"))
        return self._with(order=fields)

    def reverse(self) -> QuerySet[T]:
        """The records in the opposite order."""
        order = self._statement.order or ("uid",)
        return self.order_by(*(n[1:] if n.startswith("-") else f"-{n}" for n in order))

    def distinct(self) -> QuerySet[T]:
        """Without duplicates, which only `values_list` and `to_list(field)` can have."""
        new = self._with()
        new._distinct = True
        return new

    def search(self, text: str, *, limit: int | None = 20) -> QuerySet[T]:
        """The records that match a text, best first; see `Registry.search`."""
        found = self._with(rank=search_rank(self._meta, text))
        return found if limit is None else found[:limit]

    def all(self) -> QuerySet[T]:
        """A copy of the query set."""
        return self._with()

    # -- SQL ---------------------------------------------------------------------------

    def uids_sql(self, compiler: Compiler) -> Sql:
        """The statement that selects the uids, for use inside another one."""
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
        state = self._lake.state
        if self._read is None or self._read[0] != state.seq:
            self._read = (state.seq, self._from_table(self._statement.run("r.*")))
        return self._read[1]

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
    def __getitem__(self, index: slice) -> QuerySet[T]: ...
    def __getitem__(self, index: int | slice) -> T | QuerySet[T]:
        if isinstance(index, slice):
            return self._sliced(index)
        if self._read is not None or index < 0:
            return self._records()[index]
        found = list(self._sliced(slice(index, index + 1)))
        if not found:
            raise IndexError(f"The query set has no record {index}.")
        return found[0]

    def _sliced(self, index: slice) -> QuerySet[T]:
        start, stop = index.start or 0, index.stop
        if index.step not in (None, 1) or start < 0 or (stop is not None and stop < 0):
            raise InvalidArgument(
                "Query sets are sliced forwards, without steps.", found=str(index)
            )
        first, last = self._statement.start, self._statement.stop
        low = first + start
        high = last if stop is None else first + max(stop, start)
        if last is not None and high is not None:
            high = min(high, last)
            low = min(low, high)
        return self._with(start=low, stop=high)

    def count(self) -> int:
        """Number of records."""
        if self._read is not None and self._read[0] == self._lake.state.seq:
            return len(self._read[1])
        return self._statement.count()

    def exists(self) -> bool:
        """Whether there is any record."""
        return bool(self._sliced(slice(0, 1))._statement.run("r.uid").num_rows)

    def first(self) -> T | None:
        """The first record, or None."""
        found = list(self._sliced(slice(0, 1)))
        return found[0] if found else None

    def last(self) -> T | None:
        """The last record, or None."""
        if self._statement.sliced:
            found = self._records()
            return found[-1] if found else None
        return self.reverse().first()

    def one(self) -> T:
        """The only record.

        Raises:
            ObjectDoesNotExist, MultipleObjectsReturned.
        """
        found = list(self._sliced(slice(0, 4)))
        if len(found) == 1:
            return found[0]
        if not found:
            raise ObjectDoesNotExist(
                f"No {self._meta.name} fulfils the conditions.",
                found=self._described(),
                hint=f"{self._meta.name}.filter(…).to_dataframe() shows what there is",
            )
        shown = ", ".join(map(repr, found[:3])) + (", …" if len(found) > 3 else "")
        raise MultipleObjectsReturned(
            f"More than one {self._meta.name} fulfils the conditions.",
            found=shown,
            hint="add a condition, or get the record by its uid",
        )

    def one_or_none(self) -> T | None:
        """The only record, or None if there is none."""
        try:
            return self.one()
        except ObjectDoesNotExist:
            return None

    def get(self, uid: str | None = None, **lookups: Any) -> T:
        """The only record of this set that fulfils further conditions."""
        found = self if uid is None else self.filter(uid__startswith=uid)
        return (found.filter(**lookups) if lookups else found).one()

    def _described(self) -> str:
        text = " and ".join(repr(q) for q in self._statement.where)
        return text if len(text) < 300 else text[:300] + "…"

    # -- reading columns ---------------------------------------------------------------

    def to_arrow(self) -> pa.Table:
        """The rows as an Arrow table; JSON columns as text."""
        table = self._statement.run("r.*")
        return table.select([c for c in self._meta.columns if c in table.column_names])

    def to_polars(self) -> pl.LazyFrame:
        """The rows as a polars lazy frame."""
        import polars as pl  # 0.2 s: only for those who ask

        return pl.DataFrame(self.to_arrow()).lazy()

    def to_dataframe(
        self,
        *,
        include: str | Sequence[str] | None = None,
        limit: int | None = None,
        order_by: str | None = None,
    ) -> Any:
        """The rows as a pandas data frame, whose index `id` holds the uids.

        Args:
            include: Fields of related registries, e.g. `"created_by__handle"`; a relation
                with many records gives lists.
            limit: At most so many rows; if there are more, that is said.
            order_by: Field to order by, `-name` descending.
        """
        found: QuerySet[T] = self if order_by is None else self.order_by(order_by)
        if limit is not None:
            found = found[: limit + 1]
        names = [include] if isinstance(include, str) else list(include or ())
        table = found._statement.run("r.*", {name: name for name in names})
        if limit is not None and table.num_rows > limit:
            table = table.slice(0, limit)
            notify(f"showing {limit} of more {self._meta.name} records; pass limit=None for all")
        own = [c for c in self._meta.columns if c in table.column_names]
        return to_pandas(table.select([*own, *names]), self._meta.spec.json_columns)

    def values_list(self, *fields: str, flat: bool = False) -> list[Any]:
        """Values of some fields as tuples; with `flat`, of one field as they are."""
        if flat and len(fields) != 1:
            raise InvalidArgument("flat=True takes exactly one field.", found=fields)
        names = fields or self._meta.columns
        table = self._statement.run("", {f"c{i}": name for i, name in enumerate(names)})
        json = self._meta.spec.json_columns
        text = frozenset(f"c{i}" for i, n in enumerate(names) if n in json)
        rows = [tuple(row.values()) for row in as_dicts(table, text)]
        found = [row[0] for row in rows] if flat else rows
        return list(dict.fromkeys(found)) if self._distinct else found

    def to_list(self, field: str | None = None) -> list[Any]:
        """The records, or the values of one field, as a list."""
        return list(self._records()) if field is None else self.values_list(field, flat=True)

    def lookup(self, field: str | None = None) -> Lookup:
        """An object whose attributes are the records, for completion; see `Registry.lookup`."""
        name = field or self._meta.name_field
        return Lookup(self._registry, self._lake, dict(self.values_list("uid", name)), name)

    # -- changing ----------------------------------------------------------------------

    def delete(self, permanent: bool | None = None) -> None:  # noqa: FBT001 - the peer's signature
        """Delete all records of the set in one commit; see `BaseRecord.delete`."""
        records = self._records()
        if records:
            with batch_on(self._lake):
                for record in records:
                    record.delete(permanent=permanent)  # type: ignore[attr-defined]

    def __repr__(self) -> str:
        shown = list(self._sliced(slice(0, 6)))
        lines = [f"  {record!r}" for record in shown[:5]]
        more = "\n  …" if len(shown) > 5 else ""
        return f"<QuerySet of {self._meta.name}:\n" + "\n".join(lines) + f"{more}>"
