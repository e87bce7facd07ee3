"""What can be read from a query set beside its records: columns, frames, figures, look-ups."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Generic, Self, TypeVar

import pyarrow as pa

from lakehouse.config import notify
from lakehouse.engine.query.view import operations
from lakehouse.errors import InvalidArgument, TypeMismatch
from lakehouse.orm.model.context import use
from lakehouse.orm.query.compile import Compiler
from lakehouse.orm.query.completion import Keep, Lookup
from lakehouse.orm.query.frames import FEATURES, PRIVATES, frame_of, lazy_frame
from lakehouse.orm.query.statement import ROW, Statement
from lakehouse.orm.query.values import Shape, Values, aggregated, named_aggregates

if TYPE_CHECKING:
    import pandas as pd
    import polars as pl

    from lakehouse.orm.lake.lake import Lake
    from lakehouse.orm.model.meta import RegistryMeta
    from lakehouse.orm.query.queryset import QuerySet

T = TypeVar("T")

LATEST = 100
"""So many of the latest records does `Registry.to_dataframe()` show."""


@operations
class Reading(Generic[T]):
    """The reading half of a query set."""

    _registry: type[T]
    _lake: Lake
    _statement: Statement
    _distinct: bool

    @property
    def _meta(self) -> RegistryMeta:
        return self._statement.meta

    def _with(self, **changes: Any) -> Self:
        raise TypeError(type(self).__name__)

    def _self(self) -> QuerySet[T]:
        raise TypeError(type(self).__name__)

    # -- tables ------------------------------------------------------------------------

    def to_arrow(self) -> pa.Table:
        """The rows as an Arrow table; JSON columns as text."""
        return self._statement.rows()

    def to_polars(self) -> pl.LazyFrame:
        """The rows as a polars lazy frame, bound to the present state; JSON columns as text.

        Nothing is read before `collect`, and then only the columns that are needed.
        """
        return lazy_frame(self._statement)

    def to_dataframe(
        self,
        *,
        include: str | Sequence[str] | None = None,
        features: str | Sequence[str] | bool | None = None,
        limit: int | None = None,
        order_by: str | None = "-id",
    ) -> pd.DataFrame:
        """The rows as a pandas data frame, whose index `id` holds the uids.

        The newest records come first, unless the query set has an order.

        Args:
            include: Fields of related registries, e.g. `"created_by__handle"`; a relation
                with many records gives sets. `"features"` adds a column per feature that the
                records are annotated with, `"privates"` all columns.
            features: Names of features to add; True or `"queryset"` for all that they have.
            limit: At most so many rows; if there are more, that is said.
            order_by: Field to order by, `-name` descending.
        """
        statement = self._statement
        if order_by is not None and not statement.ordered and not statement.sliced:
            # peer: the newest first, unless somebody said otherwise
            statement = self._self().order_by(order_by)._statement
        if not isinstance(include, Iterable | None):
            raise TypeMismatch(
                "What a data frame includes is named by texts.",
                found=f"{include!r} ({type(include).__name__})",
                hint="include=['created_by__handle'], or include='features'",
            )
        names = [include] if isinstance(include, str) else list(include or ())
        for name in names:
            if name not in (FEATURES, PRIVATES):
                # wrong names are refused before anything is read
                Compiler(self._lake).expression(self._meta, ROW, name.split("__"))
        wanted: list[str] | None = None
        if features is True or features == "queryset":
            names.append(FEATURES)
        elif features:
            wanted = [features] if isinstance(features, str) else [str(f) for f in features]
        if limit is not None:
            statement = _limited(statement, limit)
        return frame_of(statement, names, wanted)

    # -- values ------------------------------------------------------------------------

    def values(self, *fields: str) -> Values:
        """The values of some fields, by default of all columns, as dictionaries.

        A path over a relation with many records gives a dictionary for each of these.

        Example:
            >>> ULabel.filter(name="raw").values("name", "type__name")
            [{'name': 'raw', 'type__name': None}]
        """
        return Values(self._self(), fields or self._meta.columns, "dict")

    def values_list(self, *fields: str, flat: bool = False, named: bool = False) -> Values:
        """The values of some fields as tuples; with `flat`, of one field as they are."""
        if flat and len(fields) != 1:
            raise InvalidArgument("flat=True takes exactly one field.", found=fields)
        shape: Shape = "flat" if flat else "named" if named else "tuple"
        return Values(self._self(), fields or self._meta.columns, shape)

    def to_list(self, field: str | None = None) -> list[Any]:
        """The records, or the values of one field, as a list."""
        if field is None:
            return list(self._self())
        return self.values_list(str(getattr(field, "name", field)), flat=True).to_list()

    def aggregate(self, *aggregates: Any, **named: Any) -> dict[str, Any]:
        """Aggregate over all records of the set: counts, sums, means, extremes.

        Args:
            *aggregates: `Count("ulabels")`, `Sum("size")`, or texts such as `"sum(size)"`;
                the results are called `ulabels__count`, `size__sum`.
            **named: The same, with names for the results.

        Example:
            >>> Artifact.filter(suffix=".csv").aggregate(total=Sum("size"))
            {'total': 12}
        """
        return aggregated(self._statement, named_aggregates(aggregates, named))

    def in_bulk(
        self, values: Sequence[str] | None = None, *, field_name: str = "uid"
    ) -> dict[Any, T]:
        """Records by their values of a field."""
        found = self._self()
        if values is not None:
            found = found.filter(**{f"{field_name}__in": list(values)})
        return {getattr(record, field_name): record for record in found}

    def lookup(self, field: Any = None, return_field: Any = None, keep: Keep = "first") -> Lookup:
        """An object whose attributes are the records, for completion; see `Registry.lookup`."""
        names = [self._meta.name_field if field is None else _name(field)]
        if return_field is not None:
            names.append(_name(return_field))
        for name in names:
            if name not in self._meta.fields:
                raise self._meta.unknown(name)
        statement, column = self._statement, names[0]

        # read when a name is asked for: making the object costs nothing
        def values() -> pa.Table:
            return statement.rows().select(["uid", column])

        given = names[1] if len(names) > 1 else None
        return Lookup(self._registry, self._lake, values, column, return_field=given, keep=keep)

    @property
    def ordered(self) -> bool:
        """Whether somebody said in which order the records come."""
        return self._statement.ordered

    def iterator(self) -> Iterator[T]:
        """Iterate over the records."""
        return iter(self._self())

    def contains(self, record: T) -> bool:
        """Whether a record is in the set."""
        return self._self().filter(uid__in=[record]).exists()

    def select_related(self, *_: str) -> Self:
        """The set itself: related records are read when they are asked for, in microseconds."""
        return self._with()

    prefetch_related = select_related

    def describe(self, return_str: bool = False) -> str | None:  # noqa: FBT001, FBT002 - the peer's
        """The fields of the registry; see `Registry.describe`."""
        found: str | None = self._registry.describe(return_str)  # type: ignore[attr-defined]
        return found

    # -- comparing values with the set -------------------------------------------------

    def validate(self, values: Any, field: Any = None, **options: Any) -> Any:
        """Which values are terms of the set; see `Registry.validate`."""
        return self._compared("validate", values, field, options)

    def inspect(self, values: Any, field: Any = None, **options: Any) -> Any:
        """What is known of values within the set; see `Registry.inspect`."""
        return self._compared("inspect", values, field, options)

    def standardize(self, values: Any, field: Any = None, **options: Any) -> Any:
        """Synonyms of the set's terms by their names; see `Registry.standardize`."""
        return self._compared("standardize", values, field, options)

    def _compared(self, name: str, values: Any, field: Any, options: dict[str, Any]) -> Any:
        compare = getattr(self._registry, name, None)
        if compare is None:
            raise InvalidArgument(f"Values can't be compared with {self._meta.name}.")
        # the registry's own method asks the current lake, which may be another one
        with use(self._lake):
            return compare(values, field, _within=self._self(), **options)


def _name(field: Any) -> str:
    return str(getattr(field, "name", field))


def _limited(statement: Statement, limit: int) -> Statement:
    if not isinstance(limit, int) or limit < 0:
        raise TypeMismatch(
            "The limit is a number of rows.",
            found=f"{limit!r} ({type(limit).__name__})",
            hint="limit=None gives all",
        )
    first = statement.start
    last = first + limit
    if statement.stop is not None and statement.stop <= last:
        return statement
    # whether there is one more, which is cheaper than how many there are
    probe = replace(statement, start=last, stop=last + 1)
    if probe.run(f"{ROW}.uid").num_rows:
        notify(
            f"showing {limit} of more {statement.meta.name} records; pass limit=None for all",
            "warning",
        )
    return replace(statement, stop=last)
