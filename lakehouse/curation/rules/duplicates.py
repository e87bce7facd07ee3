"""Column names must be unique."""

from __future__ import annotations

from collections.abc import Iterator

from lakehouse.curation.failure import Failure
from lakehouse.curation.spec import DatasetSpec


def check(
    names: tuple[str, ...], index: str | None, spec: DatasetSpec, slot: str
) -> Iterator[Failure]:
    """Name every column name that stands more than once."""
    places: dict[str, list[int]] = {}
    for position, name in enumerate(names):
        places.setdefault(name, []).append(position)
    for name, at in places.items():
        if len(at) > 1:
            yield Failure(
                slot,
                name,
                "duplicates",
                found=f"{len(at)} columns have it, at positions {', '.join(map(str, at))}",
                hint="rename or drop the repeated columns",
            )
