"""Python values become the arrays that pyarrow makes of them, and pandas stays unloaded."""

from __future__ import annotations

import subprocess
import sys
from datetime import UTC, date, datetime, timedelta, timezone
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lakehouse.engine.table.arrays import array_of, scalar_of

_ZONES = st.sampled_from([UTC, None])
_TEXTS = st.text(st.characters(exclude_categories=["Cs"]))
_VALUES = {
    pa.string(): _TEXTS,
    pa.int64(): st.integers(-(2**63), 2**63 - 1),
    pa.float64(): st.floats(allow_nan=False) | st.integers(-1000, 1000),
    pa.bool_(): st.booleans(),
    pa.timestamp("us", "UTC"): st.datetimes(
        datetime(2, 1, 1), datetime(9998, 1, 1), timezones=_ZONES
    ),
    pa.date32(): st.dates(),
    pa.list_(pa.string()): st.lists(_TEXTS | st.none()),
}


@pytest.mark.slow
@pytest.mark.parametrize("kind", _VALUES, ids=str)
def test_arrays_are_those_of_pyarrow(kind: pa.DataType) -> None:
    @settings(deadline=None)
    @given(st.lists(_VALUES[kind] | st.none(), max_size=20))
    def check(values: list[Any]) -> None:
        made = array_of(values, kind)
        made.validate(full=True)
        assert made.equals(pa.array(values, kind))
        assert made.null_count == values.count(None)
        if values:
            assert scalar_of(values[0], kind).equals(pa.scalar(values[0], kind))

    check()


@pytest.mark.parametrize(
    ("values", "kind"),
    [
        ([1], pa.string()),
        (["1"], pa.int64()),
        ([2**63], pa.int64()),
        ([True], pa.int64()),
        (["\ud800"], pa.string()),
        (["x"], pa.timestamp("us", "UTC")),
        ([[1]], pa.list_(pa.string())),
    ],
)
def test_what_pyarrow_refuses_is_refused_alike(values: list[Any], kind: pa.DataType) -> None:
    with pytest.raises(Exception) as theirs:
        pa.array(values, kind)
    with pytest.raises(theirs.type):
        array_of(values, kind)


def test_moments_of_other_zones_are_the_same_moments() -> None:
    indian = timezone(timedelta(hours=5, minutes=30))
    made = array_of([datetime(2000, 1, 1, tzinfo=indian), None], pa.timestamp("us", "UTC"))
    assert made.to_pylist() == [datetime(1999, 12, 31, 18, 30, tzinfo=UTC), None]


def test_values_that_pyarrow_converts_are_converted() -> None:
    assert array_of([1.0, None], pa.int64()).to_pylist() == [1, None]
    moment = datetime(2026, 1, 2, 3, tzinfo=UTC)
    assert array_of([moment], pa.date32()).to_pylist() == [date(2026, 1, 2)]


@pytest.mark.slow
def test_making_a_lake_loads_neither_pandas_nor_duckdb(tmp_path) -> None:
    code = (
        "import sys, lakehouse as ln; ln.setup.init(storage='lake'); "
        "label = ln.ULabel(name='a').save(); label.description = 'b'; label.save(); "
        "print([m for m in ('pandas', 'duckdb') if m in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    assert done.stdout.splitlines()[-1] == "[]"
