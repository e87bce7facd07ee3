"""Conditions of a schema's features, as they are stored and as validation takes them.

Stored conditions are plain values. A bound of a date is its ISO text, and `custom` names the
model class whose own validators are meant, as `module:Class.field`; `module:Class` among the
conditions of `*` means those of whole rows. A `custom` without a colon names a column rule of an
extension, `plates.well`.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from lakehouse.config import notify
from lakehouse.curation import RowJudge, ValueJudge
from lakehouse.curation.coercion import coerce_value
from lakehouse.curation.rules.constraints import fault
from lakehouse.extension import rules_named
from lakehouse.schema import DType

ROWS = "*"
_BOUNDS = ("ge", "gt", "le", "lt")

# Validators of model classes that can't be imported again, e.g. of a notebook's.
_DEFINED: dict[str, Any] = {}


def define(place: str, validator: Callable[[Any], Any] | RowJudge) -> None:
    """Make the validator of a model's field, or of its rows, known under its place."""
    _DEFINED[place] = validator


def conditions(demanded: Mapping[str, Any], dtype: DType, feature: str) -> dict[str, Any]:
    """Stored conditions of one feature as the arguments of its checks."""
    found: dict[str, Any] = {}
    for name, argument in demanded.items():
        if name == "custom" and ":" not in str(argument):
            found[name] = _OfExtension(str(argument))
        elif name == "custom":
            validator = _validator(str(argument), feature)
            if validator is not None:
                found[name] = validator
        elif name in _BOUNDS and isinstance(argument, str):
            found[name] = coerce_value(argument, dtype)
        else:
            found[name] = argument
    return found


class _OfExtension:
    """A rule of an extension: who only looks at the schema needs no extension."""

    def __init__(self, name: str) -> None:
        self._name = name

    def faults(self, values: Sequence[Any]) -> Mapping[int, str]:
        """See `ValueJudge.faults`."""
        judge = rules_named("column_rules", self._name)
        if isinstance(judge, ValueJudge):
            return judge.faults(values)
        said = {at: fault("custom", judge, value) for at, value in enumerate(values)}
        return {at: text for at, text in said.items() if text is not None}


def row_judge(demanded: Mapping[str, Any], schema: str) -> RowJudge | None:
    """What judges the rows of a schema, if anything does."""
    place = demanded.get("custom")
    found: RowJudge | None = None if place is None else _validator(str(place), f"rows of {schema}")
    return found


def _validator(place: str, feature: str) -> Any:
    """The validator at a place; modules aren't imported because stored data name them."""
    if place not in _DEFINED:
        module, _, path = place.partition(":")
        found: Any = sys.modules.get(module)
        for name in path.split("."):
            if hasattr(found, "describe_fields"):
                break
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
