"""Validating single values and dictionaries: external features, parameters, `uns`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import pyarrow as pa
import pydantic

from lakehouse.curation.chunks import Objects, is_missing
from lakehouse.curation.failure import Failure
from lakehouse.curation.failures import Failures, Group
from lakehouse.curation.models import listed, model_of
from lakehouse.curation.report import Report
from lakehouse.curation.rules.categories import make as category_check
from lakehouse.curation.rules.constraints import ConstraintCheck
from lakehouse.curation.rules.rows import make as row_check
from lakehouse.curation.spec import ColumnRule, DatasetSpec
from lakehouse.curation.terms import TermResolver

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
    model = model_of(spec, tuple(rules.values()))
    names = {name: str(info.alias) for name, info in model.model_fields.items()}
    failures: list[Failure | Group] = []
    made: dict[str, Any] = dict(values)
    try:
        checked = model.model_validate(dict(values))
        extra = checked.model_extra or {}
        # other values may be named as the model's fields are
        given = {f: name for f, name in names.items() if name in values}
        made = {name: getattr(checked, f) for f, name in given.items()}
        made |= {
            rule.name: rule.default
            for rule in rules.values()
            if rule.has_default and rule.name not in made
        }
        made |= extra
    except pydantic.ValidationError as error:
        failures += _failures(error, rules, values, slot)
    wrong = {failure.column for failure in Failures.of(failures)}
    report = Report(
        columns={name: str(rule.dtype) for name, rule in rules.items() if name in values},
        table=made,
        changed=made.keys() != values.keys() or any(_differs(values[k], made[k]) for k in made),
        n_rows=1,
    )
    for name, rule in rules.items():
        check = category_check(rule, resolver) if name in made and name not in wrong else None
        if check is not None:
            texts = made[name] if isinstance(made[name], list) else [made[name]]
            check.update(pa.array(texts, pa.string()), 0)
            failures += check.failures(slot)
            if check.matches():
                report.terms[name] = check.matches()
    for name in values:
        if name in spec.forbidden:
            failures.append(
                Failure(slot, name, "extra", expected="no such key", hint=f"leave {name!r} out")
            )
    for name, rule in rules.items():
        if name in made and name not in wrong and not is_missing(made[name]):
            failures += _unfulfilled(rule, made[name], slot)
    if (whole := row_check(spec)) is not None:
        keys = whole.columns(list(made))
        whole.update({key: Objects([made[key]]) for key in keys}, 1, 0)
        failures += whole.failures(slot)
    report.failures = Failures.of(failures)
    return report


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
