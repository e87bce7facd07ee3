"""Forked children must not inherit what belongs to their parent.

A SQLite connection that is inherited shares lock bookkeeping with its parent and loses writes; a
Postgres connection shares its socket; a lock that another thread held is held for ever. So
everything of that kind says here what to do before and after a fork.
"""

from __future__ import annotations

import os
import weakref
from typing import Protocol


class Forkable(Protocol):
    """Something that has to prepare for `os.fork`."""

    def before_fork(self) -> None:
        """In the parent, before it forks."""

    def after_fork(self, *, child: bool) -> None:
        """In the parent and in the child, afterwards."""


_watched: weakref.WeakSet[Forkable] = weakref.WeakSet()
_preparing: list[list[Forkable]] = []


def watch(thing: Forkable) -> None:
    """Tell a thing about forks for as long as it lives."""
    _watched.add(thing)


def _before() -> None:
    # held until the fork is done: what has taken a lock has to let it go again
    things = list(_watched)
    for thing in things:
        thing.before_fork()
    _preparing.append(things)


def _after(*, child: bool) -> None:
    # locks are let go in the opposite order
    for thing in reversed(_preparing.pop()):
        thing.after_fork(child=child)


os.register_at_fork(
    before=_before,
    after_in_parent=lambda: _after(child=False),
    after_in_child=lambda: _after(child=True),
)
