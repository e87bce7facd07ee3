"""Query sets joined with others: `a | b`, `a & b`, `a - b`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Generic, Self, TypeVar

from lakehouse.engine.view import operations
from lakehouse.orm.q import Q

if TYPE_CHECKING:
    from lakehouse.orm.lake import Lake

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
        sets = tuple(Q(uid__in=one) for one in (self, *others))
        return type(self)(self._registry, self._lake).filter(Q._make(sets, connector))

    def __or__(self, other: Combining[T]) -> Self:
        return self.union(other) if isinstance(other, Combining) else NotImplemented

    def __and__(self, other: Combining[T]) -> Self:
        return self.intersection(other) if isinstance(other, Combining) else NotImplemented

    def __sub__(self, other: Combining[T]) -> Self:
        return self.difference(other) if isinstance(other, Combining) else NotImplemented
