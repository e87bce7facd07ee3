"""All registries of the core by name, also those that the package's face leaves out.

Example:
    >>> import lakehouse as ln
    >>> ln.models.ArtifactBlock(artifact=artifact, content="# Read me", kind="readme").save()
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from lakehouse._lazy import load_name
from lakehouse.registries import table as _table

if TYPE_CHECKING:
    from lakehouse.features.manager import FeatureManager as FeatureManager
    from lakehouse.orm import QuerySet as QuerySet
    from lakehouse.registries import Artifact as Artifact
    from lakehouse.registries import Branch as Branch
    from lakehouse.registries import Collection as Collection
    from lakehouse.registries import Feature as Feature
    from lakehouse.registries import Project as Project
    from lakehouse.registries import Record as Record
    from lakehouse.registries import Reference as Reference
    from lakehouse.registries import Run as Run
    from lakehouse.registries import Schema as Schema
    from lakehouse.registries import Space as Space
    from lakehouse.registries import Storage as Storage
    from lakehouse.registries import Transform as Transform
    from lakehouse.registries import ULabel as ULabel
    from lakehouse.registries import User as User
    from lakehouse.registries.artifact.content import ArtifactSet as ArtifactSet
    from lakehouse.registries.attached_block import ArtifactBlock as ArtifactBlock
    from lakehouse.registries.attached_block import BranchBlock as BranchBlock
    from lakehouse.registries.attached_block import CollectionBlock as CollectionBlock
    from lakehouse.registries.attached_block import FeatureBlock as FeatureBlock
    from lakehouse.registries.attached_block import ProjectBlock as ProjectBlock
    from lakehouse.registries.attached_block import RecordBlock as RecordBlock
    from lakehouse.registries.attached_block import RunBlock as RunBlock
    from lakehouse.registries.attached_block import SchemaBlock as SchemaBlock
    from lakehouse.registries.attached_block import SpaceBlock as SpaceBlock
    from lakehouse.registries.attached_block import TransformBlock as TransformBlock
    from lakehouse.registries.attached_block import ULabelBlock as ULabelBlock
    from lakehouse.registries.block import AttachedBlock as AttachedBlock
    from lakehouse.registries.block import BaseBlock as BaseBlock
    from lakehouse.registries.block import Block as Block
    from lakehouse.relations.labels import LabelManager as LabelManager
    from lakehouse.relations.managers import RelatedManager as RelatedManager
    from lakehouse.terms.registry import CanCurate as CanCurate

# further public classes → where they are
_MORE = {
    "ArtifactSet": "lakehouse.registries.artifact.content:ArtifactSet",
    "AttachedBlock": "lakehouse.registries.block:AttachedBlock",
    "BaseBlock": "lakehouse.registries.block:BaseBlock",
    "BasicQuerySet": "lakehouse.orm:QuerySet",
    "BaseSQLRecord": "lakehouse.orm:BaseRecord",
    "CanCurate": "lakehouse.terms.registry:CanCurate",
    "FeatureManager": "lakehouse.features.manager:FeatureManager",
    "IsVersioned": "lakehouse.orm:Versioned",
    "LabelManager": "lakehouse.relations.labels:LabelManager",
    "QuerySet": "lakehouse.orm:QuerySet",
    "RelatedManager": "lakehouse.relations.managers:RelatedManager",
    "SQLRecord": "lakehouse.orm:BaseRecord",
    "SQLRecordList": "lakehouse.orm.record.record_list:RecordList",
}


if not TYPE_CHECKING:  # a misspelt name is an error for type checkers

    def __getattr__(name: str) -> Any:
        registries = _table.DIRECTORY.registries
        if name in _MORE:
            return load_name(_MORE[name])
        if name not in registries or "." in name:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        return _table.DIRECTORY.get(name)


def __dir__() -> list[str]:
    return sorted([*_MORE, *(n for n in _table.DIRECTORY.registries if "." not in n)])
