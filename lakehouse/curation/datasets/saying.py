"""Failures of datasets as wholes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from lakehouse.curation.failure import Failure

RULE = "dataset"


def said(
    slot: str,
    column: str,
    found: str,
    expected: str,
    hint: str,
    *,
    value: Any = None,
    count: int = 0,
    rows: Sequence[int] = (),
) -> Failure:
    """What is wrong with a part of a dataset, or with one key or column of it."""
    return Failure(
        slot, column, RULE, value, count, tuple(rows), found=found, expected=expected, hint=hint
    )
