"""Features of a table's columns or a dictionary's keys, their dtypes read off the values."""

from __future__ import annotations

import datetime
import re
from collections.abc import Mapping
from types import GenericAlias
from typing import TYPE_CHECKING, Any

from lakehouse._lazy import is_a
from lakehouse.annotation.known import guessed
from lakehouse.curation import as_arrow
from lakehouse.errors import InvalidArgument
from lakehouse.orm.record_list import RecordList
from lakehouse.schema import CatTarget, DType, infer_dtype

if TYPE_CHECKING:
    from lakehouse.registries.feature import Feature

_ISO = re.compile(r"\d{4}-\d\d-\d\d(?:$|[T ]\d\d:)")
_DATE = len("2024-05-06")
_OBJECTS: dict[str, Any] = {
    "int": int,
    "float": float,
    "num": float,
    "str": str,
    "path": str,
    "url": str,
    "bool": bool,
    "dict": dict,
    "object": object,
}


def of_columns(registry: type[Feature], df: Any, **fields: Any) -> RecordList[Feature]:
    """A feature per column of a table; categories become labels of `ULabel`."""
    if is_a(df, "pandas.DataFrame"):
        df = df.reset_index(drop=True)
    schema = as_arrow(df).schema
    found: RecordList[Feature] = RecordList()
    for column in schema:
        dtype = infer_dtype(column.type)
        if dtype.kind == "cat":
            dtype = DType("cat", targets=(CatTarget("ULabel"),))
        found.append(_made(registry, column.name, str(dtype), fields))
    return found


def of_values(
    registry: type[Feature], dictionary: Mapping[str, Any], **fields: Any
) -> RecordList[Feature]:
    """A feature per key of a dictionary.

    Raises:
        InvalidArgument: It is no dictionary, or the dtype of a value can't be told.
    """
    if not isinstance(dictionary, Mapping):
        raise InvalidArgument(
            "Features are made of a dictionary's keys and values.",
            found=f"{dictionary!r} ({type(dictionary).__name__})",
            hint="ln.Feature.from_dict({'temperature': 21.6})",
        )
    dtypes = {
        name: _moment(value) or guessed(value).replace("cat ? str", "str")
        for name, value in dictionary.items()
    }
    if unclear := [name for name, dtype in dtypes.items() if dtype == "?"]:
        raise InvalidArgument(
            "The dtypes of some values can't be told.",
            found=", ".join(f"{name!r}: {dictionary[name]!r}" for name in unclear),
            hint=f"ln.Feature(name={unclear[0]!r}, dtype=…)",
        )
    return RecordList(_made(registry, name, dtype, fields) for name, dtype in dtypes.items())


def _moment(value: Any) -> str | None:
    """The dtype of a text that is a date or a time in ISO 8601: `2024-05-06T10:30:00`."""
    if not isinstance(value, str) or not _ISO.match(value):
        return None
    try:
        datetime.datetime.fromisoformat(value)
    except ValueError:
        return None
    return "date" if len(value) == _DATE else "datetime"


def _made(registry: type[Feature], name: str, dtype: str, fields: Mapping[str, Any]) -> Feature:
    """A new feature, or the existing one of this name, whatever its dtype."""
    known = registry.filter(name=name, is_type=False, **fields)
    found = known.filter(type=None).first() or known.first() if not fields else known.first()
    return found if found is not None else registry(name=name, dtype=dtype, **fields)


def dtype_object(feature: Feature) -> Any:
    """What a feature's dtype says, as a Python type, a record type, or a registry's field.

    A list gives `list[…]` of these, and a union a list of them.
    """
    return None if (dtype := feature.parsed_dtype) is None else _object(feature, dtype)


def _object(feature: Feature, dtype: DType) -> Any:
    if dtype.kind == "list":
        return list if dtype.item is None else GenericAlias(list, (_object(feature, dtype.item),))
    if dtype.kind in _OBJECTS:
        return _OBJECTS[dtype.kind]
    if dtype.kind in ("date", "datetime", "time"):
        return getattr(datetime, dtype.kind)
    found = [_target_object(feature, target) for target in dtype.targets]
    return found[0] if len(found) == 1 else found or None


def _target_object(feature: Feature, target: CatTarget) -> Any:
    registry = feature._lake.directory.get(target.registry)
    if not target.type_path:
        return getattr(registry, target.field)
    found = None
    for name in target.type_path:
        types = registry.filter(is_type=True, type=found)
        found = types.filter(name=name).one_or_none() or types.filter(uid=name).one()
    return found
