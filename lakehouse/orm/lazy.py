"""Query sets as polars lazy frames: nothing is read before `collect`.

Simple conditions become polars expressions over the scan of the table, whose optimiser pushes
them and the wanted columns into the files. Everything else is a source that runs the one SQL
statement when it is collected, for just the columns that are wanted.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from lakehouse.engine.quoting import quoted
from lakehouse.orm.compile import Compiler
from lakehouse.orm.q import Q
from lakehouse.orm.statement import ROW, Statement, fetch

if TYPE_CHECKING:
    import polars as pl

    from lakehouse.engine import State
    from lakehouse.orm.meta import RegistryMeta

_TYPES: dict[str, tuple[type, ...]] = {
    "str": (str,),
    "int": (int, float),
    "float": (int, float),
    "bool": (bool,),
}
_COMPARE: dict[str, Callable[[Any, Any], Any]] = {
    "": operator.eq,
    "exact": operator.eq,
    "gt": operator.gt,
    "gte": operator.ge,
    "lt": operator.lt,
    "lte": operator.le,
}


def lazy_frame(statement: Statement) -> pl.LazyFrame:
    """A lazy frame of a statement's rows, bound to the present state."""
    state = statement.lake.state
    scanned = _scanned(statement, state)
    return _sourced(statement, state) if scanned is None else scanned


def _scanned(statement: Statement, state: State) -> pl.LazyFrame | None:
    import polars as pl  # 0.2 s: only for those who ask

    meta = statement.meta
    if statement.ordered or statement.sliced:
        return None
    conditions: list[pl.Expr] = []
    for q in statement.where:
        found = _expressions(meta, q)
        if found is None:
            return None
        conditions += found
    if statement.visible is not None:
        conditions.append(pl.col("branch_uid").is_in(statement.visible))
    frame = state.scan(meta.table)
    if conditions:
        frame = frame.filter(*conditions)
    return frame.select(_columns(meta, state)).sort("uid")


def _columns(meta: RegistryMeta, state: State) -> list[str]:
    known = {f["name"] for f in state.version(meta.table).iceberg_schema["fields"]}
    return [c for c in meta.columns if c in known]


def _expressions(meta: RegistryMeta, q: Q) -> list[pl.Expr] | None:
    """A condition as polars expressions that all hold; None if it can't be one."""
    if q.negated or (q.connector != "AND" and len(q.children) > 1):
        return None
    found: list[pl.Expr] = []
    for child in q.children:
        if isinstance(child, Q):
            inner = _expressions(meta, child)
            if inner is None:
                return None
            found += inner
            continue
        one = _expression(meta, *child) if isinstance(child, tuple) else None
        if one is None:
            return None
        found.append(one)
    return found


def _expression(meta: RegistryMeta, name: str, value: Any) -> pl.Expr | None:
    import polars as pl  # loaded by the caller already

    name, _, look_up = name.partition("__")
    field = meta.fields.get(name)
    if field is None or name in meta.aliases or field.kind not in _TYPES:
        return None
    column = pl.col(name)
    if look_up == "isnull" and isinstance(value, bool):
        return column.is_null() if value else column.is_not_null()
    if type(value) not in _TYPES[field.kind]:
        return None
    found: pl.Expr | None = None
    if look_up in _COMPARE:
        found = _COMPARE[look_up](column, value)
    elif field.kind != "str":
        return None
    elif look_up == "startswith":
        found = column.str.starts_with(value)
    elif look_up == "endswith":
        found = column.str.ends_with(value)
    elif look_up == "contains":
        found = column.str.contains(value, literal=True)
    return found


def _sourced(statement: Statement, state: State) -> pl.LazyFrame:
    import polars as pl  # loaded by the caller already
    from polars.io.plugins import register_io_source

    def rows(columns: list[str] | None, limit: int | None) -> pa.Table:
        compiler = Compiler(statement.lake, narrow=True)
        compiler.state = state
        names = [c for c in known if columns is None or c in columns]
        selected = ", ".join(f"{ROW}.{quoted(c)}" for c in names or ["uid"])
        stop = statement.stop
        if limit is not None:
            stop = statement.start + limit if stop is None else min(stop, statement.start + limit)
        found = fetch(compiler, *replace(statement, stop=stop).select(compiler, selected))
        return statement.typed(found)

    known = _columns(statement.meta, state)

    def source(
        columns: list[str] | None, predicate: pl.Expr | None, limit: int | None, _: int | None
    ) -> Iterator[pl.DataFrame]:
        frame = pl.DataFrame(rows(columns, limit if predicate is None else None))
        if predicate is not None:
            frame = frame.filter(predicate)
        yield frame if limit is None else frame.head(limit)

    types = {c.name: c.arrow_type for c in statement.meta.spec.columns}
    schema = pl.DataFrame(pa.schema([(c, types[c]) for c in known]).empty_table()).schema
    return register_io_source(source, schema=schema, explain_name=f"{statement.meta.name} query")
