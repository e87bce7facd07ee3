"""Deprecated names: they work until a version that is named, and say what to use instead."""

from __future__ import annotations

import functools
import warnings
from collections.abc import Callable
from typing import ParamSpec, TypeVar

_P = ParamSpec("_P")
_R = TypeVar("_R")


def deprecated(
    *, since: str, removed_in: str, use: str
) -> Callable[[Callable[_P, _R]], Callable[_P, _R]]:
    """Mark a function or method as deprecated: each line that calls it is warned once.

    Properties and class methods are marked below `@property` and `@classmethod`; a class by
    its `__init__`.

    Args:
        since: The version that announces it, such as `"0.2"`.
        removed_in: The first version without it.
        use: What to write instead, as users would write it.

    Example:
        >>> import warnings
        >>> @deprecated(since="0.2", removed_in="0.4", use="size_of()")
        ... def length(text):
        ...     return len(text)
        >>> with warnings.catch_warnings(record=True) as told:
        ...     warnings.simplefilter("always")
        ...     length("abc")
        3
        >>> print(told[0].message)
        length is deprecated since lakehouse 0.2 and will be removed in 0.4: use size_of() instead.
    """

    def mark(old: Callable[_P, _R]) -> Callable[_P, _R]:
        name = old.__qualname__.removesuffix(".__init__")
        told = (
            f"{name} is deprecated since lakehouse {since} and will be removed in {removed_in}: "
            f"use {use} instead."
        )

        @functools.wraps(old)
        def call(*args: _P.args, **kwargs: _P.kwargs) -> _R:
            # named as the caller's line, for which Python shows a DeprecationWarning just once
            warnings.warn(told, DeprecationWarning, stacklevel=2)
            return old(*args, **kwargs)

        return call

    return mark
