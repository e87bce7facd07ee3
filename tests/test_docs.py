"""Every Python block of README and docs runs, a page being one namespace; the site builds."""

from __future__ import annotations

import contextvars
import importlib.util
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

import lakehouse as ln
import lakehouse.bionty as bt
from lakehouse.orm.model.context import set_process_lake

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


@pytest.mark.slow
@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(REPO)))
def test_page_runs(page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [*sys.path])  # a page may install a package
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))  # nothing is trusted yet
    for name in ("LAKEHOUSE_ROOT", "LAKEHOUSE_DB"):
        monkeypatch.delenv(name, raising=False)
    # What a page connects to ends with the page.
    try:
        contextvars.copy_context().run(_run, page)
    finally:
        set_process_lake(None)


def test_the_diagram_of_the_architecture_is_current() -> None:
    spec = importlib.util.spec_from_file_location("diagram", REPO / "docs" / "diagram.py")
    diagram = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(diagram)
    text = diagram.PAGE.read_text(encoding="utf-8")
    assert text == diagram.current(text), "run: python docs/diagram.py"
    assert text.count("-->") > 20
    drawn = {part for layer in diagram.layers() for room in layer for part in room.split()}
    there = {
        p.stem
        for p in diagram.PACKAGE.iterdir()
        if (p / "__init__.py").is_file() or p.suffix == ".py"
    }
    assert there - drawn == {"__init__", "core", "models"}, (
        "name it among the layers in pyproject.toml"
    )


def test_the_glossary_has_every_public_name() -> None:
    words = set(re.findall(r"\w+", (REPO / "docs" / "glossary.md").read_text(encoding="utf-8")))
    for module in (ln, ln.setup, ln.curators):
        assert not {*module.__all__} - words, module.__name__
    assert not {name for name in bt.__all__ if name[0].isupper()} - words


_MODULE = re.compile(r"`((?:[a-z_]+/)*[a-z_]+\.py)`")


def test_modules_that_papers_name_are_there() -> None:
    """In full (`engine/view.py`), or beside the one that is named before (`commit.py`)."""
    for page in (REPO / "docs" / "architecture.md", REPO / "CONTRIBUTING.md"):
        folder = REPO / "lakehouse"
        for name in _MODULE.findall(page.read_text(encoding="utf-8")):
            places = (REPO / name, REPO / "lakehouse" / name, folder / name)
            found = next((place for place in places if place.is_file()), None)
            assert found, f"{page.name} names {name}, which isn't there"
            folder = found.parent


@pytest.mark.slow
def test_site_builds_without_dead_links(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(tmp_path)]
    done = subprocess.run(
        command,
        cwd=REPO,
        env=os.environ | {"NO_MKDOCS_2_WARNING": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    for page, name in (("registries", "labels.ULabel"), ("bionty", "_terms.term.OntologyTerm")):
        text = (tmp_path / "reference" / page / "index.html").read_text()
        assert f'id="lakehouse.{page}.{name}"' in text
