"""Datasets described by pydantic models: `class Immuno(ln.DatasetModel): …`.

A model gives the features and the schema that tables are validated with; every condition that
pydantic knows is applied to columns. Conversely, a schema gives a model of its rows.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any, ClassVar

import pydantic

from lakehouse.annotation.conditions import define
from lakehouse.curators._annotations import (
    Described,
    describe_field,
    evaluated,
    own_validators,
    with_terms,
)
from lakehouse.registries import Feature, Schema

if TYPE_CHECKING:
    from collections.abc import Iterable

_Meta: Any = type(pydantic.BaseModel)


class DatasetMeta(_Meta):  # type: ignore[misc]
    """Lets annotations name registries: what is such a term is text in the model itself."""

    def __new__(
        cls, name: str, bases: tuple[type, ...], namespace: dict[str, Any], **kwargs: Any
    ) -> Any:
        """Make the class, with the annotations of terms replaced."""
        given = namespace.get("__annotations__", {})
        module = sys.modules.get(namespace.get("__module__", ""))
        frame = sys._getframe(1)
        scope = {**vars(module or object), **frame.f_locals}
        namespace["__annotations__"] = {
            field: with_terms(evaluated(annotation, scope)) for field, annotation in given.items()
        }
        return super().__new__(cls, name, bases, namespace, **kwargs)


class DatasetModel(pydantic.BaseModel, metaclass=DatasetMeta):
    """A table's columns, or a dictionary's keys, as a pydantic model.

    Annotations are Python types, registries, fields of registries, record types, other models
    for nested dictionaries, or any of these with pydantic's conditions. A field whose type
    allows None may have missing values; a field with a default need not be there.

    Example:
        >>> class Immuno(ln.DatasetModel):                        # doctest: +SKIP
        ...     cell_type: bt.CellType
        ...     temperature: Annotated[float, Field(ge=0)]
        ...     donor: str | None
        >>> ln.curators.DataFrameCurator(df, Immuno).validate()   # doctest: +SKIP
    """

    model_config = pydantic.ConfigDict(populate_by_name=True)

    _options: ClassVar[dict[str, Any]] = {}

    @classmethod
    def describe_fields(cls) -> Iterable[Described]:
        """What each field demands of its column."""
        custom = own_validators(cls)
        for name, info in cls.model_fields.items():
            described = describe_field(info.alias or name, info)
            if name in custom or described.custom is not None:
                place = f"{cls.__module__}:{cls.__qualname__}.{name}"
                define(place, _field_validator(cls, name, described))
                described.conditions["custom"] = place
            yield described

    @classmethod
    def to_features(cls) -> list[Feature]:
        """The features of the fields; existing ones of the same name and dtype are taken."""
        return [_feature(d) for d in cls.describe_fields()]

    @classmethod
    def to_schema(cls, **options: Any) -> Schema:
        """The schema of the model, unsaved unless an equal one exists.

        Args:
            **options: Further arguments of `Schema`, e.g. `maximal_set=True`.
        """
        described = list(cls.describe_fields())
        extra = cls.model_config.get("extra") == "forbid"
        made: dict[str, Any] = {"maximal_set": extra, "description": _first_line(cls), **options}
        return Schema(
            [_feature(d) for d in described],
            name=made.pop("name", cls.__name__),
            optionals=[d.name for d in described if d.optional],
            constraints={d.name: d.conditions for d in described if d.conditions},
            **made,
        )


def _feature(described: Described) -> Feature:
    found = Feature.filter(name=described.name, type=None, is_type=False).first()
    if found is not None and found._values.get("dtype") == str(described.dtype):
        return found
    return Feature(name=described.name, dtype=described.dtype)


def _first_line(cls: type) -> str | None:
    text = cls.__dict__.get("__doc__")
    return text.strip().splitlines()[0] if text and text.strip() else None


def _field_validator(cls: type[pydantic.BaseModel], name: str, described: Described) -> Any:
    """Applies a field's annotation and the validators that the class has for it to one value."""
    blank = cls.model_construct()

    def validate(value: Any) -> Any:
        try:
            return cls.__pydantic_validator__.validate_assignment(blank, name, value)
        except pydantic.ValidationError as error:
            about = [e for e in error.errors(include_url=False) if e["loc"][:1] == (name,)]
            if about:
                where = ".".join(str(part) for part in about[0]["loc"][1:])
                raise ValueError(
                    f"{where}: {about[0]['msg']}" if where else about[0]["msg"]
                ) from None
            return value

    del described
    return validate
