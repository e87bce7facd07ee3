"""Conditions of a schema's features, as they are stored and as validation takes them.

Stored conditions are plain values. A bound of a date is its ISO text, and `custom` names the
model class whose own validators are meant, as `module:Class.field`.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from typing import Any

from lakehouse.config import notify
from lakehouse.curation.coercion import coerce_value
from lakehouse.schema import DType

_BOUNDS = ("ge", "gt", "le", "lt")

# Validators of model classes that can't be imported again, e.g. of a notebook's.
_DEFINED: dict[str, Callable[[Any], Any]] = {}


def define(place: str, validator: Callable[[Any], Any]) -> None:
    """Make the validator of a model's field known under its place, for this process."""
    _DEFINED[place] = validator


def conditions(demanded: Mapping[str, Any], dtype: DType, feature: str) -> dict[str, Any]:
    """Stored conditions of one feature as the arguments of its checks."""
    found: dict[str, Any] = {}
    for name, argument in demanded.items():
        if name == "custom":
            validator = _validator(str(argument), feature)
            if validator is not None:
                found[name] = validator
        elif name in _BOUNDS and isinstance(argument, str):
            found[name] = coerce_value(argument, dtype)
        else:
            found[name] = argument
    return found


def _validator(place: str, feature: str) -> Callable[[Any], Any] | None:
    """The validator at a place; modules aren't imported because stored data name them."""
    if place not in _DEFINED:
        module, _, path = place.partition(":")
        found: Any = sys.modules.get(module)
        for name in path.split(".")[:-1]:
            found = getattr(found, name, None)
        if hasattr(found, "describe_fields"):
            list(found.describe_fields())  # which defines them
    if place not in _DEFINED:
        notify(
            f"the validator of {feature!r} can't be found at {place}, so it isn't applied: "
            "import the module that defines the model",
            "warning",
        )
    return _DEFINED.get(place)
