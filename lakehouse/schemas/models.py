"""pydantic models of the rows that a schema describes, for dictionaries and single records."""

from __future__ import annotations

import dataclasses
import keyword
from collections.abc import Callable, Collection, Mapping
from typing import TYPE_CHECKING, Annotated, Any

import polars as pl
import pyarrow as pa
import pydantic

from lakehouse._lazy import require
from lakehouse.curation import TermResolver, validate
from lakehouse.curation.data.chunks import is_missing
from lakehouse.curation.rules.constraints import fault
from lakehouse.curation.spec import ColumnRule, DatasetSpec, RowJudge
from lakehouse.curation.terms import looked_up
from lakehouse.curation.values import PYTHON_TYPES
from lakehouse.schemas.spec import resolver_of, spec_of

if TYPE_CHECKING:
    from lakehouse.curation import TermResolver
    from lakehouse.orm import Lake
    from lakehouse.schema import DType


# Conditions that pydantic applies, and shows in JSON schemas, itself.
_OWN = (
    *("ge", "gt", "le", "lt", "multiple_of"),
    *("min_length", "max_length", "pattern", "allow_inf_nan"),
)


def row_model(schema: Any, lake: Lake) -> type[pydantic.BaseModel]:
    """The model of one row of a schema; terms are compared with the registries of now.

    Features whose names are no Python names are fields by position, with the name as alias.

    Args:
        schema: The schema, of one table.
        lake: Its lake.
    """
    spec: DatasetSpec = spec_of(schema, lake.state)
    resolver = resolver_of(lake)
    fields: dict[str, Any] = {}
    names = {rule.name for rule in spec.columns}
    for position, rule in enumerate(spec.columns):
        plain = rule.name.isidentifier() and not keyword.iskeyword(rule.name)
        taken = hasattr(pydantic.BaseModel, rule.name) or rule.name.startswith("_")
        name = rule.name if plain and not taken else _free(f"field_{position}", names)
        alias = None if name == rule.name else rule.name
        fields[name] = _field(rule, spec, resolver, alias)
    config = pydantic.ConfigDict(
        extra="forbid" if spec.maximal_set else "allow", populate_by_name=True
    )
    given = str(schema.name or "Row")
    title = given if given.isidentifier() else given.title()
    label = "".join(part for part in title if part.isalnum() or part == "_") or "Row"
    validators: dict[str, Any] = {}
    if spec.rows is not None:
        validators["rows"] = pydantic.model_validator(mode="before")(_row_test(spec.rows))
    return pydantic.create_model(label, __config__=config, __validators__=validators, **fields)


def _free(name: str, taken: Collection[str]) -> str:
    while name in taken:
        name += "_"
    return name


def _row_test(judge: RowJudge) -> Callable[[Any], Any]:
    def check(values: Any) -> Any:
        if isinstance(values, Mapping):
            for fault in judge.faults([values]):
                where = "" if fault.column is None else f"{fault.column}: "
                raise ValueError(where + fault.message)
        return values

    return check


def _field(
    rule: ColumnRule, spec: DatasetSpec, resolver: TermResolver, alias: str | None
) -> tuple[Any, Any]:
    complete = rule.checks.get("null_items") is False
    annotation: Any = _annotation(rule.dtype, resolver, complete=complete)
    # of numbers that may be whole or not, pydantic takes the plain remainder
    ours = {"multiple_of"} if rule.dtype.kind == "num" else set()
    own = {n: value for n, value in rule.checks.items() if n in _OWN and n not in ours}
    other = {n: value for n, value in rule.checks.items() if n not in own}
    if own:
        annotation = Annotated[annotation, pydantic.Field(**own)]
    for name, argument in other.items():
        annotation = Annotated[annotation, pydantic.AfterValidator(_test(name, argument))]
    if rule.nullable:
        annotation = annotation | None
    annotation = Annotated[annotation, pydantic.BeforeValidator(_present)]
    required = spec.is_required(rule)
    info: Any = pydantic.Field(... if required else rule.default, alias=alias)
    return annotation, info


def _present(value: Any) -> Any:
    """None for what is missing, as in columns: NaN, and pandas' NA and NaT."""
    return None if is_missing(value) else value


def _annotation(dtype: DType, resolver: TermResolver, *, complete: bool = False) -> Any:
    if dtype.kind == "list":
        item = Any if dtype.item is None else _annotation(dtype.item, resolver)
        return list[item] if complete or item is Any else list[item | None]  # type: ignore[valid-type]
    if dtype.kind == "cat":
        return Annotated[str, pydantic.AfterValidator(term_test(dtype, resolver))]
    return PYTHON_TYPES[dtype.kind]


def term_test(dtype: DType, resolver: TermResolver) -> Callable[[str], str]:
    """A validator of one text, which must be a term of a dtype's registries."""
    known: set[str] = set()  # rows of a stream repeat their terms

    def check(value: str) -> str:
        if value in known:
            return value
        asked = pa.array([value], pa.string())
        near: list[str] = []
        for _, _, answer in looked_up(resolver, dtype.all_targets, asked):
            if answer.valid[0].as_py():
                known.add(value)
                return value
            if (standard := answer.synonym_of[0].as_py()) is not None:
                near.append(standard)
        for target in dtype.all_targets:
            near += resolver.nearest(target, [value])[0]
        said = f"; did you mean {near[0]!r}?" if near else ""
        raise ValueError(f"{value!r} is no term of {dtype}{said}")

    return check


def _test(name: str, argument: Any) -> Callable[[Any], Any]:
    def check(value: Any) -> Any:
        said = fault(name, argument, value)
        if said is not None:
            raise ValueError(said or f"not among {argument}")
        return value

    return check


# -- pandera schemas whose checks are ours: for pipelines that already validate with pandera


def pandera_schema(schema: Any, lake: Lake) -> Any:
    """The `pandera.pandas.DataFrameSchema` of a schema of one table; terms are those of now."""
    pandera = require("pandera.pandas", "make pandera schemas")
    spec, resolver = spec_of(schema, lake.state), resolver_of(lake)
    columns = {}
    for rule in spec.columns:
        check = pandera.Check(_of_column(rule, resolver), name=str(rule.dtype), ignore_na=False)
        # nullable for pandera, since our own check says what may be missing
        columns[rule.name] = pandera.Column(
            checks=check, nullable=True, required=spec.is_required(rule)
        )
    checks = [] if spec.rows is None else [pandera.Check(_of_rows(spec), name=spec.rows.name)]
    return pandera.DataFrameSchema(
        columns,
        checks=checks,
        name=schema.name,
        strict=spec.maximal_set,
        ordered=spec.ordered_set,
    )


def _of_column(rule: ColumnRule, resolver: TermResolver) -> Callable[[Any], Any]:
    def check(series: Any) -> Any:
        return _fine(series.to_frame(rule.name), DatasetSpec((rule,)), resolver)

    return check


def _of_rows(spec: DatasetSpec) -> Callable[[Any], Any]:
    only_rows = dataclasses.replace(spec, columns=(), maximal_set=False, ordered_set=False)
    return lambda frame: _fine(frame, only_rows, None)


def _fine(frame: Any, spec: DatasetSpec, resolver: TermResolver | None) -> Any:
    """Of each row, whether nothing is wrong with it."""
    rows = validate(frame, spec, resolver, all_rows=True).to_rows()["row"].unique()
    fine = ~pl.int_range(len(frame), eager=True).is_in(rows.implode())
    return require("pandas", "make pandera schemas").Series(fine.to_numpy(), index=frame.index)
