"""Lakes that a test has for itself."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from lakehouse.config import AnnotationSettings, CreationSettings, settings
from lakehouse.orm import Lake
from lakehouse.orm.lake.directory import known_modules
from lakehouse.orm.model.context import process_lake, set_process_lake

_PLACES = ("LAKEHOUSE_ROOT", "LAKEHOUSE_DB")


@contextmanager
def fresh_lake(
    root: str | os.PathLike[str] | None = None,
    *,
    modules: Iterable[str] = ("bionty",),
    user: str = "tester",
) -> Iterator[Lake]:
    """A new lake, the current one until the block ends, whatever the process is connected to.

    Settings and the environment's lake don't reach into it, and are as before afterwards.

    Args:
        root: Where to make it; by default in a temporary folder that goes with it.
        modules: Modules of registries beside the core, those of extensions among them.
        user: The handle of who writes.

    Yields:
        The lake.

    Raises:
        LakeExists: There is a lake at the root.
        UnknownField: There is no such module.

    Example:
        >>> with fresh_lake() as lake:
        ...     print(lake.ULabel.filter().count())
        0
    """
    with tempfile.TemporaryDirectory(prefix="lakehouse-") as folder, _own_settings(user):
        checked = known_modules(modules)
        place = Path(folder, "lake") if root is None else root
        with Lake.create(os.fspath(place), modules=checked) as lake:
            yield lake


@contextmanager
def _own_settings(user: str) -> Iterator[None]:
    environment = {name: os.environ.get(name) for name in (*_PLACES, "LAKEHOUSE_USER")}
    before = settings._verbosity, settings.creation, settings.annotation
    connected = process_lake()
    for name in _PLACES:
        os.environ.pop(name, None)
    os.environ["LAKEHOUSE_USER"] = user
    settings.creation, settings.annotation = CreationSettings(), AnnotationSettings()
    try:
        yield
    finally:
        set_process_lake(connected)
        settings._verbosity, settings.creation, settings.annotation = before
        for name, value in environment.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value
