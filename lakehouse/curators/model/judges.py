"""Judges of values and of rows: pydantic, run over many of them in one call."""

from __future__ import annotations

import typing
from collections.abc import Iterator, Mapping, Sequence
from contextlib import nullcontext
from functools import cached_property
from typing import Any

import pydantic
from pydantic_core import SchemaValidator, core_schema

from lakehouse.curation import RowFault
from lakehouse.curators.model.annotations import looked_up
from lakehouse.curators.model.compiled import config_of, fields_of

# What a validator raises that wasn't written with None in mind.
_UNFIT = (TypeError, AttributeError, LookupError, ArithmeticError)


class FieldJudge:
    """Applies one field of a model, its validators included, to values of a column.

    Args:
        cls: The model.
        name: The field.
        look_up: Whether terms in nested values are looked up in their registries.
    """

    def __init__(self, cls: type[pydantic.BaseModel], name: str, *, look_up: bool) -> None:
        self._cls = cls
        self._name = name
        self._look_up = look_up

    @property
    def takes_none(self) -> bool:
        """Whether a value may be missing."""
        try:
            return not self._faults([None], [0])
        except _UNFIT:
            return False

    @cached_property
    def _validator(self) -> SchemaValidator:
        schema = fields_of(self._cls)[self._name]
        made: Any = core_schema.list_schema(schema)
        whole: Any = self._cls.__pydantic_core_schema__
        if whole["type"] == "definitions":
            made = core_schema.definitions_schema(made, whole["definitions"])
        return SchemaValidator(made, config_of(self._cls))

    def __call__(self, value: Any) -> Any:
        """Judge one value.

        Raises:
            ValueError: It is wrong.
        """
        wrong = self.faults([value])
        if wrong:
            raise ValueError(wrong[0])
        return value

    def faults(self, values: Sequence[Any]) -> dict[int, str]:
        """What is wrong with which of the values, by position."""
        with looked_up() if self._look_up else nullcontext():
            return self._faults(list(values), list(range(len(values))))

    def _faults(self, values: list[Any], positions: list[int]) -> dict[int, str]:
        said: dict[int, str] = {}
        again: dict[int, None] = {}
        try:
            self._validator.validate_python([values[p] for p in positions])
        except pydantic.ValidationError as error:
            for detail in error.errors(include_url=False, include_context=False):
                position = positions[typing.cast("int", detail["loc"][0])]
                path = detail["loc"][1:]
                if detail["input"] is None and _without(values, position, path):
                    again[position] = None
                said.setdefault(position, _message(detail["msg"], path))
        if again:
            # What is absent from a dictionary is None in a column of them.
            said = {p: text for p, text in said.items() if p not in again}
            said |= self._faults(values, list(again))
        return said


def _without(values: list[Any], position: int, path: tuple[Any, ...]) -> bool:
    """Leave a None out of the nested dictionary that holds it; whether there was one."""
    for depth in range(len(path), 0, -1):
        if not isinstance(path[depth - 1], str):
            continue
        found, holder = values[position], None
        for key in path[:depth]:
            holder = found
            try:
                found = found[key]
            except (KeyError, IndexError, TypeError):
                holder = None
                break
        if isinstance(holder, dict) and found is None:
            values[position] = _dropped(values[position], path[:depth])
            return True
    return False


def _dropped(value: Any, path: tuple[Any, ...]) -> Any:
    """A copy without one nested key."""
    key, *rest = path
    if isinstance(value, list):
        return [_dropped(v, tuple(rest)) if i == key else v for i, v in enumerate(value)]
    if not rest:
        return {k: v for k, v in value.items() if k != key}
    return {k: _dropped(v, tuple(rest)) if k == key else v for k, v in value.items()}


def _message(text: str, path: Sequence[Any]) -> str:
    """What pydantic says, where, without the name of the exception that a validator raised."""
    said = text.removeprefix("Value error, ").removeprefix("Assertion failed, ")
    text = said or text
    where = ".".join(str(part) for part in path)
    return f"{where}: {text}" if where else text


class ModelJudge:
    """Applies a whole model to rows; tells what its columns' own conditions can't.

    Args:
        cls: The model.
        columns: The fields by column.
        fields: Of which columns all faults are told, not only those of whole rows.
        absent: The columns whose missing values mean the field's default.
        whole: Whether rows are given with all columns, those of the model and others.
    """

    def __init__(
        self,
        cls: type[pydantic.BaseModel],
        *,
        columns: Sequence[str],
        fields: frozenset[str],
        absent: frozenset[str],
        whole: bool,
    ) -> None:
        self.name = cls.__name__
        self.columns = None if whole else tuple(columns)
        self._own = frozenset(columns)
        self._fields = fields
        self._absent = absent
        self._rows: pydantic.TypeAdapter[Any] = pydantic.TypeAdapter(list[cls])  # type: ignore[valid-type]

    def faults(self, rows: Sequence[Mapping[str, Any]]) -> Iterator[RowFault]:
        """What is wrong with rows."""
        given = (
            rows
            if not self._absent
            else [
                {k: v for k, v in row.items() if v is not None or k not in self._absent}
                for row in rows
            ]
        )
        try:
            self._rows.validate_python(list(given))
        except pydantic.ValidationError as error:
            for detail in error.errors(include_url=False, include_context=False):
                position, *path = detail["loc"]
                column = str(path[0]) if path else None
                if column is None:
                    yield RowFault(typing.cast("int", position), None, _message(detail["msg"], ()))
                elif column in self._fields and detail["type"] != "missing":
                    text = _message(detail["msg"], path[1:])
                    yield RowFault(typing.cast("int", position), column, text)
