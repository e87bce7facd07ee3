r"""Text that can be stored, and that a terminal or browser shows and doesn't obey.

Names, keys and messages come from data. A terminal takes escape sequences in them as commands
(title, colours, hidden text, in some even key presses), bidirectional marks turn what is read
around, and a browser takes tags in them as its own. What is shown of data goes through one of
these functions, or through `lakehouse.orm.show.tables.Harmless` where rich draws it.

Example:
    >>> printable("label\x1b[31m\u202e")
    'label\\x1b[31m\\u202e'
"""

from __future__ import annotations

import re
from html import escape

# C0 but tab and line feed, DEL, C1; soft hyphen, marks without width, line and paragraph
# separators, bidirectional marks, overrides and isolates, invisible operators, annotations,
# tag characters, halves of surrogate pairs. Joiners stay: emoji and some scripts need them.
_UNSAFE = (
    "\x00-\x08\x0b-\x1f\x7f-\x9f\xad\u061c\u180e\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f"
    "\ufeff\ufff9-\ufffb\ud800-\udfff\U000e0000-\U000e007f"
)
_UNSAFE_TEXT = re.compile(f"[{_UNSAFE}]")
_UNSAFE_CELL = re.compile(f"[{_UNSAFE}\t\n]")
_NAMED = {"\t": "\\t", "\n": "\\n", "\r": "\\r"}


def printable(text: str) -> str:
    """A text with control characters escaped as Python writes them; lines and tabs stay."""
    return text if text.isprintable() else _UNSAFE_TEXT.sub(_escaped, text)


def printable_line(text: str) -> str:
    """A text as one line: line breaks and tabs are escaped, too."""
    return text if text.isprintable() else _UNSAFE_CELL.sub(_escaped, text)


def html_text(text: str) -> str:
    r"""A text as it stands in HTML: no tag, entity or attribute, no control character.

    Example:
        >>> html_text("<b>\x07")
        '&lt;b&gt;\\x07'
    """
    return escape(printable(text))


def json_text(text: str) -> str:
    r"""JSON as it stands, but for control characters in its strings, which JSON can escape.

    Example:
        >>> json_text('{"a": "\u202e"}')
        '{"a": "\\u202e"}'
    """
    return text if text.isprintable() else _UNSAFE_TEXT.sub(_escaped_in_json, text)


def encodable(text: str) -> bool:
    """Whether UTF-8 can encode a text; halves of surrogate pairs can't be stored."""
    if text.isascii():
        return True
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _escaped(match: re.Match[str]) -> str:
    character = match[0]
    if character in _NAMED:
        return _NAMED[character]
    code = ord(character)
    return (
        f"\\x{code:02x}"
        if code < 0x100
        else f"\\u{code:04x}"
        if code < 0x10000
        else f"\\U{code:08x}"
    )


def _escaped_in_json(match: re.Match[str]) -> str:
    # as two halves of a surrogate pair where it is beyond 16 bits
    pair = match[0].encode("utf-16-be", "surrogatepass").hex()
    return "".join(f"\\u{pair[i : i + 4]}" for i in range(0, len(pair), 4))
