"""Every command, with hostile texts in its arguments and in the lake that it tells of."""

from __future__ import annotations

import json
import os
import pty
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import typer
from typer.testing import CliRunner, Result

import lakehouse as ln
from lakehouse.cli import app
from tests.hostile import HOSTILE, MARK, check_terminal, plant

_STYLE = re.compile(r"\x1b\[[0-9;]*m")  # what rich and typer make; no hostile text has only these


def commands() -> dict[str, Any]:
    """All commands, by their words: what is added to the command line is in it."""

    def below(group: Any, words: str) -> Iterator[tuple[str, Any]]:
        for name, command in group.commands.items():
            if hasattr(command, "commands"):
                yield from below(command, f"{words}{name} ")
            else:
                yield words + name, command

    return dict(below(typer.main.get_command(app), ""))


def call(*words: str, codes: tuple[int, ...] = (0,)) -> Result:
    """Run a command as in a terminal; only styles of our own may be in what it prints."""
    result = CliRunner().invoke(app, list(words), color=True)
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    assert result.exit_code in codes, (words, result.output)
    check_terminal(_STYLE.sub("", result.stdout))
    check_terminal(_STYLE.sub("", result.stderr))
    return result


def _file_name(text: str) -> str:
    return text.replace("/", "|") + ".parquet"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, dict[str, str]]]:
    """A folder with a hostile lake, which the tests share: planting takes a second."""
    found = tmp_path_factory.mktemp("hostile")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(found)
        patch.setenv("LAKEHOUSE_USER", "tester")
        call("init", "--storage", "lake", "--modules", "bionty")
        uids = _planted(Path("lake"))
        ln.setup.close()
    return found, uids


@pytest.fixture
def planted(here, folder, monkeypatch) -> dict[str, dict[str, str]]:
    """The hostile lake, to which the working directory is connected."""
    monkeypatch.chdir(folder[0])
    ln.setup.connect("lake")
    return folder[1]


def _planted(lake: Path) -> dict[str, dict[str, str]]:
    """Fill a lake with hostile rows, commits, tags, branches, files and datasets."""
    here = ln.connect(str(lake))
    uids = plant(here)
    ln.settings.creation.search_names = False
    frame = pd.DataFrame({text: [text] for text in HOSTILE.values()})
    artifact = ln.Artifact.from_dataframe(frame, key="t.parquet", description=HOSTILE["csi"])
    artifact.save().ulabels.add(*ln.ULabel.filter())
    for text in HOSTILE.values():
        with suppress(ln.errors.LakehouseError):
            here.tag(text)
        Path(lake, ".lakehouse/tables/ulabel/data", _file_name(text)).touch()
    ln.setup.switch(HOSTILE["rich"] + "!", create=True)
    ln.ULabel(name="of the branch " + HOSTILE["csi"], description=HOSTILE["osc"]).save()
    label = ln.ULabel.get(name=HOSTILE["c1"])
    label.description = HOSTILE["bidi"]
    label.save()
    ln.setup.switch("main")
    label = ln.ULabel.get(name=HOSTILE["c1"])
    label.description = HOSTILE["csi"]
    label.save()
    ln.settings.creation.search_names = True
    frame.to_parquet("data.parquet")
    ln.Schema([ln.Feature(name="n", dtype=int).save()], name="rows").save()
    return uids


Words = tuple[str, ...]
_BRANCH = HOSTILE["rich"] + "!"
_SQL = "SELECT * EXCLUDE (created_at, updated_at) FROM ulabel"
RUNS: dict[str, list[Words]] = {
    "init": [("--storage", "other")],
    "connect": [("lake",), ("lake", "--trust"), ("--trusted",), ("lake", "--untrust")],
    "info": [()],
    "save": [("data.parquet", "--description", text) for text in HOSTILE.values()],
    "load": [("--key", "t.parquet")],
    "ls": [(), ("-n", "1000"), ("-n", "1"), (MARK,)],
    "describe": [("--key", "t.parquet")],
    "validate": [("data.parquet", "--schema", "rows"), ("data.parquet", "--schema", "cellxgene")],
    "sql": [
        (f"{_SQL}",),
        (f"{_SQL}", "--format", "json"),
        ('SELECT 1 AS "{}", [name] AS l, {{name: name}} AS s FROM ulabel'.format(HOSTILE["csi"]),),
        (f"{_SQL} LIMIT 1", "--rows", "1"),
        (f"SELECT '{HOSTILE['csi']}'::INT",),
        (f'SELECT * FROM "{HOSTILE["osc"]}"',),
        ("SELECT * FROM dataset('t.parquet')",),
    ],
    "switch": [(_BRANCH,), ("main",)],
    "merge": [(_BRANCH, "--dry-run"), (_BRANCH,), (_BRANCH, "--prefer", "branch")],
    "branch": [(), (_BRANCH,), (_BRANCH, "--description", HOSTILE["csi"])],
    "diff": [("1",), ("1", "--summary"), (_BRANCH,)],
    "log": [(), ("-n", "1000")],
    "tag": [(), ("again",)],
    "gc": [("--dry-run",), ("--keep", "1", "--dry-run"), ("--dry-run", "--erase", "$ARTIFACT")],
    "check": [(), ("--deep",), ("--json",), ("lake",)],
    "repair": [(), ("--json",), ("--apply",)],
    "backup": [("copies",), ("copies", "--list"), ("copies", "--verify")],
    "restore": [("copies", "again")],
    "ontology import": [("CellType", "blood-cells"), ("Gene", HOSTILE["csi"])],
    "ontology list": [()],
}
ELSEWHERE = {"quickstart"}  # shows no data but its own; tests/cli/test_quickstart.py


def test_every_command_is_run():
    assert set(RUNS) == set(commands()) - ELSEWHERE, "say above how the new command is run"


@pytest.mark.slow
@pytest.mark.parametrize("command", RUNS)
def test_in_a_hostile_lake(planted, command):
    if command == "restore":
        call("backup", "copies", codes=(0, 1))
    printed = ""
    for words in RUNS[command]:
        uid = planted["artifact"]["csi"]
        words = [uid if word == "$ARTIFACT" else word for word in words]
        printed += call(*command.split(), *words, codes=(0, 1, 2)).stdout
    if command in ("ls", "describe", "sql", "branch", "diff", "log", "check", "merge"):
        assert MARK in printed
    if command in ("sql", "branch", "describe"):  # markup is text
        assert HOSTILE["rich"] in re.sub(r"\s", "", _STYLE.sub("", printed))


def test_every_artifact_is_described(planted):
    for uid in planted["artifact"].values():
        assert MARK in call("describe", "--uid", uid).stdout


@pytest.mark.slow
def test_json_says_what_is_there(planted):
    rows = json.loads(call("sql", _SQL, "--format", "json").stdout)
    assert set(HOSTILE.values()) <= {row["name"] for row in rows}
    found = json.loads(call("check", "--deep", "--json", codes=(0, 1)).stdout)
    names = {Path(path).name for path in found["orphans"]}
    assert {_file_name(text) for text in HOSTILE.values()} <= names


# -- arguments --------------------------------------------------------------------------


def _text_parameters(command: Any) -> Iterator[Any]:
    for parameter in command.params:
        if not (getattr(parameter, "is_flag", False)):
            yield parameter


def _words(command: Any, hostile: Any, text: str) -> Words:
    """Words for a command that has a text for one parameter, and for others what must be."""
    options, arguments = [], []
    for parameter in command.params:
        given = text if parameter is hostile else "x" if parameter.required else None
        if given is None:
            continue
        if parameter.param_type_name == "option":
            options += [parameter.opts[0], given]
        else:
            arguments.append(given)
    return (*options, "--", *arguments)


@pytest.mark.slow
@pytest.mark.parametrize("command", commands())
def test_every_argument(lake, command):
    found = commands()[command]
    for parameter in _text_parameters(found):
        for text in HOSTILE.values():
            if command == "quickstart":  # else it runs
                Path(text).mkdir(parents=True, exist_ok=True)
            call(*command.split(), *_words(found, parameter, text), codes=(0, 1, 2))


@pytest.mark.slow
@pytest.mark.parametrize("text", HOSTILE.values(), ids=list(HOSTILE))
def test_what_is_no_command_or_option(here, text):
    for words in (
        (text,),
        ("--" + text,),
        ("ls", "--" + text),
        ("ls", "a", text),
        ("ls", "-n", text),
    ):
        call(*words, codes=(2,))


# -- in a terminal ----------------------------------------------------------------------


def _in_a_terminal(*words: str) -> str:
    """What a command writes to a terminal as its standard output."""
    ours, theirs = pty.openpty()
    command = [str(Path(sys.executable).parent / "lakehouse"), *words]
    found = b""
    with subprocess.Popen(command, stdout=theirs, stderr=subprocess.PIPE) as process:
        os.close(theirs)
        with suppress(OSError):  # as Linux says that the other end is closed
            while part := os.read(ours, 65536):
                found += part
        os.close(ours)
        _, told = process.communicate(timeout=60)
    assert process.returncode == 0, told
    return found.decode().replace("\r\n", "\n")


@pytest.mark.slow
@pytest.mark.parametrize(
    "words",
    [
        ("sql", "SELECT name, description FROM ulabel"),
        ("sql", "SELECT name, description FROM ulabel", "--format", "csv"),
        ("sql", "SELECT name, description FROM ulabel", "--format", "json"),
        ("describe", "--key", "t.parquet"),
    ],
)
def test_in_a_terminal(planted, words):
    printed = _STYLE.sub("", _in_a_terminal(*words))
    check_terminal(printed, shows=True)


def test_a_csv_file_has_the_bytes(planted):
    call("sql", _SQL, "--format", "csv", "-o", "out.csv")
    names = set(pd.read_csv("out.csv", lineterminator="\n")["name"])
    assert {HOSTILE["csi"], HOSTILE["c1"], HOSTILE["bidi"]} <= names
