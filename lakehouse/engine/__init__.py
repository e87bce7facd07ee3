"""The engine: Apache Iceberg tables that change together. It knows no artifact."""

from lakehouse.engine.catalog import Commit
from lakehouse.engine.changes import Changes
from lakehouse.engine.engine import Engine
from lakehouse.engine.gc import GcReport
from lakehouse.engine.limits import Limits
from lakehouse.engine.spec import KeyScope, RowModel, TableSpec
from lakehouse.engine.state import State

__all__ = [
    "Changes",
    "Commit",
    "Engine",
    "GcReport",
    "KeyScope",
    "Limits",
    "RowModel",
    "State",
    "TableSpec",
]
