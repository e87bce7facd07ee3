"""Branches: `main`, `archive`, `trash`, and those that people make."""

from __future__ import annotations

from typing import Literal

from lakehouse.orm import BaseRecord, TimedRow

BranchStatus = Literal["standalone", "draft", "review", "merged", "closed"]


class BranchRow(TimedRow):
    """A row of the table `branch`."""

    name: str | None = None
    description: str | None = None
    status: BranchStatus | None = "standalone"
    created_by_uid: str | None = None


class Branch(BaseRecord, row=BranchRow, unique=(("name",),), required=("name",)):
    """Where records are visible; the well-known ones have their names as uids.

    Example:
        >>> Branch.get("trash").name  # doctest: +SKIP
        'trash'
    """
