"""`check` names every damage of a lake, and nothing else; the lake needn't be fit to be opened."""

from __future__ import annotations

import shutil
import sqlite3
import threading
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from lakehouse.engine import Changes
from lakehouse.engine.catalog.sqlite import SqliteCatalog
from lakehouse.engine.health.damage import CheckReport
from lakehouse.errors import CatalogUnavailable, LakeCorrupt, LakehouseError, LakeNotFound
from lakehouse.orm import Lake
from lakehouse.orm.lake import health
from tests.engine.openness import stock_catalog
from tests.registries.rewound import made_once


def _fill(lake: Lake, base: Path) -> None:
    """A lake with labels in bulk and one by one, artifacts, a tag, and a past."""
    lake.save([lake.ULabel(name=f"label {i}") for i in range(30)])
    lake.tag("first")
    for i in range(3):
        (base / f"{i}.txt").write_text(f"content {i}" * 100)
        artifact = lake.Artifact(str(base / f"{i}.txt"), key=f"a/{i}.txt").save()
        artifact.ulabels.add(lake.ULabel.get(name=f"label {i}"))
    label = lake.ULabel.get(name="label 7")
    label.description = "changed"
    label.save()
    lake.ULabel.get(name="label 9").delete(permanent=True)


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    with made_once(tmp_path_factory.mktemp("damage"), _fill) as made:
        yield made


def look(root: Path, *, deep: bool = True) -> CheckReport:
    site = health.site_at(str(root))
    try:
        return health.check(site, deep=deep)
    finally:
        site.close()


def head_of(root: Path, table: str) -> tuple[Path, list[Path], list[Path]]:
    """The metadata file, manifests and data files of a table's newest version."""
    with Lake.open(str(root)) as lake:
        version = lake.state.version(table)
        return (
            Path(version.location),
            [Path(m.path) for m in version.manifests],
            [Path(e.path) for e in version.entries],
        )


def kinds(report: CheckReport) -> set[tuple[str, str]]:
    return {(d.kind, Path(d.what).name) for d in report.damages}


def test_a_lake_that_cant_be_opened_isnt_held(root: Path) -> None:
    """Nothing can close it any more: a connection would stay until some garbage collection."""
    metadata, _, _ = head_of(root, "ulabel")
    good = metadata.read_bytes()
    for damage in (lambda: metadata.write_bytes(b"{"), metadata.unlink):
        damage()
        with pytest.raises(LakeCorrupt) as caught:  # whose frames still hold all that there was
            Lake.open(str(root))
        assert caught
        assert sorted(p.name for p in (root / ".lakehouse").glob("catalog.db-*")) == []
        metadata.write_bytes(good)
    run_sql(root, "UPDATE lh_info SET value = 'no json'")
    report = look(root)
    assert not report.ok
    assert sorted(p.name for p in (root / ".lakehouse").glob("catalog.db-*")) == []


def run_sql(root: Path, *statements: str) -> None:
    with closing(sqlite3.connect(root / ".lakehouse" / "catalog.db")) as db, db:
        for statement in statements:
            db.execute(statement)


@pytest.mark.parametrize("deep", [False, True])
def test_a_whole_lake(root: Path, *, deep: bool) -> None:
    report = look(root, deep=deep)
    assert report.ok, str(report)
    assert report.orphans == report.notes == []
    assert report.checked["artifacts"] == 3
    tables = [path for path in (root / ".lakehouse/tables").iterdir() if path.is_dir()]
    assert report.checked["tables"] == len(tables) > 5
    assert ("past versions" in report.checked) == deep
    assert "is whole" in str(report)


def test_a_lake_that_was_moved_and_not_opened_yet(root: Path, tmp_path: Path) -> None:
    there = tmp_path / "moved"
    shutil.copytree(root, there)
    before = {p: p.read_bytes() for p in there.rglob("*.avro")}
    report = look(there)
    assert report.ok, str(report)
    assert report.checked["artifacts"] == 3
    assert report.orphans == []
    assert {p: p.read_bytes() for p in there.rglob("*.avro")} == before
    Lake.open(str(there)).close()
    report = look(there)
    assert report.ok, str(report)


@pytest.mark.slow
@pytest.mark.parametrize("which", [0, 1, 2])
@pytest.mark.parametrize(
    ("kind", "damage"),
    [
        ("missing", lambda path: path.unlink()),
        ("truncated", lambda path: path.write_bytes(path.read_bytes()[:-30])),
        (
            "changed",
            lambda path: path.write_bytes(
                bytes([path.read_bytes()[0] ^ 1]) + path.read_bytes()[1:]
            ),
        ),
    ],
)
def test_files(root: Path, which: int, kind: str, damage: Callable[[Path], object]) -> None:
    found = head_of(root, "ulabel")[which]
    path = found[0] if isinstance(found, list) else found
    damage(path)
    for deep in (False, True):
        report = look(root, deep=deep)
        assert kinds(report) == {(kind, path.name)}
        assert report.damages[0].table == "ulabel"
        assert str(path) in str(report)
    with pytest.raises(LakeCorrupt, match="lakehouse check"), Lake.open(str(root)) as lake:
        lake.ULabel.filter().to_list()


def test_what_only_a_past_state_needs(root: Path) -> None:
    with Lake.open(str(root)) as lake:
        past = Path(lake.engine.state_at("first").version("ulabel").entries[0].path)
    assert past not in head_of(root, "ulabel")[2]
    past.unlink()
    assert look(root, deep=False).ok
    assert kinds(look(root)) == {("missing", past.name)}


def test_orphans_are_no_damage(root: Path) -> None:
    orphan = root / ".lakehouse/tables/ulabel/data/0123.parquet"
    orphan.write_bytes(b"left by a killed writer")
    report = look(root)
    assert report.ok
    assert report.orphans == [str(orphan)]


def test_rows_and_keys(root: Path) -> None:
    with Lake.open(str(root)) as lake:
        changes = Changes()
        changes.insert(
            "artifact_link",
            [{"uid": "L1", "subject_uid": "no artifact", "registry": "ulabel", "target_uid": "no"}],
        )
        lake.engine.commit(changes)
        taken, free = (lake.ULabel.get(name=f"label {i}").uid for i in (1, 2))
    run_sql(
        root,
        "DELETE FROM lh_key WHERE key LIKE '%label 1\x1f'",
        "UPDATE lh_key SET uid = 'other' WHERE key LIKE '%label 2\x1f'",
        "INSERT INTO lh_key VALUES ('ulabel.name+type_uid\x1fa label that is not\x1f', 'x')",
        "INSERT INTO lh_tag VALUES ('lost', 999)",
    )
    report = look(root)
    found = "\n".join(map(str, report.damages))
    assert [d.kind for d in report.damages].count("dangling") == 3
    assert "artifact_link L1.subject_uid" in found
    assert "names ulabel 'no'" in found
    assert "tag 'lost'" in found
    assert f"row {taken} has it, nobody holds it" in found
    assert f"row {free} has it, row other holds it" in found
    assert "a label that is not" in found
    assert len(report.damages) == 6, found


def test_rows_that_another_engine_wrote(root: Path) -> None:
    with Lake.open(str(root)) as lake:
        row = lake.state.row("ulabel", lake.ULabel.get(name="label 3").uid)
        with stock_catalog(lake.engine) as catalog:
            table = catalog.load_table("lake.ulabel")
            schema = table.schema().as_arrow()
            rows = [row, {**row, "uid": "anotherUidOfIt00"}]
            table.append(pa.Table.from_pylist(rows, schema=schema))
    report = look(root)
    assert {d.kind for d in report.damages} == {"doubled"}
    found = "\n".join(map(str, report.damages))
    assert repr(row["uid"]) in found
    assert "label 3" in found
    assert report.notes == ["another Iceberg engine wrote to table 'ulabel'"]


def test_artifacts(root: Path) -> None:
    with Lake.open(str(root)) as lake:
        paths = [Path(lake.Artifact.get(key=f"a/{i}.txt").path) for i in range(3)]
    size = paths[0].stat().st_size
    for path in paths:
        path.chmod(0o644)
    paths[0].write_bytes(b"X" * size)
    paths[1].write_bytes(b"short")
    paths[2].unlink()
    quick = look(root, deep=False)
    assert {d.kind for d in quick.damages} >= {"truncated", "missing"}
    report = look(root)
    assert sorted(d.kind for d in report.damages) == ["changed", "missing", "truncated"]
    assert all(any(f"a/{i}.txt" in d.what for d in report.damages) for i in range(3))


class TestCatalog:
    def test_gone(self, root: Path) -> None:
        (root / ".lakehouse/catalog.db").unlink()
        report = look(root)
        assert [d.kind for d in report.damages] == ["missing"]
        assert "catalog.db" in report.damages[0].what
        with pytest.raises(CatalogUnavailable, match="lakehouse repair"):
            Lake.open(str(root))

    def test_no_database(self, root: Path) -> None:
        (root / ".lakehouse/catalog.db").write_bytes(b"nothing of the kind" * 500)
        report = look(root)
        assert [d.kind for d in report.damages] == ["catalog"]

    def test_a_lost_pointer_makes_no_empty_table(self, root: Path) -> None:
        run_sql(root, "UPDATE iceberg_tables SET table_name='ulabem' WHERE table_name='ulabel'")
        with pytest.raises(LakeCorrupt, match="lost the table 'ulabel'"):
            Lake.open(str(root))
        report = look(root)
        assert ("catalog", "table 'ulabel'") in {(d.kind, d.what) for d in report.damages}

    @pytest.mark.parametrize(
        "statement",
        [
            "UPDATE lh_info SET value = 'no json'",
            "UPDATE lh_info SET value = '\"x\"' WHERE name = 'format'",
            "UPDATE iceberg_tables SET metadata_location = x'ff' WHERE table_name = 'ulabel'",
            "UPDATE lh_commit SET tables = 5, time_us = 'x' WHERE seq = 2",
            "UPDATE lh_commit SET id = 'x' WHERE seq = 2",
            "UPDATE lh_info SET value = '\"another\"' WHERE name = 'uid'",
        ],
    )
    def test_values(self, root: Path, statement: str) -> None:
        run_sql(root, statement)
        report = look(root)
        assert not report.ok
        assert {d.kind for d in report.damages} == {"catalog"}, str(report)
        try:
            with Lake.open(str(root)) as lake:
                lake.log()
        except LakehouseError:
            pass

    def test_pages(self, root: Path) -> None:
        file = root / ".lakehouse/catalog.db"
        data = bytearray(file.read_bytes())
        for page in range(4096, len(data), 8192):
            data[page : page + 8] = b"\xff" * 8
        file.write_bytes(data)
        report = look(root)
        assert not report.ok
        assert all(d.kind == "catalog" for d in report.damages[:1])


def test_the_marker(root: Path) -> None:
    (root / ".lakehouse/lake.json").write_bytes(b'{"uid": 5}')
    report = look(root)
    assert kinds(report) == {("changed", "lake.json")}
    (root / ".lakehouse/lake.json").unlink()
    assert kinds(look(root)) == {("missing", "lake.json")}


def test_no_lake(tmp_path: Path) -> None:
    with pytest.raises(LakeNotFound):
        health.site_at(str(tmp_path))


def test_beside_a_writer_and_gc(root: Path) -> None:
    done = threading.Event()
    wrong: list[str] = []

    def work() -> None:
        with Lake.open(str(root)) as lake:
            for i in range(12):
                label = lake.ULabel(name=f"new {i}").save()
                if i % 3 == 0:
                    label.delete(permanent=True)
                lake.engine.gc(keep=4, min_age=0)
        done.set()

    thread = threading.Thread(target=work)
    thread.start()
    checks = 0
    while not done.is_set() or not checks:
        report = look(root)
        wrong += [str(report)] if not report.ok else []
        checks += 1
    thread.join()
    assert wrong == []
    report = look(root)
    assert report.ok, str(report)


@pytest.mark.parametrize("look_at", ["locations", "log"])
def test_a_commit_between_two_looks_at_the_catalog_is_no_damage(
    root: Path, monkeypatch: pytest.MonkeyPatch, look_at: str
) -> None:
    real = getattr(SqliteCatalog, look_at)

    def later(self: SqliteCatalog, *args: Any, **kwargs: Any) -> Any:
        monkeypatch.undo()
        with Lake.open(str(root)) as lake:
            lake.ULabel(name=f"before {look_at}").save()
            lake.engine.gc(keep=1, min_age=0)
        return real(self, *args, **kwargs)

    monkeypatch.setattr(SqliteCatalog, look_at, later)
    report = look(root)
    assert report.ok, str(report)


def test_lake_check(root: Path) -> None:
    with Lake.open(str(root)) as lake:
        assert lake.check().ok
        report: Any = lake.check(deep=True)
        assert report.ok
        assert report.to_dict()["damages"] == []


def test_artifacts_are_compared_as_readers_do(root: Path) -> None:
    """The same look tells `load` and `check`, so a quick check sees the same size, too."""
    with Lake.open(str(root)) as lake:
        (root / "folder").mkdir()
        (root / "folder" / "a").write_text("of a folder")
        folder = Path(lake.Artifact(root / "folder", key="folder").save().path)
        flipped = Path(lake.Artifact.get(key="a/0.txt").path)
        touched = Path(lake.Artifact.get(key="a/1.txt").path)
    touched.touch()
    assert look(root, deep=False).ok
    data = bytearray(flipped.read_bytes())
    data[5] ^= 1
    flipped.chmod(0o644)
    flipped.write_bytes(data)
    shutil.move(folder / "a", root / "away")
    shutil.rmtree(folder)
    shutil.move(root / "away", folder)
    for deep in (False, True):
        report = look(root, deep=deep)
        assert sorted(d.kind for d in report.damages) == ["changed", "changed"], str(report)
        assert "a file" in str(report)
        assert "content hash" in str(report)


def test_bytes_that_were_given_up_are_no_damage(root: Path) -> None:
    with Lake.open(str(root)) as lake:
        (root.parent / "new.txt").write_text("new")
        real = lake.Artifact(root.parent / "new.txt", key="real.txt", key_is_virtual=False).save()
        lake.Artifact.get(key="a/0.txt").delete(permanent=True)  # "first" is older
        lake.tag("second")
        tagged = Path(lake.Artifact.get(key="a/1.txt").path)
        lake.Artifact.get(key="a/1.txt").delete(permanent=True)
        (root.parent / "new.txt").write_text("newer")
        real.replace(root.parent / "new.txt")
        real.save()
    report = look(root)
    assert report.ok, str(report)
    assert any("2 artifacts" in note for note in report.notes)
    tagged.unlink()
    assert [d.kind for d in look(root).damages] == ["missing"]


def test_replaced_bytes_that_did_not_take_their_key_yet(root: Path) -> None:
    with Lake.open(str(root)) as lake:
        (root.parent / "r.txt").write_text("old")
        real = lake.Artifact(root.parent / "r.txt", key="r.txt", key_is_virtual=False).save()
        (root.parent / "r.txt").write_text("replaced")
        real.replace(root.parent / "r.txt")
        real._take_place = lambda: None  # its process ends here
        real.save()
        beside = root / real._values["storage_key"]
        assert look(root).ok
        beside.replace(root / "r.txt")  # or here
        report = look(root)
        assert report.ok, str(report)
