"""Catalogs that are locked, missing or broken, and storage that refuses: clear errors, no damage."""

from __future__ import annotations

import os
import resource
import shutil
import signal
import sqlite3
import subprocess
import sys
import tempfile
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from lakehouse.engine import Changes, Engine, Limits
from lakehouse.engine.catalog.place import MARKER
from lakehouse.engine.catalog.sqlite import SqliteCatalog
from lakehouse.engine.files import files_at
from lakehouse.errors import (
    CatalogUnavailable,
    LakeCorrupt,
    LakehouseError,
    StorageError,
)
from lakehouse.identity import new_uid
from tests.engine.lakes import SPECS, delete, files_below, insert, names, thing, things, update

NOBODY = 65_534
VERSION_3 = (
    b'{"format-version": 3, "location": "x", "schemas": [], "current-schema-id": 0,'
    b' "partition-specs": []}'
)


def hasty(engine: Engine) -> Engine:
    """The same lake with a short patience."""
    catalog = SqliteCatalog(f"{engine.folder}/catalog.db", busy_seconds=0.05)
    return Engine(engine.root, files_at(engine.root), catalog, SPECS, Limits())


class TestCatalog:
    def test_locked(self, lake: Engine) -> None:
        insert(lake, [thing(1)])
        engine = hasty(lake)
        other = sqlite3.connect(f"{lake.folder}/catalog.db", isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        for action in (
            lambda: insert(engine, [thing(2)]),
            lambda: engine.tag("v1"),
            lambda: engine.set_info(name="x"),
        ):
            with pytest.raises(CatalogUnavailable, match="locked by another process") as error:
                action()
            assert "retry" in str(error.value)
        assert engine.state().count("thing") == 1
        other.execute("ROLLBACK")
        other.close()
        insert(engine, [thing(2)])
        assert engine.state().count("thing") == 2
        engine.close()

    def test_missing(self, lake: Engine) -> None:
        lake.close()
        for path in Path(lake.folder).glob("catalog.db*"):
            path.unlink()
        with pytest.raises(CatalogUnavailable, match=r"catalog\.db' is missing") as error:
            Engine.open(lake.root, SPECS)
        assert "backup" in str(error.value)
        assert not (Path(lake.folder) / "catalog.db").exists()

    def test_emptied(self, lake: Engine) -> None:
        lake.close()
        Path(f"{lake.folder}/catalog.db").write_bytes(b"")
        with pytest.raises(LakeCorrupt, match="lost its catalog"):
            Engine.open(lake.root, SPECS)

    @pytest.mark.parametrize("content", [b"garbage " * 1_000, None])
    def test_damaged(self, lake: Engine, content: bytes | None) -> None:
        insert(lake, things(50))
        lake.close()
        path = Path(f"{lake.folder}/catalog.db")
        path.write_bytes(content or path.read_bytes()[:5_000] + b"\x55" * 20_000)
        with pytest.raises(CatalogUnavailable, match=r"catalog\.db"):
            engine = Engine.open(lake.root, SPECS)
            insert(engine, [thing(1)])


class TestMetadata:
    @pytest.mark.parametrize(
        ("content", "message"),
        [
            (b"{", "is not JSON"),
            (b'{"format-version": 2}', "no table metadata"),
            (b'["a list"]', "no table metadata"),
            (VERSION_3, "another Iceberg format"),
            (None, "is gone"),
        ],
    )
    def test_a_corrupted_metadata_file(
        self, lake: Engine, content: bytes | None, message: str
    ) -> None:
        insert(lake, [thing(1)])
        named = Path(lake.state().pointers["thing"])
        # as other writers name it: without a digest
        path = named.rename(named.with_name(f"00001-{uuid.uuid4()}.metadata.json"))
        with sqlite3.connect(f"{lake.folder}/catalog.db") as db:
            db.execute(
                "UPDATE iceberg_tables SET metadata_location = ?1 WHERE metadata_location = ?2",
                (str(path), str(named)),
            )
        db.close()
        good = path.read_bytes()
        path.unlink()
        if content is not None:
            path.write_bytes(content)
        self.check(lake, message)
        path.write_bytes(good)
        assert Engine.open(lake.root, SPECS).state().count("thing") == 1

    def test_a_pointer_into_nothing(self, lake: Engine) -> None:
        insert(lake, [thing(1)])
        with sqlite3.connect(f"{lake.folder}/catalog.db") as db:
            db.execute("UPDATE iceberg_tables SET metadata_location = '/no/where.json'")
        db.close()
        self.check(lake, "isn't its own")

    def test_a_pointer_to_a_file_that_is_gone(self, lake: Engine) -> None:
        insert(lake, [thing(1)])
        with sqlite3.connect(f"{lake.folder}/catalog.db") as db:
            where = f"{lake.folder}/tables/thing/metadata/nowhere.metadata.json"
            db.execute("UPDATE iceberg_tables SET metadata_location = ?", (where,))
        db.close()
        self.check(lake, "is gone")

    @pytest.mark.parametrize("pattern", ["snap-*.avro", "*-m0.avro"])
    @pytest.mark.parametrize("content", [None, b"", b"Obj\x01 and no more", b"\0" * 500])
    def test_corrupted_manifests(self, lake: Engine, pattern: str, content: bytes | None) -> None:
        insert(lake, [thing(1)])
        for path in (Path(lake.folder) / "tables" / "thing" / "metadata").glob(pattern):
            path.unlink()
            if content is not None:
                path.write_bytes(content)
        self.check(lake, "is gone" if content is None else "can't be read")

    @pytest.mark.parametrize("content", [None, b"", b"PAR1 and no more", b"\0" * 500])
    def test_corrupted_data(self, lake: Engine, content: bytes | None) -> None:
        row = thing(1)
        insert(lake, [row])
        path = Path(lake.state().files("thing")[0])
        path.unlink()
        if content is not None:
            path.write_bytes(content)
        cold = Engine.open(lake.root, SPECS)
        assert cold.state().count("thing") == 1
        message = "is gone" if content is None else "can't be read"
        for action in (
            lambda: cold.state().arrow("thing"),
            lambda: cold.state().row("thing", row["uid"]),
            lambda: cold.state().sql("SELECT * FROM thing"),
            lambda: update(cold, row, name="x"),
        ):
            with pytest.raises(LakeCorrupt, match=message) as error:
                action()
            assert str(path) in str(error.value)
        assert cold.log(1)[0].seq == 1
        cold.close()

    def test_a_damaged_marker(self, lake: Engine) -> None:
        (Path(lake.folder) / MARKER).write_text("{")
        with pytest.raises(LakeCorrupt, match="is damaged"):
            Engine.open(lake.root, SPECS)

    def check(self, lake: Engine, message: str) -> None:
        """Opening or the first read fails clearly, and nothing is committed."""
        with pytest.raises(LakeCorrupt, match=message):
            Engine.open(lake.root, SPECS).state().arrow("thing")


class TestFullDisk:
    """A limit on the size of files, and a real file system that fills up."""

    def test_a_file_that_may_not_grow(self, lake: Engine) -> None:
        insert(lake, [thing(1)])
        before = files_below(Path(lake.folder) / "tables")
        old = resource.getrlimit(resource.RLIMIT_FSIZE)
        handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        try:
            resource.setrlimit(resource.RLIMIT_FSIZE, (200, old[1]))
            for rows in ([thing(2)], things(1_500, 10)):
                with pytest.raises(StorageError, match="nothing was committed") as error:
                    insert(lake, rows)
                assert "free some space" in str(error.value)
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, old)
            signal.signal(signal.SIGXFSZ, handler)
        assert files_below(Path(lake.folder) / "tables") == before
        assert lake.state().seq == 1
        insert(lake, [thing(2)])
        assert lake.state().count("thing") == 2

    @pytest.fixture
    def small_disk(self, tmp_path: Path) -> Iterator[Path]:
        folder = tmp_path / "disk"
        folder.mkdir()
        mounted = subprocess.run(
            ["mount", "-t", "tmpfs", "-o", "size=4m", "tmpfs", str(folder)], check=False
        )
        if mounted.returncode:
            pytest.skip("mounting a file system needs root")
        yield folder
        subprocess.run(["umount", "-l", str(folder)], check=True)

    def test_a_disk_that_fills_up(self, small_disk: Path) -> None:
        engine = Engine.create(str(small_disk / "lake"), SPECS)
        row = thing(1)
        insert(engine, [row])
        filler = small_disk / "filler"
        filler.write_bytes(b"")
        free = shutil.disk_usage(small_disk).free
        saved = failed = 0
        # from a nearly full disk to a full one, so that every write is once the first to fail
        for left in range(120_000, 0, -8_192):
            with filler.open("r+b") as handle:
                handle.truncate(0)
                handle.write(b"x" * (free - left))
            for rows in ([thing(left + 2_000)], things(1_100, 10 + left)):
                try:
                    insert(engine, rows)
                    saved += len(rows)
                except (StorageError, CatalogUnavailable) as error:
                    failed += 1
                    assert "nothing was committed" in str(error)
            free = shutil.disk_usage(small_disk).free + filler.stat().st_size
            assert engine.state().count("thing") == 1 + saved
        assert saved
        assert failed > 5
        filler.unlink()
        insert(engine, [thing(2)])
        delete(engine, [row["uid"]])
        engine.close()
        again = Engine.open(engine.root, SPECS)
        assert again.state().arrow("thing").num_rows == 1 + saved
        left = again.gc(min_age=0).orphans  # only of commits that failed within the catalog
        assert len(left) < 10 * failed
        assert again.state().arrow("thing").num_rows == 1 + saved
        again.close()

    def test_creating_on_a_full_disk(self, small_disk: Path) -> None:
        filler = small_disk / "filler"
        filler.write_bytes(b"x" * (shutil.disk_usage(small_disk).free - 8_192))
        with pytest.raises((StorageError, CatalogUnavailable)):
            Engine.create(str(small_disk / "lake"), SPECS)
        filler.unlink()
        engine = Engine.create(str(small_disk / "lake"), SPECS)
        insert(engine, [thing(1)])
        assert engine.state().count("thing") == 1
        engine.close()


def as_nobody(action: Callable[[], object]) -> str:
    """Run an action in a child without root's rights; the name and text of its error."""
    reader, writer = os.pipe()
    pid = os.fork()
    if pid == 0:
        text = "died"
        try:
            if os.getuid() == 0:
                os.setgid(NOBODY)
                os.setuid(NOBODY)
            try:
                text = f"none: {action()}"
            except LakehouseError as error:
                text = f"{type(error).__name__}: {error}"
            except BaseException as error:
                text = f"unexpected {type(error).__name__}: {error}"
        finally:
            os.write(writer, text.encode()[:60_000])
            os._exit(0)
    os.close(writer)
    with os.fdopen(reader) as handle:
        text = handle.read()
    os.waitpid(pid, 0)
    return text


def wait_for(path: Path) -> None:
    deadline = time.monotonic() + 10
    while not path.exists() and time.monotonic() < deadline:
        time.sleep(0.002)


class TestNoPermission:
    @pytest.fixture
    def folder(self) -> Iterator[Path]:
        """A folder that others may enter; pytest's own they may not."""
        folder = Path(tempfile.mkdtemp(prefix="lake-"))
        folder.chmod(0o755)
        yield folder
        for path in folder.rglob("*"):
            path.chmod(0o755)
        shutil.rmtree(folder)

    def read_only(self, folder: Path) -> None:
        for path in (folder, *folder.rglob("*")):
            path.chmod(0o555 if path.is_dir() else 0o444)

    def test_a_read_only_lake_can_be_read(self, folder: Path) -> None:
        engine = Engine.create(str(folder / "lake"), SPECS)
        insert(engine, [thing(1, name="a")])
        insert(engine, [thing(2, name="b")])
        engine.close()
        self.read_only(folder)
        root = engine.root
        found = as_nobody(lambda: names(Engine.open(root, SPECS).state()))
        assert found == "none: ['a', 'b']"
        found = as_nobody(lambda: names(Engine.open(root, SPECS).state_at(1)))
        assert found == "none: ['a']"
        for action in (
            lambda: insert(Engine.open(root, SPECS), [thing(3)]),
            lambda: insert(Engine.open(root, SPECS), things(1_500)),
            lambda: Engine.open(root, SPECS).tag("v1"),
            lambda: Engine.open(root, SPECS).gc(keep=1),
        ):
            text = as_nobody(action)
            assert text.startswith(("NoWriteAccess", "CatalogUnavailable")), text
        assert Engine.open(root, SPECS).state().seq == 2

    def test_a_reader_sees_what_the_owner_writes(self, folder: Path) -> None:
        """Without the right to write, while the owner has the lake open and closes it again."""
        if os.getuid() != 0:
            pytest.skip("the owner and the reader must be two users")
        engine = Engine.create(str(folder / "lake"), SPECS)
        insert(engine, [thing(1)])
        engine.close()
        root, steps = engine.root, folder / "steps"
        steps.mkdir()
        steps.chmod(0o777)

        def follow() -> list[int]:
            reader = Engine.open(root, SPECS)
            out = [reader.state().count("thing")]
            for step in range(4):
                (steps / f"asked{step}").touch()
                wait_for(steps / f"done{step}")
                out.append(reader.state().count("thing"))
            return out

        def own() -> None:
            for step in range(4):
                wait_for(steps / f"asked{step}")
                insert(engine, [thing(10 + step)])
                if step == 1:
                    engine.close()
                (steps / f"done{step}").touch()

        owner = threading.Thread(target=own)
        owner.start()
        try:
            assert as_nobody(follow) == "none: [1, 2, 3, 4, 5]"
        finally:
            for step in range(4):
                (steps / f"asked{step}").touch()
            owner.join()
            engine.close()

    def test_creating_where_one_may_not(self, folder: Path) -> None:
        self.read_only(folder)
        text = as_nobody(lambda: Engine.create(str(folder / "lake"), SPECS))
        assert text.startswith("NoWriteAccess"), text
        assert str(folder / "lake") in text

    def test_tables_that_may_not_be_written(self, folder: Path) -> None:
        """The catalog may be written, the tables' folders may not."""
        engine = Engine.create(str(folder / "lake"), SPECS)
        insert(engine, [thing(1)])
        engine.close()
        for path in (folder, *folder.rglob("*")):
            path.chmod(0o777 if path.is_dir() else 0o666)
        for path in (Path(engine.folder) / "tables" / "thing").rglob("*"):
            if path.is_dir():
                path.chmod(0o555)
        root = engine.root

        def attempt() -> object:
            mine = Engine.open(root, SPECS)
            changes = Changes()
            changes.insert("link", [{"uid": new_uid(), "n": 1}])
            changes.insert("thing", [thing(2)])
            try:
                mine.commit(changes)
            finally:
                insert(mine, [{"uid": new_uid(), "n": 7}], table="link")
            return None

        text = as_nobody(attempt)
        assert text.startswith("NoWriteAccess"), text
        assert "nothing was committed" in text
        state = engine.state()
        assert state.count("thing") == 1
        assert state.arrow("link")["n"].to_pylist() == [7]
        engine.close()


@pytest.mark.slow
def test_postgres_without_its_package(tmp_path: Path) -> None:
    """The error names the extra."""
    code = (
        "import sys; sys.modules['psycopg'] = None\n"
        "from lakehouse.engine import Engine\n"
        "from lakehouse.errors import MissingExtra\n"
        "try: Engine.create(sys.argv[1], [], db='postgresql://localhost/x')\n"
        "except MissingExtra as error: print(error)\n"
    )
    found = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path / "lake")],
        check=True,
        capture_output=True,
        text=True,
    )
    assert "pip install 'lakehouse[postgres]'" in found.stdout
