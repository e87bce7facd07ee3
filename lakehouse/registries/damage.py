"""Damage that only registries know of: rows that name missing rows, artifacts without their bytes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from lakehouse import storage
from lakehouse.engine import damage as kinds
from lakehouse.engine.damage import Damage
from lakehouse.engine.references import Reference, dangling
from lakehouse.errors import LakehouseError
from lakehouse.orm.meta import table_name
from lakehouse.storage import StorageLocation

if TYPE_CHECKING:
    from lakehouse.engine import State
    from lakehouse.engine.check import TableCheck
    from lakehouse.orm.directory import Directory

_SHOWN = 50  # rows named per column; the others are counted
_NARROW: dict[str, list[Reference]] = {
    "feature_value": [
        Reference("subject_uid", None, essential=True),
        Reference("feature_uid", "feature", essential=True),
        Reference("created_by_uid", "user"),
    ],
    "artifact_snapshot": [
        Reference("artifact_uid", "artifact", essential=True),
        Reference("snapshot_uid", "snapshot", essential=True),
    ],
    "snapshot_column": [Reference("snapshot_uid", "snapshot", essential=True)],
    "branch_edit": [
        Reference("branch_uid", "branch", essential=True),
        Reference("target_uid", None, essential=True),
    ],
}
_NEEDED = ("storage", "branch", "space", "created_on")  # a record without them means something else


def find(check: TableCheck, directory: Directory) -> None:
    """Add what is damaged to a check's report.

    Args:
        check: The check, whose tables were looked at already.
        directory: The registries.
    """
    state = check.state()
    if state is None:
        return
    for table in state.tables:
        if table in check.whole:
            check.progress("references", 1)
            found = list(_dangling(state, table, directory, check.whole))
            if found and (newer := check.state()) is not None and newer.seq != state.seq:
                # rows that were written and removed between two reads name each other
                found = [
                    d for d in found if d in set(_dangling(newer, table, directory, check.whole))
                ]
            check.report.damages += found
            check.report.checked["references"] += state.count(table)
    if "artifact" in check.whole and "storage" in check.whole:
        _check_bytes(check, state)


def references(table: str, directory: Directory) -> list[Reference]:
    """The columns of a table that name rows of others."""
    if table in _NARROW:
        return _NARROW[table]
    if table in directory.by_table:
        meta = directory.by_table[table].meta
        return [
            Reference(f"{name}_uid", table_name(to), replaceable=name not in _NEEDED)
            for name, to in meta.foreign_keys.items()
        ]
    if table.endswith("_link"):
        subject = table.removesuffix("_link")
        return [
            Reference(
                "subject_uid", subject if subject in directory.by_table else None, essential=True
            ),
            Reference("target_uid", None, essential=True),
            Reference("feature_uid", "feature", essential=True),
            Reference("created_by_uid", "user"),
            Reference("run_uid", "run"),
        ]
    return []


def _dangling(state: State, table: str, directory: Directory, whole: set[str]) -> Iterator[Damage]:
    rows = state.arrow(table)

    def uids_of(target: str) -> pa.Array | None:
        if target not in state.pointers:
            return pa.array([], pa.string())
        # that a table can't be read is told already
        return state.arrow(target)["uid"].combine_chunks() if target in whole else None

    for reference in references(table, directory):
        column = reference.column
        if column not in rows.column_names:
            continue
        for to, places in dangling(rows, reference, uids_of).items():
            shown = rows.select(["uid", column]).take(places.slice(0, _SHOWN))
            for row in shown.to_pylist():
                detail = f"names {to} {row[column]!r}, which isn't there"
                yield Damage(kinds.DANGLING, f"{table} {row['uid']}.{column}", detail, table)
            if len(places) > _SHOWN:
                more = f"{len(places) - _SHOWN} more rows name missing rows of {to}"
                yield Damage(kinds.DANGLING, f"{table}.{column}", more, table)


def _check_bytes(check: TableCheck, state: State) -> None:
    """Compare stored bytes with what the rows of artifacts say of them."""
    seen: set[tuple[str, str, str]] = set()
    for at, rows in _artifact_rows(check, state):
        roots = {
            r["uid"]: r["root"] for r in at.arrow("storage").select(["uid", "root"]).to_pylist()
        }
        if (own := check.site.info.get("storage_uid")) is not None:
            roots[own] = check.site.root  # the lake may have been moved since
        for row in rows:
            mark = row["storage_uid"], row["storage_key"], row["hash"]
            if mark in seen or row["storage_key"] is None:
                continue
            seen.add(mark)
            check.progress("artifacts", 1)
            found = _damage_of(row, roots, deep=check.deep)
            if found is not None and _still_there(check, state, at, row):
                check.report.damages.append(found)
            check.report.checked["artifacts"] += 1


def _artifact_rows(
    check: TableCheck, state: State
) -> Iterator[tuple[State, Iterator[dict[str, Any]]]]:
    """The rows of artifacts in the newest state, and in a deep check in all that are kept."""
    yield state, _plain(state)
    catalog = check.site.catalog
    if not check.deep or catalog is None:
        return
    damaged = {d.version for d in check.report.damages}
    done = {state.pointers["artifact"]}
    for table, seq, location in catalog.locations():
        if table != "artifact" or location in done or location in damaged:
            continue
        done.add(location)
        past = state.beside(seq, catalog.pointers_at(seq))
        try:
            past.version("storage").rows, past.version("artifact").rows
            yield past, _plain(past)
        except LakehouseError as error:
            check.report.notes.append(f"artifacts of commit {seq} weren't checked: {error.message}")


def _plain(state: State) -> Iterator[dict[str, Any]]:
    wanted = ["uid", "key", "size", "hash", "n_files", "storage_uid", "storage_key", "suffix"]
    for batch in state.arrow("artifact").select(wanted).to_batches(max_chunksize=1_000):
        yield from batch.to_pylist()


def _still_there(check: TableCheck, state: State, at: State, row: Mapping[str, Any]) -> bool:
    """Whether a row whose bytes are damaged is still as it was: writers go on meanwhile."""
    if at is not state or (newer := check.state()) is None or newer.seq == state.seq:
        return True
    now = newer.row("artifact", row["uid"])
    return now is not None and all(now[n] == row[n] for n in ("storage_key", "hash", "size"))


def _damage_of(row: Mapping[str, Any], roots: Mapping[str, str], *, deep: bool) -> Damage | None:
    name = f"artifact {row['uid']}" + (f" ({row['key']})" if row["key"] else "")
    root = roots.get(row["storage_uid"])
    if root is None:
        return None  # told as a dangling reference
    place = StorageLocation(root)
    uri = place.uri(row["storage_key"])
    options = dict(place.options) or None
    try:
        if not storage.exists(uri, options=options):
            return Damage(kinds.MISSING, name, f"nothing at {uri}", "artifact")
        size = storage.stat_size(uri, options=options)
        if row["size"] is not None and size != row["size"]:
            kind = kinds.TRUNCATED if size < row["size"] else kinds.CHANGED
            return Damage(kind, name, f"{size} bytes at {uri} instead of {row['size']}", "artifact")
        if (
            deep
            and row["hash"]
            and (found := storage.hash_path(uri, options=options).hash) != row["hash"]
        ):
            detail = f"the content hash at {uri} is {found} instead of {row['hash']}"
            return Damage(kinds.CHANGED, name, detail, "artifact")
    except LakehouseError as error:
        return Damage(kinds.MISSING, name, f"{uri} can't be read: {error}", "artifact")
    return None
