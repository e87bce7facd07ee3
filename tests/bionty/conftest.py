from __future__ import annotations

import pytest

from lakehouse.config import settings
from lakehouse.orm import Lake


@pytest.fixture
def lake(tmp_path):
    with Lake.create(str(tmp_path / "lake"), modules=["bionty"]) as made:
        yield made


@pytest.fixture(autouse=True)
def _own_cache(monkeypatch, tmp_path):
    """Every test keeps parsed ontologies to itself, and runs as a known user."""
    monkeypatch.setenv("LAKEHOUSE_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.setenv("LAKEHOUSE_USER", "ada")
    for name in ("LAKEHOUSE_ROOT", "LAKEHOUSE_DB"):
        monkeypatch.delenv(name, raising=False)
    before = settings._verbosity
    yield
    settings._verbosity = before


@pytest.fixture
def obo(tmp_path):
    """Writes an OBO file of terms given as (id, name, further lines)."""

    def write(*terms, version="2024-01-01", name="cells", ontology="zz"):
        lines = ["format-version: 1.4", f"data-version: {version}", f"ontology: {ontology}"]
        for key, label, *more in terms:
            lines += ["", "[Term]", f"id: ZZ:{key}", f"name: {label}", *more]
        path = tmp_path / f"{name}-{version}.obo"
        path.write_text("\n".join(lines) + "\n")
        return path

    return write
