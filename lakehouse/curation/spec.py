"""What a dataset must look like."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import takewhile
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol, runtime_checkable

import pyarrow as pa

from lakehouse.errors import InvalidArgument
from lakehouse.schema import CatTarget, parse_dtype

if TYPE_CHECKING:
    from lakehouse.curation.rules.cases import Cases

INTERNAL_PREFIX = "__lakehouse"


@runtime_checkable
class ValueJudge(Protocol):
    """A `custom` condition that judges many values in one call."""

    def faults(self, values: Sequence[Any]) -> Mapping[int, str]:
        """What is wrong with which of the values, by position."""
        ...


class RowFault(NamedTuple):
    """What is wrong with one row: with a column of it, or with the row as such."""

    row: int
    column: str | None
    message: str


class RowJudge(Protocol):
    """Judges whole rows.

    Attributes:
        name: What reports call it.
        columns: The columns that rows are given with; None for all.
    """

    name: str
    columns: tuple[str, ...] | None

    def faults(self, rows: Sequence[Mapping[str, Any]]) -> Iterable[RowFault]:
        """What is wrong with rows, given with None where a value is missing."""
        ...


@dataclass(frozen=True)
class ColumnRule:
    """What one column must look like.

    Attributes:
        name: The column's name.
        dtype: A DType, or anything that `parse_dtype` reads.
        required: Whether the column must be there (if the dataset has a minimal set).
        nullable: Whether values may be missing. NaN counts as missing.
        coerce: Whether values of another type are converted.
        default: What fills missing values and a missing column, if `has_default`.
        has_default: Whether there is a default; True as soon as `default` is given.
        checks: Further conditions that values must fulfil, e.g. `{"ge": 0, "lt": 10}`; see
            `curation.rules.constraints`.
        delimiter: What separates several categories in one text, e.g. `" || "`.

    Example:
        >>> ColumnRule("cell_type", "cat[bionty.CellType]", nullable=False).dtype.kind
        'cat'
    """

    name: str
    dtype: Any
    required: bool = True
    nullable: bool = True
    coerce: bool = False
    default: Any = None
    has_default: bool = False
    checks: Mapping[str, Any] = field(default_factory=lambda: MappingProxyType({}))
    delimiter: str | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "dtype", parse_dtype(self.dtype))
        if self.default is not None:
            object.__setattr__(self, "has_default", True)
            self._check_default()

    def _check_default(self) -> None:
        try:
            pa.scalar(self.default, self.fill_type)
        except (pa.ArrowException, TypeError, ValueError, OverflowError) as error:
            raise InvalidArgument(
                f"The default of feature {self.name!r} is not of its dtype.",
                found=repr(self.default),
                expected=str(self.dtype),
            ) from error

    @property
    def fill_type(self) -> pa.DataType:
        """The Arrow type of the default and of a column that is added."""
        if self.dtype.kind == "object" and self.default is not None:
            return pa.scalar(self.default).type  # anything is of this dtype
        arrow: pa.DataType = self.dtype.arrow_type()
        return arrow.value_type if pa.types.is_dictionary(arrow) else arrow


@dataclass(frozen=True)
class DatasetSpec:
    """What a table must look like.

    Attributes:
        columns: The rules of the columns, in order.
        minimal_set: Whether all columns whose rule says `required` must be there.
        maximal_set: Whether no other columns are allowed.
        ordered_set: Whether the columns must stand in the order of the rules.
        coerce: Whether every column is coerced.
        index: The rule of the index, if it has one.
        flexible: Whether other columns are validated if their name is a `known` one.
        known: Rules by column name, for `flexible`.
        forbidden: Columns that must not be there, whatever else may.
        rows: Judges whole rows, where what columns may hold depends on each other.
        cases: What columns may hold by other columns or by branches of ontologies; see
            `curation.rules.cases`.
        names: Where the column names themselves are looked up, e.g. gene ids. Unknown names
            are a failure only with `maximal_set`.
    """

    columns: tuple[ColumnRule, ...] = ()
    minimal_set: bool = True
    maximal_set: bool = False
    ordered_set: bool = False
    coerce: bool = False
    index: ColumnRule | None = None
    flexible: bool = False
    known: Mapping[str, ColumnRule] = field(default_factory=lambda: MappingProxyType({}))
    names: CatTarget | None = None
    forbidden: frozenset[str] = frozenset()
    rows: RowJudge | None = None
    cases: Mapping[str, Cases] = field(default_factory=lambda: MappingProxyType({}))

    def __post_init__(self) -> None:
        object.__setattr__(self, "columns", tuple(self.columns))
        seen: set[str] = set()
        for rule in self.columns:
            if rule.name in seen:
                raise InvalidArgument(
                    f"The feature name {rule.name!r} stands twice in one schema.",
                    hint="give each feature of a schema its own name",
                )
            seen.add(rule.name)

    def rules_for(self, names: Iterable[str]) -> dict[str, ColumnRule]:
        """The rule of each named column that has one, in the order of the names."""
        rules = dict(self.known) if self.flexible else {}
        rules.update({rule.name: rule for rule in self.columns})
        return {name: rules[name] for name in names if name in rules}

    def coerces(self, rule: ColumnRule) -> bool:
        """Whether a column's values are converted."""
        return rule.coerce or self.coerce

    def place_of(self, column: str, names: Sequence[str]) -> int:
        """Where a column belongs among others, if it is to stand behind those that precede it."""
        before = {rule.name for rule in takewhile(lambda r: r.name != column, self.columns)}
        return 1 + max((i for i, name in enumerate(names) if name in before), default=-1)

    def is_required(self, rule: ColumnRule) -> bool:
        """Whether it is a failure that a column is missing."""
        return self.minimal_set and rule.required and not rule.has_default
