"""Where a mask is true."""

from __future__ import annotations

import pyarrow as pa
import pyarrow.compute as pc


def places_of(mask: pa.Array | pa.ChunkedArray) -> pa.Array:
    """The places at which a mask is true, ascending; null is not true.

    pyarrow before 26.0.1 ends the process when it is asked this of a column without chunks.

    Example:
        >>> places_of(pa.chunked_array([[False, True], [None, True]])).to_pylist()
        [1, 3]
        >>> places_of(pa.chunked_array([], pa.bool_())).to_pylist()
        []
    """
    if isinstance(mask, pa.ChunkedArray) and mask.num_chunks == 0:
        return pa.array([], pa.uint64())
    return pc.indices_nonzero(mask)  # noqa: TID251 - the one place
