"""All registries of the core by name, also those that the package's face leaves out.

Example:
    >>> import lakehouse as ln
    >>> ln.models.ArtifactBlock(artifact=artifact, content="# Read me", kind="readme").save()
"""

from __future__ import annotations

from typing import Any

from lakehouse.orm.directory import load_name
from lakehouse.registries import _table

# further public classes → where they are
_MORE = {
    "ArtifactSet": "lakehouse.registries.artifact.sets:ArtifactSet",
    "AttachedBlock": "lakehouse.registries.block:AttachedBlock",
    "BaseBlock": "lakehouse.registries.block:BaseBlock",
    "BasicQuerySet": "lakehouse.orm:QuerySet",
    "BaseSQLRecord": "lakehouse.orm:BaseRecord",
    "CanCurate": "lakehouse.annotation.curate:CanCurate",
    "FeatureManager": "lakehouse.annotation.features:FeatureManager",
    "IsVersioned": "lakehouse.orm:Versioned",
    "LabelManager": "lakehouse.annotation.labels:LabelManager",
    "QuerySet": "lakehouse.orm:QuerySet",
    "RelatedManager": "lakehouse.annotation.managers:RelatedManager",
    "SQLRecord": "lakehouse.orm:BaseRecord",
    "SQLRecordList": "lakehouse.orm.record_list:RecordList",
}


def __getattr__(name: str) -> Any:
    registries = _table.DIRECTORY.registries
    if name in _MORE:
        return load_name(_MORE[name])
    if name not in registries or "." in name:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return _table.DIRECTORY.get(name)


def __dir__() -> list[str]:
    return sorted([*_MORE, *(n for n in _table.DIRECTORY.registries if "." not in n)])
