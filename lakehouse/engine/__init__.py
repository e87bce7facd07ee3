"""The engine: Apache Iceberg tables that change together. It knows no artifact."""

from lakehouse.engine.catalog.base import Commit
from lakehouse.engine.commit.changes import Changes
from lakehouse.engine.engine import Engine
from lakehouse.engine.history.gc import GcReport
from lakehouse.engine.query.state import State
from lakehouse.engine.table.limits import Limits
from lakehouse.engine.table.spec import KeyScope, RowModel, TableSpec

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
