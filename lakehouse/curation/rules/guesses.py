"""Which column may have been meant by another name."""

from __future__ import annotations

from lakehouse.errors import near

_COMPARISONS = 20_000  # about a quarter of a second
_AT_LEAST = 10


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
