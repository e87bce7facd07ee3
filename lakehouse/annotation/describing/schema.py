"""Schemas: their demands, their members, and the schemas of their slots."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rich.text import Text
from rich.tree import Tree

from lakehouse.annotation.describing import general, layout
from lakehouse.annotation.describing.features import dtype_text
from lakehouse.errors import InvalidArgument

_HEAD = ("name", "dtype", "optional", "nullable", "coerce", "default_value")
_YES, _NO = "✓", "✗"


def add_members(tree: Tree, schema: Any) -> None:
    """The schema's features with what is demanded of each, then its slots.

    Raises:
        InvalidArgument: It isn't saved: only then is it known whether an equal one exists.
    """
    if not schema._saved:
        raise InvalidArgument(
            "Schema must be saved before describing.", found=repr(schema), hint="schema.save()"
        )
    members = [
        _member(feature, optional=optional, own=(schema.constraints or {}).get(str(feature.name)))
        for feature, optional in schema.feature_list()
    ]
    kind = schema.itype or "Feature"
    if members:
        lines = layout.columns([_HEAD, *members], ("", "dim"))
        lines[0].stylize("dim")
        head = "Features" if kind == "Feature" else kind
        layout.section(tree, f"{head} ({len(members)})", lines)
    elif not schema.slots:
        _add_records(tree, schema, kind)
    for slot, part in schema.slots.items():
        branch = tree.add(Text.assemble((f"{slot}: ", "bold"), part.name or part.uid))
        branch.add(general.fields(part))
        add_members(branch, part)


def _member(feature: Any, *, optional: bool, own: Mapping[str, Any] | None) -> tuple[str, ...]:
    """One feature's line; what the schema itself says of it counts."""
    nullable = feature._values.get("nullable") is not False
    default = feature._values.get("default_value")
    return (
        str(feature.name),
        dtype_text(feature.dtype),
        _mark(optional),
        _mark((own or {}).get("nullable", nullable)),
        _mark(feature._values.get("coerce")),
        _default((own or {}).get("default", default)),
    )


def _add_records(tree: Tree, schema: Any, kind: str) -> None:
    """Members that are no features, e.g. genes; or that any of a registry may be there."""
    names: list[str] = []
    if schema.n_members:
        members = schema.members
        names = [str(n) for n in members.to_list(members._registry.meta.name_field)]
    count = f" ({len(names)})" if names else ""
    shown = names if len(names) <= layout.SHOWN else [layout.listed(names)]
    dtype = [f"dtype: {schema.dtype}"] if schema.dtype else []
    if names or dtype or kind != "Feature":
        layout.section(tree, f"{kind}{count}", [*dtype, *shown] or ["any of the registry"])


def _mark(value: Any) -> str:
    return _YES if value else _NO


def _default(value: Any) -> str:
    return "unset" if value is None else str(value)
