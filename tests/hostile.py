"""Texts that attack whoever shows them, in every text column of every table, and what is refused.

The rows are made from the tables' specifications and committed below the registries' checks, as
another engine could write them; a new registry or column is attacked without a change here.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import fields, is_dataclass
from datetime import UTC, datetime
from html.parser import HTMLParser
from types import NoneType, UnionType
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

from lakehouse.engine import Changes
from lakehouse.engine.table.spec import TableSpec
from lakehouse.identity import new_uids
from lakehouse.orm import Lake
from tests.test_printable import obeyed

MARK = "pwned"
"""Stands in every text, so that a test can tell that the text was shown at all."""

HOSTILE = {
    "csi": f"{MARK}\x1b[31mred\x1b[2J\x1b[5i",
    "osc": f"\x1b]0;title\x07\x1b]8;;http://evil\x1b\\{MARK}\x1b]8;;\x1b\\",
    "c1": f"\x9b31m\x9d0;t\x9c\x85{MARK}\x90q\x9c",
    "bidi": f"{MARK}\u202egnp.\u202c\u2066x\u2069\u200f\u061c",
    "bell": f"{MARK}\x07\x08\x7f\x0b\x0c\r-",
    "separators": f"{MARK}\u2028b\u2029c\ufeff\u200b\u00ad\U000e0041",
    "rich": f"[red]{MARK}[/red][link=http://evil]y[/link][@click=x]z[/]",
    "unbalanced": f"[/nothing]{MARK}[bold",
    "script": f"<script>alert(1)</script>{MARK}",
    "attribute": f'"><img src=x onerror=alert(1)>{MARK}',
    "single": f"'><svg/onload='alert(1)' x={MARK}>",
    "comment": f"--></style></pre></code><iframe src=javascript:x>{MARK}",
    "markdown": f"```\n# {MARK}\n[x](javascript:alert(1)) | `y` ![z](http://evil)",
    "dot": f'{MARK}"]; evil [label="x"]; \\N \\G -> b {{ // <',
    "mermaid": f'{MARK}"] --> evil\n  click n0 call alert() %% #quot; n0:::x',
    "lines": f"{MARK}\nb\r\nc\td",
}

# These say how a row's other values are to be read, and rows that say nonsense there are damage,
# which other tests are about.
_STRUCTURE = {
    ("branch", "status"),
    ("branch", "name_key"),
    ("storage", "type"),
    ("feature", "dtype"),
    ("schema", "dtype"),
    ("schema", "itype"),
    ("schema", "otype"),
    ("schema", "slots_uids"),
    ("schema", "constraints"),
    ("schema", "content"),
    ("schema", "history"),
    ("snapshot_column", "dtype"),
}
# The branch that is seen, and bytes that can be looked for.
_GIVEN = {
    "branch_uid": "main",
    "space_uid": "all",
    "created_on_uid": "main",
    "storage_key": ".lakehouse/artifacts/none",
    "storage_uid": None,
    "key_is_virtual": True,
}


class Elements(HTMLParser):
    """What a browser would make of a text."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.text: list[str] = []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: Any) -> None:
        self.found.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.text.append(data)

    def handle_comment(self, data: str) -> None:
        self.found.append(("!--", {"": data}))


_TAGS = {
    *("html", "head", "meta", "title", "style", "body", "h1", "h2", "h3", "h4", "p", "div", "pre"),
    *("table", "thead", "tbody", "tr", "th", "td", "b", "br", "code", "i", "small"),
}
_ATTRIBUTES = {"class", "lang", "charset", "style", "border", "scoped"}


def check_html(text: str, *, ours: bool = True) -> None:
    """Nothing in an HTML text is an element or attribute of data, and nothing of ours hides."""
    parsed = Elements(text)
    for tag, attributes in parsed.found:
        assert tag in _TAGS, f"<{tag}> in {text!r}"
        assert set(attributes) <= _ATTRIBUTES, f"{attributes} in {text!r}"
        assert not any(MARK in str(value) for value in attributes.values()), text
    assert not (ours and obeyed(text)), ascii(text)


def check_terminal(text: str, *, shows: bool = False) -> None:
    """Nothing in a text steers a terminal, and markup of rich is shown as it is."""
    assert not obeyed(text), ascii(text)
    if shows:
        assert MARK in text, text


def plant(lake: Lake) -> dict[str, dict[str, list[str]]]:
    """A row per table and hostile text: every text column holds it, foreign keys lead to its like.

    Returns:
        The uids by table and name of the text.
    """
    specs = {spec.name: spec for spec in lake.directory.specs()}
    registries = lake.directory.by_table
    uids = {
        table: dict(zip(HOSTILE, _uids(registries.get(table), len(HOSTILE)), strict=True))
        for table in specs
    }
    changes = Changes()
    for table, spec in specs.items():
        keys = _foreign_keys(lake, registries.get(table))
        rows = [
            _row(lake, spec, kind, {c: uids[t][kind] for c, t in keys.items()}, uids[table][kind])
            for kind in HOSTILE
        ]
        changes.insert(table, rows)
    lake.commit(changes, message=HOSTILE["csi"] + HOSTILE["rich"])
    return uids


def _uids(registry: Any, count: int) -> list[str]:
    tail = "0000" if registry is not None and registry.meta.versioned else ""
    return [uid + tail for uid in new_uids(count)]


def _foreign_keys(lake: Lake, registry: Any) -> dict[str, str]:
    """Columns that name rows of other tables."""
    if registry is None:
        return {}
    return {
        f"{name}_uid": lake.directory.get(target).meta.table
        for name, target in registry.meta.foreign_keys.items()
        if f"{name}_uid" not in _GIVEN and target != registry.meta.name  # of its own kind: a circle
    }


def exemplar(cls: type[Any], text: str) -> Any:
    """An object of a dataclass whose texts are all hostile, made from its annotations."""
    hints = get_type_hints(cls)
    return cls(**{f.name: _value(hints[f.name], text) for f in fields(cls) if f.init})


def _value(hint: Any, text: str) -> Any:
    """A value of an annotated type with a text in it wherever there can be one."""
    kinds, kind = get_args(hint), get_origin(hint) or hint
    if kind is Literal:
        return kinds[0]
    if kind in (Union, UnionType):
        return text if str in kinds else _value(next(k for k in kinds if k is not NoneType), text)
    if kind in (str, Any):
        return text
    if kind in (int, float, bool):
        return kind(1)
    if kind is Counter:
        return Counter({text: 1})
    if is_dataclass(kind):
        return exemplar(kind, text)
    if kind in (tuple, list, set, frozenset, Sequence):
        made = [_value(k, text) for k in kinds[:2] if k is not ...] or [text]
        return made if kind is Sequence else kind(made)
    if kind in (dict, Mapping):
        return {_value(kinds[0], text): _value(kinds[1], text)}
    raise TypeError(f"no example of {hint!r}")


def _row(lake: Lake, spec: TableSpec, kind: str, keys: dict[str, str], uid: str) -> dict[str, Any]:
    text, row = HOSTILE[kind], {"uid": uid}
    for column in spec.columns[1:]:
        name = column.name
        if (spec.name, name) == ("storage", "root"):
            row[name] = f"/nowhere/{uid}"
        elif name in _GIVEN:
            row[name] = lake.storage.uid if name == "storage_uid" else _GIVEN[name]
        elif name in keys:
            row[name] = keys[name]
        elif name.endswith("_uid") or (spec.name, name) in _STRUCTURE:
            continue
        elif column.json:
            row[name] = {text: text, "more": [text, {text: [text]}]}
        elif column.type == "list":
            row[name] = [text, text]
        elif column.type == "string":
            row[name] = text
        elif column.type == "timestamptz":
            row[name] = datetime.now(UTC)
        elif column.type == "long":
            row[name] = 1
    return row
