"""An ordered set prescribes the order of its columns."""

from __future__ import annotations

from collections.abc import Iterator

from lakehouse.curation.failure import Failure
from lakehouse.curation.spec import DatasetSpec


def check(
    names: tuple[str, ...], index: str | None, spec: DatasetSpec, slot: str
) -> Iterator[Failure]:
    """Name every column that stands where the schema has another one.

    Only the columns of the schema are compared; others may stand between them.
    """
    if not spec.ordered_set:
        return
    wanted = [rule.name for rule in spec.columns if rule.name in names]
    found = list(dict.fromkeys(name for name in names if name in set(wanted)))
    for expected, name in zip(wanted, found, strict=True):
        if expected != name:
            yield Failure(
                slot,
                name,
                "order",
                found=str(found),
                expected=str(wanted),
                hint="reorder the columns",
            )
