"""Feature values of many records as columns, for data frames of query sets."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from lakehouse.config import notify
from lakehouse.errors import UnknownField, near
from lakehouse.features.codec import decode
from lakehouse.features.read import label_field
from lakehouse.features.reference import Known
from lakehouse.orm import Lake, RegistryMeta
from lakehouse.orm.model.builtin import HIDDEN

# what a column's field says of its values, beside their Arrow type
SEVERAL = {b"values": b"several"}  # lists of the distinct values of each record
AS_JSON = {b"values": b"json"}  # JSON texts


@dataclass
class _Part:
    """Values of one feature: which record each one is of, and the values."""

    rows: np.ndarray[Any, Any]
    values: pa.Array
    json: bool = False


def with_features(
    lake: Lake, meta: RegistryMeta, table: pa.Table, names: list[str] | None
) -> pa.Table:
    """A table of records with a column for each feature that they are annotated with.

    A column holds single values where no record has several, else lists of them. What it
    holds beyond its Arrow type is said in the metadata of its field: `SEVERAL` or `AS_JSON`.

    Args:
        lake: The lake.
        meta: The registry of the records.
        table: The records; a column `uid` is needed.
        names: Names of features; None for all that any of the records has.

    Raises:
        UnknownField: A name is of no feature.
    """
    uids = table["uid"].combine_chunks()
    features = _features(lake, names)
    by_feature: dict[str, list[_Part]] = {}
    for uid, part in (*_labels(lake, meta, uids, features), *_values(lake, meta, uids, features)):
        by_feature.setdefault(uid, []).append(part)
    chosen = _one_per_name(features, by_feature)
    wanted = list(chosen) if names is None else list(dict.fromkeys(names))
    for name in wanted:
        feature = chosen.get(name)
        parts = [] if feature is None else by_feature[feature.uid]
        field, column = _column(name, feature, parts, len(uids))
        table = table.append_column(field, column)
    return table


def _features(lake: Lake, names: list[str] | None) -> dict[str, Known]:
    """Visible features by uid, in the order of their creation."""
    rows = lake.state.arrow("feature").select(
        ["uid", "name", "dtype", "nullable", "coerce", "is_type", "type_uid", "branch_uid"]
    )
    if names is not None:
        known = {n for n in rows["name"].to_pylist() if n}
        for name in names:
            if name not in known:
                raise UnknownField(
                    f"There is no feature {name!r}.",
                    expected=", ".join(near(name, known)) or None,
                    hint="include='features' shows all",
                )
        rows = rows.filter(pc.is_in(rows["name"], pa.array(names, pa.string())))
    return {
        row["uid"]: Known.of(row)
        for row in rows.to_pylist()
        if row["branch_uid"] not in HIDDEN and not row["is_type"]
    }


def _one_per_name(
    features: dict[str, Known], by_feature: dict[str, list[_Part]]
) -> dict[str, Known]:
    """Of features of one name the categorical one, else the oldest."""
    chosen: dict[str, Known] = {}
    twice: set[str] = set()
    for uid, feature in features.items():
        if uid not in by_feature:
            continue
        other = chosen.setdefault(feature.name, feature)
        if other is not feature:
            twice.add(feature.name)
            if feature.dtype.is_categorical and not other.dtype.is_categorical:
                chosen[feature.name] = feature
    if twice:
        notify(f"of several features of one name, one is shown each: {sorted(twice)}", "warning")
    return chosen


# -- reading ---------------------------------------------------------------------------


def _labels(
    lake: Lake, meta: RegistryMeta, uids: pa.Array, features: dict[str, Known]
) -> Iterator[tuple[str, _Part]]:
    links = lake.state.arrow(f"{meta.table}_link")
    if not links.num_rows:
        return
    columns = ["subject_uid", "registry", "target_uid", "feature_uid", "position"]
    links = links.select(columns).filter(
        pc.and_(pc.is_valid(links["feature_uid"]), pc.not_equal(links["registry"], "schema"))
    )
    for table in links["registry"].unique().to_pylist():
        if table not in lake.directory.by_table:
            continue
        targets = lake.state.arrow(table)
        rows = links.filter(pc.equal(links["registry"], table))
        places = pc.index_in(rows["target_uid"], targets["uid"].combine_chunks())
        for uid, of, part in _by_feature(rows, uids, features):
            field = label_field(lake, features[uid].dtype, table)
            found = places.take(of)
            names = targets[field].take(found)
            seen = pc.is_valid(found)
            if "branch_uid" in targets.column_names:
                hidden = pc.is_in(targets["branch_uid"].take(found), pa.array(HIDDEN))
                seen = pc.and_(seen, pc.invert(hidden))
            if features[uid].dtype.kind == "list":
                order = np.lexsort((rows["position"].take(of).fill_null(0).to_numpy(), part))
                part, names, seen = part[order], names.take(order), seen.take(order)
            if not pc.all(seen).as_py():
                part, names = part[seen.to_numpy()], names.filter(seen)
            if len(part):
                yield uid, _Part(part, _flat(names))


def _values(
    lake: Lake, meta: RegistryMeta, uids: pa.Array, features: dict[str, Known]
) -> Iterator[tuple[str, _Part]]:
    rows = lake.state.arrow("feature_value")
    if not rows.num_rows:
        return
    columns = ["subject_uid", "feature_uid", "value", "created_at"]
    rows = rows.filter(pc.equal(rows["registry"], meta.table)).select(columns)
    for uid, of, part in _by_feature(rows, uids, features):
        texts = _flat(rows["value"].take(of))
        if not _distinct(part):
            order = np.lexsort((rows["created_at"].take(of).cast(pa.int64()).to_numpy(), part))
            part, texts = part[order], texts.take(order)
        values, json = decode(texts, features[uid].dtype)
        yield uid, _Part(part, values, json)


def _by_feature(
    rows: pa.Table, uids: pa.Array, features: dict[str, Known]
) -> Iterator[tuple[str, np.ndarray[Any, Any], np.ndarray[Any, Any]]]:
    """By feature: places of its rows, and the place of each one's record."""
    if not rows.num_rows:
        return
    subjects = pc.index_in(rows["subject_uid"], uids)
    known = list(features)
    numbers = pc.index_in(rows["feature_uid"], pa.array(known, pa.string()))
    valid = pc.and_(pc.is_valid(subjects), pc.is_valid(numbers)).to_numpy()
    at = np.flatnonzero(valid)
    if not len(at):
        return
    number = numbers.fill_null(0).to_numpy()[at]
    subject = subjects.fill_null(0).to_numpy()[at]
    order = np.argsort(number, kind="stable")
    at, number, subject = at[order], number[order], subject[order]
    starts = np.flatnonzero(np.r_[True, number[1:] != number[:-1]])
    for start, stop in zip(starts, np.r_[starts[1:], len(number)], strict=True):
        yield known[number[start]], at[start:stop], subject[start:stop]


def _distinct(places: np.ndarray[Any, Any]) -> bool:
    """Whether no record comes twice."""
    return not len(places) or int(np.bincount(places).max()) == 1


def _flat(column: Any) -> pa.Array:
    return column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column


# -- columns ---------------------------------------------------------------------------


def _column(
    name: str, feature: Known | None, parts: list[_Part], n: int
) -> tuple[pa.Field, pa.Array]:
    if not parts or feature is None:
        return pa.field(name, pa.null()), pa.nulls(n)
    rows = np.concatenate([p.rows for p in parts])
    types = {p.values.type for p in parts}
    values = pa.concat_arrays([p.values for p in parts]) if len(types) == 1 else _as_text(parts)
    metadata = dict(AS_JSON) if parts[0].json else {}
    listed = feature.dtype.kind == "list" and feature.dtype.is_categorical
    single = not listed and _distinct(rows)
    if not single:
        order = np.argsort(rows, kind="stable")
        rows, values = rows[order], values.take(pa.array(order))
        starts = np.flatnonzero(np.r_[True, rows[1:] != rows[:-1]])
        offsets = np.r_[starts, len(rows)].astype(np.int32)
        values = pa.ListArray.from_arrays(pa.array(offsets), values)
        rows = rows[starts]
        metadata |= {} if listed else SEVERAL
    elif feature.dtype.is_categorical and pa.types.is_string(values.type):
        values = values.dictionary_encode()
    places = np.full(n, -1, dtype=np.int64)
    places[rows] = np.arange(len(rows))
    column = values.take(pa.array(places, mask=places < 0))
    return pa.field(name, column.type, metadata=metadata or None), column


def _as_text(parts: Iterable[_Part]) -> pa.Array:
    return pa.concat_arrays([p.values.cast(pa.string()) for p in parts])
