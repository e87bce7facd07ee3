"""Files that somebody made to break their readers, and every public way to read one.

Run as `python -m tests.formats.hostile FOLDER KIND`: makes each file, tries each way, and prints one JSON
line per file with what escaped that isn't ours, and how much memory the process took.
"""

from __future__ import annotations

import gzip
import json
import random
import resource
import sys
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path

import duckdb
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.feather
import pyarrow.parquet as pq

import lakehouse as ln
from lakehouse.config import settings
from lakehouse.errors import LakehouseError

HUGE = 10**15
LIMIT = 16 << 30


def texts() -> Iterator[tuple[str, bytes]]:
    yield "deep.json", b"[" * 200_000
    yield "deep2.json", b'{"a":' * 100_000 + b"1" + b"}" * 100_000
    yield "digits.json", b"1" * 100_000
    yield "surrogate.json", b'"\\ud800"'
    yield "latin.json", b'"\xff"'
    yield "deep.yaml", b"[" * 20_000
    yield "flow.yaml", b"{a: " * 5_000 + b"1" + b"}" * 5_000
    laughs = b"a: &a [x,x,x,x,x,x,x,x,x]\n" + b"".join(
        b"%c: &%c [%s]\n" % (c, c, b",".join([b"*%c" % (c - 1)] * 9)) for c in range(98, 108)
    )
    yield "laughs.yaml", laughs
    yield "date.yaml", b"x: 2020-99-99\n"
    yield "digits.yaml", b"x: " + b"1" * 100_000
    yield "object.yaml", b"!!python/object/apply:os.system ['touch ran']\n"
    yield "nul.yaml", b"a: \0"
    yield "latin.txt", b"\xff\xfe\xfd"
    yield "long.csv", b"a,b\n" + b"x" * 20_000_000
    yield "quote.csv", b'a,b\n"' + b"x\n" * 10_000_000
    yield "wide.csv", b",".join(b"c%d" % i for i in range(5_000)) + b"\n" + b"," * 4_999 + b"\n"
    yield "nul.csv", b"a,b\n1,\0\n"
    yield "latin.csv", b"a,b\n1,\xff\n"
    yield "big.csv", b"a\n" + b"9" * 400 + b"\n99999999999999999999\n"
    yield "ragged.csv", b"a,b\n1\n1,2,3\n"
    yield "twice.csv", b"a,a\n1,2\n"
    yield "empty.csv", b""
    yield "dates.csv", b"a\n0000-00-00\n99999-01-01\n2020-01-01T99:99:99Z\n"
    yield "cut.csv.gz", gzip.compress(b"a\n1\n" * 10_000)[:-20]
    yield "notes.csv.gz", b"\x1f\x8bnothing"


def bombs() -> Iterator[tuple[str, bytes]]:
    """Small files with much inside, which saving must not hold in memory."""
    yield "rows.csv.gz", gzip.compress(b"a,b\n" + b"1,1\n" * 15_000_000 + b"x,2020-01-01\n", 1)
    yield "line.csv.gz", gzip.compress(b"a,b\n" + b"0" * 600_000_000, 1)
    yield "header.csv.gz", gzip.compress(b"0" * 600_000_000, 1)


def tables(folder: Path) -> Iterator[str]:
    """Tables whose bytes were changed, most of all in what says how long something is."""
    table = pa.table({"x": range(1_000), "s": [f"t{i}" for i in range(1_000)]})
    pq.write_table(table, folder / "whole.parquet")
    pa.feather.write_feather(table, folder / "whole.arrow", compression="uncompressed")
    chance = random.Random(7)
    for name in ("whole.parquet", "whole.arrow"):
        data = (folder / name).read_bytes()
        for i in range(12):
            spoilt = bytearray(data)
            for _ in range(chance.randrange(1, 4)):
                at = chance.choice(
                    [chance.randrange(len(data)), len(data) - chance.randrange(9, 700)]
                )
                spoilt[at] = chance.randrange(256)
            spoilt = spoilt[: chance.randrange(100, len(data))] + data[-8:] if i == 0 else spoilt
            target = f"{i}-{name}"
            (folder / target).write_bytes(spoilt)
            yield target


def annotated(folder: Path) -> Iterator[str]:
    import anndata
    import h5py

    def made(name: str) -> Path:
        obs = pd.DataFrame({"n": [1, 2, 3], "c": pd.Categorical(list("aba"))}, index=list("abc"))
        data = anndata.AnnData(np.eye(3, dtype="f4"), obs=obs, uns={"k": {"v": 1}})
        data.write_h5ad(folder / name)
        return folder / name

    whole = made("whole.h5ad").read_bytes()
    chance = random.Random(7)
    for i in range(12):
        spoilt = bytearray(whole)
        for _ in range(6):
            spoilt[chance.randrange(len(spoilt))] = chance.randrange(256)
        (folder / f"{i}.h5ad").write_bytes(spoilt if i else spoilt[: len(spoilt) // 2])
        yield f"{i}.h5ad"

    def huge(root: h5py.Group, name: str, kind: object) -> None:
        attributes = dict(root[name].attrs)
        del root[name]
        root.create_dataset(name, (HUGE,), kind, chunks=(1_000,), maxshape=(None,))
        root[name].attrs.update(attributes)

    def loop(root: h5py.Group) -> None:
        root["uns/loop"] = root["uns"]

    def deep(root: h5py.Group) -> None:
        node = root["uns"]
        for _ in range(2_000):
            node = node.create_group("d")

    changes: dict[str, Callable[[h5py.Group], None]] = {
        "index.h5ad": lambda root: huge(root, "obs/_index", h5py.string_dtype()),
        "column.h5ad": lambda root: huge(root, "obs/n", "i8"),
        "uns.h5ad": lambda root: huge(root, "uns/k/v", "i8"),
        "codes.h5ad": lambda root: huge(root, "obs/c/codes", "i1"),
        "x.h5ad": lambda root: huge(root, "X", "f4"),
        "loop.h5ad": loop,
        "deep.h5ad": deep,
        "order.h5ad": lambda root: root["obs"].attrs.__setitem__("column-order", np.zeros(3)),
        "category.h5ad": lambda root: root["obs/c/codes"].__setitem__(0, 99),
    }
    for name, change in changes.items():
        with h5py.File(made(name), "r+") as root:
            change(root)
        yield name


def stores(folder: Path) -> Iterator[str]:
    import anndata

    for name, node, change in (
        ("huge.zarr", "obs/n", {"shape": [HUGE]}),
        ("kind.zarr", "obs/n", {"data_type": "nonsense"}),
        ("codec.zarr", "X", {"codecs": [{"name": "nonsense"}]}),
        ("deep.zarr", "", {"attributes": json.loads("[" * 500 + "]" * 500)}),
    ):
        obs = pd.DataFrame({"n": [1, 2, 3]}, index=list("abc"))
        anndata.AnnData(np.eye(3, dtype="f4"), obs=obs).write_zarr(folder / name)
        for file in (folder / name / node).glob("[z.]*"):
            if file.name in ("zarr.json", ".zarray"):
                file.write_text(json.dumps(json.loads(file.read_text()) | change))
        yield name


def files(folder: Path, kind: str) -> Iterator[str]:
    if kind == "tables":
        yield from tables(folder)
    elif kind == "annotated":
        yield from annotated(folder)
    elif kind == "stores":
        yield from stores(folder)
    for name, data in texts() if kind == "texts" else bombs() if kind == "bombs" else ():
        (folder / name).write_bytes(data)
        yield name


def ways(path: Path, schema: ln.Schema) -> Iterator[tuple[str, Callable[[], object]]]:
    """The public ways to read a file before and after it is saved."""
    yield "save", lambda: ln.Artifact(path, key=f"plain/{path.name}").save()

    def saved() -> ln.Artifact:
        return ln.Artifact.get(key=f"plain/{path.name}")

    yield "load", lambda: saved().load()
    yield "open", lambda: saved().open()
    if ".csv" in path.name or path.suffix in (".parquet", ".arrow"):
        yield "polars", lambda: saved().open(engine="polars").__enter__()
    yield "describe", lambda: saved().describe(return_str=True)
    yield "sql", lambda: ln.sql(f"SELECT * FROM dataset('plain/{path.name}')").fetchall()
    yield "schema", lambda: ln.Artifact(path, key=f"valid/{path.name}", schema=schema).save()
    yield "curate", lambda: ln.curators.DataFrameCurator(path, schema).validate()


def main(folder: Path, kind: str) -> None:
    settings.verbosity = "error"
    warnings.simplefilter("ignore")
    resource.setrlimit(resource.RLIMIT_AS, (LIMIT, LIMIT))
    with ln.Lake.create(str(folder / "lake")):
        feature = ln.Feature(name="a", dtype=int).save()
        schema = ln.Schema([feature], name="any", flexible=True).save()
        for name in files(folder, kind):
            escaped = {}
            for way, read in ways(folder / name, schema):
                if kind == "bombs" and way != "save":
                    continue
                try:
                    read()
                except (LakehouseError, duckdb.Error):
                    pass  # a relation is DuckDB's own, and fails when it is fetched
                except Exception as error:
                    escaped[way] = f"{type(error).__module__}.{type(error).__name__}: {error}"[:300]
            peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss >> 10
            print(json.dumps({"file": name, "escaped": escaped, "peak": peak}), flush=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2])
