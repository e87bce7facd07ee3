"""Settings of this process, from environment variables and from code.

Example:
    >>> settings.creation.search_names = False
    >>> settings.creation.search_names
    False
    >>> settings.creation.search_names = True
"""

from __future__ import annotations

import functools
import getpass
import importlib
import logging
import math
import os
import re
import stat
import sys
import tempfile
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, cast

import platformdirs
from pydantic import ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict, SettingsError

from lakehouse.errors import InvalidArgument
from lakehouse.text.printable import printable, printable_line
from lakehouse.text.redaction import redacted

Verify = Literal["stamp", "hash"]
Verbosity = Literal["error", "warning", "success", "info", "hint", "debug"]
_LEVELS: tuple[str, ...] = ("error", "warning", "success", "info", "hint", "debug")
_MEMORY = re.compile(r"[0-9]{1,9}(\.[0-9]{1,3})? ?([KMGT]i?B|bytes|B|%)", re.IGNORECASE)
_LOGGING = {"error": logging.ERROR, "warning": logging.WARNING, "debug": logging.DEBUG}

# A name only: the lake lies in a layer above, and is asked for when it is needed.
_CURRENT_LAKE = ("lakehouse.orm.lake.current", "current_lake")
_ACTIVE_LAKE = ("lakehouse.orm.model.context", "active_lake")
_STORAGE_SETTINGS = ("lakehouse.orm.lake.instance", "StorageSettings")


class Environment(BaseSettings):
    """The environment variables that lakehouse reads, all beginning with `LAKEHOUSE_`."""

    model_config = SettingsConfigDict(
        env_prefix="LAKEHOUSE_", extra="ignore", env_ignore_empty=True
    )

    root: str | None = None
    db: str | None = None
    user: str | None = None
    cache_dir: Path | None = None
    verbosity: Verbosity = "success"
    verify: Verify = "stamp"
    lock_timeout: float = 900.0
    query_memory_limit: str | None = None
    query_timeout: float | None = None
    query_threads: int | None = None

    def __init__(self, **values: Any) -> None:
        try:
            super().__init__(**values)
        except (ValidationError, SettingsError) as error:
            raise InvalidArgument(_unreadable(error)) from None


def environment() -> Environment:
    """What the environment says now.

    Raises:
        InvalidArgument: A variable can't be read.
    """
    own = {k: v for k, v in os.environ.items() if k.upper().startswith("LAKEHOUSE_")}
    return _environment_of(frozenset(own.items()))


@functools.lru_cache(maxsize=8)
def _environment_of(_variables: frozenset[tuple[str, str]]) -> Environment:
    """Reading the variables takes 3 ms, as much as a commit does: equal ones are read once."""
    return Environment()


def login_name() -> str:
    """The name that the present user logged in with; a container may know a number only."""
    try:
        return getpass.getuser()
    except (KeyError, OSError, ImportError):  # which one, depends on Python's version
        return f"uid-{os.getuid()}"


def _unreadable(error: ValidationError | SettingsError) -> str:
    """One line that says which variable of the environment can't be read, and why."""
    if isinstance(error, SettingsError):
        return f"The environment can't be read: {' '.join(str(error).split())}"
    first = error.errors(include_url=False)[0]
    name = "LAKEHOUSE_" + "_".join(str(part) for part in first["loc"]).upper()
    shown = ascii(first["input"])[:80]
    return f"The environment variable {name} can't be read: {shown}. {first['msg']}."


def user_dir(kind: Literal["cache", "config"]) -> Path | None:
    """Where the present user's files of a kind lie; None for one without a home of their own."""
    found = Path(
        platformdirs.user_cache_dir("lakehouse")
        if kind == "cache"
        else platformdirs.user_config_dir("lakehouse")
    )
    if not found.is_absolute():  # `~`: there is neither HOME nor an entry in the password file
        return None
    there = found
    while not there.exists():
        there = there.parent
    return found if os.access(there, os.W_OK) else None


def _temporary_dir() -> Path:
    """A folder of the present user's among the temporary files, the same one as far as it goes."""
    path = Path(tempfile.gettempdir()) / f"lakehouse-{os.getuid()}"
    with suppress(FileExistsError):
        path.mkdir(mode=0o700)
    found = path.lstat()
    if stat.S_ISDIR(found.st_mode) and found.st_uid == os.getuid() and not found.st_mode & 0o077:
        return path
    return Path(tempfile.mkdtemp(prefix="lakehouse-"))  # somebody else took the name


@dataclass
class CreationSettings:
    """What happens when records and artifacts are created.

    Attributes:
        search_names: Suggest records with similar names when one is constructed.
        artifact_if_hash_exists: What constructing an artifact of known content gives.
    """

    search_names: bool = True
    artifact_if_hash_exists: Literal["return", "create"] = "return"


@dataclass
class AnnotationSettings:
    """What happens when validated data annotates its artifact.

    Attributes:
        n_max_records: At most so many labels are linked per categorical column.
    """

    n_max_records: int = 1_000


class QuerySettings:
    """What one query in SQL may use: `ln.sql`, `lake.sql` and `lakehouse sql`.

    Example:
        >>> settings.query.timeout = 600
        >>> settings.query.timeout
        600.0
        >>> settings.query.timeout = None
    """

    _memory_limit: str | None
    _timeout: float | None
    _threads: int | None

    @functools.cached_property
    def _environment(self) -> Environment:
        return environment()

    @property
    def memory_limit(self) -> str | None:
        """Memory of all queries of a lake together, e.g. `"4GB"`; what is more goes to disk.

        By default `LAKEHOUSE_QUERY_MEMORY_LIMIT`, else 80 % of the machine's memory.
        """
        return self.__dict__.get("_memory_limit", self._environment.query_memory_limit)

    @memory_limit.setter
    def memory_limit(self, value: str | None) -> None:
        if value is not None and not _MEMORY.fullmatch(str(value).strip()):
            raise InvalidArgument(
                "This is no amount of memory.", found=repr(value), expected="e.g. '4GB' or '500MB'"
            )
        self._memory_limit = value

    @property
    def timeout(self) -> float | None:
        """Seconds that a query may take; by default `LAKEHOUSE_QUERY_TIMEOUT`, else no limit."""
        return self.__dict__.get("_timeout", self._environment.query_timeout)

    @timeout.setter
    def timeout(self, value: float | None) -> None:
        if value is not None and not (isinstance(value, int | float) and 0 < value < math.inf):
            raise InvalidArgument(
                "A query's time is a number of seconds.", found=repr(value), expected="600, or None"
            )
        self._timeout = None if value is None else float(value)

    @property
    def threads(self) -> int | None:
        """Threads that queries use; by default `LAKEHOUSE_QUERY_THREADS`, else every core."""
        return self.__dict__.get("_threads", self._environment.query_threads)

    @threads.setter
    def threads(self, value: int | None) -> None:
        if value is not None and not (type(value) is int and 0 < value <= 1_024):
            raise InvalidArgument(
                "Queries use a number of threads.", found=repr(value), expected="4, or None"
            )
        self._threads = value


@dataclass(repr=False)
class Settings:
    """Settings of the running process; `lakehouse.settings` is the one instance."""

    creation: CreationSettings = field(default_factory=CreationSettings)
    annotation: AnnotationSettings = field(default_factory=AnnotationSettings)
    query: QuerySettings = field(default_factory=QuerySettings)
    track_run_inputs: bool = True
    sync_git_repo: str | None = None
    _verbosity: Verbosity | None = None
    _cache_dir: Path | None = None
    _verify: Verify | None = None
    _lock_timeout: float | None = None

    @property
    def lock_timeout(self) -> float:
        """How many seconds a writer waits for the others, before it gives up with an error."""
        if self._lock_timeout is None:
            self._lock_timeout = environment().lock_timeout
        return self._lock_timeout

    @lock_timeout.setter
    def lock_timeout(self, value: float) -> None:
        if not isinstance(value, int | float) or isinstance(value, bool) or not value >= 0:
            raise InvalidArgument(
                "A lock is waited for so many seconds.", found=value, expected="a number >= 0"
            )
        self._lock_timeout = float(value)

    @property
    def verbosity(self) -> Verbosity:
        """Which messages are shown: `error`, `warning`, `success`, `info`, `hint` or `debug`.

        May be set by its number, too: 0 is `error`, 5 is `debug`.
        """
        if self._verbosity is None:
            self._verbosity = environment().verbosity
        return self._verbosity

    @verbosity.setter
    def verbosity(self, value: Verbosity | int) -> None:
        if type(value) is int and 0 <= value < len(_LEVELS):
            value = cast(Verbosity, _LEVELS[value])
        if value not in _LEVELS:
            numbered = ", ".join(f"{i} {name!r}" for i, name in enumerate(_LEVELS))
            raise InvalidArgument("There is no such verbosity.", found=value, expected=numbered)
        self._verbosity = value

    @property
    def verify(self) -> Verify:
        """How stored content is verified when it is read: `stamp` or `hash`.

        `stamp` compares size and times, and reads and hashes what these leave in doubt;
        `hash` reads and hashes all content each time.
        """
        if self._verify is None:
            self._verify = environment().verify
        return self._verify

    @verify.setter
    def verify(self, value: Verify) -> None:
        if value not in ("stamp", "hash"):
            raise InvalidArgument(
                "There is no such way to verify content.", found=value, expected="'stamp' or 'hash'"
            )
        self._verify = value

    @property
    def cache_dir(self) -> Path:
        """Where files of remote storage locations are cached."""
        if self._cache_dir is None:
            self._cache_dir = environment().cache_dir or user_dir("cache") or _temporary_dir()
        return self._cache_dir

    @cache_dir.setter
    def cache_dir(self, value: str | Path) -> None:
        self._cache_dir = Path(value).expanduser().absolute()

    @property
    def storage(self) -> Any:
        """The default storage location of the current lake; assigning another one uses that.

        Example:
            >>> settings.storage = "s3://bucket/project"
            >>> settings.storage.root / "folder"
        """
        module, name = _STORAGE_SETTINGS
        return getattr(importlib.import_module(module), name)(_current_lake().storage)

    @storage.setter
    def storage(self, value: Any) -> None:
        place, host = value if isinstance(value, tuple) else (value, None)
        _current_lake().use_storage(place, host)

    @property
    def local_storage(self) -> Any:
        """There is none: one storage location is the default one.

        Raises:
            InvalidArgument: Always; the peer raises it where no local storage was asked for.
        """
        raise InvalidArgument(
            "Artifacts aren't kept locally beside another default storage location.",
            hint="choose where one is stored: ln.Artifact(path, key=…, storage=ln.Storage.get(…)), "
            "or where all are: ln.settings.storage = './folder'",
        )

    @property
    def instance_uid(self) -> str:
        """The uid of the current lake."""
        return str(_current_lake().uid)

    @property
    def branch(self) -> Any:
        """The current branch of the current lake."""
        return _current_lake().branch

    @property
    def space(self) -> Any:
        """The current space of the current lake."""
        return _current_lake().space

    @property
    def user(self) -> Any:
        """The user of the current lake."""
        return _current_lake().user

    def __repr__(self) -> str:
        lines = ["Settings"]
        if (lake := _active_lake()) is not None:
            lines += [f"  instance: {lake.name}", f"  storage: {lake.root}"]
        lines += [
            f"  verbosity: {self.verbosity}",
            f"  track_run_inputs: {self.track_run_inputs}",
        ]
        return "\n".join(map(printable_line, lines))


def _active_lake() -> Any:
    """The lake that is connected to, if any; nothing is looked for."""
    module, name = _ACTIVE_LAKE
    return getattr(importlib.import_module(module), name)()


def _current_lake() -> Any:
    module, name = _CURRENT_LAKE
    return getattr(importlib.import_module(module), name)()


settings = Settings()


def notify(text: str, level: Verbosity = "success") -> None:
    """Tell the user something, if they want to hear it.

    Messages go to the logger `lakehouse` if the program gave it a handler, else to stderr.
    """
    if _LEVELS.index(level) > _LEVELS.index(settings.verbosity):
        return
    text = redacted(text)
    logger = logging.getLogger("lakehouse")
    text = printable(text)
    if logger.handlers:
        logger.log(_LOGGING.get(level, logging.INFO), text)
    else:
        sys.stderr.write(f"{'!' if level in ('error', 'warning') else '→'} {text}\n")
