"""Class methods that can't be called on records by mistake."""

from __future__ import annotations

from typing import Any, TypeVar

from lakehouse.engine.view import in_one_view

_Method = TypeVar("_Method")


class _ClassOnly:
    """Lets a class method say so when it is called on a record."""

    def __init__(self, method: Any) -> None:
        self._method = classmethod(in_one_view(method.__func__))
        self.__doc__ = method.__doc__
        self.__wrapped__ = method.__func__

    def __get__(self, record: Any, owner: type[Any]) -> Any:
        if record is not None:
            name = f"{owner.__name__}.{self.__wrapped__.__name__}"
            raise TypeError(f"{name}() is called on the class, not on a record.")
        return self._method.__get__(None, owner)


def class_only(method: _Method) -> _Method:
    """Lets a class method say so when it is called on a record; type checkers see the method."""
    made: Any = _ClassOnly(method)
    return made  # type: ignore[no-any-return]
