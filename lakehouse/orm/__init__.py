"""Records, queries and transactions over the engine. Knows no biology."""

from lakehouse.orm.aggregates import Avg, Count, Max, Min, StdDev, Sum, Variance
from lakehouse.orm.base import BaseRecord, TimedRow, TrackedRecord, TrackedRow
from lakehouse.orm.batch import Batch
from lakehouse.orm.context import use
from lakehouse.orm.current import (
    connect,
    current_lake,
    open_lake,
    save,
    scan,
    sql,
    transaction,
)
from lakehouse.orm.db import DB
from lakehouse.orm.directory import Directory
from lakehouse.orm.fields import FieldRef
from lakehouse.orm.lake import Lake
from lakehouse.orm.meta import Condition, RegistryMeta, Relation, relations
from lakehouse.orm.q import Q
from lakehouse.orm.query import QuerySet
from lakehouse.orm.versions import Versioned, VersionedRow, latest_sql, version_fields

SQLRecord = BaseRecord

__all__ = [
    "DB",
    "Avg",
    "Count",
    "Max",
    "Min",
    "StdDev",
    "Sum",
    "Variance",
    "BaseRecord",
    "Batch",
    "Condition",
    "Directory",
    "FieldRef",
    "Lake",
    "Q",
    "QuerySet",
    "RegistryMeta",
    "Relation",
    "SQLRecord",
    "TimedRow",
    "TrackedRecord",
    "TrackedRow",
    "Versioned",
    "VersionedRow",
    "connect",
    "current_lake",
    "latest_sql",
    "open_lake",
    "relations",
    "save",
    "scan",
    "sql",
    "transaction",
    "use",
    "version_fields",
]
