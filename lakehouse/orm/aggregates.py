"""Aggregates over query sets: `Artifact.filter().aggregate(total=Sum("size"))`."""

from __future__ import annotations

import re
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Any, ClassVar

from lakehouse.errors import InvalidArgument, near

if TYPE_CHECKING:
    from lakehouse.orm.q import Q

_TEXT = re.compile(r"\s*(\w+)\s*\(\s*(\*|\w*)\s*\)\s*")


@dataclass(frozen=True)
class Aggregate:
    """A figure over the values of a field.

    Attributes:
        field: A field, or a path to one of related records; `*` counts rows.
        distinct: Whether equal values count once.
        filter: Only rows that fulfil a condition count.
    """

    field: str = "*"
    distinct: bool = False
    filter: Q | None = None
    function: ClassVar[str] = ""
    name: ClassVar[str] = ""

    @property
    def default_name(self) -> str:
        """The name of the result where none is given, e.g. `size__sum`."""
        return f"{self.field}__{self.name}" if self.field != "*" else self.name

    def over(self, column: str) -> str:
        """SQL of the figure over a column."""
        if self.field == "*" and self.function != "count":
            raise InvalidArgument(f"{type(self).__name__} needs a field.")
        return f"{self.function}({'DISTINCT ' if self.distinct else ''}{column})"

    def over_json(self, value: str, params: list[Any]) -> tuple[str, list[Any]]:
        """SQL of the figure over what lies at keys of a dictionary: of its numbers."""
        if self.name == "count":
            return self.over(value), params
        text = f"json_extract_string({value}, '$')"
        number = f"TRY_CAST({text} AS DOUBLE)"
        if self.name not in ("min", "max"):
            return self.over(number), params
        # ordered as records are: texts by themselves, then numbers by their value
        key = (
            f"{{'n': coalesce({number}, '-inf'::DOUBLE), "
            f"'h': coalesce(TRY_CAST({text} AS HUGEINT), 0), 't': {text}}}"
        )
        found = f"arg_{self.name}(CASE WHEN {text} IS NOT NULL THEN {value} END, {key})"
        return found, params * 5

    @property
    def gives_json(self) -> bool:
        """Whether what it finds at keys of a dictionary is what lies there."""
        return self.name in ("min", "max")


class Count(Aggregate):
    """How many rows, values or related records there are: `Count("ulabels")`."""

    function = name = "count"


class Sum(Aggregate):
    """The sum of the values of a field; None if there is none."""

    function = name = "sum"


class Avg(Aggregate):
    """The mean of the values of a field; None if there is none."""

    function = name = "avg"


class Min(Aggregate):
    """The least value of a field."""

    function = name = "min"


class Max(Aggregate):
    """The greatest value of a field."""

    function = name = "max"


class StdDev(Aggregate):
    """The standard deviation of the values of a field, over the whole population."""

    function, name = "stddev_pop", "stddev"


class Variance(Aggregate):
    """The variance of the values of a field, over the whole population."""

    function, name = "var_pop", "variance"


_BY_NAME: dict[str, type[Aggregate]] = {
    c.name: c for c in (Count, Sum, Avg, Min, Max, StdDev, Variance)
}


def aggregate_of(value: Any) -> Aggregate:
    """An aggregate from itself or from its text: `"sum(size)"`, `"count(*)"`.

    Raises:
        InvalidArgument: It is none.
    """
    if isinstance(value, Aggregate) and type(value) is not Aggregate:
        return value
    match = _TEXT.fullmatch(value) if isinstance(value, str) else None
    cls = _BY_NAME.get(match[1].lower()) if match else None
    if match is None or cls is None:
        close = near(match[1], list(_BY_NAME)) if match else []
        raise InvalidArgument(
            "This is no aggregate.",
            found=repr(value),
            expected=", ".join(close or _BY_NAME),
            hint='ln.Sum("size"), or "sum(size)"',
        )
    return cls(match[2] or "*")


def plain(value: Any) -> Any:
    """A figure as Python has it: sums of whole numbers are whole numbers."""
    if isinstance(value, Decimal):
        return int(value) if value == value.to_integral_value() else float(value)
    return value
