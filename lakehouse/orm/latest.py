"""The latest versions of a whole registry at once, as its rows say."""

from __future__ import annotations

import weakref

import pyarrow as pa
import pyarrow.compute as pc

from lakehouse.identity import UID_LENGTH
from lakehouse.orm.bootstrap import ARCHIVE, TRASH

IS_LATEST = "is_latest"
HIDDEN = (ARCHIVE, TRASH)

# rows of one version of a table are one object as long as somebody reads that version
_found: dict[int, tuple[weakref.ref[pa.Table], pa.Array]] = {}


def latest_uids(rows: pa.Table) -> pa.Array:
    """The uid of the latest version of every family, on every branch.

    Args:
        rows: All rows of a versioned registry.
    """
    place = id(rows)
    known = _found.get(place)
    if known is not None and known[0]() is rows:
        return known[1]
    uids = _latest(rows["uid"], rows["branch_uid"])
    _found[place] = (weakref.ref(rows, lambda _: _found.pop(place, None)), uids)
    return uids


def _latest(uids: pa.ChunkedArray, branches: pa.ChunkedArray) -> pa.Array:
    seen = pc.invert(pc.is_in(branches, pa.array(HIDDEN)))
    if pc.all(seen).as_py() is False:
        uids, branches = uids.filter(seen), branches.filter(seen)
    found = []
    for branch in pc.unique(branches).to_pylist():
        own = uids.filter(pc.equal(branches, branch)).combine_chunks()
        if not pc.all(pc.less(own[:-1], own[1:])).as_py():
            own = own.sort()
        stems = pc.utf8_slice_codeunits(own, 0, UID_LENGTH)
        last = pa.concat_arrays([pc.not_equal(stems[:-1], stems[1:]), pa.array([True])])
        found.append(own.filter(last))
    return pa.concat_arrays(found) if found else pa.array([], pa.string())
