"""Candidates for a clause that OBO parsers refuse, best first.

Each rule knows one family of mistakes found in real files. A candidate is only a proposal: the
caller takes the first one that the parser accepts, and drops the clause when none is.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

Candidate = tuple[str, str]
Rule = Callable[[str, str], Iterator[Candidate]]

_OLD_SYNONYMS = {
    "exact_synonym": "EXACT",
    "broad_synonym": "BROAD",
    "narrow_synonym": "NARROW",
    "related_synonym": "RELATED",
}
_OLD_TAGS = {
    "xref_analog": "xref",
    "xref_analogue": "xref",
    "xref_unk": "xref",
    "xref_unknown": "xref",
    "use_term": "consider",
    "alternative_id": "alt_id",
    "altid": "alt_id",
    "definition": "def",
    "obsolete": "is_obsolete",
    "isa": "is_a",
}
_SCOPE = "EXACT|BROAD|NARROW|RELATED"
_TRUE = {"true", "1", "yes", "t", "y"}
_FALSE = {"false", "0", "no", "f", "n"}


def candidates(line: str) -> Iterator[Candidate]:
    """Proposals for a refused clause, each with the reason to report.

    Example:
        >>> next(candidates("is_obsolete: True"))
        ('is_obsolete: true', "'True' is no OBO boolean: read as true")
    """
    tag, colon, value = line.partition(":")
    written, value = tag, _with_short_blanks(value.strip())
    tag = re.sub(r"[\s-]+", "_", tag.strip().lower()) if colon else ""
    if not tag or not value:
        return
    scope = _OLD_SYNONYMS.get(tag)
    if scope:
        for text, _ in _quoted("synonym", value, scope):
            yield text, f"old tag {written!r}: read as a synonym of scope {scope}"
        return
    renamed = _OLD_TAGS.get(tag, tag)
    why = "" if renamed == written else f"tag {written!r} read as {renamed!r}"
    if why:
        yield f"{renamed}: {value}", why
    for text, reason in _RULES.get(renamed, _plain)(renamed, value):
        yield text, f"{why}; {reason}" if why else reason
    bare = re.sub(r"\s*\{[^{}]*\}?\s*(?:!.*)?$", "", value)
    if bare and bare != value:
        yield f"{renamed}: {bare}", "malformed qualifiers in {} left out"


def _plain(tag: str, value: str) -> Iterator[Candidate]:
    escaped = re.sub(r"(?<!\\)([{}!])", r"\\\1", value)
    if escaped != value:
        yield f"{tag}: {escaped}", "special characters escaped"
    if (len(value) - len(value.rstrip("\\"))) % 2:
        yield f"{tag}: {escaped}\\", "a backslash at the end of the line escaped"


def _boolean(tag: str, value: str) -> Iterator[Candidate]:
    word = re.split(r"[\s!{]", value, maxsplit=1)[0].strip("\"'")
    for known, text in ((_TRUE, "true"), (_FALSE, "false")):
        if word.lower() in known:
            yield f"{tag}: {text}", f"{value!r} is no OBO boolean: read as {text}"


def _quoted(tag: str, value: str, default_scope: str = "RELATED") -> Iterator[Candidate]:
    text, rest = _split_quoted(value)
    head, reason = f"{tag}: {_in_quotes(text)}", "quotes escaped or added, brackets added"
    if tag == "synonym":
        found = re.match(rf"\s*({_SCOPE})\b\s*", rest, re.IGNORECASE)
        scope = found.group(1).upper() if found else default_scope
        rest = rest[found.end() :] if found else rest.strip()
        if not found:
            reason = f"synonym without a scope: read as {scope}"
        kind = re.match(r"([^\s\[\]{}]+)\s*(?=\[|\{|$)", rest)
        if kind:
            yield f"{head} {scope} {kind.group(1)} {_brackets(rest)}", reason
        elif re.match(r"[^\s\[{]", rest):
            reason = f"text between scope and references left out: {rest!r}"
        head = f"{head} {scope}"
    references = _brackets(rest)
    yield f"{head} {references}", reason
    if references != "[]":
        yield f"{head} []", f"unreadable references {references} left out"


def _with_short_blanks(text: str) -> str:
    # the rules take a time that grows with the square of a run of blanks
    return re.sub(r"\s{64,}", " ", text)


def _in_quotes(text: str) -> str:
    # the parser takes a backslash before the last quote for an escape, whatever stands before it
    text = re.sub(r'(?<!\\)"', lambda _: '\\"', text.rstrip("\\"))
    return f'"{text}"'


def _split_quoted(value: str) -> tuple[str, str]:
    """The text of a definition or synonym, and what follows it."""
    if value.startswith('"'):
        # the last quote that only scope, type, references and qualifiers follow closes the text
        closed = re.match(r'"(.*)"(?=\s*(?:[\w\-:./#]++\s*+){0,4}(?:\[.*)?(?:\{.*)?$)', value)
        if closed:
            return closed.group(1), value[closed.end() :]
        value = _with_short_blanks(value[1:].replace('"', ""))
    scoped = re.match(rf"(.+?)\s+((?:{_SCOPE})\b[^\[]*(?:\[.*)?)$", value)
    if scoped:
        return scoped.group(1), f" {scoped.group(2)}"
    bracket = re.search(r"\s*\[[^\[\]]*\]\s*$", value)
    return (value[: bracket.start()], value[bracket.start() :]) if bracket else (value, "")


def _brackets(rest: str) -> str:
    _, opened, inside = rest.partition("[")
    inner, closed, after = inside.rpartition("]")
    return f"[{(inner if closed else after).strip()}]" if opened else "[]"


def _xref(tag: str, value: str) -> Iterator[Candidate]:
    body, comment = re.match(r"(.*?)(\s+!.*)?$", value).groups()  # type: ignore[union-attr]
    plain = body.replace("\\:", ":")
    if plain != body:
        yield f"{tag}: {plain}{comment or ''}", "escaped colon in a reference unescaped"
    key, quote, description = plain.partition(' "')
    if quote:
        shown = f"{key} {_in_quotes(description.strip().removesuffix(chr(34)))}"
        yield f"{tag}: {shown}", "quotes in a description escaped"
    if "://" in plain:
        yield f"{tag}: {_url(plain)}", "characters that a URL can't have percent-encoded"
    spaced = re.sub(r"(?<!\\) ", r"\\ ", plain)
    if spaced != plain:
        yield f"{tag}: {spaced}", "spaces in a reference escaped"
    if plain.startswith("!"):
        yield f"{tag}: \\{spaced}", "special characters escaped"
    first = plain.split()[0]
    if first != plain:
        yield f"{tag}: {first}", "text after the reference left out"


def _url(text: str) -> str:
    return re.sub(r"[^\w\-.~:/?#@!$&'()*+,;=%]|%(?![0-9A-Fa-f]{2})", _percent, text)


def _percent(found: re.Match[str]) -> str:
    return "".join(f"%{byte:02X}" for byte in found.group().encode())


def _identifier(tag: str, value: str) -> Iterator[Candidate]:
    plain = value.replace("\\:", ":")
    if plain != value:
        yield f"{tag}: {plain}", "escaped colon in an identifier unescaped"
    apart = re.match(r"([A-Za-z]\w*:)\s+(\d\w*)(?=\s*(?:[!{]|$))", plain)
    if apart:
        yield f"{tag}: {apart.group(1)}{apart.group(2)}", "a blank in an identifier left out"
    words = [word.rstrip(",;.") for word in plain.split()]
    first = words[0]
    if tag in _REFERRING and ":" not in first:
        first = next((word for word in words if re.fullmatch(r"[\w.]+:\w\S*", word)), first)
    if first != plain and (tag != "id" or ":" in first):
        yield f"{tag}: {first}", "text around the identifier left out"


def _relationship(tag: str, value: str) -> Iterator[Candidate]:
    body = re.split(r"\s+[!{]", value.replace("\\:", ":"), maxsplit=1)[0]
    if body != value:
        yield f"{tag}: {body}", "escaped colon in an identifier unescaped, or a remark left out"
    words = body.split()
    target = next((i for i, w in enumerate(words) if re.fullmatch(r"[\w.]+:\w\S*", w) and i), None)
    if target:
        yield (
            f"{tag}: {'_'.join(words[:target])} {words[target]}",
            "relation and target told apart, text after them left out",
        )


def _date(tag: str, value: str) -> Iterator[Candidate]:
    found = re.match(r"(\d{4})[-/.](\d{1,2})[-/.](\d{1,2})(?:[T\s].*)?$", value)
    if found:
        year, month, day = (int(part) for part in found.groups())
        yield f"{tag}: {year:04}-{month:02}-{day:02}", "date brought into ISO 8601 form"


def _declaration(tag: str, value: str) -> Iterator[Candidate]:
    name, _, rest = value.replace('"', "").partition(" ")
    yield f'{tag}: {name} "{rest.strip()}"', "quotes around the description added"


_REFERRING = ("is_a", "replaced_by", "consider", "alt_id")
_IDENTIFIERS = (
    "id",
    "is_a",
    "alt_id",
    "replaced_by",
    "consider",
    "disjoint_from",
    "union_of",
    "intersection_of",
    "equivalent_to",
    "namespace",
    "subset",
    "inverse_of",
    "transitive_over",
    "domain",
    "range",
)
_RULES: dict[str, Rule] = {
    "def": _quoted,
    "synonym": _quoted,
    "xref": _xref,
    "relationship": _relationship,
    "creation_date": _date,
    "subsetdef": _declaration,
    "synonymtypedef": _declaration,
    "is_obsolete": _boolean,
    "is_anonymous": _boolean,
    "builtin": _boolean,
    "is_transitive": _boolean,
    "is_symmetric": _boolean,
    "is_reflexive": _boolean,
    "is_cyclic": _boolean,
    **dict.fromkeys(_IDENTIFIERS, _identifier),
}
