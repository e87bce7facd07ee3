"""Rich trees that describe artifacts and schemas."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import Any

from rich.console import Console
from rich.tree import Tree


def shown(tree: Tree, *, return_str: bool) -> str | None:
    """Print a tree, or give it as text."""
    console = Console(file=sys.stdout, soft_wrap=True)
    if return_str:
        with console.capture() as capture:
            console.print(tree)
        return capture.get()
    console.print(tree)
    return None


def schema_tree(schema: Any) -> Tree:
    """A schema with its features and the schemas of its slots."""
    title = schema.name or schema.uid
    demands = ", ".join(
        n for n in ("minimal_set", "maximal_set", "ordered_set") if getattr(schema, n)
    )
    tree = Tree(f"[bold]Schema[/bold] {title} · {schema.itype or ''} · {demands or 'no demands'}")
    for feature, optional in schema.feature_list():
        mark = " (optional)" if optional else ""
        tree.add(f"{feature.name}: {feature.dtype_as_str}{mark}", style=None)
    for slot, part in schema.slots.items():
        branch = tree.add(f"[bold]{slot}[/bold]")
        branch.add(schema_tree(part))
    return tree


def artifact_tree(artifact: Any, labels: Mapping[str, Mapping[str, list[str]]]) -> Tree:
    """An artifact with its fields, its columns by slot and its labels.

    Args:
        artifact: The artifact.
        labels: Values by feature, by slot.
    """
    tree = Tree(f"[bold]Artifact[/bold] {artifact.key or artifact.description or artifact.uid}")
    general = tree.add("general")
    for name in (
        "uid",
        "description",
        "kind",
        "otype",
        "n_observations",
        "n_files",
        "size",
        "hash",
    ):
        if (value := getattr(artifact, name)) is not None:
            general.add(f"{name}: {value}")
    general.add(f"path: {artifact.path}")
    if (schema := artifact.schema) is not None:
        general.add(f"schema: {schema.name or schema.uid}")
    for slot, columns in artifact.columns.items():
        values = labels.get(slot, {})
        branch = tree.add(f"{slot} · {len(columns)} columns")
        for name, kind in columns[:30]:
            found = values.get(name)
            text = f" = {', '.join(found[:10])}{' …' if len(found) > 10 else ''}" if found else ""
            branch.add(f"{name}: {kind}{text}")
        if len(columns) > 30:
            branch.add(f"… {len(columns) - 30} more")
    external = {**labels.get("__external__", {}), **labels.get("", {})}
    if external:
        branch = tree.add("features and labels")
        for name, found in external.items():
            branch.add(f"{name} = {', '.join(found)}")
    return tree
