"""A lake that was moved or copied is followed, at once or when its history is visited."""

from __future__ import annotations

import multiprocessing
import os
import shutil
import time
from pathlib import Path

import pytest

from lakehouse.engine import Engine
from lakehouse.engine.files import files_at
from lakehouse.engine.history.relocate import Move
from lakehouse.errors import LakeCorrupt, LakeExists
from lakehouse.identity import new_uid
from tests.engine.lakes import (
    LIMITS,
    SPECS,
    delete,
    files_below,
    insert,
    names,
    read,
    thing,
    things,
    update,
)
from tests.engine.openness import check, stock_catalog
from tests.engine.test_openness import stock_rows

TINY = LIMITS["tiny"]


@pytest.fixture
def filled(tmp_path: Path) -> tuple[Path, list[list[str]]]:
    """A lake at `a` with some history, and the names in each of its states."""
    engine = Engine.create(str(tmp_path / "a"), SPECS, limits=TINY)
    rows = [thing(i, name=f"n{i:03d}") for i in range(30)]
    insert(engine, rows[:10])
    for row in rows[10:]:
        insert(engine, [row])
    update(engine, rows[4], name="changed")
    delete(engine, [rows[7]["uid"], rows[22]["uid"]])
    engine.tag("v1", 5)
    states = [names(engine.state_at(i)) for i in range(engine.state().seq + 1)]
    engine.close()
    return tmp_path / "a", states


def open_at(root: Path) -> Engine:
    return Engine.open(str(root), SPECS, limits=TINY)


def check_all(root: Path, states: list[list[str]]) -> None:
    """Every state is as it was, nothing names another place, and stock readers agree."""
    engine = open_at(root)
    check(engine)
    for seq in (*range(0, len(states), 3), len(states) - 1):
        state = engine.state_at(seq)
        assert names(state) == states[seq]
        for table in state.tables:
            assert all(f.startswith(f"{root}/") for f in state.files(table))
    engine.close()


def test_moved(filled: tuple[Path, list[list[str]]], tmp_path: Path) -> None:
    root, states = filled
    shutil.move(root, tmp_path / "b")
    check_all(tmp_path / "b", states)
    check_all(tmp_path / "b", states)
    assert not root.exists()
    engine = open_at(tmp_path / "b")
    assert engine.info["root"] == str(tmp_path / "b")
    assert engine.info["former_roots"] == [str(root)]
    assert names(engine.state_at("v1")) == states[5]
    engine.close()


def test_a_copy_is_independent(filled: tuple[Path, list[list[str]]], tmp_path: Path) -> None:
    root, states = filled
    shutil.copytree(root, tmp_path / "b")
    before = {
        p: Path(p).read_bytes() for p in files_below(root) if not p.endswith((".db", ".lock"))
    }
    check_all(tmp_path / "b", states)
    assert before == {p: Path(p).read_bytes() for p in before}
    original, copy = open_at(root), open_at(tmp_path / "b")
    insert(copy, [thing(100, name="copy")])
    insert(original, [thing(100, name="original")])
    for engine, mine, theirs in ((copy, "copy", "original"), (original, "original", "copy")):
        found = names(engine.state())
        assert mine in found
        assert theirs not in found
    shutil.rmtree(root)
    check_all(tmp_path / "b", states)
    original.close()
    copy.close()


@pytest.mark.slow
@pytest.mark.parametrize(
    "name",
    ["with space, ünïcode, 細胞, 50%, a#b", "%20?x=1&y=[1]*+", """it's "quoted" $HOME ~ {a}"""],
)
def test_strange_names(tmp_path: Path, name: str) -> None:
    """Both as the place where a lake is made and as the one that it is moved to."""
    for first, second in (("plain", name), (name, "plain")):
        place = tmp_path / f"{first} to"
        place.mkdir()
        engine = Engine.create(str(place / first), SPECS, limits=TINY)
        for row in things(8):
            insert(engine, [row])
        expected = read(engine.state())
        check(engine)
        engine.close()
        shutil.move(place / first, place / second)
        moved = open_at(place / second)
        insert(moved, [thing(50)])
        assert moved.state().count("thing") == 9
        assert read(moved.state_at(8)) == expected
        check(moved)
        moved.gc(keep=1, min_age=0)
        assert moved.state().count("thing") == 9
        moved.close()
        shutil.rmtree(place)


def test_several_moves_with_history_unvisited(
    filled: tuple[Path, list[list[str]]], tmp_path: Path
) -> None:
    """States that were logged at different places share manifests, which moved more often."""
    root, states = filled
    states = list(states)
    for step, place in enumerate(("b", "c", "a", "d")):
        shutil.move(root, tmp_path / place)
        root = tmp_path / place
        engine = open_at(root)
        if step == 1:
            engine.state_at(9)
        for i in range(3):
            insert(engine, [thing(1_000 + 10 * step + i, name=f"at {place} {i}")])
            states.append(names(engine.state()))
        engine.close()
    check_all(root, states)
    engine = open_at(root)
    assert [Path(r).name for r in engine.info["former_roots"]] == ["a", "b", "c", "a"]
    engine.close()


def test_into_itself_and_out_again(filled: tuple[Path, list[list[str]]], tmp_path: Path) -> None:
    """The new root begins with the old one."""
    root, states = filled
    shutil.move(root, tmp_path / "elsewhere")
    (root / "inner").mkdir(parents=True)
    shutil.move(tmp_path / "elsewhere", root / "inner" / "a")
    check_all(root / "inner" / "a", states)
    check_all(root / "inner" / "a", states)
    shutil.move(root / "inner" / "a", tmp_path / "elsewhere")
    shutil.rmtree(root)
    shutil.move(tmp_path / "elsewhere", root)
    check_all(root, states)


def test_cut_short_and_repeated(tmp_path: Path) -> None:
    """One table was rewritten, of the other nothing, and the catalog not yet."""
    engine = Engine.create(str(tmp_path / "a"), SPECS, limits=TINY)
    insert(engine, things(20))
    insert(engine, [{"uid": new_uid(), "n": 1}], table="link")
    expected, pointers = read(engine.state()), engine.state().pointers
    engine.close()
    shutil.move(tmp_path / "a", tmp_path / "b")
    move = Move(files_at(str(tmp_path / "b")), [str(tmp_path / "a")], str(tmp_path / "b"))
    move.relocate(move.path(pointers["link"]))
    half = open_at(tmp_path / "b")
    assert read(half.state()) == expected
    check(half)
    half.close()


def _follow(root: str) -> None:
    Engine.open(root, SPECS, limits=TINY).close()


@pytest.mark.slow
@pytest.mark.parametrize("delay", [0.0, 0.004, 0.008, 0.016, 0.03])
def test_killed_while_it_follows(
    filled: tuple[Path, list[list[str]]], tmp_path: Path, delay: float
) -> None:
    root, states = filled
    shutil.move(root, tmp_path / "b")
    child = multiprocessing.get_context("fork").Process(target=_follow, args=(str(tmp_path / "b"),))
    child.start()
    time.sleep(delay)
    child.kill()
    child.join()
    check_all(tmp_path / "b", states)


def test_two_processes_follow_at_once(filled: tuple[Path, list[list[str]]], tmp_path: Path) -> None:
    root, states = filled
    shutil.move(root, tmp_path / "b")
    context = multiprocessing.get_context("fork")
    children = [context.Process(target=_follow, args=(str(tmp_path / "b"),)) for _ in range(3)]
    for child in children:
        child.start()
    for child in children:
        child.join()
    assert [c.exitcode for c in children] == [0, 0, 0]
    check_all(tmp_path / "b", states)
    engine = open_at(tmp_path / "b")
    assert engine.info["former_roots"] == [str(root)]
    engine.close()


def test_a_link_is_no_move(filled: tuple[Path, list[list[str]]], tmp_path: Path) -> None:
    root, states = filled
    (tmp_path / "link").symlink_to(root)
    engine = open_at(tmp_path / "link")
    assert engine.root == str(root)
    assert "former_roots" not in engine.info
    engine.close()
    # moved, and a link left at the old place: the recorded paths stay valid
    shutil.move(root, tmp_path / "b")
    root.symlink_to(tmp_path / "b")
    engine = open_at(tmp_path / "b")
    assert "former_roots" not in engine.info
    insert(engine, [thing(500, name="zzz")])
    assert names(engine.state()) == sorted([*states[-1], "zzz"])
    check(engine)
    engine.close()


def test_gc_after_a_move(filled: tuple[Path, list[list[str]]], tmp_path: Path) -> None:
    """What the tag reaches was logged at the old place and never visited."""
    root, states = filled
    shutil.copytree(root, tmp_path / "b")
    engine = open_at(tmp_path / "b")
    insert(engine, [thing(500, name="zzz")])
    report = engine.gc(keep=3, min_age=0)
    assert report.superseded
    assert names(engine.state_at("v1")) == states[5]
    assert names(engine.state_at(len(states) - 1)) == states[-1]
    assert names(engine.state()) == sorted([*states[-1], "zzz"])
    engine.delete_tag("v1")
    assert engine.gc(keep=1, min_age=0).orphans == ()
    engine.close()
    check_all(root, states)  # the original has lost nothing


def test_moved_after_a_stock_write(tmp_path: Path) -> None:
    engine = Engine.create(str(tmp_path / "a"), SPECS, limits=TINY)
    rows = things(10)
    insert(engine, rows[:9])
    with stock_catalog(engine) as catalog:
        catalog.load_table("lake.thing").append(stock_rows(catalog, rows[9:]))
        catalog.load_table("lake.thing").delete(f"uid == '{rows[0]['uid']}'")
    engine.close()
    shutil.move(tmp_path / "a", tmp_path / "b")
    moved = open_at(tmp_path / "b")
    assert [r["uid"] for r in read(moved.state())] == [r["uid"] for r in rows[1:]]
    insert(moved, [rows[0]])
    assert moved.state().count("thing") == 10
    check(moved)
    moved.close()


def test_not_all_files_came_along(filled: tuple[Path, list[list[str]]], tmp_path: Path) -> None:
    root, _ = filled
    shutil.move(root, tmp_path / "b")
    for path in (tmp_path / "b" / ".lakehouse" / "tables" / "thing" / "metadata").glob("snap-*"):
        path.unlink()
    with pytest.raises(LakeCorrupt, match="not all of its files came along"):
        open_at(tmp_path / "b")


@pytest.mark.parametrize("kind", ["sqlite", "postgres"])
def test_a_catalog_outside(tmp_path: Path, kind: str, request: pytest.FixtureRequest) -> None:
    """A moved lake takes its catalog along; a copy must not take it from the original."""
    if kind == "sqlite":
        db = f"sqlite:///{tmp_path}/outside.db"
    else:
        db = f"{request.getfixturevalue('postgres_url')}&schema=out_{new_uid()}"
    engine = Engine.create(str(tmp_path / "a"), SPECS, db=db)
    insert(engine, things(3))
    insert(engine, things(3, 10))
    expected = read(engine.state())
    engine.close()
    shutil.copytree(tmp_path / "a", tmp_path / "copy")
    with pytest.raises(LakeExists, match="is a copy"):
        Engine.open(str(tmp_path / "copy"), SPECS)
    shutil.move(tmp_path / "a", tmp_path / "b")
    moved = Engine.open(str(tmp_path / "b"), SPECS)
    assert read(moved.state()) == expected
    assert moved.state_at(1).count("thing") == 3
    assert all(f.startswith(str(tmp_path / "b")) for f in moved.state_at(1).files("thing"))
    moved.close()


def test_an_open_engine_after_chdir(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A relative root, and a relative catalog, are fixed when the lake is made."""
    monkeypatch.chdir(tmp_path)
    engine = Engine.create("lake", SPECS, db="sqlite:///there.db")
    os.mkdir(tmp_path / "sub")
    monkeypatch.chdir(tmp_path / "sub")
    insert(engine, [thing(1)])
    assert Engine.open("../lake", SPECS).state().count("thing") == 1
    assert list((tmp_path / "sub").iterdir()) == []
    engine.close()
