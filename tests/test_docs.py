"""Every Python block of README and docs runs: a page is one namespace, on a fresh lake."""

from __future__ import annotations

import contextvars
import re
from pathlib import Path

import pytest

import lakehouse as ln

REPO = Path(__file__).resolve().parents[1]
_BLOCK = re.compile(r"^```python\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def _blocks(page: Path) -> list[tuple[int, str]]:
    text = page.read_text(encoding="utf-8")
    return [(text[: m.start(1)].count("\n"), m.group(1)) for m in _BLOCK.finditer(text)]


PAGES = [p for p in [REPO / "README.md", *sorted((REPO / "docs").rglob("*.md"))] if _blocks(p)]


def _run(page: Path) -> None:
    blocks = _blocks(page)
    if not any("setup.init(" in code for _, code in blocks):
        ln.setup.init(storage="./lake", modules="bionty")
    namespace: dict[str, object] = {"__name__": page.stem}
    for line, code in blocks:
        # Blank lines in front make a traceback name the line of the page.
        exec(compile("\n" * line + code, str(page), "exec"), namespace)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(REPO)))
def test_page_runs(page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    for name in ("LAKEHOUSE_ROOT", "LAKEHOUSE_DB"):
        monkeypatch.delenv(name, raising=False)
    # The current lake is a context variable: what a page connects to ends with the page.
    contextvars.copy_context().run(_run, page)
