"""What the annotations of a model's fields say of columns."""

from __future__ import annotations

import datetime
import enum
import types
import typing
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any, Literal, Union, get_args, get_origin

import pydantic
from pydantic.fields import FieldInfo

from lakehouse.errors import UnknownDtype
from lakehouse.orm import BaseRecord, FieldRef
from lakehouse.registries.feature import feature_dtype
from lakehouse.schema import DType, parse_dtype

_UNIONS = (Union, types.UnionType)

# The attributes by which annotated_types and pydantic hold conditions, and our names.
_CONDITIONS = ("ge", "gt", "le", "lt", "multiple_of", "min_length", "max_length", "pattern")


@dataclass(frozen=True)
class Term:
    """Marks text in a model that is a term of a registry.

    Attributes:
        of: A registry, a field of one, or a record type.
    """

    of: Any


@dataclass
class Described:
    """What one field demands of its column.

    Attributes:
        name: The column.
        dtype: Its dtype.
        optional: Whether it need not be there.
        conditions: Further conditions, as schemas store them.
        custom: Anything that only pydantic can judge.
    """

    name: str
    dtype: DType
    optional: bool = False
    conditions: dict[str, Any] = field(default_factory=dict)
    custom: Any = None


def evaluated(annotation: Any, scope: Mapping[str, Any]) -> Any:
    """An annotation that was written as text, as an object if its names are known."""
    if not isinstance(annotation, str):
        return annotation
    try:
        return eval(annotation, {**vars(typing), **scope})
    except (NameError, AttributeError, TypeError):
        return annotation  # pydantic resolves it later


def with_terms(annotation: Any) -> Any:
    """An annotation in which registries stand, with text that is marked in their place."""
    if isinstance(annotation, type) and issubclass(annotation, BaseRecord):
        return Annotated[str, Term(annotation)]
    if isinstance(annotation, FieldRef | BaseRecord):
        return Annotated[str, Term(annotation)]
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        marked = (Term(a) if isinstance(a, FieldRef | BaseRecord) else a for a in arguments[1:])
        return Annotated[(with_terms(arguments[0]), *marked)]
    if origin in _UNIONS:
        return Union[tuple(with_terms(a) for a in arguments)]  # noqa: UP007 - made at run time
    if origin is list and arguments:
        return list[with_terms(arguments[0])]  # type: ignore[misc]
    return annotation


def own_validators(cls: type[pydantic.BaseModel]) -> set[str]:
    """The fields for which a model class has validators of its own."""
    decorators = cls.__pydantic_decorators__
    found: set[str] = set()
    both: list[Any] = [*decorators.field_validators.values(), *decorators.validators.values()]
    for decorator in both:
        found |= set(decorator.info.fields)
    return set(cls.model_fields) if "*" in found else found


def describe_field(name: str, info: FieldInfo) -> Described:
    """What a field demands of its column.

    Raises:
        UnknownDtype: No dtype stands for its annotation.
    """
    annotation, metadata, nullable = _unwrapped(info.annotation, list(info.metadata))
    dtype, conditions, custom = _dtype(name, annotation, metadata)
    made = Described(name, dtype, conditions=conditions, custom=custom)
    for item in metadata:
        _note(made, item)
    if not nullable:
        made.conditions["nullable"] = False
    if not info.is_required():
        made.optional = True
        default = info.get_default()
        if default is not None and isinstance(default, str | int | float | bool):
            made.conditions["default"] = default
    return made


def _unwrapped(annotation: Any, metadata: list[Any]) -> tuple[Any, list[Any], bool]:
    """An annotation without `Annotated` and without None, and what was around it."""
    nullable = False
    while True:
        origin, arguments = get_origin(annotation), get_args(annotation)
        if origin is Annotated:
            annotation, metadata = arguments[0], [*metadata, *arguments[1:]]
        elif origin in _UNIONS and type(None) in arguments:
            nullable = True
            left = tuple(a for a in arguments if a is not type(None))
            annotation = left[0] if len(left) == 1 else Union[left]  # noqa: UP007
        else:
            return annotation, metadata, nullable


def _dtype(name: str, annotation: Any, metadata: list[Any]) -> tuple[DType, dict[str, Any], Any]:
    """The dtype, the conditions that the annotation itself makes, and what is left to pydantic."""
    term = next((item for item in metadata if isinstance(item, Term)), None)
    if term is not None:
        return feature_dtype(term.of), {}, None
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin is Literal:
        return _of_values(list(arguments)), {"enum": list(arguments)}, None
    if isinstance(annotation, type) and issubclass(annotation, enum.Enum):
        values = [member.value for member in annotation]
        return _of_values(values), {"enum": values}, None
    if isinstance(annotation, type) and issubclass(annotation, pydantic.BaseModel):
        return DType("dict"), {}, annotation
    if origin is list and arguments:
        inner, items, _ = _unwrapped(arguments[0], [])
        item, conditions, custom = _dtype(name, inner, items)
        judged = custom or (annotation if conditions or _judged(items) else None)
        return DType("list", item=item), {}, judged
    if origin is dict:
        return DType("dict"), {}, annotation if arguments else None
    if origin in _UNIONS:
        terms = [_unwrapped(a, []) for a in arguments]
        if all(any(isinstance(i, Term) for i in items) for _, items, _ in terms):
            parts = [
                feature_dtype(i.of) for _, items, _ in terms for i in items if isinstance(i, Term)
            ]
            return DType("cat", targets=tuple(t for p in parts for t in p.targets)), {}, None
        return _union(arguments), {}, annotation
    try:
        return parse_dtype(annotation), {}, None
    except UnknownDtype:
        return _like(name, annotation), {}, annotation


def _of_values(values: list[Any]) -> DType:
    kinds = {type(v) for v in values}
    return parse_dtype(kinds.pop()) if len(kinds) == 1 else DType("object")


def _union(arguments: tuple[Any, ...]) -> DType:
    return DType("num") if set(arguments) == {int, float} else DType("object")


def _like(name: str, annotation: Any) -> DType:
    """The dtype of pydantic's own types, such as EmailStr or PositiveInt."""
    if isinstance(annotation, type):
        for kind in (bool, int, float, str, datetime.datetime, datetime.date, dict):
            if issubclass(annotation, kind):
                return parse_dtype(kind)
    shown = pydantic.TypeAdapter(annotation).json_schema().get("type")
    kinds = {
        "string": "str",
        "integer": "int",
        "number": "float",
        "boolean": "bool",
        "object": "dict",
    }
    if shown in kinds:
        return DType(kinds[shown])
    raise UnknownDtype(
        f"No dtype stands for the annotation of {name!r}.",
        found=repr(annotation),
        expected="a Python type, a registry, a field of one, a record type, or a nested model",
    )


def _judged(metadata: list[Any]) -> bool:
    return any(not isinstance(item, Term) for item in metadata)


def _note(made: Described, item: Any) -> None:
    """Note the conditions that one piece of metadata makes."""
    if isinstance(item, Term):
        return
    known = False
    holders = [item, *([item.__dict__] if hasattr(item, "__dict__") else [])]
    for name in _CONDITIONS:
        for holder in holders:
            value = holder.get(name) if isinstance(holder, dict) else getattr(holder, name, None)
            if value is not None:
                made.conditions[name] = _stored(value)
                known = True
                break
    if not known:
        made.custom = made.custom or item  # left to pydantic


def _stored(value: Any) -> Any:
    if isinstance(value, datetime.date | datetime.time):
        return value.isoformat()
    return getattr(value, "pattern", value)
