"""SQL views over the hierarchies of terms."""

from __future__ import annotations

from lakehouse.bionty._terms.term import OntologyTerm
from lakehouse.bionty.registries import ENTITIES

# deeper than any ontology; only where terms are each other's ancestors does it cut anything off
_DEEPEST = 100


def closure_view(table: str) -> str:
    """SQL of all pairs of a term and one above it, with the length of the shortest way."""
    return f"""
        WITH RECURSIVE {table}_edge AS (
            SELECT subject_uid, target_uid FROM ontology_link
            WHERE registry = '{table}' AND slot = 'is_a' AND subject_uid <> target_uid
        ), {table}_walk(descendant_uid, ancestor_uid, distance) AS (
            SELECT subject_uid, target_uid, 1 FROM {table}_edge
            UNION
            SELECT w.descendant_uid, e.target_uid, w.distance + 1
            FROM {table}_walk w JOIN {table}_edge e ON e.subject_uid = w.ancestor_uid
            WHERE e.target_uid <> w.descendant_uid AND w.distance < {_DEEPEST}
        )
        SELECT descendant_uid, ancestor_uid, min(distance) AS distance
        FROM {table}_walk GROUP BY ALL
    """


def closure_views() -> dict[str, str]:
    """`cell_type_closure`, `tissue_closure` …: `descendant_uid, ancestor_uid, distance`."""
    tables = [e.meta.table for e in ENTITIES.values() if issubclass(e, OntologyTerm)]
    return {f"{table}_closure": closure_view(table) for table in tables}
