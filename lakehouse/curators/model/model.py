"""Datasets described by pydantic models: `class Immuno(ln.DatasetModel): …`.

A model gives the features and the schema that tables are validated with; every condition that
pydantic knows is applied to columns. Conversely, a schema gives a model of its rows.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, ClassVar

import pydantic
from pydantic.fields import FieldInfo

from lakehouse.curators.model.annotations import (
    Described,
    Term,
    annotations_in,
    column_of,
    dtype_of,
    unwrapped,
    with_terms,
)
from lakehouse.curators.model.compiled import Compiled, stored
from lakehouse.curators.model.judges import FieldJudge, ModelJudge
from lakehouse.errors import InvalidArgument
from lakehouse.orm import current_lake
from lakehouse.registries import Feature, Schema
from lakehouse.schema import DType
from lakehouse.schemas.conditions import ROWS, define

if TYPE_CHECKING:
    from collections.abc import Iterable

_Meta: Any = type(pydantic.BaseModel)


class DatasetMeta(_Meta):  # type: ignore[misc]
    """Lets annotations name registries: what is such a term is text in the model itself."""

    def __new__(
        cls, name: str, bases: tuple[type, ...], namespace: dict[str, Any], **kwargs: Any
    ) -> Any:
        """Make the class, with the annotations of terms replaced."""
        given = annotations_in(namespace)
        module = sys.modules.get(namespace.get("__module__", ""))
        frame = sys._getframe(1)
        scope = {**vars(module or object), **frame.f_locals}
        namespace["__annotations__"] = {
            field: with_terms(annotation, scope) for field, annotation in given.items()
        }
        try:
            return super().__new__(cls, name, bases, namespace, **kwargs)
        except (pydantic.PydanticUserError, ImportError) as error:
            raise _unusable(name, namespace["__annotations__"], error) from error


def _unusable(name: str, annotations: Mapping[str, Any], error: Exception) -> Exception:
    """An error of pydantic's about a type, naming the field that has it."""
    for field, annotation in annotations.items():
        try:
            pydantic.TypeAdapter(annotation)
        except (pydantic.PydanticUserError, ImportError) as found:
            if str(found).partition("\n")[0] == str(error).partition("\n")[0]:
                return InvalidArgument(
                    f"The field {field!r} of {name} has a type that pydantic can't validate.",
                    found=str(error).partition("\n")[0],
                    hint="another type, or a validator: Annotated[Any, AfterValidator(…)]",
                )
    return error


class DatasetModel(pydantic.BaseModel, metaclass=DatasetMeta):
    """Describe a table's columns, or a dictionary's keys, as a pydantic model.

    Annotations are Python types, registries, fields of registries, record types, other models
    for nested dictionaries, or any of these with pydantic's conditions. A field whose type
    allows None may have missing values; a field with a default need not be there, and its
    missing values stand for the default. NaN is a missing value. The column is named by the
    field's alias, if it has one.

    Conditions are applied to whole columns; validators to each distinct value; what looks at
    several fields at once (`model_validator`, validators that take `info`) to each row.

    Options of the schema are given with the class, e.g. `coerce=True`, `ordered_set=True`. With
    `otype`, the fields are the parts of a composite dataset: models of tables or dictionaries,
    and registries whose terms are names.

    Example:
        >>> from typing import Annotated
        >>> from pydantic import Field
        >>> class Immuno(ln.DatasetModel):
        ...     cell_type: bt.CellType
        ...     temperature: Annotated[float, Field(ge=0)]
        ...     donor: str | None
        >>> ln.curators.DataFrameCurator(df, Immuno).validate()
        >>> class Cells(ln.DatasetModel, otype="AnnData"):
        ...     obs: Immuno
        ...     genes: Annotated[bt.Gene.ensembl_gene_id, Field(alias="var.T")]
    """

    model_config = pydantic.ConfigDict(populate_by_name=True)

    _options: ClassVar[Mapping[str, Any]] = {}

    def __init_subclass__(cls, **options: Any) -> None:
        """Keep what is said of the schema."""
        own = {name: options.pop(name) for name in _OPTIONS & set(options)}
        cls._options = {**cls._options, **own}
        super().__init_subclass__(**options)

    @classmethod
    def __class_getitem__(cls, parameters: Any) -> Any:
        """A generic model of given types, among which may be registries."""
        given = parameters if isinstance(parameters, tuple) else (parameters,)
        return super().__class_getitem__(tuple(with_terms(p, {}) for p in given))

    @classmethod
    def describe_fields(cls) -> Iterable[Described]:
        """What each field demands of its column.

        Raises:
            InvalidArgument: A field's alias names no column.
        """
        compiled = Compiled.of(cls)
        if compiled.by_row:
            define(_place(cls), _model_judge(cls, compiled))
        for name, info in cls.model_fields.items():
            yield _described(cls, name, info, compiled)

    @classmethod
    def to_features(cls) -> list[Feature]:
        """The features of the fields; existing ones of the same name and dtype are taken."""
        return [_feature(d) for d in cls.describe_fields()]

    @classmethod
    def to_schema(cls, **options: Any) -> Schema:
        """The schema of the model, unsaved unless an equal one exists; its features are saved.

        Args:
            **options: Further arguments of `Schema`, e.g. `maximal_set=True`.

        Raises:
            InvalidArgument: It has no fields, or a field that describes no column.
        """
        extra = cls.model_config.get("extra")
        made: dict[str, Any] = {"description": _first_line(cls), **cls._options, **options}
        name = made.pop("name", cls.__name__)
        if not cls.model_fields:
            raise InvalidArgument(f"{cls.__name__} has no fields.", hint="write one: donor: str")
        if made.get("otype") not in (None, "DataFrame"):
            return Schema(slots=dict(_slots(cls)), name=name, **made)
        described = list(cls.describe_fields())
        constraints = {d.name: d.conditions for d in described if d.conditions}
        if Compiled.of(cls).by_row:
            constraints[ROWS] = {"custom": _place(cls)}
        features = [_feature(d) for d in described]
        current_lake().save([feature for feature in features if not feature._saved])
        return Schema(
            features,
            name=name,
            optionals=[d.name for d in described if d.optional],
            constraints=constraints,
            **{"maximal_set": extra == "forbid", "flexible": extra == "allow", **made},
        )


_OPTIONS = {"otype", "coerce", "ordered_set", "maximal_set", "minimal_set", "flexible", "suffix"}


def _described(
    cls: type[DatasetModel], name: str, info: FieldInfo, compiled: Compiled
) -> Described:
    dtype = dtype_of(name, info.annotation, list(info.metadata))
    optional = not info.is_required()
    made = Described(column_of(name, info), dtype, optional, description=info.description)
    if name in compiled.of_rows:
        return made  # what it may be depends on others
    core = compiled.fields[name]
    made.conditions = dict(core.conditions)
    if dtype.kind == "float":
        made.conditions["integers"] = True  # as pydantic reads them
    if core.judged:
        made.conditions["custom"] = f"{_place(cls)}.{name}"
        define(made.conditions["custom"], _judge(cls, name, dtype))
    if not optional and not _judge(cls, name, dtype).takes_none:
        made.conditions["nullable"] = False
    default = stored(info.default)
    if optional and type(default) in (str, int, float, bool):
        made.conditions["default"] = default
    return made


def _judge(cls: type[DatasetModel], name: str, dtype: DType) -> FieldJudge:
    # what is categorical by its dtype is looked up with its column
    return FieldJudge(cls, name, look_up=not dtype.is_categorical)


def _model_judge(cls: type[DatasetModel], compiled: Compiled) -> ModelJudge:
    columns = {name: column_of(name, info) for name, info in cls.model_fields.items()}
    defaulted = [name for name, info in cls.model_fields.items() if not info.is_required()]
    return ModelJudge(
        cls,
        columns=tuple(columns.values()),
        fields=frozenset(columns[name] for name in compiled.of_rows),
        absent=frozenset(
            columns[name]
            for name in defaulted
            if not FieldJudge(cls, name, look_up=False).takes_none
        ),
        whole=compiled.changes_rows or cls.model_config.get("extra") == "allow",
    )


def _slots(cls: type[DatasetModel]) -> Iterator[tuple[str, Schema]]:
    """The schemas of the parts of a composite dataset."""
    for name, info in cls.model_fields.items():
        annotation, metadata, _ = unwrapped(info.annotation, list(info.metadata))
        term = next((item for item in metadata if isinstance(item, Term)), None)
        if term is not None:
            yield column_of(name, info), Schema(itype=term.of)
        elif isinstance(annotation, type) and issubclass(annotation, DatasetModel):
            yield column_of(name, info), annotation.to_schema()
        else:
            raise InvalidArgument(
                f"The field {name!r} of {cls.__name__} describes no part of a dataset.",
                found=repr(info.annotation),
                expected="an ln.DatasetModel, or a registry whose terms are names",
            )


def _place(cls: type) -> str:
    return f"{cls.__module__}:{cls.__qualname__}"


def _feature(described: Described) -> Feature:
    found = Feature.filter(name=described.name, type=None, is_type=False).first()
    if found is not None and found._values.get("dtype") == str(described.dtype):
        return found
    about = described.description or None
    return Feature(name=described.name, dtype=described.dtype, description=about)


def _first_line(cls: type) -> str | None:
    text = cls.__dict__.get("__doc__")
    return text.strip().splitlines()[0] if text and text.strip() else None
