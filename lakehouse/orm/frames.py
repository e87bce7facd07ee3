"""Query sets as pandas data frames, with the peer's columns."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import orjson
import pyarrow as pa
import pyarrow.compute as pc

from lakehouse._lazy import require
from lakehouse.errors import InvalidArgument
from lakehouse.orm.compile import Compiler, quoted, resolved
from lakehouse.orm.statement import ROW, Statement, fetch

if TYPE_CHECKING:
    from lakehouse.orm.meta import RegistryMeta

FEATURES, PRIVATES = "features", "privates"
_LATEST = "is_latest"
_LAST = ("version_tag", _LATEST, "is_locked", "is_type", "created_at")
_FIRST_KEYS = ("branch", "created_on", "space")
_LAST_KEYS = ("run", "created_by")
_HIDDEN = ("updated_at",)
_SHORT = 2


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
    last = [c for c in _LAST if c in meta.fields or (c == _LATEST and c in meta.computed)]
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
    table = statement.rows()
    columns: dict[str, Any] = {}
    if paths or wants_features:
        also = [p for p in paths if p in own]
        own = {n: own[n] for n in dict.fromkeys([*list(own)[:_SHORT], *also])}
        paths = [p for p in paths if p not in own]
    for name, column in own.items():
        array = _latest(statement, table) if column not in table.column_names else table[column]
        columns[name] = _series(array, json=column in meta.spec.json_columns)
    if paths:
        included = _included(statement, table, paths)
        head = dict(list(columns.items())[:_SHORT])
        columns = {**head, **included, **columns}
    if wants_features:
        columns = _with_features(statement, table, columns, features)
    pd = require("pandas", "make data frames")
    index = pd.Index(_series(table["uid"], json=False), name="id")
    if not columns:
        return pd.DataFrame(index=index)
    frame = pd.DataFrame({n: getattr(c, "array", c) for n, c in columns.items()})
    frame.index = index
    return frame


def to_pandas(table: pa.Table, json_columns: frozenset[str]) -> Any:
    """An Arrow table of rows as a data frame, whose index `id` holds the uids, too."""
    pd = require("pandas", "make data frames")
    names = table.column_names
    frame = pd.DataFrame({n: _series(table[n], json=n in json_columns) for n in names})
    frame.index = pd.Index(frame["uid"], name="id")
    return frame


def _series(array: pa.ChunkedArray, *, json: bool) -> Any:
    pd = require("pandas", "make data frames")
    if json:
        values: Any = array.to_pylist()
        if array.null_count < len(array):
            values = [None if v is None else orjson.loads(v) for v in values]
        return pd.Series(values, dtype=object)
    return array.to_pandas(date_as_object=False)


def _latest(statement: Statement, table: pa.Table) -> pa.ChunkedArray:
    """Which rows are the latest of their version families."""
    compiler = Compiler(statement.lake)
    sql = statement.meta.computed[_LATEST][1].replace("{row}", ROW)
    name = quoted(statement.meta.table)
    found = fetch(compiler, f"SELECT {ROW}.uid FROM {name} {ROW} WHERE {sql}", [])
    return pc.is_in(table["uid"], found["uid"].combine_chunks())


def _included(statement: Statement, rows: pa.Table, paths: list[str]) -> dict[str, Any]:
    """Columns of related records: sets, where a relation may have many."""
    compiler = Compiler(statement.lake)
    meta = statement.meta
    compiler.tables["lh_rows"] = rows
    found: dict[str, Any] = {}
    selected, params = [], []
    for path in paths:
        sql, values = compiler.expression(meta, ROW, path.split("__"))
        selected.append(f"{sql} AS {quoted(path)}")
        params += values
    sql = f"SELECT {ROW}.uid, {', '.join(selected)} FROM lh_rows {ROW}"
    table = fetch(compiler, sql, params)
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
        return {None}
    if not json:
        return set(values)
    decoded = [None if v is None else orjson.loads(v) for v in values]
    plain = all(isinstance(v, str | int | float | None) for v in decoded)
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
    statement: Statement, rows: pa.Table, columns: dict[str, Any], names: list[str] | None
) -> dict[str, Any]:
    """A column per feature after the first ones; a field of the same name gets another one."""
    meta = statement.meta
    if meta.feature_columns is None:
        raise InvalidArgument(
            f"Records of {meta.name} have no features.",
            found=f"include={FEATURES!r}",
            expected="Artifact, Record, Run",
        )
    found = meta.feature_columns(statement.lake, meta, rows.select(["uid"]), names)
    features = {n: _values(found[n]) for n in found.column_names if n != "uid"}
    if "uid" in found.column_names[1:]:
        features["uid"] = _values(found.column(1 + found.column_names[1:].index("uid")))
    own = {
        (f"__lakehouse_{meta.table}_{n}__" if n in features else n): c for n, c in columns.items()
    }
    return {**own, **features}


def _values(array: pa.ChunkedArray) -> Any:
    if pa.types.is_dictionary(array.type):
        return array.to_pandas()
    if pa.types.is_nested(array.type):
        pd = require("pandas", "make data frames")
        return pd.Series(array.to_pylist(), dtype=object)
    return array.to_pandas(date_as_object=False)
