"""What differs between two artifacts: columns, sizes, and for tables the rows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from lakehouse.engine.query.quoting import quoted
from lakehouse.errors import InvalidArgument, UnknownField, near
from lakehouse.identity import UID_LENGTH
from lakehouse.schema import SchemaDiff, Snapshot, SnapshotField
from lakehouse.schema import diff as schema_diff
from lakehouse.text.printable import printable_line

if TYPE_CHECKING:
    from lakehouse.registries.artifact.content import ArtifactContent

_ALL = 10_000_000
_CHEAP_BYTES = 100_000_000
_TABULAR = ("DataFrame", "AnnData")


@dataclass(frozen=True)
class RowDiff:
    """Numbers of rows that are in one of two tables only, compared in their common columns.

    Attributes:
        added: Rows of the newer one only.
        removed: Rows of the older one only.
        changed: Rows with the same key and other values; None where no key was given.
    """

    added: int
    removed: int
    changed: int | None = None


@dataclass(frozen=True)
class ArtifactDiff:
    """What changed from one artifact to another one, mostly two versions.

    Attributes:
        older, newer: The artifacts.
        schema: Changed columns by slot; slots without a change are left out.
        values: Changed properties: name → (old, new), e.g. `size`, `n_observations`, `hash`.
        rows: Numbers of changed rows of tables, unless counting them was too dear.
    """

    older: Any
    newer: Any
    schema: Mapping[str, SchemaDiff]
    values: Mapping[str, tuple[Any, Any]]
    rows: RowDiff | None = None

    def __bool__(self) -> bool:
        return bool(self.schema or self.values)

    def __str__(self) -> str:
        lines = [f"{self.older.uid} → {self.newer.uid}"]
        lines += [f"  {name}: {old} → {new}" for name, (old, new) in self.values.items()]
        if self.rows is not None:
            counts = {"added": self.rows.added, "removed": self.rows.removed}
            if self.rows.changed is not None:
                counts["changed"] = self.rows.changed
            lines.append("  rows: " + ", ".join(f"{n} {word}" for word, n in counts.items()))
        for slot, changes in self.schema.items():
            lines.append(f"  {slot}:")
            lines += [f"    {line}" for line in str(changes).splitlines()]
        return "\n".join(map(printable_line, lines)) if self else f"{lines[0]}: no difference"

    __repr__ = __str__


def compare(
    a: ArtifactContent, b: ArtifactContent, on: Sequence[str], *, rows: bool | None
) -> ArtifactDiff:
    """The difference of two artifacts; see `Artifact.diff`."""
    for one in (a, b):
        if not one._saved:
            raise InvalidArgument(f"{one!r} isn't saved, so it can't be compared.", hint="save()")
    same_family = a.uid[:UID_LENGTH] == b.uid[:UID_LENGTH]
    older, newer = (b, a) if same_family and a.uid > b.uid else (a, b)
    names = ("key", "suffix", "otype", "size", "n_files", "n_observations", "hash", "schema_uid")
    values = {
        name: (older._values.get(name), newer._values.get(name))
        for name in names
        if older._values.get(name) != newer._values.get(name)
    }
    tabular = older.otype == newer.otype and older.otype in _TABULAR
    cheap = (older.size or 0) + (newer.size or 0) <= _CHEAP_BYTES
    wanted = cheap and older._lake.uid == newer._lake.uid if rows is None else rows
    if rows and not tabular:
        raise InvalidArgument("Only rows of two tables can be counted.", found=[a.otype, b.otype])
    counts = None
    if tabular and wanted:
        counts = _rows(older, newer, on) if "hash" in values else RowDiff(0, 0, 0 if on else None)
    return ArtifactDiff(older, newer, _schemas(older, newer), values, counts)


def _schemas(older: ArtifactContent, newer: ArtifactContent) -> dict[str, SchemaDiff]:
    before, after = _snapshots(older), _snapshots(newer)
    nothing = Snapshot("", ())
    changes = {
        slot: schema_diff(before.get(slot, nothing), after.get(slot, nothing))
        for slot in sorted({*before, *after})
        if before.get(slot) != after.get(slot)
    }
    return {slot: changed for slot, changed in changes.items() if changed}


def _snapshots(artifact: ArtifactContent) -> dict[str, Snapshot]:
    state = artifact._lake.state
    found = {}
    for row in state.prefix("artifact_snapshot", artifact.uid, _ALL):
        columns = state.prefix("snapshot_column", row["snapshot_uid"], _ALL)
        fields = tuple(
            SnapshotField(
                c["position"], c["name"], c["type"], c["dtype"], c["nullable"], c["categorical"],
                c["ordered"],
            )
            for c in columns
        )  # fmt: skip
        found[row["slot"]] = Snapshot(row["snapshot_uid"], fields)
    return found


def _rows(older: ArtifactContent, newer: ArtifactContent, on: Sequence[str]) -> RowDiff:
    """Rows of one table only; rows that are there twice count twice."""
    lake = older._lake
    tables = [f"dataset('{artifact.uid}')" for artifact in (older, newer)]
    before, after = (lake.sql(f"SELECT * FROM {table} LIMIT 0").columns for table in tables)
    common = [name for name in after if name in before]
    if missing := [name for name in on if name not in common]:
        raise UnknownField(
            f"The tables have no common column {missing[0]!r}.",
            expected=", ".join(near(missing[0], common) or common),
        )
    if not common:
        return RowDiff(newer.n_observations or 0, older.n_observations or 0)
    if on:
        return _by_key(lake, tables, common, on)
    columns = ", ".join(quoted(name) for name in common)
    counts = [_count(lake, f"SELECT {columns} FROM {x} EXCEPT ALL SELECT {columns} FROM {y}")
              for x, y in (tables[::-1], tables)]  # fmt: skip
    return RowDiff(counts[0], counts[1])


def _by_key(lake: Any, tables: Sequence[str], common: Sequence[str], on: Sequence[str]) -> RowDiff:
    old, new = tables
    keys = " AND ".join(f"o.{quoted(k)} IS NOT DISTINCT FROM n.{quoted(k)}" for k in on)
    rest = [quoted(name) for name in common if name not in on]
    differs = " OR ".join(f"o.{c} IS DISTINCT FROM n.{c}" for c in rest) or "false"
    only_new = f"SELECT 1 FROM {new} n WHERE NOT EXISTS (SELECT 1 FROM {old} o WHERE {keys})"
    only_old = f"SELECT 1 FROM {old} o WHERE NOT EXISTS (SELECT 1 FROM {new} n WHERE {keys})"
    changed = f"SELECT 1 FROM {old} o JOIN {new} n ON {keys} WHERE {differs}"
    return RowDiff(*(_count(lake, sql) for sql in (only_new, only_old, changed)))


def _count(lake: Any, sql: str) -> int:
    import duckdb  # 0.1 s: only for those who count rows

    try:
        return int(lake.sql(f"SELECT count(*) FROM ({sql})").fetchall()[0][0])
    except duckdb.Error as error:
        raise InvalidArgument("The rows can't be compared.", found=str(error)) from error
