"""Validating the content of a new artifact against a schema, before anything is stored."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pyarrow as pa

from lakehouse.annotation import annotate
from lakehouse.annotation.annotate import EXTERNAL, Annotation
from lakehouse.annotation.specs import resolver_of, spec_of
from lakehouse.config import notify
from lakehouse.curation import ColumnRule, DatasetSpec, Report, validate, validate_values
from lakehouse.errors import InvalidArgument, ObjectDoesNotExist, UnknownField, near
from lakehouse.formats.base import COLUMNS, Description
from lakehouse.orm import Lake
from lakehouse.registries.artifact.payload import Payload
from lakehouse.registries.artifact.placing import local_copy
from lakehouse.registries.schema import Schema

_BUILT_IN = ("valid_features", "ensembl_gene_ids_and_valid_features_in_obs")


def schema_named(schema: Any) -> Schema | None:
    """The schema that a caller means by a record or a name; built-in ones are made.

    Raises:
        ObjectDoesNotExist: There is none of this name.
    """
    if schema is None or isinstance(schema, Schema):
        if schema is not None and not schema._saved:
            schema.save()
        return schema
    if schema == "valid_features":
        return Schema(name="valid_features", itype="Feature").save()
    if schema in (_BUILT_IN[1], f"anndata_{_BUILT_IN[1]}"):
        genes = Schema(name="valid_ensembl_gene_ids", itype="bionty.Gene.ensembl_gene_id").save()
        obs = Schema(name="valid_features", itype="Feature").save()
        return Schema(
            name=f"anndata_{_BUILT_IN[1]}", otype="AnnData", slots={"obs": obs, "var.T": genes}
        ).save()
    if isinstance(schema, str):
        found = Schema.filter(name=schema).first()
        if found is not None:
            return found
        names = [n for n in Schema.filter().to_list("name") if n]
        raise ObjectDoesNotExist(
            f"There is no schema named {schema!r}.",
            expected=", ".join(near(schema, [*names, *_BUILT_IN]) or [*names, *_BUILT_IN]),
        )
    raise InvalidArgument("A schema is given as a Schema or its name.", found=repr(schema))


class Validation:
    """The outcome for one payload: the annotation, and the coerced table if there is one."""

    def __init__(self) -> None:
        self.annotation = Annotation()
        self.table: pa.Table | None = None


def validate_payload(
    lake: Lake,
    payload: Payload,
    description: Description | None,
    schema: Schema | None,
    features: Mapping[Any, Any] | None,
) -> Validation:
    """Validate content and external features; every failure is reported at once.

    Raises:
        ValidationError: Something doesn't match; the error carries the report.
    """
    out = Validation()
    reports: dict[str, Report] = {}
    slots: Mapping[str, Schema] = {}
    if schema is not None:
        slots = schema.slots
        if description is None:
            raise InvalidArgument(
                "Only tables and annotated matrices can be validated against a schema.",
                found=payload.suffix or "no suffix",
            )
        reports.update(_content_reports(lake, payload, description, schema, slots))
    values = {getattr(k, "name", k): v for k, v in (features or {}).items()}
    if values or EXTERNAL in slots:
        reports[EXTERNAL] = _external_report(lake, values, slots.get(EXTERNAL))
    if reports:
        joined = reports[COLUMNS] if list(reports) == [COLUMNS] else Report.join(reports)
        joined.raise_for_failures()
    content = {slot: r for slot, r in reports.items() if slot != EXTERNAL}
    by_slot = {} if schema is None else {COLUMNS: schema, **slots}
    out.annotation = annotate.from_reports(lake, content, by_slot)
    if EXTERNAL in reports:
        external = annotate.from_values(lake, values, reports[EXTERNAL])
        out.annotation.labels += external.labels
        out.annotation.values += external.values
    if (report := reports.get(COLUMNS)) is not None and report.changed:
        out.table = report.table
    return out


def _content_reports(
    lake: Lake,
    payload: Payload,
    description: Description,
    schema: Schema,
    slots: Mapping[str, Schema],
) -> dict[str, Report]:
    resolver = resolver_of(lake)
    reports: dict[str, Report] = {}
    content = {slot: part for slot, part in slots.items() if slot != EXTERNAL}
    if schema.otype not in (None, description.otype) and content:
        raise InvalidArgument(
            f"The schema {schema.name or schema.uid!r} is for another type of object.",
            found=description.otype,
            expected=schema.otype,
        )
    if description.otype == "DataFrame":
        if not slots or schema.feature_list():
            data = payload.obj
            if data is None:
                path = local_copy(payload)
                assert payload.format is not None
                if path.is_dir():
                    data = payload.format.open(path).to_table()
                else:
                    parquet = payload.suffix.lower() == ".parquet"
                    data = path if parquet else payload.format.table(path, COLUMNS)
            report = validate(data, spec_of(schema, lake.state), resolver)
            _tell_unknown(schema, report, description)
            reports[COLUMNS] = report
        return reports
    for slot, part in content.items():
        reports[slot] = _slot_report(lake, payload, description, slot, part, resolver)
    return reports


def _tell_unknown(schema: Schema, report: Report, description: Description) -> None:
    if not schema.flexible or COLUMNS not in description.components:
        return
    names = description.components[COLUMNS].schema.names
    unknown = [n for n in names if n not in report.columns]
    if unknown:
        shown = ", ".join(unknown[:10]) + (" …" if len(unknown) > 10 else "")
        notify(f"{len(unknown)} columns are no registered features and weren't validated: {shown}")


def _slot_report(
    lake: Lake, payload: Payload, description: Description, slot: str, part: Schema, resolver: Any
) -> Report:
    base = slot.removesuffix(".T")
    if base not in description.components and base not in ("obs", "var"):
        raise UnknownField(
            f"This {description.otype} has no slot {slot!r}.",
            expected=", ".join(description.components),
        )
    assert payload.format is not None
    source = payload.obj if payload.obj is not None else local_copy(payload)
    spec = spec_of(part, lake.state)
    if slot.endswith(".T"):
        index = payload.format.table(source, base, ["_index"])["_index"]
        names = [str(n) for n in index.to_pylist()]
        table = pa.table({n: pa.nulls(0) for n in dict.fromkeys(names)})
        return validate(table, spec, resolver, slot=slot)
    return validate(payload.format.table(source, base), spec, resolver, slot=slot)


def _external_report(lake: Lake, values: Mapping[str, Any], schema: Schema | None) -> Report:
    from lakehouse.annotation.specs import known_rules

    known = known_rules(lake.state)
    if unknown := [n for n in values if n not in known]:
        close = near(unknown[0], list(known))
        raise UnknownField(
            f"There is no feature {unknown[0]!r}.",
            found=", ".join(map(repr, unknown)),
            expected=", ".join(close) or None,
            hint=f"ln.Feature(name={unknown[0]!r}, dtype=…).save()",
        )
    spec = (
        spec_of(schema, lake.state)
        if schema is not None
        else DatasetSpec(columns=tuple(known[n] for n in values))
    )
    missing: tuple[ColumnRule, ...] = tuple(
        known[n] for n in values if n not in {c.name for c in spec.columns}
    )
    if missing:
        spec = DatasetSpec(columns=(*spec.columns, *missing), coerce=spec.coerce)
    return validate_values(dict(values), spec, resolver_of(lake), slot=EXTERNAL)
