"""The queries of a registry as class methods of its record class."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, ClassVar, Self

import pyarrow.compute as pc

from lakehouse.engine.query.view import operations
from lakehouse.errors import (
    InvalidArgument,
    MultipleObjectsReturned,
    ObjectDoesNotExist,
    UnknownField,
)
from lakehouse.identity import UID_LENGTH
from lakehouse.orm.lake.current import current_lake
from lakehouse.orm.lake.other import query_in
from lakehouse.orm.model.context import active_batch
from lakehouse.orm.query.completion import Keep, Lookup
from lakehouse.orm.query.queryset import QuerySet
from lakehouse.orm.query.read import LATEST
from lakehouse.orm.query.search import near_values

if TYPE_CHECKING:
    import pandas as pd
    import polars as pl

    from lakehouse.orm.lake.lake import Lake
    from lakehouse.orm.model.meta import RegistryMeta

_FAMILY = 4_000


class _Objects:
    """Gives all records of a registry, as the peer's managers do."""

    def __get__(self, record: Any, owner: type[RegistryQueries]) -> QuerySet[Any]:
        if record is not None:
            raise UnknownField("Only registries have 'objects', records don't.")
        return owner.all()


@operations
class RegistryQueries:
    """Class methods that query a registry of the current lake."""

    meta: ClassVar[RegistryMeta]
    objects = _Objects()

    @classmethod
    def _from_row(cls, lake: Lake, row: dict[str, Any]) -> Self:
        raise TypeError(f"{cls.__name__} is no registry.")

    @classmethod
    def filter(cls, *queries: Any, **lookups: Any) -> QuerySet[Self]:
        """Filter records by fields, relations and features; see `QuerySet.filter`.

        Example:
            >>> ULabel.filter(name__icontains="raw")
        """
        found: QuerySet[Self] = QuerySet(cls, current_lake())
        return found.filter(*queries, **lookups)

    @classmethod
    def exclude(cls, *queries: Any, **lookups: Any) -> QuerySet[Self]:
        """Filter out the records that fulfil conditions."""
        found: QuerySet[Self] = QuerySet(cls, current_lake())
        return found.exclude(*queries, **lookups)

    @classmethod
    def all(cls) -> QuerySet[Self]:
        """All visible records, as a query set."""
        return QuerySet(cls, current_lake())

    @classmethod
    def get(cls, uid: str | None = None, *queries: Any, **lookups: Any) -> Self:
        """Get one record by its uid, the beginning of its uid, or by fields.

        A uid finds records on every branch, the trash included.

        Args:
            uid: A uid, or enough of its beginning. For versioned registries, the first 16
                characters mean the latest version.
            *queries: `Q` objects and feature predicates.
            **lookups: Fields and look-ups, as in `filter`. Of versioned records, the latest
                version is meant.

        Raises:
            ObjectDoesNotExist, MultipleObjectsReturned.
        """
        lake = current_lake()
        staged = None if queries else cls._get_staged(lake, uid, lookups)
        if staged is not None:
            return staged
        if uid is None and len(lookups) == 1 and not queries:
            ((name, value),) = lookups.items()
            # the catalog knows who has a unique value now, without a look at the column
            if (name,) in cls.meta.unique and not lake.read_only and isinstance(value, str):
                return cls._get_unique(lake, name, value)
        if lookups or queries:
            found: QuerySet[Self] = QuerySet(cls, lake)
            return found.get(uid, *queries, **lookups)
        if isinstance(uid, int) and not isinstance(uid, bool):
            raise ObjectDoesNotExist(
                f"There is no {cls.meta.name} with the number {uid}: ids are uids here.",
                hint=f"{cls.meta.code}.get({cls.meta.name_field}=…)",
            )
        if not isinstance(uid, str) or not uid:
            raise InvalidArgument(
                f"{cls.meta.name}.get takes a uid or fields.", found=repr(uid),
                hint=f"{cls.meta.code}.get({cls.meta.name_field}=…)",
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
        row = cls._unique_row(lake, name, value)
        if row is None or (meta.has_branch and row["branch_uid"] not in lake.visible_branches):
            where = f" on the branch {row['branch_uid']!r}" if row else ""
            close = [] if row else near_values(lake, meta, name, value)
            hint = f"{meta.code}.get({name}={close[0]!r})" if close else None
            raise ObjectDoesNotExist(
                f"There is no visible {meta.name} with {name}={value!r}.",
                found=f"one{where}" if row else None,
                expected=" or ".join(map(repr, close)) or None,
                hint=f"{meta.code}.get({row['uid']!r})" if row else hint,
            )
        return cls._from_row(lake, row)

    @classmethod
    def _unique_row(cls, lake: Lake, name: str, value: str) -> dict[str, Any] | None:
        """The row that has a unique value in the state that is read."""
        table, state = cls.meta.table, lake.state
        uid = lake.engine.holder(table, (name,), (value,))
        row = None if uid is None else state.row(table, uid)
        if row is not None and row[name] == value:
            return row
        # the catalog knows who holds the value now, which may be another row than in this state
        rows = state.arrow(table).select(["uid", name])
        uids = rows.filter(pc.equal(rows[name], value))["uid"]
        return state.row(table, uids[0].as_py()) if len(uids) else None

    @classmethod
    def _get_uid(cls, lake: Lake, uid: str) -> Self:
        meta, state = cls.meta, lake.state
        row = state.row(meta.table, uid)
        if row is not None:
            return cls._from_row(lake, row)
        stem = meta.versioned and len(uid) == UID_LENGTH
        # six, since five are shown where it isn't one
        rows = state.prefix(meta.table, uid, _FAMILY if stem else 6)
        if not rows:
            raise ObjectDoesNotExist(
                f"There is no {meta.name} whose uid begins with {uid!r}.",
                hint=f"to get it by name: {meta.code}.get({meta.name_field}={uid!r})",
            )
        if stem or (meta.versioned and len({r["uid"][:UID_LENGTH] for r in rows}) == 1):
            if not stem:
                return cls._get_uid(lake, rows[0]["uid"][:UID_LENGTH])
            seen = [r for r in rows if r.get("branch_uid") in lake.visible_branches]
            # the latest that is seen; where all are hidden, the latest of these
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
        features: str | Sequence[str] | bool | None = None,
        limit: int | None = LATEST,
        order_by: str | None = "-id",
    ) -> pd.DataFrame:
        """The latest records as a pandas data frame; see `QuerySet.to_dataframe`.

        If there are more than `limit`, that is said; `limit=None` gives them all.
        """
        return cls.all().to_dataframe(
            include=include, features=features, limit=limit, order_by=order_by
        )

    @classmethod
    def to_polars(cls) -> pl.LazyFrame:
        """All visible records as a polars lazy frame."""
        return cls.all().to_polars()

    @classmethod
    def to_list(cls, field: str | None = None) -> list[Any]:
        """All visible records, or their values of one field."""
        return cls.all().to_list(field)

    @classmethod
    def search(
        cls,
        string: str,
        *,
        field: Any = None,
        limit: int | None = 20,
        case_sensitive: bool = False,
    ) -> QuerySet[Self]:
        """Search records by their names, synonyms, keys or descriptions, best match first.

        Args:
            string: What to look for; special characters have no meaning.
            field: The field or fields to search, instead of all texts.
            limit: At most so many records, None for all.
            case_sensitive: Whether `B cell` differs from `b cell`.

        Example:
            >>> CellType.search("t cell")[0].name
            'T cell'
        """
        return cls.all().search(string, field=field, limit=limit, case_sensitive=case_sensitive)

    @classmethod
    def lookup(cls, field: Any = None, return_field: Any = None, keep: Keep = "first") -> Lookup:
        """Complete records by name: an object with them as attributes, named by a field.

        Args:
            field: The field; by default the one that people know a record by.
            return_field: The field to give instead of records.
            keep: Which of several records with one name to give: the `"first"`, the
                `"last"`, or with False all of them.
        """
        return cls.all().lookup(field, return_field, keep)

    @classmethod
    def connect(cls, instance: str | None) -> QuerySet[Self]:
        """Query this registry in another lake, which is only read.

        Args:
            instance: The other lake's root or name; None for the current lake.

        Example:
            >>> ULabel.connect("../other-lake").search("raw")
        """
        found: QuerySet[Self] = query_in(cls, instance)
        return found

    @classmethod
    def using(cls, instance: str | None) -> QuerySet[Self]:
        """The same as `connect`."""
        return cls.connect(instance)
