"""Obsolete terms among the labels of artifacts and records, and their replacement."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.compute as pc

from lakehouse._lazy import require
from lakehouse.bionty._sources.access import source_of
from lakehouse.bionty._sources.content import terms_of
from lakehouse.bionty._sources.links import IS_A, LINK_TABLE
from lakehouse.bionty._sources.merged import merged_ids
from lakehouse.bionty._sources.resolve import content_of
from lakehouse.bionty._terms.create import public_records
from lakehouse.config import notify
from lakehouse.engine.query.view import operations
from lakehouse.errors import InvalidArgument, SourceUnavailable
from lakehouse.orm import current_lake
from lakehouse.orm.session.batch import batch_on
from lakehouse.orm.show.tables import html_table
from lakehouse.relations.tables import link_uid
from lakehouse.terms.obsolete import OBSOLETE_FIELDS, ids_in, successor
from lakehouse.text.printable import printable_line

if TYPE_CHECKING:
    from lakehouse.engine import Changes
    from lakehouse.orm.lake.lake import Lake
    from lakehouse.orm.session.batch import Batch

_SUBJECTS = (
    "artifact_link", "record_link", "run_link", "collection_link", "transform_link",
    "project_link", "ulabel_link",
)  # fmt: skip
_HTML_ROWS = 100


@dataclass(frozen=True)
class ObsoleteLabel:
    """An obsolete term that something is labelled with.

    Attributes:
        record: The term.
        replaced_by: Ids of the terms that replace it; one means that it can be applied.
        consider: Ids of terms that a person should consider instead.
        links: The links to it, by link table.
        children: The links of terms of your own that it is a parent of; they follow it.
    """

    record: Any
    replaced_by: tuple[str, ...]
    consider: tuple[str, ...]
    links: dict[str, list[dict[str, Any]]] = field(repr=False)
    children: list[dict[str, Any]] = field(default_factory=list, repr=False)

    @property
    def every(self) -> list[tuple[str, list[dict[str, Any]]]]:
        """All links that are replaced, by link table."""
        return [*self.links.items(), (LINK_TABLE, self.children)]

    @property
    def n_labelled(self) -> int:
        """How many things are labelled with it."""
        return len({row["subject_uid"] for rows in self.links.values() for row in rows})


@operations
class ObsoleteReport:
    """The obsolete labels of one registry.

    Example:
        >>> report = bt.CellType.obsolete_labels()
        >>> report.to_dataframe()
        >>> report.apply()
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
        return "\n".join(map(printable_line, lines))

    def _repr_html_(self) -> str:
        head = f"<b>{self._registry.meta.name}</b>: {len(self):,} obsolete labels in use"
        rows = [
            (
                label.record.ontology_id,
                label.record.name,
                label.n_labelled,
                ", ".join(label.replaced_by),
                ", ".join(label.consider),
            )
            for label in self.labels[:_HTML_ROWS]
        ]
        heads = ("ontology_id", "name", "labelled", "replaced by", "consider")
        left = len(self) - len(rows)
        more = f"<p>… and {left:,} more, which .to_dataframe() has</p>" if left else ""
        return f"<div>{head}{html_table(heads, rows) if rows else ''}{more}</div>"

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
            InvalidArgument: A chosen replacement is no term of the registry or its source, or it
                is chosen for what is no obsolete label of this report.
        """
        obsolete = [label.record.ontology_id for label in self.labels]
        if others := (choices or {}).keys() - set(obsolete):
            raise InvalidArgument(
                f"{', '.join(map(repr, sorted(others)))} can't be replaced: no obsolete label has "
                "this id.",
                expected=", ".join(obsolete[:10]) or "nothing: there are none",
            )
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
                batch.stage(lambda changes: _relink(changes, batch, self._lake, pairs))
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


def _relink(
    changes: Changes, batch: Batch, lake: Lake, pairs: list[tuple[ObsoleteLabel, Any]]
) -> None:
    """Let links lead to other terms: those of the report that are still there."""
    named: dict[str, list[str]] = {}
    for label, _ in pairs:
        for table, links in label.every:
            named.setdefault(table, []).extend(row["uid"] for row in links)
    there = {table: {r["uid"] for r in lake.state.rows(table, u)} for table, u in named.items()}
    for label, target in pairs:
        for table, links in label.every:
            rows = [row for row in links if row["uid"] in there[table]]
            if not rows:
                continue
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
    table = registry.meta.table
    links = _links(lake, table)
    used = set(links)
    rows = [r for r in lake.state.rows(registry.meta.table, sorted(used)) if r["ontology_id"]]
    said = _Said(registry)
    said.ask([row["ontology_id"] for row in rows])
    rows = [row for row in rows if (said.of(row["ontology_id"]) or row)["is_obsolete"]]
    told = [said.of(row["ontology_id"]) or row for row in rows]
    said.ask([i for now in told for i in ids_in(now["replaced_by"]) + ids_in(now["consider"])])
    children = _own_children(lake, table, [row["uid"] for row in rows])
    labels = []
    for row, now in zip(rows, told, strict=True):
        labels.append(
            ObsoleteLabel(
                registry._from_row(lake, row),
                said.current(ids_in(now["replaced_by"])),
                said.current(ids_in(now["consider"])),
                links[row["uid"]],
                children.get(row["uid"], []),
            )
        )
    return ObsoleteReport(registry, lake, labels)


def _links(lake: Lake, registry: str) -> dict[str, dict[str, list[dict[str, Any]]]]:
    """The labels of one registry: their links by term and link table."""
    found: dict[str, dict[str, list[dict[str, Any]]]] = {}
    for table in _SUBJECTS:
        if table in lake.state.tables:
            links = lake.state.arrow(table)
            for link in links.filter(pc.equal(links["registry"], registry)).to_pylist():
                found.setdefault(link["target_uid"], {}).setdefault(table, []).append(link)
    return found


def _own_children(lake: Lake, table: str, uids: list[str]) -> dict[str, list[dict[str, Any]]]:
    """The links by which terms without a source have terms as their parents, by parent."""
    links = lake.state.arrow(LINK_TABLE)
    parents = pc.is_in(links["target_uid"], value_set=pa.array(uids, pa.string()))
    mask = pc.and_(parents, pc.equal(links["slot"], IS_A))
    found = links.filter(pc.and_(mask, pc.equal(links["registry"], table))).to_pylist()
    rows = lake.state.rows(table, [link["subject_uid"] for link in found])
    own = {row["uid"] for row in rows if row["source_uid"] is None}
    children: dict[str, list[dict[str, Any]]] = {}
    for link in found:
        if link["subject_uid"] in own:
            children.setdefault(link["target_uid"], []).append(link)
    return children


class _Said:
    """What the currently used source says of terms, if it is on this machine.

    Of what it doesn't know, the registry says what it knows.
    """

    def __init__(self, registry: type[Any]) -> None:
        self._registry = registry
        self._found: dict[str, dict[str, Any] | None] = {}
        self._tables = [*_tables(registry), registry._rows().select(OBSOLETE_FIELDS)]

    def ask(self, ids: list[str]) -> None:
        """Look ids up that weren't looked up before."""
        asked = [i for i in ids if i not in self._found]
        for table in reversed(self._tables) if asked else ():
            rows = table.filter(pc.is_in(table["ontology_id"], pa.array(asked, pa.string())))
            self._found.update((row["ontology_id"], row) for row in rows.to_pylist())
        for key in asked:
            self._found.setdefault(key, None)

    def of(self, key: str) -> dict[str, Any] | None:
        """What is said of an id, after it was asked for."""
        return self._found.get(key)

    def current(self, ids: tuple[str, ...]) -> tuple[str, ...]:
        """The terms that ids stand for now: what replaces them may be replaced, too."""

        def row_of(key: str) -> dict[str, Any] | None:
            self.ask([key])
            return self.of(key)

        return tuple(dict.fromkeys(successor(key, row_of) for key in ids))


def _tables(registry: type[Any]) -> list[pa.Table]:
    """The terms of the currently used source, and the ids that were merged into them."""
    try:
        content = content_of(source_of(registry, None, None), network=False)
    except (SourceUnavailable, InvalidArgument):
        return []
    terms = terms_of(registry, content)
    if not set(OBSOLETE_FIELDS) <= set(terms.column_names):
        return []
    return [terms.select(OBSOLETE_FIELDS), merged_ids(terms, content).select(OBSOLETE_FIELDS)]
