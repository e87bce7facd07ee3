"""Values at paths with joins: one row per related record, as the peer's `values` gives them.

Conditions never multiply rows (see `compile`); values of a relation with many records do.
"""

from __future__ import annotations

from typing import Any

from lakehouse.engine.quoting import quoted
from lakehouse.orm.compile import Compiler, resolved
from lakehouse.orm.lookups import Sql
from lakehouse.orm.meta import RegistryMeta, Relation

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
        self._known: dict[tuple[str, ...], str] = {}
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
            self._sql.append(f"LEFT JOIN {quoted(relation.link)} {link} ON {' AND '.join(tests)}")
            self.params += values
            self._order.append(f"{link}.uid")
        return f"{self._known[place]}.{relation.other_column}"
