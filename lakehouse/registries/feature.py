"""Features: the dimensions of data, with their dtypes."""

from __future__ import annotations

import datetime
import re
from collections.abc import Mapping
from dataclasses import replace
from types import GenericAlias
from typing import TYPE_CHECKING, Any

from lakehouse._lazy import is_a
from lakehouse.curation import as_arrow
from lakehouse.errors import (
    InvalidArgument,
    InvalidFeature,
    ProtectedRecord,
    UnknownDtype,
    UnknownField,
    near,
)
from lakehouse.features.expressions import Comparable, Orderable
from lakehouse.features.reference import guessed
from lakehouse.features.rename import TellsRenames, name_in_dtype, with_names, with_uids
from lakehouse.orm import BaseRecord, FieldRef, QuerySet, TrackedRecord, TrackedRow, current_lake
from lakehouse.orm.model.checks import is_saved
from lakehouse.orm.record.hierarchy import HasType
from lakehouse.orm.record.record_list import RecordList
from lakehouse.orm.session.protection import check_unreferenced
from lakehouse.registries.relations import relations_of
from lakehouse.schema import CatTarget, DType, infer_dtype, parse_dtype
from lakehouse.terms.registry import CanCurate
from lakehouse.terms.synonyms import HasSynonyms

if TYPE_CHECKING:
    from lakehouse.orm import Batch
    from lakehouse.orm.model.meta import FieldDescriptor, ForeignKeyDescriptor, RelationDescriptor
    from lakehouse.orm.model.unset import UNSET, Unset
    from lakehouse.orm.record.record_list import RecordList
    from lakehouse.registries.attached_block import FeatureBlock
    from lakehouse.registries.labels import Project
    from lakehouse.registries.place import Branch, Space, User
    from lakehouse.registries.run import Run
    from lakehouse.registries.schema.record import Schema
    from lakehouse.relations.managers import KeyManager, LinkManager


# -- Features of a table's columns or a dictionary's keys, their dtypes read off the values


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


class FeatureRow(TrackedRow):
    """A row of the table `feature`."""

    name: str | None = None
    dtype: str | None = None
    type_uid: str | None = None
    is_type: bool = False
    unit: str | None = None
    description: str | None = None
    synonyms: str | None = None
    nullable: bool = True
    coerce: bool = False
    default_value: Any = None
    cat_filters: dict[str, Any] | None = None
    array_rank: int = 0
    array_size: int = 0
    array_shape: list[int] | None = None


class Feature(
    Orderable,
    Comparable,
    TellsRenames,
    HasType,
    HasSynonyms,
    CanCurate,
    TrackedRecord,
    row=FeatureRow,
    unique=(("name", "type_uid"),),
    names_per_branch=True,
    foreign_keys={"type": "Feature"},
    required=("name",),
    relations=relations_of("Feature"),
    aliases={"dtype_as_str": "dtype", "_dtype_str": "dtype"},
):
    """Columns of tables and properties of datasets; validation compares data with them.

    Args:
        name: The name, as columns have it.
        dtype: A dtype's text (`"cat[ULabel]"`), a Python type, a registry, a field of one
            (`bt.CellType.ontology_id`), a record type, or a list of these in `[]`.
        cat_filters: Conditions that categories must fulfil, e.g. `{"source": source}`.

    Raises:
        UnknownDtype: The dtype is outside the dtype language.
        InvalidFeature: It has no dtype, the filters can't be, or the feature exists with
            another dtype.

    Example:
        >>> Feature(name="temperature", dtype=float, unit="celsius").save()
    """

    if TYPE_CHECKING:
        name: FieldDescriptor[str]
        dtype: FieldDescriptor[str | None]
        type: ForeignKeyDescriptor[Feature | None]
        unit: FieldDescriptor[str | None]
        description: FieldDescriptor[str | None]
        nullable: FieldDescriptor[bool]
        coerce: FieldDescriptor[bool]
        default_value: FieldDescriptor[Any]
        cat_filters: FieldDescriptor[dict[str, Any] | None]
        array_rank: FieldDescriptor[int]
        array_size: FieldDescriptor[int]
        array_shape: FieldDescriptor[list[int] | None]
        schemas: RelationDescriptor[LinkManager[Schema]]
        projects: RelationDescriptor[LinkManager[Project]]
        features: RelationDescriptor[KeyManager[Feature]]
        ablocks: RelationDescriptor[KeyManager[FeatureBlock]]

        def __init__(
            self,
            name: str | None = None,
            dtype: Any = None,
            *,
            type: Feature | Unset | None = UNSET,
            is_type: bool | None = False,
            unit: str | None = None,
            description: str | None = None,
            synonyms: str | None = None,
            nullable: bool | None = True,
            coerce: bool | None = False,
            default_value: Any = None,
            cat_filters: dict[str, Any] | None = None,
            array_rank: int | None = 0,
            array_size: int | None = 0,
            array_shape: list[int] | None = None,
            uid: str | None = None,
            branch: Branch | None = None,
            space: Space | None = None,
            run: Run | None = None,
            created_by: User | None = None,
        ) -> None: ...

    def query_features(self) -> QuerySet[Feature]:
        """The features of this type and of all types below it, those types included."""
        return self._members_of_type()

    def _construct(
        self, name: str | None = None, dtype: Any = None, *more: Any, **fields: Any
    ) -> None:
        if more:
            raise InvalidArgument("Only keyword args allowed", found=", ".join(map(repr, more)))
        filters = fields.get("cat_filters")
        if filters is not None:
            fields["cat_filters"] = _plain_filters(filters)
        text = None
        if dtype is not None:
            parsed = feature_dtype(dtype, fields.get("cat_filters"))
            if filters and len(parsed.all_targets) > 1:
                raise InvalidFeature(
                    f"cat_filters are incompatible with union dtypes: {str(parsed)!r}",
                    hint="write them into the dtype: cat[A[field='…']|B]",
                )
            if dtype == "cat":
                raise UnknownDtype(
                    "A categorical dtype names the registry of its values.",
                    found="cat",
                    hint=f"Feature(name={name!r}, dtype='cat[ULabel]')",
                )
            _check_registries(parsed)
            text = str(with_names(current_lake(), parsed))
        if text is None and not fields.get("is_type") and "uid" not in fields:
            raise InvalidFeature(
                "A feature needs a dtype.",
                found=f"Feature(name={name!r})",
                hint=f"Feature(name={name!r}, dtype=str)",
            )
        super().__init__(name=name, dtype=text, **fields)

    if not TYPE_CHECKING:
        __init__ = _construct

    def _check_agrees(self, known: Mapping[str, Any], given: Mapping[str, Any]) -> None:
        before, told = known.get("dtype"), given.get("dtype")
        if before is not None and told is not None and not _are_one(before, told):
            name = known.get("name")
            raise InvalidFeature(
                f"The feature {name!r} exists with another dtype.",
                found=told,
                expected=before,
                hint=f"ln.Feature.get(name={name!r}), or choose another name",
            )

    def _set_given(self, given: dict[str, Any]) -> None:
        known = self._values.get("dtype")
        super()._set_given(given if known is None else {**given, "dtype": known})

    def _before_save(self, batch: Batch) -> None:
        super()._before_save(batch)
        before = (self._old or {}).get("dtype")
        told = self._values.get("dtype")
        if before is None or (told is not None and _are_one(before, told)):
            return
        try:
            check_unreferenced(self._lake, self.meta, self.uid)
        except ProtectedRecord as error:
            raise InvalidFeature(
                f"The dtype of the feature {self.name!r} can't be changed: it is in use.",
                found=f"{told}; {error.found}",
                expected=before,
                hint="make a feature with another name, or remove the values first",
            ) from error

    def with_config(self, *, optional: bool | None = None) -> tuple[Feature, dict[str, Any]]:
        """This feature as a member of a schema, with what is demanded of it there.

        Args:
            optional: Whether it need not be there.

        Example:
            >>> Schema([Feature.get(name="donor").with_config(optional=True)])
        """
        return self, {"optional": bool(optional)}

    @classmethod
    def from_dataframe(
        cls, df: Any, field: Any = None, *, mute: bool = False
    ) -> RecordList[Feature]:
        """A feature per column of a table, with the dtype that the column has.

        Args:
            df: A pandas or polars DataFrame, or an Arrow table.
            field: The field that the columns' names are; only the name.
            mute: Accepted for likeness.

        Example:
            >>> Feature.from_dataframe(df).save().to_list("dtype")
            ['int', 'str']
        """
        return of_columns(cls, df)

    from_df = from_dataframe

    @classmethod
    def from_dict(
        cls,
        dictionary: Mapping[str, Any],
        field: Any = None,
        *,
        type: Feature | None = None,
        mute: bool = False,
    ) -> RecordList[Feature]:
        """A feature per key of a dictionary, with the dtype that the value has.

        Args:
            dictionary: Values by name.
            field: The field that the keys are; only the name.
            type: The feature type of all of them.
            mute: Accepted for likeness.

        Example:
            >>> Feature.from_dict({"temperature": 21.6}).save().to_list("dtype")
            ['float']
        """
        return of_values(cls, dictionary, **({} if type is None else {"type": type}))

    @property
    def dtype_as_object(self) -> Any:
        """The dtype as a Python type, a record type, or a field of a registry."""
        return dtype_object(self)

    @property
    def parsed_dtype(self) -> DType | None:
        """The dtype, parsed."""
        text = self._values.get("dtype")
        return None if text is None else parse_dtype(text)

    @property
    def dtype_as_str(self) -> str | None:
        """The dtype as text, in which uids stand for types: `cat[Record[<uid>]]`.

        `dtype` has the types' names, `cat[Record[Samples]]`; both texts make the same feature.
        """
        parsed = self.parsed_dtype
        return None if parsed is None else str(with_uids(self._lake, parsed))

    @property
    def _dtype_str(self) -> str | None:
        """See `dtype_as_str`."""
        return self.dtype_as_str


def _are_one(dtype: str, other: str) -> bool:
    """Whether two texts are one dtype, as `bt.Gene` and `bt.Gene.symbol`."""
    return dtype == other or parse_dtype(dtype) == parse_dtype(other)


def _plain_filters(filters: Mapping[str, Any]) -> dict[str, str]:
    """Filters by field as texts; a record becomes a filter by its uid."""
    found = {}
    for name, value in filters.items():
        if value is None or value == "":
            raise InvalidFeature(f"Empty value in filter {name}", found=repr(value))
        is_record = isinstance(value, BaseRecord)
        field = f"{name}__uid" if is_record and not name.endswith("uid") else name
        found[field] = str(value.uid if is_record else value)
    return found


def _check_registries(dtype: DType) -> None:
    """Refuse categories of a registry that the lake doesn't have."""
    for target in dtype.all_targets:
        try:
            meta = current_lake().directory.get(target.registry).meta
        except UnknownField as error:
            raise UnknownDtype(
                f"There is no registry {target.registry!r} for the dtype {str(dtype)!r}.",
                expected=error.expected,
            ) from error
        if target.field not in meta.names():
            raise UnknownDtype(
                f"{target.registry} has no field {target.field!r} for the dtype {str(dtype)!r}.",
                expected=", ".join(near(target.field, meta.names()) or sorted(meta.fields)),
            )


def feature_dtype(dtype: Any, filters: dict[str, Any] | None = None) -> DType:
    """The dtype that a caller means by text, a type, a registry, a field or a record type.

    Raises:
        UnknownDtype: It means none.
    """
    if isinstance(dtype, list) and dtype:
        return _list_or_union(dtype, filters)
    arguments = getattr(dtype, "__args__", None)
    if getattr(dtype, "__origin__", None) is list and arguments:
        return DType("list", item=feature_dtype(arguments[0], filters))
    target = _target(dtype)
    found = parse_dtype(dtype) if target is None else DType("cat", targets=(target,))
    if found == DType("cat") and not isinstance(dtype, str):  # a data frame's categories
        found = DType("cat", targets=(CatTarget("ULabel"),))
    if filters and found.targets:
        pairs = tuple((name, str(value)) for name, value in filters.items())
        narrowed = tuple(replace(t, filters=t.filters or pairs) for t in found.targets)
        return DType(found.kind, found.item, narrowed, found.utc)
    return found


def _list_or_union(dtypes: list[Any], filters: dict[str, Any] | None) -> DType:
    """`[int]` is a list; `[ULabel, bt.CellType]` are the registries that a value may come from."""
    targets = [_target(one) for one in dtypes]
    found = tuple(target for target in targets if target is not None)
    if len(dtypes) == 1 and not found:
        return DType("list", item=feature_dtype(dtypes[0], filters))
    if len(found) < len(dtypes):
        other = dtypes[targets.index(None)]
        raise UnknownDtype(
            f"{other!r} is no registry, so it can't be one of several dtypes.",
            found=f"{dtypes!r}",
            expected="registries, their fields, or record types",
        )
    return DType("cat", targets=found)


def _target(dtype: Any) -> CatTarget | None:
    if isinstance(dtype, FieldRef):
        meta = dtype.registry.meta
        return CatTarget(meta.name, dtype.name, spelled=True)
    if isinstance(dtype, type) and issubclass(dtype, BaseRecord):
        return CatTarget(dtype.meta.name, dtype.meta.name_field)
    if isinstance(dtype, BaseRecord):
        if not dtype._values.get("is_type"):
            raise InvalidArgument(
                f"{dtype!r} is no type, so it can't be a dtype.",
                hint="construct it with is_type=True",
            )
        if not is_saved(dtype._lake, dtype):
            raise InvalidArgument(f"{dtype!r} is not saved.", hint="call .save() on it first")
        path = [dtype]
        while (above := path[0]._get_related("type")) is not None:
            path.insert(0, above)
        return CatTarget(
            dtype.meta.name,
            "name",
            tuple(name_in_dtype(str(t._values["name"]), t.uid) for t in path),
        )
    return None
