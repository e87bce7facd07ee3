"""Data formats behind one Protocol: `format_for` a path, `format_of` an object.

Importing this loads no adapter and no third-party package.
"""

from __future__ import annotations

from lakehouse.formats.base import COLUMNS, INDEX, Component, Description, Format
from lakehouse.formats.table import format_for, format_in, format_of, known_suffixes, suffix_of

__all__ = [
    "COLUMNS",
    "INDEX",
    "Component",
    "Description",
    "Format",
    "format_for",
    "format_in",
    "format_of",
    "known_suffixes",
    "suffix_of",
]
