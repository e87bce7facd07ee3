"""The other Pythons of this machine that pyproject.toml names: a version and a path a line.

Of each minor version, the newest release that runs and can make environments; no pre-releases.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path

REPO = Path(__file__).resolve().parents[1]
_TELL = """
import ensurepip, sys, sysconfig, venv
plain = sys.implementation.name == "cpython" and not sysconfig.get_config_var("Py_GIL_DISABLED")
if plain and sys.version_info.releaselevel == "final":
    print(*sys.version_info[:3], sys.executable)
"""


def main() -> None:
    """Print one of each declared minor version but the one that this runs on."""
    newest: dict[tuple[int, ...], tuple[tuple[int, ...], str]] = {}
    for path in _candidates():
        version, executable = _tells(path)
        minor = version[:2]
        if minor in _declared() and minor != sys.version_info[:2]:
            newest[minor] = max(newest.get(minor, ((), "")), (version, executable))
    for _, (version, executable) in sorted(newest.items()):
        print(".".join(map(str, version)), executable)


def _declared() -> set[tuple[int, ...]]:
    """The minor versions that the classifiers name."""
    project = tomllib.loads((REPO / "pyproject.toml").read_text())["project"]
    named = (re.fullmatch(r".*:: (3)\.(\d+)", text) for text in project["classifiers"])
    return {(int(found[1]), int(found[2])) for found in named if found}


def _candidates() -> list[Path]:
    """What is named as an interpreter, on the PATH and where pyenv keeps its own."""
    folders = [Path(p) for p in os.environ.get("PATH", "").split(os.pathsep) if p]
    pyenv = Path(os.environ.get("PYENV_ROOT") or os.path.expanduser("~/.pyenv"))
    found = [path for folder in folders for path in folder.glob("python3*")]
    found += pyenv.glob("versions/*/bin/python3")
    usable = (path for path in found if re.fullmatch(r"python3(\.\d+)?", path.name))
    return [path for path in usable if os.access(path, os.X_OK)]


def _tells(path: Path) -> tuple[tuple[int, ...], str]:
    """What an interpreter says that it is; nothing if it doesn't run, as a shim of pyenv may not."""
    try:
        said = subprocess.run(
            [path, "-I", "-c", _TELL], capture_output=True, text=True, timeout=60, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return (), ""
    *version, executable = said.stdout.strip().split(maxsplit=3) or [""]
    return tuple(map(int, version)), executable


if __name__ == "__main__":
    main()
