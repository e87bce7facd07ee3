"""Metadata records: samples, experiments, instruments, whatever a lab keeps track of."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any

from lakehouse.curation import Report
from lakehouse.errors import InvalidArgument, ValidationError
from lakehouse.features.check import Preparation, Prepared
from lakehouse.features.filter import lookup_on
from lakehouse.features.frames import with_features
from lakehouse.features.manager import FeatureManager
from lakehouse.features.rename import TellsRenames
from lakehouse.features.sheets import check_constraints, index_of, members_of, sheet_schema
from lakehouse.features.write import external, stage_many, stage_values
from lakehouse.orm import QuerySet, TrackedRecord, TrackedRow
from lakehouse.orm.model.unset import UNSET, Unset
from lakehouse.orm.record.hierarchy import HasParents, HasType
from lakehouse.registries.record.export import NAME, artifact_of_type, frame_of_type
from lakehouse.registries.record.sheets import RecordBatch
from lakehouse.registries.relations import relations_of
from lakehouse.terms.registry import CanCurate

if TYPE_CHECKING:
    import pandas as pd

    from lakehouse.bionty.registries import (
        CellLine,
        CellMarker,
        CellType,
        DevelopmentalStage,
        Disease,
        Ethnicity,
        ExperimentalFactor,
        Gene,
        Organism,
        Pathway,
        Phenotype,
        Protein,
        Tissue,
    )
    from lakehouse.orm import Batch
    from lakehouse.orm.model.meta import (
        FieldDescriptor,
        ForeignIdDescriptor,
        ForeignKeyDescriptor,
        RelationDescriptor,
    )
    from lakehouse.registries.artifact import Artifact
    from lakehouse.registries.attached_block import RecordBlock
    from lakehouse.registries.collection import Collection
    from lakehouse.registries.labels import Project, Reference, ULabel
    from lakehouse.registries.place import Branch, Space, User
    from lakehouse.registries.run import Run, Transform
    from lakehouse.registries.schema.record import Schema
    from lakehouse.relations.managers import KeyManager, LinkManager

_assign = object.__setattr__


class RecordRow(TrackedRow):
    """A row of the table `record`."""

    name: str | None = None
    type_uid: str | None = None
    is_type: bool = False
    description: str | None = None
    reference: str | None = None
    reference_type: str | None = None
    schema_uid: str | None = None
    extra_data: dict[str, Any] | None = None


class _OnClassOrType:
    """`Record.to_dataframe()` lists records; that of a type gives its records as a sheet."""

    def __get__(self, record: Any, owner: Any) -> Callable[..., pd.DataFrame]:
        if record is None:
            base: Any = super(Record, owner)
            on_class: Callable[..., pd.DataFrame] = base.to_dataframe
            return on_class
        return partial(_sheet, record)


def _sheet(record: Any, recurse: bool = False, **options: Any) -> Any:  # noqa: FBT001, FBT002
    return frame_of_type(record, recurse=recurse, **options)


class Record(
    CanCurate,
    TellsRenames,
    HasType,
    HasParents,
    TrackedRecord,
    row=RecordRow,
    unique=(("name", "type_uid"),),
    names_per_branch=True,
    foreign_keys={"type": "Record", "schema": "Schema"},
    relations=relations_of("Record"),
    feature_lookup=lookup_on("record"),
    feature_columns=with_features,
):
    """Flexible records; a record with `is_type=True` groups those that name it as `type`.

    A type with a schema is a sheet: the features of its records must fulfil the schema.

    Args:
        name: A name; records may have none.
        type: The record type that it is of.
        is_type: Whether it is a type itself; a record with a schema is.
        features: Values by feature, validated and saved with the record.
        schema: What the features of this type's records must look like.
        **fields: Further fields: `description`, `reference`, `reference_type`, `extra_data`.

    Raises:
        ValidationError: Features that aren't known, values of another dtype, missing
            categories, or a sheet's schema that isn't fulfilled. Records of sheets are checked
            when they are made, all records when they are saved.

    Example:
        >>> samples = Record(name="Samples", is_type=True).save()
        >>> Record(name="S-1", type=samples, features={"gc": 0.5}).save()
        >>> samples.to_dataframe()
    """

    if TYPE_CHECKING:
        name: FieldDescriptor[str | None]
        type: ForeignKeyDescriptor[Record | None]
        description: FieldDescriptor[str | None]
        reference: FieldDescriptor[str | None]
        reference_type: FieldDescriptor[str | None]
        schema_uid: FieldDescriptor[str | None]
        schema: ForeignKeyDescriptor[Schema | None]
        schema_id: ForeignIdDescriptor[str | None]
        extra_data: FieldDescriptor[dict[str, Any] | None]
        artifacts: RelationDescriptor[LinkManager[Artifact]]
        collections: RelationDescriptor[LinkManager[Collection]]
        transforms: RelationDescriptor[LinkManager[Transform]]
        input_of_runs: RelationDescriptor[LinkManager[Run]]
        runs: RelationDescriptor[LinkManager[Run]]
        linked_records: RelationDescriptor[LinkManager[Record]]
        linked_in_records: RelationDescriptor[LinkManager[Record]]
        linked_ulabels: RelationDescriptor[LinkManager[ULabel]]
        linked_users: RelationDescriptor[LinkManager[User]]
        linked_runs: RelationDescriptor[LinkManager[Run]]
        linked_artifacts: RelationDescriptor[LinkManager[Artifact]]
        linked_collections: RelationDescriptor[LinkManager[Collection]]
        linked_transforms: RelationDescriptor[LinkManager[Transform]]
        linked_references: RelationDescriptor[LinkManager[Reference]]
        linked_projects: RelationDescriptor[LinkManager[Project]]
        projects: RelationDescriptor[LinkManager[Project]]
        references: RelationDescriptor[LinkManager[Reference]]
        organisms: RelationDescriptor[LinkManager[Organism]]
        genes: RelationDescriptor[LinkManager[Gene]]
        proteins: RelationDescriptor[LinkManager[Protein]]
        cell_markers: RelationDescriptor[LinkManager[CellMarker]]
        tissues: RelationDescriptor[LinkManager[Tissue]]
        cell_types: RelationDescriptor[LinkManager[CellType]]
        diseases: RelationDescriptor[LinkManager[Disease]]
        cell_lines: RelationDescriptor[LinkManager[CellLine]]
        phenotypes: RelationDescriptor[LinkManager[Phenotype]]
        pathways: RelationDescriptor[LinkManager[Pathway]]
        experimental_factors: RelationDescriptor[LinkManager[ExperimentalFactor]]
        developmental_stages: RelationDescriptor[LinkManager[DevelopmentalStage]]
        ethnicities: RelationDescriptor[LinkManager[Ethnicity]]
        parents: RelationDescriptor[LinkManager[Record]]
        children: RelationDescriptor[LinkManager[Record]]
        records: RelationDescriptor[KeyManager[Record]]
        ablocks: RelationDescriptor[KeyManager[RecordBlock]]

        def __init__(
            self,
            name: str | None = None,
            *,
            type: Record | Unset | None = UNSET,
            is_type: bool = False,
            features: Mapping[Any, Any] | None = None,
            schema: Schema | None = None,
            description: str | None = None,
            reference: str | None = None,
            reference_type: str | None = None,
            extra_data: dict[str, Any] | None = None,
            uid: str | None = None,
            branch: Branch | None = None,
            space: Space | None = None,
            run: Run | None = None,
            created_by: User | None = None,
        ) -> None: ...

    _features: Mapping[Any, Any] | None = None
    _prepared: Prepared | None = None

    to_dataframe = _OnClassOrType()

    def _construct(
        self,
        name: str | None = None,
        *more: Any,
        type: Record | Unset | None = UNSET,
        is_type: bool = False,
        features: Mapping[Any, Any] | None = None,
        schema: Schema | None = None,
        **fields: Any,
    ) -> None:
        if more:
            raise InvalidArgument(
                "Only one non-keyword arg allowed: name", found=", ".join(map(repr, more))
            )
        is_type = is_type or schema is not None
        if is_type and name is None and "uid" not in fields:
            raise InvalidArgument(
                "A record type needs a name.", hint="ln.Record(name='Samples', is_type=True)"
            )
        if features is not None and not isinstance(features, Mapping):
            raise InvalidArgument(
                "The features of a record are given as a dictionary.",
                found=repr(features),
                hint="features={'feature name': value}",
            )
        super().__init__(name=name, type=type, is_type=is_type or None, schema=schema, **fields)
        if features is not None:
            _assign(self, "_features", dict(features))
            self._dirty = True
            self._take_index()
        if sheet_schema(self._lake, self._values.get("type_uid")) is not None:
            self._check_sheet()

    if not TYPE_CHECKING:
        __init__ = _construct

    def _check_sheet(self) -> None:
        """Refuse a record that isn't what its sheet demands; saving checks it once more."""
        if not self._needs_check():
            return
        members = members_of(self._lake, sheet_schema(self._lake, self._values.get("type_uid")))
        values = self._features
        if values is None:
            values = self._with_index(self.features.present() if self._saved else {})
        preparation = Preparation(self._lake, members, whole=True)
        preparation.add(values)
        what = self._titled(members is not None)
        preparation.finish(what)
        check_constraints(self, None, values, what, whole=True)

    def _with_index(self, values: dict[Any, Any]) -> dict[Any, Any]:
        """Values with that of the feature which indexes the sheet: the record's name."""
        index = index_of(self._lake, sheet_schema(self._lake, self._values.get("type_uid")))
        name = self._values.get("name")
        return values if index is None or name is None else {index: name, **values}

    def _take_index(self) -> None:
        """Of a record's name and the feature that indexes its sheet, either gives the other."""
        index = index_of(self._lake, sheet_schema(self._lake, self._values.get("type_uid")))
        if index is None or self._features is None:
            return
        values = {getattr(k, "name", k): v for k, v in self._features.items()}
        name = self._values.get("name")
        if index not in values and name is not None:
            _assign(self, "_features", {**self._features, index: name})
        elif name is None and isinstance(values.get(index), str):
            self._set("name", values[index])

    # -- features ----------------------------------------------------------------------

    @property
    def features(self) -> FeatureManager:
        """The features that the record is annotated with; see `FeatureManager`."""
        return FeatureManager(self)

    @classmethod
    def _before_save_many(cls, batch: Batch, records: list[Any]) -> None:
        """Check the features of many records at once, and report all failures together."""
        super()._before_save_many(batch, records)
        found = [r for r in records if r._needs_check()]
        if len(found) < 2:
            return
        by_schema: dict[str | None, list[Any]] = {}
        for record in found:
            uid = sheet_schema(record._lake, record._values.get("type_uid"))
            by_schema.setdefault(uid, []).append(record)
        failures: list[Any] = []
        texts: list[str] = []
        for uid, mine in by_schema.items():
            lake = mine[0]._lake
            preparation = Preparation(lake, members_of(lake, uid), whole=True)
            prepared = [preparation.add(r._features or {}) for r in mine]
            try:
                preparation.finish(f"Failed to set features on {len(mine)} records")
            except ValidationError as error:
                texts.append(error.message)
                failures += preparation.failures
            for record, one in zip(mine, prepared, strict=True):
                _assign(record, "_prepared", one)
        if failures:
            raise ValidationError("\n".join(texts), report=Report(failures=tuple(failures)))
        new = [r for r in found if not r._saved]
        if len(new) > 1:
            stage_many(batch, [(r, r._prepared) for r in new])
            for record in new:
                record._settle(batch)

    def _needs_check(self) -> bool:
        if self._features is not None:
            return True
        fresh = not self._saved or "type_uid" in (self._old or ())
        if not fresh or self._values.get("is_type"):
            return False
        kind = (self._related or {}).get("type")
        if kind is not None:
            return kind._values.get("schema_uid") is not None
        return sheet_schema(self._lake, self._values.get("type_uid")) is not None

    def _before_save(self, batch: Batch) -> None:
        super()._before_save(batch)
        if not self._needs_check() or (self._prepared is not None and self._features is None):
            return
        if self._prepared is None:
            lake = self._lake
            members = members_of(lake, sheet_schema(lake, self._values.get("type_uid")))
            values = self._features
            if values is None:
                values = self._with_index(self.features.present() if self._saved else {})
            preparation = Preparation(lake, members, whole=True)
            _assign(self, "_prepared", preparation.add(values))
            try:
                preparation.finish(self._titled(members is not None))
            finally:
                prepared = self._prepared
                _assign(self, "_prepared", None)
            if self._features is None:
                return
        else:
            prepared = self._prepared
        assert prepared is not None
        stage_values(batch, self, prepared, external)
        self._settle(batch)

    def _titled(self, sheet: bool) -> str:  # noqa: FBT001
        name = self._values.get("name")
        shown = f"Record {name!r}" if name else f"Record (uid={self.uid})"
        kind = self._get_related("type") if sheet else None
        if kind is None:
            return f"Failed to set features on {shown}"
        return f"Cannot set type to {kind._values.get('name')!r} on {shown}"

    def _settle(self, batch: Batch) -> None:
        """The features are on their way; they come back if the commit fails."""
        features = self._features

        def restore() -> None:
            _assign(self, "_features", features)
            _assign(self, "_prepared", None)

        _assign(self, "_features", None)
        batch.on_rollback(restore)
        batch.on_commit(lambda: _assign(self, "_prepared", None))

    # -- types and sheets --------------------------------------------------------------

    def query_records(self) -> QuerySet[Record]:
        """The records of this type and of all types below it, those types included."""
        return self._members_of_type()

    @property
    def is_frame(self) -> bool:
        """Whether it is a type whose records fulfil a schema."""
        return bool(self._values.get("is_type")) and self._values.get("schema_uid") is not None

    @property
    def is_sheet(self) -> bool:
        """The same as `is_frame`."""
        return self.is_frame

    @classmethod
    def from_dataframe(
        cls,
        df: Any,
        *,
        type: Record | str,
        name_field: str = NAME,
    ) -> RecordBatch:
        """Records of the rows of a data frame, which `save()` saves in one commit.

        Args:
            df: A pandas or polars DataFrame, or an Arrow table; its columns are features.
            type: The record type, or the name of a new one, which gets a schema of the
                columns and lies under the type `Imports`.
            name_field: The column of the records' names; `name` if there is none such. The
                index of the type's schema gives the names where it has one.

        Example:
            >>> Record.from_dataframe(df, type=samples).save()
        """
        return RecordBatch(cls, df, type, name_field)

    def to_artifact(
        self, key: str | None = None, suffix: str | None = None, **options: Any
    ) -> Artifact:
        """Save the records of a type as a table, validated by the type's schema.

        Args:
            key: The artifact's key; `lakehouse_record_exports/<name>.csv` by default.
            suffix: The format, where no key is given.
            **options: Passed to `to_dataframe`.
        """
        made: Artifact = artifact_of_type(self, key, suffix, **options)
        return made
