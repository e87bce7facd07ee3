"""The dtype language."""

from __future__ import annotations

import datetime
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lakehouse.errors import UnknownDtype
from lakehouse.schema import CatTarget, DType, infer_dtype, parse_dtype
from lakehouse.schema.dtype import SIMPLE


@pytest.mark.parametrize(
    ("text", "target"),
    [
        ("ULabel", CatTarget("ULabel")),
        ("bionty.CellType", CatTarget("bionty.CellType")),
        ("bionty.CellType.name", CatTarget("bionty.CellType")),
        ("bionty.CellType.ontology_id", CatTarget("bionty.CellType", "ontology_id")),
        ("bionty.Gene", CatTarget("bionty.Gene", "symbol")),
        ("Artifact", CatTarget("Artifact", "key")),
        ("ULabel.uid", CatTarget("ULabel", "uid")),
        ("Record[Perturbation]", CatTarget("Record", type_path=("Perturbation",))),
        ("Record[LabA[Experiment]]", CatTarget("Record", type_path=("LabA", "Experiment"))),
        ("Record[A[B]].description", CatTarget("Record", "description", ("A", "B"))),
        ("Record[Bob's cell, type]", CatTarget("Record", type_path=("Bob's cell, type",))),
        (
            "bionty.Gene.ensembl_gene_id[source__uid='a,b']",
            CatTarget("bionty.Gene", "ensembl_gene_id", filters=(("source__uid", "a,b"),)),
        ),
        (
            "Record[uid1, is_type='True', name=x]",
            CatTarget("Record", "name", ("uid1",), (("is_type", "True"), ("name", "x"))),
        ),
    ],
)
def test_targets(text: str, target: CatTarget) -> None:
    dtype = parse_dtype(f"cat[{text}]")
    assert dtype == DType("cat", targets=(target,))
    assert parse_dtype(str(dtype)) == dtype
    assert parse_dtype(f"list[cat[{text}]]").all_targets == (target,)


def test_unions_and_bare_categoricals() -> None:
    union = parse_dtype("cat[bionty.Tissue.ontology_id|Record[A|B[C]]|ULabel]")
    assert [t.registry for t in union.targets] == ["bionty.Tissue", "Record", "ULabel"]
    assert union.targets[1].type_path == ("A|B", "C")
    assert parse_dtype(str(union)) == union
    assert parse_dtype("cat") == parse_dtype("cat[]") == DType("cat")
    assert str(DType("cat")) == "cat"


@pytest.mark.parametrize("text", [*SIMPLE, "list", "datetime64[ns, UTC]"])
def test_canonical_text_parses_back(text: str) -> None:
    assert str(parse_dtype(text)) == text
    assert str(parse_dtype(f"list[{text}]")) == f"list[{text}]"


@pytest.mark.parametrize(
    ("given_type", "text"),
    [
        (int, "int"),
        (float, "float"),
        (str, "str"),
        (bool, "bool"),
        (dict, "dict"),
        (list, "list"),
        (bytes, "bytes"),
        (object, "object"),
        (datetime.date, "date"),
        (datetime.datetime, "datetime"),
        (datetime.time, "time"),
        (Path, "path"),
        (list[str], "list[str]"),
        (list[list[int]], "list[list[int]]"),
        (dict[str, int], "dict"),
        (int | float, "num"),
        (str | None, "str"),
        (np.int8, "int"),
        (np.float32, "float"),
        (np.bool_, "bool"),
        (np.str_, "str"),
        (np.datetime64, "datetime"),
        (np.dtype("uint16"), "int"),
        (np.dtype("<U5"), "str"),
        (np.dtype("M8[ns]"), "datetime"),
        (np.dtype("O"), "str"),
        (pd.Int64Dtype(), "int"),
        (pd.BooleanDtype(), "bool"),
        (pd.StringDtype(), "str"),
        (pd.CategoricalDtype(["a"]), "cat"),
        (pd.DatetimeTZDtype(tz="UTC"), "datetime64[ns, UTC]"),
        (pd.ArrowDtype(pa.list_(pa.int8())), "list[int]"),
        (pa.large_string(), "str"),
        (pa.dictionary(pa.int8(), pa.string()), "cat"),
        (pa.dictionary(pa.int8(), pa.int64()), "int"),
        (pa.timestamp("ms", "Europe/Berlin"), "datetime64[ns, UTC]"),
        (pa.decimal128(5, 2), "float"),
        (pa.map_(pa.string(), pa.int64()), "dict"),
        (pa.duration("s"), "object"),
        (CatTarget("ULabel"), "cat[ULabel]"),
        (DType("int"), "int"),
    ],
)
def test_types_of_other_languages(given_type: Any, text: str) -> None:
    assert str(parse_dtype(given_type)) == text


@pytest.mark.parametrize(
    ("wrong", "hint"),
    [
        ("int64", "'int'"),
        ("string", "'str'"),
        ("category", "'cat'"),
        ("boolena", "'bool'"),
        ("lst[int]", "'list'"),
        ("", None),
        ("cat[ulabel]", None),
        ("cat[bionty.]", None),
        ("cat[a.B.c.d]", None),
        ("cat[ULabel", None),
        ("cat[ULabel]]", None),
        ("cat[Record[]]", None),
        ("cat[Record[A[B]]", None),
        ("cat[Record[A]x]", None),
        ("cat[ULabel||Record]", None),
        ("cat[bionty.Gene[source__uid='a]]", None),
        ("cat[bionty.Gene[a b='c']]", None),
        ("cat['; DROP TABLE x; --]", None),
        ("list[nothing]", None),
    ],
)
def test_unknown_texts_name_the_near_ones(wrong: str, hint: str | None) -> None:
    with pytest.raises(UnknownDtype) as caught:
        parse_dtype(wrong)
    assert repr(wrong) in str(caught.value)
    assert "list[…]" in str(caught.value)
    if hint is not None:
        assert hint in str(caught.value.hint)


@pytest.mark.parametrize("wrong", [3, None, complex, int | str, np.dtype("m8[s]"), np.complex64])
def test_unknown_objects(wrong: Any) -> None:
    with pytest.raises(UnknownDtype):
        parse_dtype(wrong)


@pytest.mark.parametrize(
    ("dtype", "accepted", "refused"),
    [
        ("int", [pa.int8(), pa.uint64()], [pa.float64(), pa.string(), pa.bool_()]),
        ("float", [pa.float32(), pa.int64(), pa.decimal128(4, 1)], [pa.string(), pa.bool_()]),
        ("num", [pa.float32(), pa.int64()], [pa.string()]),
        ("str", [pa.string(), pa.large_string(), pa.string_view()], [pa.int64(), pa.binary()]),
        ("cat", [pa.string(), pa.dictionary(pa.int8(), pa.string())], [pa.int64()]),
        ("bool", [pa.bool_()], [pa.int8()]),
        ("date", [pa.date32(), pa.date64()], [pa.timestamp("s"), pa.string()]),
        ("datetime", [pa.timestamp("ns"), pa.timestamp("s", "UTC")], [pa.date32()]),
        ("datetime64[ns, UTC]", [pa.timestamp("s", "UTC")], [pa.timestamp("ns")]),
        ("dict", [pa.struct({"a": pa.int8()})], [pa.list_(pa.int8()), pa.string()]),
        ("list", [pa.list_(pa.int8()), pa.large_list(pa.string())], [pa.string()]),
        ("list[str]", [pa.list_(pa.string()), pa.list_(pa.null())], [pa.list_(pa.int8())]),
        ("list[float]", [pa.list_(pa.int8(), 3)], [pa.list_(pa.list_(pa.float64()))]),
        ("bytes", [pa.binary(), pa.binary(4)], [pa.string()]),
        ("object", [pa.duration("s"), pa.list_(pa.int8())], []),
    ],
)
def test_accepts(dtype: str, accepted: list[pa.DataType], refused: list[pa.DataType]) -> None:
    parsed = parse_dtype(dtype)
    assert all(parsed.accepts(arrow) for arrow in [*accepted, pa.null()])
    assert not any(parsed.accepts(arrow) for arrow in refused)
    assert parsed.kind in ("dict", "object") or parsed.accepts(parsed.arrow_type())


_arrow_types = st.recursive(
    st.sampled_from(
        [
            pa.int16(),
            pa.float16(),
            pa.string_view(),
            pa.bool_(),
            pa.date64(),
            pa.time32("s"),
            pa.timestamp("ns", "UTC"),
            pa.large_binary(),
            pa.duration("ms"),
            pa.dictionary(pa.int8(), pa.large_string()),
            pa.dictionary(pa.int8(), pa.int32()),
            pa.decimal256(40, 3),
        ]
    ),
    lambda inner: inner.map(pa.list_) | inner.map(lambda t: pa.struct({"x": t})),
    max_leaves=4,
)


@given(_arrow_types)
def test_inferred_dtypes_accept_what_they_were_inferred_from(arrow: pa.DataType) -> None:
    dtype = infer_dtype(arrow)
    assert dtype.accepts(arrow)
    assert parse_dtype(str(dtype)) == dtype


_names = st.text(
    st.characters(exclude_characters="[]=|", exclude_categories=("C", "Z")), min_size=1
)
_fields = st.from_regex(r"[a-z][a-z_]{0,8}", fullmatch=True)
_targets = st.builds(
    CatTarget,
    st.from_regex(r"([a-z]{1,6}\.)?[A-Z][A-Za-z]{0,8}", fullmatch=True),
    _fields,
    st.lists(_names.filter(lambda n: "," not in n), max_size=3).map(tuple),
    st.lists(
        st.tuples(_fields, st.text(st.characters(exclude_characters="'", codec="ascii"))),
        max_size=2,
    ).map(tuple),
)


@given(st.lists(_targets, min_size=1, max_size=3).map(tuple))
def test_any_target_survives_its_text(targets: tuple[CatTarget, ...]) -> None:
    dtype = DType("list", item=DType("cat", targets=targets))
    assert parse_dtype(str(dtype)) == dtype
