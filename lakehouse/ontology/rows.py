"""The table that a registry of biological entities is filled from."""

from __future__ import annotations

import re
from collections import Counter, defaultdict

import pyarrow as pa
import pyarrow.compute as pc

from lakehouse.errors import InvalidArgument, near
from lakehouse.ontology.model import Ontology

_TEXTS = pa.list_(pa.field("item", pa.string()))
ROWS_SCHEMA = pa.schema(
    [
        ("ontology_id", pa.string()),
        ("name", pa.string()),
        ("synonyms", pa.string()),
        ("description", pa.string()),
        ("obsolete", pa.bool_()),
        ("replaced_by", _TEXTS),
        ("parents", _TEXTS),
        ("foreign_parents", _TEXTS),
        ("notes", _TEXTS),
    ]
)


def own_prefix(ontology: Ontology) -> str:
    """The id-space that an ontology defines, e.g. `"CL"`.

    It is the one that the ontology's declared id names, else the most frequent one.
    """
    ids = ontology.terms.filter(pc.invert(ontology.terms["stub"]))["id"].to_pylist()
    counts = Counter(key.partition(":")[0] for key in ids if ":" in key)
    declared = re.split(r"[/.#]", (ontology.metadata.ontology or "").rstrip("/").split("/obo/")[-1])
    for prefix in sorted(counts):
        if prefix.lower() == declared[0].lower():
            return str(prefix)
    return min(map(str, counts), key=lambda prefix: (-counts[prefix], prefix), default="")


def registry_rows(ontology: Ontology, prefix: str | None = None) -> pa.Table:
    """One row per term of an id-space, names unique, parents restricted to the rows.

    Args:
        ontology: A read ontology.
        prefix: Id-space such as `"CL"` or `"CL:"`; by default the ontology's own; `""` for all.

    Returns:
        `ontology_id, name, synonyms ("|"-joined, exact first), description, obsolete,
        replaced_by, parents, foreign_parents (named but not among the rows), notes (what was
        changed to make names unique and synonyms joinable)`, sorted by `ontology_id`.

    Raises:
        InvalidArgument: No term has that prefix.

    Example:
        >>> registry_rows(read("cl.obo"))["name"][0].as_py()  # doctest: +SKIP
        'cell'
    """
    space = own_prefix(ontology) if prefix is None else prefix.rstrip(":")
    terms = [row for row in ontology.terms.to_pylist() if not row["stub"]]
    if space:
        terms = [row for row in terms if row["id"].startswith(f"{space}:")]
    if not terms:
        known = sorted({key.partition(":")[0] for key in ontology.terms["id"].to_pylist()})
        raise InvalidArgument(
            f"{ontology.metadata.ontology or 'The ontology'} has no term with prefix {space!r}.",
            found=f"prefixes {', '.join(known[:20])}",
            expected=f"one of them{_perhaps(space, known)}",
            hint=f"registry_rows(ontology, prefix={own_prefix(ontology)!r})",
        )
    ids = {row["id"] for row in terms}
    notes: defaultdict[str, list[str]] = defaultdict(list)
    names = _unique_names(terms, notes)
    synonyms = _joined_synonyms(ontology, names, notes)
    inside: defaultdict[str, list[str]] = defaultdict(list)
    outside: defaultdict[str, list[str]] = defaultdict(list)
    edges = zip(
        ontology.parents["id"].to_pylist(), ontology.parents["parent"].to_pylist(), strict=True
    )
    for term, parent in edges:
        (inside if parent in ids else outside)[term].append(parent)
    columns = [
        [row["id"] for row in terms],
        [names[row["id"]] for row in terms],
        [synonyms.get(row["id"]) for row in terms],
        [row["definition"] for row in terms],
        [row["obsolete"] for row in terms],
        [row["replaced_by"] for row in terms],
        [inside[row["id"]] for row in terms],
        [outside[row["id"]] for row in terms],
        [notes[row["id"]] for row in terms],
    ]
    return pa.table(columns, schema=ROWS_SCHEMA)


def _perhaps(space: str, known: list[str]) -> str:
    close = near(space, known)
    return f", perhaps {close[0]!r}" if close else ""


def _unique_names(
    terms: list[dict[str, object]], notes: defaultdict[str, list[str]]
) -> dict[str, str]:
    """A name for each id; of equal names the first current term's stays, others gain their id."""
    names: dict[str, str] = {}
    holder: dict[str, str] = {}
    for row in sorted(terms, key=lambda row: (row["obsolete"], row["id"])):
        key = str(row["id"])
        name = row["name"]
        if name is None:
            notes[key].append("no name: its id stands for it")
        elif name in holder:
            notes[key].append(f"the name {name!r} is that of {holder[str(name)]}: id added")
            name = f"{name} ({key})"
        names[key] = str(name or key)
        holder.setdefault(names[key], key)
    return names


_SCOPES = {"EXACT": 0, "NARROW": 1, "BROAD": 2, "RELATED": 3}


def _joined_synonyms(
    ontology: Ontology, names: dict[str, str], notes: defaultdict[str, list[str]]
) -> dict[str, str]:
    found: defaultdict[str, dict[str, int]] = defaultdict(dict)
    table = ontology.synonyms
    columns = (table[column].to_pylist() for column in ("id", "synonym", "scope"))
    for key, synonym, scope in zip(*columns, strict=True):
        if key not in names:
            continue
        text = " ".join(synonym.split())
        if "|" in text:
            notes[key].append(f"the synonym {text!r} holds the separator '|': written with '/'")
            text = text.replace("|", "/")
        if text and text != names[key]:
            rank = _SCOPES.get(scope, 4)
            found[key][text] = min(rank, found[key].get(text, rank))
    return {
        key: "|".join(sorted(texts, key=lambda text: (texts[text], text)))
        for key, texts in found.items()
    }
