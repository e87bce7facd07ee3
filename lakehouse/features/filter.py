"""Filtering artifacts, runs and records by features: `Artifact.filter(cell_type="T cell")`.

The records that fulfil a condition are found in the narrow tables of links and values with
Arrow, and become a set of uids: DuckDB would convert every text of those tables first.
"""

from __future__ import annotations

import datetime
import threading
from collections import OrderedDict
from collections.abc import Sequence
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from lakehouse.errors import (
    InvalidArgument,
    ObjectDoesNotExist,
    UnknownField,
    near,
)
from lakehouse.features.codec import decoded, encoded
from lakehouse.features.reference import Known, named, only_named
from lakehouse.orm import BaseRecord, Condition, Lake, QuerySet
from lakehouse.orm.model.checks import check_same_lake
from lakehouse.orm.model.meta import FeatureLookup
from lakehouse.orm.model.operands import Subject, several
from lakehouse.orm.query.lookups import NAMES, Question, ask, fitted
from lakehouse.schema import CatTarget, DType
from lakehouse.terms.find import found_by

# -- Look-ups on stored feature values, which are JSON texts: asking them a column at once


_KINDS = {
    **dict.fromkeys(("path", "url"), "str"),
    **dict.fromkeys(("dict", "object", "bytes", "cat"), "json"),
}
_NUMBERS = ("int", "float", "num")
_AS_WRITTEN = {"str": ("exact", "ne", "in"), "bool": ("exact", "ne", "in")}

Mask = Any  # a boolean Arrow array, chunked or not


def asked_of(name: str, dtype: DType, rest: Sequence[str], value: Any) -> Question:
    """The question that the rest of a look-up puts to a feature.

    Args:
        name: The feature's name.
        dtype: Its dtype.
        rest: What follows the name: keys of a dictionary, then a look-up, or nothing.
        value: What is compared with.

    Raises:
        UnknownField: There is no such look-up.
        FieldValidationError: The value is of the wrong type.
    """
    kind = _KINDS.get(dtype.kind, dtype.kind)
    item = dtype.item.kind if dtype.item else "json"
    return ask(Subject(name, kind, "feature", item=_KINDS.get(item, item)), rest, value)


def fulfilling(texts: pa.ChunkedArray, dtype: DType, question: Question) -> Mask:
    """Which stored values fulfil a look-up, `negated` left aside.

    Args:
        texts: JSON texts of one feature's values.
        dtype: The feature's dtype.
        question: What is asked of it.
    """
    if question.row.arrow and not (question.keys or question.part or question.each):
        found = _by_arrow(texts, dtype, question)
        if found is not None:
            return found
    distinct = texts.unique().drop_null().to_pylist()
    fits = question.test()
    hits = [text for text in distinct if fits(decoded(text, dtype))]
    return pc.is_in(texts, value_set=pa.array(hits, pa.string()))


def _by_arrow(texts: pa.ChunkedArray, dtype: DType, question: Question) -> Mask | None:
    row, operand, kind = question.row, question.operand, question.kind
    assert row.arrow is not None
    if (kind == "date" and row.sees == "value") or row.name in _AS_WRITTEN.get(kind, ()):
        several = isinstance(operand, tuple)
        return row.arrow(texts, [encoded(v) for v in operand] if several else encoded(operand))
    if kind == "str":
        distinct = texts.unique().drop_null()
        values = pa.array([decoded(text, dtype) for text in distinct.to_pylist()], pa.string())
        hits = distinct.filter(row.arrow(values, operand))
        return pc.is_in(texts, value_set=hits)
    if kind in _NUMBERS and row.sees == "value" and row.name != "isnull":
        column = _numbers(texts)
        if column is None:
            return None
        operand = fitted(row, operand, "int" if pa.types.is_int64(column.type) else "float")
        told = operand if isinstance(operand, tuple) else (operand,)
        # an integer that no column has is told by Python, and by no cast
        if all(isinstance(v, float) or (v is not None and _fits(v)) for v in told):
            return row.arrow(column, operand)
    return None


def _fits(number: int) -> bool:
    return -(2**63) <= number < 2**63


def _numbers(texts: pa.ChunkedArray) -> pa.ChunkedArray | None:
    """Numbers as Arrow has them, or None where that might lose a digit."""
    try:
        return texts.cast(pa.int64())
    except pa.ArrowInvalid:
        pass
    if pc.any(pc.match_substring_regex(texts, r"^-?\d{16,}$")).as_py():
        return None  # a whole number that a double may not hold
    try:
        return texts.cast(pa.float64())
    except pa.ArrowInvalid:
        return None


_KEPT = 64
_WITH = "{row}.uid IN (SELECT v FROM {uids})"
_WITHOUT = f"NOT ({_WITH})"


def lookup_on(table: str) -> FeatureLookup:
    """What a registry's filters do with names that are no fields.

    Args:
        table: The registry's table.
    """

    def look_up(lake: Lake, name: str, rest: list[str], value: Any) -> Condition | None:
        rows = named(lake, [name]).get(name)
        if not rows:
            _suggest(lake, table, name)
            return None
        return condition_on(lake, table, only_named(lake, name, rows), rest, value)

    return look_up


def condition_on(
    lake: Lake, table: str, feature: Known, rest: Sequence[str], value: Any
) -> Condition:
    """The condition that a record has a fitting value of a feature.

    Args:
        lake: The lake.
        table: The table of the records.
        feature: The feature.
        rest: What follows its name: keys of a dictionary, a path of the label, a look-up.
        value: What is compared with.

    Raises:
        UnknownField: There is no such look-up.
        FieldValidationError: The value can't be compared with the feature.
        ObjectDoesNotExist: There is no label of this name.
    """
    holders, negated = _holders(lake, table, feature, list(rest) or ["exact"], value)
    return Condition(_WITHOUT if negated else _WITH, uids=holders, only=not negated)


# -- finding the holders ---------------------------------------------------------------

Found = tuple[pa.ChunkedArray, bool]
"""Uids of records, and whether all others are meant."""
_memo: OrderedDict[Any, Found] = OrderedDict()
_memo_lock = threading.Lock()


def _holders(lake: Lake, table: str, feature: Known, look_up: list[str], value: Any) -> Found:
    """The uids of the records, remembered as long as the state is the same.

    A query set compiles its conditions when it is made, to refuse wrong names, and when it is
    read.
    """
    by = _by_label if feature.dtype.is_categorical else _by_value
    state = lake.state
    try:
        asked = _frozen(value)
    except TypeError:
        return by(lake, table, feature, look_up, value)
    seen = (lake.uid, state.seq, state.commit_id, lake.view_key)
    key = (*seen, table, feature, tuple(look_up), asked)
    with _memo_lock:
        found = _memo.get(key)
    if found is None:
        found = by(lake, table, feature, look_up, value)
        with _memo_lock:
            _memo[key] = found
            while len(_memo) > _KEPT:
                _memo.popitem(last=False)
    return found


def _frozen(value: Any) -> Any:
    """What a value is remembered by.

    Raises:
        TypeError: Nothing short tells it from all others; texts of arrays leave items out.
    """
    if isinstance(value, BaseRecord):
        return (value.meta.name, value.uid)
    if isinstance(value, str | int | float | bool) or value is None:
        return (type(value), value)
    if isinstance(value, list | tuple | set):
        return (type(value), tuple(_frozen(v) for v in value))
    if isinstance(value, datetime.date | datetime.time):
        return (type(value), value)
    raise TypeError(type(value).__name__)


def _of_feature(rows: pa.Table, uid: str, columns: list[str]) -> pa.Table:
    mask = pc.equal(rows["feature_uid"], uid)
    return rows.select(columns).filter(mask)


def _by_value(lake: Lake, table: str, feature: Known, look_up: list[str], value: Any) -> Found:
    question = asked_of(feature.name, feature.dtype, look_up, value)
    rows = lake.state.arrow("feature_value")
    mask = pc.and_(pc.equal(rows["feature_uid"], feature.uid), pc.equal(rows["registry"], table))
    rows = rows.select(["subject_uid", "value"]).filter(mask)
    fits = fulfilling(rows["value"], feature.dtype, question)
    return rows["subject_uid"].filter(pc.fill_null(fits, False)), question.negated


def _by_label(lake: Lake, table: str, feature: Known, look_up: list[str], value: Any) -> Found:
    rows = lake.state.arrow(f"{table}_link")
    rows = _of_feature(rows, feature.uid, ["subject_uid", "registry", "target_uid"])
    negated = look_up == ["ne"]
    if look_up == ["isnull"] or (value is None and look_up in (["exact"], ["iexact"], ["ne"])):
        question = asked_of(feature.name, DType("str"), look_up, value)
        return rows["subject_uid"], question.negated
    look_up = ["exact"] if negated else look_up
    mask = None
    for target_table, uids in _labels(lake, feature, look_up, value).items():
        hit = pc.and_(
            pc.equal(rows["registry"], target_table),
            pc.is_in(rows["target_uid"], pa.array(sorted(uids), pa.string())),
        )
        mask = hit if mask is None else pc.or_(mask, hit)
    uids = rows["subject_uid"]
    return uids.slice(0, 0) if mask is None else uids.filter(mask), negated


def _labels(lake: Lake, feature: Known, look_up: list[str], value: Any) -> dict[str, set[str]]:
    """The labels that are meant, as uids by table."""
    targets = feature.dtype.all_targets or (CatTarget("ULabel"),)
    if look_up in (["exact"], ["in"]):
        one = look_up == ["exact"]
        values = [value] if one else several(Subject(feature.name, "str", "feature"), "in", value)
        return _exactly(lake, feature, targets, values, strict=one)
    out: dict[str, set[str]] = {}
    for target in targets:
        registry = lake.directory.get(target.registry)
        query: QuerySet[Any] = QuerySet(registry, lake)
        path = [target.field, *look_up] if look_up[0] in NAMES[""] else look_up
        hits = query.filter(**{"__".join(path): value})
        out.setdefault(registry.meta.table, set()).update(hits.to_list("uid"))
    return out


def _exactly(
    lake: Lake,
    feature: Known,
    targets: Sequence[CatTarget],
    values: list[Any],
    *,
    strict: bool,
) -> dict[str, set[str]]:
    out: dict[str, set[str]] = {}
    texts: list[str] = []
    for value in values:
        if isinstance(value, str):
            texts.append(value)
            continue
        if not hasattr(value, "_values") or value.meta.name not in {t.registry for t in targets}:
            expected = " or ".join(t.registry for t in targets)
            raise InvalidArgument(
                f"The feature {feature.name!r} is compared with names, or records of {expected}.",
                found=f"{value!r} ({type(value).__name__})",
            )
        check_same_lake(value, lake, "the query")
        out.setdefault(value.meta.table, set()).add(value.uid)
    found: set[str] = set()
    for target in targets:
        wide = CatTarget(target.registry, target.field)
        for text, records in (found_by(lake, wide, texts) if texts else {}).items():
            found.add(text)
            for table, uid in records:
                out.setdefault(table, set()).add(uid)
    missing = [text for text in texts if text not in found]
    if strict and missing:
        target = targets[0]
        raise ObjectDoesNotExist(
            f"Did not find a {target.registry.rpartition('.')[2]} matching "
            f"`{target.field}={missing[0][:200]}`",
            expected=_near_labels(lake, target, missing[0]),
            hint=f"to search in names: {feature.name}__icontains=…",
        )
    return out


def _near_labels(lake: Lake, target: CatTarget, text: str) -> str | None:
    rows = lake.state.arrow(lake.directory.get(target.registry).meta.table)
    if rows.num_rows > 20_000:
        return None
    return ", ".join(near(text, {str(n) for n in rows[target.field].to_pylist() if n})) or None


def _suggest(lake: Lake, table: str, name: str) -> None:
    """Raise an error that names the features which a misspelt one may mean, if there are any."""
    known = {n for n in lake.state.arrow("feature")["name"].to_pylist() if n}
    meta = lake.directory.by_table[table].meta
    close = near(name, [*known, *meta.names()])
    if known.intersection(close):
        raise UnknownField(
            f"{meta.name} has no field or feature {name!r}.",
            expected=", ".join(close),
            hint=f"ln.Feature(name={name!r}, dtype=…).save()",
        )
