"""What is said of column names: which may have been meant by another one, and which there are."""

from __future__ import annotations

from collections.abc import Sequence

from lakehouse.errors import near

_COMPARISONS = 20_000  # about a quarter of a second
_AT_LEAST = 10
_ALL, _AROUND = 200_000, 10


class Guesses:
    """The names nearest to others; of very many, only the first are answered.

    Args:
        names: The names that may have been meant.
    """

    def __init__(self, names: list[str]) -> None:
        self._names = names
        self._left = max(_AT_LEAST, _COMPARISONS // max(1, len(names)))

    def near(self, name: str) -> list[str]:
        """The nearest names, best first."""
        self._left -= 1
        return near(name, self._names) if self._left >= 0 and self._names else []


def listing(names: Sequence[str], times: int, at: int = 0) -> str:
    """Names as a list; where very many are listed very often, only those around a position."""
    if len(names) * times <= _ALL:
        return str(list(names))
    start, stop = max(0, at - _AROUND), at + _AROUND
    before, after = "…, " if start else "", ", …" if stop < len(names) else ""
    shown = ", ".join(map(repr, names[start:stop]))
    return f"[{before}{shown}{after}] ({len(names):,} columns)"
