"""What the engine relies on in a catalog: the suite that a backend's tests inherit."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pyarrow as pa
import pytest

from lakehouse.engine.catalog.base import Catalog, KeysTaken, PointerMoved, Swap
from lakehouse.engine.table.keypack import BulkClaim
from lakehouse.errors import LakeExists
from lakehouse.identity import new_uid

START = datetime(2026, 1, 1, tzinfo=UTC)


def swap_of(number: int = 0, **kwargs: Any) -> Swap:
    """A swap that happens `number` seconds after the start."""
    return Swap(new_uid(), START + timedelta(seconds=number), **kwargs)


def commit(catalog: Catalog, swap: Swap) -> int:
    """Make a swap in a turn of its own."""
    with catalog.exclusive() as exclusive:
        return exclusive.swap(swap)


def move(catalog: Catalog, table: str, new: str, number: int = 0, **kwargs: Any) -> int:
    """Move the pointer of one table, wherever it is now."""
    old = catalog.heads().pointers.get(table)
    return commit(catalog, swap_of(number, pointers={table: (old, new)}, **kwargs))


class CatalogContract:
    """What the engine relies on: inherit it in a test class, and say how the backend is made.

    Example:
        >>> from lakehouse.engine.catalog.sqlite import SqliteCatalog
        >>> class TestSqlite(CatalogContract):
        ...     @pytest.fixture
        ...     def make(self, tmp_path):
        ...         return lambda: SqliteCatalog(f"{tmp_path}/catalog")
        ...
        ...     @pytest.fixture
        ...     def stock_uri(self, tmp_path):
        ...         return f"sqlite:///{tmp_path}/catalog"
    """

    @pytest.fixture
    def make(self) -> Callable[[], Catalog]:
        """Makes a catalog object on the same, at first empty, place each time."""
        raise NotImplementedError("a backend defines this fixture")

    @pytest.fixture
    def stock_uri(self) -> str:
        """The place's address for pyiceberg's own `SqlCatalog`."""
        raise NotImplementedError("a backend defines this fixture")

    @pytest.fixture
    def catalog(self, make: Callable[[], Catalog]) -> Iterator[Catalog]:
        """A catalog of a lake without tables."""
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
        swapped: Any = {
            "claims": [("k1", "u2"), ("k2", "u1")],
            "releases": [("k1", "u1"), ("k2", "u2")],
        }
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
        pytest.importorskip("sqlalchemy")
        from pyiceberg.catalog.sql import SqlCatalog

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
