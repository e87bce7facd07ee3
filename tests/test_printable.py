"""Nothing from data is obeyed by a terminal."""

from __future__ import annotations

import pytest

from lakehouse.errors import LakehouseError
from lakehouse.text.printable import printable, printable_line

EVIL = "x\x1b]0;pwned\x07\x1b[31mred\x9b31m\x7f\u202egnp\u2066\u200b\u2028\r\x08"


def obeyed(text: str) -> list[str]:
    """The characters that steer a terminal, or hide and turn around what is read."""
    return [
        c
        for c in text
        if (ord(c) < 32 and c not in "\n\t")
        or 127 <= ord(c) < 160
        or 0x202A <= ord(c) <= 0x202E
        or 0x2066 <= ord(c) <= 0x2069
        or c in "\u200b\u2028\u2029\ufeff"
    ]


def test_control_characters_are_written_out():
    assert obeyed(EVIL)
    assert not obeyed(printable(EVIL))
    assert "\\x1b[31mred" in printable(EVIL)
    assert printable("two\nlines\tand a tab") == "two\nlines\tand a tab"
    assert printable_line("two\nlines\tand a tab") == "two\\nlines\\tand a tab"
    assert printable("\ud800") == "\\ud800"


@pytest.mark.parametrize(
    "text",
    [
        "\u00fcn\u00efcode \u7ec6\u80de \U0001f9ec",
        "\U0001f468\u200d\U0001f469",
        "a\u00a0b",
        "[red]x[/]",
    ],
)
def test_what_people_write_stays(text):
    assert printable(text) == printable_line(text) == text


def test_errors():
    error = LakehouseError(EVIL, found=EVIL, expected=EVIL, hint=EVIL)
    assert not obeyed(str(error))
