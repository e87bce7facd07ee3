"""Obsolete terms among the labels of artifacts and records, and their replacement."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.compute as pc

from lakehouse._lazy import require
from lakehouse.annotation.tables import link_uid
from lakehouse.bionty.access import local_terms
from lakehouse.bionty.creating import public_records
from lakehouse.config import notify
from lakehouse.errors import InvalidArgument
from lakehouse.orm import current_lake
from lakehouse.orm.batch import batch_on

if TYPE_CHECKING:
    from lakehouse.engine import Changes
    from lakehouse.orm.batch import Batch
    from lakehouse.orm.lake import Lake

_SUBJECTS = ("artifact_link", "record_link", "run_link", "collection_link", "transform_link")


@dataclass(frozen=True)
class ObsoleteLabel:
    """An obsolete term that something is labelled with.

    Attributes:
        record: The term.
        replaced_by: Ids of the terms that replace it; one means that it can be applied.
        consider: Ids of terms that a person should consider instead.
        links: The links to it, by link table.
    """

    record: Any
    replaced_by: tuple[str, ...]
    consider: tuple[str, ...]
    links: dict[str, list[dict[str, Any]]] = field(repr=False)

    @property
    def n_labelled(self) -> int:
        """How many things are labelled with it."""
        return len({row["subject_uid"] for rows in self.links.values() for row in rows})


class ObsoleteReport:
    """The obsolete labels of one registry.

    Example:
        >>> report = bt.CellType.obsolete_labels()   # doctest: +SKIP
        >>> report.to_dataframe()                    # doctest: +SKIP
        >>> report.apply()                           # doctest: +SKIP
    """

    def __init__(self, registry: type[Any], lake: Lake, labels: list[ObsoleteLabel]) -> None:
        self._registry = registry
        self._lake = lake
        self.labels = labels

    def __len__(self) -> int:
        return len(self.labels)

    def __repr__(self) -> str:
        lines = [f"{self._registry.meta.name}: {len(self)} obsolete labels in use"]
        for label in self.labels:
            ways = ", ".join(label.replaced_by) or (
                f"nothing; consider {', '.join(label.consider)}" if label.consider else "nothing"
            )
            name = f"{label.record.name!r} ({label.record.ontology_id})"
            lines.append(f"  {name} on {label.n_labelled}: replaced by {ways}")
        return "\n".join(lines)

    def to_dataframe(self) -> Any:
        """The obsolete labels as a pandas data frame."""
        pd = require("pandas", "make data frames")
        rows = [
            {
                "ontology_id": label.record.ontology_id,
                "name": label.record.name,
                "replaced_by": "|".join(label.replaced_by) or None,
                "consider": "|".join(label.consider) or None,
                "n_labelled": label.n_labelled,
            }
            for label in self.labels
        ]
        columns = ["ontology_id", "name", "replaced_by", "consider", "n_labelled"]
        return pd.DataFrame(rows, columns=columns)

    def apply(self, choices: dict[str, str] | None = None) -> list[ObsoleteLabel]:
        """Label everything with the replacements instead, in one commit.

        Replacements that the registry doesn't have are taken from the public source if it is
        on this machine. Labels without exactly one replacement stay, unless one is chosen.

        Args:
            choices: Ids of replacements by ids of obsolete terms, for those without exactly one.

        Returns:
            The labels that stay.

        Raises:
            InvalidArgument: A chosen replacement is no term of the registry or its source.
        """
        chosen = {
            label.record.ontology_id: (choices or {}).get(
                label.record.ontology_id,
                label.replaced_by[0] if len(label.replaced_by) == 1 else None,
            )
            for label in self.labels
        }
        targets = self._targets({t for t in chosen.values() if t is not None})
        for given in (choices or {}).values():
            if given not in targets:
                raise InvalidArgument(
                    f"{given!r} can't replace anything: it is no known {self._registry.meta.name}.",
                    hint=f"bt.{self._registry.__name__}.from_source(ontology_id={given!r}).save()",
                )
        done = [x for x in self.labels if chosen[x.record.ontology_id] in targets]
        left = [x for x in self.labels if x not in done]
        if done:
            pairs = [(x, targets[str(chosen[x.record.ontology_id])]) for x in done]
            with batch_on(self._lake, f"replace {len(done)} obsolete labels") as batch:
                for _, target in pairs:
                    batch.add(target)
                batch.stage(lambda changes: _relink(changes, batch, pairs))
        notify(f"replaced {len(done)} obsolete labels; {len(left)} stay")
        return left

    def _targets(self, ids: set[str]) -> dict[str, Any]:
        """The records that replace, by their ids; those from the source aren't saved yet."""
        registry = self._registry
        found = {r.ontology_id: r for r in registry.filter(ontology_id__in=sorted(ids))}
        if missing := sorted(ids - found.keys()):
            _, new, _ = public_records(registry, missing, "ontology_id", None, None)
            found.update((key, records[0]) for key, records in new.items() if records)
        return found


def _relink(changes: Changes, batch: Batch, pairs: list[tuple[ObsoleteLabel, Any]]) -> None:
    for label, target in pairs:
        for table, rows in label.links.items():
            new = [
                {
                    **row,
                    "target_uid": target.uid,
                    "uid": link_uid(
                        row["subject_uid"],
                        row["registry"],
                        target.uid,
                        feature_uid=row["feature_uid"],
                        slot=row["slot"],
                    ),
                    "created_at": batch.now,
                }
                for row in rows
            ]
            changes.insert(table, new, if_absent=True)
            changes.delete(table, [row["uid"] for row in rows])


def obsolete_labels(registry: type[Any]) -> ObsoleteReport:
    """See `OntologyTerm.obsolete_labels`.

    A label is obsolete if the registry says so, or the currently used public source.
    """
    lake = current_lake()
    links = _links(lake, registry.meta.table)
    used = {row["target_uid"] for rows in links.values() for row in rows}
    rows = [r for r in lake.state.rows(registry.meta.table, sorted(used)) if r["ontology_id"]]
    told = _told_by_source(registry, [row["ontology_id"] for row in rows])
    labels = []
    for row in rows:
        now = told.get(row["ontology_id"], row)
        if not now["is_obsolete"]:
            continue
        own = {
            table: [link for link in found if link["target_uid"] == row["uid"]]
            for table, found in links.items()
        }
        labels.append(
            ObsoleteLabel(
                registry._from_row(lake, row),
                _split(now["replaced_by"]),
                _split(now["consider"]),
                {table: found for table, found in own.items() if found},
            )
        )
    return ObsoleteReport(registry, lake, labels)


def _split(text: str | None) -> tuple[str, ...]:
    return tuple(text.split("|")) if text else ()


def _links(lake: Lake, registry: str) -> dict[str, list[dict[str, Any]]]:
    found = {}
    for table in _SUBJECTS:
        if table in lake.state.tables:
            links = lake.state.arrow(table)
            found[table] = links.filter(pc.equal(links["registry"], registry)).to_pylist()
    return found


def _told_by_source(registry: type[Any], ids: list[str]) -> dict[str, dict[str, Any]]:
    """What the currently used source says of terms, if it is on this machine."""
    terms, _ = local_terms(registry, None, None)
    if terms is None or not ids or "is_obsolete" not in terms.column_names:
        return {}
    asked = pa.array(ids, pa.string())
    rows = terms.filter(pc.is_in(terms["ontology_id"], value_set=asked))
    names = ["ontology_id", "is_obsolete", "replaced_by", "consider"]
    return {row["ontology_id"]: row for row in rows.select(names).to_pylist()}
