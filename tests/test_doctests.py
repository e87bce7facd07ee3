"""Every example in a docstring runs: in a lake that is put back before each docstring.

What an example shows as its outcome must come; a call without an outcome must only work.
"""

from __future__ import annotations

import ast
import builtins
import contextvars
import doctest
import importlib
import io
import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import lakehouse as ln
import lakehouse.bionty as bt
from lakehouse.config import settings
from lakehouse.orm.model.context import set_process_lake
from tests.example_lake import REPO, World
from tests.optional import installed_or_skip

_OPTIONS = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE
_PARSER = doctest.DocTestParser()
# A reason stands before the directive: `call()  # needs the network  # doctest: +SKIP`.
_REASON = re.compile(r"#\s+needs ([^#]+?)\s+#\s*doctest:\s*\+SKIP")
# All that doesn't run. Whoever adds one says why, and that no lake or file in `World` would do.
SKIPPED = {"the network": 4, "vitessce": 2}


def _docstrings(path: Path) -> Iterator[tuple[str, int, str]]:
    """Name, line and text of each docstring with an example, those of wrapped functions too."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            text = ast.get_docstring(node, clean=False)
            if text and ">>>" in text:
                line = node.body[0].lineno - 1
                yield getattr(node, "name", "module"), line, text


def _module_name(path: Path) -> str:
    parts = path.relative_to(REPO).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


MODULES = {
    _module_name(path): path
    for path in sorted((REPO / "lakehouse").rglob("*.py"))
    if any(_docstrings(path))
}
# Packages that can't be had for every Python.
OPTIONAL = {"lakehouse.integrations.soma": "tiledbsoma.io"}


class _Checker(doctest.OutputChecker):
    """Lets a call without a shown outcome show anything."""

    def check_output(self, want: str, got: str, optionflags: int) -> bool:
        return not want or super().check_output(want, got, optionflags)


def _needed(test: doctest.DocTest) -> set[str]:
    """Names that the examples use, those that they define among them."""
    run = [e for e in test.examples if not e.options.get(doctest.SKIP)]
    return {
        node.id
        for example in run
        for node in ast.walk(ast.parse(example.source))
        if isinstance(node, ast.Name)
    }


def _namespace(test: doctest.DocTest, module: Any, world: World) -> dict[str, Any]:
    """The module's own names, and of the others those that the examples need."""
    names = dict(vars(module))
    for name in _needed(test):
        if name not in names and not hasattr(builtins, name):
            try:
                names[name] = world.named(name, test.name)
            except KeyError:
                continue  # defined by the examples; if it isn't, they fail by a NameError
    return names


def _run(test: doctest.DocTest, module: Any, world: World) -> str:
    """What the examples report as wrong."""
    with ln.open("./my-lake") as lake:
        set_process_lake(lake)
        try:
            test.globs = _namespace(test, module, world)
            told = io.StringIO()
            doctest.DocTestRunner(_Checker(), optionflags=_OPTIONS).run(test, out=told.write)
            return told.getvalue()
        finally:
            bt.settings.organism = None
            set_process_lake(None)


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    base = tmp_path_factory.mktemp("examples")
    with pytest.MonkeyPatch.context() as patch:
        for name in ("LAKEHOUSE_ROOT", "LAKEHOUSE_DB", "LAKEHOUSE_VERBOSITY"):
            patch.delenv(name, raising=False)
        patch.setenv("LAKEHOUSE_USER", "ada")
        patch.setenv("LAKEHOUSE_OFFLINE", "1")
        patch.setenv("LAKEHOUSE_CACHE_DIR", str(base / "cache"))
        patch.setenv("HOME", str(base))
        patch.setenv("XDG_CONFIG_HOME", str(base / "work" / "config"))
        patch.setattr(settings, "_cache_dir", base / "cache")
        yield World(base)


@pytest.mark.slow
@pytest.mark.parametrize("name", MODULES)
def test_examples_run(name: str, world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    if name in OPTIONAL:
        installed_or_skip(OPTIONAL[name])
    module = importlib.import_module(name)
    path = MODULES[name]
    wrong = []
    for title, line, text in _docstrings(path):
        test = _PARSER.get_doctest(text, {}, f"{name}.{title}", str(path), line)
        if test.examples:
            world.put_back()
            monkeypatch.chdir(world.work)
            # What an example connects to ends with it.
            wrong.append(contextvars.copy_context().run(_run, test, module, world))
    assert not "".join(wrong), "".join(wrong)


def _skipped(path: Path) -> Iterator[str]:
    """Why examples of a module don't run."""
    for title, line, text in _docstrings(path):
        for example in _PARSER.get_doctest(text, {}, title, str(path), line).examples:
            if example.options.get(doctest.SKIP):
                found = _REASON.search(example.source)
                yield found[1] if found else f"no reason given: {path}, {example.source}"


def test_only_what_cannot_run_here_is_skipped_and_says_why() -> None:
    assert Counter(why for path in MODULES.values() for why in _skipped(path)) == SKIPPED


@pytest.mark.parametrize(
    ("source", "told"),
    [
        (">>> ULabel.get(name='raw').name\n'curated'\n", "Expected"),
        (">>> ULabel.get(name='none')\n", "ObjectDoesNotExist"),
        (">>> nothing_of_this_name\n", "NameError"),
        (">>> ULabel.get(name='raw')\n", ""),
    ],
)
def test_a_false_example_is_told(source, told, world, monkeypatch) -> None:
    monkeypatch.chdir(world.work)
    test = _PARSER.get_doctest(source, {}, "here", "here", 0)
    module = importlib.import_module("lakehouse.registries.labels")
    found = contextvars.copy_context().run(_run, test, module, world)
    assert told in found
    assert bool(told) == bool(found)
