"""Conditions of queries as values: `Q(name="a") | ~Q(description__isnull=True)`."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from lakehouse.errors import InvalidArgument
from lakehouse.text.printable import printable_line


class Q:
    """Look-ups joined by `&`, `|` and `~`.

    Example:
        >>> q = Q(suffix=".jpg") | ~Q(suffix=".csv", size__gt=10)
        >>> q.connector, len(q.children)
        ('OR', 2)

    Attributes:
        children: Pairs of look-up and value, further `Q`s, or feature predicates.
        connector: `AND` or `OR`.
        negated: Whether the whole is negated.
    """

    __slots__ = ("children", "connector", "negated")

    def __init__(self, *queries: Any, **lookups: Any) -> None:
        for query in queries:
            # feature predicates are made in a room above, so they are known by what they can do
            if not isinstance(query, Q) and not hasattr(query, "to_condition"):
                raise InvalidArgument(
                    "A query takes look-ups, Q objects and feature predicates.",
                    found=f"{query!r} ({type(query).__name__})",
                    hint="write filter(name='…') or filter(Q(name='…') | Q(…))",
                )
        pairs = ((name, _kept(value)) for name, value in lookups.items())
        self.children: tuple[Any, ...] = (*queries, *pairs)
        self.connector = "AND"
        self.negated = False

    @classmethod
    def _make(cls, children: tuple[Any, ...], connector: str, *, negated: bool = False) -> Q:
        made = cls()
        made.children, made.connector, made.negated = children, connector, negated
        return made

    def __and__(self, other: Q) -> Q:
        return Q._make((self, other), "AND") if isinstance(other, Q) else NotImplemented

    def __or__(self, other: Q) -> Q:
        return Q._make((self, other), "OR") if isinstance(other, Q) else NotImplemented

    def __xor__(self, other: Q) -> Q:
        if not isinstance(other, Q):
            return NotImplemented
        return (self | other) & ~(self & other)

    def __invert__(self) -> Q:
        return Q._make((self,), "AND", negated=True)

    def __repr__(self) -> str:
        inner = f" {self.connector} ".join(
            f"{printable_line(c[0])}={c[1]!r}" if isinstance(c, tuple) else repr(c)
            for c in self.children
        )
        return f"{'~' if self.negated else ''}Q({inner})"

    def lookups(self) -> Iterator[tuple[str, Any]]:
        """All look-ups with their values, at any depth."""
        for child in self.children:
            if isinstance(child, Q):
                yield from child.lookups()
            elif isinstance(child, tuple):
                yield child


def _kept(value: Any) -> Any:
    """A value that can be read more than once, as a query may run more than once."""
    return tuple(value) if isinstance(value, Iterator) else value
