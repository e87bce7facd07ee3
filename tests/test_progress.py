"""Bars name files as they are: what they are called is neither markup nor obeyed."""

from __future__ import annotations

import io
import re

import pytest

from lakehouse.io.progress import tracked
from tests.hostile import HOSTILE, MARK, check_terminal

_OWN = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]|\r")  # how rich draws a bar anew


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize("kind", [k for k in HOSTILE if k not in ("csi", "lines")])
def test_bars(kind, monkeypatch):
    text = HOSTILE[kind]
    shown = Terminal()
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "300")
    monkeypatch.setattr("sys.stderr", shown)
    with tracked(text, 10, True) as advance:
        assert advance is not None
        advance(10)
    told = shown.getvalue()
    check_terminal(_OWN.sub("", told))
    assert MARK in told
    if kind in ("rich", "unbalanced"):
        assert text in told
