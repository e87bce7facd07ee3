"""A maximal set allows no other columns; some are never allowed."""

from __future__ import annotations

from collections.abc import Iterator

from lakehouse.curation.failure import Failure
from lakehouse.curation.rules.guesses import Guesses, listing
from lakehouse.curation.spec import INTERNAL_PREFIX, DatasetSpec


def check(
    names: tuple[str, ...], index: str | None, spec: DatasetSpec, slot: str
) -> Iterator[Failure]:
    """Name every column that the schema doesn't have, or forbids."""
    for name in dict.fromkeys(names):
        if name in spec.forbidden:
            yield Failure(
                slot, name, "extra", expected="no column of this name", hint="rename or drop it"
            )
    # Where names themselves are looked up, that look-up says which are not allowed.
    if not spec.maximal_set or spec.names is not None:
        return
    allowed = [rule.name for rule in spec.columns]
    known = {*allowed, *(spec.known if spec.flexible else ())}
    if spec.index is not None:
        known.add(spec.index.name)
    present, listed = set(names), listing(allowed, len(names))
    if spec.flexible:
        listed = f"{listed} and those of other features" if allowed else "those of features"
    guesses = Guesses([name for name in allowed if name not in present])
    for name in dict.fromkeys(names):
        if name in spec.forbidden:
            continue  # said already
        if name not in known and not name.startswith(INTERNAL_PREFIX):
            nearest = guesses.near(name)
            rename = f"rename it to {nearest[0]!r}, " if nearest else ""
            yield Failure(
                slot,
                name,
                "extra",
                nearest=tuple(nearest),
                expected=listed,
                hint=f"{rename}drop it, or set maximal_set=False in the schema",
            )
