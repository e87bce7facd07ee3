"""What the users of a shared lake do, each under an id of their own.

The modules that a save and the reads below need are loaded here, before any of them: another user
may not be able to read this interpreter's own files.
"""

from __future__ import annotations

import fcntl
import importlib
import json
import os
import sys
import tempfile
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

os.environ["LAKEHOUSE_OFFLINE"] = "1"

import lakehouse as ln

GROUP = 54_321
READS = {
    "query": lambda lake: sorted(ln.ULabel.filter().to_list("name")),
    "load": lambda lake: ln.Artifact.get(key="a.txt").load(),
    "cache": lambda lake: Path(ln.Artifact.get(key="a.txt").cache()).read_text(),
    "describe": lambda lake: (
        "a.txt" in (ln.Artifact.get(key="a.txt").describe(return_str=True) or "")
    ),
    "sql": lambda lake: lake.sql("SELECT count(*) FROM artifact").fetchall()[0][0],
    "scan": lambda lake: lake.scan("ULabel").collect().height,
    "log": lambda lake: len(lake.log()) > 1,
    "at": lambda lake: lake.at(lake.log(1)[0].id).ULabel.filter().count(),
    "diff": lambda lake: str(lake.diff(lake.log(2)[-1].id)) != "",
    "tags": lambda lake: len(lake.tags()),
    "user": lambda lake: lake.user.handle != "",
    "other": lambda lake: ln.DB(lake.root).ULabel.filter().count(),
}
COMMANDS = (["info"], ["ls"], ["sql", "SELECT name FROM ulabel"], ["log"], ["gc", "--dry-run"])


def answers(lake: Any) -> dict[str, Any]:
    """What every way of reading gives, or its error."""
    found = {}
    for name, read in READS.items():
        try:
            found[name] = read(lake)
        except Exception as error:
            found[name] = f"{type(error).__name__}: {error}"
    return found


def commands(root: str) -> dict[str, Any]:
    """The exit codes of commands that read, with what they say where they fail."""
    from typer.testing import CliRunner

    from lakehouse.cli.app import app

    os.environ["LAKEHOUSE_ROOT"] = root
    found = {}
    for command in COMMANDS:
        done = CliRunner().invoke(app, command)
        found[command[0]] = 0 if done.exit_code == 0 else f"{done.output} {done.exception!r}"
    return found


def save(root: str, name: str, *, first: bool) -> list[Any]:
    """Save a label and an artifact; what is in the lake then."""
    lake = ln.setup.init(storage=root) if first else ln.connect(root)
    ln.ULabel(name=f"by {name}").save()
    Path(f"{name}.txt").write_text(name)
    ln.Artifact(f"{name}.txt", key=f"{name}.txt").save()
    texts = sorted(a.path.read_text() for a in ln.Artifact.filter())
    return [sorted(lake.ULabel.filter().to_list("name")), texts]


def _needed_modules() -> list[str]:
    """Do everything once, in a process whose threads nobody inherits; the modules it loaded."""
    reader, writer = os.pipe()
    if pid := os.fork():
        os.close(writer)
        with os.fdopen(reader) as handle:
            names: list[str] = json.load(handle)
        os.waitpid(pid, 0)
        return names
    try:
        ln.settings.verbosity = "error"
        with tempfile.TemporaryDirectory() as folder:
            os.chdir(folder)
            os.environ["HOME"] = folder
            save(f"{folder}/lake", "a", first=True)
            ln.ULabel(name="second").save()
            answers(ln.current_lake())
            commands(f"{folder}/lake")
            ln.setup.switch("side", create=True)
            os.write(writer, json.dumps(list(sys.modules)).encode())
    finally:
        os._exit(0)


for _name in _needed_modules():
    with suppress(Exception):
        importlib.import_module(_name)


def _become(uid: int | None, home: str, umask: int) -> None:
    ln.settings.verbosity = "error"
    os.umask(umask)
    os.environ.update(HOME=home)
    for name in ("XDG_CONFIG_HOME", "XDG_CACHE_HOME", "LAKEHOUSE_CACHE_DIR", "USER", "LOGNAME"):
        os.environ.pop(name, None)
    ln.settings._cache_dir = None
    if uid is not None:
        os.setgroups([GROUP])
        os.setgid(GROUP)
        os.setuid(uid)
    os.chdir(home)


def _tell(path: str, said: Any) -> None:
    Path(path).write_text(json.dumps(said))


def saves(out: str, uid: int | None, home: str, umask: int, **args: Any) -> None:
    """Save as a user; what is in the lake then."""
    _become(uid, home, umask)
    _tell(out, save(**args))


def reads(out: str, uid: int | None, home: str, umask: int, root: str) -> None:
    """Read in every way as a user."""
    _become(uid, home, umask)
    lake = ln.connect(root)
    said = {"may write": lake.engine.may_write(), **answers(lake), "commands": commands(root)}
    _tell(out, said)


def switches(out: str, uid: int | None, home: str, umask: int, root: str, branch: str) -> None:
    """Switch to a branch of one's own in the lake's folder; the branch found again there."""
    _become(uid, home, umask)
    ln.setup.trust(root)
    os.chdir(root)
    before = ln.connect().branch.name
    ln.setup.switch(branch, create=True)
    _tell(out, [before, ln.connect().branch.name])


def polls(out: str, uid: int | None, home: str, umask: int, root: str, until: int) -> None:
    """Count labels until so many are there; no error, no step back, no state in pieces."""
    _become(uid, home, umask)
    lake = ln.open(root)
    seen = polled = 0
    deadline = time.monotonic() + 120
    while seen < until and time.monotonic() < deadline:
        state = lake.engine.state()
        count = state.count("ulabel")
        names = state.arrow("ulabel")["name"].to_pylist()
        assert len(set(names)) == count >= seen, (count, seen)
        assert state.seq >= count, (state.seq, count)
        seen, polled = count, polled + 1
    _tell(out, [seen, polled])


def writes(
    out: str, uid: int | None, home: str, umask: int, root: str, count: int, reopen: int
) -> None:
    """Save labels, one by one, in a lake that is opened anew after every so many."""
    _become(uid, home, umask)
    for i in range(count):
        if i % reopen == 0:
            lake = ln.connect(root)
        lake.ULabel(name=f"label {i}").save()
        if i % reopen == reopen - 1:
            lake.close()
    _tell(out, count)


def locks(out: str, uid: int | None, home: str, umask: int, path: str, seconds: float) -> None:
    """Open a file to read and lock it, if it can be done."""
    _become(uid, home, umask)
    try:
        descriptor = os.open(path, os.O_RDONLY)
        fcntl.flock(descriptor, fcntl.LOCK_EX)
    except OSError as error:
        _tell(out, type(error).__name__)
        return
    _tell(out, "held")
    time.sleep(seconds)
