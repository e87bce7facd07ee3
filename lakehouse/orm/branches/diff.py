"""What differs between two states of a lake, row by row.

Data files are immutable, so a file that both states name holds the same rows: only the rows of
the other files are read and compared.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from typing import TYPE_CHECKING, Any

import orjson
import pyarrow as pa
import pyarrow.compute as pc

from lakehouse.engine.table.version import TableVersion
from lakehouse.errors import UnknownField, near
from lakehouse.orm.model.rows import as_dicts
from lakehouse.orm.show import tables as rendering
from lakehouse.places import places_of
from lakehouse.text.printable import html_text, printable

if TYPE_CHECKING:
    import polars as pl

    from lakehouse.engine import State
    from lakehouse.orm.lake.lake import Lake

_UNSEEN = frozenset(("updated_at",))
"""Columns that change with every other one."""
_INTERNAL = frozenset(("branch_edit",))  # shown as what merging would change


def no_rows() -> pa.Table:
    """A table without rows; made when it is needed, since making one imports pandas."""
    return pa.schema([("uid", pa.string())]).empty_table()


@dataclass(frozen=True)
class ChangedRow:
    """One row that both states have, with other values.

    Attributes:
        uid: The row.
        name: What people know it by.
        fields: The changed columns: name → (old value, new value).
    """

    uid: str
    name: str | None
    fields: Mapping[str, tuple[Any, Any]]


@dataclass(frozen=True)
class RegistryDiff:
    """The difference of one registry, or of another table.

    Attributes:
        registry: The registry's name; of other tables the table's.
        name_field: The column that people know rows by.
        changed: The rows with other values.
    """

    registry: str
    name_field: str
    changed: list[ChangedRow] = field(default_factory=list)
    _added: pa.Table = field(default_factory=no_rows)
    _removed: pa.Table = field(default_factory=no_rows)
    _json: frozenset[str] = frozenset()

    @cached_property
    def added(self) -> list[dict[str, Any]]:
        """The new rows as dictionaries."""
        return as_dicts(self._added, self._json)

    @cached_property
    def removed(self) -> list[dict[str, Any]]:
        """The rows that are gone, as dictionaries."""
        return as_dicts(self._removed, self._json)

    @property
    def counts(self) -> tuple[int, int, int]:
        """Numbers of added, removed and changed rows."""
        return self._added.num_rows, self._removed.num_rows, len(self.changed)

    def __len__(self) -> int:
        return sum(self.counts)

    def lines(self) -> Iterator[tuple[str, str, str | None, str | None, str | None, str | None]]:
        """Kind of change, uid, name, and for changes the field with its old and new value."""
        for kind, table in (("added", self._added), ("removed", self._removed)):
            names = [None] * table.num_rows
            if self.name_field in table.column_names:
                names = table[self.name_field].to_pylist()
            for uid, name in zip(table["uid"].to_pylist(), names, strict=True):
                yield kind, uid, name, None, None, None
        for row in self.changed:
            for column, (old, new) in row.fields.items():
                yield "changed", row.uid, row.name, column, text_of(old), text_of(new)

    def __repr__(self) -> str:
        return rendering.table_text(f"{self.registry}: {_counted(self.counts)}", self.lines())


@dataclass(frozen=True)
class Diff(Mapping[str, RegistryDiff]):
    """What was added, removed and changed between two states, by registry.

    Attributes:
        a: What the first state was named by.
        b: What the second one was named by.
        conflicts: For a branch: what both sides changed, so that merging would be refused.

    Example:
        >>> diff = lake.diff(10, 20)
        >>> [row["name"] for row in diff["ULabel"].added]
        >>> diff.to_polars().filter(field="description")
    """

    a: str
    b: str
    registries: Mapping[str, RegistryDiff]
    conflicts: tuple[Any, ...] = ()

    def __getitem__(self, registry: Any) -> RegistryDiff:
        """The difference of one registry; one that is empty where nothing differs."""
        name = _registry_name(registry)
        return self.registries.get(name) or RegistryDiff(name, "name")

    def __iter__(self) -> Iterator[str]:
        return iter(self.registries)

    def __len__(self) -> int:
        return len(self.registries)

    def __hash__(self) -> int:
        return id(self)  # frozen, but what it holds can't be hashed

    def filter(self, *registries: Any) -> Diff:
        """The difference of some registries only."""
        names = {_registry_name(r) for r in registries}
        kept = {n: d for n, d in self.registries.items() if n in names}
        return Diff(self.a, self.b, kept, self.conflicts)

    def to_polars(self) -> pl.DataFrame:
        """One row per added or removed row and per changed field, values as text."""
        import polars as pl  # 0.2 s: only for those who ask

        names = ("registry", "change", "uid", "name", "field", "old", "new")
        rows = [(name, *line) for name, diff in self.items() for line in diff.lines()]
        return pl.DataFrame(rows, schema=dict.fromkeys(names, pl.String), orient="row")

    def summary(self) -> str:
        """The numbers of changes, one registry a line."""
        lines = [f"{name}: {_counted(diff.counts)}" for name, diff in self.items()]
        return "\n".join(lines) or "no difference"

    def _repr_html_(self) -> str:
        return f"<pre>{html_text(repr(self))}</pre>"

    def __repr__(self) -> str:
        parts = [f"{self.a} → {self.b}" + ("" if self.registries else ": no difference")]
        parts += [repr(diff).rstrip() for diff in self.values()]
        parts += [f"conflict: {conflict}" for conflict in self.conflicts]
        return printable("\n".join(parts))


def text_of(value: Any) -> str | None:
    """A value as text, for showing."""
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, datetime):
        return value.isoformat()
    return orjson.dumps(value, default=str).decode()


def _counted(counts: tuple[int, int, int]) -> str:
    words = zip(counts, ("added", "removed", "changed"), strict=True)
    return ", ".join(f"{n} {word}" for n, word in words if n) or "nothing"


def _registry_name(registry: Any) -> str:
    meta = getattr(registry, "meta", None)
    return str(registry if meta is None else meta.name)


# -- comparing -------------------------------------------------------------------------


def compare_states(
    lake: Lake,
    a: State,
    b: State,
    labels: tuple[str, str],
    only: Iterable[Any] | None = None,
    branches: Sequence[str] | None = None,
) -> Diff:
    """The difference of two states.

    Args:
        lake: The lake, for the names of its registries.
        a, b: The states.
        labels: What the states were named by.
        only: Registries to compare; all by default.
        branches: Only rows on these branches; all by default.
    """
    found = {}
    for table in tables_of(lake, {*a.tables, *b.tables}, only):
        # an equal pointer is an equal table, of which nothing is read
        if a.pointers.get(table) == b.pointers.get(table):
            continue
        before = a.version(table) if table in a.pointers else None
        after = b.version(table) if table in b.pointers else None
        shared = _paths(before) & _paths(after)
        rows = (_rows(version, shared, branches) for version in (before, after))
        diff = compare_rows(lake, table, *rows)
        if len(diff):
            found[diff.registry] = diff
    return Diff(*labels, found)


def tables_of(lake: Lake, tables: Iterable[str], only: Iterable[Any] | None) -> list[str]:
    """The tables to compare: of some registries, or all, registries first.

    Raises:
        UnknownField: There is no such registry.
    """
    known = lake.directory.by_table
    if only is None:
        tables = set(tables) - _INTERNAL
        return sorted(tables, key=lambda t: (t not in known, t))
    names = {cls.meta.name: table for table, cls in known.items()}
    chosen = []
    for registry in only:
        name = _registry_name(registry)
        table = names.get(name, name)
        if table not in tables:
            raise UnknownField(
                f"There is no registry {name!r}.",
                expected=", ".join(near(name, list(names)) or sorted(names)),
            )
        chosen.append(table)
    return chosen


def _paths(version: TableVersion | None) -> set[str]:
    return set() if version is None else {e.path for e in version.entries}


def _rows(
    version: TableVersion | None, shared: set[str], branches: Sequence[str] | None
) -> pa.Table:
    if version is None:
        return no_rows()
    parts = [version.file(e) for e in version.entries if e.path not in shared]
    rows = pa.concat_tables(parts) if parts else version.memory_schema.empty_table()
    return rows if branches is None else on_branches(rows, branches)


def on_branches(rows: pa.Table, branches: Sequence[str]) -> pa.Table:
    """The rows on some branches; all rows of a table that knows no branches."""
    if "branch_uid" not in rows.column_names:
        return rows
    return rows.filter(pc.is_in(rows["branch_uid"], value_set=pa.array(branches, pa.string())))


def compare_rows(lake: Lake, table: str, a: pa.Table, b: pa.Table) -> RegistryDiff:
    """The difference of two sets of rows of one table."""
    cls = lake.directory.by_table.get(table)
    name_field = cls.meta.name_field if cls is not None else "name"
    spec = lake.engine.specs.get(table)
    json = spec.json_columns if spec is not None else frozenset()
    place = pc.index_in(b["uid"], value_set=a["uid"].combine_chunks())
    both = pc.is_valid(place)
    added = b.filter(pc.invert(both))
    removed = a.filter(pc.invert(pc.is_in(a["uid"], value_set=b["uid"].combine_chunks())))
    kept = b.filter(both)
    # rows of a in the order of those of b, so that columns are compared place by place
    changed = _changed(a.take(pc.drop_null(place)), kept, name_field, json)
    return RegistryDiff(
        cls.meta.name if cls is not None else table, name_field, changed, added, removed, json
    )


def _changed(
    old: pa.Table, new: pa.Table, name_field: str, json: frozenset[str]
) -> list[ChangedRow]:
    """The rows with other values, of two tables with the same rows in the same order."""
    fields: dict[int, dict[str, tuple[Any, Any]]] = {}
    for column in new.column_names:
        if column in _UNSEEN or column == "uid":
            continue
        after = new[column]
        # a column that was added since had no values
        nothing = pa.chunked_array([pa.nulls(len(after), after.type)])
        before = old[column] if column in old.column_names else nothing
        places = _differing(before, after)
        values = zip(before.take(places).to_pylist(), after.take(places).to_pylist(), strict=True)
        for place, pair in zip(places.to_pylist(), values, strict=True):
            if column in json:
                pair = (_loaded(pair[0]), _loaded(pair[1]))
            fields.setdefault(place, {})[column] = pair
    places = pa.array(sorted(fields), pa.int64())
    uids = new["uid"].take(places).to_pylist()
    names = new[name_field].take(places).to_pylist() if name_field in new.column_names else None
    return [
        ChangedRow(uid, None if names is None else names[i], fields[place])
        for i, (uid, place) in enumerate(zip(uids, sorted(fields), strict=True))
    ]


def _loaded(text: str | None) -> Any:
    return None if text is None else orjson.loads(text)


def _differing(before: pa.ChunkedArray, after: pa.ChunkedArray) -> pa.Array:
    """The places at which two columns differ; null equals null, nan equals nan."""
    # Arrow doesn't compare lists
    if pa.types.is_list(after.type):
        pairs = zip(before.to_pylist(), after.to_pylist(), strict=True)
        return pa.array([i for i, (x, y) in enumerate(pairs) if x != y], pa.int64())
    if before.type != after.type:
        before = before.cast(after.type)
    differs = pc.fill_null(pc.not_equal(before, after), fill_value=False)
    if pa.types.is_floating(after.type):
        nans = pc.and_(pc.is_nan(before), pc.is_nan(after))
        differs = pc.and_(differs, pc.invert(pc.fill_null(nans, fill_value=False)))
    nulls = pc.not_equal(pc.is_null(before), pc.is_null(after))
    return places_of(pc.or_(differs, nulls)).cast(pa.int64())
