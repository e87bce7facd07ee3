"""Parsed results kept as Parquet."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from lakehouse.errors import StorageError
from lakehouse.ontology import read
from lakehouse.ontology.model.model import SCHEMAS
from lakehouse.ontology.reading import reader
from lakehouse.ontology.sources import kept
from tests.ontology.sample import HEADER, OBO

DATA = OBO.encode()
ODD = f"{HEADER}[Term]\nid: X:1\nfoo: bar\nis_a: Y:1\n".encode()


@pytest.mark.parametrize("data", [DATA, ODD])
def test_kept_equals_parsed(data: bytes, tmp_path: Path):
    first = read(data, keep=tmp_path)
    assert read(data, keep=tmp_path) == first == read(data, keep=False)


def test_kept_is_used_and_is_plain_parquet(tmp_path: Path):
    read(DATA, keep=tmp_path)
    (folder,) = tmp_path.iterdir()
    path = folder / "terms.parquet"
    table = pq.read_table(path)
    changed = table.set_column(1, "name", [["changed"] * table.num_rows])
    pq.write_table(changed.cast(SCHEMAS["terms"]), path)
    assert set(read(DATA, keep=tmp_path).terms["name"].to_pylist()) == {"changed"}


@pytest.mark.parametrize("name", ["about.json", "terms.parquet", "relations.parquet"])
def test_a_damaged_copy_is_parsed_anew(name: str, tmp_path: Path):
    first = read(DATA, keep=tmp_path)
    (folder,) = tmp_path.iterdir()
    damaged = folder / name
    damaged.write_bytes(damaged.read_bytes()[:20])
    assert read(DATA, keep=tmp_path) == first
    assert len(damaged.read_bytes()) > 20


def test_another_parser_version_is_another_key(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    read(DATA, keep=tmp_path)
    monkeypatch.setattr(kept, "PARSER_VERSION", 10**6)
    read(DATA, keep=tmp_path)
    assert len(list(tmp_path.iterdir())) == 2


def test_what_a_killed_process_left_is_removed_when_it_is_old(tmp_path: Path):
    for name, hours in ((".tmp-old", 25), (".tmp-new", 1), ("mine", 25)):
        folder = tmp_path / name
        folder.mkdir()
        (folder / "terms.parquet").touch()
        os.utime(folder, (time.time() - hours * 3600,) * 2)
    read(DATA, keep=tmp_path)
    left = {path.name for path in tmp_path.iterdir()}
    assert ".tmp-old" not in left
    assert {".tmp-new", "mine"} < left


def test_nothing_temporary_is_left(tmp_path: Path):
    read(DATA, keep=tmp_path)
    read(ODD, keep=tmp_path)
    assert [path for path in tmp_path.iterdir() if path.name.startswith(".tmp-")] == []


def test_default_folder_from_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("LAKEHOUSE_CACHE_DIR", str(tmp_path))
    read(DATA)
    assert len(list((tmp_path / "ontologies").iterdir())) == 1


def test_large_files_say_that_they_are_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
):
    monkeypatch.setattr(reader, "_LARGE", 10)
    (tmp_path / "some.obo").write_bytes(DATA)
    read(tmp_path / "some.obo", keep=tmp_path / "kept")
    assert capfd.readouterr().err.startswith("→ reading some.obo (0.0 MB)")
    read(tmp_path / "some.obo", keep=tmp_path / "kept")
    assert capfd.readouterr().err == ""


def test_a_default_folder_that_can_t_be_made_costs_only_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("LAKEHOUSE_CACHE_DIR", str(tmp_path / "file"))
    assert len(read(DATA)) == 4
    with pytest.raises(StorageError) as caught:
        read(DATA, keep=tmp_path / "file")
    assert str(tmp_path / "file") in caught.value.message


def test_threads_at_once(tmp_path: Path):
    found = []
    threads = [
        threading.Thread(target=lambda: found.append(read(DATA, keep=tmp_path))) for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 4
    assert all(onto == found[0] for onto in found)
    assert len(list(tmp_path.iterdir())) == 1


@pytest.mark.slow
def test_kept_tables_load_without_the_parser(tmp_path: Path):
    path = tmp_path / "x.obo"
    path.write_bytes(DATA)
    read(path, keep=tmp_path / "kept")
    code = (
        "import sys\nfrom lakehouse.ontology import read\n"
        f"assert len(read({str(path)!r}, keep={str(tmp_path / 'kept')!r})) == 4\n"
        "print('pronto' in sys.modules, 'fastobo' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["False", "False"]
