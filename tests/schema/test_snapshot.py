"""Schema snapshots and their differences."""

from __future__ import annotations

import pandas as pd
import polars as pl
import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

from lakehouse.schema import Snapshot, diff


def test_fields() -> None:
    schema = pa.schema(
        [
            pa.field("id", pa.int64(), nullable=False),
            pa.field("cell_type", pa.dictionary(pa.int8(), pa.string(), ordered=True)),
            pa.field("tags", pa.large_list(pa.large_string())),
        ]
    )
    first, second, third = Snapshot.of(schema).fields
    assert (first.position, first.name, first.type, first.dtype) == (0, "id", "int64", "int")
    assert not first.nullable
    assert (second.type, second.dtype) == ("string", "cat")
    assert second.categorical
    assert second.ordered
    assert (third.type, third.dtype) == ("list<item: string>", "list[str]")
    assert Snapshot.of(schema).names == ("id", "cell_type", "tags")


def test_equal_data_of_different_writers_has_one_snapshot() -> None:
    data = {"a": ["x", "y"], "b": [1, 2], "c": [[1.5], []]}
    of_pandas = pa.Table.from_pandas(pd.DataFrame(data)).schema
    of_polars = pl.DataFrame(data).to_arrow().schema
    assert of_pandas != of_polars
    assert of_pandas.metadata
    assert Snapshot.of(of_pandas) == Snapshot.of(of_polars)
    few, many = (pa.schema({"a": pa.dictionary(i, pa.string())}) for i in (pa.int8(), pa.int32()))
    assert Snapshot.of(few).uid == Snapshot.of(many).uid


def test_every_difference_changes_the_uid() -> None:
    schemas = [
        pa.schema([]),
        pa.schema({"a": pa.int64()}),
        pa.schema({"a": pa.int32()}),
        pa.schema({"b": pa.int64()}),
        pa.schema({"a": pa.int64(), "b": pa.int64()}),
        pa.schema({"b": pa.int64(), "a": pa.int64()}),
        pa.schema([pa.field("a", pa.int64(), nullable=False)]),
        pa.schema({"a": pa.string()}),
        pa.schema({"a": pa.dictionary(pa.int8(), pa.string())}),
        pa.schema({"a": pa.dictionary(pa.int8(), pa.string(), ordered=True)}),
        pa.schema({"a:int64:100\n1:b": pa.int64()}),
        pa.schema({"a": pa.struct({"x": pa.int8()})}),
        pa.schema({"a": pa.struct({"y": pa.int8()})}),
    ]
    uids = {Snapshot.of(schema).uid for schema in schemas}
    assert len(uids) == len(schemas)
    assert all(len(uid) == 22 for uid in uids)


def test_the_uid_is_stable_over_versions() -> None:
    # Stored snapshots are addressed by it: a change here orphans them.
    assert Snapshot.of(pa.schema({"a": pa.int64()})).uid == "6yj9OEAkha9JCCg2aFlTF0"


def test_diff() -> None:
    old = Snapshot.of(pa.schema({"a": pa.int64(), "b": pa.string(), "c": pa.bool_()}))
    new = Snapshot.of(pa.schema({"c": pa.bool_(), "a": pa.float64(), "d": pa.date32()}))
    change = diff(old, new)
    assert [f.name for f in change.added] == ["d"]
    assert [f.name for f in change.removed] == ["b"]
    assert [(a.type, b.type) for a, b in change.changed] == [("int64", "double")]
    assert change.reordered == ("c", "a")
    assert str(change).splitlines() == [
        "+ d: date32[day]",
        "- b: string",
        "~ a: int64 → double",
        "↕ order: c, a",
    ]


_schemas = st.lists(
    st.tuples(st.sampled_from("abc"), st.sampled_from([pa.int8(), pa.string()])), max_size=5
).map(lambda pairs: Snapshot.of(pa.schema(pairs)))


@given(_schemas, _schemas)
def test_snapshots_differ_exactly_where_their_uids_do(a: Snapshot, b: Snapshot) -> None:
    assert bool(diff(a, b)) == (a.uid != b.uid)
    assert bool(diff(a, b)) == bool(diff(b, a))
    assert (str(diff(a, b)) == "no difference") == (a == b)
