"""Column names must be unique."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from lakehouse.curation.failure import Failure
from lakehouse.curation.spec import DatasetSpec


def check(
    names: tuple[str, ...], index: str | None, spec: DatasetSpec, slot: str
) -> Iterator[Failure]:
    """Name every column name that stands more than once."""
    for name, times in Counter(names).items():
        if times > 1:
            at = [position for position, other in enumerate(names) if other == name]
            yield Failure(
                slot,
                name,
                "duplicates",
                found=f"{times} columns have it, at positions {', '.join(map(str, at))}",
                hint="rename or drop the repeated columns",
            )
