"""`init`, `connect`, `info` and how commands fail."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

import lakehouse as ln
from lakehouse.orm.model.context import set_process_lake


@pytest.mark.slow
def test_init_in_one_process_is_found_by_the_next(shell, here: Path) -> None:
    made = shell("init", "--storage", "lake", "--modules", "bionty", "--name", "blood")
    assert made.returncode == 0, made.stderr
    assert "made the lake 'blood'" in made.stderr
    (here / "deeper").mkdir()
    code = "import lakehouse as ln; lake = ln.current_lake(); print(lake.name, lake.root)"
    found = subprocess.run(
        [sys.executable, "-c", code],
        cwd=here / "deeper",
        capture_output=True,
        text=True,
        check=True,
    )
    assert found.stdout.split() == ["blood", str(here / "lake")]


@pytest.mark.slow
def test_a_lake_in_the_current_folder_is_named_like_it(shell, here: Path) -> None:
    assert f"made the lake {here.name!r}" in shell("init", "--storage", ".").stderr


@pytest.mark.slow
def test_init_again_connects(shell) -> None:
    assert "made the lake" in shell("init", "--storage", "lake").stderr
    again = shell("init", "--storage", "lake")
    assert again.returncode == 0
    assert "already" in again.stderr


def test_init_with_an_unknown_module(run, here: Path) -> None:
    result = run("init", "--storage", "lake", "--modules", "biontyy", code=1)
    assert result.stderr.startswith("error: ")
    assert "bionty" in result.stderr
    assert "Traceback" not in result.output
    assert list(here.iterdir()) == []


def test_init_is_what_setup_init_does(run, here: Path) -> None:
    run("init", "--storage", "one", "--name", "same")
    by_command = ln.current_lake()
    ln.setup.init(storage=str(here / "two"), name="same")
    by_call = ln.current_lake()
    assert (by_command.name, by_command.modules) == (by_call.name, by_call.modules)
    assert by_command.state.tables == by_call.state.tables


def test_connect_switches(run, here: Path) -> None:
    for name in ("one", "two"):
        run("init", "--storage", name)
    assert "two" in run("info").stdout
    assert "'one'" in run("connect", "one").stdout
    set_process_lake(None)
    assert ln.current_lake().name == "one"


def test_connect_to_nothing(run) -> None:
    assert "no lake" in run("connect", "nowhere", code=1).stderr


def test_commands_without_a_lake(run) -> None:
    for words in (["info"], ["ls"], ["sql", "SELECT 1"], ["log"], ["tag"], ["gc"]):
        result = run(*words, code=1)
        assert "lakehouse init" in result.stderr, words


def test_info_counts_rows(run, lake: Path) -> None:
    ln.ULabel(name="raw").save()
    lines: dict[str, list[str]] = {}
    for line in filter(str.strip, run("info").stdout.splitlines()):
        lines.setdefault(line.split()[0], line.split()[1:])
    assert lines["lake"] == ["lake"]
    assert lines["user"] == ["tester"]
    assert lines["ulabel"] == ["1"]
    assert "record" not in lines


def test_wrong_usage_is_two(run) -> None:
    run("init", code=2)
    run("frobnicate", code=2)
    run("sql", code=2)


def test_help_names_every_command(run) -> None:
    text = run("--help").stdout
    assert sorted(re.findall(r"^  ([a-z]+)  ", text, re.MULTILINE)) == [
        "backup",
        "branch",
        "check",
        "connect",
        "describe",
        "diff",
        "gc",
        "info",
        "init",
        "load",
        "log",
        "ls",
        "merge",
        "ontology",
        "quickstart",
        "repair",
        "restore",
        "save",
        "sql",
        "switch",
        "tag",
        "validate",
    ]


def test_version(run) -> None:
    assert run("--version").stdout == f"lakehouse {ln.__version__}\n"


def test_help_loads_nothing_heavy(here: Path) -> None:
    code = """
import sys
from lakehouse.cli import app
try:
    app(["--help"])
except SystemExit as end:
    assert not end.code
heavy = ["pyiceberg", "polars", "duckdb", "pandas", "anndata", "pyarrow", "sqlalchemy", "pydantic"]
print([name for name in heavy if name in sys.modules])
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]"


@pytest.mark.slow
def test_folders_are_trusted_listed_and_trusted_no_longer(shell, here: Path) -> None:
    made = shell("init", "--storage", "lake")
    assert made.returncode == 0
    assert f"trusted: {here / 'lake'}" in shell("connect", "--trust", "lake").stdout
    assert shell("connect", "*", "--trust").stdout == "trusted: *\n"
    assert shell("connect", "--trusted").stdout == f"*\n{here / 'lake'}\n"
    assert "trusted no longer" in shell("connect", "--untrust", "*").stdout
    assert "was not trusted" in shell("connect", "--untrust", "elsewhere").stdout
    assert shell("connect", "--trusted").stdout == f"{here / 'lake'}\n"
    for wrong in (("connect", "--trust"), ("connect", "--trust", "nowhere")):
        refused = shell(*wrong)
        assert refused.returncode == 1
        assert "error: " in refused.stderr
        assert "Traceback" not in refused.stderr


@pytest.mark.slow
def test_a_setting_of_the_environment_that_cant_be_read_is_told_in_one_line(
    shell, monkeypatch
) -> None:
    monkeypatch.setenv("LAKEHOUSE_VERBOSITY", "loud")
    for command in (("init", "--storage", "lake"), ("info",)):
        refused = shell(*command)
        assert refused.returncode == 1
        (line,) = refused.stderr.strip().splitlines()
        assert "LAKEHOUSE_VERBOSITY" in line
        assert "'loud'" in line
        assert "'success'" in line
    monkeypatch.setenv("LAKEHOUSE_VERBOSITY", "")
    assert shell("init", "--storage", "lake").returncode == 0
