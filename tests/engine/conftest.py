"""Fixtures of the engine's tests: both catalogs, and a real S3 server."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from lakehouse.engine import Engine
from lakehouse.identity import new_uid
from tests.engine.lakes import SPECS
from tests.services import S3Server, postgres, seaweedfs


@pytest.fixture(autouse=True)
def _one_planner(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("POLARS_ICEBERG_PLANNER", "pyiceberg")  # or polars warns about the choice


@pytest.fixture(scope="session")
def postgres_url() -> Iterator[str]:
    """A real Postgres server's database."""
    with postgres() as url:
        yield url


@pytest.fixture(scope="session")
def s3_server() -> Iterator[S3Server]:
    """A real S3 server."""
    with seaweedfs() as server:
        yield server


@pytest.fixture(params=["sqlite", "postgres"])
def db(request: pytest.FixtureRequest) -> str | None:
    """The catalog of a new lake: None for the SQLite file in it, or a URL of Postgres."""
    if request.param == "sqlite":
        return None
    return f"{request.getfixturevalue('postgres_url')}&schema=lake_{new_uid()}"


@pytest.fixture
def engine(tmp_path: Path, db: str | None) -> Iterator[Engine]:
    """A new lake with the tables `thing` and `link`, on each catalog in turn."""
    engine = Engine.create(str(tmp_path / "lake"), SPECS, db=db)
    yield engine
    engine.close()


@pytest.fixture
def lake(tmp_path: Path) -> Iterator[Engine]:
    """The same on SQLite only."""
    engine = Engine.create(str(tmp_path / "lake"), SPECS)
    yield engine
    engine.close()
