"""What can be related to what: one clear error for everything that can't."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from lakehouse.errors import (
    InvalidArgument,
    ObjectDoesNotExist,
    TypeMismatch,
    ValidationError,
)
from lakehouse.orm.model.checks import check_same_lake
from lakehouse.orm.model.context import active_batch
from lakehouse.schema import parse_dtype


def is_kept(record: Any) -> bool:
    """Whether a record is saved, or will be with the open transaction."""
    if record._saved:
        return True
    batch = active_batch(record._lake)
    return batch is not None and batch.holds(record)


def check_saved(record: Any) -> None:
    """Refuse a record that isn't saved.

    Raises:
        InvalidArgument: It isn't, neither is it in the open transaction.
    """
    if not is_kept(record):
        raise InvalidArgument(
            f"{record!r} isn't saved, so nothing can be linked to it.", hint="call .save() first"
        )


def check_record(own: Any, registry: type[Any], record: Any) -> None:
    """Refuse what can't be related to a record.

    Args:
        own: The record.
        registry: The registry whose records can be related to it.
        record: What somebody wants to relate.

    Raises:
        TypeMismatch: It is no record of the registry.
        MixedLakes: It belongs to another lake.
        InvalidArgument: It isn't saved.
    """
    name = registry.meta.name
    if not isinstance(record, registry):
        raise TypeMismatch(
            f"Only records of {name} can be linked here.",
            found=f"{_shown(record)} ({type(record).__name__})",
            expected=f"a {name}",
            hint=f"{registry.meta.code}.get({registry.meta.name_field}=…)",
        )
    check_same_lake(record, own._lake, repr(own))
    check_saved(record)


def check_there(records: Iterable[Any]) -> None:
    """Refuse saved records that were deleted for good meanwhile.

    Raises:
        ObjectDoesNotExist: One of them was.
    """
    by_table: dict[str, list[Any]] = {}
    for record in records:
        if record._saved:
            by_table.setdefault(record.meta.table, []).append(record)
    for table, found in by_table.items():
        lake = found[0]._lake
        batch = active_batch(lake)
        gone = frozenset() if batch is None else batch.deleted(table)
        there = lake.state.version(table).locate([r.uid for r in found])
        for record in found:
            if record.uid not in there or record.uid in gone:
                raise ObjectDoesNotExist(
                    f"{record!r} was deleted, so nothing can be linked to it.",
                    hint=f"{record.meta.code}.filter(…).to_dataframe() shows what there is",
                )


def check_feature(own: Any, feature: Any, registry: str) -> None:
    """Refuse a feature that takes no records of a registry as values.

    Raises:
        TypeMismatch: It is no feature.
        ValidationError: It isn't saved, isn't categorical, or is of another registry.
    """
    check_categorical(feature)
    if not is_kept(feature):
        raise ValidationError(
            f"{feature!r} isn't saved, so nothing can be its value.",
            hint=f"ln.Feature(name={feature.name!r}, dtype=…).save()",
        )
    check_same_lake(feature, own._lake, repr(own))
    text = str(feature._values.get("dtype"))
    targets = {target.registry for target in parse_dtype(text).all_targets}
    if targets and registry not in targets:
        raise ValidationError(
            f"A {registry} can't be a value of {feature!r}.",
            found=registry,
            expected=text,
            hint=f"a feature with the dtype {_wider(text, registry)!r}",
        )


def check_categorical(feature: Any) -> None:
    """Refuse what is no feature, or no categorical one.

    Raises:
        TypeMismatch, ValidationError.
    """
    meta = getattr(feature, "meta", None)
    if meta is None or meta.name != "Feature":
        raise TypeMismatch(
            "The feature of a label is a Feature.",
            found=f"{_shown(feature)} ({type(feature).__name__})",
            hint="ln.Feature.get(name=…)",
        )
    text = feature._values.get("dtype")
    if text is None or not parse_dtype(text).is_categorical:
        raise ValidationError(
            f"{feature!r} isn't categorical, so it has no labels.",
            found=f"dtype {text}",
            expected="a dtype such as 'cat[ULabel]'",
        )


def _wider(text: str, registry: str) -> str:
    return text.replace("]", f"|{registry}]", 1) if text.startswith("cat[") else text


def _shown(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 120 else text[:117] + "…"
