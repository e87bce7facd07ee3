"""What every record has: fields, and the records that it names or that name it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from datetime import datetime
from typing import Any

import pyarrow.compute as pc
from rich.text import Text

from lakehouse.annotation.describing import layout
from lakehouse.orm.links import belongs, links_from, links_to
from lakehouse.orm.showing import fields_of, now, short, size_text

_HIDDEN = ("archive", "trash")
_ELSEWHERE = {"description", "updated_at", "created_at", "is_locked", "params", "source_code"}
# relations that have a section of their own
_SHOWN_APART = {("Artifact", "schemas"), ("Schema", "features"), ("Schema", "components")}
_ORDER = ("run", "kind", "otype", "hash", "size", "type", "is_type", "schema", "transform")
_LAST = ("branch", "space", "created_at", "created_by", "n_observations", "n_files")


def fields(record: Any) -> Text:
    """The fields that are set, and the records that foreign keys name, in two columns."""
    meta, values = record.meta, record._values
    found = {"uid": record.uid}
    for name in fields_of(meta):
        value = values.get(name)
        if name in _ELSEWHERE or name == meta.name_field or value in (None, False, "", {}, []):
            continue
        found[name] = _text(name, value)
    for name in meta.foreign_keys:
        if values.get(f"{name}_uid") is not None and name != "created_on":
            found[name] = _named(record, name)
    if "created_at" in values:
        found["created_at"] = layout.when(values["created_at"])
    if values.get("is_locked"):
        found["is_locked"] = "True"
    first = [n for n in ("uid", *_ORDER) if n in found]
    middle = [n for n in found if n not in (*first, *_LAST)]
    last = [n for n in _LAST if n in found]
    return layout.pairs([(n, found[n]) for n in (*first, *middle, *last)])


def _text(name: str, value: Any) -> str:
    if name == "size":
        return size_text(value)
    return layout.when(value) if isinstance(value, datetime) else str(value)


def _named(record: Any, name: str) -> str:
    related = record._get_related(name)
    if related is None:
        return ""
    text = layout.title_of(related)
    return f"{text} ({related.uid[16:]})" if related.meta.versioned else text


def labels(record: Any) -> list[Text]:
    """The records that a record is linked to, by accessor."""
    lake, meta = record._lake, record.meta
    own = [r for r in meta.relations.values() if not r.reverse and r.foreign_key is None]
    links = {table: links_from(lake, table, record.uid) for table in {r.link for r in own}}
    rows = []
    for relation in own:
        if (meta.name, relation.name) in _SHOWN_APART:
            continue
        found = [r["target_uid"] for r in links[relation.link] if belongs(relation, r)]
        if names := _names(lake, relation.target, found):
            rows.append((f".{relation.name}", relation.target, names))
    return layout.columns(rows, ("", "dim"))


def named_in(record: Any) -> list[Text]:
    """The records that are linked to this one or name it in a foreign key, by accessor."""
    lake, meta = record._lake, record.meta
    linked: dict[str, list[dict[str, Any]]] = {}
    rows = []
    for relation in meta.relations.values():
        if relation.foreign_key is not None:
            found = list(_referring(lake, relation.link, relation.own_column, record.uid))
        elif relation.reverse:
            if relation.link not in linked:
                linked[relation.link] = links_to(lake, relation.link, record.uid)
            found = [r["subject_uid"] for r in linked[relation.link] if belongs(relation, r)]
        else:
            continue
        if names := _names(lake, relation.target, found):
            rows.append((f".{relation.name}", relation.target, names))
    return layout.columns(rows, ("", "dim"))


def _referring(lake: Any, table: str, column: str, uid: str) -> Iterator[str]:
    if lake.state.count(table):
        rows = lake.state.arrow(table)
        yield from rows.filter(pc.equal(rows[column], uid))["uid"].to_pylist()


def _names(lake: Any, registry: str, uids: list[str]) -> str:
    """What visible records are called, and how many more there are."""
    distinct = sorted(set(uids))  # in the order of their creation
    # as many as are shown, and as many again for those that are in the trash
    records = now(lake, lake.directory.get(registry), distinct[: 4 * layout.SHOWN])
    visible = [r for r in records if r._values.get("branch_uid") not in _HIDDEN]
    if not visible:
        return ""
    names = [short(layout.title_of(r)) for r in visible[: layout.SHOWN]]
    return layout.listed(names, len(distinct) - (len(records) - len(visible)))


def notes(record: Any) -> Iterator[tuple[str, list[str]]]:
    """The newest readme and the number of comments, from the record's blocks."""
    relation = record.meta.relations.get("ablocks")
    if relation is None:
        return
    cls = record._lake.directory.get(relation.target)
    found = _referring(record._lake, cls.meta.table, relation.own_column, record.uid)
    rows = record._lake.state.rows(cls.meta.table, list(found))
    kinds: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for row in rows:
        if row.get("branch_uid") not in _HIDDEN:
            kinds[row.get("kind") or "readme"].append(row)
    if kinds["readme"]:
        newest = max(kinds["readme"], key=lambda r: (r["created_at"], r["uid"]))
        yield "Notes", str(newest["content"] or "").splitlines()
    if kinds["comment"]:
        ordered = sorted(kinds["comment"], key=lambda r: (r["created_at"], r["uid"]))
        yield "Comments", [title_line(str(r["content"] or "")) for r in ordered[-layout.SHOWN :]]


def title_line(text: str) -> str:
    """The first line of a text, marked if there are more."""
    lines = text.splitlines() or [""]
    return lines[0] + (" …" if len(lines) > 1 else "")
