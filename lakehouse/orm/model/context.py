"""Which lake and which transaction the running code is in.

The lake is a context variable with a default for the whole process, so that threads and
tasks may work in different lakes, and new threads still find the one that was connected to.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from lakehouse.orm.lake.lake import Lake
    from lakehouse.orm.session.batch import Batch

_lake: ContextVar[Lake | None] = ContextVar("lakehouse_lake", default=None)
_batches: ContextVar[tuple[Batch, ...]] = ContextVar("lakehouse_batches", default=())
_process_lake: list[Lake | None] = [None]


def active_lake() -> Lake | None:
    """The lake of this context, else the one of the process, else None."""
    return _lake.get() or _process_lake[0]


def process_lake() -> Lake | None:
    """The default lake of the process, if there is one."""
    return _process_lake[0]


def set_process_lake(lake: Lake | None) -> None:
    """Make a lake the default one of the process."""
    _process_lake[0] = lake


def enter_lake(lake: Lake) -> Any:
    """Make a lake the current one of this context; returns the token to leave it."""
    return _lake.set(lake)


def leave_lake(token: Any) -> None:
    """Undo `enter_lake`."""
    _lake.reset(token)


@contextmanager
def use(lake: Lake) -> Iterator[None]:
    """Run code with a lake as the current one."""
    token = _lake.set(lake)
    try:
        yield
    finally:
        _lake.reset(token)


def active_batch(lake: Lake) -> Batch | None:
    """The transaction that is open on a lake in this context."""
    for batch in _batches.get():
        if batch.lake is lake:
            return batch
    return None


@contextmanager
def in_batch(batch: Batch) -> Iterator[None]:
    """Make a transaction the open one of its lake."""
    token = _batches.set((*_batches.get(), batch))
    try:
        yield
    finally:
        _batches.reset(token)
