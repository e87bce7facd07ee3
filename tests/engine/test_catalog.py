"""The contract of catalogs, run against each of them."""

from __future__ import annotations

import errno
import os
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from pyiceberg.catalog.sql import SqlCatalog

from lakehouse.engine.catalog import file_lock
from lakehouse.engine.catalog import postgres as catalog_postgres
from lakehouse.engine.catalog.base import Catalog, KeysTaken, PointerMoved, Swap
from lakehouse.engine.catalog.postgres import PostgresCatalog
from lakehouse.engine.catalog.sqlite import SqliteCatalog
from lakehouse.engine.table.keypack import BulkClaim
from lakehouse.errors import (
    CatalogUnavailable,
    CommitStateUnknown,
    InvalidArgument,
    LakeExists,
)
from lakehouse.identity import new_uid
from tests.engine.proxy import Proxy

START = datetime(2026, 1, 1, tzinfo=UTC)


def swap_of(number: int = 0, **kwargs: object) -> Swap:
    return Swap(new_uid(), START + timedelta(seconds=number), **kwargs)  # type: ignore[arg-type]


def commit(catalog: Catalog, swap: Swap) -> int:
    with catalog.exclusive() as exclusive:
        return exclusive.swap(swap)


def move(catalog: Catalog, table: str, new: str, number: int = 0, **kwargs: object) -> int:
    old = catalog.heads().pointers.get(table)
    return commit(catalog, swap_of(number, pointers={table: (old, new)}, **kwargs))


class CatalogContract:
    """What the engine relies on. A new backend inherits this and says how it is made."""

    @pytest.fixture
    def make(self) -> Callable[[], Catalog]:
        """Makes a catalog object on the same, at first empty, place each time."""
        raise AssertionError("a backend defines this fixture")

    @pytest.fixture
    def stock_uri(self) -> str:
        """The place's address for pyiceberg's own `SqlCatalog`."""
        raise AssertionError("a backend defines this fixture")

    @pytest.fixture
    def catalog(self, make: Callable[[], Catalog]) -> Iterator[Catalog]:
        catalog = make()
        catalog.create({"uid": '"one"', "format": "1"})
        yield catalog
        catalog.close()

    # -- settings

    def test_a_place_holds_one_lake(self, make: Callable[[], Catalog]) -> None:
        first, second = make(), make()
        assert first.info() == {}
        first.create({"uid": '"one"'})
        with pytest.raises(LakeExists):
            second.create({"uid": '"two"'})
        assert second.info() == {"uid": '"one"'}
        second.set_info({"uid": '"three"', "name": '"Zoë\'s"'})
        assert first.info() == {"uid": '"three"', "name": '"Zoë\'s"'}
        first.close()
        second.close()

    def test_one_of_two_creators_wins(self, make: Callable[[], Catalog]) -> None:
        catalogs = [make() for _ in range(4)]
        outcomes: list[str] = []

        def create(number: int) -> None:
            try:
                catalogs[number].create({"uid": str(number)})
                outcomes.append(str(number))
            except LakeExists:
                outcomes.append("exists")

        threads = [threading.Thread(target=create, args=(i,)) for i in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert outcomes.count("exists") == 3
        assert catalogs[0].info()["uid"] in outcomes
        for catalog in catalogs:
            catalog.close()

    # -- pointers and log

    def test_an_empty_catalog(self, catalog: Catalog) -> None:
        heads = catalog.heads()
        assert (heads.seq, heads.pointers, heads.foreign()) == (-1, {}, {})
        assert catalog.log() == []
        assert catalog.seq_at(START) is None

    def test_a_swap_moves_all_pointers_and_extends_the_log(self, catalog: Catalog) -> None:
        first = swap_of(0, pointers={"a": (None, "a0"), "b": (None, "b0")})
        assert commit(catalog, first) == 0
        second = swap_of(1, pointers={"b": ("b0", "b1")}, user="Zoë", run="r1", message="why 'so'")
        assert commit(catalog, second) == 1
        heads = catalog.heads()
        assert (heads.seq, heads.commit_id) == (1, second.commit_id)
        assert heads.pointers == heads.logged == {"a": "a0", "b": "b1"}
        newest, oldest = catalog.log()
        assert (newest.id, newest.seq, newest.parent) == (second.commit_id, 1, first.commit_id)
        assert (newest.user, newest.run, newest.message) == ("Zoë", "r1", "why 'so'")
        assert newest.time == START + timedelta(seconds=1)
        assert (newest.tables, oldest.tables, oldest.parent) == (("b",), ("a", "b"), None)
        assert catalog.log(1) == [newest]
        assert catalog.commit_by_id(first.commit_id) == catalog.commit_at(0) == oldest
        assert catalog.commit_by_id("nobody") is None
        assert catalog.commit_at(7) is None

    def test_a_moved_pointer_refuses_the_whole_swap(self, catalog: Catalog) -> None:
        move(catalog, "a", "a0")
        move(catalog, "b", "b0")
        lost = swap_of(
            pointers={"a": ("a0", "a1"), "b": ("stale", "b1")}, claims=[("k", "u")], garbage=["g"]
        )
        with pytest.raises(PointerMoved):
            commit(catalog, lost)
        with pytest.raises(PointerMoved):
            commit(catalog, swap_of(pointers={"a": (None, "a9")}))
        assert catalog.heads().pointers == {"a": "a0", "b": "b0"}
        assert catalog.holder("k") is None
        assert catalog.garbage(99) == []
        assert catalog.commit_by_id(lost.commit_id) is None
        assert move(catalog, "a", "a1") == 2

    def test_several_swaps_in_one_turn(self, catalog: Catalog) -> None:
        with catalog.exclusive() as exclusive:
            assert exclusive.heads().seq == -1
            exclusive.swap(swap_of(pointers={"a": (None, "a0")}))
            assert exclusive.heads().pointers == {"a": "a0"}
            assert exclusive.swap(swap_of(pointers={"a": ("a0", "a1")})) == 1
        assert catalog.heads().pointers == {"a": "a1"}

    def test_a_turn_that_fails_changes_nothing_and_lets_go(self, catalog: Catalog) -> None:
        with pytest.raises(RuntimeError, match="oops"), catalog.exclusive() as exclusive:
            exclusive.heads()
            raise RuntimeError("oops")
        assert move(catalog, "a", "a0") == 0

    def test_past_pointers(self, catalog: Catalog) -> None:
        for number, (table, new) in enumerate([("a", "a0"), ("b", "b1"), ("a", "a2")]):
            move(catalog, table, new, number)
        assert catalog.pointers_at(0) == {"a": "a0"}
        assert catalog.pointers_at(1) == {"a": "a0", "b": "b1"}
        assert catalog.pointers_at(2) == catalog.pointers_at(9) == {"a": "a2", "b": "b1"}
        assert catalog.seq_at(START) == 0
        assert catalog.seq_at(START + timedelta(seconds=1.999999)) == 1
        assert catalog.seq_at(START - timedelta(microseconds=1)) is None
        paris = (START + timedelta(seconds=2)).astimezone()
        assert catalog.seq_at(paris) == 2

    def test_tokens_tell_of_every_change(
        self, catalog: Catalog, make: Callable[[], Catalog]
    ) -> None:
        other = make()
        move(other, "a", "a0")
        seen = {catalog.token(), catalog.token()}
        assert len(seen) == 1
        move(other, "a", "a1")
        seen.add(catalog.token())
        move(catalog, "a", "a2")
        seen.add(catalog.token())
        commit(other, swap_of())
        seen.add(catalog.token())
        catalog.rewrite_locations("a", "z")
        seen.add(catalog.token())
        assert len(seen) == 5
        other.close()

    def test_a_failed_commit_hides_no_change_of_others(
        self, catalog: Catalog, make: Callable[[], Catalog]
    ) -> None:
        other = make()
        move(other, "a", "a0", claims=[("k", "u")])
        before = catalog.token()
        move(other, "a", "a1")
        with pytest.raises(KeysTaken):
            move(catalog, "a", "a2", claims=[("k", "v")])
        assert catalog.token() != before
        other.close()

    # -- keys

    def test_keys_are_claimed_and_released(self, catalog: Catalog) -> None:
        move(catalog, "a", "a0", claims=[("s\x1fx", "u1"), ("s\x1fX", "u2"), ("s\x1f", "u3")])
        assert catalog.holder("s\x1fx") == "u1"
        assert catalog.holders(["s\x1fX", "s\x1f", "s\x1fy"]) == {"s\x1fX": "u2", "s\x1f": "u3"}
        with pytest.raises(KeysTaken) as error:
            move(catalog, "a", "a1", claims=[("s\x1fy", "u4"), ("s\x1fx", "u4")])
        assert error.value.taken == (("s\x1fx", "u1"),)
        assert catalog.heads().pointers == {"a": "a0"}
        assert catalog.holder("s\x1fy") is None
        move(catalog, "a", "a1", releases=[("s\x1fx", "u1"), ("s\x1fX", "not its holder")])
        assert catalog.holders(["s\x1fx", "s\x1fX"]) == {"s\x1fX": "u2"}

    def test_a_key_claimed_twice_in_one_swap(self, catalog: Catalog) -> None:
        with pytest.raises(KeysTaken) as error:
            move(catalog, "a", "a0", claims=[("k", "u1"), ("k", "u2")])
        assert error.value.taken == (("k", "u1"),)

    def test_two_rows_exchange_keys(self, catalog: Catalog) -> None:
        move(catalog, "a", "a0", claims=[("k1", "u1"), ("k2", "u2")])
        swapped = {"claims": [("k1", "u2"), ("k2", "u1")], "releases": [("k1", "u1"), ("k2", "u2")]}
        move(catalog, "a", "a1", **swapped)
        assert catalog.holders(["k1", "k2"]) == {"k1": "u2", "k2": "u1"}

    @pytest.mark.parametrize("count", [150, 3_000])
    def test_many_keys_one_by_one(self, catalog: Catalog, count: int) -> None:
        claims = [(f"s\x1f{i}\t\\N\n{'ü' * (i % 7)}", f"u{i}") for i in range(count)]
        move(catalog, "a", "a0", claims=claims)
        assert catalog.holders([k for k, _ in claims]) == dict(claims)
        with pytest.raises(KeysTaken) as error:
            move(catalog, "a", "a1", claims=[("s\x1fnew", "v"), *claims[-2:]])
        assert set(error.value.taken) == set(claims[-2:])
        move(catalog, "a", "a1", releases=claims[1:])
        assert catalog.holders([k for k, _ in claims]) == dict(claims[:1])

    def test_packed_keys(self, catalog: Catalog) -> None:
        keys = [f"s\x1f{i}" for i in range(5_000)]
        uids = [f"u{i:05d}" for i in range(5_000)]

        def packed(some: slice, uid: str = "") -> BulkClaim:
            names = [uid or u for u in uids[some]]
            return BulkClaim("s", pa.chunked_array([keys[some]]), pa.chunked_array([names]))

        move(catalog, "a", "a0", claims=[("s\x1fsingle", "u")], bulk=[packed(slice(0, 4_000))])
        assert catalog.holder(keys[3_999]) == uids[3_999]
        assert catalog.holder(keys[4_000]) is None
        assert catalog.holders([*keys, "s\x1fsingle"]) == {
            **dict(zip(keys[:4_000], uids, strict=False)),
            "s\x1fsingle": "u",
        }
        with pytest.raises(KeysTaken) as error:
            move(catalog, "a", "a1", claims=[(keys[7], "v")])
        assert error.value.taken == ((keys[7], uids[7]),)
        with pytest.raises(KeysTaken) as error:
            move(catalog, "a", "a1", bulk=[packed(slice(3_999, 5_000), "v")])
        assert error.value.taken == ((keys[3_999], uids[3_999]),)
        with pytest.raises(KeysTaken):  # claimed singly and packed at once
            move(
                catalog, "a", "a1", claims=[(keys[4_000], "v")], bulk=[packed(slice(4_000, 4_001))]
            )
        releases = list(zip(keys, uids, strict=True))
        move(catalog, "a", "a1", releases=[*releases[:3], (keys[3], "not its holder")])
        assert catalog.holders(keys[:5]) == dict(releases[3:5])
        move(catalog, "a", "a2", releases=[*releases[4:2_000], (keys[2_000], "not its holder")])
        assert catalog.holders(keys) == dict([releases[3], *releases[2_000:4_000]])
        move(catalog, "a", "a3", bulk=[packed(slice(0, 3))], claims=releases[4_000:4_002])
        assert catalog.holder(keys[2]) == uids[2]

    # -- tags, garbage, moves

    def test_tags(self, catalog: Catalog, make: Callable[[], Catalog]) -> None:
        other = make()
        for number in range(3):
            move(catalog, "a", f"a{number}", number)
        catalog.set_tag("v1", 1)
        other.set_tag("v1", 1)
        with pytest.raises(KeysTaken) as error:
            other.set_tag("v1", 2)
        assert error.value.taken == (("v1", "1"),)
        catalog.set_tag("ü 'x'", 0)
        assert other.tags() == {"v1": 1, "ü 'x'": 0}
        catalog.delete_tag("v1")
        catalog.delete_tag("never was")
        assert other.tags() == {"ü 'x'": 0}
        other.close()

    def test_forgetting(self, catalog: Catalog) -> None:
        for number in range(6):
            old = [f"a{number - 1}"] if number else []
            move(catalog, "a", f"a{number}", number, garbage=old)
        move(catalog, "b", "b6", 6)
        noted = catalog.garbage(3)
        assert [path for _, path in noted] == ["a0", "a1", "a2"]
        catalog.forget(4, [1], [noted[0][0]])
        assert [path for _, path in catalog.garbage(99)] == ["a1", "a2", "a3", "a4"]
        assert catalog.pointers_at(1) == {"a": "a1"}
        assert catalog.pointers_at(4) == {"a": "a4"}
        assert catalog.pointers_at(6) == {"a": "a5", "b": "b6"}
        assert catalog.pointers_at(0) == {}
        assert len(catalog.log()) == 7

    def test_what_checks_read_and_repairs_mend(self, catalog: Catalog) -> None:
        move(catalog, "a", "a0", claims=[("s\x1f1", "u"), ("s+t\x1f1", "w")])
        keys, uids = (pa.chunked_array([[text]]) for text in ("s\x1fpacked", "p"))
        move(catalog, "a", "a1", bulk=[BulkClaim("s", keys, uids)])
        move(catalog, "b", "b0")
        assert catalog.problems(deep=True) == []
        assert catalog.locations() == [("a", 0, "a0"), ("a", 1, "a1"), ("b", 2, "b0")]
        assert set(catalog.claims()) == {("s+t\x1f1", "w"), ("s\x1f1", "u")}
        [(scope, digests, packed)] = catalog.packs()
        assert (scope, len(digests), packed) == ("s", 16, b"p")
        catalog.mend({"a0": "a9"}, {"s": [("s\x1f2", "x"), ("s\x1f3", "y")]})
        assert catalog.locations()[0] == ("a", 0, "a9")
        assert catalog.pointers_at(0) == {"a": "a9"}
        assert set(catalog.claims()) == {("s+t\x1f1", "w"), ("s\x1f2", "x"), ("s\x1f3", "y")}
        assert catalog.packs() == []
        assert catalog.holder("s\x1fpacked") is None

    def test_moved_locations(self, catalog: Catalog) -> None:
        move(catalog, "a", "/ö'ld/a0")
        move(catalog, "a", "/ö'ld/a1", garbage=["/ö'ld/a0", "/ö'lder/a"])
        move(catalog, "b", "/elsewhere/ö'ld/b", claims=[("/ö'ld/key", "u")])
        catalog.rewrite_locations("/ö'ld/", "/new place/")
        expected = {"a": "/new place/a1", "b": "/elsewhere/ö'ld/b"}
        assert catalog.heads().pointers == catalog.heads().logged == expected
        assert catalog.pointers_at(0) == {"a": "/new place/a0"}
        assert {p for _, p in catalog.garbage(99)} == {"/new place/a0", "/ö'lder/a"}
        assert catalog.holder("/ö'ld/key") == "u"

    # -- others at the same place

    def test_writers_take_turns(self, catalog: Catalog, make: Callable[[], Catalog]) -> None:
        move(catalog, "a", "0")

        def add(mine: Catalog) -> None:
            for _ in range(20):
                with mine.exclusive() as exclusive:
                    found = exclusive.heads().pointers["a"]
                    exclusive.swap(swap_of(pointers={"a": (found, str(int(found) + 1))}))

        catalogs = [catalog, catalog, make(), make()]
        threads = [threading.Thread(target=add, args=(c,)) for c in catalogs]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert catalog.heads().pointers == {"a": "80"}
        assert [c.seq for c in catalog.log()] == list(range(80, -1, -1))
        for other in catalogs[2:]:
            other.close()

    def test_readers_don_t_wait_for_a_writer(
        self, catalog: Catalog, make: Callable[[], Catalog]
    ) -> None:
        other = make()
        move(catalog, "a", "a0")
        with catalog.exclusive() as exclusive:
            exclusive.heads()
            assert other.heads().pointers == catalog.heads().pointers == {"a": "a0"}
            assert other.token() is not None
        other.close()

    def test_a_forked_child_has_connections_of_its_own(self, catalog: Catalog) -> None:
        move(catalog, "a", "a0")
        entered, leave = threading.Event(), threading.Event()

        def hold() -> None:
            with catalog.exclusive() as exclusive:
                exclusive.heads()
                entered.set()
                leave.wait(20)

        holder = threading.Thread(target=hold)
        holder.start()
        entered.wait(20)
        pid = os.fork()  # while another thread has the lock
        if pid == 0:
            code = 1
            try:
                for number in range(5):
                    move(catalog, "a", f"child{number}")
                code = 0
            finally:
                os._exit(code)
        time.sleep(0.1)
        assert catalog.heads().pointers == {"a": "a0"}  # the child waits for its turn
        leave.set()
        holder.join()
        assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
        assert catalog.heads().pointers == {"a": "child4"}
        assert move(catalog, "a", "parent") == 6

    def test_use_after_close(self, catalog: Catalog) -> None:
        move(catalog, "a", "a0")
        before = catalog.token()
        catalog.close()
        assert catalog.heads().pointers == {"a": "a0"}
        move(catalog, "a", "a1")
        assert catalog.token() != before

    def test_a_stock_catalog_opens_the_same_tables(self, catalog: Catalog, stock_uri: str) -> None:
        move(catalog, "a", "a0")
        stock = SqlCatalog("lakehouse", uri=stock_uri, init_catalog_tables="false")
        try:
            assert stock.list_namespaces() == [("lake",)]
            assert stock.list_tables("lake") == [("lake", "a")]
        finally:
            stock.engine.dispose()

    def test_what_is_empty(self, make: Callable[[], Catalog]) -> None:
        assert make().is_empty()
        made = make()
        made.create({"root": "x"})
        assert not made.is_empty()
        made.drop_info("root")
        assert make().is_empty()
        made.create({"root": "y"})
        move(made, "t", "loc/1")
        made.drop_info("root")
        assert not make().is_empty()  # it isn't a lake's any more, but tells of one


class TestSqlite(CatalogContract):
    @pytest.fixture
    def make(self, tmp_path: Path) -> Callable[[], Catalog]:
        return lambda: SqliteCatalog(str(tmp_path / "catalog.db"))

    @pytest.fixture
    def stock_uri(self, tmp_path: Path) -> str:
        return f"sqlite:///{tmp_path}/catalog.db"

    def test_a_foreign_lock_is_a_clear_error(self, tmp_path: Path, catalog: Catalog) -> None:
        hasty = SqliteCatalog(str(tmp_path / "catalog.db"), busy_seconds=0.05)
        other = sqlite3.connect(tmp_path / "catalog.db", isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(CatalogUnavailable, match="locked by another process"):
            move(hasty, "a", "a0")
        assert hasty.heads().pointers == {}  # reading still works
        other.execute("ROLLBACK")
        other.close()
        assert move(hasty, "a", "a0") == 0
        hasty.close()

    @pytest.mark.parametrize("happened", [True, False])
    def test_a_commit_of_which_nobody_knows(
        self, catalog: Catalog, monkeypatch: pytest.MonkeyPatch, *, happened: bool
    ) -> None:
        """A disk that fails in the COMMIT: whether it happened is in the log, if that is read."""
        move(catalog, "a", "a0")

        class Failing:
            def __init__(self, raw: sqlite3.Connection) -> None:
                self._raw = raw
                self.broken = False

            def __getattr__(self, name: str) -> Any:
                return getattr(self._raw, name)

            def execute(self, statement: str, *values: Any) -> Any:
                if statement == "COMMIT":
                    self._raw.execute("COMMIT" if happened else "ROLLBACK")
                    raise sqlite3.OperationalError("disk I/O error")
                return self._raw.execute(statement, *values)

        assert isinstance(catalog, SqliteCatalog)
        with monkeypatch.context() as patched:
            db = catalog._db()
            patched.setattr(db, "raw", Failing(db.raw))
            if happened:
                assert move(catalog, "a", "a1") == 1
            else:
                with pytest.raises(CatalogUnavailable, match="nothing was committed"):
                    move(catalog, "a", "a1")
        catalog.close()
        assert catalog.heads().pointers == {"a": "a1" if happened else "a0"}
        with monkeypatch.context() as patched:
            db = catalog._db()
            patched.setattr(db, "raw", Failing(db.raw))

            def unreadable(*_: object) -> None:
                raise sqlite3.OperationalError("disk I/O error")

            patched.setattr("lakehouse.engine.catalog.sql.read_commit", unreadable)
            with pytest.raises(CommitStateUnknown, match="look for"):
                move(catalog, "a", "a2")
        catalog.close()

    def test_a_lock_that_cant_be_tried_isnt_told_to_be_broken(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Too many open files, or no Python to start: that says nothing about the folder."""
        path = str(tmp_path / "catalog.db")
        SqliteCatalog(path).create({"root": "x"})
        opened: list[str] = []
        real = os.open

        def full(name: Any, *args: Any, **kwargs: Any) -> int:
            if str(name).endswith(".lock"):
                opened.append(str(name))
                if len(opened) % 2 == 0:
                    raise OSError(errno.EMFILE, "Too many open files")
            return real(name, *args, **kwargs)

        with monkeypatch.context() as patched:
            patched.setattr("lakehouse.engine.catalog.file_lock.os.open", full)
            with pytest.raises(CatalogUnavailable, match="can't be opened") as caught:
                SqliteCatalog(path).set_info({"a": "b"})
        assert "Too many open files" in str(caught.value)
        with monkeypatch.context() as patched:
            patched.setattr(
                file_lock, "_ranges_exclude", lambda *a: file_lock._excluded_elsewhere(a[2])
            )
            patched.setattr(file_lock.sys, "executable", str(tmp_path / "no-python"))
            with pytest.raises(CatalogUnavailable, match="can't be tried"):
                SqliteCatalog(path).set_info({"a": "b"})
            patched.setattr(file_lock.sys, "executable", "/bin/false")
            with pytest.raises(CatalogUnavailable, match="can't be tried"):
                SqliteCatalog(path).set_info({"a": "b"})
        SqliteCatalog(path).set_info({"a": "b"})

    def test_the_trial_of_locks_stands_threads_that_close_the_file_meanwhile(
        self, tmp_path: Path
    ) -> None:
        """Whichever opening of a file a process closes, it gives all its `fcntl` locks of it back."""
        failed: list[Exception] = []

        def hold(lock: file_lock.FileLock) -> None:
            try:
                for _ in range(3):
                    with lock.held():
                        pass
            except CatalogUnavailable as error:
                failed.append(error)

        for n in range(150):
            path = tmp_path / f"{n}.db"
            path.touch()
            locks = [file_lock.FileLock(f"{path}.lock", str(path), lambda: 30) for _ in range(8)]
            threads = [threading.Thread(target=hold, args=(lock,)) for lock in locks]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
        assert failed == []

    def test_a_file_that_is_no_database(self, tmp_path: Path) -> None:
        (tmp_path / "catalog.db").write_bytes(b"no database at all, but long enough" * 99)
        broken = SqliteCatalog(str(tmp_path / "catalog.db"))
        with pytest.raises(CatalogUnavailable, match="not a database"):
            broken.info()


class TestPostgres(CatalogContract):
    @pytest.fixture
    def url(self, postgres_url: str) -> str:
        return f"{postgres_url}&schema=Cat%20{new_uid()}"

    @pytest.fixture
    def make(self, url: str) -> Callable[[], Catalog]:
        return lambda: PostgresCatalog(url)

    @pytest.fixture
    def stock_uri(self, url: str) -> str:
        head, _, schema = url.replace("postgresql://", "postgresql+psycopg://").partition(
            "&schema="
        )
        escaped = schema.replace("%20", "%5C%20")
        return f'{head}&options=-csearch_path%3D"{escaped}"'

    def test_several_lakes_share_a_database(
        self, make: Callable[[], Catalog], catalog: Catalog, postgres_url: str
    ) -> None:
        other = PostgresCatalog(f"{postgres_url}&schema=other_{new_uid()}")
        assert other.info() == {}
        other.create({"uid": '"two"'})
        move(catalog, "a", "a0", claims=[("k", "u1")])
        move(other, "a", "b0", claims=[("k", "u2")])
        assert (catalog.holder("k"), other.holder("k")) == ("u1", "u2")
        assert (catalog.heads().pointers, other.heads().pointers) == ({"a": "a0"}, {"a": "b0"})
        other.close()

    def test_a_lost_connection_is_replaced(self, catalog: Catalog, postgres_url: str) -> None:
        move(catalog, "a", "a0")
        end_sessions(postgres_url)
        assert catalog.heads().pointers == {"a": "a0"}
        end_sessions(postgres_url)
        assert move(catalog, "a", "a1") == 1

    def test_a_connection_lost_before_the_commit_commits_nothing(
        self, catalog: Catalog, postgres_url: str
    ) -> None:
        with catalog.exclusive() as exclusive:
            exclusive.heads()
            end_sessions(postgres_url)
            with pytest.raises(CatalogUnavailable, match="nothing was committed"):
                exclusive.swap(swap_of(pointers={"a": (None, "a0")}))
            # the turn begins anew, with a transaction of its own
            assert exclusive.swap(swap_of(pointers={"a": (None, "a1")})) == 0
        assert catalog.heads().pointers == {"a": "a1"}

    @pytest.mark.parametrize("arrives", [True, False])
    def test_an_outcome_that_got_lost_is_looked_up(
        self, catalog: Catalog, url: str, arrives: bool
    ) -> None:
        move(catalog, "a", "a0")
        with Proxy(url) as proxy:
            remote = PostgresCatalog(proxy.url)
            swap = swap_of(pointers={"a": ("a0", "a1")}, claims=[("k", "u")])
            proxy.break_at(b"COMMIT", forward=arrives)
            if arrives:
                assert commit(remote, swap) == 1
            else:
                with pytest.raises(CatalogUnavailable, match="nothing was committed"):
                    commit(remote, swap)
            remote.close()
        assert catalog.holder("k") == ("u" if arrives else None)
        assert catalog.heads().pointers == {"a": "a1" if arrives else "a0"}
        assert (catalog.commit_by_id(swap.commit_id) is not None) is arrives

    def test_an_outcome_that_can_t_be_learnt(
        self, catalog: Catalog, url: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(catalog_postgres, "_OUTCOME_SECONDS", 0.3)
        move(catalog, "a", "a0")
        with Proxy(url) as proxy:
            remote = PostgresCatalog(proxy.url)
            swap = swap_of(pointers={"a": ("a0", "a1")})
            proxy.break_at(b"COMMIT", forward=True, for_good=True)
            with pytest.raises(CommitStateUnknown, match=swap.commit_id):
                commit(remote, swap)
            remote.close()
        assert catalog.commit_by_id(swap.commit_id) is not None

    def test_a_writer_that_never_ends_is_a_clear_error(self, catalog: Catalog, url: str) -> None:
        hasty = PostgresCatalog(url, lock_seconds=0.05)
        with catalog.exclusive() as exclusive:
            exclusive.heads()
            with pytest.raises(CatalogUnavailable, match="locked by another writer"):
                move(hasty, "a", "a0")
            assert hasty.heads().pointers == {}
        assert move(hasty, "a", "a0") == 0
        hasty.close()

    def test_an_unreachable_server(self) -> None:
        catalog = PostgresCatalog("postgresql://zoe:s3cret@127.0.0.1:1/lakes?schema=cells")
        with pytest.raises(CatalogUnavailable, match=r"'lakes' on 127\.0\.0\.1:1") as error:
            catalog.heads()
        assert "s3cret" not in str(error.value)
        assert "zoe" not in str(error.value)

    def test_a_value_that_postgres_can_t_keep(self, catalog: Catalog) -> None:
        with pytest.raises(InvalidArgument, match="NUL"):
            move(catalog, "a", "a0", claims=[("k\0", "u")])
        assert move(catalog, "a", "a0") == 0


def end_sessions(url: str) -> None:
    """End all other sessions, as a restart of the server does."""
    import psycopg

    with psycopg.connect(url, autocommit=True) as admin:
        admin.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE application_name = 'lakehouse'"
        )
