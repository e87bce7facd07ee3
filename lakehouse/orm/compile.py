"""From look-ups to SQL: fields, foreign keys, relations over link tables, features.

Relations become semi-joins (`uid IN (SELECT …)`), so that no row is ever multiplied and any
depth composes. Identifiers come from the registries' own definitions and are quoted; values
are parameters, long lists Arrow tables.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from lakehouse.errors import InvalidArgument, MixedLakes
from lakehouse.orm.fields import Field
from lakehouse.orm.lookups import ColumnLookup, Sql
from lakehouse.orm.meta import Condition, RegistryMeta, Relation
from lakehouse.orm.q import Q

if TYPE_CHECKING:
    from lakehouse.engine import State
    from lakehouse.orm.lake import Lake

_ROW = "{row}"


def quoted(name: str) -> str:
    """A name as a SQL identifier."""
    return '"' + name.replace('"', '""') + '"'


@dataclass
class Compiler:
    """Compiles the conditions of one statement.

    Attributes:
        lake: The lake; a value of another lake is refused.
        narrow: Whether the statement's own table may be narrowed before DuckDB reads it.
        tables: Arrow tables that the statement needs beside the registries.
    """

    lake: Lake
    narrow: bool = False
    tables: dict[str, pa.Table] = field(default_factory=dict)
    _aliases: int = 0

    @cached_property
    def state(self) -> State:
        """The state that the statement reads; the same one for all of its parts."""
        return self.lake.state

    def alias(self) -> str:
        """A new table alias."""
        self._aliases += 1
        return f"t{self._aliases}"

    def values(self, values: list[Any]) -> str:
        """SQL that selects the values of a long list."""
        name = f"lh_values_{len(self.tables)}"
        self.tables[name] = pa.table({"v": pa.array(values)})
        return f"SELECT v FROM {name}"

    # -- trees -------------------------------------------------------------------------

    def tree(self, meta: RegistryMeta, alias: str, q: Q) -> Sql:
        """SQL of a tree of conditions."""
        parts, params = [], []
        for child in q.children:
            if isinstance(child, Q):
                sql, values = self.tree(meta, alias, child)
            elif isinstance(child, tuple):
                sql, values = self.lookup(meta, alias, child[0].split("__"), child[1])
            else:
                sql, values = _placed(child.to_condition(self.lake, meta), alias)
            parts.append(sql)
            params += values
        if not parts:
            return "true", []
        text = f" {q.connector} ".join(f"({p})" for p in parts) if len(parts) > 1 else parts[0]
        # what is unknown because of a null counts as not fulfilled, as in Django
        return (f"NOT coalesce({text}, false)" if q.negated else text), params

    # -- one look-up -------------------------------------------------------------------

    def lookup(self, meta: RegistryMeta, alias: str, path: list[str], value: Any) -> Sql:
        """SQL of one look-up, e.g. `["created_by", "handle", "startswith"]`.

        Raises:
            UnknownField: A name on the path doesn't exist.
        """
        name, rest = path[0], path[1:]
        if name in ("id", "pk"):
            name = "uid"
        if name in meta.aliases:
            return self.lookup(meta, alias, [*meta.aliases[name].split("__"), *rest], value)
        if name in meta.foreign_keys:
            target = self.lake.directory.get(meta.foreign_keys[name]).meta
            return self._foreign(target, f"{alias}.{quoted(name + '_uid')}", rest, value)
        if name in meta.fields:
            column = f"{alias}.{quoted(name)}"
            if rest in ([], ["in"]) and name == "uid" and not isinstance(value, str):
                return self._records(meta, column, rest, value)
            return ColumnLookup(column, meta.fields[name], self.values).compile(rest, value)
        if name in meta.relations:
            return self._linked(meta.relations[name], alias, rest, value)
        if name in meta.computed:
            kind, sql = meta.computed[name]
            types = {"bool": bool, "int": int, "str": str, "float": float}
            virtual = Field(meta.name, name, types[kind] | None, ())
            column = f"({sql.replace(_ROW, alias)})"
            return ColumnLookup(column, virtual, self.values).compile(rest, value)
        if meta.feature_lookup is not None:
            condition = meta.feature_lookup(self.lake, name, rest, value)
            if condition is not None:
                return _placed(condition, alias)
        raise meta.unknown(name)

    def _foreign(self, target: RegistryMeta, column: str, rest: list[str], value: Any) -> Sql:
        if rest in ([], ["exact"], ["in"], ["ne"], ["isnull"]):
            return self._records(target, column, rest, value)
        if rest[-1] == "isnull" and value is True:
            return self._without(*self._foreign(target, column, rest, value=False))
        alias = self.alias()
        sql, params = self.lookup(target, alias, rest, value)
        table = quoted(target.table)
        return f"{column} IN (SELECT {alias}.uid FROM {table} {alias} WHERE {sql})", params

    def _without(self, sql: str, params: list[Any]) -> Sql:
        return f"NOT coalesce({sql}, false)", params

    def _linked(self, relation: Relation, alias: str, rest: list[str], value: Any) -> Sql:
        if rest == ["isnull"]:
            sql, params = self._links(relation, alias, "true", [])
            return self._without(sql, params) if value else (sql, params)
        if value is None and not rest:
            return self._linked(relation, alias, ["isnull"], value=True)
        if rest == ["ne"]:
            return self._without(*self._linked(relation, alias, [], value))
        if rest and rest[-1] == "isnull" and value is True:
            return self._without(*self._linked(relation, alias, rest, value=False))
        target = self.lake.directory.get(relation.target).meta
        link = self.alias()
        condition, params = self._foreign(target, f"{link}.{relation.other_column}", rest, value)
        return self._links(relation, alias, condition, params, link)

    def _links(
        self, relation: Relation, alias: str, condition: str, params: list[Any], link: str = ""
    ) -> Sql:
        link = link or self.alias()
        where, values = relation.conditions(link)
        where.append(f"({condition})")
        return (
            f"{alias}.uid IN (SELECT {link}.{relation.own_column} FROM {quoted(relation.link)} "
            f"{link} WHERE {' AND '.join(where)})",
            [*values, *params],
        )

    # -- records as values -------------------------------------------------------------

    def _records(self, target: RegistryMeta, column: str, rest: list[str], value: Any) -> Sql:
        """SQL for comparing a uid column with a record, several, or a query set."""
        uid_field = target.fields["uid"]
        if rest == ["isnull"]:
            return ColumnLookup(column, uid_field, self.values).compile(rest, value)
        if rest == ["in"] and hasattr(value, "uids_sql"):
            sql, params = value.uids_sql(self)
            return f"{column} IN ({sql})", params
        if rest == ["in"]:
            if isinstance(value, str) or not hasattr(value, "__iter__"):
                raise InvalidArgument(
                    f"The look-up 'in' takes several records of {target.name}.", found=repr(value)
                )
            value = [self._uid(target, v) for v in value]
        elif value is not None:
            value = self._uid(target, value)
        return ColumnLookup(column, uid_field, self.values).compile(rest, value)

    def _uid(self, target: RegistryMeta, value: Any) -> str:
        if isinstance(value, str):
            return value
        if getattr(value, "meta", None) is not target:
            raise InvalidArgument(
                f"This is compared with records of {target.name}.",
                found=f"{value!r} ({type(value).__name__})",
                expected=f"a {target.name}, or a uid",
                hint=f"to compare a field, write …__{target.name_field}=…",
            )
        if value._lake is not self.lake and value._lake.uid != self.lake.uid:
            raise MixedLakes(
                f"{value!r} belongs to another lake than the query.",
                found=value._lake.root,
                expected=self.lake.root,
            )
        return str(value.uid)

    # -- expressions for columns and order ---------------------------------------------

    def expression(self, meta: RegistryMeta, alias: str, path: list[str]) -> Sql:
        """SQL of the value at a path, one per row; a list where a relation has many."""
        name, rest = path[0], path[1:]
        if name in ("id", "pk"):
            name = "uid"
        if name in meta.aliases:
            return self.expression(meta, alias, [*meta.aliases[name].split("__"), *rest])
        if name in meta.fields and not rest:
            return f"{alias}.{quoted(name)}", []
        if name in meta.computed and not rest:
            return f"({meta.computed[name][1].replace(_ROW, alias)})", []
        if name in meta.foreign_keys:
            target = self.lake.directory.get(meta.foreign_keys[name]).meta
            inner = self.alias()
            sql, params = self.expression(target, inner, rest or [target.name_field])
            column = f"{alias}.{quoted(name + '_uid')}"
            table = quoted(target.table)
            return f"(SELECT {sql} FROM {table} {inner} WHERE {inner}.uid = {column})", params
        if name in meta.relations:
            return self._listed(meta.relations[name], alias, rest)
        raise meta.unknown(name)

    def _listed(self, relation: Relation, alias: str, rest: list[str]) -> Sql:
        target = self.lake.directory.get(relation.target).meta
        link, inner = self.alias(), self.alias()
        sql, params = self.expression(target, inner, rest or [target.name_field])
        conditions, values = relation.conditions(link)
        where = [f"{link}.{relation.own_column} = {alias}.uid", *conditions]
        return (
            f"(SELECT list(DISTINCT {sql} ORDER BY {sql}) FROM {quoted(relation.link)} {link} "
            f"JOIN {quoted(target.table)} {inner} ON {inner}.uid = {link}.{relation.other_column} "
            f"WHERE {' AND '.join(where)})",
            [*params, *params, *values],
        )


def _placed(condition: Condition, alias: str) -> Sql:
    return condition.sql.replace(_ROW, alias), list(condition.params)
