"""What a read ontology consists of: sorted Arrow tables, metadata, and what had to be repaired."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

import pyarrow as pa

from lakehouse.text.printable import printable_line

_TEXT = pa.string()
_TEXTS = pa.list_(pa.field("item", _TEXT))

SCHEMAS: dict[str, pa.Schema] = {
    "terms": pa.schema(
        [
            ("id", _TEXT),
            ("name", _TEXT),
            ("definition", _TEXT),
            ("namespace", _TEXT),
            ("obsolete", pa.bool_()),
            ("replaced_by", _TEXTS),
            ("consider", _TEXTS),
            ("comment", _TEXT),
            ("stub", pa.bool_()),
        ]
    ),
    "synonyms": pa.schema([("id", _TEXT), ("synonym", _TEXT), ("scope", _TEXT), ("type", _TEXT)]),
    "alt_ids": pa.schema([("id", _TEXT), ("alt_id", _TEXT)]),
    "xrefs": pa.schema([("id", _TEXT), ("xref", _TEXT)]),
    "parents": pa.schema([("id", _TEXT), ("parent", _TEXT)]),
    "relations": pa.schema([("id", _TEXT), ("relation", _TEXT), ("target", _TEXT)]),
}


@dataclass(frozen=True, order=True)
class Repair:
    """One thing in the source that couldn't be taken as it was.

    Attributes:
        line_number: Line of the (decompressed) source, from 1; 0 where lines mean nothing
            (OWL, JSON) or where the whole file is meant.
        text: The line or fragment as it stood.
        reason: What was wrong with it and what was done.
    """

    line_number: int
    text: str
    reason: str

    def __str__(self) -> str:
        place = f"line {self.line_number}: " if self.line_number else ""
        return printable_line(f"{place}{self.text!r}: {self.reason}")


@dataclass(frozen=True, order=True)
class LeftOut:
    """A kind of statement that the tables have no place for.

    Attributes:
        kind: What it is, as OBO or RDF/XML call it, e.g. `"subset"`.
        count: How many of them the source has.
        example: The first one.
    """

    kind: str
    count: int
    example: str

    def __str__(self) -> str:
        return printable_line(f"{self.count:,} × {self.kind}, e.g. {self.example}")


@dataclass(frozen=True)
class Metadata:
    """What the source says about itself.

    Attributes:
        ontology: Ontology id as declared, e.g. `"cl/cl-basic"`.
        title: Declared title.
        data_version: Version text as declared, e.g. `"cl/releases/2022-12-15/cl-basic.owl"`.
        date: Declared date of the file, ISO 8601.
        format: `"obo"`, `"owl"` or `"json"`.
        content_hash: SHA-256 of the source's bytes as given (compressed ones are hashed so).
    """

    ontology: str | None
    title: str | None
    data_version: str | None
    date: str | None
    format: str
    content_hash: str

    @property
    def version(self) -> str | None:
        """The release: its date where the version text holds one, else the bare text."""
        for text in (self.data_version, self.date):
            found = re.search(r"\d{4}-\d{2}-\d{2}", text or "")
            if found:
                return found.group()
        # a version may be told in a paragraph of text
        told = " ".join((self.data_version or "").split())
        return re.sub(r"^releases/", "", told)[:100] or None


@dataclass(frozen=True)
class Ontology:
    r"""An ontology as sorted tables; equal sources give equal tables in any process.

    Attributes:
        terms: `id, name, definition, namespace, obsolete, replaced_by, consider, comment, stub`.
            A stub stands for a parent that the file mentions but doesn't define.
        synonyms: `id, synonym, scope, type`; scope is EXACT, BROAD, NARROW or RELATED.
        alt_ids: `id, alt_id`: former ids of a term.
        xrefs: `id, xref`.
        parents: `id, parent`: the direct is_a edges.
        relations: `id, relation, target`, relations by readable name (`part_of`) where known.
        metadata: What the source says about itself.
        repairs: Everything that was changed, dropped, added or ambiguous.
        left_out: What is right, but has no place in the tables, one entry for each kind:
            subsets, logical definitions, references of definitions, ….

    Example:
        >>> from lakehouse.ontology import read
        >>> onto = read(b"format-version: 1.4\n[Term]\nid: X:1\nname: x\n", keep=False)
        >>> onto.terms["name"].to_pylist(), onto.repairs
        (['x'], ())
    """

    terms: pa.Table
    synonyms: pa.Table
    alt_ids: pa.Table
    xrefs: pa.Table
    parents: pa.Table
    relations: pa.Table
    metadata: Metadata
    repairs: tuple[Repair, ...] = field(default=())
    left_out: tuple[LeftOut, ...] = field(default=())

    def __len__(self) -> int:
        return int(self.terms.num_rows)

    def __repr__(self) -> str:
        about = self.metadata
        return (
            f"Ontology({about.ontology!r}, version={about.version!r}, format={about.format!r}, "
            f"terms={len(self)}, repairs={len(self.repairs)})"
        )
