"""What pydantic's compiled models say of columns.

The conditions are read from the schema that pydantic itself compiled, so that whatever leads to
`{"type": "int", "ge": 0}` (`Field`, `conint`, `PositiveInt`, annotated types) is one condition.
What has no such form is left to judges.
"""

from __future__ import annotations

import datetime
import enum
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import pydantic

from lakehouse.curators.model.annotations import TERM

_BOUNDS = ("ge", "gt", "le", "lt")
_LENGTHS = ("min_length", "max_length")
# By core type, the conditions that mean the same on a column of that type.
_CONDITIONS: dict[str, tuple[str, ...]] = {
    "any": (),
    "bool": (),
    "bytes": _LENGTHS,
    "date": _BOUNDS,
    "datetime": _BOUNDS,
    "float": (*_BOUNDS, "multiple_of", "allow_inf_nan"),
    "int": (*_BOUNDS, "multiple_of"),
    "list": _LENGTHS,
    "str": (*_LENGTHS, "pattern"),
    "time": _BOUNDS,
}
_NEUTRAL = (
    *("type", "ref", "metadata", "serialization", "strict", "microseconds_precision"),
    *("items_schema", "fail_fast", "cls", "members", "sub_type", "expected"),
)
# Settings of a model that change what its fields accept.
_SETTINGS = (
    *("str_strip_whitespace", "str_to_lower", "str_to_upper", "str_min_length", "str_max_length"),
    *("regex_engine", "allow_inf_nan", "coerce_numbers_to_str"),
)
_AROUND = ("function-before", "function-wrap", "function-plain")


@dataclass
class Core:
    """What the compiled schema of one field says.

    Attributes:
        conditions: Those that apply to whole columns, as schemas store them.
        judged: Whether anything is left that only pydantic can judge.
        of_rows: Whether a validator may look at the other fields of its row.
    """

    conditions: dict[str, Any] = field(default_factory=dict)
    judged: bool = False
    of_rows: bool = False


@dataclass
class Compiled:
    """What the compiled schema of a whole model says.

    Attributes:
        fields: Of its fields.
        of_rows: The fields that are judged with the others of their row.
        by_row: Whether whole rows are judged.
        changes_rows: Whether a validator sees rows before their fields are judged.
    """

    fields: dict[str, Core]
    of_rows: frozenset[str]
    by_row: bool
    changes_rows: bool

    @classmethod
    def of(cls, model: type[pydantic.BaseModel]) -> Compiled:
        """Read a model; names that its annotations couldn't resolve are looked up again."""
        model.model_rebuild()
        settings = config_of(model) or {}
        cores = {name: read(schema, settings) for name, schema in fields_of(model).items()}
        decorators = model.__pydantic_decorators__
        modes = {v.info.mode for v in decorators.model_validators.values()}
        early = (
            bool(modes & {"before", "wrap"}) or model.__init__ is not pydantic.BaseModel.__init__
        )
        early = early or bool(decorators.root_validators)
        of_rows = frozenset(name for name, core in cores.items() if core.of_rows or early)
        return cls(cores, of_rows, bool(of_rows or modes), early)


def fields_of(cls: type[pydantic.BaseModel]) -> dict[str, Any]:
    """The compiled schemas of a model's fields."""
    found: Any = cls.__pydantic_core_schema__
    while found["type"] != "model-fields":
        found = found["schema"]
    return {name: made["schema"] for name, made in found["fields"].items()}


def read(schema: Mapping[str, Any], settings: Mapping[str, Any]) -> Core:
    """Read the compiled schema of a field.

    Args:
        schema: The schema.
        settings: The model's configuration.
    """
    found = Core(judged=_unusual(settings))
    whole = found.judged
    while schema["type"] in ("default", "nullable", "function-after", *_AROUND):
        if schema["type"].startswith("function") and schema.get("metadata", {}).get(TERM) is None:
            found.judged = True
            whole = whole or schema["type"] in _AROUND
            found.of_rows = found.of_rows or _sees_rows(schema["function"])
        if "schema" not in schema:  # a plain validator stands for all of it
            return found
        schema = schema["schema"]
    kind = schema["type"]
    if kind == "union" and all(_is_text(choice) for choice in schema["choices"]):
        return found  # terms of several registries
    usual = _CONDITIONS.get(kind, ())
    if kind in ("literal", "enum"):
        _note_choices(found, schema)
        # strictly, only members of an enumeration are such, and columns hold their values
        found.judged = found.judged or bool(schema.get("strict") or settings.get("strict"))
    elif not whole:
        given = {n: stored(schema[n]) for n in usual if schema.get(n) is not None}
        found.conditions = {n: v for n, v in given.items() if not _huge(v)}
        found.judged = found.judged or len(found.conditions) < len(given)
    strange = [n for n in schema if n not in _NEUTRAL and n not in usual and schema[n] is not None]
    items = schema.get("items_schema", {"type": "any"}) if kind != "tuple" else {"type": "any"}
    compiled = not isinstance(found.conditions.get("pattern", ""), str)
    if compiled:  # by `re`, whose expressions mean something else
        del found.conditions["pattern"]
    moments = kind == "datetime" and bool(found.conditions)  # with a time zone, or without
    known = kind in _CONDITIONS or kind in ("literal", "enum")
    if not known or strange or compiled or moments:
        found.judged = True
    if items["type"] != "any":
        _note_items(found, items)
    if whole:
        found.conditions = {}
    return found


def _unusual(settings: Mapping[str, Any]) -> bool:
    usual = {"regex_engine": (None, "rust-regex"), "allow_inf_nan": (None, True)}
    return any(settings.get(n) not in usual.get(n, (None, False)) for n in _SETTINGS)


def _huge(value: Any) -> bool:
    """Whether a number is beyond what columns and stored schemas hold."""
    return isinstance(value, int) and not -(2**63) <= value < 2**63


def _sees_rows(function: Mapping[str, Any]) -> bool:
    module = getattr(function["function"], "__module__", None) or ""
    return function["type"] == "with-info" and not module.startswith("pydantic.")


def _is_text(schema: Mapping[str, Any]) -> bool:
    core = read(schema, {})
    while "schema" in schema:
        schema = schema["schema"]
    return schema["type"] == "str" and not core.judged and not core.conditions


def _note_items(found: Core, items: Mapping[str, Any]) -> None:
    core = read(items, {})
    if core.judged or core.conditions or items["type"] in ("nullable", "default"):
        found.judged = True
    else:
        found.conditions["null_items"] = False


def _note_choices(found: Core, schema: Mapping[str, Any]) -> None:
    if schema["type"] == "enum":
        values = [member.value for member in schema["members"]]
        found.judged = found.judged or schema.get("missing") is not None
    else:
        values = [value for value in schema["expected"] if value is not None]
    kinds = {type(value) for value in values}
    if kinds <= {str, int, float, bool} and schema.get("missing") is None:
        found.conditions = {"enum": values}
    # 1, 1.0 and True are equal, and yet not the same choice.
    found.judged = found.judged or kinds not in ({str}, {int})


def stored(value: Any) -> Any:
    """A bound or a default as schemas store it."""
    if isinstance(value, enum.Enum):
        value = value.value
    return value.isoformat() if isinstance(value, datetime.date | datetime.time) else value


def config_of(cls: type[pydantic.BaseModel]) -> Any:
    """The configuration with which pydantic compiled a model."""
    found: Any = cls.__pydantic_core_schema__
    while found["type"] != "model":
        found = found["schema"]
    return found.get("config")
