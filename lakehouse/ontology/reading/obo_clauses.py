"""Read the value of one OBO clause: as the format says, else as what was probably meant.

Each reader gives a value and what was odd about its text, `""` for nothing, or raises `Unreadable`.
Every pattern takes linear time: what repeats ends at a character that it can't hold, and never
gives back (`*+`).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from datetime import datetime
from typing import Any

import fastobo

from lakehouse.ontology.model.raw import Annotation, Definition, Synonym, Xref

Read = tuple[Any, str]
Reader = Callable[[str], Read]


class Unreadable(Exception):
    """A value of which nothing can be made; the message says what it isn't."""


_TEXT = r'"((?:[^"\\]|\\.)*+)"'
_CLOSED = r'"(?:[^"\\]|\\.)*+"'
_WORD = r"(?:[^ \t\\!{]|\\.)++"
# an address may hold a "!", which begins a remark everywhere else
_ID = rf"([A-Za-z][\w+.-]*+://[^ \t\\{{]++|{_WORD})"
_QUALIFIER = r'[ \t]*+[^\s={}"\\,]++="(?:[^"\\]|\\.)*+"[ \t]*+'
_TAIL = rf"[ \t]*+(?:\{{{_QUALIFIER}(?:,{_QUALIFIER})*+\}}[ \t]*+)?(?:!.*+)?"
_SCOPE = "EXACT|BROAD|NARROW|RELATED"

_USUAL = re.compile(r"[A-Za-z_][\w.+-]*+(?::[\w.+/-]*+)?", re.ASCII)
_END = re.compile(_TAIL)
_ANYTHING = re.compile(r".*+")
_QUOTED = re.compile(_TEXT + r"[ \t]*+")
_UNQUOTED = re.compile(rf"((?:[^\\{{!]|\\.)++){_TAIL}")
_OPEN_ENDED = re.compile(r"((?:[^\\{!]|\\.)++)(?:[{!].*+)?")
_ONE_ID = re.compile(_ID + _TAIL)
_TWO_IDS = re.compile(rf"{_ID}[ \t]++{_ID}{_TAIL}")
_REFERENCE = re.compile(rf"{_ID}(?:[ \t]++{_TEXT}[ \t]*+)?{_TAIL}")
_LISTED = re.compile(rf"[ \t]*+((?:[^ \t,\]\\{{]|\\.)++)(?:[ \t]++{_TEXT})?[ \t]*+")
_SCOPED = re.compile(rf"({_SCOPE})[ \t]++(?:((?!\[){_WORD})[ \t]++)?(?=\[)")
_BOOLEAN = re.compile(rf"(true|false){_TAIL}")
_DATE = re.compile(
    r"(\d{4})(?:-(\d{1,2})-(\d{1,2})|(\d\d)(\d\d))"
    rf"(?:T(\d\d):?(\d\d):?(\d\d)(?:\.(\d++))?(Z|[+-]\d\d:?\d\d)?)?{_TAIL}"
)
_PROPERTY = re.compile(
    rf"{_ID}[ \t]++(?:{_TEXT}[ \t]*+({_WORD})|(?!{_CLOSED})([^ \t]++)[ \t]++({_WORD})|{_ID})"
)
_TRUE = {"true", "1", "yes", "t", "y"}
_FALSE = {"false", "0", "no", "f", "n"}
_ESCAPES = {"n": "\n", "t": "\t", "r": "\r", "f": "\f"}


def unescape(text: str) -> str:
    """A text without its backslashes, but for one at its very end."""
    if "\\" not in text:
        return text
    return re.sub(r"\\(.)", lambda found: _ESCAPES.get(found[1], found[1]), text)


def short(text: str) -> str:
    """A value without blanks around it, nor long runs of them, on which readings are tried."""
    return re.sub(r"\s{64,}", " ", text.strip())


def without_qualifiers(value: str) -> str:
    """A value up to the {} and the remark behind it, even where they are malformed."""
    return re.sub(r"\s*\{[^{}]*\}?\s*(?:!.*)?$", "", value)


def _ident(token: str) -> str:
    """An id as pronto writes it.

    Raises:
        Unreadable: The parser takes it for an address that it can't be.
    """
    if _USUAL.fullmatch(token):
        return token
    try:
        return str(fastobo.id.parse(token))
    except (ValueError, SyntaxError) as error:
        raise Unreadable("no identifier") from error


def _matched(pattern: re.Pattern[str], value: str) -> tuple[str, ...] | None:
    """The ids that a pattern finds in the whole value; None for ids with an escaped colon, too."""
    found = pattern.fullmatch(value)
    if found is None or any("\\:" in token for token in found.groups("")):
        return None
    try:
        return tuple(map(_ident, found.groups()))
    except Unreadable:
        return None


# -- text, marks and dates --------------------------------------------------------------------


def text(value: str) -> Read:
    """Text without quotes: a name, a comment."""
    if found := _UNQUOTED.fullmatch(value):
        return unescape(found[1]), ""
    return unescape(short(value)), _special(value)


def header_text(value: str) -> Read:
    """Text of the header, where anything may follow a { or !."""
    if found := _OPEN_ENDED.fullmatch(value):
        return unescape(found[1]), ""
    return unescape(short(value)), _special(value)


def _special(value: str) -> str:
    if re.search(r"(?<!\\)[{}!]", value):
        return "special characters escaped"
    return "a backslash at the end of the line escaped"


def boolean(value: str) -> Read:
    """`true` or `false`."""
    if found := _BOOLEAN.fullmatch(value):
        return found[1] == "true", ""
    word = re.split(r"[\s!{]", value, maxsplit=1)[0].strip("\"'").lower()
    if word not in _TRUE | _FALSE:
        raise Unreadable("no Boolean")
    said = word in _TRUE
    return said, f"{value!r} is no OBO boolean: read as {str(said).lower()}"


def creation_date(value: str) -> Read:
    """When something was made, in ISO 8601."""
    found, odd = _DATE.fullmatch(value), ""
    if found is None:
        odd = "date brought into ISO 8601 form"
        found = re.match(r"(\d{4})[-/.](\d{1,2})[-/.](\d{1,2})()()()(?:[T\s].*)?$", value)
    if found is None:
        raise Unreadable("no date like 2020-03-04 (ISO 8601)")
    year, month, day, month2, day2, *time = (*found.groups(), *(None,) * 10)[:10]
    try:
        made = datetime(int(year or 0), int(month or month2 or 0), int(day or day2 or 0))
        if time[0]:
            made = datetime.fromisoformat(
                f"{made.date()}T{time[0]}:{time[1]}:{time[2]}{time[4] or ''}"
            )
            # as the parser does, which takes milliseconds for microseconds
            made = made.replace(microsecond=int(float(f"0.{time[3] or 0}") * 1000))
    except ValueError as error:
        raise Unreadable(f"no date ({error})") from error
    return made, odd


def header_date(value: str) -> Read:
    """The date of the file, `dd:mm:yyyy hh:mm`."""
    found = re.match(r"(\d\d):(\d\d):(\d{4})[ \t]+(\d\d):(\d\d)", value)
    if found is None:
        raise Unreadable("no date like 24:12:2020 10:30")
    day, month, year, hour, minute = map(int, found.groups())
    try:
        return datetime(year, month, day, hour, minute), ""
    except ValueError as error:
        raise Unreadable(f"no date ({error})") from error


# -- quoted text with references ----------------------------------------------------------------


def definition(value: str) -> Read:
    """A quoted text and a list of references."""
    if (found := _QUOTED.match(value)) and (refs := _references(value, found.end())) is not None:
        return Definition(unescape(found[1]), refs), ""
    said, rest = _split_quoted(short(value))
    refs, odd = _any_references(rest)
    return Definition(said, refs), odd or "quotes escaped or added, brackets added"


def synonym(value: str) -> Read:
    """A quoted text, a scope, perhaps a type, and a list of references."""
    found = _QUOTED.match(value)
    scoped = found and _SCOPED.match(value, found.end())
    if found and scoped and (refs := _references(value, scoped.end())) is not None:
        return Synonym(unescape(found[1]), scoped[1], _kind(scoped[2]), refs), ""
    return _any_synonym(value)


def old_synonym(value: str, scope: str) -> Read:
    """The value of an old tag, which said the scope."""
    return _any_synonym(value, scope)[0], ""


def _any_synonym(value: str, scope: str = "") -> Read:
    said, rest = _split_quoted(short(value))
    named = re.match(rf"\s*({_SCOPE})\b\s*", rest, re.IGNORECASE)
    what = named.group(1).upper() if named else scope or "RELATED"
    odd = "quotes escaped or added, brackets added"
    if not named:
        odd = f"synonym without a scope: read as {what}"
    rest = rest[named.end() :] if named else rest.strip()
    refs, unread = _any_references(rest)
    typed = re.match(r"([^\s\[\]{}!]+)\s*(?=\[|\{|$)", rest)
    if typed is None and re.match(r"[^\s\[{]", rest):
        odd = f"text between scope and references left out: {rest!r}"
    return Synonym(said, what, _kind(typed and typed[1]), refs), unread or odd


def _kind(token: str | None) -> str | None:
    try:
        return token and _ident(token)
    except Unreadable:
        return None


def _references(value: str, at: int) -> set[Xref] | None:
    """The references in [] from a position on; None if these aren't all that is left, and whole."""
    if value[at : at + 1] != "[":
        return None
    refs: set[Xref] = set()
    if empty := re.compile(r"\[[ \t]*+\]").match(value, at):
        return refs if _END.fullmatch(value, empty.end()) else None
    while value[at : at + 1] in ("[", ",") and (found := _LISTED.match(value, at + 1)):
        refs.add(Xref(_listed(found[1]), found[2] and unescape(found[2])))
        at = found.end()
    return refs if value[at : at + 1] == "]" and _END.fullmatch(value, at + 1) else None


def _listed(token: str) -> str:
    try:
        return _ident(token)
    except Unreadable:
        return token  # of such an address the parser reads a part, without a word


def _any_references(rest: str) -> tuple[set[Xref], str]:
    """The references in what follows a text, however it looks, and what couldn't be read."""
    _, opened, inside = rest.partition("[")
    inner, closed, after = inside.rpartition("]")
    said = f"[{(inner if closed else after).strip()}]" if opened else "[]"
    refs = _references(said, 0)
    return (set(), f"unreadable references {said} left out") if refs is None else (refs, "")


def _split_quoted(value: str) -> tuple[str, str]:
    """The text of a definition or synonym, and what follows it."""
    said, rest = value, ""
    # the last quote that only scope, type, references and qualifiers follow closes the text
    closed = re.match(r'"(.*)"(?=\s*(?:[\w\-:./#]++\s*+){0,4}(?:\[.*)?(?:\{.*)?$)', value)
    if closed:
        said, rest = closed.group(1), value[closed.end() :]
    else:
        if value.startswith('"'):
            said = short(value[1:].replace('"', ""))
        scoped = re.match(rf"(.+?)\s+((?:{_SCOPE})\b[^\[]*(?:\[.*)?)$", said)
        bracket = re.search(r"\s*\[[^\[\]]*\]\s*$", said)
        if scoped:
            said, rest = scoped.group(1), f" {scoped.group(2)}"
        elif bracket:
            said, rest = said[: bracket.start()], said[bracket.start() :]
    return unescape(said.rstrip("\\")), rest


# -- ids ----------------------------------------------------------------------------------------


def ident(value: str) -> Read:
    """One id."""
    return _one_id(value, referring=False)


def reference(value: str) -> Read:
    """One id of another term."""
    return _one_id(value, referring=True)


def own_id(value: str) -> Read:
    """The id of a stanza; of several words only one with a colon is taken."""
    found, odd = _one_id(value, referring=False)
    if odd.startswith("text") and ":" not in found:
        raise Unreadable("no identifier")
    return found, odd


def _one_id(value: str, *, referring: bool) -> Read:
    if ids := _matched(_ONE_ID, value):
        return ids[0], ""
    value = value.strip()
    plain = value.replace("\\:", ":")
    if plain != value and (ids := _matched(_ONE_ID, plain)):
        return ids[0], "escaped colon in an identifier unescaped"
    apart = re.match(r"([A-Za-z]\w*:)\s+(\d\w*)(?=\s*(?:[!{]|$))", plain)
    if apart:
        return apart.group(1) + apart.group(2), "a blank in an identifier left out"
    words = [word.rstrip(",;.") for word in plain.split()] or [""]
    first = words[0]
    if referring and ":" not in first:
        first = next((word for word in words if re.fullmatch(r"[\w.]+:\w\S*", word)), first)
    if first != plain and (ids := _matched(_ONE_ID, first)):
        return ids[0], "text around the identifier left out"
    raise Unreadable("no identifier")


def relationship(value: str) -> Read:
    """A relation and a term."""
    if ids := _matched(_TWO_IDS, value):
        return ids, ""
    body = re.split(r"\s+[!{]", value.strip().replace("\\:", ":"), maxsplit=1)[0]
    if body != value.strip() and (ids := _matched(_TWO_IDS, body)):
        return ids, "escaped colon in an identifier unescaped, or a remark left out"
    words = body.split()
    target = next((i for i, w in enumerate(words) if re.fullmatch(r"[\w.]+:\w\S*", w) and i), None)
    if target and (ids := _matched(_TWO_IDS, f"{'_'.join(words[:target])} {words[target]}")):
        return ids, "relation and target told apart, text after them left out"
    raise Unreadable("no relation and term")


def intersection(value: str) -> Read:
    """A term, or a relation and a term."""
    if ids := _matched(_TWO_IDS, value):
        return ids, ""
    return _one_id(value, referring=False)


def xref(value: str) -> Read:
    """A reference, perhaps with a quoted description."""
    for said, odd in _readings_of_xref(value):
        if found := _REFERENCE.fullmatch(said):
            try:
                return Xref(_ident(found[1]), found[2] and unescape(found[2])), odd
            except Unreadable:
                continue
    raise Unreadable("no reference")


def _readings_of_xref(value: str) -> Iterator[tuple[str, str]]:
    yield value, ""
    value = short(value)
    body, comment = re.match(r"(.*?)(\s+!.*)?$", value).groups()  # type: ignore[union-attr]
    plain = body.replace("\\:", ":")
    if plain != body:
        yield f"{plain}{comment or ''}", "escaped colon in a reference unescaped"
    key, quote, described = plain.partition(' "')
    if quote:
        said = re.sub(
            r'(?<!\\)"', lambda _: '\\"', described.strip().removesuffix('"').rstrip("\\")
        )
        yield f'{key} "{said}"', "quotes in a description escaped"
    if "://" in plain:
        yield _url(plain), "characters that a URL can't have percent-encoded"
    spaced = re.sub(r"(?<!\\) ", r"\\ ", plain)
    if spaced != plain:
        yield spaced, "spaces in a reference escaped"
    if plain.startswith("!"):
        yield f"\\{spaced}", "special characters escaped"
    first = (plain.split() or [""])[0]
    if first != plain:
        yield first, "text after the reference left out"


def _url(address: str) -> str:
    def percent(found: re.Match[str]) -> str:
        return "".join(f"%{byte:02X}" for byte in found.group().encode())

    return re.sub(r"[^\w\-.~:/?#@!$&'()*+,;=%]|%(?![0-9A-Fa-f]{2})", percent, address)


def annotation(value: str) -> Read:
    """A property, and a literal with its type or an id."""
    return _annotation(value, _END)


def header_annotation(value: str) -> Read:
    """The same in the header, where anything may follow."""
    return _annotation(value, _ANYTHING)


def _annotation(value: str, end: re.Pattern[str]) -> Read:
    escaped = re.sub(r"(?<!\\)([{}!])", r"\\\1", value)
    readings = [(value, ""), (escaped, _special(value))]
    if (len(value) - len(value.rstrip("\\"))) % 2:
        readings.append((f"{escaped}\\", _special(value)))
    for said, odd in readings:
        if (found := _PROPERTY.match(said)) and end.fullmatch(said, found.end()):
            name, quoted, kind, bare, other, resource = found.groups()
            try:
                if resource is not None:
                    return Annotation(_ident(name), resource=_ident(resource)), odd
                literal = unescape(bare if quoted is None else quoted)
                return Annotation(_ident(name), literal, datatype=_ident(kind or other)), odd
            except Unreadable:
                continue
    raise Unreadable("no property and value")


# -- declarations of the header -----------------------------------------------------------------


def declaration(value: str) -> Read:
    """An id and a quoted description, after which anything may follow."""
    if found := re.match(rf"{_ID}[ \t]*+{_TEXT}", value):
        return Xref(_ident(found[1]), unescape(found[2])), ""
    name, _, rest = short(value).replace('"', "").partition(" ")
    found = re.fullmatch(_ID, name)
    if found is None:
        raise Unreadable("no declaration")
    return Xref(_ident(name), rest.strip()), "quotes around the description added"


def declared_id(value: str) -> Read:
    """The id of a declaration."""
    found, odd = declaration(value)
    return found.id, odd


def first_id(value: str) -> Read:
    """An id, after which anything may follow."""
    if found := re.match(_ID, value):
        return _ident(found[1]), ""
    raise Unreadable("no identifier")


def idspace(value: str) -> Read:
    """A prefix and the address that it stands for."""
    if found := re.match(r"([^\s:]++)[ \t]++[A-Za-z][\w+.-]*+:\S", value):
        return found[1], ""
    raise Unreadable("no prefix and address")
