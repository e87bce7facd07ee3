"""The current lake: found, connected to, and used by the module-level functions.

It is the one of the enclosing `with lake:` block, else the one that was connected to, else
the one that `LAKEHOUSE_ROOT` names, else that of the nearest `.lakehouse` folder upward.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from lakehouse.config import notify
from lakehouse.engine.query.view import in_one_view
from lakehouse.errors import InvalidArgument, KeyConflict, LakeNotFound
from lakehouse.io.uris import text_of
from lakehouse.orm.lake.connection import Place, configured_place, remembered
from lakehouse.orm.lake.lake import Lake
from lakehouse.orm.model.builtin import ALL, MAIN
from lakehouse.orm.model.context import active_lake, set_process_lake
from lakehouse.orm.session.batch import Batch, save_all

if TYPE_CHECKING:
    import duckdb
    import polars as pl


def open_lake(root: str | os.PathLike[str], *, db: str | None = None, **options: Any) -> Lake:
    """Open a lake without making it the current one.

    Example:
        >>> lake = open_lake("./my-lake")
        >>> lake.ULabel.filter(name="raw").count()
        1
    """
    return Lake.open(os.fspath(root), db=db, **options)


@in_one_view
def connect(root: str | os.PathLike[str] | None = None, *, db: str | None = None) -> Lake:
    """Connect to a lake: make it the current one of this process.

    Args:
        root: The lake's root, or a folder below it; by default `LAKEHOUSE_ROOT`, else the
            nearest lake upward from the working directory.
        db: URL of the catalog database, where the lake doesn't know it.

    Raises:
        LakeNotFound: There is no lake.
    """
    if root is None:
        place = configured_place()
        if place is None:
            raise LakeNotFound(
                f"There is no lake in {os.getcwd()!r} or above it.",
                hint="lakehouse init --storage ./my-lake, or lakehouse connect ROOT",
            )
        lake = Lake.open(place.root, db=db or place.db, found=place.found)
    else:
        lake = Lake.open(text_of(root), db=db)
    # so that a child process works on the branch of its parent
    return_to(lake, remembered(lake.root))
    set_process_lake(lake)
    return lake


def return_to(lake: Lake, place: Place | None) -> None:
    """Switch a lake to the branch and space that the working directory remembers."""
    if place is None:
        return
    for what, uid in (("branch", place.branch), ("space", place.space)):
        if uid in (MAIN, ALL):
            continue
        # deleted, or of a lake that lay here before: one works on main then
        if lake.engine.state().row(what, uid) is None:
            notify(f"the {what} {uid!r} that {place.folder} remembers is gone", "warning")
        else:
            lake.switch(uid, space=what == "space")


def current_lake() -> Lake:
    """The current lake; the first call connects.

    Raises:
        LakeNotFound: There is no lake to be found.
    """
    return active_lake() or connect()


@in_one_view
def sql(query: str, *args: Any, trusted: bool = False, **params: Any) -> duckdb.DuckDBPyRelation:
    """Run one statement of SQL that reads the current lake; see `Lake.sql`."""
    return current_lake().sql(query, *args, trusted=trusted, **params)


@in_one_view
def scan(name: str) -> pl.LazyFrame:
    """A table or view of the current lake as a polars lazy frame."""
    return current_lake().scan(name)


@in_one_view
def save(
    records: Iterable[Any],
    ignore_conflicts: bool = False,  # noqa: FBT001, FBT002 - the peer's signature
    batch_size: int | None = None,
) -> list[Any]:
    """Save records in one commit, with what they refer to.

    Records of another lake than the current one are saved in theirs.

    Args:
        records: What to save.
        ignore_conflicts: Leave out new records whose unique values are taken, where otherwise
            nothing would be saved.
        batch_size: Accepted for the sake of other code; nothing depends on it.

    Raises:
        InvalidArgument: Something isn't a record; nothing was saved.

    Example:
        >>> save([ULabel(name="a"), ULabel(name="b")])
    """
    if isinstance(records, str) or not isinstance(records, Iterable):
        raise InvalidArgument(
            "Only a list of records can be saved.",
            found=type(records).__name__,
            hint="ln.save([a, b])",
        )
    found = list(records)
    # what isn't a record is refused by save_all, which says at which place it is
    lakes = [r._lake for r in found if hasattr(r, "_lake")]
    lake = lakes[0] if lakes else current_lake()
    try:
        return save_all(lake, found, lambda r: hasattr(r, "_before_save"))
    except KeyConflict:
        if not ignore_conflicts:
            raise
    # one commit is all or nothing, so each is tried by itself
    return [record for record in found if _saved_alone(record)]


def _saved_alone(record: Any) -> bool:
    try:
        record.save()
    except KeyConflict:
        return False
    return True


@contextmanager
def transaction(message: str = "") -> Iterator[Batch]:
    """Group saves and deletes in the current lake into one commit; see `Lake.transaction`."""
    with current_lake().transaction(message) as batch:
        yield batch
