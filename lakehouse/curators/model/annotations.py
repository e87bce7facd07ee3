"""What the annotations of a model's fields say of columns."""

from __future__ import annotations

import dataclasses
import enum
import sys
import types
import typing
from collections import abc
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Annotated, Any, ClassVar, ForwardRef, Literal, Union, get_args, get_origin

import pydantic
from pydantic.errors import PydanticInvalidForJsonSchema
from pydantic.fields import FieldInfo
from pydantic_core import core_schema

from lakehouse.curation import TermResolver
from lakehouse.errors import InvalidArgument, UnknownDtype
from lakehouse.orm import BaseRecord, FieldRef, current_lake
from lakehouse.registries.feature import feature_dtype
from lakehouse.schema import DType, parse_dtype
from lakehouse.schemas.models import term_test
from lakehouse.schemas.spec import resolver_of

# -- Terms in nested models: text that is looked up where pydantic judges values of a dataset


TERM = "lakehouse_term"
_RESOLVER: ContextVar[TermResolver | None] = ContextVar("where terms are looked up", default=None)


@contextmanager
def looked_up() -> Iterator[None]:
    """Terms that models name are looked up in the registries of now."""
    token = _RESOLVER.set(resolver_of(current_lake()))
    try:
        yield
    finally:
        _RESOLVER.reset(token)


@dataclass(frozen=True)
class Term:
    """Marks text in a model that is a term of a registry.

    Attributes:
        of: A registry, a field of one, or a record type.
    """

    of: Any

    def __get_pydantic_core_schema__(
        self, source: Any, handler: pydantic.GetCoreSchemaHandler
    ) -> core_schema.CoreSchema:
        """Text that is compared with the registry inside `looked_up()` only."""

        def check(value: str) -> str:
            resolver = _RESOLVER.get()
            return value if resolver is None else term_test(feature_dtype(self.of), resolver)(value)

        return core_schema.no_info_after_validator_function(
            check, handler(source), metadata={TERM: True}
        )


_UNIONS = (Union, types.UnionType)
_SEQUENCES = (list, set, frozenset, tuple, abc.Sequence, abc.Set, abc.Iterable, abc.Collection)
_MAPPINGS = (dict, abc.Mapping, abc.MutableMapping)
_INSIDE = ("schema", "lax_schema", "json_schema")
_CORE_KINDS = {
    **{kind: kind for kind in ("int", "float", "str", "bool", "bytes", "date", "datetime", "time")},
    "decimal": "num",
    "uuid": "str",
    "url": "url",
    "multi-host-url": "url",
    "dict": "dict",
    "timedelta": "object",
    "complex": "object",
}
_JSON_KINDS = {"string": "str", "integer": "int", "number": "float", "boolean": "bool"}


@dataclass
class Described:
    """What one field demands of its column.

    Attributes:
        name: The column.
        dtype: Its dtype.
        optional: Whether it need not be there.
        conditions: Further conditions, as schemas store them.
        description: What it is.
    """

    name: str
    dtype: DType
    optional: bool = False
    conditions: dict[str, Any] = field(default_factory=dict)
    description: str | None = None


def annotations_in(namespace: Mapping[str, Any]) -> Mapping[str, Any]:
    """The annotations of a class that is being made; names that aren't known yet stay open.

    Since Python 3.14 a class's body leaves a function that gives them, not a dictionary.
    """
    if sys.version_info >= (3, 14) and "__annotations__" not in namespace:
        import annotationlib

        give = annotationlib.get_annotate_from_class_namespace(namespace)
        forward = annotationlib.Format.FORWARDREF
        return {} if give is None else annotationlib.call_annotate_function(give, forward)
    given: Mapping[str, Any] = namespace.get("__annotations__", {})
    return given


def evaluated(annotation: Any, scope: Mapping[str, Any]) -> Any:
    """An annotation that was written as text, as an object if its names are known."""
    text = annotation.__forward_arg__ if isinstance(annotation, ForwardRef) else annotation
    if not isinstance(text, str):
        return annotation
    try:
        return evaluated(eval(text, {**vars(typing), **scope}), scope)
    except (NameError, AttributeError, TypeError):
        return annotation  # pydantic resolves it later


def with_terms(annotation: Any, scope: Mapping[str, Any]) -> Any:
    """An annotation in which registries stand, with text that is marked in their place.

    Args:
        annotation: The annotation.
        scope: The names that annotations written as text may use.
    """
    annotation = evaluated(annotation, scope)
    if isinstance(annotation, type) and issubclass(annotation, BaseRecord):
        return Annotated[str, Term(annotation)]
    if isinstance(annotation, FieldRef | BaseRecord):
        return Annotated[str, Term(annotation)]
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        marked = (Term(a) if isinstance(a, FieldRef | BaseRecord) else a for a in arguments[1:])
        return Annotated[(with_terms(arguments[0], scope), *marked)]
    if origin in _UNIONS:
        return Union[tuple(with_terms(a, scope) for a in arguments)]  # noqa: UP007 - made at run time
    if origin in (None, Literal, ClassVar) or not arguments:
        return annotation
    inner = tuple(a if isinstance(a, list) else with_terms(a, scope) for a in arguments)
    return annotation if inner == arguments else origin[inner]


def column_of(name: str, info: FieldInfo) -> str:
    """The column of a field: its alias, if it has one.

    Raises:
        InvalidArgument: Its alias is a path into other values.
    """
    alias = info.validation_alias or info.alias or name
    if isinstance(alias, pydantic.AliasChoices):
        alias = next((choice for choice in alias.choices if isinstance(choice, str)), alias)
    if not isinstance(alias, str):
        raise InvalidArgument(
            f"The field {name!r} has no column of its own.",
            found=repr(alias),
            expected="an alias that is a text",
        )
    return alias


def dtype_of(name: str, annotation: Any, metadata: list[Any]) -> DType:
    """The dtype of the columns that an annotation describes; `object` where none fits."""
    annotation, metadata, _ = unwrapped(annotation, metadata)
    term = next((item for item in metadata if isinstance(item, Term)), None)
    if term is not None:
        return feature_dtype(term.of)
    if any(item is pydantic.Json or isinstance(item, pydantic.Json) for item in metadata):
        return DType("str")  # the column has the text, whatever it is parsed to
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin is Literal:
        return _of_values([getattr(a, "value", a) for a in arguments if a is not None])
    if isinstance(annotation, type) and issubclass(annotation, enum.Enum):
        return _of_values([member.value for member in annotation])
    if origin in _UNIONS:
        return _union([dtype_of(name, part, []) for part in arguments])
    if origin in _SEQUENCES or annotation in (set, frozenset, tuple):
        items = {dtype_of(name, a, []) for a in arguments if a is not Ellipsis}
        return DType("list", item=_union(list(items)) if items else None)
    if origin in _MAPPINGS or _is_model(annotation):
        return DType("dict")
    if isinstance(annotation, typing.TypeVar):
        return dtype_of(name, annotation.__bound__ or Any, [])
    try:
        return parse_dtype(annotation)
    except UnknownDtype:
        return _like(annotation)


def unwrapped(annotation: Any, metadata: list[Any]) -> tuple[Any, list[Any], bool]:
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
        elif hasattr(annotation, "__supertype__"):  # a NewType
            annotation = annotation.__supertype__
        else:
            return annotation, metadata, nullable


def _is_model(annotation: Any) -> bool:
    if not isinstance(annotation, type):
        return False
    typed = hasattr(annotation, "__total__")
    return (
        typed or dataclasses.is_dataclass(annotation) or issubclass(annotation, pydantic.BaseModel)
    )


def _of_values(values: list[Any]) -> DType:
    kinds = {type(v) for v in values}
    known = kinds <= {str, int, float, bool} and len(kinds) == 1
    return parse_dtype(kinds.pop()) if known else DType("object")


def _union(parts: list[DType]) -> DType:
    """The dtype of values that are of one of several dtypes."""
    distinct = list(dict.fromkeys(parts))
    if len(distinct) == 1:
        return distinct[0]
    kinds = {part.kind for part in distinct}
    if kinds == {"cat"}:
        return DType("cat", targets=tuple(t for part in distinct for t in part.targets))
    if kinds <= {"int", "float", "num"}:
        return DType("num")
    return DType("str") if kinds <= {"str", "cat", "url", "path"} else DType("object")


def _like(annotation: Any) -> DType:
    """The dtype of other types, e.g. of pydantic's own, by what they are validated as."""
    try:
        adapter = pydantic.TypeAdapter(annotation)
        core: Any = adapter.core_schema
        while (inner := next((n for n in _INSIDE if n in core), None)) is not None:
            core = core[inner]
        if core["type"] in _CORE_KINDS:
            return DType(_CORE_KINDS[core["type"]])
        shown = adapter.json_schema()
    except (PydanticInvalidForJsonSchema, pydantic.PydanticUserError):
        return DType("object")
    return DType(_JSON_KINDS.get(shown.get("type", ""), "object"))
