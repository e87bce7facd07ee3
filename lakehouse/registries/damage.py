"""Damage that only registries know of: rows that name missing rows, artifacts without their bytes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from lakehouse.engine.commit.references import dangling
from lakehouse.engine.health import damage as kinds
from lakehouse.engine.health.damage import Damage
from lakehouse.errors import ContentChanged, LakeCorrupt, LakehouseError
from lakehouse.registries.artifact.stored import difference_at, place_of, tags_naming
from lakehouse.storage import StorageLocation

if TYPE_CHECKING:
    from lakehouse.engine import State
    from lakehouse.engine.health.check import TableCheck
    from lakehouse.orm.lake.directory import Directory

_SHOWN = 50  # rows named per column; the others are counted


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
            state, found, rows = _dangling_now(check, state, table, directory)
            if found and (newer := check.state()) is not None and newer.seq != state.seq:
                # rows that were written and removed between two reads name each other
                state, again, rows = _dangling_now(check, newer, table, directory)
                found = [d for d in found if d in set(again)]
            check.report.damages += found
            check.report.checked["references"] += rows
    if "artifact" in check.whole and "storage" in check.whole:
        _check_bytes(check, state)


def _dangling_now(
    check: TableCheck, state: State, table: str, directory: Directory
) -> tuple[State, list[Damage], int]:
    """What dangles in a table, of a newer state where gc has taken the one that was read."""
    while True:
        try:
            return (
                state,
                list(_dangling(state, table, directory, check.whole)),
                state.count(table),
            )
        except LakeCorrupt:
            newer = check.state()
            if newer is None or newer.seq == state.seq:
                raise
            state = newer


def _dangling(state: State, table: str, directory: Directory, whole: set[str]) -> Iterator[Damage]:
    rows = state.arrow(table)

    def uids_of(target: str) -> pa.Array | None:
        if target not in state.pointers:
            return pa.array([], pa.string())
        # that a table can't be read is told already
        return state.arrow(target)["uid"].combine_chunks() if target in whole else None

    for reference in directory.references(table):
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
    gone: set[str] = set()
    tagged = _tagged(check, state)
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
            if at is not state and _was_given_up(state, tagged, row):
                gone.add(row["uid"])
                continue
            found = _damage_of(row, roots, deep=check.deep)
            if found is not None and _still_there(check, state, at, row):
                check.report.damages.append(found)
            check.report.checked["artifacts"] += 1
    if gone:
        check.report.notes.append(
            f"past commits name bytes of {len(gone)} artifacts that were replaced at their key or "
            "deleted for good since, and weren't checked"
        )


def _tagged(check: TableCheck, state: State) -> dict[str, State]:
    """The tagged states, by tag; only a deep check looks at the past."""
    catalog = check.site.catalog
    if not check.deep or catalog is None:
        return {}
    found = catalog.tags().items()
    return {name: state.beside(seq, catalog.pointers_at(seq)) for name, seq in found}


def _was_given_up(state: State, tagged: Mapping[str, State], row: Mapping[str, Any]) -> bool:
    """Whether the bytes that a past state names may be gone since somebody wanted that.

    Deleting an artifact for good removes bytes that no tag names; what lies under a real key is
    replaced there.
    """
    now = state.row("artifact", row["uid"])
    if not row["key_is_virtual"]:
        return now is None or now["hash"] != row["hash"]
    with suppress(LakehouseError):  # a tagged state that can't be read is told already
        return now is None and not tags_naming(tagged, row)
    return False


def _artifact_rows(
    check: TableCheck, state: State
) -> Iterator[tuple[State, Iterator[dict[str, Any]]]]:
    """The rows of artifacts in the newest state, and in a deep check in all that are kept."""
    yield state, _plain(state)
    catalog = check.site.catalog
    if not check.deep or catalog is None:
        return
    damaged = {d.version for d in check.report.damages}
    done = {state.pointers.get("artifact")}
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
    wanted = ["uid", "key", "key_is_virtual", "size", "hash", "n_files"]
    wanted += ["storage_uid", "storage_key", "created_at", "updated_at"]
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
    location = StorageLocation(root)
    uri = location.uri(row["storage_key"])
    try:
        key = place_of(row, location)
        uri = location.uri(key)
        other, _ = difference_at(location, key, row, by_hash=deep)
    except ContentChanged as error:
        return Damage(kinds.CHANGED, name, str(error), "artifact")
    except LakehouseError as error:
        return Damage(kinds.MISSING, name, f"{uri} can't be read: {error}", "artifact")
    if other is None:
        return None
    if other.size is None:
        return Damage(kinds.MISSING, name, other.found, "artifact")
    short = row["size"] is not None and other.size < row["size"]
    kind = kinds.TRUNCATED if short else kinds.CHANGED
    return Damage(kind, name, f"{other.found} at {uri} instead of {other.expected}", "artifact")
