from __future__ import annotations

import pytest

from lakehouse.config import settings
from lakehouse.orm import Lake
from lakehouse.orm.model.context import active_lake, set_process_lake


@pytest.fixture
def lake(tmp_path):
    with Lake.create(str(tmp_path / "lake"), modules=["bionty"]) as made:
        yield made


@pytest.fixture(autouse=True)
def _as_found(monkeypatch, tmp_path):
    """Every test starts unconnected, outside any lake, as a known user."""
    for name in ("LAKEHOUSE_ROOT", "LAKEHOUSE_DB", "LAKEHOUSE_VERBOSITY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("LAKEHOUSE_USER", "ada")
    place = tmp_path / "cwd"
    place.mkdir()
    monkeypatch.chdir(place)
    before = settings.creation.search_names, settings._verbosity
    assert active_lake() is None
    yield
    set_process_lake(None)
    settings.creation.search_names, settings._verbosity = before
