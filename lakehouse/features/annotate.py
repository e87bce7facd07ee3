"""What a validated dataset says about its artifact: features, labels, inferred schemas."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import pyarrow.compute as pc

from lakehouse.config import notify, settings
from lakehouse.curation import Report
from lakehouse.engine import Changes
from lakehouse.features import sets as feature_sets
from lakehouse.features.check import Prepared
from lakehouse.features.sets import FeatureSet
from lakehouse.features.write import external, links_of, rows_of, values_of
from lakehouse.orm import Batch, Lake
from lakehouse.orm.view.present import present
from lakehouse.relations.tables import link_row
from lakehouse.schemas.spec import registry_tables, type_of_features

NAMES = "columns"  # where a report keeps the terms that column names themselves are


@dataclass
class Annotation:
    """Labels, values and feature sets that are to be linked to an artifact.

    Attributes:
        labels: `(slot, feature uid, target table, target uid, place)`; the place among the
            others where the column has lists, in the order in which they were seen.
        external: Values that somebody set; they replace those that were set before.
        features: The uids of the features of every validated slot.
        itypes: What the features of a slot are of, where that is one feature type.
        indexes: The uid of the index among the features of a slot, where the schema has one.
        members: By slot whose names are looked up themselves, e.g. gene ids: what they are of
            (the schema's itype), the registry's table, the uids found.
    """

    labels: list[tuple[str, str, str, str, int | None]] = field(default_factory=list)
    external: Prepared | None = None
    features: dict[str, list[str]] = field(default_factory=dict)
    itypes: dict[str, str] = field(default_factory=dict)
    indexes: dict[str, str] = field(default_factory=dict)
    members: dict[str, tuple[str, str, list[str]]] = field(default_factory=dict)

    def __bool__(self) -> bool:
        return bool(self.labels or self.external or self.features or self.members)

    def feature_sets(self) -> Iterator[tuple[str, FeatureSet]]:
        """The features or the other members of every slot that has some."""
        for slot, uids in self.features.items():
            if uids:
                itype, index = self.itypes.get(slot, "Feature"), self.indexes.get(slot)
                yield slot, FeatureSet.of(itype, "feature", uids, index)
        for slot, (itype, table, uids) in self.members.items():
            if uids:
                yield slot, FeatureSet.of(itype, table, uids)


def feature_uids(lake: Lake, names: list[str], schema: Any = None) -> dict[str, str]:
    """The uids of visible features by name; those without a type win over equal names.

    Args:
        lake: The lake.
        names: Their names.
        schema: The schema that the names were validated with: its own features come first,
            then those of the feature type that it is made for.
    """
    rows = present(lake).arrow("feature")
    rows = rows.filter(pc.is_in(rows["name"], value_set=_array(names)))
    own = [] if schema is None else [feature for feature, _ in schema.feature_list()]
    found = {str(f.name): f.uid for f in own if f.name in set(names)}
    type_uid = None if schema is None else type_of_features(schema.itype)
    nearest = sorted(
        rows.to_pylist(), key=lambda r: (r["type_uid"] != type_uid, r["type_uid"] is not None)
    )
    for row in nearest:
        if row["branch_uid"] in lake.visible_branches and not row["is_type"]:
            found.setdefault(row["name"], row["uid"])
    return found


def _array(values: list[str]) -> Any:
    import pyarrow as pa

    return pa.array(values, pa.string())


def from_reports(
    lake: Lake, reports: Mapping[str, Report], schemas: Mapping[str, Any] | None = None
) -> Annotation:
    """The annotation that validated slots give.

    Labels beyond `settings.annotation.n_max_records` per column are left out, and said so.

    Args:
        lake: The lake.
        reports: What validation found, by slot.
        schemas: The schemas of the slots.
    """
    tables = registry_tables(lake)
    out = Annotation()
    limit = settings.annotation.n_max_records
    for slot, report in reports.items():
        schema = (schemas or {}).get(slot)
        uids = feature_uids(lake, list(report.columns), schema)
        out.features[slot] = [uids[c] for c in report.columns if c in uids]
        if schema is not None and type_of_features(schema.itype) is not None:
            out.itypes[slot] = schema.itype
        if schema is not None and schema.index is not None:
            out.indexes[slot] = schema.index.uid
        for column, matches in report.terms.items():
            for match in matches:
                table = tables[match.target.registry]
                if column == NAMES and column not in report.columns:
                    known = [u for u in match.uids.to_pylist() if u is not None]
                    itype = match.target.registry if schema is None else schema.itype
                    out.members[slot] = (itype, table, known)
                    continue
                ordered = report.columns.get(column, "").startswith("list")
                targets = list(dict.fromkeys(u for u in match.uids.to_pylist() if u is not None))
                if not ordered:
                    targets.sort()
                if len(targets) > limit:
                    notify(
                        f"{column}: {len(targets)} distinct labels, of which the first {limit} are "
                        "linked (ln.settings.annotation.n_max_records)",
                        "warning",
                    )
                if column in uids:
                    out.labels += [
                        (slot, uids[column], table, target, place if ordered else None)
                        for place, target in enumerate(targets[:limit])
                    ]
    return out


def stage(changes: Changes, annotation: Annotation, artifact_uid: str, batch: Batch) -> None:
    """Put an annotation's rows into the commit of a batch."""
    lake, now = batch.lake, batch.now
    stamps: dict[str, Any] = {"created_at": now, "created_by_uid": lake.user_uid or None}
    links = [
        link_row(
            artifact_uid, table, batch.uid_of(table, target),
            feature_uid=feature, slot=slot, position=place, **stamps,
        )
        for slot, feature, table, target, place in annotation.labels
    ]  # fmt: skip
    for slot, found in annotation.feature_sets():
        members = [batch.uid_of(found.table, member) for member in found.members]
        found = FeatureSet.of(found.itype, found.table, members, found.index_uid)
        uid = feature_sets.staged(changes, found, batch)
        links.append(link_row(artifact_uid, "schema", uid, slot=slot, **stamps))
    values: list[dict[str, Any]] = []
    if annotation.external is not None:
        more, values = rows_of(batch, "artifact", artifact_uid, annotation.external, stamps)
        links += more
    _replace(changes, annotation, artifact_uid, lake, {r["uid"] for r in (*links, *values)})
    if links:
        changes.insert("artifact_link", links, if_absent=True)
    if values:
        changes.insert("feature_value", values, if_absent=True)


def _replace(
    changes: Changes, annotation: Annotation, artifact_uid: str, lake: Lake, kept: set[str]
) -> None:
    """Delete what was said of the same features in the same slots, and is said no more."""
    said = {(slot, feature) for slot, feature, *_ in annotation.labels}
    said |= {(slot, feature) for slot, found in annotation.features.items() for feature in found}

    def gone(row: dict[str, Any]) -> bool:
        again = annotation.external is not None and external(row)
        return row["uid"] not in kept and (again or (row["slot"], row["feature_uid"]) in said)

    for table, rows in (
        ("artifact_link", links_of(lake, "artifact", artifact_uid)),
        ("feature_value", values_of(lake, "artifact", artifact_uid)),
    ):
        if uids := [r["uid"] for r in rows if gone(r)]:
            changes.delete(table, uids)
    slots = {slot for slot, _ in annotation.feature_sets()}
    links = lake.state.prefix("artifact_link", artifact_uid, 10_000_000) if slots else []
    sets = [r for r in links if r["registry"] == "schema" and r["slot"] in slots]
    if former := [r["uid"] for r in sets if r["uid"] not in kept]:
        changes.delete("artifact_link", former)
