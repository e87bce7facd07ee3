"""Making a record: its fields are checked, and a unique name that exists gives its record."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar

from lakehouse.config import settings
from lakehouse.engine.view import operations
from lakehouse.errors import FieldValidationError
from lakehouse.orm.bootstrap import ARCHIVE, MAIN, TRASH
from lakehouse.orm.context import active_batch
from lakehouse.orm.current import current_lake
from lakehouse.orm.fields import is_blank, together
from lakehouse.orm.meta import TRACKED
from lakehouse.orm.record_values import RecordValues
from lakehouse.orm.signatures import SignatureOfRegistry
from lakehouse.orm.unset import UNSET

if TYPE_CHECKING:
    from lakehouse.orm.batch import Batch

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
                    errors = [*(errors or ()), error]
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
        if batch is not None and (first := batch.staged(meta, values)) is not None:
            self._join(batch, first)
            return
        row = self._lake.matcher.find(meta, values, any_type=any_type)
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
            if self.meta.defaults.get(name) != value:
                self._set(name, value)
