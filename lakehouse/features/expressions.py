"""Conditions on features as values: `Artifact.filter(temperature > 21)`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from lakehouse.errors import InvalidArgument
from lakehouse.features.filter import condition_on
from lakehouse.features.read import label_field
from lakehouse.features.reference import Known
from lakehouse.orm import Condition, Lake, Q, RegistryMeta
from lakehouse.orm.model.checks import check_same_lake
from lakehouse.schema import DType, parse_dtype

SUBJECTS = ("artifact", "run", "record")


@dataclass(frozen=True, eq=False)
class FeaturePredicate:
    """A comparison of a feature with a value; several are joined by `&`, `|` and `~`.

    Attributes:
        feature: The feature.
        comparator: The look-up, e.g. `exact`, `ne`, `gt`, `in`.
        value: What is compared with.
    """

    feature: Any
    comparator: str
    value: Any

    def to_condition(self, lake: Lake, meta: RegistryMeta) -> Condition:
        """The condition on records of a registry.

        Raises:
            InvalidArgument: The registry's records have no features.
        """
        if meta.table not in SUBJECTS:
            raise InvalidArgument(
                f"Records of {meta.name} aren't annotated with features.",
                found=repr(self),
                expected="a filter of Artifact, Run or Record",
            )
        check_same_lake(self.feature, lake, "the query")
        known = Known.of({**self.feature._values, "uid": self.feature.uid})
        return condition_on(lake, meta.table, known, [self.comparator], self.value)

    def __bool__(self) -> bool:
        raise TypeError(
            "Feature predicates cannot be used as booleans. Pass them into `.filter(...)`, and "
            "join them with & and |."
        )

    def __and__(self, other: Any) -> Q:
        return Q(self) & _q(other)

    def __or__(self, other: Any) -> Q:
        return Q(self) | _q(other)

    __rand__ = __and__
    __ror__ = __or__

    def __invert__(self) -> Q:
        return ~Q(self)

    def __repr__(self) -> str:
        name = self.feature._values.get("name")
        return f"FeaturePredicate(feature={name!r}, comparator={self.comparator!r}, value={self.value!r})"


def _q(other: Any) -> Q:
    return other if isinstance(other, Q) else Q(other)


class Comparable:
    """The comparisons of a feature, which give predicates."""

    def __eq__(self, other: object) -> Any:
        if self is other:
            return True
        if getattr(getattr(other, "meta", None), "table", None) == "feature":
            return self.uid == other.uid  # type: ignore[attr-defined]
        return FeaturePredicate(self, "exact", other)

    def __ne__(self, other: object) -> Any:
        if self is other:
            return False
        if getattr(getattr(other, "meta", None), "table", None) == "feature":
            return self.uid != other.uid  # type: ignore[attr-defined]
        return FeaturePredicate(self, "ne", other)

    def __gt__(self, value: Any) -> FeaturePredicate:
        return FeaturePredicate(self, "gt", value)

    def __ge__(self, value: Any) -> FeaturePredicate:
        return FeaturePredicate(self, "gte", value)

    def __lt__(self, value: Any) -> FeaturePredicate:
        return FeaturePredicate(self, "lt", value)

    def __le__(self, value: Any) -> FeaturePredicate:
        return FeaturePredicate(self, "lte", value)

    def __hash__(self) -> int:
        return hash(("Feature", self.uid))  # type: ignore[attr-defined]

    def in_(self, values: Any) -> FeaturePredicate:
        """That a record has one of several values.

        Args:
            values: Values, names of labels, or records.
        """
        return FeaturePredicate(self, "in", list(values))

    def contains(self, text: str) -> FeaturePredicate:
        """That a text value, or the name of a label, contains a text."""
        return FeaturePredicate(self, "contains", text)

    def startswith(self, text: str) -> FeaturePredicate:
        """That a text value, or the name of a label, begins with a text."""
        return FeaturePredicate(self, "startswith", text)

    def isnull(self, value: bool = True) -> FeaturePredicate:  # noqa: FBT001, FBT002
        """That a record has no value of the feature."""
        return FeaturePredicate(self, "isnull", value)


# -- Ordering records by the values of a feature: `Artifact.filter().order_by(-temperature)`


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
