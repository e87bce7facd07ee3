"""What a lake knows of branches and spaces: the current ones, and what is seen on them."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any, cast

from lakehouse.engine.query.view import operations
from lakehouse.errors import (
    BranchAlreadyExists,
    InvalidArgument,
    ObjectDoesNotExist,
    ReadOnlyLake,
    TypeMismatch,
    near,
)
from lakehouse.orm.branches import merge
from lakehouse.orm.branches.diff import Diff
from lakehouse.orm.branches.refs import diff_of
from lakehouse.orm.model import builtin as bootstrap
from lakehouse.orm.model.context import active_batch
from lakehouse.orm.view import edits
from lakehouse.orm.view.edits import BranchState, Edits

if TYPE_CHECKING:
    from lakehouse.engine import Commit, Engine, State
    from lakehouse.orm.lake.directory import Directory
    from lakehouse.orm.lake.lake import Lake

Ref = str | int | datetime


@operations
class Branching:
    """The part of a lake that has to do with branches and spaces.

    Attributes:
        branch_uid: The uid of the current branch.
        space_uid: The uid of the current space.
    """

    engine: Engine
    directory: Directory
    branch_uid: str = bootstrap.MAIN
    space_uid: str = bootstrap.ALL
    _storage_uid: str | None = None
    _pinned: State | None
    _view: tuple[State, str, BranchState] | None = None

    # -- where one is ------------------------------------------------------------------

    @property
    def branch(self) -> Any:
        """The current branch, as a record."""
        return self._record("Branch", self.branch_uid)

    @property
    def space(self) -> Any:
        """The current space, as a record."""
        return self._record("Space", self.space_uid)

    @property
    def storage_uid(self) -> str:
        """The uid of the default storage location."""
        return self._storage_uid or str(self.engine.info["storage_uid"])

    @property
    def storage(self) -> Any:
        """The default storage location, as a record."""
        return self._record("Storage", self.storage_uid)

    def use_storage(self, place: Any, host: str | None = None) -> Any:
        """Let new artifacts of this lake object go to a storage location, made if it's new.

        Args:
            place: The location: the record, a folder or a URI.
            host: The machine that a local folder is on.

        Returns:
            The location.
        """
        registry = self.directory.get("Storage")
        found = place if isinstance(place, registry) else registry(root=place, host=host)
        if not found._saved:
            found.save()
        self._storage_uid = found.uid
        return found

    def _record(self, registry: str, uid: str) -> Any:
        cls = self.directory.get(registry)
        row = self.state.row(cls.meta.table, uid)
        if row is None:
            raise ObjectDoesNotExist(f"There is no {registry} {uid!r}.")
        return cls._from_row(self, row)

    @property
    def visible_branches(self) -> tuple[str, ...]:
        """The branches that queries see unless they say otherwise."""
        main = bootstrap.MAIN
        return (main,) if self.branch_uid == main else (main, self.branch_uid)

    def fork_point(self) -> dict[str, Any]:
        """What a branch that is made now keeps of where it began."""
        return {
            "forked_from_uid": self.branch_uid,
            "forked_at": self.state.commit_id,
            "space_uid": self.space_uid,
        }

    def switch(self, target: Any, *, space: bool = False, create: bool = False) -> Any:
        """Switch to a branch or a space: the current one of this lake object.

        New records go to the current branch, and queries see it beside main. Edits of main's
        records that are made on another branch are seen there only, until it is merged.

        Args:
            target: A branch or space: the record, its name or its uid.
            space: Switch the space instead of the branch.
            create: Make the branch first.

        Returns:
            The branch or space.

        Raises:
            BranchAlreadyExists: `create`, and there is such a branch.
            ObjectDoesNotExist: There is none.
        """
        # what it has staged was stamped and matched on the branch it began on
        if active_batch(cast("Lake", self)) is not None:
            raise InvalidArgument("A transaction is open.", hint="switch before it, or after")
        if space:
            if create:
                raise InvalidArgument(
                    "Only branches are made by switching.", hint=f"ln.Space(name={target!r}).save()"
                )
            found = self.named("Space", target)
            self.space_uid = found.uid
            return found
        if create:
            found = self._make_branch(target)
        else:
            found = self.named("Branch", target)
        if found.uid in (bootstrap.TRASH, bootstrap.ARCHIVE):
            raise InvalidArgument(
                f"Nobody works on the branch {found.name!r}.",
                hint=f"to see its records: filter(branch__name={found.name!r})",
            )
        self.branch_uid = found.uid
        # the same name may be another record's on this branch
        cast("Lake", self).matcher.forget()
        return found

    def _make_branch(self, target: Any) -> Any:
        if self._pinned is not None:
            raise ReadOnlyLake("This lake is bound to a past state and takes no writes.")
        lake, made = cast("Lake", self), target
        if not isinstance(target, (str, self.directory.get("Branch"))):
            raise TypeMismatch(
                "A new branch is given by its name.",
                found=f"{target!r} ({type(target).__name__})",
                hint="ln.setup.switch('name', create=True)",
            )
        name = target if isinstance(target, str) else target._values.get("name")
        rows = self.engine.state().arrow("branch")
        if isinstance(target, str) and name in rows["name"].to_pylist():
            made = self.named("Branch", name)
        elif isinstance(target, str):
            made = lake.Branch(name=name)
        if made._saved:
            raise BranchAlreadyExists(
                f"The branch {name!r} exists already.",
                hint=f"ln.setup.switch({name!r}), without create=True",
            )
        return made.save()

    def named(self, registry: str, target: Any) -> Any:
        """A branch or space: the record, its name or its uid.

        Raises:
            ObjectDoesNotExist: There is none.
        """
        cls = self.directory.get(registry)
        if isinstance(target, cls):
            if not target._saved:
                raise InvalidArgument(f"{target!r} isn't saved.", hint="save() it first")
            return target
        rows = self.state.arrow(cls.meta.table).select(["uid", "name"]).to_pylist()
        # names first, in case that a name is the uid of another
        for column in ("name", "uid"):
            for row in rows:
                if row[column] == target:
                    return self._record(registry, row["uid"])
        names = [r["name"] for r in rows]
        option = (
            f"to make it: ln.setup.switch({target!r}, create=True), or "
            f"lakehouse switch --create {target}"
        )
        option = option if registry == "Branch" else f"ln.Space(name={target!r}).save() makes it"
        raise ObjectDoesNotExist(
            f"There is no {registry.lower()} {target!r}.",
            expected=", ".join(near(str(target), names) or sorted(names)[:20]),
            hint=option if target and isinstance(target, str) else None,
        )

    # -- what one sees there -----------------------------------------------------------

    @property
    def state(self) -> State:
        """The newest state, or the one that the lake is bound to, as the branch sees it."""
        base = self._pinned or self.engine.state()
        # nothing is laid over on main, where branches cost nothing
        if self.branch_uid == bootstrap.MAIN:
            return base
        known = self._view
        # a state is one object as long as nobody commits, so edits are laid over it once
        if known is None or known[0] is not base or known[1] != self.branch_uid:
            known = self._view = (base, self.branch_uid, self._seen(base, known))
        return known[2]

    def _seen(self, base: State, before: tuple[State, str, BranchState] | None) -> BranchState:
        if before is not None and before[1] == self.branch_uid:
            old, new = before[0].pointers.get(edits.TABLE), base.pointers.get(edits.TABLE)
            if old == new:
                return before[2].follow(base)  # others' commits leave the edits as they are
        found = edits.edits_of(base, self.engine.specs, self.branch_uid)
        return BranchState(base, self.engine.specs, self.branch_uid, found)

    @property
    def edits(self) -> Edits:
        """The current branch's edits of main's records."""
        state = self.state
        return state._edits if isinstance(state, BranchState) else {}

    @property
    def view_key(self) -> str:
        """What tells the views of one state on several branches apart."""
        if self.branch_uid == bootstrap.MAIN:
            return ""
        # an edit changes what is seen of a table whose own pointer stays
        return f"@{self.branch_uid}{self.state.pointers.get(edits.TABLE, '')}"

    @property
    def branch_stamps(self) -> Mapping[str, Any]:
        """Where new records are."""
        branch = self.branch_uid
        return {"branch_uid": branch, "created_on_uid": branch, "space_uid": self.space_uid}

    # -- comparing and merging ---------------------------------------------------------

    def diff(self, a: Any, b: Any = None, *, registry: Any = None) -> Diff:
        """Compare two states of the lake: what was added, removed and changed.

        Args:
            a: A commit id or number, a tag, a moment, or a branch.
            b: Another one; by default the newest state, with the rows of all branches. A
                branch gives what is seen on it. For a branch and `"main"`, in either
                order, the difference is what merging the branch would change.
            registry: Only this registry, or these.

        Returns:
            The added, removed and changed rows of each registry.

        Example:
            >>> lake.diff("before-cleanup", "after").to_polars()
            >>> lake.diff("my-branch", "main")["ULabel"].added
        """
        return diff_of(cast("Lake", self), a, b, registry)

    def merge(
        self, branch: Any, *, prefer: str | None = None, dry_run: bool = False
    ) -> Commit | Diff | None:
        """Merge a branch's records and edits into the current branch, in one commit.

        Args:
            branch: The branch: the record, its name or its uid.
            prefer: Whose value counts where both sides changed a field or made versions:
                `"branch"` or `"main"`; by default that is a conflict.
            dry_run: Only return what merging would change, with the conflicts in it.

        Returns:
            The commit; None if there is nothing to merge; with `dry_run` the difference.

        Raises:
            MergeConflict: Both sides changed the same name, key or field; nothing was merged.
            RowConflict: Another process has merged the branch meanwhile.
            MissingExtra: The lake has registries of an extension that isn't installed.
        """
        return merge.merge(cast("Lake", self), branch, prefer=prefer, dry_run=dry_run)
