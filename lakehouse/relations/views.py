"""Friendly SQL views over links, values and snapshots, so that nobody needs to know them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

ARTIFACT_COLUMN = """
    SELECT a.uid AS artifact_uid, a.key AS artifact_key, s.slot, c.name AS column_name, c.type,
           c.dtype, c.nullable, c.categorical, c.position, s.n_rows
    FROM artifact_snapshot s
    JOIN artifact a ON a.uid = s.artifact_uid
    JOIN snapshot_column c ON c.snapshot_uid = s.snapshot_uid
    WHERE a.branch_uid = 'main'
"""


@dataclass(frozen=True)
class LinkView:
    """The view of a relation over a link table.

    Attributes:
        subject: Table of the registry that the links belong to.
        subject_label: The column that people know its records by.
        name: The accessor, with which the view is named: `artifact_ulabels`.
        target: Table of the related registry.
        target_label: The column that people know its records by.
        link: The link table.
        slot: Only links of this slot, if given.
        apart: Slots of other relations, whose links don't count.
    """

    subject: str
    subject_label: str
    name: str
    target: str
    target_label: str
    link: str
    slot: str | None = None
    apart: tuple[str, ...] = ()

    @property
    def view(self) -> str:
        """The view's name."""
        return f"{self.subject}_{self.name}"

    @property
    def target_column(self) -> str:
        """The column with the related record's uid."""
        return f"{self.target}_uid" if self.target != self.subject else "target_uid"

    def sql(self) -> str:
        """The view's text."""
        subject, target = self.subject, self.target
        label = "" if self.subject_label == "uid" else (
            f's."{self.subject_label}" AS {subject}_{self.subject_label}, '
        )  # fmt: skip
        where = [f"l.registry = '{target}'"]
        if self.slot is not None:
            where.append(f"l.slot = '{self.slot}'")
        if self.apart:
            slots = ", ".join(f"'{slot}'" for slot in self.apart)
            where.append(f"(l.slot IS NULL OR l.slot NOT IN ({slots}))")
        return f"""
            SELECT l.subject_uid AS {subject}_uid, {label}l.target_uid AS {self.target_column},
                   t."{self.target_label}" AS "{self.target_label}", f.name AS feature, l.slot
            FROM {self.link} l
            JOIN "{subject}" s ON s.uid = l.subject_uid
            JOIN "{target}" t ON t.uid = l.target_uid
            LEFT JOIN feature f ON f.uid = l.feature_uid
            WHERE {" AND ".join(where)}
        """


def link_views(views: Iterable[LinkView]) -> dict[str, str]:
    """The views of relations: `artifact_ulabels`, `run_input_artifacts` … by name."""
    return {view.view: view.sql() for view in views}


def feature_views(views: Iterable[LinkView]) -> dict[str, str]:
    """Labels and values together, by subject: `artifact_features` and the like.

    Args:
        views: The views of relations that labels and categorical values are linked by.
    """
    found: dict[str, list[str]] = {}
    labels: dict[str, str] = {}
    for view in views:
        column = view.subject_label
        labels[view.subject] = column
        found.setdefault(view.subject, []).append(
            f"SELECT {view.subject}_uid, {view.subject}_{column}, '{view.target}' AS registry,"
            f' {view.target_column} AS target_uid, CAST("{view.target_label}" AS VARCHAR) AS value,'
            f" feature, slot FROM {view.view}"
        )
    made = {}
    for subject, parts in found.items():
        column = labels[subject]
        made[f"{subject}_feature_value"] = f"""
            SELECT v.subject_uid AS {subject}_uid, s."{column}" AS {subject}_{column},
                   f.name AS feature, f.dtype, v.slot, v.value
            FROM feature_value v
            JOIN "{subject}" s ON s.uid = v.subject_uid
            JOIN feature f ON f.uid = v.feature_uid
            WHERE v.registry = '{subject}'
        """
        made[f"{subject}_features"] = " UNION ALL ".join(parts) + (
            f" UNION ALL SELECT {subject}_uid, {subject}_{column}, NULL, NULL,"
            f" CAST(value AS VARCHAR), feature, slot FROM {subject}_feature_value"
        )
    return made
