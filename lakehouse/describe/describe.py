"""The description of a record: what every one has, and what its registry adds.

A registry that shows more has its sections here: functions that add to the tree.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from rich.text import Text
from rich.tree import Tree

from lakehouse.describe import layout
from lakehouse.describe import sections as general
from lakehouse.describe.layout import shown
from lakehouse.describe.sections import add_features, add_members
from lakehouse.orm.show.tables import short, title

_CODE_LINES = 20


def describe(record: Any, *, return_str: bool = False, features_only: bool = False) -> str | None:
    """Print the description of a record, or of its features, or give it as text."""
    tree = feature_tree(record) if features_only else tree_of(record)
    return shown(tree, return_str=return_str)


def tree_of(record: Any) -> Tree:
    """The description of a record."""
    tree = layout.heading(record)
    tree.add(general.fields(record))
    for add in _SECTIONS.get(record.meta.name, ()):
        add(tree, record)
    entities = "Entities" if record.meta.name in _LABELLED else "Relations"
    layout.section(tree, entities, general.labels(record))
    layout.section(tree, "Linked from", general.named_in(record))
    for head, lines in general.notes(record):
        layout.section(tree, head, lines)
    return tree


def feature_tree(record: Any) -> Tree:
    """The features of a record, under its title."""
    tree = layout.heading(record)
    add_features(tree, record)
    return tree


def _add_path(tree: Tree, artifact: Any) -> None:
    tree.add(Text.assemble(("storage/path: ", "dim"), str(artifact.path)))


def _add_lineage(tree: Tree, record: Any) -> None:
    """Where a dataset comes from: its run with transform and inputs."""
    run = record._get_related("run")
    if run is None:
        return
    rows = [("run", layout.title_of(run))]
    if (transform := run._get_related("transform")) is not None:
        rows.append(("transform", f"{title(transform)} ({transform.uid[16:]})"))
    for name in ("input_artifacts", "input_collections", "input_records"):
        manager = getattr(run, name, None) if name in run.meta.relations else None
        if manager is not None and (found := list(manager.all()[: layout.SHOWN + 1])):
            count = manager.count() if len(found) > layout.SHOWN else len(found)
            rows.append((name, layout.listed([short(title(r)) for r in found], count)))
    if (user := run._get_related("created_by")) is not None:
        rows.append(("created_by", title(user)))
    layout.section(tree, "Lineage", layout.columns(rows, ("dim",)))


def _add_params(tree: Tree, run: Any) -> None:
    params = run._values.get("params") or {}
    layout.section(tree, "Params", [f"{name}: {value}" for name, value in params.items()])


def _add_code(tree: Tree, transform: Any) -> None:
    lines = str(transform._values.get("source_code") or "").splitlines()
    shown = [f"│ {line}" for line in lines[:_CODE_LINES]]
    if len(lines) > _CODE_LINES:
        shown.append(f"… {len(lines) - _CODE_LINES} more lines")
    layout.section(tree, "source_code", shown)


_LABELLED = ("Artifact", "Collection")
_SECTIONS: dict[str, tuple[Callable[[Tree, Any], None], ...]] = {
    "Artifact": (_add_path, add_features, _add_lineage),
    "Collection": (_add_lineage,),
    "Record": (add_features,),
    "Run": (_add_params, add_features),
    "Schema": (add_members,),
    "Transform": (_add_code,),
}

__all__ = ["describe", "feature_tree", "shown", "tree_of"]
