"""The base class of records.

A registry is a pydantic row model and a record class:

    class ULabelRow(TrackedRow):
        name: str | None = None
        type_uid: str | None = None

    class ULabel(BaseRecord, row=ULabelRow, unique=(("name", "type_uid"),),
                 foreign_keys={"type": "ULabel"}, required=("name",)):
        '''Simple labels.'''

The class's attributes are then references to its fields, those of a record its values.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any, ClassVar, Self

from lakehouse.config import settings
from lakehouse.engine import RowModel
from lakehouse.engine.query.view import operations
from lakehouse.engine.table.spec import KEY_SEPARATOR
from lakehouse.errors import (
    FieldValidationError,
    InvalidArgument,
    LookupFailed,
    MultipleObjectsReturned,
    ObjectDoesNotExist,
)
from lakehouse.orm.lake.current import current_lake
from lakehouse.orm.model.builtin import ARCHIVE, MAIN, TRASH
from lakehouse.orm.model.context import active_batch
from lakehouse.orm.model.meta import (
    TRACKED,
    FeatureColumns,
    FeatureLookup,
    FieldDescriptor,
    ForeignIdDescriptor,
    ForeignKeyDescriptor,
    RegistryMeta,
    Relation,
    RelationDescriptor,
    UidDescriptor,
    is_blank,
    lend,
    table_name,
    together,
)
from lakehouse.orm.model.signatures import SignatureOfRegistry
from lakehouse.orm.model.unset import UNSET
from lakehouse.orm.query.queryset import QuerySet
from lakehouse.orm.record.queries import RegistryQueries
from lakehouse.orm.record.values import RecordValues
from lakehouse.orm.session.batch import Batch, batch_on
from lakehouse.orm.session.protection import check_unreferenced
from lakehouse.orm.show.tables import Showing

if TYPE_CHECKING:
    from lakehouse.orm.lake.lake import Lake
    from lakehouse.orm.session.batch import Batch
    from lakehouse.registries.place import Branch, Space, User
    from lakehouse.registries.run import Run


# -- Making a record: its fields are checked, and a unique name that exists gives its record


_UID = re.compile(r"[0-9A-Za-z]{1,64}")
_TYPE = frozenset(("type", "type_id", "type_uid"))
_assign = object.__setattr__


@operations
class RecordMaking(RecordValues):
    """The part of a record that constructs it, as a new one or as an existing one."""

    __signature__ = SignatureOfRegistry()

    _named: ClassVar[tuple[str, ...] | None] = None
    """The fields that the constructor's signature names, if not all; see `signature_of`."""
    _claims_uid: bool = False
    _everybodys: ClassVar[bool] = False
    """Whether a record that two branches make is the same fact, and so comes to main."""

    def __init__(self, *values_: Any, **fields: Any) -> None:
        meta = self.meta
        if values_:
            raise FieldValidationError(
                f"The fields of a {meta.name} are given by name.",
                found=", ".join(map(repr, values_)),
                hint=f"{meta.code}({meta.name_field or 'uid'}={values_[0]!r})",
            )
        known = meta.fields
        values: dict[str, Any] = dict(meta.defaults)
        others, errors = None, None
        for name, value in fields.items():
            if value is None:
                continue
            field = known.get(name)
            if field is None:
                others = others or {}
                others[name] = value
            elif field.exact is str and type(value) is str and value.isascii():
                values[name] = value
            else:
                try:
                    values[name] = field.validate(value)
                except FieldValidationError as error:
                    errors = [*(errors or ()), error]  # all are told at once
        if errors is not None:
            raise together(meta.name, errors)
        # not through `__dict__`, which would make a dictionary of its own for every record
        _assign(self, "_values", values)
        _assign(self, "_lake", current_lake())
        if others is not None:
            self._set_others(others)
        for name in meta.required:
            if values.get(name) is None or is_blank(values[name]):
                raise FieldValidationError(
                    f"{meta.name} needs the field {name!r}.",
                    hint=f"{meta.code}({name}=…)",
                    field=name,
                )
        if "\0" in str(values.get(meta.name_field, "")):
            raise meta.fields[meta.name_field].refused(values[meta.name_field], "no NUL character")
        if "uid" in values:
            self._check_uid()
        else:
            given = fields.keys() & _TYPE if "type" in meta.foreign_keys else _TYPE
            self._match(any_type=not given or fields.get("type") is UNSET)

    def _set_others(self, others: dict[str, Any]) -> None:
        meta = self.meta
        for name, value in others.items():
            if value is UNSET:
                continue
            if name in meta.foreign_keys:
                self._set_related(name, None if value is False else value)
            elif name.removesuffix("_id") in meta.foreign_keys:
                setattr(self, name, value)
            else:
                raise meta.unknown(name)

    def _check_uid(self) -> None:
        """A uid that the caller chose: well-formed, and if it exists, the existing record."""
        meta, uid = self.meta, self._values["uid"]
        # the uid of a family means its first version
        if meta.versioned and len(uid) == 16:
            uid = self._values["uid"] = uid + "0000"
        if not _UID.fullmatch(uid) or (meta.versioned and len(uid) != 20):
            raise FieldValidationError(
                f"{meta.name} can't have this uid.",
                found=repr(uid),
                expected=f"{meta.uid_length} characters of 0-9, A-Z, a-z",
            )
        self._claims_uid = True
        batch = active_batch(self._lake)
        if batch is not None and (first := batch.staged_uid(meta.table, uid)) is not None:
            self._join(batch, first)
        elif (row := self._lake.state.row(meta.table, uid)) is not None:
            self._adopt(row)

    def _match(self, *, any_type: bool) -> None:
        """Become the existing record, where one has this unique name.

        Args:
            any_type: Whether one of another type may be meant, since none was given.
        """
        meta, values = self.meta, self._values
        batch = active_batch(self._lake)
        # what the transaction stages goes before what is committed
        if batch is not None and (first := batch.staged(meta, values)) is not None:
            self._join(batch, first)
            return
        row = self._lake.matcher.find(meta, values, any_type=any_type)
        # only where no committed record fits is one of another type meant
        if row is None and any_type and batch is not None:
            first = batch.staged_named(meta, values)
            if first is not None:
                self._join(batch, first)
                return
        if row is None:
            name = self._values.get(meta.name_field)
            named = any(meta.name_field in columns for columns in meta.match)
            if name is not None and named and settings.creation.search_names:
                self._lake.matcher.suggest(meta, name)
            return
        self._lake.matcher.tell_existing(meta, row)
        self._adopt(row)

    def _adopt(self, row: dict[str, Any]) -> None:
        """Become the record of an existing row; other given values are changes to save."""
        given = self._values
        self._check_agrees(row, given)
        _assign(self, "_values", row)
        _assign(self, "_saved", True)
        _assign(self, "_old", None)
        self._set_given(given)
        branch = row.get("branch_uid")
        # made anew, it comes back from the trash
        if branch == TRASH:
            self._set("branch_uid", self._home())
        elif self._everybodys and branch not in (None, ARCHIVE, *self._lake.visible_branches):
            self._set("branch_uid", MAIN)

    def _join(self, batch: Batch, first: Any) -> None:
        """Become one with an equal new record of the open transaction."""
        given = self._values
        self._check_agrees(first._values, given)
        record: Any = self
        batch.join(record, first)
        self._set_given(given)

    def _check_agrees(self, known: Mapping[str, Any], given: Mapping[str, Any]) -> None:
        """Refuse what is said of an existing record that contradicts it.

        A constructor call may find the record at once, or only when it is saved: because somebody
        else saved it meanwhile, or another object of the same transaction. Each of them asks here.

        Args:
            known: The values of the existing record.
            given: What the constructor was given.
        """

    def _set_given(self, given: dict[str, Any]) -> None:
        for name, value in given.items():
            if name == "uid" or name in TRACKED or self._values.get(name) == value:
                continue
            # a default isn't said by the caller, so it changes nothing of the existing record
            if self.meta.defaults.get(name) != value:
                self._set(name, value)


Deleted = tuple[int, dict[str, int]]
_COMMON_KEYS = {
    "created_by": "User",
    "run": "Run",
    "branch": "Branch",
    "space": "Space",
    "created_on": "Branch",
}


class TimedRow(RowModel):
    """A row with the times of its creation and last change."""

    created_at: datetime | None = None
    updated_at: datetime | None = None


class TrackedRow(TimedRow):
    """A row of a registry with branches, which knows who made it in which run.

    Attributes:
        branch_uid: The branch that it is on; `"trash"` and `"archive"` are branches, too.
        space_uid: The space that it lies in.
        created_on_uid: The branch that it was made on.
        is_locked: Whether it is closed for edits.
        created_by_uid: Who made it.
        run_uid: The run that made it.
    """

    branch_uid: str | None = None
    space_uid: str | None = None
    created_on_uid: str | None = None
    is_locked: bool = False
    created_by_uid: str | None = None
    run_uid: str | None = None


@operations
class BaseRecord(Showing, RecordMaking, RegistryQueries):
    """A record of a registry. Subclasses name their row model and keys.

    Constructing one whose unique name exists already gives the existing record.

    Example:
        >>> label = ULabel(name="raw").save()
        >>> ULabel(name="raw").uid == label.uid
        True
    """

    # also found here, so that a caller needs no import to catch them
    DoesNotExist: ClassVar[type[LookupFailed]] = ObjectDoesNotExist
    MultipleObjectsReturned: ClassVar[type[LookupFailed]] = MultipleObjectsReturned

    def __init_subclass__(
        cls,
        *,
        row: type[RowModel] | None = None,
        table: str | None = None,
        module: str = "",
        name_field: str = "name",
        unique: tuple[tuple[str, ...], ...] = (),
        match: tuple[tuple[str, ...], ...] | None = None,
        foreign_keys: Mapping[str, str] | None = None,
        required: tuple[str, ...] = (),
        versioned: bool = False,
        relations: Mapping[str, Relation] | None = None,
        computed: Mapping[str, tuple[str, str]] | None = None,
        aliases: Mapping[str, str] | None = None,
        feature_lookup: FeatureLookup | None = None,
        part_of: str | None = None,
        names_per_branch: bool = False,
        immediate: tuple[str, ...] = (),
        feature_columns: FeatureColumns | None = None,
        private: tuple[str, ...] = (),
        derived: Mapping[str, str] | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init_subclass__(**kwargs)
        operations(cls)
        if row is None:
            return
        keys = {n: t for n, t in _COMMON_KEYS.items() if f"{n}_uid" in row.model_fields}
        keys = {**(foreign_keys or {}), **keys}
        cls.meta = RegistryMeta(
            cls=cls,
            row=row,
            name=f"{module}.{cls.__name__}" if module else cls.__name__,
            table=table or table_name(cls.__name__),
            name_field=name_field,
            unique=unique,
            match=unique if match is None else match,
            foreign_keys=keys,
            required=required,
            versioned=versioned,
            relations=dict(relations or {}),
            computed=dict(computed or {}),
            aliases={**{f"{name}_id": name for name in keys}, **(aliases or {})},
            feature_lookup=feature_lookup,
            names_per_branch=names_per_branch,
            immediate=frozenset(immediate),
            feature_columns=feature_columns,
            private=private,
            derived=dict(derived or {}),
            part_of=part_of,
        )
        cls._add_descriptors()

    @classmethod
    def _add_descriptors(cls) -> None:
        meta = cls.meta
        for name, field in meta.fields.items():
            if name != "uid" and name not in cls.__dict__:
                setattr(cls, name, FieldDescriptor(field))
        for name in meta.foreign_keys:
            if name not in cls.__dict__:
                setattr(cls, name, ForeignKeyDescriptor(name))
            if f"{name}_id" not in cls.__dict__:
                setattr(cls, f"{name}_id", ForeignIdDescriptor(name))
        for name, relation in meta.relations.items():
            if name not in cls.__dict__:
                setattr(cls, name, RelationDescriptor(name, relation.manager))
        setattr(cls, "uid", UidDescriptor(meta.fields["uid"]))  # noqa: B010 - a descriptor

    # -- reading -----------------------------------------------------------------------

    @classmethod
    def _from_row(cls, lake: Lake, row: dict[str, Any]) -> Self:
        """A record of a row that was read."""
        record = cls.__new__(cls)
        _assign(record, "_values", row)
        _assign(record, "_lake", lake)
        _assign(record, "_saved", True)
        return record

    def _query(self) -> QuerySet[Self]:
        """The query set of this record's registry and lake."""
        return QuerySet(type(self), self._lake)

    @property
    def notes(self) -> str | None:
        """The latest readme that is attached to the record, as markdown."""
        if "ablocks" not in self.meta.relations or not self._saved:
            return None
        registry = self._lake.directory.get(self.meta.relations["ablocks"].target).meta
        record: Any = self  # of one of the registries that have blocks
        found = record.ablocks.filter(kind="readme")
        if registry.has_branch:
            found = found.filter(branch_uid__in=self._lake.visible_branches)
        readme = found.order_by("uid").last()
        return None if readme is None else str(readme.content)

    # -- saving and deleting -----------------------------------------------------------

    def save(self) -> Self:
        """Save the record: a commit of its own, or part of the open transaction.

        Raises:
            InvalidArgument: It refers to an unsaved record.
            KeyConflict: Another record has a unique value of this one.
            RowConflict: Another process changed the same fields meanwhile.
        """
        with batch_on(self._lake) as batch:
            batch.add(self)
        return self

    def delete(self, permanent: bool | None = None) -> Deleted | None:  # noqa: FBT001 - the peer's
        """Move the record to the trash; delete it for good if it is there already.

        Args:
            permanent: True deletes at once, False only ever moves to the trash.

        Returns:
            What was deleted for good, e.g. `(1, {"lakehouse.ULabel": 1})`; None for the trash.

        Raises:
            ProtectedRecord: Deleting for good, while other records refer to it.
        """
        batch = active_batch(self._lake)
        staged = not self._saved and batch is not None and batch.holds(self)
        if not self._saved and not staged:
            raise InvalidArgument(f"{self!r} isn't saved, so it can't be deleted.")
        if self.meta.has_branch and not permanent:
            # a second call deletes for good, unless somebody has restored it meanwhile
            if self._branch_now() != TRASH:
                with batch_on(self._lake) as batch:
                    self._set("branch_uid", TRASH)
                    batch.add(self)
                return None
            if permanent is False:
                return None
        elif permanent is False:
            raise InvalidArgument(f"{self.meta.name} has no trash.", hint="delete(permanent=True)")
        with batch_on(self._lake) as batch:
            check_unreferenced(self._lake, self.meta, self.uid)
            if staged:  # no row to delete: it isn't saved after all
                batch.withdraw(self)
            else:
                batch.delete(self)
        name = self.meta.name
        return 1, {name if "." in name else f"lakehouse.{name}": 1}

    def _branch_now(self) -> Any:
        """The branch of the record, which somebody may have restored since it was read."""
        branch = self._values.get("branch_uid")
        if branch != TRASH or self._old:
            return branch
        row = self._lake.state.row(self.meta.table, self.uid)
        if row is not None and row["branch_uid"] != TRASH:
            branch = self._values["branch_uid"] = row["branch_uid"]
        return branch

    def restore(self) -> Self:
        """Bring the record back from the trash or the archive.

        It comes back to main, or to the branch that it was made on if that isn't merged yet.

        Raises:
            KeyConflict: Another record has taken its name meanwhile.
        """
        if not self.meta.has_branch:
            raise InvalidArgument(f"{self.meta.name} has no trash.")
        if self._values.get("branch_uid") in (TRASH, ARCHIVE):
            self._set("branch_uid", self._home())
        return self.save()

    def refresh_from_db(self) -> None:
        """Read the saved values again; changes that aren't saved are lost.

        Raises:
            ObjectDoesNotExist: The record was deleted for good.
        """
        row = self._lake.state.row(self.meta.table, self.uid) if self._saved else None
        if row is None:
            raise ObjectDoesNotExist(f"{self!r} isn't in the lake.")
        _assign(self, "_values", row)
        _assign(self, "_old", None)
        _assign(self, "_related", None)
        _assign(self, "_lent", None)

    # -- hooks of the batch ------------------------------------------------------------

    @classmethod
    def _before_save_many(cls, batch: Batch, records: list[Any]) -> None:
        """Called before many records of one class enter a batch, for work done better at once."""

    def _before_save(self, batch: Batch) -> None:
        """Called when the record enters a batch, before its row is staged."""

    def _follow_moved(self, batch: Batch) -> None:
        """Called before each try of the commit, once records turned out to be existing rows.

        Foreign keys follow by themselves; what else of the row names uids is renewed here.
        """

    def _links_changed(self, batch: Batch, relation: Relation) -> None:
        """Called after links that begin at the record were added or removed in a batch."""

    def _after_save(self, batch: Batch) -> None:
        """Called after the commit."""

    def _before_delete(self, batch: Batch) -> None:
        """Called when the record's row is to be deleted for good."""

    def _mark_saved(self) -> None:
        _assign(self, "_saved", True)
        if self._old is not None:
            self._old = None
        if self._dirty:
            self._dirty = False
        if self._lent is not None:
            lent, self._lent = self._lent, None
            for name, (value, _) in lent.items():
                if self._values.get(name) is value:
                    lend(self, name, value)  # it may be changed again

    def _uid_key(self) -> str | None:
        """The unique key that keeps a uid unique which more than one process may choose."""
        uid = self._values.get("uid")
        return None if uid is None else f"{self.meta.table}.uid{KEY_SEPARATOR}{uid}"

    def _renew_uid(self) -> bool:
        """Choose another uid because this one is taken; False if it can't be another."""
        return False


class TrackedRecord(BaseRecord):
    """A record of a registry whose rows are a `TrackedRow`.

    Where it lives and who made it is filled in when it is saved.
    """

    if TYPE_CHECKING:
        branch_uid: FieldDescriptor[str]
        branch: ForeignKeyDescriptor[Branch]
        branch_id: ForeignIdDescriptor[str]
        space_uid: FieldDescriptor[str]
        space: ForeignKeyDescriptor[Space]
        space_id: ForeignIdDescriptor[str]
        created_on_uid: FieldDescriptor[str]
        created_on: ForeignKeyDescriptor[Branch]
        created_on_id: ForeignIdDescriptor[str]
        is_locked: FieldDescriptor[bool]
        created_at: FieldDescriptor[datetime]
        updated_at: FieldDescriptor[datetime]
        created_by_uid: FieldDescriptor[str]
        created_by: ForeignKeyDescriptor[User]
        created_by_id: ForeignIdDescriptor[str]
        run_uid: FieldDescriptor[str | None]
        run: ForeignKeyDescriptor[Run | None]
        run_id: ForeignIdDescriptor[str | None]
