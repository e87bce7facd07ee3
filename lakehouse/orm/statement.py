"""The one SQL statement behind a query set."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from lakehouse.errors import InvalidArgument
from lakehouse.orm.compile import Compiler, quoted
from lakehouse.orm.lookups import Sql
from lakehouse.orm.meta import RegistryMeta
from lakehouse.orm.prefilter import narrowed
from lakehouse.orm.q import Q

if TYPE_CHECKING:
    from lakehouse.orm.lake import Lake

_ROW = "r"
_NARROWED = "lh_narrowed"
_BRANCH_NAMES = frozenset(("uid", "id", "pk", "branch", "branch_uid"))


@dataclass(frozen=True)
class Statement:
    """Which rows of a table are wanted, and in which order.

    Attributes:
        lake: The lake.
        meta: The registry; its rows have the alias `r`.
        where: Conditions that all hold.
        order: Fields to order by, `-name` descending.
        rank: SQL of a rank that must be above zero, and its parameters.
        start, stop: Places of the first row and the one after the last.
    """

    lake: Lake
    meta: RegistryMeta
    where: tuple[Q, ...] = ()
    order: tuple[str, ...] = ()
    rank: tuple[str, list[Any]] | None = None
    start: int = 0
    stop: int | None = None

    @property
    def sliced(self) -> bool:
        """Whether only some of the rows are wanted, by their places."""
        return bool(self.start) or self.stop is not None

    # -- SQL ---------------------------------------------------------------------------

    def select(self, compiler: Compiler, columns: str, *, ordered: bool = True) -> Sql:
        """The statement that selects some columns."""
        source = self._source(compiler)
        where, params = self._conditions(compiler)
        sql = f"SELECT {columns} FROM {source} {_ROW} WHERE {where}"
        if self.rank is not None:
            rank = self.rank[0].replace("{row}", _ROW)
            sql += f" QUALIFY {rank} >= CASE WHEN max({rank}) OVER () >= 10 THEN 10 ELSE 0 END"
            params += self.rank[1] * 2
        if ordered or self.sliced:
            order, values = self._ordering(compiler)
            sql += f" ORDER BY {order}"
            params += values
        if self.stop is not None:
            sql += f" LIMIT {int(self.stop - self.start)}"
        if self.start:
            sql += f" OFFSET {int(self.start)}"
        return sql, params

    def _source(self, compiler: Compiler) -> str:
        rows = narrowed(compiler.state, self.meta, self.where) if compiler.narrow else None
        if rows is None:
            return quoted(self.meta.table)
        compiler.narrow = False  # the statement's own table, not that of a query set inside it
        compiler.tables[_NARROWED] = rows
        return _NARROWED

    def _conditions(self, compiler: Compiler) -> Sql:
        parts, params = [], []
        named: set[str] = set()
        for q in self.where:
            sql, values = compiler.tree(self.meta, _ROW, q)
            parts.append(f"({sql})")
            params += values
            named.update(q.names())
        if self.meta.has_branch and not named & _BRANCH_NAMES:
            visible = self.lake.visible_branches
            parts.append(f"{_ROW}.branch_uid IN ({', '.join('?' * len(visible))})")
            params += visible
        if self.rank is not None:
            sql, values = self.rank
            parts.append(f"({sql.replace('{row}', _ROW)}) > 0")
            params += values
        return " AND ".join(parts) or "true", params

    def _ordering(self, compiler: Compiler) -> Sql:
        parts, params = [], []
        if self.rank is not None and not self.order:
            parts.append(f"{self.rank[0].replace('{row}', _ROW)} DESC")
            params += self.rank[1]
            parts.append(f"length({_ROW}.{quoted(self.meta.name_field)})")
        for name in self.order:
            sql, values = compiler.expression(self.meta, _ROW, name.lstrip("-").split("__"))
            direction = "DESC NULLS LAST" if name.startswith("-") else "ASC NULLS FIRST"
            parts.append(f"{sql} {direction}")
            params += values
        if "uid" not in {n.lstrip("-") for n in self.order}:
            parts.append(f"{_ROW}.uid")
        return ", ".join(parts), params

    # -- running -----------------------------------------------------------------------

    def run(self, columns: str, more: Mapping[str, str] | None = None) -> pa.Table:
        """The rows as an Arrow table.

        Args:
            columns: SQL of columns, or empty text.
            more: Further columns: name → path of the field, e.g. `created_by__handle`.
        """
        compiler = Compiler(self.lake, narrow=True)
        selected, params = [columns] if columns else [], []
        for name, path in (more or {}).items():
            sql, values = compiler.expression(self.meta, _ROW, path.split("__"))
            selected.append(f"{sql} AS {quoted(name)}")
            params += values
        sql, values = self.select(compiler, ", ".join(selected))
        return _fetch(compiler, sql, [*params, *values])

    def count(self) -> int:
        """Number of rows."""
        compiler = Compiler(self.lake, narrow=True)
        sql, params = self.select(compiler, f"{_ROW}.uid", ordered=False)
        table = _fetch(compiler, f"SELECT count(*) AS n FROM ({sql})", params)
        return int(table["n"][0].as_py())


def _fetch(compiler: Compiler, sql: str, params: list[Any]) -> pa.Table:
    import duckdb  # 0.1 s: only for those who query

    relation = compiler.state.sql(sql, params, tables=compiler.tables)
    try:
        return relation.to_arrow_table()
    except duckdb.Error as error:
        raise InvalidArgument("The query can't be run.", found=str(error)) from error
