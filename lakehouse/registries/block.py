"""Blocks: pieces of markdown, on their own or attached to a record, by version."""

from __future__ import annotations

from types import new_class
from typing import Any, Literal, cast

from pydantic import create_model

from lakehouse.orm import Versioned, VersionedRow, latest_sql
from lakehouse.registries._relations import relations_of

BlockKind = Literal["readme", "comment"]


class BlockRow(VersionedRow):
    """A row of the table `block`."""

    key: str | None = None
    content: str | None = None
    hash: str | None = None
    kind: str | None = None
    anchor_uid: str | None = None


class Block(
    Versioned,
    row=BlockRow,
    name_field="key",
    match=(),
    versioned=True,
    foreign_keys={"anchor": "Block"},
    computed={"is_latest": ("bool", latest_sql("block"))},
    relations=relations_of("Block"),
):
    """Pages of markdown, each with a key that names its version family."""


class AttachedRow(VersionedRow):
    """A row of a table of blocks that are attached to the records of one registry."""

    content: str | None = None
    hash: str | None = None
    kind: BlockKind | None = None


class AttachedBlock(Versioned):
    """A block that is attached to a record: a readme by version, or a comment."""


# class → the registry of the records that have it
ATTACHED = {
    "RecordBlock": "Record",
    "ArtifactBlock": "Artifact",
    "TransformBlock": "Transform",
    "RunBlock": "Run",
    "CollectionBlock": "Collection",
    "SchemaBlock": "Schema",
    "FeatureBlock": "Feature",
    "ProjectBlock": "Project",
    "ULabelBlock": "ULabel",
    "BranchBlock": "Branch",
}
_MORE: dict[str, dict[str, Any]] = {"TransformBlock": {"line_number": (int | None, None)}}


def field_of(registry: str) -> str:
    """The field of an attached block that holds the record, e.g. `record`."""
    return registry.lower()


def _registry(name: str, target: str) -> type[AttachedBlock]:
    field = field_of(target)
    columns = {f"{field}_uid": (str | None, None), **_MORE.get(name, {})}
    columns = {n: c for n, c in columns.items() if n not in AttachedRow.model_fields}
    row: Any = create_model(
        f"{name}Row", __base__=AttachedRow, __module__=__name__, **cast("dict[str, Any]", columns)
    )
    table = f"{field}_block"
    keywords: dict[str, Any] = {
        "row": row,
        "table": table,
        "name_field": "kind",
        "match": (),
        "versioned": True,
        "foreign_keys": {field: target},
        "part_of": field,
        "computed": {"is_latest": ("bool", latest_sql(table))},
    }
    members = {"__doc__": f"Readmes of and comments on a {target}.", "__module__": __name__}
    return new_class(name, (AttachedBlock,), keywords, lambda body: body.update(members))


_made = {name: _registry(name, target) for name, target in ATTACHED.items()}


def __getattr__(name: str) -> type[AttachedBlock]:
    try:
        return _made[name]
    except KeyError:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}") from None
