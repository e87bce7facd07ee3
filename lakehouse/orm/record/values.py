"""The values of a record: its columns, and the records that its foreign keys refer to."""

from __future__ import annotations

from copy import deepcopy
from typing import TYPE_CHECKING, Any, ClassVar, Self

from lakehouse.engine.query.view import operations
from lakehouse.errors import (
    FieldValidationError,
    InvalidArgument,
    ObjectDoesNotExist,
)
from lakehouse.identity import new_uid
from lakehouse.orm.model.builtin import ALL, BUILT_IN, MAIN
from lakehouse.orm.model.checks import check_same_lake
from lakehouse.orm.model.context import active_batch
from lakehouse.orm.model.meta import TRACKED, is_blank

if TYPE_CHECKING:
    from lakehouse.orm.lake.lake import Lake
    from lakehouse.orm.model.meta import RegistryMeta, UidDescriptor


_OWN = ("_values", "_old")


@operations
class RecordValues:
    """The part of a record that holds values."""

    meta: ClassVar[RegistryMeta]

    # the life of one record; the values lie in `_values` of every instance
    _values: dict[str, Any]
    _lake: Lake
    _saved: bool = False
    _dirty: bool = False  # unsaved changes beside the columns, set by subclasses
    _old: dict[str, Any] | None = None  # changed columns → their saved values
    _related: dict[str, Any] | None = None
    _lent: dict[str, tuple[Any, Any]] | None = None  # read dictionaries → what they were like

    if TYPE_CHECKING:
        uid: UidDescriptor

    @property
    def id(self) -> str:
        """The uid, under the peer's name."""
        return str(self.uid)

    @property
    def pk(self) -> str:
        """The uid, under Django's name."""
        return str(self.uid)

    def _ensure_uid(self) -> str:
        values = self._values
        uid = values.get("uid")
        if uid is None:
            uid = values["uid"] = new_uid() + ("0000" if self.meta.versioned else "")
        return str(uid)

    def _set(self, name: str, value: Any) -> None:
        """Change a column; the saved value is kept until the change is saved."""
        values = self._values
        if name in self.meta.required and (value is None or is_blank(value)):
            raise FieldValidationError(
                f"{self.meta.name} needs the field {name!r}.", found=repr(value), field=name
            )
        if self._related and name.endswith("_uid"):
            self._related.pop(name.removesuffix("_uid"), None)
        if self._saved:
            before = values.get(name)
            if before == value and type(before) is type(value):
                return
            if self._old is None:
                self._old = {}
            self._old.setdefault(name, before)
        values[name] = value

    def _get_related(self, name: str) -> Any:
        uid = self._values.get(f"{name}_uid")
        if uid is None and self._saved and name == "space":
            uid = ALL  # a row from before there were spaces
        if uid is None and not self._saved and f"{name}_uid" in TRACKED:
            uid = self._lake.branch_stamps.get(f"{name}_uid")  # where it will be saved
        if uid is None:
            return None
        known = self._related.get(name) if self._related else None
        if known is not None and known.uid == uid:
            return known
        target = self._lake.directory.get(self.meta.foreign_keys[name])
        batch = active_batch(self._lake)
        if batch is not None and (staged := batch.staged_uid(target.meta.table, uid)) is not None:
            return staged
        row = self._lake.state.row(target.meta.table, uid)
        if row is None:
            raise ObjectDoesNotExist(
                f"{self!r} refers to a {target.meta.name} that is gone.", found=uid
            )
        return target._from_row(self._lake, row)

    def _set_related(self, name: str, value: Any) -> None:
        if value is None:
            self._set(f"{name}_uid", None)
            return
        registry = self.meta.foreign_keys[name]
        target = self._lake.directory.get(registry)
        if not isinstance(value, target):
            raise InvalidArgument(
                f"The field {name!r} of {self.meta.name} takes a record of {registry}.",
                found=f"{value!r} ({type(value).__name__})",
                expected=f"a {registry}",
                hint=f"{registry}.get({target.meta.name_field}=…)",
            )
        hint = f"get it from the same lake, e.g. lake.{registry}.get(…)"
        check_same_lake(value, self._lake, f"the {self.meta.name}", hint=hint)
        self._set(f"{name}_uid", value.uid)
        if self._related is None:
            self._related = {}
        self._related[name] = value

    def __copy__(self) -> Self:
        """Another object of the same record, whose changes are its own."""
        new = type(self).__new__(type(self))
        for name, value in self.__dict__.items():
            object.__setattr__(new, name, deepcopy(value) if name in _OWN else value)
        return new

    def __deepcopy__(self, memo: Any) -> Self:
        return self.__copy__()

    if not TYPE_CHECKING:  # to type checkers a name that isn't annotated is an error

        def __getattr__(self, name: str) -> Any:
            if name.startswith("_"):
                raise AttributeError(name)
            raise self.meta.unknown(name, "field or method")

        def __setattr__(self, name: str, value: Any) -> None:
            if not name.startswith("_") and not hasattr(type(self), name):
                raise self.meta.unknown(name)
            object.__setattr__(self, name, value)

    def __eq__(self, other: object) -> bool:
        if self is other:
            return True
        if not isinstance(other, RecordValues):
            return NotImplemented
        return self.meta is other.meta and self.uid == other.uid

    def __hash__(self) -> int:
        return hash((self.meta.name, self.uid))

    def _branch_name(self) -> str:
        uid = str(self._values["branch_uid"])
        row = None if uid in BUILT_IN else self._lake.state.row("branch", uid)
        return uid if row is None else str(row["name"])

    def _home(self) -> str:
        """The branch that a hidden record comes back to."""
        made = self._values.get("created_on_uid") or MAIN
        row = None if made == MAIN else self._lake.state.row("branch", made)
        return made if row is not None and row["status"] not in ("merged", "closed") else MAIN

    def __repr__(self) -> str:
        meta, values = self.meta, self._values
        shown = [f"uid={self.uid!r}"]
        if meta.name_field != "uid" and meta.name_field in meta.fields:
            shown.append(f"{meta.name_field}={_short(values.get(meta.name_field))}")
        if values.get("branch_uid") not in (None, MAIN):
            shown.append(f"branch={self._branch_name()!r}")
        return f"{meta.cls.__name__}({', '.join(shown)})"


def _short(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 120 else text[:117] + "…"
