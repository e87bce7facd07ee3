"""What the record layer knows of a registry: its table, fields, keys and relations."""

from __future__ import annotations

import re
import types
import typing
from collections.abc import Callable, Mapping
from copy import deepcopy
from dataclasses import dataclass, field
from datetime import date, datetime
from functools import cached_property
from typing import Annotated, Any, Generic, Never, TypeVar, Union, overload

import pyarrow as pa
import pydantic

from lakehouse.engine import KeyScope, RowModel, TableSpec
from lakehouse.engine.table.json_text import check_json
from lakehouse.errors import FieldValidationError, InvalidArgument, TypeMismatch, UnknownField, near
from lakehouse.orm.model.builtin import ARCHIVE, MAIN, NUMBERS, TRASH
from lakehouse.orm.model.operands import Subject, utc
from lakehouse.text.printable import encodable

# -- Fields of records: validation of single values, and references to fields


T = TypeVar("T")
_LENIENT = ("datetime", "date")


def _bare(annotation: Any) -> Any:
    """The annotation without `None`."""
    if typing.get_origin(annotation) in (typing.Union, types.UnionType):
        args = [a for a in typing.get_args(annotation) if a is not type(None)]
        return args[0] if len(args) == 1 else annotation
    return annotation


def _kind(annotation: Any) -> str:
    if typing.get_origin(annotation) is typing.Annotated:
        return _kind(typing.get_args(annotation)[0])
    bare = _bare(annotation)
    if typing.get_origin(bare) is typing.Annotated:
        return _kind(typing.get_args(bare)[0])
    if typing.get_origin(bare) is typing.Literal:
        return "str"
    if typing.get_origin(bare) is list and typing.get_args(bare) == (str,):
        return "list"
    simple: dict[Any, str] = {
        str: "str", bool: "bool", int: "int", float: "float", datetime: "datetime", date: "date"
    }  # fmt: skip
    return simple.get(bare, "json")


class Field:
    """One column of a registry: its kind, and how a value for it is checked.

    Attributes:
        name: The column's name.
        kind: `str`, `int`, `float`, `bool`, `datetime`, `date`, `list` or `json`.
        exact: The type whose values are accepted without a further look, if any.
    """

    def __init__(
        self, registry: str, name: str, annotation: Any, metadata: tuple[Any, ...]
    ) -> None:
        self.registry = registry
        self.name = name
        self.kind = _kind(annotation)
        bare = _bare(annotation)
        plain = bare in (str, int, bool, float) and not metadata
        self.exact: type | None = bare if plain else None
        annotated: Any = typing.Annotated
        self._annotation: Any = annotated[(annotation, *metadata)] if metadata else annotation
        self._adapter: pydantic.TypeAdapter[Any] | None = None

    @cached_property
    def subject(self) -> Subject:
        """What look-ups ask."""
        return Subject(self.name, self.kind, of=self.registry, item="str", choices=self.choices)

    @property
    def choices(self) -> tuple[Any, ...]:
        """The few words that a field may hold, if it may hold no others."""
        bare = _bare(self._annotation)
        return typing.get_args(bare) if typing.get_origin(bare) is typing.Literal else ()

    def validate(self, value: Any) -> Any:
        """The value as it is stored.

        Raises:
            FieldValidationError: It is of another type or form.
        """
        if type(value) is self.exact and self.exact is not str:
            return value
        if type(value) is str and self.kind == "str" and not encodable(value):
            raise self._error(ascii(value), "text that UTF-8 can encode")
        if value is None or (type(value) is str and self.exact is str):
            return value
        if self.kind in ("int", "float", "bool") and hasattr(value, "item"):
            value = value.item()  # a numpy scalar
        if self._adapter is None:
            self._adapter = pydantic.TypeAdapter(self._annotation)
        try:
            strict = None if self.kind in _LENIENT else True
            found = self._adapter.validate_python(value, strict=strict)
        except pydantic.ValidationError as error:
            detail = error.errors(include_url=False)[0]["msg"].removeprefix("Value error, ")
            raise self._error(f"{value!r} ({type(value).__name__})", detail) from None
        if self.kind == "json":
            self._check_json(found)
        return utc(found)

    def _check_json(self, value: Any) -> None:
        try:
            check_json(value)
        except FieldValidationError as error:
            raise self._error(str(error.found), str(error.expected)) from None

    def _error(self, found: str, expected: str) -> FieldValidationError:
        shown = found if len(found) < 200 else found[:200] + "…"
        return FieldValidationError(
            f"The field {self.name!r} of {self.registry} can't take this value.",
            found=shown,
            expected=f"{self.kind}: {expected}",
            field=self.name,
        )

    def refused(self, value: Any, expected: str) -> FieldValidationError:
        """The error for a value that the field can't take."""
        return self._error(repr(value), expected)


def is_blank(value: Any) -> bool:
    """Whether a text has nothing to read in it."""
    return isinstance(value, str) and not value.strip(" \t\r\n")


def together(registry: str, errors: list[FieldValidationError]) -> FieldValidationError:
    """One error for all fields that were given a wrong value."""
    if len(errors) == 1:
        return errors[0]
    names = ", ".join(e.field for e in errors)
    return FieldValidationError(
        f"The fields {names} of {registry} can't take these values.",
        found="; ".join(f"{e.field}: {e.found}" for e in errors),
        expected="; ".join(f"{e.field}: {e.expected}" for e in errors),
        field=names,
    )


@dataclass(frozen=True)
class FieldRef:
    """A reference to a field of a registry, e.g. `bt.Gene.ensembl_gene_id`.

    Attributes:
        registry: The record class.
        name: The field's name.
    """

    registry: type[Any]
    name: str

    @property
    def field(self) -> FieldRef:
        """Itself, as the peer's field attributes have it."""
        return self

    @property
    def registry_name(self) -> str:
        """The registry's full name, e.g. `bionty.Gene`."""
        return str(self.registry.meta.name)

    def __or__(self, other: Any) -> Any:
        """A union of fields, or with None, in annotations of data models."""
        marked = Annotated[str, other] if isinstance(other, FieldRef) else other
        return Union[Annotated[str, self], marked]  # noqa: UP007 - made at run time

    def __str__(self) -> str:
        return f"{self.registry_name}.{self.name}"

    def __repr__(self) -> str:
        return str(self)


class FieldDescriptor(Generic[T]):
    """Gives a record's value, or on the class the field's reference.

    Registries name theirs for type checkers, e.g. `key: FieldDescriptor[str | None]`.
    """

    def __init__(self, field: Field) -> None:
        self._field = field

    @overload
    def __get__(self, record: None, owner: type[Any]) -> FieldRef: ...
    @overload
    def __get__(self, record: object, owner: type[Any]) -> T: ...
    def __get__(self, record: Any, owner: type[Any]) -> Any:
        if record is None:
            return FieldRef(owner, self._field.name)
        value = record._values.get(self._field.name)
        if isinstance(value, dict | list):
            lend(record, self._field.name, value)
        return value

    def __set__(self, record: Any, value: T) -> None:
        checked = self._field.validate(value)
        refuse_derived(record, self._field.name, record._values.get(self._field.name), checked)
        record._set(self._field.name, checked)


def refuse_derived(record: Any, name: str, known: Any, told: Any) -> None:
    """Refuse to assign a field that follows from others.

    Raises:
        FieldValidationError: It is such a field, and the value is another one.
    """
    way = record.meta.derived.get(name)
    if way is not None and told != known:
        raise FieldValidationError(
            f"The field {name!r} of {record!r} follows from what it is of; it isn't assigned.",
            found=repr(told),
            expected=repr(known),
            hint=way,
            field=name,
        )


class UidDescriptor(FieldDescriptor[str]):
    """The uid, which is made when it is first asked for."""

    @overload
    def __get__(self, record: None, owner: type[Any]) -> FieldRef: ...
    @overload
    def __get__(self, record: object, owner: type[Any]) -> str: ...
    def __get__(self, record: Any, owner: type[Any]) -> Any:
        if record is None:
            return FieldRef(owner, self._field.name)
        return record._ensure_uid()

    def __set__(self, record: Any, value: str) -> None:
        if record._saved:
            raise InvalidArgument(f"The uid of {record!r} can't be changed.")
        super().__set__(record, value)
        record._check_uid()


def lend(record: Any, name: str, value: Any) -> None:
    """Remember what a dictionary or list was like before it was handed out."""
    lent = record._lent
    if lent is None:
        lent = record._lent = {}
    known = lent.get(name)
    if known is None or known[0] is not value:
        lent[name] = (value, deepcopy(value))


def take_back(record: Any) -> None:
    """Find the dictionaries and lists that were changed since they were handed out."""
    for name, (value, before) in record._lent.items():
        old = record._old
        if old and old.get(name) is value:
            old[name] = before  # it was changed, and then another value was assigned
        elif record._values.get(name) is value and value != before:
            if old is None:
                old = record._old = {}
            old.setdefault(name, before)


class ForeignKeyDescriptor(Generic[T]):
    """Gives the record that a foreign key refers to, and takes one."""

    def __init__(self, name: str) -> None:
        self._name = name

    @overload
    def __get__(self, record: None, owner: type[Any]) -> FieldRef: ...
    @overload
    def __get__(self, record: object, owner: type[Any]) -> T: ...
    def __get__(self, record: Any, owner: type[Any]) -> Any:
        if record is None:
            return FieldRef(owner, self._name)
        return record._get_related(self._name)

    def __set__(self, record: Any, value: T) -> None:
        column = f"{self._name}_uid"
        told = getattr(value, "_values", {}).get("uid") if hasattr(value, "_values") else value
        refuse_derived(record, self._name, record._values.get(column), told)
        record._set_related(self._name, value)


class ForeignIdDescriptor(Generic[T]):
    """Gives and takes the uid that a foreign key holds, under the peer's name `<field>_id`."""

    def __init__(self, name: str) -> None:
        self._name = name

    @overload
    def __get__(self, record: None, owner: type[Any]) -> FieldRef: ...
    @overload
    def __get__(self, record: object, owner: type[Any]) -> T: ...
    def __get__(self, record: Any, owner: type[Any]) -> Any:
        if record is None:
            return FieldRef(owner, self._name)
        return record._values.get(f"{self._name}_uid")

    def __set__(self, record: Any, value: T) -> None:
        target = record.meta.foreign_keys[self._name]
        setattr(record, f"{self._name}_uid", branch_uid(value) if target == "Branch" else value)


def branch_uid(value: Any) -> Any:
    """The uid of a built-in branch that is given by the peer's number of it."""
    return NUMBERS.get(value, value) if type(value) is int else value


class RelationDescriptor(Generic[T]):
    """Gives the manager of a relation over a link table, on instances."""

    def __init__(self, name: str, manager: Callable[[Any], Any] | None) -> None:
        self._name = name
        self._manager = manager

    @overload
    def __get__(self, record: None, owner: type[Any]) -> FieldRef: ...
    @overload
    def __get__(self, record: object, owner: type[Any]) -> T: ...
    def __get__(self, record: Any, owner: type[Any]) -> Any:
        if record is None or self._manager is None:
            return FieldRef(owner, self._name)
        return self._manager(record)

    def __set__(self, record: Any, value: Never) -> None:
        raise TypeMismatch(
            f"The relation {self._name!r} of {record!r} isn't assigned to.",
            hint=f".{self._name}.set([…]), or .{self._name}.add(…)",
        )


def build_fields(meta: RegistryMeta) -> dict[str, Field]:
    """The fields of a registry, from its row model."""
    return {
        name: Field(meta.name, name, info.annotation, tuple(info.metadata))
        for name, info in meta.row.model_fields.items()
    }


NAME_SCOPE = KeyScope("branch_uid", MAIN, frozenset((ARCHIVE, TRASH)))

# Columns that the record layer fills in; they come last in every table.
TRACKED = (
    "branch_uid",
    "space_uid",
    "created_on_uid",
    "is_locked",
    "created_at",
    "updated_at",
    "created_by_uid",
    "run_uid",
)


def table_name(registry: str) -> str:
    """The table of a registry in snake case, e.g. `cell_type` of `bionty.CellType`."""
    name = registry.rpartition(".")[2]
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name).lower()


@dataclass(frozen=True)
class Relation:
    """A relation over a link table, or the other side of a foreign key.

    Attributes:
        name: The accessor, e.g. `ulabels` on Artifact.
        target: Name of the related registry, e.g. `ULabel`.
        link: The link table, e.g. `artifact_link`; for the other side of a foreign key the
            table of the related registry.
        registry: The value of the link table's `registry` column that belongs to it; None
            where the table has only one target registry.
        reverse: Whether the related registry is the link's subject (`ulabel.artifacts`).
        slot: Only links of this slot, if given.
        manager: Makes the manager that records give for the accessor.
        foreign_key: The related registry's foreign key that is looked at from the other side,
            e.g. `transform` for `transform.runs`.
        inverse: The accessor of the related registry that leads back.
        apart: Slots of other relations between the same registries, whose links don't count.
        ordered: Whether the links have positions.
        protects: Whether a record that is linked to can't be deleted.
        acyclic: Whether following the links must never lead back.
    """

    name: str
    target: str
    link: str
    registry: str | None = None
    reverse: bool = False
    slot: str | None = None
    manager: Callable[[Any], Any] | None = None
    foreign_key: str | None = None
    inverse: str | None = None
    apart: tuple[str, ...] = ()
    ordered: bool = False
    protects: bool = True
    acyclic: bool = False

    @property
    def own_column(self) -> str:
        """The link column that holds the uid of the registry with this accessor."""
        if self.foreign_key is not None:
            return f"{self.foreign_key}_uid"
        return "target_uid" if self.reverse else "subject_uid"

    @property
    def other_column(self) -> str:
        """The link column that holds the related record's uid."""
        if self.foreign_key is not None:
            return "uid"
        return "subject_uid" if self.reverse else "target_uid"

    def conditions(self, alias: str) -> tuple[list[str], list[Any]]:
        """SQL of what tells this relation's links from others in the table, with its values."""
        found: list[str] = []
        values: list[Any] = []
        for column in ("registry", "slot"):
            if (wanted := getattr(self, column)) is not None:
                found.append(f"{alias}.{column} = ?")
                values.append(wanted)
        if self.apart:
            marks = ", ".join("?" * len(self.apart))
            found.append(f"({alias}.slot IS NULL OR {alias}.slot NOT IN ({marks}))")
            values += self.apart
        return found, values


@dataclass(frozen=True)
class Condition:
    """A piece of SQL that is true or not for a row, with its parameters.

    The text may contain `{row}` where the row's table alias stands, and `{uids}` where a
    table of uids that was found beforehand stands, whose column is `v`.

    Attributes:
        sql: A boolean SQL expression.
        params: Values of its `?`, in order.
        uids: The uids, an Arrow array.
        only: Whether exactly the rows with these uids fulfil the condition.
    """

    sql: str
    params: tuple[Any, ...] = ()
    uids: Any = None
    only: bool = False


FeatureLookup = Callable[[Any, str, list[str], Any], "Condition | None"]
# what users import the modules of registries as
_IMPORTED_AS = {"": "ln", "bionty": "bt"}
FeatureColumns = Callable[[Any, "RegistryMeta", pa.Table, "list[str] | None"], pa.Table]


@dataclass
class RegistryMeta:
    """A registry as the record layer sees it.

    Attributes:
        cls: The record class.
        row: The pydantic model of a row.
        name: Full name, e.g. `ULabel` or `bionty.CellType`.
        table: Table name in snake case.
        name_field: The field that people know a record by.
        unique: Unique keys, tuples of columns.
        match: Column tuples by which constructing finds an existing record.
        foreign_keys: Foreign-key field → name of the registry that it refers to.
        required: Fields without which a record can't be made.
        versioned: Whether uids end in a version of four characters.
        relations: Relations over link tables, by accessor.
        computed: Virtual fields: name → (kind, SQL expression with `{row}`).
        aliases: Names in look-ups that stand for a path, e.g. `transform` → `run__transform`.
        feature_lookup: Called with (lake, name, rest of the look-up, value) for names that
            are no fields; returns a condition, or None if there is no such feature.
        part_of: The foreign key to the record that one of this registry is a part of, and
            with which it is deleted for good.
        names_per_branch: Whether the unique keys hold on each branch by itself, and not in
            the trash or the archive; else they hold in the whole lake.
        immediate: Columns whose change is seen on every branch at once, since it goes with a
            change of stored bytes.
        feature_columns: Called with (lake, meta, table with the column `uid`, names or None);
            returns the table with a column for each feature of its records.
        private: Columns that data frames leave out unless they are asked for.
        derived: Fields that follow from others or from the content, so that nobody assigns them
            → the call that changes them.
    """

    cls: type[Any]
    row: type[RowModel]
    name: str
    table: str
    name_field: str = "name"
    unique: tuple[tuple[str, ...], ...] = ()
    match: tuple[tuple[str, ...], ...] = ()
    foreign_keys: dict[str, str] = field(default_factory=dict)
    required: tuple[str, ...] = ()
    versioned: bool = False
    relations: dict[str, Relation] = field(default_factory=dict)
    computed: dict[str, tuple[str, str]] = field(default_factory=dict)
    aliases: dict[str, str] = field(default_factory=dict)
    feature_lookup: FeatureLookup | None = None
    part_of: str | None = None
    names_per_branch: bool = False
    immediate: frozenset[str] = frozenset()
    feature_columns: FeatureColumns | None = None
    private: tuple[str, ...] = ()
    derived: dict[str, str] = field(default_factory=dict)

    @property
    def code(self) -> str:
        """What users type for the registry: `ln.ULabel`, `bt.CellType`."""
        module, _, name = self.name.rpartition(".")
        return f"{_IMPORTED_AS.get(module, module)}.{name}"

    @cached_property
    def fields(self) -> dict[str, Field]:
        """The columns by name."""
        return build_fields(self)

    @cached_property
    def defaults(self) -> dict[str, Any]:
        """Values of the fields that aren't null by default."""
        infos = self.row.model_fields.items()
        return {n: i.default for n, i in infos if not i.is_required() and i.default is not None}

    @cached_property
    def spec(self) -> TableSpec:
        """The engine's specification of the table: own columns first, tracked ones last."""
        derived = TableSpec.from_model(self.table, self.row, self.unique)
        own = [c for c in derived.columns if c.name not in TRACKED]
        tracked = [c for n in TRACKED for c in derived.columns if c.name == n]
        scope = NAME_SCOPE if self.names_per_branch else None
        return TableSpec(self.table, (*own, *tracked), derived.unique, scope)

    @property
    def columns(self) -> tuple[str, ...]:
        """Names of the columns in table order."""
        return self.spec.column_names

    @property
    def has_branch(self) -> bool:
        """Whether records live on branches, and so have a trash."""
        return "branch_uid" in self.fields and self.part_of != "branch"

    @cached_property
    def uid_length(self) -> int:
        """Length of a complete uid."""
        return 20 if self.versioned else 16

    def names(self) -> list[str]:
        """Everything that a filter may name."""
        return [*self.fields, *self.foreign_keys, *self.relations, *self.computed, *self.aliases]

    def unknown(self, name: str, what: str = "field") -> UnknownField:
        """The error for a name that this registry doesn't have."""
        close = near(name, self.names())
        return UnknownField(
            f"{self.name} has no {what} {name!r}.",
            expected=", ".join(close) if close else ", ".join(self.names()),
            hint=f"did you mean {close[0]!r}?" if close else None,
        )


def relations(
    *relations: Relation,
) -> Mapping[str, Relation]:
    """Relations by accessor, for the `relations=` of a record class."""
    return {r.name: r for r in relations}
