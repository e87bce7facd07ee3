"""Deprecated names warn, still work, and go when they were said to."""

from __future__ import annotations

import ast
import warnings

import pytest

import lakehouse as ln
from lakehouse.deprecation import deprecated
from tests.example_lake import REPO


@deprecated(since="0.2", removed_in="0.4", use="new()")
def old(a: int, *, b: int = 2) -> int:
    """Adds."""
    return a + b


class Thing:
    @property
    @deprecated(since="0.2", removed_in="0.4", use="Thing.size")
    def length(self) -> int:
        return 3

    @classmethod
    @deprecated(since="0.2", removed_in="0.4", use="Thing()")
    def make(cls) -> Thing:
        return cls()


class Gone:
    @deprecated(since="0.2", removed_in="0.4", use="Thing")
    def __init__(self, n: int) -> None:
        self.n = n


def test_it_works_and_tells_what_to_use() -> None:
    with pytest.warns(DeprecationWarning, match="old") as told:
        assert old(1, b=5) == 6
    assert str(told[0].message) == (
        "old is deprecated since lakehouse 0.2 and will be removed in 0.4: use new() instead."
    )
    assert told[0].filename == __file__
    assert (old.__name__, old.__doc__) == ("old", "Adds.")


@pytest.mark.parametrize(
    ("use", "name"),
    [
        (lambda: Thing().length, "Thing.length"),
        (Thing.make, "Thing.make"),
        (lambda: Gone(3).n, "Gone"),
    ],
)
def test_properties_class_methods_and_classes(use, name) -> None:
    with pytest.warns(DeprecationWarning, match=f"^{name} is deprecated"):
        assert use()


def test_a_line_is_warned_once() -> None:
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("default")
        for _ in range(3):
            old(1)
        assert len(told) == 1
        old(1)
        assert len(told) == 2


def _marks(text: str):
    """What is given to `@deprecated` in a module."""
    for node in ast.walk(ast.parse(text)):
        for mark in getattr(node, "decorator_list", ()):
            if isinstance(mark, ast.Call) and ast.unparse(mark.func).endswith("deprecated"):
                yield {word.arg: ast.literal_eval(word.value) for word in mark.keywords}


def _number(version: str) -> tuple[int, ...]:
    return tuple(map(int, version.split(".")[:2]))


def _outlived(text: str, now: str) -> list[dict[str, str]]:
    return [mark for mark in _marks(text) if _number(mark["removed_in"]) <= _number(now)]


def test_what_was_to_be_removed_is_removed() -> None:
    for path in (REPO / "lakehouse").rglob("*.py"):
        assert not _outlived(path.read_text(encoding="utf-8"), ln.__version__), path
    text = '@deprecated(since="0.2", removed_in="0.4", use="x")\ndef f(): ...\n'
    assert not _outlived(text, "0.3.9")
    assert _outlived(text, "0.4.0")
    assert _outlived(text, "0.10")
