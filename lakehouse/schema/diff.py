"""What changed between two schema snapshots."""

from __future__ import annotations

from dataclasses import dataclass

from lakehouse.schema.snapshot import Snapshot, SnapshotField
from lakehouse.text.printable import printable_line


@dataclass(frozen=True, slots=True)
class SchemaDiff:
    """Columns added, removed, changed, and whether the common ones stand in another order.

    Example:
        >>> import pyarrow as pa
        >>> old = Snapshot.of(pa.schema({"a": pa.int64()}))
        >>> print(diff(old, Snapshot.of(pa.schema({"a": pa.string(), "b": pa.bool_()}))))
        + b: bool
        ~ a: int64 → string
    """

    added: tuple[SnapshotField, ...] = ()
    removed: tuple[SnapshotField, ...] = ()
    changed: tuple[tuple[SnapshotField, SnapshotField], ...] = ()
    reordered: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.added or self.removed or self.changed or self.reordered)

    def __str__(self) -> str:
        lines = [f"+ {field.name}: {_describe(field)}" for field in self.added]
        lines += [f"- {field.name}: {_describe(field)}" for field in self.removed]
        lines += [f"~ {b.name}: {_describe(a)} → {_describe(b)}" for a, b in self.changed]
        if self.reordered:
            lines.append(f"↕ order: {', '.join(self.reordered)}")
        return "\n".join(map(printable_line, lines)) or "no difference"


def _describe(field: SnapshotField) -> str:
    marks = [
        mark
        for mark, holds in (
            ("ordered", field.ordered),
            ("categorical", field.categorical),
            ("not null", not field.nullable),
        )
        if holds
    ]
    return " ".join([field.type, *marks])


def _content(field: SnapshotField) -> tuple[str, bool, bool, bool]:
    return field.type, field.nullable, field.categorical, field.ordered


def diff(a: Snapshot, b: Snapshot) -> SchemaDiff:
    """What has to change in `a` to make it `b`.

    Columns are matched by name; repeated names by their occurrence. `reordered` lists the
    common columns in `b`'s order where it isn't `a`'s.
    """
    old, new = _by_name(a), _by_name(b)
    common_old = [key for key in old if key in new]
    common_new = [key for key in new if key in old]
    return SchemaDiff(
        added=tuple(field for key, field in new.items() if key not in old),
        removed=tuple(field for key, field in old.items() if key not in new),
        changed=tuple(
            (old[key], new[key]) for key in common_new if _content(old[key]) != _content(new[key])
        ),
        reordered=tuple(name for name, _ in common_new) if common_old != common_new else (),
    )


def _by_name(snapshot: Snapshot) -> dict[tuple[str, int], SnapshotField]:
    found: dict[tuple[str, int], SnapshotField] = {}
    seen: dict[str, int] = {}
    for field in snapshot.fields:
        occurrence = seen[field.name] = seen.get(field.name, -1) + 1
        found[field.name, occurrence] = field
    return found
