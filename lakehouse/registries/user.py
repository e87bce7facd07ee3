"""Users."""

from __future__ import annotations

from lakehouse.annotation.curate import CanCurate
from lakehouse.orm import BaseRecord, TimedRow
from lakehouse.registries._relations import relations_of


class UserRow(TimedRow):
    """A row of the table `user`."""

    handle: str | None = None
    name: str | None = None


class User(
    CanCurate,
    BaseRecord,
    row=UserRow,
    name_field="handle",
    unique=(("handle",),),
    required=("handle",),
    relations=relations_of("User"),
):
    """People who write to the lake; each is registered with their first change.

    Example:
        >>> User.get(handle="ada").name
        'Ada Lovelace'
    """
