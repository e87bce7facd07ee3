"""One view per operation: everything that one public call reads is of one commit.

A call such as `artifact.features.get_values()` looks at several tables. If each look asked the
catalog for the newest state, a writer that commits in between would show the call half of its
change. So public operations run in a view: the first look at a lake binds its newest state, and
all further looks of the same operation, and of operations inside it, get the same one. A commit
of this process in the middle lets go of the binding, so that what was saved is seen afterwards.

Views belong to the thread or task that opened them.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar

if TYPE_CHECKING:
    from lakehouse.engine.query.state import State

_P = ParamSpec("_P")
_R = TypeVar("_R")
_C = TypeVar("_C", bound=type)
_F = TypeVar("_F", bound=Callable[..., Any])

# engine → the state that the present operation sees of it; None outside of operations
_bound: ContextVar[dict[object, State] | None] = ContextVar("lakehouse_view", default=None)

# Special methods through which users read or make records; others touch no lake.
_SPECIAL = frozenset(
    [
        "__init__",
        "__call__",
        "__iter__",
        "__len__",
        "__bool__",
        "__contains__",
        "__getitem__",
        "__eq__",
        "__repr__",
    ]
)


@contextmanager
def one_view() -> Iterator[None]:
    """Let everything that is read in the block be of one commit of each lake."""
    if _bound.get() is not None:  # an inner operation sees what the outer one sees
        yield
        return
    token = _bound.set({})
    try:
        yield
    finally:
        _bound.reset(token)


def in_one_view(function: Callable[_P, _R]) -> Callable[_P, _R]:
    """Make a function an operation that sees one commit of each lake."""

    @functools.wraps(function)
    def operation(*args: _P.args, **kwargs: _P.kwargs) -> _R:
        # as `one_view`, but without the cost of a context manager, since all public calls pass
        if _bound.get() is not None:
            return function(*args, **kwargs)
        token = _bound.set({})
        try:
            return function(*args, **kwargs)
        finally:
            _bound.reset(token)

    operation.one_view = True  # type: ignore[attr-defined]
    return operation


def operations(cls: _C) -> _C:
    """Make the public methods and properties that a class defines operations of one view.

    Generators are left alone: they read between their caller's steps, so what they give must
    be of one state by other means.
    """
    for name, member in list(vars(cls).items()):
        if not name.startswith("_") or name in _SPECIAL:
            wrapped = _wrapped(member)
            if wrapped is not member:
                setattr(cls, name, wrapped)
    return cls


def looks_again(method: _F) -> _F:
    """Leave a method out of `operations`: it means the newest state each time it looks.

    That are the keepers of a lake (collection, check, repair, backup), which decide under the
    writers' lock what may go.
    """
    method.one_view = False  # type: ignore[attr-defined]
    return method


def _wrapped(member: Any) -> Any:
    if isinstance(member, classmethod | staticmethod):
        return type(member)(_wrapped(member.__func__))
    if isinstance(member, property):
        get = None if member.fget is None else _wrapped(member.fget)
        put = None if member.fset is None else _wrapped(member.fset)
        return property(get, put, member.fdel, member.__doc__)
    plain = inspect.isfunction(member) and not inspect.isgeneratorfunction(member)
    return in_one_view(member) if plain and not hasattr(member, "one_view") else member


def bound(engine: object) -> State | None:
    """The state of an engine that the present operation has seen, if it has."""
    known = _bound.get()
    return None if known is None else known.get(engine)


def bind(engine: object, state: State) -> None:
    """Let the present operation go on to see this state of an engine."""
    known = _bound.get()
    if known is not None:
        known[engine] = state


def release(engine: object) -> None:
    """Let the present operation see the newest state of an engine next time."""
    known = _bound.get()
    if known is not None:
        known.pop(engine, None)
