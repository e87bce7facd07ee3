"""Filtering artifacts by features: `Artifact.filter(cell_type="T cell")`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pyarrow.compute as pc

from lakehouse.engine.spec import dump_json
from lakehouse.errors import InvalidArgument, UnknownField, near
from lakehouse.orm import Condition, Lake
from lakehouse.schema import DType, parse_dtype

_TEXT = {
    "contains": "contains({c}, ?)",
    "icontains": "contains(lower({c}), lower(?))",
    "startswith": "starts_with({c}, ?)",
    "istartswith": "starts_with(lower({c}), lower(?))",
    "endswith": "ends_with({c}, ?)",
    "iendswith": "ends_with(lower({c}), lower(?))",
    "iexact": "lower({c}) = lower(?)",
    "regex": "regexp_matches({c}, ?)",
}
_ORDER = {"gt": ">", "gte": ">=", "lt": "<", "lte": "<="}
_LOOKUPS = ("exact", "in", "ne", "isnull", *_TEXT, *_ORDER)


def feature_lookup(lake: Lake, name: str, rest: list[str], value: Any) -> Condition | None:
    """The condition that an artifact has a value of a feature; None if there is no such one.

    Raises:
        UnknownField: The look-up after the feature's name doesn't exist.
    """
    rows = lake.state.arrow("feature")
    rows = rows.filter(pc.equal(rows["name"], name)).to_pylist()
    rows = [r for r in rows if r["branch_uid"] not in ("trash", "archive") and r["dtype"]]
    if not rows:
        _suggest(lake, name)
        return None
    parts = [_condition(lake, row, rest, value) for row in rows]
    if rest == ["isnull"]:
        joined = " OR ".join(f"({p.sql})" for p in parts)
        return Condition(
            f"NOT ({joined})" if value else joined, tuple(v for p in parts for v in p.params)
        )
    sql = " OR ".join(f"({p.sql})" for p in parts)
    return Condition(sql, tuple(v for p in parts for v in p.params))


def _suggest(lake: Lake, name: str) -> None:
    """Raise an error that names the features which a misspelt one may mean, if there are any."""
    known = {n for n in lake.state.arrow("feature")["name"].to_pylist() if n}
    fields = lake.directory.get("Artifact").meta.fields
    close = near(name, [*known, *fields])
    if known.intersection(close):
        raise UnknownField(
            f"Artifact has no field or feature {name!r}.",
            expected=", ".join(close),
            hint=f"ln.Feature(name={name!r}, dtype=…).save()",
        )


def _condition(lake: Lake, feature: dict[str, Any], rest: list[str], value: Any) -> Condition:
    dtype = parse_dtype(feature["dtype"])
    if rest == ["isnull"]:
        return Condition(
            "{row}.uid IN (SELECT subject_uid FROM artifact_link WHERE feature_uid = ?)"
            " OR {row}.uid IN (SELECT subject_uid FROM feature_value WHERE feature_uid = ?)",
            (feature["uid"], feature["uid"]),
        )
    if dtype.is_categorical:
        return _by_label(lake, feature["uid"], dtype, rest, value)
    return _by_value(feature["uid"], dtype, rest, value)


def _by_label(lake: Lake, uid: str, dtype: DType, rest: list[str], value: Any) -> Condition:
    negated = rest == ["ne"]
    if hasattr(value, "meta") and hasattr(value, "uid"):
        inner, params = "target_uid = ? AND registry = ?", [value.uid, value.meta.table]
    else:
        parts, params = [], []
        targets = [(t.registry, t.field) for t in dtype.all_targets] or [("ULabel", "name")]
        for registry, field in targets:
            table = lake.directory.get(registry).meta.table
            sql, values = _text(f't."{field}"', [] if negated else rest, value)
            parts.append(
                f"registry = '{table}' AND target_uid IN (SELECT t.uid FROM \"{table}\" t WHERE {sql})"
            )
            params += values
        inner = " OR ".join(f"({p})" for p in parts)
    sql = (
        "{row}.uid IN (SELECT subject_uid FROM artifact_link"
        f" WHERE feature_uid = ? AND ({inner}))"
    )
    return Condition(f"NOT ({sql})" if negated else sql, (uid, *params))


def _text(column: str, rest: list[str], value: Any) -> tuple[str, list[Any]]:
    if rest in ([], ["exact"]):
        return f"{column} = ?", [value]
    if rest == ["in"]:
        values = list(value)
        return f"{column} IN ({', '.join('?' * len(values)) or 'NULL'})", values
    if len(rest) == 1 and rest[0] in _TEXT:
        return _TEXT[rest[0]].replace("{c}", column), [value]
    raise UnknownField(
        f"There is no look-up {'__'.join(rest)!r} on a categorical feature.",
        expected=", ".join(_LOOKUPS),
    )


def _by_value(uid: str, dtype: DType, rest: list[str], value: Any) -> Condition:
    if dtype.kind == "dict" and rest and rest[-1] not in _LOOKUPS:
        path, rest = "$." + ".".join(f'"{_key(k)}"' for k in rest), []
        column: str = f"json_extract(value, '{path}')"
    else:
        column = "value"
    negated = rest == ["ne"]
    if rest in ([], ["exact"], ["ne"]):
        sql, params = _equal(column, dtype, value)
    elif rest == ["in"]:
        pairs = [_equal(column, dtype, v) for v in value]
        sql = " OR ".join(f"({s})" for s, _ in pairs) or "false"
        params = [p for _, ps in pairs for p in ps]
    elif len(rest) == 1 and rest[0] in _ORDER:
        number = dtype.kind in ("int", "float", "num")
        shown = f"TRY_CAST({column} AS DOUBLE)" if number else f"json_extract_string({column}, '$')"
        sql = f"{shown} {_ORDER[rest[0]]} ?"
        params = [value if number else _plain(value)]
    else:
        sql, params = _text(f"json_extract_string({column}, '$')", rest, value)
    inner = (
        "{row}.uid IN (SELECT subject_uid FROM feature_value WHERE feature_uid = ? AND ("
        + sql
        + "))"
    )
    return Condition(f"NOT ({inner})" if negated else inner, (uid, *params))


def _equal(column: str, dtype: DType, value: Any) -> tuple[str, list[Any]]:
    if (dtype.kind == "list" and not isinstance(value, Sequence | list)) or (
        dtype.kind == "list" and isinstance(value, str)
    ):
        return f"json_contains({column}, ?)", [dump_json(value)]
    if dtype.kind in ("int", "float", "num") and isinstance(value, int | float):
        return f"TRY_CAST({column} AS DOUBLE) = ?", [float(value)]
    return f"{column} = ?", [dump_json(_plain(value))]


def _plain(value: Any) -> Any:
    return value.isoformat() if hasattr(value, "isoformat") else value


def _key(key: str) -> str:
    if '"' in key or "'" in key or "\\" in key:
        raise InvalidArgument("A key of a dict feature can't have quotes in a filter.", found=key)
    return key
