"""Parquet, csv, tsv and ipc."""

from __future__ import annotations

import gzip
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from lakehouse.errors import InvalidData, UnreadableFile
from lakehouse.formats import COLUMNS, INDEX
from lakehouse.formats.tabular.csv import Csv, Tsv
from lakehouse.formats.tabular.ipc import Ipc
from lakehouse.formats.tabular.parquet import Parquet
from lakehouse.testing import DamageContract, TableContract
from lakehouse.testing._formats import N, frame


class TestParquet(DamageContract, TableContract):
    fmt = Parquet()
    suffix = ".parquet"

    def test_mixed_values_are_not_written(self, tmp_path: Path) -> None:
        with pytest.raises(InvalidData, match="mixed"):
            self.fmt.write(pd.DataFrame({"mixed": [1, "two"]}), tmp_path / "x.parquet")
        assert list(tmp_path.iterdir()) == []

    @pytest.mark.parametrize("library", ["pandas", "polars", "pyarrow"])
    def test_sorting_columns_reach_the_writer(self, tmp_path: Path, library: str) -> None:
        import polars as pl

        data = frame().reset_index(drop=True).sort_values("count")
        arrow = pa.Table.from_pandas(data, preserve_index=False)
        obj = {"pandas": data, "polars": pl.from_arrow(arrow), "pyarrow": arrow}[library]
        wanted = [pq.SortingColumn(2, descending=False, nulls_first=False)]
        self.fmt.write(obj, tmp_path / "x.parquet", sorting_columns=wanted, compression="zstd")
        fragment = next(self.fmt.open(tmp_path / "x.parquet").get_fragments())
        group = fragment.metadata.row_group(0)
        assert list(group.sorting_columns) == wanted
        assert group.column(0).compression == "ZSTD"

    def test_several_index_levels(self, tmp_path: Path) -> None:
        data = frame().set_index("donor", append=True)
        self.fmt.write(data, tmp_path / "x.parquet")
        component = self.fmt.describe(tmp_path / "x.parquet").components[COLUMNS]
        assert component.index == ("barcode", "donor")
        assert component.schema.names == ["cell_type", "count", "score", "ok"]
        pd.testing.assert_frame_equal(self.fmt.load(tmp_path / "x.parquet"), data)
        table = self.fmt.table(data, COLUMNS, ["donor", INDEX])
        assert table.equals(self.fmt.table(tmp_path / "x.parquet", COLUMNS, ["donor", INDEX]))

    def test_a_footer_alone_is_no_file(self, tmp_path: Path) -> None:
        (tmp_path / "x.parquet").write_bytes(b"PAR1PAR1")
        self.damaged(tmp_path / "x.parquet")
        (tmp_path / "x.parquet").write_bytes(b"PAR1" + b"\0" * 100 + b"PAR1")
        self.damaged(tmp_path / "x.parquet")

    def test_partitioned_folder(self, tmp_path: Path) -> None:
        frame().to_parquet(tmp_path / "parts", partition_cols=["donor"])
        dataset = self.fmt.open(tmp_path / "parts", partitioning="hive")
        assert dataset.count_rows() == N
        assert "donor" in dataset.schema.names


class TestIpc(DamageContract, TableContract):
    fmt = Ipc()
    suffix = ".ipc"

    def test_streams_are_read(self, tmp_path: Path) -> None:
        table = pa.Table.from_pandas(frame())
        path = tmp_path / "x.arrow"
        with pa.ipc.new_stream(path, table.schema) as writer:
            writer.write_table(table, max_chunksize=20)
        description = self.fmt.describe(path)
        assert description.n_observations == N
        assert description.components[COLUMNS].index == ("barcode",)
        pd.testing.assert_frame_equal(self.fmt.load(path), frame())
        assert self.fmt.open(path).count_rows() == N
        with self.fmt.open(path, engine="polars") as lazy:
            assert lazy.select("count").collect().height == N

    def test_compressed(self, tmp_path: Path) -> None:
        self.fmt.write(frame(), tmp_path / "x.feather", compression="zstd")
        assert self.fmt.describe(tmp_path / "x.feather").n_observations == N
        pd.testing.assert_frame_equal(self.fmt.load(tmp_path / "x.feather"), frame())


class TestCsv(TableContract):
    fmt = Csv()
    suffix = ".csv"
    keeps_types = False

    def example(self) -> pd.DataFrame:
        return frame().rename_axis(None)

    def assert_equal(self, got: Any, expected: Any) -> None:
        expected = expected.astype({"cell_type": expected["donor"].dtype})
        pd.testing.assert_frame_equal(got, expected)

    def truncate(self, path: Path) -> None:
        text = path.read_text()
        path.write_text(text[: text.rindex(self.fmt.delimiter)])

    def test_columns_are_chosen(self, path: Path, tmp_path: Path) -> None:
        self.fmt.write(frame(), tmp_path / f"named{self.suffix}")
        table = self.fmt.table(
            tmp_path / f"named{self.suffix}", COLUMNS, ["score", "barcode", "cell_type"]
        )
        assert table.column_names == ["score", "barcode", "cell_type"]
        assert table.column("cell_type").null_count == N // 3
        assert self.fmt.table(path, COLUMNS, []).num_columns == 0

    def test_truncated(self, path: Path) -> None:
        self.truncate(path)
        for read in (self.fmt.describe, self.fmt.open):  # pandas fills short rows when loading
            with pytest.raises(UnreadableFile, match="truncated or damaged"):
                read(path)

    def test_a_header_without_the_name_of_the_index(self, tmp_path: Path) -> None:
        path = tmp_path / f"x{self.suffix}"
        rows = [["a", "b"], ["r1", "1", "x"], ["r2", "2", "y"]]
        path.write_text("\n".join(self.fmt.delimiter.join(row) for row in rows) + "\n")
        component = self.fmt.describe(path).components[COLUMNS]
        assert (component.index, component.schema.names, component.n_rows) == (
            *((INDEX,), ["a", "b"], 2),
        )
        table = self.fmt.table(path, COLUMNS, [INDEX, "b"])
        assert table.to_pydict() == {INDEX: ["r1", "r2"], "b": ["x", "y"]}
        assert self.fmt.load(path).to_dict() == {
            "a": {"r1": 1, "r2": 2},
            "b": {"r1": "x", "r2": "y"},
        }
        assert self.fmt.open(path).to_table().column("b").to_pylist() == ["x", "y"]
        with self.fmt.open(path, engine="polars") as lazy:
            assert lazy.collect()["b"].to_list() == ["x", "y"]

    def test_types(self, tmp_path: Path) -> None:
        path = tmp_path / f"x{self.suffix}"
        cells = ["i", "f", "b", "d", "t", "s", "n"]
        rows = [
            ["1", "1.5", "true", "2024-01-02", "2024-01-02 03:04:05", "x", ""],
            ["", "NA", "false", "", "", "", ""],
        ]
        path.write_text("\n".join(self.fmt.delimiter.join(row) for row in [cells, *rows]))
        schema = self.fmt.describe(path).components[COLUMNS].schema
        assert [str(field.type) for field in schema] == [
            *("int64", "double", "bool", "date32[day]", "timestamp[s]", "string", "null")
        ]
        last = self.fmt.table(path, COLUMNS).to_pylist()[1]
        assert last == dict.fromkeys(cells, None) | {"b": False}

    @pytest.mark.parametrize(
        ("late", "expected"), [("x", "string"), ("1.5", "double"), ("7", "int64")]
    )
    def test_a_late_value_decides_the_type(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, late: str, expected: str
    ) -> None:
        monkeypatch.setattr("lakehouse.formats.tabular.csv._BLOCK", 4096)
        path = tmp_path / f"x{self.suffix}"
        lines = [f"{i}{self.fmt.delimiter}" for i in range(5000)]
        path.write_text(
            f"a{self.fmt.delimiter}b\n"
            + "\n".join(lines)
            + f"\n{late}\t".rstrip()
            + f"{self.fmt.delimiter}late\n"
        )
        description = self.fmt.describe(path)
        assert description.n_observations == 5001
        schema = description.components[COLUMNS].schema
        assert [str(field.type) for field in schema] == [expected, "string"]
        assert self.fmt.table(path, COLUMNS).num_rows == 5001
        table = self.fmt.open(path).to_table()
        assert str(table.schema.field("a").type) == expected
        assert table.num_rows == 5001
        with self.fmt.open(path, engine="polars") as lazy:
            assert lazy.collect().height == 5001

    def test_newlines_and_delimiters_in_quotes(self, tmp_path: Path) -> None:
        path = tmp_path / f"x{self.suffix}"
        data = pd.DataFrame({"a": ["x\ny", 'q"q', f"d{self.fmt.delimiter}d", "ü"] * 3})
        self.fmt.write(data, path)
        assert self.fmt.describe(path).n_observations == 12
        assert self.fmt.table(path, COLUMNS).column("a").to_pylist() == list(data["a"])
        pd.testing.assert_frame_equal(self.fmt.load(path), data)

    def test_byte_order_mark(self, tmp_path: Path) -> None:
        path = tmp_path / f"x{self.suffix}"
        path.write_text(
            self.fmt.delimiter.join("ab") + "\n1\t2\n".replace("\t", self.fmt.delimiter),
            encoding="utf-8-sig",
        )
        assert self.fmt.describe(path).components[COLUMNS].schema.names == ["a", "b"]
        assert list(self.fmt.load(path).columns) == ["a", "b"]

    def test_a_lone_header(self, tmp_path: Path) -> None:
        path = tmp_path / f"x{self.suffix}"
        path.write_text(self.fmt.delimiter.join(["alpha", "beta"]))
        description = self.fmt.describe(path)
        assert description.n_observations == 0
        assert description.components[COLUMNS].schema.names == ["alpha", "beta"]

    @pytest.mark.parametrize("encoding", ["latin-1", "utf-16"])
    def test_other_encodings_are_told(self, tmp_path: Path, encoding: str) -> None:
        path = tmp_path / f"x{self.suffix}"
        path.write_bytes(
            self.fmt.delimiter.join(["a", "b"]).encode(encoding)
            + "\né\t1\n".replace("\t", self.fmt.delimiter).encode(encoding)
        )
        with pytest.raises(UnreadableFile, match="UTF-"):
            self.fmt.describe(path)

    def test_blank_lines_only(self, tmp_path: Path) -> None:
        path = tmp_path / f"x{self.suffix}"
        path.write_text("\n\n\n")
        self.damaged(path)

    def test_kwargs_reach_the_writer(self, tmp_path: Path) -> None:
        path = tmp_path / f"x{self.suffix}"
        self.fmt.write(frame(), path, index=False, float_format="%.1f")
        first = path.read_text().splitlines()[1].split(self.fmt.delimiter)
        assert len(first) == 5
        assert len(first[3]) == 3

    def test_compressed(self, tmp_path: Path) -> None:
        one, two = tmp_path / f"x{self.suffix}.gz", tmp_path / f"y{self.suffix}.gz"
        self.fmt.write(frame(), one)
        self.fmt.write(frame(), two)
        assert one.read_bytes() == two.read_bytes()
        assert gzip.decompress(one.read_bytes()).startswith(b"barcode")
        assert self.fmt.describe(one).n_observations == N
        assert self.fmt.load(one).shape == (N, 6)
        assert self.fmt.open(one).count_rows() == N
        self.truncate_bytes(one)
        self.damaged(one)

    def truncate_bytes(self, path: Path) -> None:
        path.write_bytes(path.read_bytes()[:-200])


class TestTsv(TestCsv):
    fmt = Tsv()
    suffix = ".tsv"
