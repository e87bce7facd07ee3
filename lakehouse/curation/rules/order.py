"""An ordered set prescribes the order of its columns."""

from __future__ import annotations

from collections.abc import Iterator

from lakehouse.curation.failure import Failure
from lakehouse.curation.rules.guesses import listing
from lakehouse.curation.spec import DatasetSpec


def check(
    names: tuple[str, ...], index: str | None, spec: DatasetSpec, slot: str
) -> Iterator[Failure]:
    """Name every column that stands where the schema has another one.

    Only the columns of the schema are compared; others may stand between them.
    """
    if not spec.ordered_set:
        return
    present = set(names)
    wanted = [rule.name for rule in spec.columns if rule.name in present]
    known = set(wanted)
    found = list(dict.fromkeys(name for name in names if name in known))
    wrong = [at for at, name in enumerate(found) if name != wanted[at]]
    for at in wrong:
        yield Failure(
            slot,
            found[at],
            "order",
            found=listing(found, len(wrong), at),
            expected=listing(wanted, len(wrong), at),
            hint="reorder the columns",
        )
