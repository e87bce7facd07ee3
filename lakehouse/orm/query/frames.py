"""Query sets as pandas data frames, with the peer's columns."""

from __future__ import annotations

import operator
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import orjson
import pyarrow as pa
import pyarrow.compute as pc

from lakehouse._lazy import require
from lakehouse.engine.query.quoting import quoted
from lakehouse.errors import InvalidArgument
from lakehouse.orm.query.compile import IS_LATEST, Compiler, latest_uids, resolved
from lakehouse.orm.query.q import Q
from lakehouse.orm.query.statement import ROW, Statement, fetch

if TYPE_CHECKING:
    import polars as pl

    from lakehouse.engine import State
    from lakehouse.orm.model.meta import RegistryMeta


FEATURES, PRIVATES = "features", "privates"
# peer: these come after what a record is, then the foreign keys
_LAST = ("version_tag", IS_LATEST, "is_locked", "is_type", "created_at")
_FIRST_KEYS = ("branch", "created_on", "space")
_LAST_KEYS = ("run", "created_by")
_HIDDEN = ("updated_at",)  # peer: not shown, not even among privates
_SHORT = 2  # peer: with `include` its first three, of which the id is the index here
_NEWEST_FIRST = (("-id",), ("-uid",), ("-pk",))


def shown_columns(meta: RegistryMeta, *, privates: bool = False) -> dict[str, str]:
    """The columns of a registry's data frames: name there → column.

    The uid comes first, then what the record is, then its state, then its foreign keys.
    """
    keys = {f"{name}_uid": name for name in meta.foreign_keys}
    plain = [
        c for c in meta.columns
        if c not in keys and c not in _LAST and c not in _HIDDEN
        and (privates or c not in meta.private)
    ]  # fmt: skip
    last = [c for c in _LAST if c in meta.fields or (c == IS_LATEST and c in meta.computed)]
    between = [n for n in keys.values() if n not in (*_FIRST_KEYS, *_LAST_KEYS)]
    ordered = [n for n in (*_FIRST_KEYS, *between, *_LAST_KEYS) if n in keys.values()]
    names = {c: c for c in (*plain, *last)}
    return {**names, **{f"{n}_id": f"{n}_uid" for n in ordered}}


def frame_of(statement: Statement, include: Sequence[str], features: list[str] | None) -> Any:
    """The rows of a statement as a data frame, whose index `id` holds the uids.

    Args:
        statement: The statement.
        include: Fields of related registries, `features` or `privates`.
        features: Names of features; None for none but those that `include` asks for.
    """
    meta = statement.meta
    wants_features = FEATURES in include or features is not None
    paths = [p for p in dict.fromkeys(include) if p not in (FEATURES, PRIVATES)]
    own = shown_columns(meta, privates=PRIVATES in include)
    if paths or wants_features:
        # peer: own fields that are asked for stay, too
        also = [p for p in paths if p in own]
        own = {n: own[n] for n in dict.fromkeys([*list(own)[:_SHORT], *also])}
        paths = [p for p in paths if p not in own]
    backwards = statement.order in _NEWEST_FIRST and not statement.sliced
    # a frame is turned round at no cost, a table isn't
    rows = (replace(statement, order=()) if backwards else statement).rows()
    frame = _own(statement, rows, own)
    if paths:
        for place, (name, values) in enumerate(_included(statement, rows, paths).items()):
            frame.insert(min(_SHORT, len(own)) + place, name, values)
    if wants_features:
        frame = _with_features(statement, rows, frame, features)
    uids = frame["uid"] if "uid" in own and not wants_features else rows["uid"].to_pandas()
    frame.index = require("pandas", "make data frames").Index(uids.array, name="id")
    return frame.iloc[::-1] if backwards else frame


def _own(statement: Statement, rows: pa.Table, own: dict[str, str]) -> Any:
    """The registry's own columns."""
    arrays = [rows[c] if c in rows.column_names else _latest(statement, rows) for c in own.values()]
    json = statement.meta.spec.json_columns
    return _frame(pa.table(arrays, names=list(own)), {n for n, c in own.items() if c in json})


def _frame(table: pa.Table, json: Collection[str]) -> Any:
    require("pandas", "make data frames")
    # a block for each column, so that none is copied to lie beside others
    frame = table.to_pandas(date_as_object=False, split_blocks=True)
    for name in table.column_names:
        if name in json and table[name].null_count < table.num_rows:
            frame[name] = _series(table[name], json=True)
    return frame


def to_pandas(table: pa.Table, json_columns: frozenset[str]) -> Any:
    """An Arrow table of rows as a data frame, whose index `id` holds the uids, too."""
    frame = _frame(table, json_columns)
    frame.index = require("pandas", "make data frames").Index(frame["uid"].array, name="id")
    return frame


def _series(array: pa.ChunkedArray, *, json: bool) -> Any:
    pd = require("pandas", "make data frames")
    if json:
        values: Any = array.to_pylist()
        if array.null_count < len(array):
            values = [None if v is None else orjson.loads(v) for v in values]
        return pd.Series(values, dtype=object)
    return array.to_pandas(date_as_object=False)


def _latest(statement: Statement, rows: pa.Table) -> pa.ChunkedArray:
    """Which rows are the latest of their version families."""
    compiler = Compiler(statement.lake)
    table = statement.meta.table
    if compiler.state.in_memory(table):
        return pc.is_in(rows["uid"], latest_uids(compiler.state.arrow(table)))
    # a table that is too large for memory isn't read whole for that
    sql = statement.meta.computed[IS_LATEST][1].replace("{row}", ROW)
    found = fetch(compiler, f"SELECT {ROW}.uid FROM {quoted(table)} {ROW} WHERE {sql}", [])
    return pc.is_in(rows["uid"], found["uid"].combine_chunks())


def _included(statement: Statement, rows: pa.Table, paths: list[str]) -> dict[str, Any]:
    """Columns of related records: sets, where a relation may have many."""
    compiler = Compiler(statement.lake)
    meta = statement.meta
    compiler.tables["lh_rows"] = rows
    found: dict[str, Any] = {}
    selected: list[str] = []
    params: list[Any] = []
    for path in paths:
        sql, values = compiler.expression(meta, ROW, path.split("__"))
        selected.append(f"{sql} AS c{len(selected)}")
        params += values
    sql = f"SELECT {ROW}.uid, {', '.join(selected)} FROM lh_rows {ROW}"
    table = fetch(compiler, sql, params).rename_columns(["uid", *paths])
    # DuckDB gives rows in any order: each is put where its uid is
    places = pc.index_in(rows["uid"], table["uid"].combine_chunks())
    table = table.take(places)
    for path in paths:
        json = _is_json(statement, path)
        many = pa.types.is_list(table[path].type) and not _is_list(statement, path)
        if many:
            values = [_as_set(v, json=json) for v in table[path].to_pylist()]
            found[path] = require("pandas", "make data frames").Series(values, dtype=object)
        else:
            found[path] = _series(table[path], json=json)
    return found


def _as_set(values: list[Any] | None, *, json: bool) -> Any:
    if not values:
        return {None}  # peer: where nothing is related
    if not json:
        return set(values)
    decoded = [None if v is None else orjson.loads(v) for v in values]
    plain = all(isinstance(v, str | int | float | None) for v in decoded)
    # dictionaries and lists can't be in sets
    return set(decoded) if plain else decoded


def _last_field(statement: Statement, path: str) -> tuple[RegistryMeta, str, list[str]]:
    meta = statement.meta
    name, rest = resolved(meta, path.split("__"))
    while rest and name not in meta.fields:
        target = meta.foreign_keys.get(name)
        target = meta.relations[name].target if target is None else target
        meta = statement.lake.directory.get(target).meta
        name, rest = resolved(meta, rest)
    return meta, name, rest


def _is_json(statement: Statement, path: str) -> bool:
    meta, name, _ = _last_field(statement, path)
    return name in meta.fields and meta.fields[name].kind == "json"


def _is_list(statement: Statement, path: str) -> bool:
    """Whether the field itself holds lists, and no relation on the way has many records."""
    meta, name, _ = _last_field(statement, path)
    return meta is statement.meta and name in meta.fields and meta.fields[name].kind == "list"


def _with_features(
    statement: Statement, rows: pa.Table, frame: Any, names: list[str] | None
) -> Any:
    """A column per feature after the others; a field of the same name gets another one."""
    meta = statement.meta
    if meta.feature_columns is None:
        raise InvalidArgument(
            f"Records of {meta.name} have no features.",
            found=f"include={FEATURES!r}",
            expected="Artifact, Record, Run",
        )
    found = meta.feature_columns(statement.lake, meta, rows.select(["uid"]), names)
    known = found.column_names[1:]
    pd = require("pandas", "make data frames")
    # peer: `__lamindb_…__`; a feature's name counts before a field's
    own = {c: f"__lakehouse_{meta.table}_{c}__" for c in frame.columns if c in known}
    columns = {
        n: _values(found.column(1 + place), found.schema.field(1 + place))
        for place, n in enumerate(known)
    }
    return pd.concat([frame.rename(columns=own), pd.DataFrame(columns, index=frame.index)], axis=1)


def _values(array: pa.ChunkedArray, field: pa.Field) -> Any:
    """A column of feature values as the peer has it: nullable types, sets of several values."""
    pd = require("pandas", "make data frames")
    said = (field.metadata or {}).get(b"values")
    if pa.types.is_dictionary(array.type):
        return array.to_pandas()
    if pa.types.is_integer(array.type):
        return array.to_pandas(types_mapper={pa.int64(): pd.Int64Dtype()}.get)
    if pa.types.is_boolean(array.type):
        return array.to_pandas(types_mapper={pa.bool_(): pd.BooleanDtype()}.get)
    if pa.types.is_nested(array.type):
        several = _several if said == b"several" else list
        values = [None if v is None else several(v) for v in array.to_pylist()]
    elif said == b"json":
        values = [None if v is None else orjson.loads(v) for v in array.to_pylist()]
    elif pa.types.is_date(array.type) or pa.types.is_time(array.type):
        values = array.to_pylist()
    else:
        return array.to_pandas(date_as_object=False)
    found = pd.Series(values, dtype=object)
    return found.where(array.is_valid().to_numpy(), float("nan")) if array.null_count else found


def _several(values: list[Any]) -> Any:
    # peer: one value stands by itself, several are a set
    if len(values) == 1:
        return values[0]
    return values if any(isinstance(v, dict | list) for v in values) else set(values)


# -- Query sets as polars lazy frames: nothing is read before `collect`


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
    # as query sets without an order come
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
    # exactly these types: what else a look-up takes, such as True, it checks and converts first
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
        # of when the frame was made, whenever it is collected
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
        # a limit counts rows that fulfil the predicate, which only polars knows
        frame = pl.DataFrame(rows(columns, limit if predicate is None else None))
        if predicate is not None:
            frame = frame.filter(predicate)
        yield frame if limit is None else frame.head(limit)

    types = {c.name: c.arrow_type for c in statement.meta.spec.columns}
    schema = pl.DataFrame(pa.schema([(c, types[c]) for c in known]).empty_table()).schema
    return register_io_source(source, schema=schema, explain_name=f"{statement.meta.name} query")
