"""Required columns must be there, and so must the index."""

from __future__ import annotations

from collections.abc import Iterator

from lakehouse.curation.failure import Failure
from lakehouse.curation.rules.guesses import Guesses, listing
from lakehouse.curation.spec import ColumnRule, DatasetSpec


def check(
    names: tuple[str, ...], index: str | None, spec: DatasetSpec, slot: str
) -> Iterator[Failure]:
    """Name every missing column, and the one that may have been meant."""
    present = set(names)
    taken = {rule.name for rule in spec.columns}
    guesses = Guesses([name for name in names if name not in taken])
    missing = [r for r in spec.columns if r.name not in present and spec.is_required(r)]
    listed = listing(names, len(missing))
    for rule in missing:
        yield _missing(rule, listed, guesses, slot)
    if spec.index is not None and index is None and spec.index.name not in present:
        yield Failure(
            slot,
            spec.index.name,
            "index",
            found=listed,
            expected=f"an index of dtype {spec.index.dtype}",
            hint=f"set the index, or add a column {spec.index.name!r}",
        )


def _missing(rule: ColumnRule, listed: str, guesses: Guesses, slot: str) -> Failure:
    nearest = guesses.near(rule.name)
    hint = f"add the column, or give feature {rule.name!r} a default value"
    if nearest:
        hint = f"rename column {nearest[0]!r} to {rule.name!r}, or {hint}"
    return Failure(
        slot,
        rule.name,
        "presence",
        nearest=tuple(nearest),
        found=listed,
        expected=f"a column of dtype {rule.dtype}",
        hint=hint,
    )
