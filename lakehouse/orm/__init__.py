"""Records, queries and transactions over the engine. Knows no biology."""

from lakehouse.orm.lake.current import (
    connect,
    current_lake,
    open_lake,
    save,
    scan,
    sql,
    transaction,
)
from lakehouse.orm.lake.directory import Directory
from lakehouse.orm.lake.lake import Lake
from lakehouse.orm.lake.other import DB
from lakehouse.orm.model.context import use
from lakehouse.orm.model.meta import Condition, FieldRef, RegistryMeta, Relation, relations
from lakehouse.orm.query.q import Q
from lakehouse.orm.query.queryset import QuerySet
from lakehouse.orm.query.values import Avg, Count, Max, Min, StdDev, Sum, Variance
from lakehouse.orm.record.base import BaseRecord, TimedRow, TrackedRecord, TrackedRow
from lakehouse.orm.record.versions import Versioned, VersionedRow, latest_sql, version_fields
from lakehouse.orm.session.batch import Batch

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
