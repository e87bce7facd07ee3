"""Validation of tables, whatever holds them."""

from __future__ import annotations

import datetime
import gc
import math
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from lakehouse.curation import ColumnRule, DatasetSpec, Report, TableResolver, as_arrow, validate
from lakehouse.errors import InvalidArgument, InvalidData, UnreadableFile, ValidationError

CELL_TYPE = ColumnRule("cell_type", "cat[bionty.CellType]")


def spec_of(*columns: ColumnRule, **settings: Any) -> DatasetSpec:
    return DatasetSpec(columns=columns, **settings)


def found(report: Report) -> set[tuple[str, str, Any, int, tuple[int, ...]]]:
    return {(f.column, f.rule, f.value, f.count, f.rows) for f in report.failures}


def _pandas(table: pa.Table, tmp_path: Path) -> Any:
    return table.to_pandas()


def _pandas_category(table: pa.Table, tmp_path: Path) -> Any:
    return table.to_pandas().astype({"cell_type": "category"})


def _parquet(table: pa.Table, tmp_path: Path) -> Any:
    pq.write_table(table, tmp_path / "x.parquet", row_group_size=3)
    return tmp_path / "x.parquet"


FORMS: dict[str, Callable[[pa.Table, Path], Any]] = {
    "arrow": lambda table, _: table,
    "dictionary": lambda table, _: table.set_column(
        0, "cell_type", table["cell_type"].dictionary_encode()
    ),
    "chunked": lambda table, _: pa.concat_tables([table.slice(i, 1) for i in range(len(table))]),
    "batch": lambda table, _: table.combine_chunks().to_batches()[0],
    "reader": lambda table, _: table.to_reader(max_chunksize=2),
    "iterator": lambda table, _: iter(table.to_batches(max_chunksize=2)),
    "pandas": _pandas,
    "pandas category": _pandas_category,
    "polars": lambda table, _: pl.from_arrow(table),
    "polars lazy": lambda table, _: pl.DataFrame(pl.from_arrow(table)).lazy(),
    "parquet": _parquet,
    "parquet text path": lambda table, tmp: str(_parquet(table, tmp)),
}


@pytest.fixture(params=list(FORMS))
def form(request: pytest.FixtureRequest, tmp_path: Path) -> Callable[[pa.Table], Any]:
    return lambda table: FORMS[request.param](table, tmp_path)


def test_everything_wrong_is_said_at_once(
    form: Callable[[pa.Table], Any], resolver: TableResolver
) -> None:
    data = form(
        pa.table(
            {
                "cell_type": ["B cell", "B-cell", "CD8-pos alpha-beta T cell", None, "B-cell"],
                "count": [1.5, 2.5, 3.0, 4.0, 5.0],
                "donor": ["a", None, "b", None, "c"],
                "score": [1.0, math.nan, 2.0, math.inf, 3.0],
            }
        )
    )
    spec = spec_of(
        CELL_TYPE,
        ColumnRule("count", int),
        ColumnRule("donor", str, nullable=False),
        ColumnRule("score", float, nullable=False),
        ColumnRule("treatment", str),
    )
    report = validate(data, spec, resolver)
    assert not report.ok
    assert report.n_rows == 5
    assert found(report) == {
        ("treatment", "presence", None, 0, ()),
        ("cell_type", "category", "B-cell", 2, (1, 4)),
        ("cell_type", "category", "CD8-pos alpha-beta T cell", 1, (2,)),
        ("count", "dtype", None, 5, (0, 1, 2, 3, 4)),
        ("donor", "null", None, 2, (1, 3)),
        ("score", "null", None, 1, (1,)),
    }
    synonym, typo = (f for f in report.failures if f.rule == "category")
    assert synonym.synonym_of == "B cell"
    assert typo.nearest[0] == "CD8-positive, alpha-beta T cell"
    assert report.synonyms() == {"cell_type": {"B-cell": "B cell"}}
    assert report.non_validated() == {"cell_type": ["B-cell", "CD8-pos alpha-beta T cell"]}
    with pytest.raises(ValidationError, match="2 terms not validated in feature 'cell_type'") as e:
        report.raise_for_failures()
    assert e.value.report is report


def test_valid_data_tells_its_terms(
    form: Callable[[pa.Table], Any], resolver: TableResolver
) -> None:
    data = form(pa.table({"cell_type": ["T cell", "B cell", None, "T cell"], "n": [1, 2, 3, 4]}))
    report = validate(data, spec_of(CELL_TYPE, ColumnRule("n", int, nullable=False)), resolver)
    assert report.ok, str(report)
    assert report.raise_for_failures() is report
    (match,) = report.terms["cell_type"]
    assert match.target.registry == "bionty.CellType"
    assert dict(zip(match.values.to_pylist(), match.uids.to_pylist(), strict=True)) == {
        "B cell": "ct1",
        "T cell": "ct2",
    }
    assert report.columns == {"cell_type": "cat[bionty.CellType]", "n": "int"}
    assert not report.changed
    assert str(report) == "valid: 2 columns, 4 rows"


def test_rows_are_counted_over_batches(form: Callable[[pa.Table], Any]) -> None:
    values = ["x" if i % 2 else "lung" for i in range(40)]
    report = validate(
        form(pa.table({"cell_type": values})),
        spec_of(ColumnRule("cell_type", "cat[bionty.Tissue]")),
        TableResolver({"bionty.Tissue": pa.table({"uid": ["1"], "name": ["lung"]})}),
    )
    assert found(report) == {("cell_type", "category", "x", 20, (1, 3, 5, 7, 9))}


def test_union_of_registries(resolver: TableResolver) -> None:
    rule = ColumnRule("x", "cat[bionty.Tissue.ontology_id|bionty.CellType.ontology_id]")
    data = pa.table({"x": ["UBERON:1", "CL:0000236", "CL:9", "B cell"]})
    report = validate(data, spec_of(rule), resolver)
    assert [m.uids.to_pylist() for m in report.terms["x"]] == [["t1"], ["ct1"]]
    assert found(report) == {
        ("x", "category", "CL:9", 1, (2,)),
        ("x", "category", "B cell", 1, (3,)),
    }
    # A name where an id is wanted: the id is what it should have been.
    assert report.synonyms() == {"x": {"B cell": "CL:0000236"}}


@pytest.mark.parametrize("name", sorted({*FORMS} - {"dictionary", "pandas category"}))
def test_lists_of_categories(name: str, tmp_path: Path, resolver: TableResolver) -> None:
    lists = [["B cell", "x"], [], ["x", "x", "T cell"], None, ["y"]]
    data = FORMS[name](pa.table({"cell_type": lists}), tmp_path)
    rule = ColumnRule("cell_type", "list[cat[bionty.CellType]]")
    report = validate(data, spec_of(rule), resolver)
    assert found(report) == {
        ("cell_type", "category", "x", 2, (0, 2)),
        ("cell_type", "category", "y", 1, (4,)),
    }
    assert sorted(report.terms["cell_type"][0].values.to_pylist()) == ["B cell", "T cell"]


def test_missing_and_renamed_columns() -> None:
    data = pd.DataFrame({"drug": ["a"], "treatmant": ["b"]})
    report = validate(data, spec_of(ColumnRule("treatment", str)))
    assert (
        "column 'treatment' not in dataframe. Columns in dataframe: ['drug', 'treatmant']"
        in str(report)
    )
    assert report.failures[0].nearest == ("treatmant",)


@pytest.mark.parametrize(
    ("settings", "rule_settings"),
    [({"minimal_set": False}, {}), ({}, {"required": False})],
)
def test_optional_columns(settings: dict[str, Any], rule_settings: dict[str, Any]) -> None:
    spec = spec_of(ColumnRule("a", int), ColumnRule("b", int, **rule_settings), **settings)
    assert validate(pa.table({"a": [1]}), spec).ok
    wrong = validate(pa.table({"a": [1], "b": ["x"]}), spec)
    assert [f.column for f in wrong.failures] == ["b"]


def test_maximal_set() -> None:
    spec = spec_of(ColumnRule("a", int), maximal_set=True)
    report = validate(pa.table({"a": [1], "b": [1], "__lakehouse_row": [1]}), spec)
    assert found(report) == {("b", "extra", None, 0, ())}
    assert "column 'b' not in schema" in str(report)


def test_ordered_set() -> None:
    spec = spec_of(
        ColumnRule("a", int), ColumnRule("b", int), ColumnRule("c", int), ordered_set=True
    )
    assert validate(pa.table({"a": [1], "x": [1], "b": [1], "c": [1]}), spec).ok
    report = validate(pa.table({"a": [1], "c": [1], "b": [1]}), spec)
    assert [(f.column, f.rule) for f in report.failures] == [("c", "order"), ("b", "order")]
    assert "out-of-order" in str(report)


def test_repeated_column_names() -> None:
    data = pd.DataFrame([[1, 2, "x"]], columns=["a", "b", "a"])
    report = validate(data, spec_of(ColumnRule("a", int)))
    assert found(report) == {("a", "duplicates", None, 0, ())}
    assert "positions 0, 2" in str(report)
    table = pa.table([pa.array([1]), pa.array(["x"])], names=["a", "a"])
    assert not validate(table, spec_of(ColumnRule("a", int))).ok


def test_flexible_validates_known_columns_only(resolver: TableResolver) -> None:
    spec = DatasetSpec(flexible=True, known={"cell_type": CELL_TYPE, "n": ColumnRule("n", int)})
    data = pa.table({"cell_type": ["nonsense"], "other": [object.__name__], "N": ["x"]})
    report = validate(data, spec, resolver)
    assert [f.column for f in report.failures] == ["cell_type"]
    assert list(report.columns) == ["cell_type"]


def test_column_names_as_terms(resolver: TableResolver) -> None:
    target = CELL_TYPE.dtype.targets[0]
    data = pa.table({"B cell": [1], "T-cell": [2], "what": [3]})
    loose = validate(data, DatasetSpec(names=target), resolver)
    assert loose.ok
    assert loose.terms["columns"][0].uids.to_pylist() == ["ct1"]
    strict = validate(data, DatasetSpec(names=target, maximal_set=True), resolver)
    assert [(f.value, f.rule, f.synonym_of) for f in strict.failures] == [
        ("T-cell", "names", "T cell"),
        ("what", "names", None),
    ]


class TestIndex:
    rule = ColumnRule("sample", str)

    def test_named_unnamed_and_absent(self) -> None:
        spec = spec_of(ColumnRule("a", int), index=self.rule, maximal_set=True)
        frame = pd.DataFrame({"a": [1, 2]}, index=["x", "y"])
        assert validate(frame, spec).ok
        assert validate(frame.rename_axis("sample"), spec).ok
        assert validate(pa.Table.from_pandas(frame), spec).ok
        assert validate(pa.Table.from_pandas(frame.rename_axis("sample")), spec).ok
        assert validate(pl.DataFrame({"a": [1], "sample": ["x"]}), spec).ok
        report = validate(pl.DataFrame({"a": [1]}), spec)
        assert [(f.column, f.rule) for f in report.failures] == [("sample", "index")]

    def test_wrong_type(self) -> None:
        spec = spec_of(index=self.rule)
        numbers = validate(pd.DataFrame({"a": [1, 2]}), spec)
        assert [(f.column, f.rule, f.found) for f in numbers.failures] == [
            ("sample", "dtype", "int")
        ]
        mixed = validate(pd.DataFrame({"a": [1, 2]}, index=["x", 0]), spec)
        assert [(f.value, f.rows) for f in mixed.failures] == [(0, (1,))]
        column = validate(pl.DataFrame({"sample": [1]}), spec)
        assert [f.rule for f in column.failures] == ["dtype"]

    def test_categorical(self, resolver: TableResolver) -> None:
        spec = spec_of(index=ColumnRule("cell", "cat[bionty.CellType]"))
        frame = pd.DataFrame({"a": [1, 2]}, index=pd.CategoricalIndex(["B cell", "x"]))
        report = validate(frame, spec, resolver)
        assert found(report) == {("cell", "category", "x", 1, (1,))}
        assert report.terms["cell"][0].uids.to_pylist() == ["ct1"]


class TestPandas:
    def test_mixed_columns_name_the_first_rows(self) -> None:
        frame = pd.DataFrame({"a": ["x", 1, None, 2.5, "y", 3]})
        report = validate(frame, spec_of(ColumnRule("a", str)))
        assert found(report) == {
            ("a", "dtype", 1, 2, (1, 5)),
            ("a", "dtype", 2.5, 1, (3,)),
        }
        assert "the column mixes types" in str(report)
        with pytest.raises(InvalidData, match="column 'a' holds str in row 0, int in row 1"):
            as_arrow(frame)

    def test_missing_values_of_every_kind(self) -> None:
        frame = pd.DataFrame({"a": ["x", None, np.nan, pd.NA, pd.NaT, "y"]}, dtype=object)
        report = validate(frame, spec_of(ColumnRule("a", str, nullable=False)))
        assert found(report) == {("a", "null", None, 4, (1, 2, 3, 4))}
        assert validate(frame, spec_of(ColumnRule("a", str))).ok

    def test_one_and_true_are_not_confused(self, resolver: TableResolver) -> None:
        frame = pd.DataFrame({"a": [1, True, "B cell"]})
        report = validate(frame, spec_of(ColumnRule("a", "cat[bionty.CellType]")), resolver)
        assert found(report) == {("a", "dtype", 1, 1, (0,)), ("a", "dtype", True, 1, (1,))}

    @pytest.mark.parametrize(
        ("dtype", "values"),
        [
            (dict, [{"a": 1}, {"a": "x"}, '{"b": 2}', "{'c': 3}", None]),
            ("list", [[1], ("a",), np.array([1.5]), None]),
            ("list[int]", [[1], (2,), [], None]),
            ("list[str]", [{"a"}, ["b"]]),
            (datetime.date, [datetime.date(2024, 1, 1), None]),
            (datetime.datetime, [datetime.datetime(2024, 1, 1), pd.Timestamp("2024"), None]),
            ("num", [Decimal("1.5"), None]),
            ("float", [1.5, 2, None]),
            ("object", [object(), 1, "x"]),
            ("path", ["a/b", None]),
            ("bool", [True, None]),
        ],
    )
    def test_object_columns_of_any_dtype(self, dtype: Any, values: list[Any]) -> None:
        frame = pd.DataFrame({"a": pd.Series(values, dtype=object)})
        report = validate(frame, spec_of(ColumnRule("a", dtype)))
        assert report.ok, str(report)

    @pytest.mark.parametrize(
        ("dtype", "values"),
        [
            (dict, [{"a": 1}, {"a": "x"}, "no dictionary"]),
            (dict, ["[1]"]),
            ("list[int]", [["a"]]),
            ("list[int]", [[1, "a"]]),
            ("list", ["a"]),
            (int, [1.5]),
            (int, [1, 2**70, "a"]),
            (int, [True, False]),
            (str, [b"x"]),
            (str, [["x"]]),
            (float, [1 + 2j]),
            (datetime.date, ["2024-01-01"]),
            (bool, [1]),
        ],
    )
    def test_wrong_values_in_object_columns(self, dtype: Any, values: list[Any]) -> None:
        frame = pd.DataFrame({"a": pd.Series(values, dtype=object)})
        report = validate(frame, spec_of(ColumnRule("a", dtype)))
        assert {f.column for f in report.failures} == {"a"}

    def test_pandas_own_types(self) -> None:
        frame = pd.DataFrame(
            {
                "i": pd.array([1, None], dtype="Int64"),
                "b": pd.array([True, None], dtype="boolean"),
                "s": pd.array(["x", None], dtype="string"),
                "t": pd.to_datetime(["2024-01-01", None]),
                "z": pd.to_datetime(["2024-01-01", None], utc=True),
                "c": pd.Categorical([1, None]),
                "n": np.array([1, 2], dtype="uint8"),
            }
        )
        dtypes = {
            "i": "int",
            "b": "bool",
            "s": "str",
            "t": "datetime",
            "z": "datetime64[ns, UTC]",
            "c": "int",
            "n": "int",
        }
        good = validate(frame, spec_of(*(ColumnRule(n, d) for n, d in dtypes.items())))
        assert good.ok, str(good)
        strict = spec_of(*(ColumnRule(n, d, nullable=False) for n, d in dtypes.items()))
        assert {f.column: f.rows for f in validate(frame, strict).failures} == dict.fromkeys(
            "ibstzc", (1,)
        )

    def test_a_float_index_is_sliced_by_position(self) -> None:
        frame = pd.DataFrame({"a": ["x", None, "y"]}, index=[2.0, 1.0, 0.0])
        report = validate(frame, spec_of(ColumnRule("a", str, nullable=False)))
        assert report.failures[0].rows == (1,)

    def test_column_names_that_are_no_text(self) -> None:
        frame = pd.DataFrame({0: [1], ("a", "b"): [2]})
        report = validate(frame, spec_of(ColumnRule("0", int), ColumnRule("('a', 'b')", str)))
        assert [f.column for f in report.failures] == ["('a', 'b')"]

    def test_categories_that_are_not_used_do_not_count(self, resolver: TableResolver) -> None:
        column = pd.Categorical(["B cell"], categories=["gone", "B cell"])
        assert validate(pd.DataFrame({"cell_type": column}), spec_of(CELL_TYPE), resolver).ok


def test_polars_objects_and_categoricals(resolver: TableResolver) -> None:
    frame = pl.DataFrame(
        {
            "cell_type": pl.Series(["B cell", "x"], dtype=pl.Categorical),
            "e": pl.Series(["B cell", "T cell"], dtype=pl.Enum(["B cell", "T cell"])),
            "o": pl.Series([object(), 1], dtype=pl.Object),
        }
    )
    spec = spec_of(CELL_TYPE, ColumnRule("e", "cat[bionty.CellType]"), ColumnRule("o", int))
    report = validate(frame, spec, resolver)
    assert [(f.column, f.rule) for f in report.failures] == [
        ("cell_type", "category"),
        ("o", "dtype"),
    ]


def test_dictionaries_with_nulls_among_their_values(resolver: TableResolver) -> None:
    column = pa.DictionaryArray.from_arrays(pa.array([0, 1, None, 1]), pa.array(["B cell", None]))
    rule = ColumnRule("cell_type", "cat[bionty.CellType]", nullable=False)
    report = validate(pa.table({"cell_type": column}), spec_of(rule), resolver)
    assert found(report) == {("cell_type", "null", None, 3, (1, 2, 3))}


@pytest.mark.parametrize("rows", [0, 1])
def test_empty_and_all_null_columns(rows: int, resolver: TableResolver) -> None:
    empty = pa.table({"cell_type": pa.nulls(rows), "n": pa.nulls(rows)})
    assert validate(empty, spec_of(CELL_TYPE, ColumnRule("n", int)), resolver).ok
    frame = pd.DataFrame({"cell_type": [None] * rows, "n": [None] * rows})
    assert validate(frame, spec_of(CELL_TYPE, ColumnRule("n", int)), resolver).ok


def test_what_is_no_table() -> None:
    for wrong in (3, None, object(), iter([1])):
        with pytest.raises(InvalidArgument):
            validate(wrong, DatasetSpec())


def test_paths_that_hold_no_parquet(tmp_path: Path) -> None:
    with pytest.raises(UnreadableFile, match=r"missing\.parquet"):
        validate(tmp_path / "missing.parquet", DatasetSpec())
    (tmp_path / "x.parquet").write_text("a,b\n1,2\n")
    with pytest.raises(UnreadableFile, match=r"x\.parquet"):
        validate(tmp_path / "x.parquet", DatasetSpec())


def test_truncated_parquet_pages(tmp_path: Path) -> None:
    path = tmp_path / "x.parquet"
    pq.write_table(pa.table({"a": [str(i) for i in range(5000)]}), path, compression="zstd")
    content = bytearray(path.read_bytes())
    content[20:2000] = bytes(1980)
    path.write_bytes(content)
    with pytest.raises(UnreadableFile, match=r"x\.parquet"):
        validate(path, spec_of(ColumnRule("a", "cat[bionty.Tissue]")), TableResolver({}))


def test_categoricals_need_a_resolver() -> None:
    with pytest.raises(InvalidArgument, match="cell_type"):
        validate(pa.table({"cell_type": ["x"]}), spec_of(CELL_TYPE))


def test_a_spec_names_each_column_once() -> None:
    with pytest.raises(InvalidArgument, match="'a'"):
        spec_of(ColumnRule("a", int), ColumnRule("a", str))


def test_settled_columns_are_not_read(tmp_path: Path) -> None:
    path = tmp_path / "x.parquet"
    pq.write_table(pa.table({"a": list(range(10_000)), "b": [1.0] * 10_000}), path)
    content = bytearray(path.read_bytes())
    content[20:3000] = bytes(2980)  # the pages are gone, the footer is not
    path.write_bytes(content)
    report = validate(path, spec_of(ColumnRule("a", int, nullable=False), ColumnRule("b", float)))
    assert report.ok
    assert report.n_rows == 10_000


def test_memory_stays_small_beside_the_data(resolver: TableResolver) -> None:
    rows = 4_000_000
    frame = pd.DataFrame(
        {
            "cell_type": pd.Categorical.from_codes(np.arange(rows) % 2, ["B cell", "T cell"]),
            "text": np.array(["some text", "another text"], dtype=object)[np.arange(rows) % 2],
            "x": np.arange(rows, dtype=float),
        }
    )
    spec = spec_of(
        CELL_TYPE,
        ColumnRule("text", "cat[bionty.Tissue]", nullable=False),
        ColumnRule("x", float, nullable=False),
    )
    tissues = pa.table({"uid": ["1", "2"], "name": ["some text", "another text"]})
    both = TableResolver(
        {"bionty.CellType": resolver.terms["bionty.CellType"], "bionty.Tissue": tissues}
    )
    pool = pa.system_memory_pool()
    before = pa.default_memory_pool()
    pa.set_memory_pool(pool)
    try:
        assert validate(frame, spec, both).ok
    finally:
        pa.set_memory_pool(before)
    assert 0 < pool.max_memory() < 0.3 * frame.memory_usage(deep=False).sum()


@pytest.mark.parametrize("integers", [pa.array([1, 2]), pa.array([1, 2]).dictionary_encode()])
def test_integers_are_no_floats_unless_they_are_coerced(integers: pa.Array) -> None:
    table = pa.table({"x": integers})
    assert validate(table, spec_of(ColumnRule("x", "num"))).ok
    failure = validate(table, spec_of(ColumnRule("x", float))).failures[0]
    assert (failure.rule, failure.expected, failure.rows) == ("dtype", "float", (0, 1))
    coerced = validate(table, spec_of(ColumnRule("x", float, coerce=True)))
    assert coerced.ok
    assert validate(pa.table({"x": pa.nulls(2, pa.int64())}), spec_of(ColumnRule("x", float))).ok


def test_wrong_values_are_counted_over_chunks() -> None:
    values = [5, -1, -2, 5, -1, -1, -3, -1, -1, -1, -2]
    rule = ColumnRule("x", "int", checks={"ge": 0})
    reader = pa.table({"x": values}).to_reader(max_chunksize=2)
    found = validate(reader, spec_of(rule)).failures
    assert [(f.value, f.count, f.rows) for f in found] == [
        (-1, 6, (1, 4, 5, 7, 8)),
        (-2, 2, (2, 10)),
        (-3, 1, (6,)),
    ]
    every = validate(pa.table({"x": values}), spec_of(rule), all_rows=True).failures
    assert every[0].rows == (1, 4, 5, 7, 8, 9)
    assert gc.isenabled()


def test_multiples_are_the_same_whatever_holds_the_values() -> None:
    values = [0.3, 1e7 + 0.1, 123456789.1, -0.7]
    spec = DatasetSpec((ColumnRule("a", "num", checks={"multiple_of": 0.1}),))
    for held in (pl.DataFrame({"a": values}), pd.DataFrame({"a": [*values, 10**30]}, dtype=object)):
        assert validate(held, spec).ok
    wrong = validate(pd.DataFrame({"a": [0.25, 10**30]}, dtype=object), spec)
    assert [failure.value for failure in wrong.failures] == [0.25]
