"""Making records through a query set, as Django's managers do."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Generic, TypeVar

from lakehouse.engine.view import operations
from lakehouse.orm.context import use

if TYPE_CHECKING:
    from lakehouse.orm.lake import Lake

T = TypeVar("T")


@operations
class Making(Generic[T]):
    """The half of a query set that makes records."""

    _registry: type[T]
    _lake: Lake

    @property
    def model(self) -> type[T]:
        """The registry."""
        return self._registry

    def create(self, **fields: Any) -> T:
        """Create a record: construct and save it.

        Example:
            >>> ULabel.objects.create(name="raw")
        """
        with use(self._lake):
            record: Any = self._registry(**fields)
            saved: T = record.save()
        return saved

    def get_or_create(
        self, defaults: dict[str, Any] | None = None, **fields: Any
    ) -> tuple[T, bool]:
        """Get the only record of the set with these fields, or create it; and whether it is new.

        Args:
            defaults: Further fields of a new one.
            **fields: Fields to look for; look-ups such as `name__startswith` find only.

        Raises:
            MultipleObjectsReturned: There are several.
        """
        found = self.filter(**fields).one_or_none()  # type: ignore[attr-defined]
        if found is not None:
            return found, False
        given = {name: value for name, value in fields.items() if "__" not in name}
        return self.create(**{**given, **(defaults or {})}), True
