"""What all tests share."""

from __future__ import annotations

import os
import shutil
import signal
import sys
from collections.abc import Iterator
from pathlib import Path

import hypothesis
import pytest

from lakehouse.config import AnnotationSettings, CreationSettings, settings

# On a busy machine an example may take long, which says nothing about what is tested.
hypothesis.settings.register_profile(
    "busy", deadline=None, suppress_health_check=[hypothesis.HealthCheck.too_slow]
)
hypothesis.settings.load_profile("busy")


_MEMORY = Path("/dev/shm")
_ROOM = 4 * 1024**3


def pytest_configure() -> None:
    """Let temporary files lie in memory where it has room: thousands of lakes wait for no disk."""
    if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:
        # a shell starts jobs in the background so, and tests send Ctrl-C to themselves
        signal.signal(signal.SIGINT, signal.default_int_handler)
    there = _MEMORY.is_dir() and os.access(_MEMORY, os.W_OK)
    if there and shutil.disk_usage(_MEMORY).free > _ROOM:
        os.environ.setdefault("PYTEST_DEBUG_TEMPROOT", str(_MEMORY))


@pytest.fixture(scope="session", autouse=True)
def own_configuration(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """What is trusted and remembered in tests isn't the user's."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CONFIG_HOME", str(tmp_path_factory.mktemp("config")))
        yield


@pytest.fixture(autouse=True)
def usual_settings() -> Iterator[None]:
    """Each test starts with the default settings, whatever another one's modules set."""
    settings._verbosity = None
    settings.creation = CreationSettings()
    settings.annotation = AnnotationSettings()
    yield
    settings._verbosity = None
    settings.creation = CreationSettings()
    settings.annotation = AnnotationSettings()


@pytest.fixture(autouse=True)
def fresh_clients() -> None:
    """No test gets the S3 client that another one made for another server's environment."""
    if (s3fs := sys.modules.get("s3fs")) is not None:
        s3fs.S3FileSystem.clear_instance_cache()
