"""Which columns of a lake's tables name rows of other tables.

One place says so: commits are checked by it, and so are whole lakes by `check` and `repair`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from lakehouse.engine.commit.references import Reference
from lakehouse.orm.model.meta import table_name

_NARROW: dict[str, list[Reference]] = {
    "feature_value": [
        Reference("subject_uid", None, essential=True),
        Reference("feature_uid", "feature", essential=True),
        Reference("created_by_uid", "user"),
    ],
    "artifact_snapshot": [
        Reference("artifact_uid", "artifact", essential=True),
        Reference("snapshot_uid", "snapshot", essential=True),
    ],
    "snapshot_column": [Reference("snapshot_uid", "snapshot", essential=True)],
    "branch_edit": [
        Reference("branch_uid", "branch", essential=True),
        Reference("target_uid", None, essential=True),
    ],
}
_NEEDED = ("storage", "branch", "space", "created_on")  # a record without them means something else


def references_of(table: str, by_table: Mapping[str, Any]) -> list[Reference]:
    """The columns of a table that name rows of others.

    Args:
        table: The table.
        by_table: The classes of all registries by table; see `Directory.references`.
    """
    if table in _NARROW:
        return _NARROW[table]
    if table in by_table:
        meta = by_table[table].meta
        return [
            Reference(f"{name}_uid", table_name(to), replaceable=name not in _NEEDED)
            for name, to in meta.foreign_keys.items()
        ]
    if table.endswith("_link"):
        subject = table.removesuffix("_link")
        return [
            Reference("subject_uid", subject if subject in by_table else None, essential=True),
            Reference("target_uid", None, essential=True),
            Reference("feature_uid", "feature", essential=True),
            Reference("created_by_uid", "user"),
            Reference("run_uid", "run"),
        ]
    return []
