"""The one SQL statement behind a query set."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.compute as pc

from lakehouse.engine.query.quoting import quoted
from lakehouse.errors import InvalidArgument
from lakehouse.orm.model.meta import RegistryMeta
from lakehouse.orm.query.compile import EVERY_BRANCH, Compiler
from lakehouse.orm.query.lookups import Sql
from lakehouse.orm.query.prefilter import evaluated, narrowed
from lakehouse.orm.query.q import Q
from lakehouse.orm.query.search import RANK, Search

if TYPE_CHECKING:
    from lakehouse.orm.lake.lake import Lake

ROW = "r"
_NARROWED = "lh_narrowed"
_UIDS = ("uid", "id", "pk")
_BY_CONTENT = ("hash", "hash__exact", "hash__in")  # peer: who names a hash or uid means any branch


@dataclass(frozen=True)
class Statement:
    """Which rows of a table are wanted, and in which order.

    Attributes:
        lake: The lake.
        meta: The registry; its rows have the alias `r`.
        where: Conditions that all hold.
        order: Fields to order by, `-name` descending, or objects with `to_order`.
        search: A text that rows must match; they are ranked by it.
        start, stop: Places of the first row and the one after the last.
    """

    lake: Lake
    meta: RegistryMeta
    where: tuple[Q, ...] = ()
    order: tuple[Any, ...] = ()
    search: Search | None = None
    start: int = 0
    stop: int | None = None

    @property
    def sliced(self) -> bool:
        """Whether only some of the rows are wanted, by their places."""
        return bool(self.start) or self.stop is not None

    @property
    def ordered(self) -> bool:
        """Whether somebody said in which order."""
        return bool(self.order) or self.search is not None

    def demanded(self) -> Iterator[tuple[str, Any]]:
        """The fields that must equal a value, with it."""
        for query in self.where:
            if query.connector == "AND" and not query.negated:
                for child in query.children:
                    if isinstance(child, tuple):
                        yield child[0].removesuffix("__exact").removesuffix("__iexact"), child[1]

    @property
    def visible(self) -> tuple[str, ...] | None:
        """The branches that are meant, where the conditions don't name any."""
        if not self.meta.has_branch or any(_names_branch(q) for q in self.where):
            return None
        return self.lake.visible_branches

    # -- SQL ---------------------------------------------------------------------------

    def select(self, compiler: Compiler, columns: str, *, ordered: bool = True) -> Sql:
        """The statement that selects some columns."""
        # only this statement's own table is narrowed, not that of a query set inside it
        narrow, compiler.narrow = compiler.narrow, False
        outer, compiler.only = compiler.only, [] if narrow else None
        where, params = self._conditions(compiler)
        source, values = self._source(compiler, narrow=narrow)
        compiler.only = outer
        params = [*values, *params]
        sql = f"SELECT {columns} FROM {source} {ROW} WHERE {where}"
        if self.search is not None:
            # ranks from 10 are literal matches: where there is one, words and similarity are out
            best = f"max({ROW}.{RANK}) OVER ()"
            sql += f" QUALIFY {ROW}.{RANK} >= CASE WHEN {best} >= 10 THEN 10 ELSE 0 END"
        if ordered or self.sliced:
            order, values = self.ordering(compiler)
            sql += f" ORDER BY {order}"
            params += values
        if self.stop is not None:
            sql += f" LIMIT {int(self.stop - self.start)}"
        if self.start:
            sql += f" OFFSET {int(self.start)}"
        return sql, params

    def _source(self, compiler: Compiler, *, narrow: bool) -> Sql:
        """SQL of the rows to choose from, with their ranks where something is searched."""
        table = quoted(self.meta.table)
        rows, matched = None, None
        if narrow and self.search is not None:
            # conditions may need any column
            slim = compiler.slim and not self.where
            found = self.search.candidates(compiler.state, self.visible, slim=slim)
            if found is not None:
                rows, matched = found
        if narrow and rows is None:
            rows = narrowed(compiler.state, self.meta, self.where, compiler.only or ())
        if rows is not None:
            compiler.tables[_NARROWED] = rows
            table = _NARROWED
        return (table, []) if self.search is None else self.search.source(table, matched)

    def _conditions(self, compiler: Compiler) -> Sql:
        parts, params = [], []
        for q in self.where:
            sql, values = compiler.tree(self.meta, ROW, q, certain=True)
            parts.append(f"({sql})")
            params += values
        visible = self.visible
        if visible is not None:
            parts.append(f"{ROW}.branch_uid IN ({', '.join('?' * len(visible))})")
            params += visible
        if self.search is not None:
            parts.append(f"{ROW}.{RANK} > 0")
        return " AND ".join(parts) or "true", params

    def ordering(self, compiler: Compiler) -> Sql:
        """SQL of the order: never ambiguous, since the uid comes last."""
        parts, params = [], []
        if self.search is not None and not self.order:
            name = f"{ROW}.{quoted(self.meta.name_field)}"
            # of equal ranks the shorter name first: the text is more of it
            parts += [f"{ROW}.{RANK} DESC", f"length({name})"]
        names = [n.lstrip("-") for n in self.order if isinstance(n, str)]
        for item in self.order:
            sql, values, descending = self._order_by(compiler, item)
            # null is the least value either way, as in SQLite
            direction = "DESC NULLS LAST" if descending else "ASC NULLS FIRST"
            parts += [f"{one} {direction}" for one in sql]
            params += values
        if not set(names) & set(_UIDS):
            parts.append(f"{ROW}.uid")
        return ", ".join(parts), params

    def _order_by(self, compiler: Compiler, item: Any) -> tuple[list[str], list[Any], bool]:
        if not isinstance(item, str):
            condition, descending = item.to_order(self.lake, self.meta)
            return [condition.sql.replace("{row}", ROW)], list(condition.params), descending
        path = item.lstrip("-").split("__")
        sql, values = compiler.expression(self.meta, ROW, path)
        descending = item.startswith("-")
        if sql.startswith("json_extract("):
            # numbers by their value, everything else by its text
            text = sql.replace("json_extract(", "json_extract_string(", 1)
            numbers = [f"TRY_CAST({text} AS {kind})" for kind in ("DOUBLE", "HUGEINT")]
            return [*numbers, text], values * 3, descending
        return [sql], values, descending

    # -- running -----------------------------------------------------------------------

    def rows(self) -> pa.Table:
        """The rows with all of their columns."""
        if self.search is not None and self.lake.state.in_memory(self.meta.table):
            return self._found()
        found = (
            None
            if self.search is not None
            else evaluated(
                self.lake.state,
                self.meta,
                self.where,
                self.visible,
                (self.order, self.start, self.stop),
            )
        )
        if found is not None:
            return found
        return self.typed(self.run(f"{ROW}.*"))

    def _found(self) -> pa.Table:
        """The rows that a search finds: ranked first, and read when they are known."""
        compiler = Compiler(self.lake, narrow=True, slim=True)
        sql, params = self.select(compiler, f"{ROW}.uid")
        # only uids come from DuckDB, which takes long to convert whole rows
        uids = fetch(compiler, sql, params)["uid"].combine_chunks()
        rows = compiler.state.arrow(self.meta.table)
        rows = rows.select([c for c in self.meta.columns if c in rows.column_names])
        places = pc.index_in(rows["uid"], uids)
        known = pc.is_valid(places)
        return rows.filter(known).take(pc.sort_indices(places.filter(known)))

    def typed(self, table: pa.Table) -> pa.Table:
        """Rows that DuckDB gave, with the registry's columns and types."""
        names = [c for c in self.meta.columns if c in table.column_names]
        types = {c.name: c.arrow_type for c in self.meta.spec.columns}
        return table.select(names).cast(pa.schema([(n, types[n]) for n in names]))

    def run(self, columns: str, more: Sequence[str] = ()) -> pa.Table:
        """Some columns of the rows as an Arrow table.

        Args:
            columns: SQL of columns, or empty text.
            more: Further columns, named by paths of fields, e.g. `created_by__handle`.
        """
        compiler = Compiler(self.lake, narrow=True)
        selected, params = [columns] if columns else [], []
        for path in more:
            sql, values = compiler.expression(self.meta, ROW, path.split("__"))
            selected.append(f"{sql} AS {quoted(path)}")
            params += values
        sql, values = self.select(compiler, ", ".join(selected))
        return fetch(compiler, sql, [*params, *values])

    def count(self) -> int:
        """Number of rows."""
        if self.search is None:
            found = evaluated(
                self.lake.state, self.meta, self.where, self.visible, ((), 0, None), counted=True
            )
            if found is not None:
                # all are counted, whatever the slice: it is cut out here
                rows: int = max(found.num_rows - self.start, 0)
                return rows if self.stop is None else min(rows, self.stop - self.start)
        compiler = Compiler(self.lake, narrow=True, slim=True)
        sql, params = self.select(compiler, f"{ROW}.uid", ordered=False)
        table = fetch(compiler, f"SELECT count(*) AS n FROM ({sql})", params)
        return int(table["n"][0].as_py())


def _names_branch(q: Q) -> bool:
    # peer: a branch is looked for anywhere in the tree, under OR and NOT, too
    for name, _ in q.lookups():
        first = name.partition("__")[0]
        if first in _UIDS or first in EVERY_BRANCH or name in _BY_CONTENT:
            return True
    return False


def fetch(compiler: Compiler, sql: str, params: list[Any]) -> pa.Table:
    """The result of a statement that a compiler has made."""
    import duckdb  # 0.1 s: only for those who query

    relation = compiler.state.sql(sql, params, tables=compiler.tables)
    try:
        return relation.to_arrow_table()
    except duckdb.Error as error:
        raise InvalidArgument("The query can't be run.", found=str(error)) from error
