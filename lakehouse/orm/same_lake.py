"""Records of different lakes aren't mixed: the one check of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from lakehouse.errors import MixedLakes

if TYPE_CHECKING:
    from lakehouse.orm.lake import Lake


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
