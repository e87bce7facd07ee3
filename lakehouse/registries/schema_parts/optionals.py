"""Which features of a schema need not be there: `schema.optionals`."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any

from lakehouse.engine.view import operations
from lakehouse.errors import InvalidArgument, TypeMismatch

if TYPE_CHECKING:
    from lakehouse.registries.feature import Feature
    from lakehouse.registries.schema_parts.changing import SchemaContent


@operations
class SchemaOptionals:
    """The optional features of one schema. What changes them is saved at once.

    Example:
        >>> schema.optionals.add(donor)
        >>> [f.name for f in schema.optionals]
        ['donor']
    """

    def __init__(self, schema: SchemaContent) -> None:
        self._schema = schema

    def get_uids(self) -> list[str]:
        """The uids of the optional features."""
        return [feature.uid for feature in self]

    def get(self) -> Any:
        """The optional features as a query set."""
        return self._schema._features_with(self.get_uids())

    def set(self, features: Iterable[Feature]) -> None:
        """Make exactly these features optional.

        Raises:
            TypeMismatch: Not all are features.
            InvalidArgument: One is no member of the schema.
        """
        self._schema._set_optional({f.uid for f in self._checked(features)})

    def add(self, features: Feature | Iterable[Feature]) -> None:
        """Make features optional, too."""
        added = {f.uid for f in self._checked(features)}
        self._schema._set_optional(added | set(self.get_uids()))

    def remove(self, features: Feature | Iterable[Feature]) -> None:
        """Demand features again."""
        gone = {f.uid for f in self._checked(features)}
        self._schema._set_optional(set(self.get_uids()) - gone)

    def _checked(self, features: Any) -> list[Any]:
        from lakehouse.registries.feature import Feature

        listed = [features] if isinstance(features, Feature) else list(features)
        if not all(isinstance(f, Feature) for f in listed):
            raise TypeMismatch(
                "Optional features are given as a list of feature records.", found=repr(listed)
            )
        members = {f.uid: f.name for f, _ in self._schema.feature_list()}
        for feature in listed:
            if feature.uid not in members:
                raise InvalidArgument(
                    f"{feature!r} is no feature of {self._schema!r}.",
                    expected=", ".join(str(n) for n in members.values()),
                    hint="schema.features.add(feature)",
                )
        return listed

    def __iter__(self) -> Iterator[Feature]:
        return (feature for feature, optional in self._schema.feature_list() if optional)

    def __len__(self) -> int:
        return len(self.get_uids())

    def __repr__(self) -> str:
        return f"optionals of {self._schema!r}: {[f.name for f in self]}"
