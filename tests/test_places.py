"""Where masks are true, with every version of pyarrow."""

from __future__ import annotations

import pyarrow as pa
import pytest

from lakehouse.places import places_of


@pytest.mark.parametrize(
    ("chunks", "places"),
    [
        ([], []),
        ([[]], []),
        ([[True, False], [], [None, True]], [0, 3]),
    ],
)
def test_places(chunks: list[list[bool | None]], places: list[int]) -> None:
    mask = pa.chunked_array(chunks, pa.bool_())
    assert places_of(mask).to_pylist() == places
    assert places_of(mask.combine_chunks()).to_pylist() == places
    assert places_of(mask).type == places_of(mask.combine_chunks()).type
