"""Schemas: which features a dataset has, and what is demanded of them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from lakehouse.annotation.tables import content_hash, link_row
from lakehouse.engine.spec import dump_json
from lakehouse.errors import InvalidArgument
from lakehouse.orm import BaseRecord, FieldRef, QuerySet, TrackedRow
from lakehouse.orm.hierarchy import HasType
from lakehouse.registries._relations import relations_of
from lakehouse.registries.feature import Feature

if TYPE_CHECKING:
    from lakehouse.engine import Changes
    from lakehouse.orm import Batch

COMPOSITE = "Composite"


class SchemaRow(TrackedRow):
    """A row of the table `schema`."""

    name: str | None = None
    description: str | None = None
    n_members: int | None = None
    dtype: str | None = None
    itype: str | None = None
    otype: str | None = None
    type_uid: str | None = None
    is_type: bool = False
    hash: str | None = None
    minimal_set: bool = True
    maximal_set: bool = False
    ordered_set: bool = False
    coerce: bool = False
    flexible: bool = False
    index_uid: str | None = None
    slots_uids: dict[str, Any] | None = None


class Schema(
    HasType,
    BaseRecord,
    row=SchemaRow,
    unique=(("hash",),),
    foreign_keys={"type": "Schema", "index": "Feature"},
    relations=relations_of("Schema"),
):
    """What a dataset must look like.

    Constructing a schema with equal content gives the existing one, whatever its name.

    Args:
        features: Its features, saved or not; a feature with `.with_config(optional=True)`, or
            one named in `optionals`, need not be there.
        index: The feature of the index.
        slots: Schemas of the components of a composite dataset, e.g. `{"obs": schema}`.
        name: A name.
        description: What it is for.
        itype: What identifies the columns: `Feature`, or a field such as
            `bt.Gene.ensembl_gene_id`; a feature type means its features only.
        otype: `"DataFrame"`, `"AnnData"` …
        dtype: The dtype of all columns, where they have one.
        minimal_set: Whether all features that aren't optional must be there.
        maximal_set: Whether other columns are refused.
        ordered_set: Whether the order of columns counts.
        coerce: Whether values are converted to the features' dtypes.
        flexible: Whether columns beside the features are validated if they are named like a
            feature; by default only in schemas without features.
        optionals: Names or features that need not be there.

    Example:
        >>> Schema([Feature(name="donor", dtype=str)], name="donors").save()  # doctest: +SKIP
    """

    _members: tuple[Feature, ...] | None = None
    _optional: frozenset[str] = frozenset()
    _slots: Mapping[str, Schema] | None = None

    def __init__(
        self,
        features: Iterable[Any] | None = None,
        index: Feature | None = None,
        slots: Mapping[str, Schema] | None = None,
        *,
        name: str | None = None,
        description: str | None = None,
        itype: Any = None,
        otype: str | None = None,
        dtype: Any = None,
        minimal_set: bool = True,
        maximal_set: bool = False,
        ordered_set: bool = False,
        coerce: bool | None = None,
        flexible: bool | None = None,
        optionals: Iterable[str | Feature] = (),
        **fields: Any,
    ) -> None:
        configured = [f if isinstance(f, tuple) else (f, {}) for f in features or ()]
        members = tuple(_features(f for f, _ in configured))
        chosen = {str(f.name) for f, config in configured if config.get("optional")}
        parts = dict(_schemas(slots or {}))
        kind = _itype(itype, members=bool(members), slots=bool(parts))
        named = {o if isinstance(o, str) else str(o.name) for o in optionals}
        optional = frozenset(named | chosen)
        if unknown := optional - {str(m.name) for m in members}:
            raise InvalidArgument(
                "Optional features must be among the schema's features.", found=sorted(unknown)
            )
        object.__setattr__(self, "_members", members)
        object.__setattr__(self, "_optional", optional)
        object.__setattr__(self, "_slots", parts)
        columns = {
            "n_members": len(members),
            "dtype": None if dtype is None else getattr(dtype, "__name__", str(dtype)),
            "itype": kind,
            "otype": otype,
            "minimal_set": minimal_set,
            "maximal_set": maximal_set,
            "ordered_set": ordered_set,
            "coerce": bool(coerce),
            "flexible": not members and _of_features(kind) if flexible is None else flexible,
            "slots_uids": {slot: part.uid for slot, part in parts.items()} or None,
        }
        hashed = None if fields.get("is_type") else self._content(columns, index)
        super().__init__(
            name=name, description=description, hash=hashed, index=index, **columns, **fields
        )

    def _set_given(self, given: dict[str, Any]) -> None:
        """An equal schema exists: it keeps its name."""
        for name in ("name", "description"):
            if given.get(name) is not None and self._values.get(name) is None:
                self._set(name, given[name])

    def _content(self, columns: Mapping[str, Any], index: Feature | None) -> str:
        """The hash of what is demanded; names and descriptions don't count."""
        members = [(m.uid, str(m.name) in self._optional) for m in self._members or ()]
        if not columns["ordered_set"]:
            members.sort()
        parts = [dump_json(members), dump_json({k: columns[k] for k in sorted(columns)})]
        return content_hash([*parts, "" if index is None else index.uid])

    # -- members -----------------------------------------------------------------------

    @property
    def members(self) -> Any:
        """The features, or the records of another registry that the schema is made of."""
        links = self._links()
        registry = links[0]["registry"] if links else "feature"
        target = self._lake.directory.by_table[registry]
        return QuerySet(target, self._lake).filter(uid__in=[r["target_uid"] for r in links])

    def _links(self) -> list[dict[str, Any]]:
        if not self._saved:
            return []
        rows = self._lake.state.prefix("schema_link", self.uid, 1_000_000)
        return sorted(rows, key=lambda r: r["position"] or 0)

    def feature_list(self) -> list[tuple[Feature, bool]]:
        """The features in order, each with whether it is optional."""
        if self._members and not self._saved:
            return [(m, str(m.name) in self._optional) for m in self._members]
        links = [r for r in self._links() if r["registry"] == "feature"]
        rows = self._lake.state.rows("feature", [r["target_uid"] for r in links])
        by_uid = {row["uid"]: Feature._from_row(self._lake, row) for row in rows}
        return [
            (by_uid[r["target_uid"]], bool(r["optional"]))
            for r in links
            if r["target_uid"] in by_uid
        ]

    @property
    def optionals(self) -> list[Feature]:
        """The features that need not be there."""
        return [feature for feature, optional in self.feature_list() if optional]

    @property
    def slots(self) -> dict[str, Schema]:
        """The schemas of the components, by slot."""
        if self._slots:
            return dict(self._slots)
        uids = self._values.get("slots_uids") or {}
        found = {}
        for slot, uid in uids.items():
            row = self._lake.state.row("schema", uid)
            if row is not None:
                found[slot] = Schema._from_row(self._lake, row)
        return found

    # -- saving ------------------------------------------------------------------------

    def query_schemas(self) -> QuerySet[Schema]:
        """The schemas of this type and of all types below it."""
        return self._members_of_type()

    def _before_save(self, batch: Batch) -> None:
        super()._before_save(batch)
        if self._saved:
            return
        for feature in self._members or ():
            batch.add(feature)
        if (index := (self._related or {}).get("index")) is not None:
            batch.add(index)
        for part in (self._slots or {}).values():
            batch.add(part)
        batch.stage(lambda changes: self._stage(changes, batch))

    def _stage(self, changes: Changes, batch: Batch) -> None:
        if self._saved or not self._members:
            return
        changes.insert(
            "schema_link",
            [
                link_row(
                    self.uid,
                    "feature",
                    feature.uid,
                    position=i,
                    optional=str(feature.name) in self._optional,
                    created_at=batch.now,
                )
                for i, feature in enumerate(self._members)
            ],
            if_absent=True,
        )


def _features(features: Iterable[Any]) -> Iterable[Feature]:
    for feature in features:
        if not isinstance(feature, Feature):
            raise InvalidArgument(
                "A schema is made of features.",
                found=f"{feature!r} ({type(feature).__name__})",
                expected="ln.Feature records",
                hint="ln.Feature(name=…, dtype=…)",
            )
        yield feature


def _schemas(slots: Mapping[str, Any]) -> Iterable[tuple[str, Schema]]:
    for slot, part in slots.items():
        if not isinstance(part, Schema):
            raise InvalidArgument(
                f"The slot {slot!r} takes a schema.", found=f"{part!r} ({type(part).__name__})"
            )
        yield slot, part


def _itype(itype: Any, *, members: bool, slots: bool) -> str | None:
    if itype is None:
        return "Feature" if members or not slots else COMPOSITE
    if isinstance(itype, FieldRef):
        return f"{itype.registry.meta.name}.{itype.name}"
    if isinstance(itype, type) and issubclass(itype, BaseRecord):
        return str(itype.meta.name)
    if isinstance(itype, Feature) and itype._values.get("is_type"):
        return f"Feature[{itype.uid}]"
    if isinstance(itype, str):
        return itype
    raise InvalidArgument(
        "The itype of a schema names what identifies its columns.",
        found=repr(itype),
        expected="ln.Feature, a feature type, or a field such as bt.Gene.ensembl_gene_id",
    )


def _of_features(itype: str | None) -> bool:
    return itype is not None and itype.partition("[")[0] == "Feature"
