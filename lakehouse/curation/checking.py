"""Validating one part of a dataset, whatever kind of part it is."""

from __future__ import annotations

import pyarrow as pa

from lakehouse.curation.report import Report
from lakehouse.curation.rules.categories import CategoryCheck
from lakehouse.curation.slots.base import Part
from lakehouse.curation.spec import DatasetSpec
from lakehouse.curation.terms import TermResolver
from lakehouse.curation.validation import validate
from lakehouse.curation.values import validate_values

NAMES = "columns"
"""Under which name a report keeps the terms that names are."""


def validate_part(part: Part, spec: DatasetSpec, resolver: TermResolver | None) -> Report:
    """Find everything that is wrong with a part of a dataset.

    Args:
        part: The part.
        spec: What it must look like.
        resolver: Knows the terms of the registries that categorical dtypes name.
    """
    if part.kind == "values":
        return validate_values(part.data, spec, resolver, slot=part.slot)
    if part.kind == "table":
        return validate(part.data, spec, resolver, slot=part.slot)
    if spec.names is None or resolver is None:
        # names that are features: of each only that it is there can be said
        names = dict.fromkeys(part.data.to_pylist())
        empty = pa.table({name: pa.nulls(0) for name in names})
        return validate(empty, spec, resolver, slot=part.slot)
    return validate_names(part.data, spec, resolver, slot=part.slot)


def validate_names(
    names: pa.Array, spec: DatasetSpec, resolver: TermResolver, *, slot: str
) -> Report:
    """Look names up that are terms themselves, such as gene ids.

    Unknown names are a failure only where the spec has a maximal set; else the report's
    `unknown` lists them.
    """
    assert spec.names is not None
    check = CategoryCheck(NAMES, (spec.names,), resolver)
    check.update(names, 0)
    report = Report(n_rows=len(names))
    report.terms[NAMES] = check.matches()
    report.unknown = {NAMES: check.wrong}
    report.add(check.failures(slot, "names") if spec.maximal_set else ())
    report.table = names
    return report
