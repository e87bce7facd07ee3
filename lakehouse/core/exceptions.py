"""The errors of `lakehouse.errors`.

Example:
    >>> from lakehouse.core.exceptions import FieldValidationError
    >>> FieldValidationError.__module__
    'lakehouse.errors'
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from lakehouse import errors

if TYPE_CHECKING:
    from lakehouse.errors import *  # noqa: F403

if not TYPE_CHECKING:  # a misspelt name is an error for type checkers

    def __getattr__(name: str) -> Any:
        return getattr(errors, name)


def __dir__() -> list[str]:
    return dir(errors)
