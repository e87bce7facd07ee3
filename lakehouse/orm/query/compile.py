"""From look-ups to SQL: fields, foreign keys, relations over link tables, features.

Relations become semi-joins (`uid IN (SELECT …)`), so that no row is ever multiplied and any
depth composes. Identifiers come from the registries' own definitions and are quoted; values
are parameters, long lists Arrow tables.
"""

from __future__ import annotations

import weakref
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.compute as pc

from lakehouse.engine.query.quoting import quoted
from lakehouse.errors import InvalidArgument, MixedLakes
from lakehouse.identity import UID_LENGTH
from lakehouse.orm.model.builtin import HIDDEN
from lakehouse.orm.model.context import active_batch
from lakehouse.orm.model.meta import Condition, Field, RegistryMeta, Relation, branch_uid
from lakehouse.orm.model.operands import several
from lakehouse.orm.query import under
from lakehouse.orm.query.lookups import Sql, ask, column_sql, part_sql
from lakehouse.orm.query.lookups_json import json_sql, place_of
from lakehouse.orm.query.q import Q

if TYPE_CHECKING:
    from lakehouse.engine import State
    from lakehouse.orm.lake.lake import Lake


# -- The latest versions of a whole registry at once, as its rows say


IS_LATEST = "is_latest"

# rows of one version of a table are one object as long as somebody reads that version
_found: dict[int, tuple[weakref.ref[pa.Table], pa.Array]] = {}


def latest_uids(rows: pa.Table) -> pa.Array:
    """The uid of the latest version of every family, on every branch.

    Args:
        rows: All rows of a versioned registry.
    """
    place = id(rows)
    known = _found.get(place)
    # an id is given again once its table is gone
    if known is not None and known[0]() is rows:
        return known[1]
    uids = _latest(rows["uid"], rows["branch_uid"])
    _found[place] = (weakref.ref(rows, lambda _: _found.pop(place, None)), uids)
    return uids


def _latest(uids: pa.ChunkedArray, branches: pa.ChunkedArray) -> pa.Array:
    seen = pc.invert(pc.is_in(branches, pa.array(HIDDEN)))
    # a trashed version isn't the latest: the one before it is
    if pc.all(seen).as_py() is False:
        uids, branches = uids.filter(seen), branches.filter(seen)
    found = []
    # each branch has its own latest, so that a branch's version leaves main's as it is
    for branch in pc.unique(branches).to_pylist():
        own = uids.filter(pc.equal(branches, branch)).combine_chunks()
        # mostly sorted: only where old rows were changed, files overlap
        if not pc.all(pc.less(own[:-1], own[1:])).as_py():
            own = own.sort()
        stems = pc.utf8_slice_codeunits(own, 0, UID_LENGTH)
        last = pa.concat_arrays([pc.not_equal(stems[:-1], stems[1:]), pa.array([True])])
        found.append(own.filter(last))
    return pa.concat_arrays(found) if found else pa.array([], pa.string())


_ROW, _UIDS = "{row}", "{uids}"
# peer: ids are numbers; here the uid answers to their names
_UID_NAMES = ("id", "pk")
EVERY_BRANCH = ("branch", "branch_id", "branch_uid")
WELL_KNOWN = frozenset(("main", "archive", "trash", "all"))


def resolved(meta: RegistryMeta, path: list[str]) -> tuple[str, list[str]]:
    """The first name of a path and the rest, aliases and the peer's names replaced."""
    name, rest = path[0], path[1:]
    if name in meta.aliases:
        return resolved(meta, [*meta.aliases[name].split("__"), *rest])
    if name in _UID_NAMES:
        return "uid", rest
    # peer: `type_id` is a column of numbers; here it is the key, by its uid
    if name not in meta.fields and name.endswith("_id") and name[:-3] in meta.foreign_keys:
        return name[:-3], rest
    return name, rest


@dataclass
class Compiler:
    """Compiles the conditions of one statement.

    Attributes:
        lake: The lake; a value of another lake is refused.
        narrow: Whether the statement's own table may be narrowed before DuckDB reads it.
        tables: Arrow tables that the statement needs beside the registries.
        only: Sets of uids, to each of which the statement's rows belong; None where nobody
            wants to know.
        slim: Whether only uids are selected.
    """

    lake: Lake
    narrow: bool = False
    tables: dict[str, pa.Table] = field(default_factory=dict)
    only: list[Any] | None = None
    slim: bool = False
    _aliases: int = 0
    _certain: bool = False

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
        return f"SELECT v FROM {self._named(pa.array(values))}"

    def _named(self, values: pa.Array) -> str:
        name = f"lh_values_{len(self.tables)}"
        self.tables[name] = pa.table({"v": values})
        return name

    # -- trees -------------------------------------------------------------------------

    def tree(self, meta: RegistryMeta, alias: str, q: Q, *, certain: bool = False) -> Sql:
        """SQL of a tree of conditions.

        Args:
            meta: The registry.
            alias: The alias of its rows.
            q: The conditions.
            certain: Whether rows that don't fulfil them are out, whatever else is asked.
        """
        parts, params = [], []
        # under OR or NOT a row may be in that doesn't fulfil this condition
        certain = certain and not q.negated and (q.connector == "AND" or len(q.children) == 1)
        for child in q.children:
            # in the loop, since look-ups of other rows reset it
            self._certain = certain
            if isinstance(child, Q):
                sql, values = self.tree(meta, alias, child, certain=certain)
            elif isinstance(child, tuple):
                if child[1] is None and child[0] in EVERY_BRANCH and meta.has_branch:
                    continue  # the peer's way to say that no branch is left out
                sql, values = self.lookup(meta, alias, child[0].split("__"), child[1])
            else:
                sql, values = self._placed(child.to_condition(self.lake, meta), alias)
            parts.append(sql)
            params += values
        self._certain = False
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
        name, rest = resolved(meta, path)
        if name in meta.foreign_keys:
            target = self.lake.directory.get(meta.foreign_keys[name]).meta
            column = f"{alias}.{quoted(name + '_uid')}"
            if rest == [under.NAME] and under.has_levels(target):
                return self._below(target, column, value, types=name == "type")
            return self._foreign(target, column, rest, value, name)
        if name in meta.fields:
            column = f"{alias}.{quoted(name)}"
            # it may be records or a query set, as for foreign keys
            if rest in ([], ["in"]) and name == "uid" and not isinstance(value, str):
                return self._records(meta, column, rest, value, name)
            return self.column(column, meta.fields[name], rest, value)
        if name in meta.relations:
            return self._linked(meta.relations[name], alias, rest, value)
        if name == IS_LATEST and self._knows_latest(meta, rest, value):
            # of all rows at once, instead of a subquery over the family of each
            uids = self._named(latest_uids(self.state.arrow(meta.table)))
            return f"{alias}.uid {'IN' if value else 'NOT IN'} (SELECT v FROM {uids})", []
        if name in meta.computed:
            kind, sql = meta.computed[name]
            types = {"bool": bool, "int": int, "str": str, "float": float}
            virtual = Field(meta.name, name, types[kind] | None, ())
            return self.column(f"({sql.replace(_ROW, alias)})", virtual, rest, value)
        if name == under.NAME and not rest and under.has_levels(meta):
            return self._below(meta, f"{alias}.uid", value)
        # after fields and relations, so that no feature's name hides one
        if meta.feature_lookup is not None:
            condition = meta.feature_lookup(self.lake, name, rest, value)
            if condition is not None:
                return self._placed(condition, alias)
        raise meta.unknown(name)

    def _knows_latest(self, meta: RegistryMeta, rest: list[str], value: Any) -> bool:
        plain = rest in ([], ["exact"]) and isinstance(value, bool)
        return plain and meta.versioned and self.state.in_memory(meta.table)

    def _placed(self, condition: Condition, alias: str) -> Sql:
        sql = condition.sql.replace(_ROW, alias)
        if condition.uids is not None:
            sql = sql.replace(_UIDS, self._named(condition.uids))
            # the table can be narrowed to these before DuckDB reads it
            if condition.only and self._certain and self.only is not None:
                self.only.append(condition.uids)
        return sql, list(condition.params)

    def column(self, sql: str, field: Field, rest: list[str], value: Any) -> Sql:
        """SQL of a look-up on one column."""
        question = ask(field.subject, rest, value)
        if field.kind == "json":
            found = json_sql(sql, question)
        else:
            found = column_sql(sql, field.kind, question, self.values)
        return self._without(*found) if question.negated else found

    def _below(self, target: RegistryMeta, column: str, value: Any, *, types: bool = False) -> Sql:
        several = [value] if isinstance(value, str) or not hasattr(value, "__iter__") else value
        for one in several:
            if hasattr(one, "meta"):
                self._uid(target, one, under.NAME)
        sql, params = under.below_sql(self.state, target, value, types=types)
        return f"{column} IN ({sql})", params

    def _foreign(
        self, target: RegistryMeta, column: str, rest: list[str], value: Any, name: str
    ) -> Sql:
        if rest in ([], ["exact"], ["in"], ["ne"], ["isnull"]):
            return self._records(target, column, rest, value, name)
        if rest[-1] == "isnull" and value is True:
            # also true where the path breaks off before its end
            return self._without(*self._foreign(target, column, rest, value=False, name=name))
        if value is None and rest[-1] != "ne":  # also where there is nothing to follow
            names = rest[:-1] if rest[-1] == "exact" else rest
            return self._foreign(target, column, [*names, "isnull"], value=True, name=name)
        # what follows is about rows of another table
        self._certain = False
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
            # that no related record is it, not that some other one is there
            return self._without(*self._linked(relation, alias, [], value))
        if rest and rest[-1] == "isnull" and value is True:
            return self._without(*self._linked(relation, alias, rest, value=False))
        target = self.lake.directory.get(relation.target).meta
        link = self.alias()
        column = f"{link}.{relation.other_column}"
        if rest == [under.NAME] and under.has_levels(target):
            condition, params = self._below(target, column, value)
        # the link table is the target's own here, so that one alias stands for both
        elif relation.foreign_key is not None and rest not in ([], ["exact"], ["in"]):
            self._certain = False
            condition, params = self.lookup(target, link, rest, value)
        else:
            condition, params = self._foreign(target, column, rest, value, relation.name)
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

    def _records(
        self, target: RegistryMeta, column: str, rest: list[str], value: Any, name: str
    ) -> Sql:
        """SQL for comparing a uid column with a record, several, or a query set."""
        uid_field = target.fields["uid"]
        if rest == ["in"] and hasattr(value, "uids_sql"):
            sql, params = value.uids_sql(self, target)
            return f"{column} IN ({sql})", params
        if rest == ["in"]:
            subject = uid_field.subject._replace(name=name)
            value = [self._uid(target, v, name) for v in several(subject, "in", value)]
        elif value is not None and rest != ["isnull"]:
            value = self._uid(target, value, name)
        return self.column(column, uid_field, rest, value)

    def _uid(self, target: RegistryMeta, value: Any, name: str) -> str:
        if target.name == "Branch":
            value = branch_uid(value)
        if isinstance(value, str):
            self._check_uid(target, value, name)
            return str(value)
        if getattr(value, "meta", None) is not target:
            raise InvalidArgument(
                f"This is compared with records of {target.name}.",
                found=f"{value!r} ({type(value).__name__})",
                expected=f"a {target.name}, or a uid",
                hint=f"to compare a field, write {name}__{target.name_field}=…",
            )
        # lake.at(…) is another object of the same lake
        if value._lake is not self.lake and value._lake.uid != self.lake.uid:
            raise MixedLakes(
                f"{value!r} belongs to another lake than the query.",
                found=value._lake.root,
                expected=self.lake.root,
            )
        # one that the open transaction saves may be named, though no committed row names it
        batch = None if value._saved else active_batch(self.lake)
        if not value._saved and (
            batch is None or batch.staged_uid(target.table, value.uid) is None
        ):
            raise InvalidArgument(
                f"{value!r} isn't saved, so nothing can refer to it.", hint="call .save() first"
            )
        return str(value.uid)

    def _check_uid(self, target: RegistryMeta, value: str, name: str) -> None:
        """Refuse a text that can't be a uid: somebody forgot to name the field."""
        # of that length it may be a uid, of a row that isn't there
        if name in ("uid", "id") or value in WELL_KNOWN or len(value) in (16, 20):
            return
        if self.state.row(target.table, value) is None:
            # peer: these are its words
            raise InvalidArgument(
                f"Invalid lookup {value[:200]!r} for {name}. "
                f"Did you mean {name}__{target.name_field}?",
                expected=f"a {target.name}, or a uid",
                hint=f"{name}__{target.name_field}={value[:200]!r}",
            )

    # -- expressions for columns and order ---------------------------------------------

    def expression(self, meta: RegistryMeta, alias: str, path: list[str]) -> Sql:
        """SQL of the value at a path, one per row; a list where a relation has many."""
        name, rest = resolved(meta, path)
        if name in meta.fields:
            return self.value(meta, alias, name, rest)
        if name in meta.computed and not rest:
            return f"({meta.computed[name][1].replace(_ROW, alias)})", []
        if name in meta.foreign_keys:
            target = self.lake.directory.get(meta.foreign_keys[name]).meta
            column = f"{alias}.{quoted(name + '_uid')}"
            if rest in ([], ["uid"], ["id"], ["pk"]):
                return column, []
            inner = self.alias()
            sql, params = self.expression(target, inner, rest)
            table = quoted(target.table)
            # a subquery, which can stand wherever a column can
            return f"(SELECT {sql} FROM {table} {inner} WHERE {inner}.uid = {column})", params
        if name in meta.relations:
            return self._listed(meta.relations[name], alias, rest)
        raise meta.unknown(name)

    def value(self, meta: RegistryMeta, alias: str, name: str, rest: list[str]) -> Sql:
        """SQL of a column, of a part of a moment, or of what lies at keys of a dictionary."""
        column, field = f"{alias}.{quoted(name)}", meta.fields[name]
        if not rest:
            return column, []
        if field.kind == "json":
            return f"json_extract({column}, ?)", [place_of(rest)]
        part = part_sql(field.kind, rest[0], column) if len(rest) == 1 else None
        if part is None:
            raise meta.unknown("__".join([name, *rest]))
        return part, []

    def _listed(self, relation: Relation, alias: str, rest: list[str]) -> Sql:
        target = self.lake.directory.get(relation.target).meta
        link, inner = self.alias(), self.alias()
        sql, params = self.expression(target, inner, rest or ["uid"])
        conditions, values = relation.conditions(link)
        where = [f"{link}.{relation.own_column} = {alias}.uid", *conditions]
        return (
            f"(SELECT list(DISTINCT {sql} ORDER BY {sql}) FROM {quoted(relation.link)} {link} "
            f"JOIN {quoted(target.table)} {inner} ON {inner}.uid = {link}.{relation.other_column} "
            f"WHERE {' AND '.join(where)})",
            [*params, *params, *values],  # the expression stands there twice
        )
