"""What every data format must do: suites that a format's tests inherit."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pytest

from lakehouse._lazy import require
from lakehouse.errors import InvalidArgument, InvalidData, UnknownField, UnreadableFile
from lakehouse.formats import COLUMNS, INDEX, Format, format_for, known_suffixes
from lakehouse.storage import hash_path

if TYPE_CHECKING:
    import pandas as pd

N = 60


def frame() -> pd.DataFrame:
    """A data frame with a named index and a column of each usual kind."""
    pd = _pandas()
    rng = np.random.default_rng(0)
    return pd.DataFrame(
        {
            "cell_type": pd.Categorical(["T cell", "B cell", None] * (N // 3)),
            "donor": [f"d{i % 7}" for i in range(N)],
            "count": rng.integers(0, 100, N),
            "score": rng.random(N),
            "ok": rng.random(N) > 0.5,
        },
        index=pd.Index([f"c{i}" for i in range(N)], name="barcode"),
    )


def _pandas() -> Any:
    return require("pandas", "run the suites of formats")


class FormatContract:
    """What every format must do: inherit it in a test class, and set the attributes.

    Attributes:
        fmt: The format.
        suffix: The suffix under which its example is written.

    Example:
        >>> from lakehouse.formats.plain import Json
        >>> class TestJson(FormatContract):
        ...     fmt = Json()
        ...     suffix = ".json"
        ...
        ...     def example(self):
        ...         return {"wells": ["A1", "B2"]}
    """

    fmt: Format
    suffix: str
    _written: Path

    def example(self) -> Any:
        """An object of the format; equal ones each time."""
        raise NotImplementedError("a format's tests override this")

    def assert_equal(self, got: Any, expected: Any) -> None:
        """Compare what was read with the example, where `==` doesn't tell."""
        assert got == expected

    def truncate(self, path: Path) -> None:
        """Damage a file as an interrupted copy does."""
        with path.open("r+b") as file:
            file.truncate(path.stat().st_size * 2 // 3)

    @pytest.fixture
    def written(self, tmp_path_factory: pytest.TempPathFactory) -> Path:
        """The example as a file, written once for the class; tests change copies of it."""
        cls = type(self)
        if "_written" not in vars(cls):
            path = tmp_path_factory.mktemp(self.fmt.name) / f"example{self.suffix}"
            self.fmt.write(self.example(), path)
            cls._written = path
        return cls._written

    @pytest.fixture
    def path(self, written: Path, tmp_path: Path) -> Path:
        """A copy of the example's file."""
        path = tmp_path / written.name
        if written.is_dir():
            shutil.copytree(written, path)
        else:
            shutil.copy(written, path)
        return path

    def test_registered(self) -> None:
        for suffix in self.fmt.suffixes:
            found = format_for(f"some/file{suffix}")
            assert found is not None
            assert found.name == self.fmt.name
        assert set(self.fmt.suffixes) <= set(known_suffixes())

    def test_round_trip(self, path: Path) -> None:
        self.assert_equal(self.fmt.load(path), self.example())

    def test_equal_objects_give_equal_bytes(self, path: Path, tmp_path: Path) -> None:
        obj = self.example()
        for name in ("one", "two"):  # the same object twice, too
            self.fmt.write(obj, tmp_path / f"{name}{self.suffix}")
            assert hash_path(tmp_path / f"{name}{self.suffix}") == hash_path(path)

    def test_describe_has_the_otype(self, path: Path) -> None:
        assert self.fmt.describe(path).otype == self.fmt.otype

    def test_describe_and_load_agree_that_a_file_is_missing(self, tmp_path: Path) -> None:
        for read in (self.fmt.describe, self.fmt.load, self.fmt.open):
            with pytest.raises(UnreadableFile, match="doesn't exist"):
                read(tmp_path / f"missing{self.suffix}")

    def test_a_refused_object_leaves_no_file(self, tmp_path: Path) -> None:
        path = tmp_path / f"x{self.suffix}"
        with pytest.raises((InvalidData, InvalidArgument)):
            self.fmt.write(object(), path)
        assert not path.exists()

    def test_unknown_slot(self, path: Path) -> None:
        with pytest.raises(InvalidArgument, match="slot"):
            self.fmt.table(path, "nosuchslot")


class StructuredContract(FormatContract):
    """For formats whose files have a schema, too."""

    def damaged(self, path: Path) -> None:
        """Demand that every way of reading refuses a file, with all that an error has to say."""
        for read in (self.fmt.describe, self.fmt.load, self.fmt.open):
            with pytest.raises(UnreadableFile) as caught:
                read(path)
            assert str(path) in str(caught.value)
            assert caught.value.found
            assert caught.value.expected
            assert caught.value.hint

    def test_empty(self, path: Path) -> None:
        if path.is_dir():
            shutil.rmtree(path)
            path.mkdir()
        else:
            path.write_bytes(b"")
        self.damaged(path)

    def test_garbage(self, path: Path) -> None:
        if path.is_dir():
            shutil.rmtree(path)
        path.write_bytes(bytes(range(256)) * 40)
        self.damaged(path)

    def test_another_format(self, path: Path) -> None:
        other = ".parquet" if self.suffix != ".parquet" else ".csv"
        if path.is_dir():
            shutil.rmtree(path)
        fmt = format_for(other)
        assert fmt is not None
        fmt.write(frame(), path.with_suffix(other))
        path.with_suffix(other).rename(path)
        self.damaged(path)
        with pytest.raises(UnreadableFile, match="Parquet" if other == ".parquet" else "text"):
            self.fmt.describe(path)

    def test_truncated(self, path: Path) -> None:
        self.truncate(path)
        self.damaged(path)

    def test_table_matches_description(self, path: Path) -> None:
        description = self.fmt.describe(path)
        assert description.components
        for slot, component in description.components.items():
            if slot == "layers":
                continue
            table = self.fmt.table(path, slot)
            assert table.column_names == component.schema.names
            if component.n_rows is not None:
                assert table.num_rows == component.n_rows
            same_in_memory = self.fmt.table(self.example(), slot)
            assert same_in_memory.column_names == table.column_names
            assert same_in_memory.num_rows == table.num_rows

    def test_the_schema_has_no_metadata(self, path: Path) -> None:
        for component in self.fmt.describe(path).components.values():
            assert component.schema.metadata is None
            assert all(field.metadata is None for field in component.schema)


class DamageContract(StructuredContract):
    """For binary formats in one file: damage gives our error, never a crash or another one."""

    flips = 60

    def attempts(self, path: Path) -> int:
        """How many ways of reading refuse a file; another error than ours fails the test."""
        refused = 0
        slot = next(iter(self.fmt.describe(self.pristine).components))
        for read in (self.fmt.describe, self.fmt.load, lambda p: self.fmt.table(p, slot)):
            try:
                read(path)
            except UnreadableFile:
                refused += 1
        return refused

    @pytest.fixture(autouse=True)
    def keep_pristine(self, written: Path) -> None:
        """The undamaged file, which says what slots there are."""
        self.pristine = written

    def test_truncated_anywhere(self, path: Path) -> None:
        data = path.read_bytes()
        for end in np.linspace(1, len(data) - 1, 15, dtype=int):
            path.write_bytes(data[:end])
            assert self.attempts(path) == 3

    def test_flipped_bytes(self, path: Path) -> None:
        data = path.read_bytes()
        rng = np.random.default_rng(7)
        refused = 0
        for _ in range(self.flips):
            damaged = bytearray(data)
            for place in rng.integers(0, len(data), 10):
                damaged[place] = rng.integers(0, 256)
            path.write_bytes(damaged)
            refused += self.attempts(path)
        assert refused > 0


class TableContract(StructuredContract):
    """For formats of tables, whose example is a data frame of pandas.

    Attributes:
        keeps_types: Whether a file tells an integer from a text, and what the index is.
    """

    keeps_types = True

    def example(self) -> pd.DataFrame:
        return frame()

    def assert_equal(self, got: Any, expected: Any) -> None:
        _pandas().testing.assert_frame_equal(got, expected)

    def test_describe(self, path: Path) -> None:
        description = self.fmt.describe(path)
        assert description.n_observations == N
        component = description.components[COLUMNS]
        assert component.n_rows == N
        types = {field.name: str(field.type) for field in component.schema}
        if self.keeps_types:
            assert component.index == ("barcode",)
            assert types == {
                "cell_type": "dictionary<values=string, indices=int32, ordered=0>",
                "donor": "string",
                "count": "int64",
                "score": "double",
                "ok": "bool",
            }

    def test_columns_are_chosen(self, path: Path) -> None:
        for source in (path, self.example()):
            table = self.fmt.table(source, COLUMNS, ["score", "barcode", "cell_type"])
            assert table.column_names == ["score", "barcode", "cell_type"]
            assert table.column("barcode").to_pylist()[:2] == ["c0", "c1"]
            assert table.column("cell_type").null_count == N // 3
            assert self.fmt.table(source, COLUMNS, []).num_columns == 0
            with pytest.raises(UnknownField, match="cell_type"):
                self.fmt.table(source, COLUMNS, ["cell_typ"])

    @pytest.mark.parametrize("kind", ["polars", "lazy", "pyarrow", "batch"])
    def test_objects_of_every_library(self, tmp_path: Path, kind: str) -> None:
        import polars as pl

        plain = frame().reset_index(drop=True)
        arrow = pa.Table.from_pandas(plain, preserve_index=False).replace_schema_metadata(None)
        obj = {
            "polars": pl.from_arrow(arrow),
            "lazy": pl.from_arrow(arrow).lazy(),  # type: ignore[union-attr]
            "pyarrow": arrow,
            "batch": arrow.combine_chunks().to_batches()[0],
        }[kind]
        path = tmp_path / f"x{self.suffix}"
        self.fmt.write(obj, path)
        self.fmt.write(obj, tmp_path / f"y{self.suffix}")
        assert hash_path(path) == hash_path(tmp_path / f"y{self.suffix}")
        expected = self.fmt.table(obj, COLUMNS)
        got = self.fmt.table(path, COLUMNS)
        assert got.to_pylist() == expected.to_pylist() == plain_rows(plain)
        component = self.fmt.describe(path).components[COLUMNS]
        assert component.index == ()
        self.fmt.write(plain, tmp_path / f"z{self.suffix}")
        as_pandas = self.fmt.describe(tmp_path / f"z{self.suffix}")
        assert component.schema.equals(as_pandas.components[COLUMNS].schema)

    def test_open(self, path: Path, tmp_path: Path) -> None:
        dataset = self.fmt.open(path)
        assert dataset.count_rows() == N
        assert "donor" in dataset.schema.names
        copy = tmp_path / f"copy{self.suffix}"
        shutil.copy(path, copy)
        assert self.fmt.open([path, copy]).count_rows() == 2 * N
        with self.fmt.open([path, copy], engine="polars") as frames:
            assert frames.select("count").collect().height == 2 * N
        with self.fmt.open(path, engine="polars") as lazy:
            donors = lazy.select("donor").collect()["donor"].to_list()
        assert donors == frame()["donor"].to_list()
        with pytest.raises(InvalidArgument, match="engine"):
            self.fmt.open(path, engine="dask")
        with pytest.raises(InvalidArgument, match="nothing"):
            self.fmt.open([])

    def test_open_folder(self, path: Path, tmp_path: Path) -> None:
        folder = tmp_path / "folder"
        folder.mkdir()
        for name in ("a", "b"):
            shutil.copy(path, folder / f"{name}{self.suffix}")
        assert self.fmt.open(folder).count_rows() == 2 * N

    def test_open_remote(self, path: Path) -> None:
        from upath import UPath

        remote: Any = UPath(f"memory://formats-{self.suffix[1:]}/x{self.suffix}")
        remote.write_bytes(path.read_bytes())
        assert self.fmt.open(remote).count_rows() == N
        with self.fmt.open(remote, engine="polars") as lazy:
            assert lazy.select("count").collect().height == N

    def test_numbered_rows_are_no_index(self, tmp_path: Path) -> None:
        plain = frame().reset_index(drop=True)
        path = tmp_path / f"x{self.suffix}"
        self.fmt.write(plain, path)
        component = self.fmt.describe(path).components[COLUMNS]
        assert component.index == ()
        assert component.schema.names == list(plain.columns)
        with pytest.raises(UnknownField):
            self.fmt.table(path, COLUMNS, [INDEX])

    def test_an_index_without_a_name(self, tmp_path: Path) -> None:
        unnamed = frame().rename_axis(None)
        path = tmp_path / f"x{self.suffix}"
        self.fmt.write(unnamed, path)
        component = self.fmt.describe(path).components[COLUMNS]
        assert component.index == (INDEX,)
        assert component.schema.names == list(unnamed.columns)
        for source in (path, unnamed):
            table = self.fmt.table(source, COLUMNS, [INDEX, "donor"])
            assert table.column(INDEX).to_pylist() == list(unnamed.index)
            assert table.column("donor").to_pylist() == list(unnamed["donor"])
        assert list(self.fmt.load(path).index) == list(unnamed.index)

    def test_an_empty_table(self, tmp_path: Path) -> None:
        path = tmp_path / f"x{self.suffix}"
        self.fmt.write(frame().iloc[:0].reset_index(drop=True), path)
        description = self.fmt.describe(path)
        assert description.n_observations == 0
        assert description.components[COLUMNS].schema.names == list(frame().columns)
        assert self.fmt.table(path, COLUMNS).num_rows == 0
        assert list(self.fmt.load(path).columns) == list(frame().columns)

    def test_repeated_names_are_told(self) -> None:
        twice = frame()
        twice.columns = ["a", "b", "a", "c", "d"]
        with pytest.raises(InvalidData, match="'a'"):
            self.fmt.table(twice, COLUMNS)

    def test_mixed_values_are_told(self) -> None:
        mixed = _pandas().DataFrame({"fine": [1, 2], "mixed": [1, "two"]})
        with pytest.raises(InvalidData, match=r"(?s)'mixed'.*int, str"):
            self.fmt.table(mixed, COLUMNS)


def plain_rows(data: pd.DataFrame) -> list[dict[str, Any]]:
    """Rows of a data frame with None for what is missing."""
    return [
        {name: None if value is None or value != value else value for name, value in row.items()}
        for row in data.astype({"cell_type": object}).to_dict("records")
    ]
