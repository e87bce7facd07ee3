"""Staging feature values of records: categorical ones as links, others as JSON texts.

An open transaction keeps what it did to each record, so that the next call within it sees the
outcome of the ones before.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from weakref import WeakKeyDictionary

import numpy as np
import orjson
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.types as pt

from lakehouse.curation.terms import Matches
from lakehouse.engine import Changes, TableSpec
from lakehouse.features.check import Prepared
from lakehouse.features.codec import as_dtype, encoded, is_null, plain
from lakehouse.features.reference import Known
from lakehouse.identity import ALPHABET
from lakehouse.orm import Batch, Lake
from lakehouse.orm.model.context import active_batch
from lakehouse.orm.session.links import links_from, unlink
from lakehouse.relations.tables import EXTERNAL, link_row, tail, value_row
from lakehouse.schema import DType

ALL = 10_000_000
SLOTS = (None, EXTERNAL)
Row = dict[str, Any]


@dataclass
class _Rows:
    """The links and values of one record, by uid."""

    links: dict[str, Row] = field(default_factory=dict)
    values: dict[str, Row] = field(default_factory=dict)


_Operation = Callable[[_Rows], None]
_done: WeakKeyDictionary[Batch, dict[tuple[str, str], list[_Operation]]] = WeakKeyDictionary()


def link_table(table: str) -> str:
    """The link table of a subject's table."""
    return f"{table}_link"


def links_of(lake: Lake, table: str, uid: str) -> list[Row]:
    """The links of a record that belong to a feature, those of the open transaction too."""
    return [r for r in links_from(lake, link_table(table), uid) if _of_feature(r)]


def values_of(lake: Lake, table: str, uid: str) -> list[Row]:
    """The rows of the value table of a record, those of the open transaction too."""
    batch = active_batch(lake)
    operations = [] if batch is None else _done.get(batch, {}).get((table, uid), [])
    return list(_after(lake, table, uid, operations).values.values())


def _of_feature(row: Row) -> bool:
    return row["feature_uid"] is not None and row["registry"] != "schema"


def _after(lake: Lake, table: str, uid: str, operations: Iterable[_Operation]) -> _Rows:
    """The committed rows of a record as some operations leave them."""
    links = lake.state.prefix(link_table(table), uid, ALL)
    values = lake.state.prefix("feature_value", uid, ALL)
    rows = _Rows(
        {r["uid"]: r for r in links if _of_feature(r)},
        {r["uid"]: r for r in values if r["registry"] == table},
    )
    for operation in operations:
        operation(rows)
    return rows


def stamps_of(lake: Lake, now: datetime) -> dict[str, Any]:
    """Who made a link or value, when, and in which run."""
    stamps = lake.stamps
    return {
        "created_at": now,
        "created_by_uid": stamps.get("created_by_uid"),
        "run_uid": stamps.get("run_uid"),
    }


def rows_of(
    batch: Batch, table: str, uid: str, prepared: Prepared, stamps: Mapping[str, Any]
) -> tuple[list[Row], list[Row]]:
    """The link rows and value rows of checked values, as a batch writes them."""
    links = [
        link_row(
            uid, target, batch.uid_of(target, label), feature_uid=feature.uid, slot=EXTERNAL,
            position=place if feature.dtype.kind == "list" else None, **stamps,
        )
        for feature, target, label, place in prepared.labels
    ]  # fmt: skip
    values = [
        value_row(table, uid, feature.uid, plain(value), slot=EXTERNAL, **stamps)
        for feature, value in prepared.values
    ]
    return links, values


def stage_values(
    batch: Batch, record: Any, prepared: Prepared, replaced: Callable[[Row], bool] | None
) -> None:
    """Let a batch write the values of a record.

    Args:
        batch: The batch.
        record: The artifact, run or record.
        prepared: Its checked values.
        replaced: Which of its present rows go; None leaves all and adds.
    """
    stamps = stamps_of(record._lake, batch.now)

    def operation(rows: _Rows) -> None:
        links, values = rows_of(batch, record.meta.table, record.uid, prepared, stamps)
        for present, new in ((rows.links, links), (rows.values, values)):
            wanted = {r["uid"] for r in new}
            if replaced is not None:
                for uid in [u for u, r in present.items() if u not in wanted and replaced(r)]:
                    del present[uid]
            for row in new:
                known = present.get(row["uid"])
                if known is None and replaced is None and row.get("position") is not None:
                    row["position"] = _end(present, row["feature_uid"])
                if known is None:
                    present[row["uid"]] = row
                elif replaced is not None and known.get("position") != row.get("position"):
                    present[row["uid"]] = {**known, "position": row["position"]}

    _stage(batch, record, operation)


def _end(rows: Mapping[str, Row], feature_uid: str) -> int:
    """The place after the last one of a list."""
    places = [r["position"] for r in rows.values() if r["feature_uid"] == feature_uid]
    return max((p for p in places if p is not None), default=-1) + 1


def remove_rows(record: Any, gone: Callable[[Row], bool], batch: Batch) -> None:
    """Let a batch delete rows of a record."""

    def operation(rows: _Rows) -> None:
        for present in (rows.links, rows.values):
            for uid in [u for u, r in present.items() if gone(r)]:
                del present[uid]

    _stage(batch, record, operation)


def _stage(batch: Batch, record: Any, operation: _Operation) -> None:
    table, lake = record.meta.table, record._lake
    operations = _done.setdefault(batch, {}).setdefault((table, record.uid), [])
    operations.append(operation)
    upto = len(operations)

    def stage(changes: Changes) -> None:
        uid = record.uid
        before = _after(lake, table, uid, operations[: upto - 1])
        after = _Rows(dict(before.links), dict(before.values))
        operation(after)
        pairs = (
            (link_table(table), before.links, after.links),
            ("feature_value", before.values, after.values),
        )
        committed = before if upto == 1 else _after(lake, table, uid, ())
        for name, old, new in pairs:
            known = committed.links if name != "feature_value" else committed.values
            moved = {u for u, r in new.items() if u in old and r is not old[u] and r != old[u]}
            for one in moved & known.keys():
                changes.update(name, one, {"position": new[one]["position"]})
            unlink(changes, name, (old.keys() - new.keys()) | (moved - known.keys()))
            fresh = [r for u, r in new.items() if u not in old or u in moved - known.keys()]
            if fresh:
                changes.insert(name, fresh, if_absent=True)

    batch.stage(stage)


def external(row: Row) -> bool:
    """Whether a row was set by somebody, not found in the dataset."""
    return row["slot"] in SLOTS


def of_features(uids: Iterable[str]) -> Callable[[Row], bool]:
    """Whether a row is an external one of some features."""
    wanted = frozenset(uids)
    return lambda row: row["slot"] in SLOTS and row["feature_uid"] in wanted


def stage_many(batch: Batch, pairs: Sequence[tuple[Any, Prepared]]) -> None:
    """Let a batch write the values of many new records of one registry."""
    stamps = stamps_of(pairs[0][0]._lake, batch.now)

    def stage(changes: Changes) -> None:
        table = pairs[0][0].meta.table
        links: list[Row] = []
        values: list[Row] = []
        for record, prepared in pairs:
            mine = rows_of(batch, table, record.uid, prepared, stamps)
            links += mine[0]
            values += mine[1]
        changes.insert(link_table(table), links, if_absent=True)
        changes.insert("feature_value", values, if_absent=True)

    batch.stage(stage)


# -- Feature values of many new records at once: columns of a table as links and values


_SPECIAL = r'["\\\x00-\x1f]'


def texts_of(column: Any, dtype: DType, *, convert: bool) -> list[str | None]:
    """JSON texts of checked values; None where there is none."""
    kind = dtype.kind
    if isinstance(column, pa.ChunkedArray | pa.Array):
        array = column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column
        if pt.is_dictionary(array.type):
            array = array.cast(array.type.value_type)
        fast = _fast_texts(array, kind)
        if fast is not None:
            return fast
        column = array.to_pylist()
    return [None if is_null(v) else encoded(as_dtype(v, dtype, convert=convert)) for v in column]


def _fast_texts(array: pa.Array, kind: str) -> list[str | None] | None:
    found: list[str | None]
    if kind == "float" and (pt.is_floating(array.type) or pt.is_integer(array.type)):
        numbers = array.cast(pa.float64())
        if pc.any(pc.is_inf(numbers)).as_py():
            return None
        text = orjson.dumps(numbers.to_pylist()).decode()[1:-1]
        found = [None if t == "null" else t for t in text.split(",")] if text else []
        return found
    if kind in ("int", "num") and pt.is_integer(array.type):
        found = array.cast(pa.string()).to_pylist()
        return found
    if kind in ("str", "url", "path") and (
        pt.is_string(array.type) or pt.is_large_string(array.type)
    ):
        if pc.any(pc.match_substring_regex(array, _SPECIAL)).as_py():
            return None
        quoted = pc.binary_join_element_wise('"', array.cast(pa.string()), '"', "")
        found = quoted.to_pylist()
        return found
    return None


def value_table(
    spec: TableSpec,
    registry: str,
    uids: Sequence[str],
    feature: Known,
    texts: Sequence[str | None],
    stamps: Mapping[str, Any],
) -> pa.Table:
    """Rows of the value table for one feature of many records."""
    pairs = [(uid, text) for uid, text in zip(uids, texts, strict=True) if text is not None]
    values = [text for _, text in pairs]
    distinct = list(dict.fromkeys(values))
    ends = dict(zip(distinct, tails(registry, feature.uid, EXTERNAL, distinct), strict=True))
    columns = {
        "uid": [uid + ends[text] for uid, text in pairs],
        "subject_uid": [uid for uid, _ in pairs],
        "value": values,
    }
    constants = {"registry": registry, "feature_uid": feature.uid, "slot": EXTERNAL, **stamps}
    return _table(spec, columns, constants, len(values))


def tails(registry: str, feature_uid: str, slot: str, texts: Sequence[str]) -> list[str]:
    """What `tables.tail` gives for each text, ten times as fast for ten thousand."""
    if not texts:
        return []
    head = hashlib.blake2b("\x1f".join((registry, feature_uid, slot, "")).encode(), digest_size=16)
    digests = bytearray()
    for text in texts:
        one = head.copy()
        one.update(text.encode("utf-8", "surrogatepass"))
        digests += one.digest()
    limbs = np.frombuffer(bytes(digests), ">u4").reshape(len(texts), 4).astype(np.uint64)
    for _ in range(2):  # the last ten of 22 digits aren't wanted
        limbs, _rest = _divided(limbs, 62**5)
    digits = np.empty((len(texts), 12), np.uint8)
    for place in range(8, -1, -4):
        limbs, four = _divided(limbs, 62**4)
        for i in range(3, -1, -1):
            four, digit = np.divmod(four, np.uint64(62))
            digits[:, place + i] = digit
    letters = np.frombuffer(ALPHABET.encode(), np.uint8)[digits].tobytes().decode()
    return [letters[i : i + 12] for i in range(0, len(letters), 12)]


def _divided(limbs: np.ndarray[Any, Any], by: int) -> tuple[np.ndarray[Any, Any], Any]:
    """Long division of numbers of four 32-bit limbs: quotients, remainders."""
    divisor, rest = np.uint64(by), np.zeros(len(limbs), np.uint64)
    out = np.empty_like(limbs)
    for i in range(limbs.shape[1]):
        out[:, i], rest = np.divmod((rest << np.uint64(32)) | limbs[:, i], divisor)
    return out, rest


def link_rows(
    spec: TableSpec,
    uids: Sequence[str],
    feature: Known,
    column: Any,
    matches: Sequence[Matches],
    table_of: Callable[[str], str],
    stamps: Mapping[str, Any],
) -> pa.Table:
    """Rows of a link table for one categorical feature of many records.

    Args:
        spec: The link table.
        uids: The records.
        feature: The feature.
        column: Its values: texts, or lists of texts.
        matches: Which texts are which labels, by registry.
        table_of: The table of a registry.
        stamps: Who made the links, when.
    """
    known: dict[str, tuple[str, str]] = {}
    for match in matches:
        table = table_of(match.target.registry)
        for text, uid in zip(match.values.to_pylist(), match.uids.to_pylist(), strict=True):
            if uid is not None:
                known.setdefault(text, (table, uid))
    ends = {text: tail(table, uid, feature.uid, EXTERNAL) for text, (table, uid) in known.items()}
    listed = feature.dtype.kind == "list"
    out: dict[str, list[Any]] = {
        n: [] for n in ("uid", "subject_uid", "registry", "target_uid", "position")
    }
    values = column.to_pylist() if hasattr(column, "to_pylist") else list(column)
    for subject, value in zip(uids, values, strict=True):
        if is_null(value):
            continue
        texts = dict.fromkeys(value) if isinstance(value, list | tuple) else (value,)
        for place, text in enumerate(texts):
            if text is None:
                continue
            table, target = known[text]
            out["uid"].append(subject + ends[text])
            out["subject_uid"].append(subject)
            out["registry"].append(table)
            out["target_uid"].append(target)
            out["position"].append(place if listed else None)
    constants = {"feature_uid": feature.uid, "slot": EXTERNAL, **stamps}
    return _table(spec, out, constants, len(out["uid"]))


def _table(
    spec: TableSpec, columns: Mapping[str, list[Any]], constants: Mapping[str, Any], n: int
) -> pa.Table:
    arrays = []
    for column in spec.columns:
        type_ = column.arrow_type
        if column.name in columns:
            arrays.append(pa.array(columns[column.name], type_))
        else:
            arrays.append(pa.repeat(pa.scalar(constants.get(column.name), type_), n))
    return pa.Table.from_arrays(arrays, names=list(spec.column_names))
