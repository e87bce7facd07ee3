"""What the record layer knows of a registry: its table, fields, keys and relations."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import pyarrow as pa

from lakehouse.engine import KeyScope, RowModel, TableSpec
from lakehouse.errors import UnknownField, near
from lakehouse.orm.bootstrap import ARCHIVE, MAIN, TRASH
from lakehouse.orm.fields import Field, build_fields

NAME_SCOPE = KeyScope("branch_uid", MAIN, frozenset((ARCHIVE, TRASH)))

# Columns that the record layer fills in; they come last in every table.
TRACKED = (
    "branch_uid",
    "space_uid",
    "created_on_uid",
    "is_locked",
    "created_at",
    "updated_at",
    "created_by_uid",
    "run_uid",
)


def table_name(registry: str) -> str:
    """The table of a registry in snake case, e.g. `cell_type` of `bionty.CellType`."""
    name = registry.rpartition(".")[2]
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name).lower()


@dataclass(frozen=True)
class Relation:
    """A relation over a link table, or the other side of a foreign key.

    Attributes:
        name: The accessor, e.g. `ulabels` on Artifact.
        target: Name of the related registry, e.g. `ULabel`.
        link: The link table, e.g. `artifact_link`; for the other side of a foreign key the
            table of the related registry.
        registry: The value of the link table's `registry` column that belongs to it; None
            where the table has only one target registry.
        reverse: Whether the related registry is the link's subject (`ulabel.artifacts`).
        slot: Only links of this slot, if given.
        manager: Makes the manager that records give for the accessor.
        foreign_key: The related registry's foreign key that is looked at from the other side,
            e.g. `transform` for `transform.runs`.
        inverse: The accessor of the related registry that leads back.
        apart: Slots of other relations between the same registries, whose links don't count.
        ordered: Whether the links have positions.
        protects: Whether a record that is linked to can't be deleted.
        acyclic: Whether following the links must never lead back.
    """

    name: str
    target: str
    link: str
    registry: str | None = None
    reverse: bool = False
    slot: str | None = None
    manager: Callable[[Any], Any] | None = None
    foreign_key: str | None = None
    inverse: str | None = None
    apart: tuple[str, ...] = ()
    ordered: bool = False
    protects: bool = True
    acyclic: bool = False

    @property
    def own_column(self) -> str:
        """The link column that holds the uid of the registry with this accessor."""
        if self.foreign_key is not None:
            return f"{self.foreign_key}_uid"
        return "target_uid" if self.reverse else "subject_uid"

    @property
    def other_column(self) -> str:
        """The link column that holds the related record's uid."""
        if self.foreign_key is not None:
            return "uid"
        return "subject_uid" if self.reverse else "target_uid"

    def conditions(self, alias: str) -> tuple[list[str], list[Any]]:
        """SQL of what tells this relation's links from others in the table, with its values."""
        found: list[str] = []
        values: list[Any] = []
        for column in ("registry", "slot"):
            if (wanted := getattr(self, column)) is not None:
                found.append(f"{alias}.{column} = ?")
                values.append(wanted)
        if self.apart:
            marks = ", ".join("?" * len(self.apart))
            found.append(f"({alias}.slot IS NULL OR {alias}.slot NOT IN ({marks}))")
            values += self.apart
        return found, values


@dataclass(frozen=True)
class Condition:
    """A piece of SQL that is true or not for a row, with its parameters.

    The text may contain `{row}` where the row's table alias stands, and `{uids}` where a
    table of uids that was found beforehand stands, whose column is `v`.

    Attributes:
        sql: A boolean SQL expression.
        params: Values of its `?`, in order.
        uids: The uids, an Arrow array.
        only: Whether exactly the rows with these uids fulfil the condition.
    """

    sql: str
    params: tuple[Any, ...] = ()
    uids: Any = None
    only: bool = False


FeatureLookup = Callable[[Any, str, list[str], Any], "Condition | None"]
# what users import the modules of registries as
_IMPORTED_AS = {"": "ln", "bionty": "bt"}
FeatureColumns = Callable[[Any, "RegistryMeta", pa.Table, "list[str] | None"], pa.Table]


@dataclass
class RegistryMeta:
    """A registry as the record layer sees it.

    Attributes:
        cls: The record class.
        row: The pydantic model of a row.
        name: Full name, e.g. `ULabel` or `bionty.CellType`.
        table: Table name in snake case.
        name_field: The field that people know a record by.
        unique: Unique keys, tuples of columns.
        match: Column tuples by which constructing finds an existing record.
        foreign_keys: Foreign-key field → name of the registry that it refers to.
        required: Fields without which a record can't be made.
        versioned: Whether uids end in a version of four characters.
        relations: Relations over link tables, by accessor.
        computed: Virtual fields: name → (kind, SQL expression with `{row}`).
        aliases: Names in look-ups that stand for a path, e.g. `transform` → `run__transform`.
        feature_lookup: Called with (lake, name, rest of the look-up, value) for names that
            are no fields; returns a condition, or None if there is no such feature.
        part_of: The foreign key to the record that one of this registry is a part of, and
            with which it is deleted for good.
        names_per_branch: Whether the unique keys hold on each branch by itself, and not in
            the trash or the archive; else they hold in the whole lake.
        immediate: Columns whose change is seen on every branch at once, since it goes with a
            change of stored bytes.
        feature_columns: Called with (lake, meta, table with the column `uid`, names or None);
            returns the table with a column for each feature of its records.
        private: Columns that data frames leave out unless they are asked for.
        derived: Fields that follow from others or from the content, so that nobody assigns them
            → the call that changes them.
    """

    cls: type[Any]
    row: type[RowModel]
    name: str
    table: str
    name_field: str = "name"
    unique: tuple[tuple[str, ...], ...] = ()
    match: tuple[tuple[str, ...], ...] = ()
    foreign_keys: dict[str, str] = field(default_factory=dict)
    required: tuple[str, ...] = ()
    versioned: bool = False
    relations: dict[str, Relation] = field(default_factory=dict)
    computed: dict[str, tuple[str, str]] = field(default_factory=dict)
    aliases: dict[str, str] = field(default_factory=dict)
    feature_lookup: FeatureLookup | None = None
    part_of: str | None = None
    names_per_branch: bool = False
    immediate: frozenset[str] = frozenset()
    feature_columns: FeatureColumns | None = None
    private: tuple[str, ...] = ()
    derived: dict[str, str] = field(default_factory=dict)

    @property
    def code(self) -> str:
        """What users type for the registry: `ln.ULabel`, `bt.CellType`."""
        module, _, name = self.name.rpartition(".")
        return f"{_IMPORTED_AS.get(module, module)}.{name}"

    @cached_property
    def fields(self) -> dict[str, Field]:
        """The columns by name."""
        return build_fields(self)

    @cached_property
    def defaults(self) -> dict[str, Any]:
        """Values of the fields that aren't null by default."""
        infos = self.row.model_fields.items()
        return {n: i.default for n, i in infos if not i.is_required() and i.default is not None}

    @cached_property
    def spec(self) -> TableSpec:
        """The engine's specification of the table: own columns first, tracked ones last."""
        derived = TableSpec.from_model(self.table, self.row, self.unique)
        own = [c for c in derived.columns if c.name not in TRACKED]
        tracked = [c for n in TRACKED for c in derived.columns if c.name == n]
        scope = NAME_SCOPE if self.names_per_branch else None
        return TableSpec(self.table, (*own, *tracked), derived.unique, scope)

    @property
    def columns(self) -> tuple[str, ...]:
        """Names of the columns in table order."""
        return self.spec.column_names

    @property
    def has_branch(self) -> bool:
        """Whether records live on branches, and so have a trash."""
        return "branch_uid" in self.fields and self.part_of != "branch"

    @cached_property
    def uid_length(self) -> int:
        """Length of a complete uid."""
        return 20 if self.versioned else 16

    def names(self) -> list[str]:
        """Everything that a filter may name."""
        return [*self.fields, *self.foreign_keys, *self.relations, *self.computed, *self.aliases]

    def unknown(self, name: str, what: str = "field") -> UnknownField:
        """The error for a name that this registry doesn't have."""
        close = near(name, self.names())
        return UnknownField(
            f"{self.name} has no {what} {name!r}.",
            expected=", ".join(close) if close else ", ".join(self.names()),
            hint=f"did you mean {close[0]!r}?" if close else None,
        )


def relations(
    *relations: Relation,
) -> Mapping[str, Relation]:
    """Relations by accessor, for the `relations=` of a record class."""
    return {r.name: r for r in relations}
