"""The dtype language, schema snapshots and their differences. Pure: no table is opened."""

from __future__ import annotations

from lakehouse.schema.diff import SchemaDiff, diff
from lakehouse.schema.dtype import CatTarget, DType, infer_dtype, parse_dtype
from lakehouse.schema.snapshot import Snapshot, SnapshotField

__all__ = [
    "CatTarget",
    "DType",
    "SchemaDiff",
    "Snapshot",
    "SnapshotField",
    "diff",
    "infer_dtype",
    "parse_dtype",
]
