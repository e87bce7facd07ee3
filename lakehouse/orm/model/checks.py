"""What is asked of a record before it is used: is it of this lake, and is it saved."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from lakehouse.errors import MixedLakes
from lakehouse.orm.model.context import active_batch

if TYPE_CHECKING:
    from lakehouse.orm.lake.lake import Lake


def check_same_lake(record: Any, lake: Lake, than: str, *, hint: str | None = None) -> None:
    """Refuse a record of another lake.

    Args:
        record: The record.
        lake: The lake that it should belong to.
        than: What belongs to that lake, for the error: `"the query"`.
        hint: What to call instead.

    Raises:
        MixedLakes: It belongs to another one.
    """
    if record._lake is not lake and record._lake.uid != lake.uid:
        raise MixedLakes(
            f"{record!r} belongs to another lake than {than}.",
            found=record._lake.root,
            expected=lake.root,
            hint=hint,
        )


def is_saved(lake: Lake, record: Any) -> bool:
    """Whether a record is saved, or will be with the open transaction."""
    if record._saved:
        return True
    batch = active_batch(lake)
    return batch is not None and batch.staged_uid(record.meta.table, record.uid) is not None
