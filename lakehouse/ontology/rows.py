"""The table that a registry of biological entities is filled from."""

from __future__ import annotations

import re

import polars as pl
import pyarrow as pa
import pyarrow.compute as pc

from lakehouse.errors import InvalidArgument, near
from lakehouse.ontology.model.model import Ontology
from lakehouse.ontology.sources.manifest import manifests

_TEXTS = pa.list_(pa.field("item", pa.string()))
ROWS_SCHEMA = pa.schema(
    [
        ("ontology_id", pa.string()),
        ("name", pa.string()),
        ("synonyms", pa.string()),
        ("broad_synonyms", pa.string()),
        ("narrow_synonyms", pa.string()),
        ("related_synonyms", pa.string()),
        ("description", pa.string()),
        ("obsolete", pa.bool_()),
        ("replaced_by", _TEXTS),
        ("consider", _TEXTS),
        ("parents", _TEXTS),
        ("foreign_parents", _TEXTS),
        ("notes", _TEXTS),
    ]
)


def own_prefix(ontology: Ontology) -> str:
    """The id-space that an ontology defines, e.g. `"CL"`.

    It is the one that the ontology's declared id names, else the most frequent one.
    """
    ids = ontology.terms.filter(pc.invert(ontology.terms["stub"]))["id"]
    spaces = pc.value_counts(pc.list_element(pc.split_pattern(_with_space(ids), ":"), 0))
    counts = {row["values"]: row["counts"] for row in spaces.to_pylist()}
    declared = re.split(r"[/.#]", (ontology.metadata.ontology or "").rstrip("/").split("/obo/")[-1])
    for prefix in sorted(counts):
        if prefix.lower() == declared[0].lower():
            return str(prefix)
    return min(map(str, counts), key=lambda prefix: (-counts[prefix], prefix), default="")


def _with_space(ids: pa.ChunkedArray) -> pa.ChunkedArray:
    return ids.filter(pc.match_substring(ids, ":"))


def registry_rows(ontology: Ontology, prefix: str | None = None) -> pa.Table:
    """One row per term of an id-space, names unique, parents restricted to the rows.

    Args:
        ontology: A read ontology.
        prefix: Id-space such as `"CL"` or `"CL:"`; by default the ontology's own, together with
            those that its manifest names beside it; `""` for all.

    Returns:
        `ontology_id, name, synonyms (the exact ones, "|"-joined), broad_synonyms,
        narrow_synonyms, related_synonyms, description, obsolete, replaced_by, consider, parents,
        foreign_parents (named but not among the rows), notes (what was changed to make names
        unique and synonyms joinable)`, sorted by `ontology_id`.

    Raises:
        InvalidArgument: No term has that prefix.

    Example:
        >>> from lakehouse.ontology import read
        >>> registry_rows(read("blood-cells.obo"))["name"][0].as_py()
        'cell'
    """
    space = own_prefix(ontology) if prefix is None else prefix.rstrip(":")
    terms = _frame(ontology.terms).filter(~pl.col("stub"))
    if terms.is_empty():
        raise InvalidArgument(
            f"{ontology.metadata.ontology or 'The ontology'} defines no terms.",
            found="relations only" if not ontology.terms.num_rows else "mere mentions of terms",
            expected="an ontology with terms",
            hint="read(path).terms shows what it holds",
        )
    if space:
        spaces = (space, *(_also(space) if prefix is None else ()))
        belongs = [pl.col("id").str.starts_with(f"{one}:") for one in spaces]
        terms = terms.filter(pl.any_horizontal(belongs))
    if terms.is_empty():
        known = sorted({key.partition(":")[0] for key in ontology.terms["id"].to_pylist()})
        raise InvalidArgument(
            f"{ontology.metadata.ontology or 'The ontology'} has no term with prefix {space!r}.",
            found=f"prefixes {', '.join(known[:20])}",
            expected=f"one of them{_perhaps(space, known)}",
            hint=f"registry_rows(ontology, prefix={own_prefix(ontology)!r})",
        )
    names = _unique_names(terms)
    synonyms, notes = _synonyms(ontology, names)
    edges = _frame(ontology.parents).with_columns(
        inside=pl.col("parent").is_in(terms["id"].implode())
    )
    rows = terms.drop("name").join(
        names.select("id", name="unique"), on="id", maintain_order="left"
    )
    rows = _beside(rows, synonyms)
    for name, inside in (("parents", True), ("foreign_parents", False)):
        listed = edges.filter(pl.col("inside") == inside).group_by("id").agg(pl.col("parent"))
        rows = _beside(rows, listed.rename({"parent": name}))
    rows = _beside(rows, notes).sort("id")
    none = pl.lit([], dtype=pl.List(pl.String))
    lists = [pl.col(n).fill_null(none) for n in ("parents", "foreign_parents", "notes", "consider")]
    rows = rows.rename({"id": "ontology_id", "definition": "description"}).with_columns(lists)
    return rows.select(ROWS_SCHEMA.names).to_arrow().cast(ROWS_SCHEMA).combine_chunks()


def _also(space: str) -> tuple[str, ...]:
    """The id-spaces that belong to an ontology beside its own, e.g. AfPO to HANCESTRO."""
    return next((m.also for m in manifests().values() if m.prefix == space), ())


def _frame(table: pa.Table) -> pl.DataFrame:
    return pl.DataFrame(pl.from_arrow(table))


def _beside(rows: pl.DataFrame, more: pl.DataFrame) -> pl.DataFrame:
    """Rows with the further columns of their ids; taxonomies lack most of those."""
    if more.is_empty():
        kinds = ((name, kind) for name, kind in more.schema.items() if name != "id")
        return rows.with_columns(pl.lit(None, dtype=kind).alias(name) for name, kind in kinds)
    return rows.join(more, on="id", how="left", maintain_order="left")


def _perhaps(space: str, known: list[str]) -> str:
    close = near(space, known)
    return f", perhaps {close[0]!r}" if close else ""


def _unique_names(terms: pl.DataFrame) -> pl.DataFrame:
    """`id, name_as_given → name, note`: of equal names the first current term's stays.

    The others gain their id; where there is no name, the id stands for it.
    """
    ranked = terms.select("id", "obsolete", given="name").sort("obsolete", "id")
    first = pl.col("given").is_first_distinct()
    holder = pl.col("id").first().over("given")
    missing = pl.col("given").is_null()
    name = (
        pl.when(missing)
        .then("id")
        .when(first)
        .then("given")
        .otherwise(pl.format("{} ({})", "given", "id"))
    )
    note = (
        pl.when(missing)
        .then(pl.lit("no name: its id stands for it"))
        .when(~first)
        .then(pl.format("the name '{}' is that of {}: id added", "given", holder))
    )
    return ranked.select("id", unique=name, note=note)


_SCOPES = {"EXACT": 0, "NARROW": 1, "BROAD": 2, "RELATED": 3}
_COLUMNS = {0: "synonyms", 1: "narrow_synonyms", 2: "broad_synonyms", 3: "related_synonyms"}


def _synonyms(ontology: Ontology, names: pl.DataFrame) -> tuple[pl.DataFrame, pl.DataFrame]:
    """The synonyms of each id by scope, joined by `|`, and notes per id."""
    given = (
        _frame(ontology.synonyms)
        .join(names, on="id", how="inner", maintain_order="left")
        .with_columns(
            text=pl.col("synonym").str.replace_all(r"\s+", " ").str.strip_chars(),
            rank=pl.col("scope").replace_strict(_SCOPES, default=3, return_dtype=pl.Int8),
        )
    )
    barred = given.filter(pl.col("text").str.contains("|", literal=True)).select(
        "id",
        note=pl.format("the synonym '{}' holds the separator '|': written with '/'", "text"),
    )
    texts = (
        given.with_columns(pl.col("text").str.replace_all("|", "/", literal=True))
        .filter((pl.col("text") != "") & (pl.col("text") != pl.col("unique")))
        .sort("id", "rank", "text")
        .unique(["id", "text"], keep="first", maintain_order=True)
    )
    found = texts.select("id").unique()
    for rank, column in _COLUMNS.items():
        joined = texts.filter(pl.col("rank") == rank).group_by("id").agg(pl.col("text"))
        joined = joined.select("id", pl.col("text").list.join("|").alias(column))
        found = _beside(found, joined)
    notes = pl.concat([names.select("id", "note").filter(pl.col("note").is_not_null()), barred])
    return found, notes.group_by("id", maintain_order=True).agg(notes=pl.col("note"))
