"""Features as validation needs them, and finding those that keys mean."""

from __future__ import annotations

import datetime
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from lakehouse.errors import (
    MultipleObjectsReturned,
    TypeMismatch,
    ValidationError,
)
from lakehouse.orm import Lake
from lakehouse.orm.model.checks import check_same_lake, is_saved
from lakehouse.orm.model.context import active_batch
from lakehouse.schema import DType, parse_dtype
from lakehouse.text.printable import encodable
from lakehouse.walks import reached

_COLUMNS = ["uid", "name", "dtype", "nullable", "coerce", "is_type", "type_uid", "branch_uid"]


@dataclass(frozen=True)
class Known:
    """A feature as its row says it.

    Attributes:
        uid: Its uid.
        name: Its name.
        dtype: Its dtype.
        nullable: Whether it may have no value.
        coerce: Whether values of other types are converted.
        type_uid: The type that it lies under.
        default: What a schema's feature has where no value is given.
    """

    uid: str
    name: str
    dtype: DType
    nullable: bool = True
    coerce: bool = False
    type_uid: str | None = None
    default: Any = None

    @classmethod
    def of(cls, row: Mapping[str, Any]) -> Known:
        """A feature of its row."""
        return cls(
            row["uid"],
            row["name"],
            parsed(row.get("dtype") or "object"),
            row.get("nullable") is not False,
            bool(row.get("coerce")),
            row.get("type_uid"),
            row.get("default_value"),
        )


@lru_cache(maxsize=4_096)
def parsed(text: str) -> DType:
    """A dtype of its text; features share few."""
    return parse_dtype(text)


def resolve(
    lake: Lake, keys: Iterable[Any], values: Mapping[Any, Any], members: Iterable[Known] = ()
) -> dict[Any, Known]:
    """The features that keys mean: feature records, or names.

    A name means a member of the schema, if there is one; else the feature that lies under the
    fewest types.

    Args:
        lake: The lake.
        keys: Names or feature records.
        values: What the keys are to have, for the error's suggestions.
        members: The features of a schema that applies.

    Raises:
        ValidationError: There are no features of some names, or several of one.
    """
    found: dict[Any, Known] = {}
    names: dict[str, list[Known]] = {}
    for member in members:
        names.setdefault(member.name, []).append(member)
    wanted: list[str] = []
    for key in keys:
        if isinstance(key, str):
            if key in names:
                found[key] = _only(key, names[key], lake)
            else:
                wanted.append(key)
        else:
            found[key] = _of_record(lake, key)
    rows = named(lake, wanted) if wanted else {}
    if missing := [name for name in wanted if name not in rows]:
        raise ValidationError(unknown_text(missing, values))
    for name in wanted:
        found[name] = _only(name, [Known.of(r) for r in rows[name]], lake)
    return found


def _of_record(lake: Lake, key: Any) -> Known:
    if getattr(getattr(key, "meta", None), "table", None) != "feature":
        raise TypeMismatch(
            "The keys of feature values are names or features.",
            found=f"{key!r} ({type(key).__name__})",
            expected="`str` or `Feature`",
        )
    check_same_lake(key, lake, "what it is a feature of")
    if not is_saved(lake, key):
        raise ValidationError(f"{key!r} isn't saved.", hint="call .save() on the feature first")
    return Known.of(key._values)


def named(lake: Lake, names: Iterable[str]) -> dict[str, list[dict[str, Any]]]:
    """The rows of visible features of some names, those of the open transaction too."""
    wanted = [name for name in names if encodable(name)]
    rows = lake.state.arrow("feature").select(_COLUMNS)
    if len(wanted) == 1:
        rows = rows.filter(pc.equal(rows["name"], wanted[0]))
    else:
        rows = rows.filter(pc.is_in(rows["name"], pa.array(wanted, pa.string())))
    found: dict[str, list[dict[str, Any]]] = {}
    for row in rows.to_pylist():
        if row["branch_uid"] in lake.visible_branches and not row["is_type"]:
            found.setdefault(row["name"], []).append(row)
    batch = active_batch(lake)
    if batch is not None:
        for record in batch._new.get("feature", []):
            if record._values.get("name") in wanted and not record._saved:
                row = {"type_uid": None, **record._values, "uid": record.uid}
                found.setdefault(row["name"], []).append(row)
    return found


def shallowest(lake: Lake, features: list[Known]) -> tuple[int, list[Known]]:
    """Of features of one name, those under the fewest types, and under how many."""
    if len(features) == 1:
        return 0, features
    depths = [(_depth(lake, f.type_uid), f) for f in features]
    least = min(depth for depth, _ in depths)
    return least, [f for depth, f in depths if depth == least]


def _depth(lake: Lake, type_uid: str | None) -> int:
    def following(level: list[str]) -> Iterable[str]:
        rows = (lake.state.row("feature", uid) for uid in level)
        return (row["type_uid"] for row in rows if row is not None and row["type_uid"] is not None)

    return len(reached([] if type_uid is None else [type_uid], following))


def _only(name: str, features: list[Known], lake: Lake) -> Known:
    depth, found = shallowest(lake, features)
    if len(found) > 1:
        raise ValidationError(
            ambiguous_text(lake, name, depth, found), hint="pass the Feature object as the key"
        )
    return found[0]


def only_named(lake: Lake, name: str, rows: list[dict[str, Any]]) -> Known:
    """The one feature that a name in a filter means.

    Raises:
        MultipleObjectsReturned: There are several.
    """
    depth, found = shallowest(lake, [Known.of(r) for r in rows])
    if len(found) > 1:
        raise MultipleObjectsReturned(
            ambiguous_text(lake, name, depth, found), hint="filter(feature == value)"
        )
    return found[0]


def ambiguous_text(lake: Lake, name: str, depth: int, found: list[Known]) -> str:
    """That a name means several features."""
    rows = lake.state.rows("feature", [f.type_uid for f in found if f.type_uid is not None])
    types = [row["name"] for row in rows]
    return (
        f"Ambiguous match for Feature {name!r}: found {len(found)} features at depth {depth} "
        f"(under types: {types})"
    )


def unknown_text(names: list[str], values: Mapping[Any, Any]) -> str:
    """That there are no features of some names, and how to make them."""
    lines = [f"  ln.Feature(name={n!r}, dtype={guessed(values.get(n))!r}).save()" for n in names]
    return (
        f"These keys could not be validated: {names}\n"
        "Here is how to create a feature:\n\n" + "\n".join(lines)
    )


def guessed(value: Any) -> str:
    """The dtype that a value may have been meant with; `?` where nobody can tell."""
    kinds: tuple[tuple[Any, str], ...] = (
        (bool, "bool"),
        (int, "int"),
        (float, "float"),
        (str, "cat ? str"),
        (datetime.datetime, "datetime"),
        (datetime.date, "date"),
        (dict, "dict"),
    )
    if hasattr(value, "item") and not hasattr(value, "meta"):
        value = value.item() if getattr(value, "size", 2) == 1 else list(value)
    if hasattr(value, "meta"):
        return f"cat[{value.meta.name}]"
    for kind, text in kinds:
        if isinstance(value, kind):
            return text
    if isinstance(value, list | tuple | set) and value:
        items = {guessed(v) for v in value}
        return f"list[{items.pop()}]" if len(items) == 1 else "?"
    return "?"
