"""Validating single values and dictionaries: external features, parameters, `uns`."""

from __future__ import annotations

import datetime
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from numbers import Integral
from pathlib import PurePath
from typing import Annotated, Any

import numpy as np
import pyarrow as pa
import pydantic

from lakehouse.curation.coercion import coerce_value
from lakehouse.curation.data.chunks import Objects, accepts_value, is_missing, is_sequence, is_text
from lakehouse.curation.failure import Failure
from lakehouse.curation.reports.failures import Failures, Group
from lakehouse.curation.reports.report import Report
from lakehouse.curation.rules.categories import make as category_check
from lakehouse.curation.rules.constraints import ConstraintCheck
from lakehouse.curation.rules.dicts import dict_of_text
from lakehouse.curation.rules.rows import make as row_check
from lakehouse.curation.spec import ColumnRule, DatasetSpec
from lakehouse.curation.terms import TermResolver
from lakehouse.schema import DType

# -- pydantic models generated from a spec, for values that aren't columns


PYTHON_TYPES: dict[str, Any] = {
    "int": int,
    "float": float,
    "num": int | float,
    "str": str,
    "path": str,
    "url": str,
    "bool": bool,
    "date": datetime.date,
    "datetime": datetime.datetime,
    "time": datetime.time,
    "dict": dict[str, Any],
    "bytes": bytes,
    "object": Any,
}

# JSON has no dates, so their ISO texts are read without being asked.
_FROM_TEXT = ("date", "datetime", "time")

_PLAIN: dict[str, Callable[[Any], Any]] = {
    "int": int,
    "float": float,
    "num": lambda value: int(value) if isinstance(value, Integral) else float(value),
    "bool": bool,
}


def python_type(dtype: DType) -> Any:
    """The Python annotation of a dtype; a categorical is one text or several."""
    if dtype.kind == "list":
        if dtype.item is None:
            return list[Any]
        item = str if dtype.item.kind == "cat" else python_type(dtype.item)
        return list[item]  # type: ignore[valid-type]
    if dtype.kind == "cat":
        return str | list[str]
    return PYTHON_TYPES[dtype.kind]


def model_of(
    spec: DatasetSpec, rules: Sequence[ColumnRule] | None = None
) -> type[pydantic.BaseModel]:
    """A pydantic model of one set of values that fulfils a spec.

    Feature names are the aliases of its fields: construct it with
    `model_validate({"cell count": 3})`, and dump it with `by_alias=True`. Categories are
    not looked up here; `validate_values` does that.

    Args:
        spec: The spec.
        rules: The rules that count; by default those of the spec's columns.
    """
    fields: dict[str, Any] = {}
    for position, rule in enumerate(spec.columns if rules is None else rules):
        annotation = python_type(rule.dtype)
        if rule.nullable and annotation is not Any:
            annotation = annotation | None
        read = pydantic.BeforeValidator(_reader(rule, convert=spec.coerces(rule)))
        missing = ... if spec.is_required(rule) else rule.default
        # Feature names need not be Python names, so fields go by position.
        fields[f"f{position}"] = (
            Annotated[annotation, read],
            pydantic.Field(missing, alias=rule.name),
        )
    config = pydantic.ConfigDict(extra="forbid" if spec.maximal_set else "allow", strict=True)
    return pydantic.create_model("Values", __config__=config, **fields)


def listed(values: Iterable[Any]) -> list[Any]:
    """A sequence of any kind as a list, without numpy's scalars, which strict models refuse."""
    return [v.item() if isinstance(v, np.generic) else v for v in values]


def texts_in(value: Any) -> list[str]:
    """The text that a value is, or the texts that it lists."""
    return [v for v in (value if isinstance(value, list) else [value]) if isinstance(v, str)]


def _reader(rule: ColumnRule, *, convert: bool) -> Callable[[Any], Any]:
    """What happens to a value before its type is checked."""
    dtype: DType = rule.dtype

    def read(value: Any) -> Any:
        if is_missing(value):
            if not rule.nullable and rule.default is None:
                raise ValueError("null values are not allowed")
            return rule.default
        if dtype.kind in ("cat", "list") and is_sequence(value):
            value = listed(value)
        if not all(map(is_text, texts_in(value))):
            raise ValueError("no valid Unicode")
        if dtype.kind == "dict" and isinstance(value, str):
            return dict_of_text(value)
        if dtype.kind == "path" and isinstance(value, PurePath):
            return str(value)
        if convert or (dtype.kind in _FROM_TEXT and isinstance(value, str)):
            return coerce_value(value, dtype)
        if dtype.kind in ("int", "float", "num", "bool") and accepts_value(dtype, value):
            # numpy's and decimal's numbers are none to a strict model.
            return _PLAIN[dtype.kind](value)
        return value

    return read


_RULE_OF = {"missing": "presence", "extra_forbidden": "extra"}


def validate_values(
    values: Mapping[str, Any],
    spec: DatasetSpec,
    resolver: TermResolver | None = None,
    *,
    slot: str = "__external__",
) -> Report:
    """Find everything that is wrong with a dictionary of feature values.

    Dates may be given as ISO texts, and a categorical as one text or several.

    Args:
        values: Values by feature name.
        spec: What they must look like.
        resolver: Knows the terms of the registries that categorical dtypes name.
        slot: The component that the failures name.

    Returns:
        A report whose `table` is a dictionary with the values as they became: dates parsed,
        defaults filled in, other types converted where the spec coerces.

    Example:
        >>> spec = DatasetSpec(columns=(ColumnRule("temperature", float),))
        >>> validate_values({"temperature": 21.6}, spec).ok
        True
    """
    rules = {rule.name: rule for rule in spec.columns}
    rules.update({k: v for k, v in spec.rules_for(values).items() if k not in rules})
    failures: list[Failure | Group] = []
    try:
        made = _made(values, model_of(spec, tuple(rules.values())), rules)
    except pydantic.ValidationError as error:
        made = dict(values)
        failures += _failures(error, rules, values, slot)
    wrong = {failure.column for failure in Failures.of(failures)}
    report = Report(
        columns={name: str(rule.dtype) for name, rule in rules.items() if name in values},
        table=made,
        changed=made.keys() != values.keys() or any(_differs(values[k], made[k]) for k in made),
        n_rows=1,
    )
    judged = {name: rule for name, rule in rules.items() if name in made and name not in wrong}
    for name, rule in judged.items():
        if (check := category_check(rule, resolver)) is not None:
            texts = made[name] if isinstance(made[name], list) else [made[name]]
            check.update(pa.array(texts, pa.string()), 0)
            failures += check.failures(slot)
            if check.matches():
                report.terms[name] = check.matches()
    failures += [
        Failure(slot, name, "extra", expected="no such key", hint=f"leave {name!r} out")
        for name in values
        if name in spec.forbidden
    ]
    for name, rule in judged.items():
        if not is_missing(made[name]):
            failures += _unfulfilled(rule, made[name], slot)
    if (whole := row_check(spec)) is not None:
        keys = whole.columns(list(made))
        whole.update({key: Objects([made[key]]) for key in keys}, 1, 0)
        failures += whole.failures(slot)
    report.failures = Failures.of(failures)
    return report


def _made(
    values: Mapping[str, Any], model: type[pydantic.BaseModel], rules: Mapping[str, ColumnRule]
) -> dict[str, Any]:
    """The values as they became: parsed, with defaults.

    Raises:
        ValidationError: Of pydantic, if some are wrong.
    """
    checked = model.model_validate(dict(values))
    # other values may be named as the model's fields are
    given = {f: str(info.alias) for f, info in model.model_fields.items() if info.alias in values}
    made = {name: getattr(checked, f) for f, name in given.items()}
    for rule in rules.values():
        if rule.has_default:
            made.setdefault(rule.name, rule.default)
    return made | (checked.model_extra or {})


def _differs(old: Any, new: Any) -> bool:
    """Whether a value became another one; an array, which files hold, is the same as its list."""
    if old is new:
        return False
    if isinstance(new, list) and isinstance(old, np.ndarray):
        return listed(old) != new
    return bool(old != new)


def _unfulfilled(rule: ColumnRule, value: Any, slot: str) -> Iterator[Failure | Group]:
    """The conditions of a feature that one value doesn't fulfil."""
    check = ConstraintCheck(rule)
    check.update(Objects([value]), 0)
    yield from check.failures(slot)


def _failures(
    error: pydantic.ValidationError,
    rules: Mapping[str, ColumnRule],
    values: Mapping[str, Any],
    slot: str,
) -> Iterator[Failure]:
    seen: set[str] = set()
    for detail in error.errors(include_url=False):
        name = str(detail["loc"][0])
        if name in seen:  # a union says once per member what is wrong
            continue
        seen.add(name)
        rule = rules.get(name)
        kind = _RULE_OF.get(detail["type"], "dtype")
        value = values.get(name)
        if kind == "dtype" and is_missing(value):
            kind = "null"
        yield Failure(
            slot,
            name,
            kind,
            value,
            0 if kind in ("presence", "extra") else 1,
            found=_found(kind, value, values, detail["msg"]),
            expected=str(rule.dtype) if rule is not None else str(list(rules)),
            hint=_hint(kind, name),
        )


def _found(kind: str, value: Any, values: Mapping[str, Any], message: str) -> str:
    if kind == "presence":
        return str(list(values))
    return f"{type(value).__name__} {value!r} ({message})"


def _hint(kind: str, name: str) -> str:
    if kind == "presence":
        return f"pass a value for {name!r}"
    if kind == "extra":
        return f"leave {name!r} out, or set maximal_set=False in the schema"
    return f"correct the value of {name!r}, or set coerce=True on the feature"
