"""Erasures that are killed at every step: the lake is whole, and the next call does the rest."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import polars as pl
import pytest

import lakehouse as ln
from tests.faults.jobs import Acks
from tests.faults.server import ForkServer

pytestmark = pytest.mark.faults

EVERY = 1 if int(os.environ.get("LAKEHOUSE_KILLS", "0")) else 3


@pytest.fixture
def server() -> Iterator[ForkServer]:
    with ForkServer("tests.faults.erasure_jobs") as server:
        yield server


def test_killed_at_steps(
    server: ForkServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With LAKEHOUSE_KILLS at every step, else at a few of each kind."""
    monkeypatch.setenv("LAKEHOUSE_USER", "ada")
    root, saved = tmp_path / "lake", tmp_path / "saved"
    with ln.Lake.create(str(root)) as lake:
        (tmp_path / "other.txt").write_text("another")
        ln.Artifact(tmp_path / "other.txt", key="other.txt").save()
        ln.Feature(name="note", dtype=str).save()
        table = pl.DataFrame({"Zqcolumn": ["Zqcell"]})
        one = ln.Artifact.from_dataframe(table, key="Zqkey.parquet", description="Zqabout").save()
        one.features.set_values({"note": "Zqvalue"})
        lake.tag("early")
        two = ln.Artifact.from_dataframe(table.vstack(table), key="Zqkey.parquet").save()
        ln.models.ArtifactBlock(artifact=two, content="Zqreadme", kind="readme").save()
    words = ["Zqcolumn", "Zqcell", "Zqkey", "Zqabout", "Zqvalue", "Zqreadme", one.uid, two.uid]
    shutil.copytree(root, saved)
    step, before = 1, []
    while True:
        shutil.rmtree(root)
        shutil.copytree(saved, root)
        acks = tmp_path / f"acks-{step}"
        args = {"root": str(root), "uid": one.stem_uid}
        code = server.wait(server.start("erase", **args, acks=str(acks), step=step))
        last = Acks.read(acks)[-1]
        done = tmp_path / f"done-{step}"
        again = step % 2 == 0
        ended = server.wait(
            server.start("finish", **args, acks=str(done), words=words, again=again)
        )
        assert ended == 0, (step, last)
        assert Acks.read(done)[-1]["op"] == "done"
        if code == 0:
            assert last["op"] == "done"
            break
        before.append(last["before"])
        step += EVERY
    assert {"_fill", "_change", "remove"} <= set(before)
    assert step > 20
