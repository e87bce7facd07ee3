"""`check` on the command line: what it prints, and its exit code."""

from __future__ import annotations

import json
from pathlib import Path

import pytest


def test_check(run, lake: Path) -> None:
    assert "whole" in run("check").output
    run("check", lake, "--deep")
    victim = max((lake / ".lakehouse/tables/branch/data").glob("*.parquet"))
    good = victim.read_bytes()
    victim.write_bytes(good[:-9])
    shown = run("check", code=1).output
    assert "truncated" in shown
    assert victim.name in shown
    found = json.loads(run("check", "--json", code=1).output)
    assert [d["kind"] for d in found["damages"]] == ["truncated"]
    assert found["damages"][0]["table"] == "branch"
    victim.write_bytes(good)
    assert json.loads(run("check", "--json", "--deep").output)["ok"]


@pytest.mark.slow
def test_repair(run, lake: Path) -> None:
    assert "needs no repair" in run("repair").output
    victim = max((lake / ".lakehouse/tables/space/metadata").glob("*.metadata.json"))
    victim.write_bytes(b"{}")
    assert run("check", code=1)
    told = run("repair").output
    assert "table 'space'" in told
    assert "lakehouse repair --apply" in told
    assert victim.read_bytes() == b"{}"
    done = json.loads(run("repair", "--apply", "--json").output)
    assert str(victim.resolve()) in done["quarantined"]
    run("check", "--deep")
    assert "needs no repair" in run("repair").output
