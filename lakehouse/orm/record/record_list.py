"""Records that were made or loaded together."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Self, TypeVar

from lakehouse._lazy import require
from lakehouse.engine.query.view import operations
from lakehouse.errors import MultipleObjectsReturned, ObjectDoesNotExist
from lakehouse.orm.lake.current import save
from lakehouse.orm.model.rows import as_table
from lakehouse.orm.query.frames import to_pandas

if TYPE_CHECKING:
    import pandas as pd

T = TypeVar("T")


@operations
class RecordList(list[T]):
    """A list of records that can be saved in one commit.

    Example:
        >>> ULabel.from_values(["a", "b"], create=True).save().to_list("name")
        ['a', 'b']
    """

    def save(self) -> Self:
        """Save all of them in one commit, with what they refer to."""
        save(self)
        return self

    def to_list(self, field: str | None = None) -> list[Any]:
        """The records, or the values of one field."""
        return list(self) if field is None else [getattr(record, field) for record in self]

    def to_dataframe(self) -> pd.DataFrame:
        """Their fields as a pandas data frame whose index `id` holds the uids."""
        if not self:
            return require("pandas", "make data frames").DataFrame()
        first: Any = self[0]
        spec = first.meta.spec
        rows: list[dict[str, Any]] = []
        for record in self:
            uid = record._ensure_uid()  # type: ignore[attr-defined]
            rows.append({**record._values, "uid": uid})  # type: ignore[attr-defined]
        return to_pandas(as_table(spec, rows), spec.json_columns)

    def one(self) -> T:
        """The only one.

        Raises:
            ObjectDoesNotExist, MultipleObjectsReturned.
        """
        if not self:
            raise ObjectDoesNotExist("The list has no record.")
        if len(self) > 1:
            raise MultipleObjectsReturned(
                "The list has more than one record.", found=f"{len(self)} records"
            )
        return self[0]

    def one_or_none(self) -> T | None:
        """The only one, or None if there is none."""
        return self.one() if self else None
