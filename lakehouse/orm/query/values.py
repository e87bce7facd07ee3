"""Values of a query set's fields: lazy, like the query set itself."""

from __future__ import annotations

import re
from collections import namedtuple
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Any, ClassVar, Literal, overload

from lakehouse.engine.query.quoting import quoted
from lakehouse.engine.query.view import operations
from lakehouse.errors import InvalidArgument, near
from lakehouse.orm.model.meta import RegistryMeta, Relation
from lakehouse.orm.model.rows import as_lists
from lakehouse.orm.query.compile import Compiler, resolved
from lakehouse.orm.query.lookups import Sql
from lakehouse.orm.query.statement import ROW, Statement, fetch

if TYPE_CHECKING:
    from lakehouse.orm.query.q import Q
    from lakehouse.orm.query.queryset import QuerySet


# -- Values at paths with joins: one row per related record, as the peer's `values` gives them


_ROW = "{row}"


class Joins:
    """The joins that some paths of one registry need.

    Args:
        compiler: Gives aliases and the state.
        meta: The registry.
        alias: Alias of its rows.
    """

    def __init__(self, compiler: Compiler, meta: RegistryMeta, alias: str) -> None:
        self._compiler = compiler
        self._meta = meta
        self._alias = alias
        self._known: dict[tuple[str, ...], str] = {}  # one join for each path
        self._sql: list[str] = []
        self._order: list[str] = []
        self.params: list[Any] = []

    @property
    def sql(self) -> str:
        """The joins, to be written after the table of the rows."""
        return " ".join(self._sql)

    @property
    def order(self) -> list[str]:
        """Columns that tell joined rows apart."""
        return self._order

    def value(self, path: str) -> tuple[Sql, bool]:
        """SQL of the value at a path, and whether it is JSON text.

        Raises:
            UnknownField: A name on the path doesn't exist.
        """
        meta, alias = self._meta, self._alias
        steps: tuple[str, ...] = ()
        names = path.split("__")
        while True:
            name, rest = resolved(meta, names)
            steps = (*steps, name)
            if name in meta.fields:
                json = meta.fields[name].kind == "json"
                return self._compiler.value(meta, alias, name, rest), json
            if name in meta.computed and not rest:
                return (f"({meta.computed[name][1].replace(_ROW, alias)})", []), False
            if name in meta.foreign_keys:
                column = f"{alias}.{quoted(name + '_uid')}"
                target = meta.foreign_keys[name]
            elif name in meta.relations:
                column = self._linked(steps, meta.relations[name], alias)
                target = meta.relations[name].target
            else:
                raise meta.unknown(name)
            # the key or link holds it: nothing is joined
            if rest in ([], ["uid"], ["id"], ["pk"]):
                return (column, []), False
            meta = self._compiler.lake.directory.get(target).meta
            alias = self._joined(steps, meta, column)
            names = rest

    def _joined(self, steps: tuple[str, ...], meta: RegistryMeta, column: str) -> str:
        if steps not in self._known:
            alias = self._known[steps] = self._compiler.alias()
            self._sql.append(f"LEFT JOIN {quoted(meta.table)} {alias} ON {alias}.uid = {column}")
        return self._known[steps]

    def _linked(self, steps: tuple[str, ...], relation: Relation, alias: str) -> str:
        place = (*steps, "")
        if place not in self._known:
            link = self._known[place] = self._compiler.alias()
            where, values = relation.conditions(link)
            tests = [f"{link}.{relation.own_column} = {alias}.uid", *where]
            # peer: who has no related record gives one row of None
            self._sql.append(f"LEFT JOIN {quoted(relation.link)} {link} ON {' AND '.join(tests)}")
            self.params += values
            self._order.append(f"{link}.uid")
        return f"{self._known[place]}.{relation.other_column}"


# -- Aggregates over query sets: `Artifact.filter().aggregate(total=Sum("size"))`


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

    # peer: Django's are of the whole population, too
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
    # DuckDB sums integers in 128 bits, which come as decimals
    if isinstance(value, Decimal):
        return int(value) if value == value.to_integral_value() else float(value)
    return value


Shape = Literal["dict", "tuple", "flat", "named"]


@operations
class Values(Sequence[Any]):
    """Dictionaries, tuples or single values, one per row or, over relations, per related record.

    They are read when they are first asked for, once.

    Example:
        >>> ULabel.filter(parents=None).values_list("name", flat=True).distinct()
        ['raw', 'DMSO', 'IFNG', 'top']
    """

    def __init__(self, query: QuerySet[Any], fields: tuple[str, ...], shape: Shape) -> None:
        self._query = query
        self._shape = shape
        self._fields = fields
        self._distinct = query._distinct
        self._read: list[Any] | None = None
        check_paths(query._statement, fields)

    def _like(self, query: QuerySet[Any]) -> Values:
        found = Values(query, self._fields, self._shape)
        found._distinct = self._distinct
        return found

    # -- narrowing ---------------------------------------------------------------------

    def distinct(self) -> Values:
        """Every value once, in the order of their first appearance."""
        found = self._like(self._query)
        found._distinct = True
        return found

    def filter(self, *queries: Any, **lookups: Any) -> Values:
        """The values of the records that fulfil conditions, too."""
        return self._like(self._query.filter(*queries, **lookups))

    def exclude(self, *queries: Any, **lookups: Any) -> Values:
        """The values of the records that don't fulfil conditions."""
        return self._like(self._query.exclude(*queries, **lookups))

    def order_by(self, *fields: Any) -> Values:
        """The values in the order of fields."""
        return self._like(self._query.order_by(*fields))

    def annotate(self, *aggregates: Any, **named: Any) -> list[dict[str, Any]]:
        """One dictionary per combination of the values, with aggregates over its rows.

        Example:
            >>> Artifact.filter(suffix=".csv").values("suffix").annotate(n=Count())
            [{'suffix': '.csv', 'n': 1}]
        """
        figures = named_aggregates(aggregates, named)
        compiler = Compiler(self._query._lake)
        return _grouped(compiler, self._query._statement, self._fields, figures)

    # -- reading -----------------------------------------------------------------------

    def _values(self) -> list[Any]:
        if self._read is None:
            found = self._shaped(read_values(self._query._statement, self._fields))
            if self._distinct:
                first: dict[str, Any] = {}
                for value in found:
                    # dictionaries can't be keys; their texts can
                    first.setdefault(repr(value), value)
                found = list(first.values())
            self._read = found
        return self._read

    def _shaped(self, columns: list[list[Any]]) -> list[Any]:
        if self._shape == "flat":
            return columns[0]
        rows = zip(*columns, strict=True)
        if self._shape == "dict":
            return [dict(zip(self._fields, row, strict=True)) for row in rows]
        if self._shape == "named":
            if odd := [name for name in self._fields if not name.isidentifier()]:
                raise InvalidArgument(
                    "Named rows take names of fields that Python can write after a dot.",
                    found=repr(odd[0]),
                    hint=".values(…) gives dictionaries",
                )
            made = namedtuple("Row", self._fields)  # type: ignore[misc]
            return [made(*row) for row in rows]
        return list(rows)

    def operands(self) -> list[Any]:
        """The values of the one field, for use in a condition."""
        if len(self._fields) != 1:
            raise InvalidArgument(
                "A condition takes the values of one field.", found=", ".join(self._fields)
            )
        return read_values(self._query._statement, self._fields)[0]

    def to_list(self) -> list[Any]:
        """The values as a list."""
        return list(self._values())

    def count(self, *value: Any) -> int:
        """How many values there are, or as for lists, how many equal one."""
        return self._values().count(*value) if value else len(self)

    def exists(self) -> bool:
        """Whether there is any value."""
        return bool(self._values())

    def first(self) -> Any:
        """The first value, or None."""
        return next(iter(self._values()), None)

    def last(self) -> Any:
        """The last value, or None."""
        return self._values()[-1] if self._values() else None

    def __iter__(self) -> Iterator[Any]:
        return iter(self._values())

    def __len__(self) -> int:
        return len(self._values())

    @overload
    def __getitem__(self, index: int) -> Any: ...
    @overload
    def __getitem__(self, index: slice) -> list[Any]: ...
    def __getitem__(self, index: int | slice) -> Any:
        return self._values()[index]

    def __eq__(self, other: object) -> bool:
        if isinstance(other, Values):
            return self._values() == other._values()
        return self._values() == other

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        shown = list(self._values()[:21])
        return repr(shown) if len(shown) < 21 else f"{repr(shown[:20])[:-1]}, …]"


def check_paths(statement: Statement, fields: Sequence[str]) -> None:
    """Refuse unknown names at once."""
    joins = Joins(Compiler(statement.lake), statement.meta, ROW)
    for field in fields:
        if not isinstance(field, str):
            raise InvalidArgument("Fields are named by texts.", found=repr(field))
        joins.value(field)


def read_values(statement: Statement, fields: Sequence[str]) -> list[list[Any]]:
    """The values of some fields, one list per field, in the statement's order."""
    meta = statement.meta
    # as records are read, often without DuckDB
    if all(f in meta.fields for f in fields):
        table = statement.rows().select(list(fields))
        return as_lists(table, meta.spec.json_columns)
    compiler = Compiler(statement.lake, narrow=True)
    joins = Joins(compiler, meta, ROW)
    selected, params, json = _selected(joins, fields)
    if not joins.sql:
        inner, values = statement.select(compiler, ", ".join(selected))
        return as_lists(fetch(compiler, inner, [*params, *values]), json)
    order, order_params = statement.ordering(compiler)
    # the order is fixed before joins multiply rows
    place = f"row_number() OVER (ORDER BY {order}) AS lh_place"
    inner, values = statement.select(compiler, f"{ROW}.*, {place}", ordered=False)
    places = ", ".join([f"{ROW}.lh_place", *joins.order])
    sql = f"SELECT {', '.join(selected)} FROM ({inner}) {ROW} {joins.sql} ORDER BY {places}"
    return as_lists(fetch(compiler, sql, [*params, *order_params, *values, *joins.params]), json)


def _selected(joins: Joins, fields: Sequence[str]) -> tuple[list[str], list[Any], frozenset[str]]:
    selected, params, json = [], [], set()
    for place, field in enumerate(fields):
        (sql, values), is_json = joins.value(field)
        selected.append(f"{sql} AS c{place}")
        params += values
        if is_json:
            json.add(f"c{place}")
    return selected, params, frozenset(json)


# -- aggregates ------------------------------------------------------------------------


def named_aggregates(given: Sequence[Any], named: dict[str, Any]) -> dict[str, Aggregate]:
    """Aggregates by the names of their results."""
    positional = [aggregate_of(value) for value in given]
    found = {a.default_name: a for a in positional}
    found.update({name: aggregate_of(value) for name, value in named.items()})
    if not found:
        raise InvalidArgument("There is nothing to aggregate.", hint='aggregate(n="count(*)")')
    return found


def aggregated(statement: Statement, figures: dict[str, Aggregate]) -> dict[str, Any]:
    """Every aggregate over its own joins, so that no relation multiplies another's rows."""
    compiler = Compiler(statement.lake)
    parts, params, decoded = [], [], set[str]()
    for place, figure in enumerate(figures.values()):
        sql, values, json = _figure_sql(compiler, statement, {"v": figure}, ())
        parts.append(f"({sql}) AS c{place}")
        params += values
        decoded |= {f"c{place}"} if json else set()
    columns = as_lists(fetch(compiler, f"SELECT {', '.join(parts)}", params), frozenset(decoded))
    return {name: plain(values[0]) for name, values in zip(figures, columns, strict=True)}


def _grouped(
    compiler: Compiler,
    statement: Statement,
    fields: tuple[str, ...],
    figures: dict[str, Aggregate],
) -> list[dict[str, Any]]:
    sql, params, json = _figure_sql(compiler, statement, figures, fields)
    columns = as_lists(fetch(compiler, sql, params), json)
    names = [*fields, *figures]
    return [dict(zip(names, map(plain, row), strict=True)) for row in zip(*columns, strict=True)]


def _figure_sql(
    compiler: Compiler,
    statement: Statement,
    figures: dict[str, Aggregate],
    groups: tuple[str, ...],
) -> tuple[str, list[Any], frozenset[str]]:
    """SQL of figures, its parameters, and which of its columns are JSON."""
    joins = Joins(compiler, statement.meta, ROW)
    # names of one's own: those in SQL are one where only their case differs
    selected, params, json = _selected(joins, groups)
    for figure in figures.values():
        counted: tuple[Sql, bool] = ("*", []), False
        (sql, values), is_json = counted if figure.field == "*" else joins.value(figure.field)
        text, values = figure.over_json(sql, values) if is_json else (figure.over(sql), values)
        if is_json and figure.gives_json:
            json |= {f"c{len(selected)}"}
        params += values
        if figure.filter is not None:
            condition, values = compiler.tree(statement.meta, ROW, figure.filter)
            text += f" FILTER (WHERE {condition})"
            params += values
        selected.append(f"{text} AS c{len(selected)}")
    # as a statement of its own, so that a slice counts records and not joined rows
    inner, values = statement.select(compiler, f"{ROW}.*", ordered=False)
    group = f" GROUP BY {', '.join(str(i + 1) for i in range(len(groups)))}" if groups else ""
    order = f" ORDER BY {', '.join(str(i + 1) for i in range(len(groups)))}" if groups else ""
    sql = f"SELECT {', '.join(selected)} FROM ({inner}) {ROW} {joins.sql}{group}{order}"
    return sql, [*params, *values, *joins.params], json
