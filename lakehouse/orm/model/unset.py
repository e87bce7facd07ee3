"""A value for arguments that weren't given, where None has a meaning of its own."""

from __future__ import annotations

from enum import Enum
from typing import Final, Literal


class Unset(Enum):
    """The type of `UNSET`, for annotations.

    Example:
        >>> UNSET
        UNSET
        >>> bool(UNSET)
        False
    """

    UNSET = "unset"

    def __bool__(self) -> bool:
        return False

    def __repr__(self) -> str:
        return "UNSET"


UNSET: Final[Literal[Unset.UNSET]] = Unset.UNSET
