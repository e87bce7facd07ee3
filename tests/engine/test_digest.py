"""Bytes are what was written: damage to any file of a table is an error that names it."""

from __future__ import annotations

import random
import re
import shutil
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from lakehouse.engine import Changes, Engine, Limits, State
from lakehouse.engine.table.digest import BLANK, content_uuid, named_digest, sealed, verify
from lakehouse.errors import IntegrityError, LakeCorrupt
from tests.engine import openness
from tests.engine.lakes import LIMITS, LINK, SPECS, THING, WIDER, insert, read, thing, things

KINDS = {
    "data": "data/*.parquet",
    "manifest": "metadata/*-m0.avro",
    "list": "metadata/snap-*.avro",
    "metadata": "metadata/*.metadata.json",
}


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A lake of a bulk insert, single rows and a change."""
    root = tmp_path_factory.mktemp("digest") / "lake"
    engine = Engine.create(str(root), SPECS, limits=LIMITS["tiny"])
    rows = things(300)
    insert(engine, rows)
    insert(engine, [{"uid": "L1", "thing_uid": rows[0]["uid"], "n": 1}], "link")
    changes = Changes()
    changes.update("thing", rows[5]["uid"], {"name": "another"}, {"name": rows[5]["name"]})
    engine.commit(changes)
    engine.close()
    return root


@pytest.fixture(scope="module", params=["new", "relocated"])
def lake(
    request: pytest.FixtureRequest, whole: Path, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Path, list[dict[str, Any]]]:
    """The lake where it was made, and a copy, whose metadata was rewritten in place."""
    root = whole
    if request.param == "relocated":
        root = tmp_path_factory.mktemp("elsewhere") / "a lake"
        shutil.copytree(whole, root)
    engine = Engine.open(str(root), SPECS)
    truth = read(engine.state())
    engine.close()
    return root, truth


def flip(data: bytes, rng: random.Random) -> bytes:
    out = bytearray(data)
    out[rng.randrange(len(out))] ^= 1 << rng.randrange(8)
    return bytes(out)


def cut(data: bytes, rng: random.Random) -> bytes:
    return data[: rng.randrange(len(data))]


def zeroed(data: bytes, rng: random.Random) -> bytes:
    at = rng.randrange(len(data))
    return data[:at] + bytes(len(data[at : at + 64])) + data[at + 64 :]


def longer(data: bytes, rng: random.Random) -> bytes:
    return data + rng.randbytes(rng.randrange(1, 50))


def needed(root: Path, pattern: str) -> list[Path]:
    """The files of one kind that the newest state of `thing` needs."""
    engine = Engine.open(str(root), SPECS)
    version = engine.state().version("thing")
    paths = {
        version.location,
        *engine.state().files("thing"),
        *(m.path for m in version.manifests),
        version.metadata["snapshots"][-1]["manifest-list"],
    }
    engine.close()
    return sorted(Path(p) for p in paths if Path(p).match(pattern))


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("damage", [flip, cut, zeroed, longer])
def test_damage_is_an_error_that_names_the_file(
    lake: tuple[Path, list[dict[str, Any]]],
    kind: str,
    damage: Callable[[bytes, random.Random], bytes],
) -> None:
    root, truth = lake
    rng = random.Random(f"{kind}{damage}")
    paths = needed(root, KINDS[kind])
    for _ in range(12):
        path = rng.choice(paths)
        good = path.read_bytes()
        bad = damage(good, rng)
        if bad == good:
            continue
        path.write_bytes(bad)
        try:
            with pytest.raises(LakeCorrupt, match="lakehouse check") as error:
                read(Engine.open(str(root), SPECS).state())
            assert str(path) in str(error.value)
        finally:
            path.write_bytes(good)
    assert read(Engine.open(str(root), SPECS).state()) == truth


@pytest.mark.parametrize("kind", KINDS)
def test_files_in_each_other_s_place_are_noticed(
    lake: tuple[Path, list[dict[str, Any]]], kind: str
) -> None:
    root, truth = lake
    tables = root / ".lakehouse" / "tables"
    path = needed(root, KINDS[kind])[0]
    good = path.read_bytes()
    others = [p for p in tables.glob(f"*/{KINDS[kind]}") if p.read_bytes() != good]
    assert others
    for other in others[:5]:
        path.write_bytes(other.read_bytes())
        with pytest.raises(LakeCorrupt, match=re.escape(path.name)):
            read(Engine.open(str(root), SPECS).state())
    path.write_bytes(good)
    assert read(Engine.open(str(root), SPECS).state()) == truth


def test_scans_of_large_tables_notice_too(whole: Path) -> None:
    def engine() -> Engine:
        return Engine.open(str(whole), SPECS, limits=Limits(memory_bytes=10))

    path = needed(whole, KINDS["data"])[0]
    good = path.read_bytes()
    path.write_bytes(flip(good, random.Random(1)))
    actions: list[Callable[[State], object]] = [
        lambda state: state.sql("SELECT max(n) FROM thing").fetchall(),
        lambda state: state.scan("thing").collect(),
    ]
    for action in actions:
        with pytest.raises(LakeCorrupt, match=path.name):
            action(engine().state())
    cold = engine()
    with pytest.raises(LakeCorrupt):
        cold.state().scan("thing")
    path.write_bytes(good)
    assert len(cold.state().scan("thing").collect()) == 300
    path.unlink()
    with pytest.raises(LakeCorrupt, match=path.name):
        engine().state().scan("thing")
    path.write_bytes(good)


def test_every_new_file_has_a_digest_and_pages_have_checksums(whole: Path) -> None:
    files = [p for p in (whole / ".lakehouse" / "tables").rglob("*") if p.is_file()]
    assert len(files) > 10
    assert all(verify(str(p), p.read_bytes()) for p in files)
    data = next(p for p in files if p.suffix == ".parquet" and p.stat().st_size > 3_000)
    said = set()
    for at in range(100, data.stat().st_size, 97):
        damaged = bytearray(data.read_bytes())
        damaged[at] ^= 1
        file = pa.BufferReader(bytes(damaged))
        try:
            pq.ParquetFile(file, page_checksum_verification=True).read()
        except (OSError, pa.ArrowException) as error:  # the latter for a damaged header
            said.add(str(error))
    assert any("CRC checksum verification failed" in text for text in said), said


def test_relocated_files_are_sealed_and_their_successors_not(whole: Path, tmp_path: Path) -> None:
    root = tmp_path / "moved"
    shutil.copytree(whole, root)
    engine = Engine.open(str(root), SPECS)
    location = Path(engine.state().pointers["thing"])
    assert b"lakehouse-seal:" in location.read_bytes()
    openness.check(engine)
    again = tmp_path / "moved again"
    engine.close()
    root.rename(again)
    engine = Engine.open(str(again), SPECS)
    insert(engine, [thing(900)])
    openness.check(engine)
    fresh = Path(engine.state().pointers["thing"])
    assert b"lakehouse-seal:" not in fresh.read_bytes()
    assert engine.state_at(1).count("thing") == 300
    engine.close()


def test_a_damaged_file_is_not_sealed_by_a_move(whole: Path, tmp_path: Path) -> None:
    root = tmp_path / "moved"
    shutil.copytree(whole, root)
    name = needed(whole, KINDS["metadata"])[0].relative_to(whole)
    path = root / name
    path.write_bytes(path.read_bytes().replace(b'"weight"', b'"wEight"'))
    for _ in range(2):
        with pytest.raises(LakeCorrupt, match=path.name):
            Engine.open(str(root), SPECS)


@pytest.fixture(scope="module")
def foreign(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A lake whose newest version of `thing` was written by pyiceberg."""
    root = tmp_path_factory.mktemp("foreign") / "lake"
    engine = Engine.create(str(root), SPECS)
    insert(engine, things(50))
    with openness.stock_catalog(engine) as catalog:
        table = catalog.load_table("lake.thing")
        row = {**thing(70), "extra": None}
        table.append(pa.Table.from_pylist([row], schema=table.schema().as_arrow()))
    assert named_digest(engine.state().pointers["thing"]) is None
    engine.close()
    return root


def test_damage_to_files_without_digests_gives_no_raw_error(foreign: Path) -> None:
    rng = random.Random(4)
    tables = foreign / ".lakehouse" / "tables" / "thing"
    files = [p for p in tables.rglob("*") if p.is_file() and named_digest(str(p)) is None]
    assert {p.suffix for p in files} == {".parquet", ".avro", ".json"}
    told = 0
    for _ in range(90):
        path = rng.choice(files)
        good = path.read_bytes()
        path.write_bytes(rng.choice([flip, cut, zeroed])(good, rng))
        try:
            read(Engine.open(str(foreign), [THING, LINK]).state())
        except (LakeCorrupt, IntegrityError):  # another name of a column may be a stranger's
            told += 1
        finally:
            path.write_bytes(good)
    assert told > 30


def test_names_and_seals() -> None:
    data = b"some bytes"
    name = content_uuid(data)
    assert name.version == 8
    assert name.variant == "specified in RFC 4122"
    assert content_uuid(data) != name
    for path in (f"/x/{name.hex}.parquet", f"a/00003-{name}.metadata.json", f"{name.hex}-m0.avro"):
        assert verify(path, data)
        with pytest.raises(LakeCorrupt, match=name.hex[-12:]):
            verify(path, data + b"!")
    assert not verify("/x/00000-0-9b2f1bd2-3c0e-4c8e-9a37-08b1ab6b5d0e.parquet", data)
    path = f"/x/{name.hex}.parquet"
    again = sealed(path, b"a" + BLANK.encode() + b"b")
    assert verify(path, again)
    assert verify(f"/another place/{name.hex}.parquet", again)
    for wrong in (again + b"c", b"b" + again[1:]):
        with pytest.raises(LakeCorrupt):
            verify(path, wrong)
    with pytest.raises(LakeCorrupt):
        verify(f"/x/{content_uuid(data).hex}.parquet", again)


def test_columns_are_not_added_for_a_flipped_name(tmp_path: Path) -> None:
    engine = Engine.create(str(tmp_path / "lake"), SPECS)
    insert(engine, [thing(1)])
    path = Path(engine.state().pointers["thing"])
    path.write_bytes(path.read_bytes().replace(b'"weight"', b'"weighd"'))
    with pytest.raises(LakeCorrupt, match=path.name):
        Engine.open(engine.root, [WIDER, LINK])
    with sqlite3.connect(f"{engine.folder}/catalog.db") as db:
        assert db.execute("SELECT max(seq) FROM lh_commit").fetchone() == (1,)
    db.close()
