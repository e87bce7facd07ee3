"""Schemas made from values and from tables."""

from __future__ import annotations

from typing import Any

from lakehouse.config import notify
from lakehouse.errors import InvalidArgument, TypeMismatch, ValidationError
from lakehouse.orm import BaseRecord, FieldRef
from lakehouse.registries.feature import Feature


def field_of(field: Any) -> FieldRef:
    """The field that identifies features.

    Raises:
        TypeMismatch: It is no field of a registry.
    """
    if field is None:
        field = Feature
    if isinstance(field, FieldRef):
        return field
    if isinstance(field, type) and issubclass(field, BaseRecord):
        found: FieldRef = getattr(field, field.meta.name_field)
        return found
    raise TypeMismatch(
        "The field of a schema's values is a field of a registry.",
        found=repr(field),
        expected="e.g. ln.Feature.name or bt.Gene.symbol",
    )


def known_records(
    values: Any, field: FieldRef, *, mute: bool, organism: Any, source: Any, demand: bool
) -> list[Any]:
    """The records that values name, in the order of the values.

    Raises:
        InvalidArgument: There are no values.
        ValidationError: One names nothing, if all are demanded.
    """
    listed = [values] if isinstance(values, str) else list(dict.fromkeys(values))
    if not listed:
        raise InvalidArgument("Provide a list of at least one value.", found=repr(values))
    registry: Any = field.registry
    valid = registry.validate(listed, field=field, mute=mute, organism=organism, source=source)
    known = [value for value, ok in zip(listed, valid, strict=True) if ok]
    wrong = [value for value, ok in zip(listed, valid, strict=True) if not ok]
    if wrong and demand:
        spoken = registry.meta.name.replace("bionty.", "bt.")
        raise ValidationError(
            f"These values could not be validated: {wrong[:20]}{' …' if len(wrong) > 20 else ''}",
            expected=f"values of {registry.meta.name}.{field.name}",
            hint=f"fix typos, or add them to their registry: {spoken}({field.name}=…).save()",
        )
    if not known:
        return []
    found = registry.from_values(known, field=field, organism=organism, source=source, mute=True)
    first: dict[Any, Any] = {}
    for record in found:
        first.setdefault(getattr(record, field.name), record)
    return [first[value] for value in known if value in first]


def single_dtype(df: Any) -> str:
    """The dtype that all columns of a table share.

    Raises:
        InvalidArgument: They have several.
    """
    from lakehouse.curation.inputs import source_of
    from lakehouse.schema import infer_dtype

    source = source_of(df)
    found = {
        str(infer_dtype(arrow))
        for arrow in (source.type_of(name) for name in source.names)
        if arrow is not None
    }
    if len(found) > 1:
        raise InvalidArgument(
            "The columns are of several dtypes, so the schema can't have one.",
            found=", ".join(sorted(found)),
            hint="pass dtype=, or convert the columns",
        )
    return found.pop() if found else "num"


def tell_nothing_known() -> None:
    """Say that no column is known, so that there is no schema."""
    notify("no column is a registered feature, so there is no schema to make", "warning")
