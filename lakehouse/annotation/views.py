"""Friendly SQL views over links, values and snapshots, so that nobody needs to know them."""

from __future__ import annotations

from collections.abc import Mapping

_LABEL_COLUMNS = {"gene": "symbol", "user": "handle", "artifact": "key", "transform": "key"}

ARTIFACT_COLUMN = """
    SELECT a.uid AS artifact_uid, a.key AS artifact_key, s.slot, c.name AS column_name, c.type,
           c.dtype, c.nullable, c.categorical, c.position, s.n_rows
    FROM artifact_snapshot s
    JOIN artifact a ON a.uid = s.artifact_uid
    JOIN snapshot_column c ON c.snapshot_uid = s.snapshot_uid
    WHERE a.branch_uid = 'main'
"""

ARTIFACT_FEATURE_VALUES = """
    SELECT v.subject_uid AS artifact_uid, a.key AS artifact_key, f.name AS feature, f.dtype,
           v.slot, v.value
    FROM feature_value v
    JOIN artifact a ON a.uid = v.subject_uid
    JOIN feature f ON f.uid = v.feature_uid
    WHERE v.registry = 'artifact'
"""


def link_view(subject: str, table: str) -> str:
    """SQL of the view that joins a subject's links to one target registry."""
    label = _LABEL_COLUMNS.get(table, "name")
    key = f's."key" AS {subject}_key, ' if subject == "artifact" else ""
    return f"""
        SELECT l.subject_uid AS {subject}_uid, {key}l.target_uid AS {table}_uid,
               t."{label}" AS {label}, f.name AS feature, l.slot
        FROM {subject}_link l
        JOIN "{subject}" s ON s.uid = l.subject_uid
        JOIN "{table}" t ON t.uid = l.target_uid
        LEFT JOIN feature f ON f.uid = l.feature_uid
        WHERE l.registry = '{table}'
    """


def link_views(targets: Mapping[str, str]) -> dict[str, str]:
    """The views of an artifact's relations.

    Args:
        targets: Target table by accessor, e.g. `{"cell_types": "cell_type"}`.
    """
    views = {f"artifact_{name}": link_view("artifact", table) for name, table in targets.items()}
    views["artifact_column"] = ARTIFACT_COLUMN
    views["artifact_feature_value"] = ARTIFACT_FEATURE_VALUES
    labels = " UNION ALL ".join(
        f"SELECT artifact_uid, artifact_key, '{table}' AS registry, {table}_uid AS target_uid,"
        f" {_LABEL_COLUMNS.get(table, 'name')} AS value, feature, slot FROM artifact_{name}"
        for name, table in targets.items()
        if table not in ("feature", "schema")
    )
    if labels:
        views["artifact_features"] = (
            f"{labels} UNION ALL SELECT artifact_uid, artifact_key, NULL, NULL,"
            " CAST(value AS VARCHAR), feature, slot FROM artifact_feature_value"
        )
    return views


ARTIFACT_TARGETS = {
    "ulabels": "ulabel",
    "records": "record",
    "users": "user",
    "schemas": "schema",
    "cell_types": "cell_type",
    "organisms": "organism",
    "genes": "gene",
    "tissues": "tissue",
    "diseases": "disease",
    "phenotypes": "phenotype",
    "pathways": "pathway",
    "experimental_factors": "experimental_factor",
    "developmental_stages": "developmental_stage",
    "cell_lines": "cell_line",
    "ethnicities": "ethnicity",
}


def artifact_views() -> dict[str, str]:
    """The views of artifacts, for the directory of registries."""
    return link_views(ARTIFACT_TARGETS)
