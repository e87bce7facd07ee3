"""What all tests share."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from lakehouse.config import AnnotationSettings, CreationSettings, settings


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
