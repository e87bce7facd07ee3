"""Ordering records by the values of a feature: `Artifact.filter().order_by(-temperature)`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from lakehouse.annotation.predicates import SUBJECTS, FeaturePredicate
from lakehouse.annotation.reading import label_field
from lakehouse.errors import InvalidArgument
from lakehouse.orm import Condition, Lake, RegistryMeta
from lakehouse.schema import DType, parse_dtype

_NUMBERS = ("int", "float", "num")


@dataclass(frozen=True, eq=False)
class FeatureOrder:
    """The order of a feature's values; records without one are left out.

    Attributes:
        feature: The feature.
        descending: Whether the greatest value comes first.
    """

    feature: Any
    descending: bool = False

    def __neg__(self) -> FeatureOrder:
        return FeatureOrder(self.feature, not self.descending)

    def to_order(self, lake: Lake, meta: RegistryMeta) -> tuple[Condition, bool]:
        """SQL of the value by which a record is ordered, the least one of several.

        Raises:
            InvalidArgument: The registry's records have no features.
        """
        if meta.table not in SUBJECTS:
            raise InvalidArgument(
                f"Records of {meta.name} aren't annotated with features.",
                found=f"order_by({self.feature!r})",
                expected="a query set of Artifact, Run or Record",
            )
        text = self.feature._values.get("dtype")
        dtype = parse_dtype(text) if text else DType("str")
        uid = self.feature.uid
        if dtype.is_categorical:
            return _labels(lake, meta, dtype, uid), self.descending
        value = "json_extract_string(v.value, '$')"
        if dtype.kind in _NUMBERS:
            value = f"TRY_CAST({value} AS DOUBLE)"
        sql = (
            f"(SELECT min({value}) FROM feature_value v WHERE v.subject_uid = {{row}}.uid"
            f" AND v.registry = '{meta.table}' AND v.feature_uid = ?)"
        )
        return Condition(sql, (uid,)), self.descending

    def annotated(self) -> FeaturePredicate:
        """That a record has a value of the feature."""
        return FeaturePredicate(self.feature, "isnull", value=False)


class Orderable:
    """What makes a feature something to order by."""

    def __neg__(self) -> FeatureOrder:
        return FeatureOrder(self, descending=True)

    def to_order(self, lake: Lake, meta: RegistryMeta) -> tuple[Condition, bool]:
        """SQL of the value by which a record is ordered."""
        return FeatureOrder(self).to_order(lake, meta)

    def annotated(self) -> FeaturePredicate:
        """That a record has a value of the feature."""
        return FeatureOrder(self).annotated()


def _labels(lake: Lake, meta: RegistryMeta, dtype: DType, uid: str) -> Condition:
    parts = []
    for target in dtype.all_targets:
        table = lake.directory.get(target.registry).meta.table
        field = label_field(lake, dtype, table)
        parts.append(
            f'(SELECT min(t."{field}") FROM {meta.table}_link l JOIN "{table}" t'
            f" ON t.uid = l.target_uid WHERE l.subject_uid = {{row}}.uid"
            f" AND l.registry = '{table}' AND l.feature_uid = ?)"
        )
    return Condition(f"coalesce({', '.join([*parts, 'NULL'])})", (uid,) * len(parts))
