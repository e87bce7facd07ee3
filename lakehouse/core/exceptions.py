"""The errors of `lakehouse.errors`.

Example:
    >>> from lakehouse.core.exceptions import FieldValidationError
    >>> FieldValidationError.__module__
    'lakehouse.errors'
"""

from __future__ import annotations

from typing import Any

from lakehouse import errors


def __getattr__(name: str) -> Any:
    return getattr(errors, name)


def __dir__() -> list[str]:
    return dir(errors)
