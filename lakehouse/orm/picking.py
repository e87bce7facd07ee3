"""One record out of a query set: the only one, the first, the last."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Generic, TypeVar

from lakehouse.engine.view import operations
from lakehouse.errors import MultipleObjectsReturned, ObjectDoesNotExist
from lakehouse.orm.neighbours import near_values
from lakehouse.orm.statement import Statement

if TYPE_CHECKING:
    from lakehouse.orm.query import QuerySet

T = TypeVar("T")


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
        if self._statement.sliced:
            found = self._self()._records()
            return found[-1] if found else None
        return self._self().reverse().first()

    def one(self) -> T:
        """The only record.

        Raises:
            ObjectDoesNotExist, MultipleObjectsReturned.
        """
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
        latest = found.filter(is_latest=True)
        if latest.exists():
            return latest.one()
        newest = found.last()
        return found.one() if newest is None else newest

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
