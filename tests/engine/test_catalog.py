"""Each catalog passes the contract of catalogs, and what is its own."""

from __future__ import annotations

import errno
import os
import sqlite3
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from lakehouse.engine.catalog import file_lock
from lakehouse.engine.catalog import postgres as catalog_postgres
from lakehouse.engine.catalog.base import Catalog
from lakehouse.engine.catalog.postgres import PostgresCatalog
from lakehouse.engine.catalog.sqlite import SqliteCatalog
from lakehouse.errors import (
    CatalogUnavailable,
    CommitStateUnknown,
    InvalidArgument,
)
from lakehouse.identity import new_uid
from lakehouse.testing import CatalogContract
from lakehouse.testing._catalogs import commit, move, swap_of
from tests.engine.proxy import Proxy


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
