"""What belongs to an artifact, where it is erased from all kept states: rows, bytes and copies."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

import orjson
import pyarrow as pa
import pyarrow.compute as pc

from lakehouse import storage
from lakehouse.config import settings
from lakehouse.engine.history.erasure import Doomed, Match
from lakehouse.errors import ObjectDoesNotExist
from lakehouse.identity import UID_LENGTH, VERSION_LENGTH
from lakehouse.orm.session.erasure import Bytes, Plan
from lakehouse.orm.session.links import VALUES
from lakehouse.orm.view.edits import TABLE as EDITS
from lakehouse.orm.view.edits import encode
from lakehouse.registries.artifact.place import location_of, locations
from lakehouse.registries.artifact.row import MANAGED
from lakehouse.registries.artifact.stored import is_owned, why_not
from lakehouse.registries.artifact.sweep import listed
from lakehouse.storage import CacheDir

if TYPE_CHECKING:
    from lakehouse.orm import Lake

_ARTIFACT = "artifact"
_LINKS = "artifact_link"
_SNAPSHOTS = "artifact_snapshot"
_SHORT = 4  # shorter texts are in too many messages by chance
_WANTED = (
    "uid", "key", "description", "hash", "size", "storage_uid", "storage_key", "key_is_virtual",
)  # fmt: skip


def plan(lake: Lake, uid: str) -> Plan | None:
    """What is to go with an artifact; None where nothing is known of it.

    Args:
        lake: The lake.
        uid: Its uid, or the first 16 characters for all versions.
    """
    if len(uid) not in (UID_LENGTH, UID_LENGTH + VERSION_LENGTH):
        return None
    rows, others = _rows(lake, uid)
    uids = tuple(sorted({row["uid"] for row in rows}))
    if not uids:
        return None
    parts = _parts(lake, uids)
    snapshots = _snapshots(lake, uids)
    matches = [
        Match(_ARTIFACT, "uid", uids),
        Match(_SNAPSHOTS, "artifact_uid", uids),
        Match("snapshot", "uid", snapshots, unless=(_SNAPSHOTS, "snapshot_uid")),
        Match("snapshot_column", "snapshot_uid", snapshots, unless=(_SNAPSHOTS, "snapshot_uid")),
        *_belongings(lake, _ARTIFACT, uids),
        *_references(lake, uids),
    ]
    for table, own in parts.items():
        matches += [Match(table, "uid", own), *_belongings(lake, table, own)]
    doomed = Doomed(
        tuple(matches),
        (*uids, *snapshots, *(part for own in parts.values() for part in own)),
        _words(lake, rows, uids),
    )
    shared = {(row["storage_uid"], row["storage_key"]) for row in others}
    places = {
        (row["storage_uid"], row["storage_key"]): bool(row["key_is_virtual"])
        for row in rows
        if row["storage_key"]
    }
    things = {
        "uids": uids,
        "places": [
            [*place, virtual or place[1].startswith(f"{MANAGED}/"), place in shared]
            for place, virtual in places.items()
        ],
        "hashes": sorted({row["hash"] for row in rows if row["hash"]}),
    }
    return Plan(uids, doomed, things, tuple(_stays(lake, uid, uids, others)))


def _rows(lake: Lake, uid: str) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """The rows of an artifact in all data files on disk.

    Returns:
        Its rows, and those of others that are its versions or have bytes at one of its places.
    """
    own: list[dict[str, Any]] = []
    others: list[dict[str, Any]] = []
    for rows in _artifacts(lake):
        own += rows.filter(pc.starts_with(rows["uid"], uid)).to_pylist()
    places = pa.array(
        sorted({row["storage_key"] for row in own if row["storage_key"]}), pa.string()
    )
    for rows in _artifacts(lake) if own else ():
        near = pc.or_(
            pc.starts_with(rows["uid"], uid[:UID_LENGTH]),
            pc.is_in(rows["storage_key"], value_set=places),
        )
        mask = pc.and_(near, pc.invert(pc.starts_with(rows["uid"], uid)))
        others += rows.filter(mask).to_pylist()
    return own, others


def _artifacts(lake: Lake) -> Iterator[pa.Table]:
    for table in lake.engine.eraser().rows_on_disk(_ARTIFACT):
        if "uid" in table.column_names:
            absent = pa.nulls(table.num_rows, pa.string())
            known = {name: table[name] for name in _WANTED if name in table.column_names}
            yield pa.table({name: known.get(name, absent) for name in _WANTED})


def _held(lake: Lake, table: str, column: str, values: Iterable[str]) -> list[dict[str, Any]]:
    """Rows in all data files on disk that have one of some values in a column."""
    wanted = pa.array(list(values), pa.string())
    out: list[dict[str, Any]] = []
    for rows in lake.engine.eraser().rows_on_disk(table):
        if column in rows.column_names:
            out += rows.filter(pc.is_in(rows[column], value_set=wanted)).to_pylist()
    return out


def _parts(lake: Lake, uids: Iterable[str]) -> dict[str, tuple[str, ...]]:
    """The uids of records that are parts of an artifact, such as its readme, by table."""
    found = {}
    for cls in lake.directory.all():
        part_of = cls.meta.part_of
        if part_of is not None and cls.meta.foreign_keys.get(part_of) == "Artifact":
            rows = _held(lake, cls.meta.table, f"{part_of}_uid", uids)
            if own := tuple(sorted({row["uid"] for row in rows})):
                found[cls.meta.table] = own
    return found


def _snapshots(lake: Lake, uids: Iterable[str]) -> tuple[str, ...]:
    """The sets of columns that only these artifacts have."""
    wanted = pa.array(list(uids), pa.string())
    own: set[str] = set()
    others: set[str] = set()
    for rows in lake.engine.eraser().rows_on_disk(_SNAPSHOTS):
        mask = pc.is_in(rows["artifact_uid"], value_set=wanted)
        own |= set(pc.unique(rows.filter(mask)["snapshot_uid"]).to_pylist())
        others |= set(pc.unique(rows.filter(pc.invert(mask))["snapshot_uid"]).to_pylist())
    return tuple(sorted(own - others))


def _belongings(lake: Lake, table: str, uids: tuple[str, ...]) -> list[Match]:
    """Links from and to some records, their values, and their edits on branches."""
    matches = [
        Match(VALUES, "subject_uid", uids, registry=table),
        Match(EDITS, "target_uid", uids, registry=table),
    ]
    for name in lake.engine.specs:
        if name == f"{table}_link":
            matches.append(Match(name, "subject_uid", uids))
        if name.endswith("_link"):
            matches.append(Match(name, "target_uid", uids, registry=table))
    return matches


def _references(lake: Lake, uids: tuple[str, ...]) -> list[Match]:
    """Columns of other records that name the artifact; they are emptied, edits of them go."""
    texts = tuple(encode(uid) for uid in uids)
    matches = [Match(EDITS, "value", texts), Match(EDITS, "base", texts)]
    for cls in lake.directory.all():
        for name, target in cls.meta.foreign_keys.items():
            if target == "Artifact" and cls.meta.part_of != name:
                matches.append(Match(cls.meta.table, f"{name}_uid", uids, empties=True))
            elif target == "Artifact":
                matches.append(Match(cls.meta.table, f"{name}_uid", uids))
    return matches


def _words(lake: Lake, rows: Iterable[Mapping[str, Any]], uids: Iterable[str]) -> tuple[str, ...]:
    """What messages of the log may not mention: keys, names of files, descriptions."""
    words: set[str] = set()
    for row in rows:
        key = row["key"] or ""
        words |= {key, key.rpartition("/")[2], row["description"] or "", row["storage_key"] or ""}
    for edit in _held(lake, EDITS, "target_uid", uids):
        for text in (edit["base"], edit["value"]):
            value = None if text is None else orjson.loads(text)
            words |= {value} if isinstance(value, str) and edit["field"] in _WANTED else set()
    return tuple(sorted(word for word in words if len(word) >= _SHORT))


def _stays(
    lake: Lake, uid: str, uids: tuple[str, ...], others: Iterable[Mapping[str, Any]]
) -> list[str]:
    """What has to do with the artifact and stays, in words."""
    out = []
    stem = uid[:UID_LENGTH]
    if versions := {row["uid"] for row in others if row["uid"].startswith(stem)}:
        out.append(f"{len(versions)} other version(s) of it; gc --erase {stem} erases all versions")
    targets = {
        (row["registry"], row["target_uid"]) for row in _held(lake, _LINKS, "subject_uid", uids)
    }
    if targets:
        names = ", ".join(sorted({registry for registry, _ in targets}))
        out.append(
            f"{len(targets)} record(s) that it was linked to ({names}), which may be others', too;"
            " only the links go"
        )
    return out


# -- stored bytes ----------------------------------------------------------------------------


def bytes_of(lake: Lake, things: Mapping[str, Any], *, remove: bool) -> Bytes:
    """Find, or remove, the stored bytes of an artifact that is erased, and cached copies.

    Args:
        lake: The lake.
        things: What `plan` noted.
        remove: Whether to remove them.
    """
    places: dict[str, int] = {}
    stays: list[str] = []
    for storage_uid, key, managed, shared in things["places"]:
        _one(lake, storage_uid, key, places, stays, managed=managed, shared=shared, remove=remove)
    for location in locations(lake).values():
        if not is_owned(lake, location) or why_not(lake, location, f"{MANAGED}/x") is not None:
            continue
        # what was stored by processes that ended before they could commit it
        for name, _, size in list(listed(location)):
            place = f"{location.root}/{MANAGED}/{name}"
            if name.startswith(tuple(things["uids"])) and place not in places:
                kept = any(k.endswith(f"/{name}") and s for _, k, _, s in things["places"])
                if not kept:
                    places[place] = size
                    if remove:
                        storage.remove(place, options=dict(location.options) or None)
    cache = CacheDir(settings.cache_dir)
    for hash_ in things["hashes"]:
        if remove:
            cache.drop(hash_)
    return Bytes(places, tuple(stays))


def _one(
    lake: Lake,
    storage_uid: str,
    key: str,
    places: dict[str, int],
    stays: list[str],
    *,
    managed: bool,
    shared: bool,
    remove: bool,
) -> None:
    """Find or remove what lies at one place."""
    try:
        location = location_of(lake, storage_uid)
    except ObjectDoesNotExist:
        stays.append(f"bytes in the storage location {storage_uid!r}, which isn't registered now")
        return
    place, options = location.uri(key), dict(location.options) or None
    if not storage.exists(place, options=options):
        return
    if shared:
        stays.append(f"the bytes at {place}, which another artifact has, too")
        return
    if not managed:
        stays.append(
            f"the file at {place}, which lies under its own name and may be yours: remove it yourself"
        )
        return
    if (reason := why_not(lake, location, key)) is not None:
        stays.append(f"the bytes at {place}: {reason}")
        return
    places[place] = storage.stat_size(place, options=options)
    if remove:
        storage.remove(place, options=options)
