"""Fields of records: validation of single values, and references to fields.

A field is validated by its annotation in the row model. Plain types have a fast way that
costs a type comparison; everything else goes through pydantic.
"""

from __future__ import annotations

import types
import typing
from collections.abc import Callable
from copy import deepcopy
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING, Annotated, Any, Generic, Never, TypeVar, Union, overload

import pydantic

from lakehouse.engine.json_text import check_json
from lakehouse.errors import FieldValidationError, InvalidArgument, TypeMismatch
from lakehouse.orm.bootstrap import NUMBERS
from lakehouse.printable import encodable

if TYPE_CHECKING:
    from lakehouse.orm.meta import RegistryMeta

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
        return aware(found) if isinstance(found, datetime) else found

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


def aware(moment: datetime) -> datetime:
    """A moment with a time zone; naive ones are meant as UTC."""
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


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
