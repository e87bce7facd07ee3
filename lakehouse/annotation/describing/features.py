"""Features of a record: those found in its dataset by slot, and those set beside it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, TypeAlias

from rich.text import Text
from rich.tree import Tree

from lakehouse.annotation.describing import layout
from lakehouse.annotation.reading import Annotated, annotated, label_field
from lakehouse.annotation.tables import EXTERNAL
from lakehouse.orm.showing import short
from lakehouse.schema import DType

_FEATURES = 50
_Row: TypeAlias = tuple[str, str, str]


def dtype_text(dtype: DType | str | None) -> str:
    """A dtype for people: categories by their registry alone, e.g. `bionty.CellType`."""
    text = "" if dtype is None else str(dtype)
    if text.startswith("list[") and text.endswith("]"):
        return f"list[{dtype_text(text[5:-1])}]"
    return text[4:-1] if text.startswith("cat[") and text.endswith("]") else text


def add_dataset_features(tree: Tree, artifact: Any, found: Iterable[Annotated]) -> None:
    """The features of an artifact's content, and its other columns, by slot."""
    slots, snapshots = artifact.features.slots, artifact.columns
    if not slots and not snapshots:
        return
    values = list(found)
    own = [n for n, columns in snapshots.items() if columns]  # a var may have an index only
    names = [*slots, *(n for n in own if n not in slots and f"{n}.T" not in slots)]
    if not names:
        return
    top = tree.add(Text("Dataset features", style="bold"))
    for slot in sorted(names):
        schema = slots.get(slot)
        members = {} if schema is None else _members(schema)
        rows = [
            (name, dtype_text(dtype), _values(artifact, values, slot, name))
            for name, dtype in sorted(members.items())
        ]
        columns = [] if slot.endswith(".T") else snapshots.get(slot, [])
        others = [(name, kind, "") for name, kind in columns if name not in members]
        of = "" if schema is None else (schema.itype or "Feature").partition("[")[0]
        count = f"{len(members)} {of}" if of else ""
        total = f"{len(columns)} column{'' if len(columns) == 1 else 's'}" if others else ""
        head = ", ".join(t for t in (count, total) if t)
        of_features = schema is None or bool(schema.feature_list())
        texts = _lines(rows, others) if of_features else _names(rows)
        branch = top.add(Text.assemble((slot, "bold"), (f" ({head})", "dim")))
        if texts:
            branch.add(Text("\n").join(texts))


def _lines(features: list[_Row], others: list[_Row]) -> list[Text]:
    """A line for each feature, and for the first of the columns that are none."""
    shown = [*features[:_FEATURES], *others[: layout.SHOWN]]
    texts = layout.columns(shown, ("", "dim"))
    if left := len(features) + len(others) - len(shown):
        texts.append(Text(f"… {left} more", style="dim"))
    return texts


def _names(members: list[_Row]) -> list[Text]:
    """Names such as those of genes, of which there may be thousands: the first ones."""
    if len(members) <= layout.SHOWN:
        return layout.columns(members, ("", "dim"))
    text = Text(layout.listed([name for name, _, _ in members]))
    kinds = {kind for _, kind, _ in members if kind}
    return [text.append(f"  {kinds.pop()}", style="dim") if len(kinds) == 1 else text]


def _members(schema: Any) -> dict[str, str]:
    """Names and dtypes of what a schema is made of: features, or records such as genes."""
    features = {str(f.name): f.dtype or "" for f, _ in schema.feature_list()}
    if features:
        return features
    members = schema.members
    name_field = members._registry.meta.name_field
    return {str(name): schema.dtype or "" for name in members.to_list(name_field)}


def _values(record: Any, found: list[Annotated], slot: str, name: str) -> str:
    """The values of a feature in a slot, as text."""
    hits = [a for a in found if a.feature.name == name and slot in a.slots]
    return ", ".join(text for a in hits if (text := value_text(record, a)))


def value_text(record: Any, entry: Annotated) -> str:
    """The values of one feature, as text."""
    labels = [
        str(row[label_field(record._lake, entry.feature.dtype, table)])
        for table, row in entry.labels
    ]
    if entry.feature.dtype.kind != "list":
        labels.sort()
    return layout.listed([*labels, *(short(v) for v in entry.values)])


def external_rows(record: Any, found: Iterable[Annotated]) -> list[Text]:
    """The features that somebody set, with dtype and values."""
    rows = [
        (a.feature.name, dtype_text(a.feature.dtype), value_text(record, a))
        for a in found
        if EXTERNAL in a.slots
    ]
    return layout.columns(rows, ("", "dim"))


def add_features(tree: Tree, record: Any) -> None:
    """The features of an artifact, in two sections, or of a run or record, in one."""
    found = annotated(record, lambda row: row["feature_uid"] is not None)
    if record.meta.name == "Artifact":
        add_dataset_features(tree, record, found)
        layout.section(tree, "External features", external_rows(record, found))
    else:
        layout.section(tree, "Features", external_rows(record, found))
