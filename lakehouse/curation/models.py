"""pydantic models generated from a spec, for values that aren't columns."""

from __future__ import annotations

import datetime
from collections.abc import Callable, Iterable, Sequence
from numbers import Integral
from pathlib import PurePath
from typing import Annotated, Any

import numpy as np
import pydantic

from lakehouse.curation.chunks import accepts_value, is_missing, is_sequence, is_text
from lakehouse.curation.coercion import coerce_value
from lakehouse.curation.rules.dicts import dict_of_text
from lakehouse.curation.spec import ColumnRule, DatasetSpec
from lakehouse.schema import DType

PYTHON_TYPES: dict[str, Any] = {
    "int": int,
    "float": float,
    "num": int | float,
    "str": str,
    "path": str,
    "url": str,
    "bool": bool,
    "date": datetime.date,
    "datetime": datetime.datetime,
    "time": datetime.time,
    "dict": dict[str, Any],
    "bytes": bytes,
    "object": Any,
}

# JSON has no dates, so their ISO texts are read without being asked.
_FROM_TEXT = ("date", "datetime", "time")

_PLAIN: dict[str, Callable[[Any], Any]] = {
    "int": int,
    "float": float,
    "num": lambda value: int(value) if isinstance(value, Integral) else float(value),
    "bool": bool,
}


def python_type(dtype: DType) -> Any:
    """The Python annotation of a dtype; a categorical is one text or several."""
    if dtype.kind == "list":
        if dtype.item is None:
            return list[Any]
        item = str if dtype.item.kind == "cat" else python_type(dtype.item)
        return list[item]  # type: ignore[valid-type]
    if dtype.kind == "cat":
        return str | list[str]
    return PYTHON_TYPES[dtype.kind]


def model_of(
    spec: DatasetSpec, rules: Sequence[ColumnRule] | None = None
) -> type[pydantic.BaseModel]:
    """A pydantic model of one set of values that fulfils a spec.

    Feature names are the aliases of its fields: construct it with
    `model_validate({"cell count": 3})`, and dump it with `by_alias=True`. Categories are
    not looked up here; `validate_values` does that.

    Args:
        spec: The spec.
        rules: The rules that count; by default those of the spec's columns.
    """
    fields: dict[str, Any] = {}
    for position, rule in enumerate(spec.columns if rules is None else rules):
        annotation = python_type(rule.dtype)
        if rule.nullable and annotation is not Any:
            annotation = annotation | None
        read = pydantic.BeforeValidator(_reader(rule, convert=spec.coerces(rule)))
        missing = ... if spec.is_required(rule) else rule.default
        # Feature names need not be Python names, so fields go by position.
        fields[f"f{position}"] = (
            Annotated[annotation, read],
            pydantic.Field(missing, alias=rule.name),
        )
    config = pydantic.ConfigDict(extra="forbid" if spec.maximal_set else "allow", strict=True)
    return pydantic.create_model("Values", __config__=config, **fields)


def listed(values: Iterable[Any]) -> list[Any]:
    """A sequence of any kind as a list, without numpy's scalars, which strict models refuse."""
    return [v.item() if isinstance(v, np.generic) else v for v in values]


def texts_in(value: Any) -> list[str]:
    """The text that a value is, or the texts that it lists."""
    return [v for v in (value if isinstance(value, list) else [value]) if isinstance(v, str)]


def _reader(rule: ColumnRule, *, convert: bool) -> Callable[[Any], Any]:
    """What happens to a value before its type is checked."""
    dtype: DType = rule.dtype

    def read(value: Any) -> Any:
        if is_missing(value):
            if not rule.nullable and rule.default is None:
                raise ValueError("null values are not allowed")
            return rule.default
        if dtype.kind in ("cat", "list") and is_sequence(value):
            value = listed(value)
        if not all(map(is_text, texts_in(value))):
            raise ValueError("no valid Unicode")
        if dtype.kind == "dict" and isinstance(value, str):
            return dict_of_text(value)
        if dtype.kind == "path" and isinstance(value, PurePath):
            return str(value)
        if convert or (dtype.kind in _FROM_TEXT and isinstance(value, str)):
            return coerce_value(value, dtype)
        if dtype.kind in ("int", "float", "num", "bool") and accepts_value(dtype, value):
            # numpy's and decimal's numbers are none to a strict model.
            return _PLAIN[dtype.kind](value)
        return value

    return read
