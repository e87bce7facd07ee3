"""What every record has: fields, and the records that it names or that name it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from typing import Any, TypeAlias

import pyarrow.compute as pc
from rich.text import Text
from rich.tree import Tree

from lakehouse.describe import layout
from lakehouse.errors import InvalidArgument
from lakehouse.features.read import Annotated, annotated, label_field
from lakehouse.orm.session.links import belongs, links_from, links_to
from lakehouse.orm.show.tables import fields_of, now, short, size_text
from lakehouse.relations.tables import EXTERNAL
from lakehouse.schema import DType

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


# -- Features of a record: those found in its dataset by slot, and those set beside it


_FEATURES = 50
_Row: TypeAlias = tuple[str, str, str]


def dtype_text(dtype: DType | str | None) -> str:
    """A dtype for people: categories by their registry alone, e.g. `bionty.CellType`."""
    text = "" if dtype is None else str(dtype)
    if text.startswith("list[") and text.endswith("]"):
        return f"list[{dtype_text(text[5:-1])}]"
    return text[4:-1] if text.startswith("cat[") and text.endswith("]") else text


def add_dataset_features(tree: Tree, artifact: Any, found: Iterable[Annotated]) -> None:
    """The features of an artifact's content, and its other columns, by slot."""
    slots, snapshots = artifact.features.slots, artifact.columns
    if not slots and not snapshots:
        return
    values = list(found)
    own = [n for n, columns in snapshots.items() if columns]  # a var may have an index only
    names = [*slots, *(n for n in own if n not in slots and f"{n}.T" not in slots)]
    if not names:
        return
    top = tree.add(Text("Dataset features", style="bold"))
    for slot in sorted(names):
        schema = slots.get(slot)
        members = {} if schema is None else _members(schema)
        rows = [
            (name, dtype_text(dtype), _values(artifact, values, slot, name))
            for name, dtype in sorted(members.items())
        ]
        columns = [] if slot.endswith(".T") else snapshots.get(slot, [])
        others = [(name, kind, "") for name, kind in columns if name not in members]
        of = "" if schema is None else (schema.itype or "Feature").partition("[")[0]
        count = f"{len(members)} {of}" if of else ""
        total = f"{len(columns)} column{'' if len(columns) == 1 else 's'}" if others else ""
        head = ", ".join(t for t in (count, total) if t)
        of_features = schema is None or bool(schema.feature_list())
        texts = _lines(rows, others) if of_features else _names_features(rows)
        branch = top.add(Text.assemble((slot, "bold"), (f" ({head})", "dim")))
        if texts:
            branch.add(Text("\n").join(texts))


def _lines(features: list[_Row], others: list[_Row]) -> list[Text]:
    """A line for each feature, and for the first of the columns that are none."""
    shown = [*features[:_FEATURES], *others[: layout.SHOWN]]
    texts = layout.columns(shown, ("", "dim"))
    if left := len(features) + len(others) - len(shown):
        texts.append(Text(f"… {left} more", style="dim"))
    return texts


def _names_features(members: list[_Row]) -> list[Text]:
    """Names such as those of genes, of which there may be thousands: the first ones."""
    if len(members) <= layout.SHOWN:
        return layout.columns(members, ("", "dim"))
    text = Text(layout.listed([name for name, _, _ in members]))
    kinds = {kind for _, kind, _ in members if kind}
    return [text.append(f"  {kinds.pop()}", style="dim") if len(kinds) == 1 else text]


def _members(schema: Any) -> dict[str, str]:
    """Names and dtypes of what a schema is made of: features, or records such as genes."""
    features = {str(f.name): f.dtype or "" for f, _ in schema.feature_list()}
    if features:
        return features
    members = schema.members
    name_field = members._registry.meta.name_field
    return {str(name): schema.dtype or "" for name in members.to_list(name_field)}


def _values(record: Any, found: list[Annotated], slot: str, name: str) -> str:
    """The values of a feature in a slot, as text."""
    hits = [a for a in found if a.feature.name == name and slot in a.slots]
    return ", ".join(text for a in hits if (text := value_text(record, a)))


def value_text(record: Any, entry: Annotated) -> str:
    """The values of one feature, as text."""
    labels = [
        str(row[label_field(record._lake, entry.feature.dtype, table)])
        for table, row in entry.labels
    ]
    if entry.feature.dtype.kind != "list":
        labels.sort()
    return layout.listed([*labels, *(short(v) for v in entry.values)])


def external_rows(record: Any, found: Iterable[Annotated]) -> list[Text]:
    """The features that somebody set, with dtype and values."""
    rows = [
        (a.feature.name, dtype_text(a.feature.dtype), value_text(record, a))
        for a in found
        if EXTERNAL in a.slots
    ]
    return layout.columns(rows, ("", "dim"))


def add_features(tree: Tree, record: Any) -> None:
    """The features of an artifact, in two sections, or of a run or record, in one."""
    found = annotated(record, lambda row: row["feature_uid"] is not None)
    if record.meta.name == "Artifact":
        add_dataset_features(tree, record, found)
        layout.section(tree, "External features", external_rows(record, found))
    else:
        layout.section(tree, "Features", external_rows(record, found))


# -- Schemas: their demands, their members, and the schemas of their slots


_HEAD = ("name", "dtype", "optional", "nullable", "coerce", "default_value")
_YES, _NO = "✓", "✗"


def add_members(tree: Tree, schema: Any) -> None:
    """The schema's features with what is demanded of each, then its slots.

    Raises:
        InvalidArgument: It isn't saved: only then is it known whether an equal one exists.
    """
    if not schema._saved:
        raise InvalidArgument(
            "Schema must be saved before describing.", found=repr(schema), hint="schema.save()"
        )
    members = [
        _member(feature, optional=optional, own=(schema.constraints or {}).get(str(feature.name)))
        for feature, optional in schema.feature_list()
    ]
    kind = schema.itype or "Feature"
    if members:
        lines = layout.columns([_HEAD, *members], ("", "dim"))
        lines[0].stylize("dim")
        head = "Features" if kind == "Feature" else kind
        layout.section(tree, f"{head} ({len(members)})", lines)
    elif not schema.slots:
        _add_records(tree, schema, kind)
    for slot, part in schema.slots.items():
        branch = tree.add(Text.assemble((f"{slot}: ", "bold"), part.name or part.uid))
        branch.add(fields(part))
        add_members(branch, part)


def _member(feature: Any, *, optional: bool, own: Mapping[str, Any] | None) -> tuple[str, ...]:
    """One feature's line; what the schema itself says of it counts."""
    nullable = feature._values.get("nullable") is not False
    default = feature._values.get("default_value")
    return (
        str(feature.name),
        dtype_text(feature.dtype),
        _mark(optional),
        _mark((own or {}).get("nullable", nullable)),
        _mark(feature._values.get("coerce")),
        _default((own or {}).get("default", default)),
    )


def _add_records(tree: Tree, schema: Any, kind: str) -> None:
    """Members that are no features, e.g. genes; or that any of a registry may be there."""
    names: list[str] = []
    if schema.n_members:
        members = schema.members
        names = [str(n) for n in members.to_list(members._registry.meta.name_field)]
    count = f" ({len(names)})" if names else ""
    shown = names if len(names) <= layout.SHOWN else [layout.listed(names)]
    dtype = [f"dtype: {schema.dtype}"] if schema.dtype else []
    if names or dtype or kind != "Feature":
        layout.section(tree, f"{kind}{count}", [*dtype, *shown] or ["any of the registry"])


def _mark(value: Any) -> str:
    return _YES if value else _NO


def _default(value: Any) -> str:
    return "unset" if value is None else str(value)
