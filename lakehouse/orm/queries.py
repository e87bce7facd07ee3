"""The queries of a registry as class methods of its record class."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, ClassVar, Self

from lakehouse.errors import InvalidArgument, MultipleObjectsReturned, ObjectDoesNotExist
from lakehouse.identity import UID_LENGTH
from lakehouse.orm.context import active_batch
from lakehouse.orm.current import current_lake
from lakehouse.orm.lookup import Lookup
from lakehouse.orm.query import QuerySet

if TYPE_CHECKING:
    import polars as pl

    from lakehouse.orm.lake import Lake
    from lakehouse.orm.meta import RegistryMeta

_FAMILY = 4_000


class RegistryQueries:
    """Class methods that query a registry of the current lake."""

    meta: ClassVar[RegistryMeta]

    @classmethod
    def _from_row(cls, lake: Lake, row: dict[str, Any]) -> Self:
        raise TypeError(f"{cls.__name__} is no registry.")

    @classmethod
    def filter(cls, *queries: Any, **lookups: Any) -> QuerySet[Self]:
        """The records that fulfil conditions; see `QuerySet.filter`.

        Example:
            >>> ULabel.filter(name__icontains="raw")  # doctest: +SKIP
        """
        found: QuerySet[Self] = QuerySet(cls, current_lake())
        return found.filter(*queries, **lookups)

    @classmethod
    def exclude(cls, *queries: Any, **lookups: Any) -> QuerySet[Self]:
        """The records that don't fulfil conditions."""
        found: QuerySet[Self] = QuerySet(cls, current_lake())
        return found.exclude(*queries, **lookups)

    @classmethod
    def all(cls) -> QuerySet[Self]:
        """All visible records."""
        return QuerySet(cls, current_lake())

    @classmethod
    def get(cls, uid: str | None = None, **lookups: Any) -> Self:
        """One record, by its uid, the beginning of its uid, or by fields.

        A uid finds records on every branch, the trash included.

        Args:
            uid: A uid, or enough of its beginning. For versioned registries, the first 16
                characters mean the latest version.
            **lookups: Fields and look-ups, as in `filter`.

        Raises:
            ObjectDoesNotExist, MultipleObjectsReturned.
        """
        lake = current_lake()
        staged = cls._get_staged(lake, uid, lookups)
        if staged is not None:
            return staged
        if uid is None and len(lookups) == 1:
            ((name, value),) = lookups.items()
            if (name,) in cls.meta.unique and not lake.read_only and isinstance(value, str):
                return cls._get_unique(lake, name, value)
        if uid is None or lookups:
            found: QuerySet[Self] = QuerySet(cls, lake)
            return found.get(uid, **lookups)
        if not isinstance(uid, str) or not uid:
            raise InvalidArgument(
                f"{cls.meta.name}.get takes a uid or fields.", found=repr(uid),
                hint=f"{cls.meta.name}.get({cls.meta.name_field}=…)",
            )  # fmt: skip
        return cls._get_uid(lake, uid)

    @classmethod
    def _get_staged(cls, lake: Lake, uid: str | None, lookups: dict[str, Any]) -> Self | None:
        """A new record of the open transaction, by its uid or by values of its fields."""
        batch = active_batch(lake)
        if batch is None:
            return None
        found = None
        if uid is not None and not lookups:
            found = batch.staged_uid(cls.meta.table, uid)
        elif uid is None and lookups.keys() <= {*cls.meta.fields, *cls.meta.foreign_keys}:
            found = batch.staged_where(cls.meta.table, lookups)
        return found if isinstance(found, cls) else None

    @classmethod
    def _get_unique(cls, lake: Lake, name: str, value: str) -> Self:
        meta = cls.meta
        uid = lake.engine.holder(meta.table, (name,), (value,))
        row = None if uid is None else lake.state.row(meta.table, uid)
        if row is None or (meta.has_branch and row["branch_uid"] not in lake.visible_branches):
            where = f" on the branch {row['branch_uid']!r}" if row else ""
            raise ObjectDoesNotExist(
                f"There is no visible {meta.name} with {name}={value!r}.",
                found=f"one{where}" if row else None,
                hint=f"{meta.name}.get({row['uid']!r})" if row else None,
            )
        return cls._from_row(lake, row)

    @classmethod
    def _get_uid(cls, lake: Lake, uid: str) -> Self:
        meta, state = cls.meta, lake.state
        row = state.row(meta.table, uid)
        if row is not None:
            return cls._from_row(lake, row)
        stem = meta.versioned and len(uid) == UID_LENGTH
        rows = state.prefix(meta.table, uid, _FAMILY if stem else 6)
        if not rows:
            raise ObjectDoesNotExist(
                f"There is no {meta.name} whose uid begins with {uid!r}.",
                hint=f"to get it by name: {meta.name}.get({meta.name_field}={uid!r})",
            )
        if stem or (meta.versioned and len({r["uid"][:UID_LENGTH] for r in rows}) == 1):
            if not stem:
                return cls._get_uid(lake, rows[0]["uid"][:UID_LENGTH])
            seen = [r for r in rows if r.get("branch_uid") in lake.visible_branches]
            return cls._from_row(lake, (seen or rows)[-1])
        if len(rows) > 1:
            shown = ", ".join(repr(cls._from_row(lake, r)) for r in rows[:5])
            raise MultipleObjectsReturned(
                f"More than one {meta.name} has a uid that begins with {uid!r}.",
                found=shown + (", …" if len(rows) > 5 else ""),
                hint="pass more characters of the uid",
            )
        return cls._from_row(lake, rows[0])

    @classmethod
    def to_dataframe(
        cls,
        *,
        include: str | Sequence[str] | None = None,
        limit: int | None = 100,
        order_by: str | None = "-uid",
    ) -> Any:
        """The latest records as a pandas data frame; see `QuerySet.to_dataframe`."""
        return cls.all().to_dataframe(include=include, limit=limit, order_by=order_by)

    @classmethod
    def to_polars(cls) -> pl.LazyFrame:
        """All visible records as a polars lazy frame."""
        return cls.all().to_polars()

    @classmethod
    def to_list(cls, field: str | None = None) -> list[Any]:
        """All visible records, or their values of one field."""
        return cls.all().to_list(field)

    @classmethod
    def search(cls, text: str, *, limit: int | None = 20) -> QuerySet[Self]:
        """The records whose names, synonyms, keys or descriptions match a text, best first.

        Args:
            text: What to look for; special characters have no meaning.
            limit: At most so many records, None for all.
        """
        return cls.all().search(text, limit=limit)

    @classmethod
    def lookup(cls, field: str | None = None) -> Lookup:
        """An object with the records as attributes, named by their values of a field."""
        return cls.all().lookup(field)
