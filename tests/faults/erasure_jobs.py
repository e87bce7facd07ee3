"""Erasures that end at a chosen step, as if the process had been killed there."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from typing import Any

import lakehouse as ln
import lakehouse.orm.session.erasure
import lakehouse.registries.artifact.erasure
import tests.faults.jobs
from lakehouse import storage
from lakehouse.config import settings
from lakehouse.engine import Engine, files
from lakehouse.engine.catalog.sqlite import SqliteCatalog
from lakehouse.engine.files import LocalFiles
from lakehouse.storage import CacheDir
from tests.registries.planted import traces

Acks = tests.faults.jobs.Acks

settings.verbosity = "error"
settings.creation.search_names = False
_STEPS: list[tuple[Any, str]] = [
    (files, "_fill"),
    (LocalFiles, "remove"),
    (LocalFiles, "replace"),
    (SqliteCatalog, "_change"),
    (SqliteCatalog, "wipe"),
    (Engine, "drop_info"),
    (storage, "remove"),
    (CacheDir, "drop"),
]


def erase(root: str, acks: str, uid: str, step: int) -> None:
    """Erase, and end before a step; half of a file that is to be written lies there then."""
    out = Acks(acks)
    with ln.open(root) as lake:
        lake.user_uid  # noqa: B018 - registered before steps are counted
        for owner, name in _STEPS:
            setattr(owner, name, _counted(getattr(owner, name), out, step, name))
        lake.gc(erase=uid)
    out.write(op="done")


_taken = 0


def _counted(call: Callable[..., Any], out: Acks, step: int, name: str) -> Callable[..., Any]:
    def counted(*args: Any, **kwargs: Any) -> Any:
        global _taken
        _taken += 1
        if _taken == step:
            out.write(op="killed", before=name)
            if name == "_fill":
                descriptor, data = args
                os.write(descriptor, bytes(data)[: len(bytes(data)) // 2])
            os.kill(os.getpid(), signal.SIGKILL)
        return call(*args, **kwargs)

    return counted


def finish(root: str, acks: str, uid: str, words: list[str], again: bool) -> None:
    """What was left is whole, and the next gc, or erasure, does the rest."""
    with ln.open(root) as lake:
        report = lake.check(deep=True)
        assert report.ok, report.damages
        other = lake.Artifact.get(key="other.txt")
        assert other.load() == "another"
        begun = [name for name in lake.engine.fresh_info() if name.startswith("erasure")]
        untouched = lake.log()[0].message != "erased from all kept states"
        assert begun or untouched or not traces(root, words)
        if begun or untouched:
            lake.gc(erase=uid) if again or not begun else lake.gc()
        assert traces(root, words) == []
        assert lake.check(deep=True).ok
        assert lake.at("early").Artifact.filter().count() == 1
        assert [c.message for c in lake.log()].count("erased from all kept states") >= 1
        assert not [name for name in lake.engine.fresh_info() if name.startswith("erasure")]
    Acks(acks).write(op="done")
