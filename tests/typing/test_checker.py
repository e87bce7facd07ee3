"""Scripts of users, and what mypy --strict says to each of their lines.

`# R: type` is what `reveal_type` shows on its line, `# E: text` an error that begins or goes on
like that; no other line has an error.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

import lakehouse

SCRIPTS = sorted((Path(__file__).parent / "scripts").glob("*.py"))
SOURCE = Path(lakehouse.__file__).parents[1]


@pytest.fixture(scope="module")
def told(tmp_path_factory):
    """What mypy says of all scripts, in one run: (script, line) → messages."""
    config = tmp_path_factory.mktemp("mypy") / "mypy.ini"
    # a user's own settings: strict, and silent about libraries without types
    config.write_text(
        "[mypy]\nstrict = True\npretty = False\nshow_error_codes = False\n"
        "plugins = pydantic.mypy\nfollow_imports = silent\nignore_missing_imports = True\n"
    )
    done = subprocess.run(
        [sys.executable, "-m", "mypy", f"--config-file={config}", "--no-error-summary",
         f"--cache-dir={config.parent / 'cache'}", *map(str, SCRIPTS)],
        cwd=config.parent,
        env={**os.environ, "MYPYPATH": str(SOURCE)},
        capture_output=True,
        text=True,
        check=False,
    )  # fmt: skip
    assert done.stderr == ""
    found: dict[tuple[str, int], list[tuple[str, str]]] = {}
    for line in done.stdout.splitlines():
        parts = re.fullmatch(r"(.+\.py):(\d+): (error|note): (.*)", line)
        assert parts is not None, line
        place = (Path(parts[1]).name, int(parts[2]))
        found.setdefault(place, []).append((parts[3], parts[4]))
    return found


def _type(told):
    # mypy before 1.19 says builtins.str
    return told.removeprefix('Revealed type is "').removesuffix('"').replace("builtins.", "")


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.stem)
@pytest.mark.slow
def test_mypy_says_what_is_expected(told, script):
    lines = script.read_text(encoding="utf-8").splitlines()
    wrong = []
    for number, line in enumerate(lines, 1):
        said = told.get((script.name, number), [])
        types = [_type(m) for _, m in said if m.startswith("Revealed")]
        errors = [m for k, m in said if k == "error"]
        expected = re.findall(r"# ([ER]): (.*?)(?= # [ER]: |$)", line)
        if types != [text for kind, text in expected if kind == "R"]:
            wrong.append((number, line, said))
        texts = [text for kind, text in expected if kind == "E"]
        fitting = all(any(text in e for e in errors) for text in texts)
        if len(errors) != len(texts) or not fitting:
            wrong.append((number, line, said))
    assert not wrong, "\n".join(map(str, wrong))
