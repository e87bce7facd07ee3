"""The text form of dtypes, taken apart.

::

    dtype    = simple | "list" | "list[" dtype "]" | "cat" | "cat[" target { "|" target } "]"
    target   = registry [ "." field ] [ "[" narrowing "]" ] [ "." field ]
    registry = [ module "." ] Name
    narrowing = types | filters | types "," filters
    types    = name [ "[" types "]" ]
    filters  = field "=" value { "," field "=" value }

A module starts with a small letter and a registry with a capital, so `bionty.Gene.symbol`
has only one reading.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple


class Malformed(ValueError):
    """A text outside the grammar; the caller turns it into an error that names the text."""


class TargetText(NamedTuple):
    """The parts of one target of a categorical dtype."""

    registry: str
    field: str | None
    type_path: tuple[str, ...]
    filters: tuple[tuple[str, str], ...]


def bracketed(text: str, word: str) -> str | None:
    """What stands inside `word[...]`, or None where the text has another form."""
    if text.startswith(word + "[") and text.endswith("]"):
        return text[len(word) + 1 : -1]
    return None


def split_top(text: str, separator: str) -> list[str]:
    """Split at a separator that stands outside of brackets and quotes."""
    parts, start = [], 0
    for position in _outside(text):
        if text[position] == separator:
            parts.append(text[start:position])
            start = position + 1
    parts.append(text[start:])
    return [part.strip() for part in parts]


def _outside(text: str) -> Iterator[int]:
    """Positions outside of brackets and of quoted filter values.

    A quote opens only after `=`: an apostrophe inside a type's name is a letter.
    """
    depth, quote, before = 0, "", ""
    for position, char in enumerate(text):
        if quote:
            quote = "" if char == quote else quote
        elif char in "'\"" and before == "=":
            quote = char
        elif char == "[":
            depth += 1
        elif char == "]":
            depth -= 1
            if depth < 0:
                raise Malformed("a closing bracket has no opening one")
        elif depth == 0:
            yield position
        if not char.isspace():
            before = char
    if depth or quote:
        raise Malformed("a bracket or a quote is not closed")


def parse_target(text: str) -> TargetText:
    """Take one target of `cat[...]` apart."""
    head, bracket, rest = text.partition("[")
    inner = ""
    tail = ""
    if bracket:
        end = rest.rfind("]")
        if end < 0:
            raise Malformed("a bracket is not closed")
        inner, tail = rest[:end], rest[end + 1 :]
        if not inner.strip():
            raise Malformed(f"nothing stands between the brackets of {head!r}")
    registry, field = _registry(head.strip())
    if tail:
        if field or not tail.startswith(".") or not tail[1:].isidentifier():
            raise Malformed(f"{tail!r} is no field")
        field = tail[1:]
    types, filters = _narrowing(inner)
    return TargetText(registry, field, types, filters)


def _registry(text: str) -> tuple[str, str | None]:
    parts = text.split(".")
    if not all(part.isidentifier() for part in parts):
        raise Malformed(f"{text!r} is no registry, like ULabel or bionty.CellType")
    module = [parts.pop(0)] if len(parts) > 1 and parts[0][0].islower() else []
    if not parts[0][0].isupper() or len(parts) > 2:
        raise Malformed(f"{text!r} is no registry, like ULabel or bionty.CellType")
    return ".".join([*module, parts[0]]), parts[1] if len(parts) == 2 else None


def _narrowing(inner: str) -> tuple[tuple[str, ...], tuple[tuple[str, str], ...]]:
    if not inner:
        return (), ()
    if "=" not in inner:
        return _types(inner.strip()), ()
    parts = split_top(inner, ",")
    types = _types(parts.pop(0)) if "=" not in parts[0] else ()
    return types, tuple(_filter(part) for part in parts)


def _types(text: str) -> tuple[str, ...]:
    path = []
    while True:
        name, bracket, rest = text.partition("[")
        if not name.strip() or "]" in name:
            raise Malformed("a type has no name")
        path.append(name.strip())
        if not bracket:
            return tuple(path)
        if not rest.endswith("]"):
            raise Malformed("a bracket is not closed")
        text = rest[:-1]


def _filter(text: str) -> tuple[str, str]:
    field, sign, value = text.partition("=")
    field, value = field.strip(), value.strip()
    if not sign or not field.isidentifier():
        raise Malformed(f"{text!r} is no filter, like source__uid='…'")
    if value[:1] in ("'", '"'):
        if len(value) < 2 or value[-1] != value[0]:
            raise Malformed(f"the quotes of {text!r} don't match")
        value = value[1:-1]
    return field, value


def filter_text(field: str, value: str) -> str:
    """One filter as text that parses back; a value can't hold both kinds of quotes."""
    quote = '"' if "'" in value else "'"
    return f"{field}={quote}{value}{quote}"
