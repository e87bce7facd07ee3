"""Kills of curation: artifact, bytes, links, schema and report are there together, or not at all."""

from __future__ import annotations

import json
import os
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import polars as pl
import pytest

import lakehouse as ln
from lakehouse import storage
from lakehouse.features.sets import hash_of
from lakehouse.orm import Lake
from lakehouse.registries.artifact.row import MANAGED
from tests.faults import curation_jobs
from tests.faults.server import ForkServer
from tests.faults.victims import SEED, Victims

pytestmark = pytest.mark.faults

KILLS = int(os.environ.get("LAKEHOUSE_KILLS", "200")) // 4
# job → longest time that a victim may live, in seconds
JOBS = {"save_cells": 0.9, "standardize_cells": 0.9, "change_schema": 0.6, "validate_file": 2.5}
KINDS = {"with synonym", "kind one", "kind two"}


@pytest.fixture(scope="module")
def server() -> Iterator[ForkServer]:
    with ForkServer("tests.faults.curation_jobs") as server:
        yield server


@pytest.fixture
def lake(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Lake]:
    monkeypatch.setenv("LAKEHOUSE_CACHE_DIR", str(tmp_path / "cache"))
    with Lake.create(str(tmp_path / "lake"), modules=["bionty"]) as lake:
        curation_jobs.prepare()
        yield lake


def check_bytes(lake: Lake, seen: set[str]) -> None:
    """Every row's bytes are there, the same as the row says."""
    for row in lake.state.arrow("artifact").to_pylist():
        path = f"{lake.root}/{row['storage_key']}"
        assert os.path.exists(path), f"{row['key']} has no bytes"
        if path not in seen:
            assert storage.hash_path(path).hash == row["hash"], row["key"]
            seen.add(path)


def check_cells(artifact: Any) -> None:
    """Cells have their labels, feature sets, external and own schema, and their report."""
    assert set(artifact.cell_types.to_list("name")) == KINDS, artifact.key
    assert artifact.schema.name == curation_jobs.SCHEMA
    assert artifact.schema.version(artifact.schema_hash).hash == artifact.schema_hash
    slots = artifact.features.slots
    assert set(slots) == {"obs", "uns", "var.T"}, artifact.key
    assert set(slots["var.T"].members.to_list("name")) == set(curation_jobs.GENES)
    report = artifact.artifacts.get(kind="report")
    assert report.key == f"{artifact.key}.report.html"
    assert report.path.read_text().rstrip().endswith("</html>")
    loaded = artifact.load()
    assert set(loaded.obs["kind"]) == KINDS, "a copy that isn't standardized"


def check_table(artifact: Any) -> None:
    """Tables are linked to what they were found to have, whatever became of their schema."""
    columns = {name for name, _ in artifact.columns["columns"]}
    assert set(artifact.features.slots["columns"].members.to_list("name")) == columns
    version = artifact.schema.version(artifact.schema_hash)
    demanded = ln.Feature.filter(uid__in=[m[1] for m in version.content["members"]])
    assert set(demanded.to_list("name")) == columns


def check_schemas(lake: Lake) -> None:
    """A schema's row says what its links say."""
    for schema in ln.Schema.filter():
        content = schema._values["content"]
        links = [
            r for r in lake.state.prefix("schema_link", schema.uid, 1_000) if r["slot"] is None
        ]
        members = [m[1] for m in content["members"]]
        assert sorted(members) == sorted(r["target_uid"] for r in links), schema
        assert schema.hash == hash_of(content), schema
        assert (schema.n_members or 0) == len(members), schema


def check_reports(folder: Path) -> int:
    """A report is there whole, or not at all, and nothing else lies beside it."""
    found = list(folder.iterdir()) if folder.exists() else []
    for path in found:
        if path.name.startswith(".tmp-"):
            path.unlink()
        elif path.suffix == ".html":
            assert path.read_text().rstrip().endswith("</html>"), "half a report"
        elif path.suffix == ".json":
            assert json.loads(path.read_text()), "half a report"
        elif path.suffix == ".csv":
            assert pl.read_csv(path).height == curation_jobs.ROWS, "half a report"
        else:
            assert pl.read_parquet(path).height == curation_jobs.ROWS, "half a report"
    return len(found)


def check_all(lake: Lake, acks: list[dict[str, Any]], seen: set[str]) -> None:
    check_bytes(lake, seen)
    check_schemas(lake)
    known = {artifact.uid: artifact for artifact in ln.Artifact.filter()}
    for ack in acks:
        if ack["op"] in ("cells", "table"):
            assert ack["uid"] in known, "an acknowledged artifact is lost"
    for uid, artifact in known.items():
        if f"whole {uid}" in seen:
            continue
        seen.add(f"whole {uid}")
        if artifact.key.startswith("tables/"):
            check_table(artifact)
        elif artifact.key.endswith(".h5ad"):
            check_cells(artifact)
        else:
            cells = ln.Artifact.get(key=artifact.key.removesuffix(".report.html"))
            assert cells.artifacts.get(kind="report").uid == uid, "a report of nothing"


def test_what_is_curated_is_saved_whole_or_not_at_all(
    server: ForkServer, lake: Lake, tmp_path: Path
) -> None:
    victims = Victims(server, tmp_path)
    choose = random.Random(SEED)
    print(f"seed {SEED}")
    seen: set[str] = set()
    reports = 0
    while victims.killed < KILLS:
        jobs = choose.sample(list(JOBS), 2)
        victims.round(Path(lake.root), {job: {} for job in jobs}, JOBS[choose.choice(jobs)])
        check_all(lake, victims.acks, seen)
        reports += check_reports(tmp_path / "reports")
    done = {ack["op"] for ack in victims.acks}
    print(f"{victims.killed} killed, {len(seen)} checks, {reports} files of reports, {done}")

    schema = ln.Schema.get(name=curation_jobs.SCHEMA)
    curator = ln.curators.AnnDataCurator(curation_jobs.cells("afterwards"), schema)
    check_cells(curator.save_artifact(key="cells/afterwards.h5ad", report=True))
    lake.gc(keep=1, min_age=0)
    check_all(lake, victims.acks, set())
    named = {row["storage_key"] for row in lake.state.arrow("artifact").to_pylist()}
    left = {f"{MANAGED}/{name}" for name in os.listdir(f"{lake.root}/{MANAGED}")}
    assert left == named, "gc left or removed the wrong bytes"
