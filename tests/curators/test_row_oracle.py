"""Whole columns get the verdict that pydantic gives row by row."""

from __future__ import annotations

import dataclasses
import datetime
import decimal
import enum
import ipaddress
import math
import pathlib
import re
import uuid
from typing import Annotated, Any, ClassVar, Generic, Literal, NewType, Optional, TypeVar, Union

import pandas as pd
import polars as pl
import pyarrow as pa
import pydantic
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import AfterValidator, BeforeValidator, Field, StringConstraints, WrapValidator

import lakehouse as ln
import lakehouse.bionty as bt
from lakehouse.curation import validate
from lakehouse.orm import Lake, current_lake
from lakehouse.schemas.spec import resolver_of, spec_of

DAY, MOMENT = datetime.date(2024, 2, 1), datetime.datetime(2024, 2, 1, 12)
TERMS = {"B cell", "T cell"}
T = TypeVar("T")
Dose = NewType("Dose", float)


class Arm(enum.Enum):
    A = "a"
    B = "b"


class Level(enum.IntEnum):
    LOW = 1
    HIGH = 3


class Site(pydantic.BaseModel):
    name: str
    floor: Annotated[int, Field(ge=0)] = 0


class Numbers(ln.DatasetModel):
    ge: Annotated[float, Field(ge=0.5)]
    between: Annotated[int, Field(gt=-2, le=3)]
    step: Annotated[int, Field(multiple_of=3)] | None
    tenth: Annotated[float, Field(multiple_of=0.1)]
    finite: pydantic.FiniteFloat | None
    small: pydantic.conint(lt=3, strict=True)
    money: pydantic.condecimal(max_digits=3, decimal_places=1) | None
    level: Level
    flag: bool | None
    dose: Dose


class Texts(ln.DatasetModel):
    short: Annotated[str, Field(min_length=1, max_length=2)]
    digits: Annotated[str, Field(pattern=r"^\d+$")]
    word: Annotated[str, Field(pattern=r"\bé|^\w$")] | None
    compiled: Annotated[str, Field(pattern=re.compile("^A$", re.I))]
    stripped: Annotated[str, StringConstraints(strip_whitespace=True, max_length=1)]
    arm: Arm
    choice: Literal["a", "é", ""] | None
    uid: uuid.UUID
    url: pydantic.HttpUrl | None
    cell: bt.CellType | None


class Times(ln.DatasetModel):
    day: Annotated[datetime.date, Field(gt=DAY)]
    moment: Annotated[datetime.datetime, Field(le=MOMENT)] | None
    noon: Annotated[datetime.time, Field(lt=datetime.time(12))]
    past: pydantic.PastDate
    span: Annotated[datetime.timedelta, Field(ge=datetime.timedelta(hours=1))] | None


class Nested(ln.DatasetModel):
    tags: Annotated[list[Annotated[str, Field(min_length=2)]], Field(max_length=2)]
    plain: list[int] | None
    cells: list[bt.CellType]
    few: Annotated[set[int], Field(max_length=1)]
    site: Site | None
    sites: list[Site]


class Validators(ln.DatasetModel):
    """Validators of every mode, which may change what later ones see."""

    unit: ClassVar[str] = "h"
    _note: str = pydantic.PrivateAttr("")

    after: Annotated[int, AfterValidator(abs), Field(le=2)]
    before: Annotated[int, Field(ge=0), BeforeValidator(lambda v: 0 if v is None else -v)]
    wrap: Annotated[
        int, Field(ge=0), WrapValidator(lambda v, handler: 0 if v == -1 else handler(v))
    ]
    even: Annotated[int, Field(ge=-1)]
    both: int | str
    default: Annotated[int, Field(ge=0)] = 1
    made: list[int] = Field(default_factory=list)

    @pydantic.field_validator("even")
    @classmethod
    def is_even(cls, value: int) -> int:
        assert value % 2 == 0
        return value

    @pydantic.field_validator("*")
    @classmethod
    def is_not_three(cls, value: Any) -> Any:
        if value == 3:
            raise ValueError("three")
        return value

    @pydantic.computed_field
    def twice(self) -> int:
        return 2 * self.even


class Rows(ln.DatasetModel):
    start: int
    end: Annotated[int, Field(ge=0)] | None
    seen: int = 0

    @pydantic.field_validator("end")
    @classmethod
    def ends_late(cls, value: int | None, info: pydantic.ValidationInfo) -> int | None:
        if value is not None and "start" in info.data and value < info.data["start"]:
            raise ValueError("ends before it starts")
        return value

    @pydantic.model_validator(mode="after")
    def adds_up(self) -> Rows:
        if self.end is None and self.seen > 1:
            raise ValueError("seen, and yet no end")
        return self


class Early(ln.DatasetModel):
    a: Annotated[int, Field(ge=0)]
    b: int | None

    @pydantic.model_validator(mode="before")
    @classmethod
    def a_from_b(cls, data: Any) -> Any:
        return {**data, "a": data["b"]} if data["a"] is None else data


class Settings(ln.DatasetModel):
    model_config = pydantic.ConfigDict(
        str_strip_whitespace=True, str_max_length=1, allow_inf_nan=False, regex_engine="python-re"
    )
    text: str
    look: Annotated[str, Field(pattern=r"^(?=a)")] | None
    number: float


class Base(ln.DatasetModel, Generic[T]):
    value: T
    more: Annotated[int, Field(ge=0)] = Field(0, alias="the more")


@dataclasses.dataclass
class Pair:
    a: int
    b: str = ""


class Others(ln.DatasetModel):
    """Types of pydantic's and of the standard library that are no column's own."""

    file: pathlib.Path | None
    secret: Annotated[pydantic.SecretStr, Field(min_length=2)]
    few: pydantic.conlist(int, min_length=1, max_length=2) | None
    pair: Pair | None
    address: ipaddress.IPv4Address
    arm: Optional[Arm]  # noqa: UP045 - spelt as people do
    either: Union[Literal["a"], Literal["12"], None]  # noqa: UP007
    json_: Annotated[pydantic.Json[int], Field(alias="json")]
    low: pydantic.constr(to_lower=True, pattern="^a")


class Derived(Base[bt.CellType]):
    own: Annotated[str, Field(validation_alias="its own", max_length=1)]


_ints = st.integers(-4, 4)
_floats = st.sampled_from([0.0, 0.1, 0.3, -0.5, 0.25, 1e12, math.inf, -math.inf])
_texts = st.sampled_from(["", "a", "A", " a ", "é", "٣", "12", "1\n", "abc", "bé é"])
_cells = st.sampled_from([*TERMS, "b cell", "x"])
_sites = st.fixed_dictionaries({}, optional={"name": st.just("s"), "floor": st.integers(-1, 1)})
_days = st.sampled_from([DAY, DAY + datetime.timedelta(1), datetime.date(2999, 1, 1)])

VALUES: dict[type[ln.DatasetModel], dict[str, tuple[st.SearchStrategy[Any], Any]]] = {
    Numbers: {
        "ge": (_floats, pa.float64()),
        "between": (_ints, pa.int64()),
        "step": (_ints, pa.int32()),
        "tenth": (_floats, pa.float64()),
        "finite": (_floats, pa.float32()),
        "small": (_ints, pa.int8()),
        "money": (st.sampled_from([decimal.Decimal(t) for t in ("1", "2.5", "1.25", "123.4")]),
                  pa.decimal128(6, 2)),
        "level": (st.integers(0, 3), pa.int64()),
        "flag": (st.booleans(), pa.bool_()),
        "dose": (_floats, pa.float64()),
    },
    Texts: {
        **dict.fromkeys(("short", "digits", "word", "compiled", "stripped", "arm", "choice"),
                        (_texts, pa.string())),
        "uid": (st.sampled_from([str(uuid.UUID(int=7)), "x"]), pa.string()),
        "url": (st.sampled_from(["https://a.org", "ftp://a.org", "a"]), pa.string()),
        "cell": (_cells, pa.dictionary(pa.int8(), pa.string())),
    },
    Times: {
        "day": (_days, pa.date32()),
        "moment": (st.sampled_from([MOMENT, MOMENT + datetime.timedelta(0, 1)]),
                   pa.timestamp("us")),
        "noon": (st.sampled_from([datetime.time(11), datetime.time(12)]), pa.time64("us")),
        "past": (_days, pa.date32()),
        "span": (st.sampled_from([datetime.timedelta(0, 3600 * h) for h in (0, 1)]),
                 pa.duration("us")),
    },
    Nested: {
        "tags": (st.lists(st.sampled_from(["a", "ab"]), max_size=3), pa.list_(pa.string())),
        "plain": (st.lists(_ints | st.none(), max_size=3), pa.list_(pa.int64())),
        "cells": (st.lists(_cells, max_size=2), pa.list_(pa.string())),
        "few": (st.lists(_ints, max_size=3), pa.list_(pa.int64())),
        "site": (_sites, None),
        "sites": (st.lists(_sites, max_size=2), None),
    },
    Validators: {
        **dict.fromkeys(("after", "before", "wrap", "even", "both", "default"),
                        (_ints, pa.int64())),
        "made": (st.lists(_ints, max_size=2), pa.list_(pa.int64())),
    },
    Others: {
        "file": (_texts, pa.string()),
        "secret": (_texts, pa.string()),
        "few": (st.lists(_ints, max_size=3), pa.list_(pa.int64())),
        "pair": (st.fixed_dictionaries({}, optional={"a": st.just(1), "b": st.just("x")}), None),
        "address": (st.sampled_from(["1.2.3.4", "1.2.3", "::1"]), pa.string()),
        **dict.fromkeys(("arm", "either", "json", "low"), (_texts, pa.string())),
    },
    Rows: dict.fromkeys(("start", "end", "seen"), (_ints, pa.int64())),
    Early: dict.fromkeys(("a", "b"), (_ints, pa.int64())),
    Settings: {"text": (_texts, pa.string()), "look": (_texts, pa.string()),
               "number": (_floats, pa.float64())},
    Derived: {"value": (_cells, pa.string()), "the more": (_ints, pa.int64()),
              "its own": (_texts, pa.string())},
}  # fmt: skip


@pytest.fixture
def known(lake: Lake) -> Lake:
    ln.save([bt.CellType(name=name) for name in TERMS])
    return lake


def given_of(model: type[ln.DatasetModel], row: dict[str, Any]) -> dict[str, Any]:
    """A row for pydantic: a value that is missing in a field with a default is left out."""
    given = dict(row)
    for name, info in model.model_fields.items():
        column = info.validation_alias or name
        if not info.is_required() and given[column] is None:
            del given[column]
    return given


def passes(model: type[pydantic.BaseModel], given: dict[str, Any]) -> bool:
    try:
        model.model_validate(given)
    except pydantic.ValidationError:
        return False
    return True


def is_right(model: type[ln.DatasetModel], row: dict[str, Any]) -> bool:
    given = given_of(model, row)
    cells = [*(given.get("cells") or []), given.get("cell"), given.get("value")]
    return passes(model, given) and {c for c in cells if isinstance(c, str)} <= TERMS


def wrong_rows(data: Any, spec: Any) -> set[int]:
    report = validate(data, spec, resolver_of(current_lake()), all_rows=True)
    return set(report.to_rows()["row"].to_list())


@pytest.mark.slow
@pytest.mark.parametrize("model", VALUES, ids=lambda model: model.__name__)
def test_columns_get_the_verdict_of_their_rows(model: type[ln.DatasetModel], known: Lake) -> None:
    schema = model.to_schema().save()
    spec, of_schema = spec_of(schema, known.state), schema.to_pydantic()
    columns = VALUES[model]
    rows = st.fixed_dictionaries({n: st.none() | values for n, (values, _) in columns.items()})

    @settings(max_examples=25, suppress_health_check=list(HealthCheck), deadline=None)
    @given(st.lists(rows, min_size=1, max_size=8))
    def compared(given: list[dict[str, Any]]) -> None:
        expected = {i for i, row in enumerate(given) if not is_right(model, row)}
        back = [passes(of_schema, given_of(model, row)) for row in given]
        assert {i for i, right in enumerate(back) if not right} == expected
        table = pa.table(
            {n: pa.array([row[n] for row in given], kind) for n, (_, kind) in columns.items()}
        )
        assert wrong_rows(table, spec) == expected
        if model is not Nested:
            assert wrong_rows(pl.DataFrame(table), spec) == expected
            objects = {n: pd.Series([row[n] for row in given], dtype=object) for n in columns}
            assert wrong_rows(pd.DataFrame(objects), spec) == expected

    compared()


def test_json_texts_are_texts(known: Lake) -> None:
    """Fields that pydantic parses from JSON get columns of what it parses."""
    schema = Others.to_schema().save()
    assert {f.name: f.dtype for f in schema.features.all()}["json"] == "str"
    row: dict[str, Any] = dict.fromkeys(VALUES[Others])
    row |= {"secret": "abc", "address": "1.2.3.4", "json": "12", "low": "a"}
    for text, right in (("12", True), ("x", False), ('"x"', False)):
        row["json"] = text
        assert is_right(Others, row) is right
        assert passes(schema.to_pydantic(), row) is right
        kinds = {name: kind for name, (_, kind) in VALUES[Others].items()}
        table = pa.table({name: pa.array([v], kinds[name]) for name, v in row.items()})
        assert (wrong_rows(table, spec_of(schema, known.state)) == set()) is right
