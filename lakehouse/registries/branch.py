"""Branches: `main`, `archive`, `trash`, and those that people make."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any, Literal

from lakehouse.errors import BranchAlreadyExists, InvalidArgument
from lakehouse.orm import BaseRecord, TimedRow
from lakehouse.orm.bootstrap import BUILT_IN
from lakehouse.registries._relations import relations_of

if TYPE_CHECKING:
    from lakehouse.annotation.managers import KeyManager, LinkManager
    from lakehouse.orm import Batch
    from lakehouse.orm.base import Deleted
    from lakehouse.orm.fields import (
        FieldDescriptor,
        ForeignIdDescriptor,
        ForeignKeyDescriptor,
        RelationDescriptor,
    )
    from lakehouse.registries.attached_block import BranchBlock
    from lakehouse.registries.project import Project
    from lakehouse.registries.space import Space
    from lakehouse.registries.ulabel import ULabel
    from lakehouse.registries.user import User

BranchStatus = Literal["standalone", "draft", "review", "merged", "closed"]


class BranchRow(TimedRow):
    """A row of the table `branch`.

    Attributes:
        name: A name that is unique without regard to case.
        description: What the branch is for.
        status: `standalone` (the default), `draft` or `review` while a merge is asked for,
            `merged` or `closed` afterwards.
        name_key: The name in lower case.
        forked_from_uid: The branch that it was made from.
        forked_at: The id of the newest commit when it was made.
        merged_into_uid: The branch that it was merged into.
        merged_at: When it was merged.
        merged_by_uid: Who merged it.
    """

    name: str | None = None
    description: str | None = None
    status: BranchStatus | None = "standalone"
    created_by_uid: str | None = None
    space_uid: str | None = None
    name_key: str | None = None
    forked_from_uid: str | None = None
    forked_at: str | None = None
    merged_into_uid: str | None = None
    merged_at: datetime | None = None
    merged_by_uid: str | None = None


class Branch(
    BaseRecord,
    row=BranchRow,
    unique=(("name",), ("name_key",)),
    match=(("name",),),
    required=("name",),
    foreign_keys={"forked_from": "Branch", "merged_into": "Branch", "merged_by": "User"},
    relations=relations_of("Branch"),
):
    """Where records are visible; the well-known ones have their names as uids.

    Queries see the records of `main` and of the current branch. `archive` hides records,
    `trash` hides them until they are deleted. Other branches hold work that isn't everybody's
    yet: records made on one, and its edits of records on main, show on main when it is merged.

    Args:
        name: A name, unique without regard to case.
        description: What the branch is for.

    Raises:
        BranchAlreadyExists: There is one whose name differs in case only.

    Example:
        >>> ln.setup.switch("clean-up", create=True)
        >>> ULabel(name="only on the branch").save()
        >>> ln.setup.switch("main")
        >>> ln.setup.merge("clean-up")
        >>> Branch.get(name="clean-up").status
        'merged'
    """

    if TYPE_CHECKING:
        created_at: FieldDescriptor[datetime]
        updated_at: FieldDescriptor[datetime]
        name: FieldDescriptor[str]
        description: FieldDescriptor[str | None]
        status: FieldDescriptor[BranchStatus | None]
        created_by_uid: FieldDescriptor[str]
        created_by: ForeignKeyDescriptor[User]
        created_by_id: ForeignIdDescriptor[str]
        space_uid: FieldDescriptor[str]
        space: ForeignKeyDescriptor[Space]
        space_id: ForeignIdDescriptor[str]
        name_key: FieldDescriptor[str | None]
        forked_from_uid: FieldDescriptor[str | None]
        forked_from: ForeignKeyDescriptor[Branch | None]
        forked_from_id: ForeignIdDescriptor[str | None]
        forked_at: FieldDescriptor[str | None]
        merged_into_uid: FieldDescriptor[str | None]
        merged_into: ForeignKeyDescriptor[Branch | None]
        merged_into_id: ForeignIdDescriptor[str | None]
        merged_at: FieldDescriptor[datetime | None]
        merged_by_uid: FieldDescriptor[str | None]
        merged_by: ForeignKeyDescriptor[User | None]
        merged_by_id: ForeignIdDescriptor[str | None]
        users: RelationDescriptor[LinkManager[User]]
        ulabels: RelationDescriptor[LinkManager[ULabel]]
        projects: RelationDescriptor[LinkManager[Project]]
        ablocks: RelationDescriptor[KeyManager[BranchBlock]]

        def __init__(
            self,
            name: str | None = None,
            *,
            description: str | None = None,
            status: BranchStatus | None = "standalone",
            uid: str | None = None,
            space: Space | None = None,
            created_by: User | None = None,
        ) -> None: ...

    _named = ("description", "status", "uid", "space", "created_by")

    def _construct(self, name: str | None = None, **fields: Any) -> None:
        super().__init__(name=name, **fields)
        if not self._saved:
            self._check_case()

    if not TYPE_CHECKING:
        __init__ = _construct

    def _check_case(self) -> None:
        name = str(self._values["name"])
        for row in self._lake.state.arrow("branch").select(["uid", "name"]).to_pylist():
            other = str(row["name"])
            if row["uid"] != self._values.get("uid") and other.lower() == name.lower():
                raise BranchAlreadyExists(
                    f"There is a branch {other!r} already; names differ by more than case.",
                    found=repr(name),
                    hint=f"ln.setup.switch({other!r})",
                )

    def _before_save(self, batch: Batch) -> None:
        lake, values = self._lake, self._values
        if self._saved:
            if self.uid in BUILT_IN and self._old and {"name", "status"} & self._old.keys():
                raise InvalidArgument(
                    f"The built-in branch {self.uid!r} keeps its name and status."
                )
            if self._old and "name" in self._old:
                self._check_case()
        else:
            for column, value in lake.fork_point().items():
                values.setdefault(column, value)
        self._set("name_key", str(values["name"]).lower())

    def delete(self, permanent: bool | None = None) -> Deleted | None:  # noqa: FBT001 - the peer's
        """Remove the branch for good, if it is empty; there is no trash for branches.

        A branch that records are on, or were made on, is kept, so that it stays traceable where
        a change came from; its status says that it is closed.

        Raises:
            InvalidArgument: It is built in, or `permanent` is False.
            ProtectedRecord: Records are on it, or were made on it.
        """
        if self.uid in BUILT_IN:
            raise InvalidArgument(f"The built-in branch {self.uid!r} can't be deleted.")
        return super().delete(permanent=permanent)
