"""Plain text."""

from __future__ import annotations

from typing import Any

from lakehouse.formats._plain import Plain


class Text(Plain):
    """`.txt` and `.md` files."""

    name = "text"
    suffixes = (".txt", ".md")
    expected = "text"

    def parse(self, text: str) -> str:
        """See `Plain.parse`."""
        return text

    def dump(self, obj: Any, **kwargs: Any) -> str:
        """See `Plain.dump`."""
        if not isinstance(obj, str):
            raise TypeError(f"{type(obj).__name__} is not text")
        return obj
