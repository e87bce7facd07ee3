"""What one public call reads is of one commit, whoever writes in between.

Another connection commits a swap of two values before *every* look at the catalog, which is the
worst that a writer can do. A call that looks twice sees two states, and is caught.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pandas as pd
import pytest

import lakehouse as ln
from lakehouse import bionty as bt
from lakehouse import orm
from lakehouse.engine.query.view import in_one_view, one_view
from lakehouse.orm import Lake

PAIRS = ({"lab": "L1", "n2": 1}, {"lab": "L2", "n2": 2})


class Writer:
    """Swaps the values of two artifacts in one commit each time it is asked."""

    def __init__(self, root: str) -> None:
        self.lake = Lake.open(root)
        self.commits = 0
        with self.lake:
            self.pair = [ln.Artifact.get(key=key) for key in ("a.txt", "b.txt")]

    def swap(self) -> None:
        self.commits += 1
        with self.lake, ln.transaction():
            for i, artifact in enumerate(self.pair):
                artifact.features.set_values(PAIRS[(self.commits + i) % 2])


@pytest.fixture
def torn(lake: Lake, monkeypatch: pytest.MonkeyPatch, tmp_path: Any) -> Writer:
    ln.save([ln.ULabel(name="L1"), ln.ULabel(name="L2"), bt.CellType(name="T cell")])
    ln.save([ln.Feature(name="lab", dtype=ln.ULabel), ln.Feature(name="n2", dtype=int)])
    for name, values in zip("ab", PAIRS, strict=True):
        (tmp_path / f"{name}.txt").write_text(name)
        ln.Artifact(tmp_path / f"{name}.txt", key=f"{name}.txt").save().features.set_values(values)
    writer = Writer(lake.root)
    catalog = lake.engine._catalog
    token = catalog.token
    busy = False

    def swapped_before() -> object:
        nonlocal busy
        if not busy:
            busy = True
            try:
                writer.swap()
            finally:
                busy = False
        return token()

    monkeypatch.setattr(catalog, "token", swapped_before)
    return writer


def _frame_of_features() -> list[dict[str, Any]]:
    frame = ln.Artifact.filter(key__endswith=".txt").to_dataframe(features=True, limit=None)
    return sorted(frame[["lab", "n2"]].to_dict("records"), key=lambda row: row["n2"])


def _by_sql() -> int:
    return len(
        ln.sql(
            "SELECT v.subject_uid FROM feature_value v JOIN artifact_link l USING (subject_uid)"
            " JOIN ulabel u ON u.uid = l.target_uid"
            " WHERE (v.value = '1') = (u.name = 'L1')"
        ).fetchall()
    )


# each gives the same in every commit
SAME = {
    "filter by two features": (lambda: ln.Artifact.filter(lab="L1", n2=1).count(), 1),
    "records by two features": (lambda: len(list(ln.Artifact.filter(lab="L1", n2=1))), 1),
    "never both": (lambda: ln.Artifact.filter(lab="L1", n2=2).exists(), False),
    "frame with features": (_frame_of_features, list(PAIRS)),
    "sql": (_by_sql, 2),
    "one": (lambda: bool(ln.Artifact.filter(lab="L2", n2=2).one()), True),
    "values": (lambda: len(ln.Artifact.filter(lab="L2", n2=2).values_list("key")), 1),
    "exclude": (lambda: ln.Artifact.filter(lab="L1").exclude(n2=1).count(), 0),
    "search": (lambda: ln.Artifact.filter(lab="L1", n2=1).search("txt").count(), 1),
}


@pytest.mark.slow
@pytest.mark.parametrize("what", SAME)
def test_no_call_mixes_two_commits(torn: Writer, what: str) -> None:
    call, right = SAME[what]
    before = torn.commits
    for _ in range(4):
        assert call() == right
    assert torn.commits > before  # the writer was at work


def test_values_of_one_record_are_of_one_commit(torn: Writer) -> None:
    artifact = ln.Artifact.get(key="a.txt")
    for _ in range(6):
        assert artifact.features.get_values() in PAIRS


def test_a_description_is_of_one_commit(torn: Writer) -> None:
    artifact = ln.Artifact.get(key="a.txt")
    for _ in range(6):
        text = artifact.describe(return_str=True)
        assert ("L1" in text) != ("L2" in text)
        row = next(line for line in text.splitlines() if "n2" in line)
        assert ("1" in row.split("n2")[1]) == ("L1" in text)


def test_a_curator_looks_once(torn: Writer) -> None:
    schema = ln.Schema(
        [ln.Feature(name="ct", dtype=bt.CellType).save(), ln.Feature.get(name="n2")]
    ).save()
    curator = ln.curators.DataFrameCurator(pd.DataFrame({"ct": ["T cell"], "n2": [1]}), schema)
    before = torn.commits
    curator.validate()
    assert torn.commits == before + 1


@pytest.fixture
def polls(lake: Lake, monkeypatch: pytest.MonkeyPatch) -> Callable[[Callable[[], Any]], int]:
    catalog, count = lake.engine._catalog, 0

    def counted(name: str) -> Callable[[], Any]:
        ask = getattr(catalog, name)

        def counting() -> Any:
            nonlocal count
            count += 1
            return ask()

        return counting

    def of(action: Callable[[], Any]) -> int:
        nonlocal count
        count = 0
        action()
        return count

    monkeypatch.setattr(catalog, "token", counted("token"))
    return of


@pytest.mark.parametrize(
    "read",
    [
        lambda: ln.ULabel.filter(name="a").to_list(),
        lambda: ln.ULabel.get(name="a"),
        lambda: ln.Artifact.filter(ulabels__name="a").count(),
        lambda: ln.ULabel.search("a"),
        lambda: ln.ULabel.to_dataframe(include=["created_by__handle", "type__name"]),
        lambda: ln.ULabel.inspect(["a", "b"], mute=True),
        lambda: ln.ULabel.from_values(["a", "b"], mute=True),
        lambda: ln.sql(
            "SELECT l.name FROM ulabel l JOIN user u ON l.created_by_uid = u.uid"
        ).fetchall(),
        lambda: ln.view(),
        lambda: ln.Feature.filter(name="n").one(),
    ],
)
def test_a_reading_call_asks_the_catalog_once(
    lake: Lake, polls: Callable[[Callable[[], Any]], int], read: Callable[[], Any]
) -> None:
    ln.save([ln.ULabel(name="a"), ln.Feature(name="n", dtype=int)])
    read()
    assert polls(read) <= 1


def test_saving_asks_the_catalog_twice(
    lake: Lake, polls: Callable[[Callable[[], Any]], int], tmp_path: Any
) -> None:
    ln.ULabel(name="first").save()  # once per process: who writes
    label = ln.ULabel(name="a")
    assert polls(label.save) <= 2
    frame = pd.DataFrame({"n": [1, 2]})
    schema = ln.Schema([ln.Feature(name="n", dtype=int).save()]).save()
    artifact = ln.Artifact.from_dataframe(frame, key="n.parquet", schema=schema)
    assert polls(artifact.save) <= 2


def test_what_was_saved_is_seen_in_the_same_operation(lake: Lake) -> None:
    with one_view():
        assert not ln.ULabel.filter(name="a").exists()
        ln.ULabel(name="a").save()
        assert ln.ULabel.filter(name="a").exists()


def test_an_operation_goes_on_to_see_what_it_saw(lake: Lake) -> None:
    other = Lake.open(lake.root)
    with one_view():
        assert not ln.ULabel.filter(name="a").exists()
        with other:
            other.ULabel(name="a").save()
        assert not lake.ULabel.filter(name="a").exists()
    assert ln.ULabel.filter(name="a").exists()


def test_get_by_name_when_the_name_changes_hands(lake: Lake) -> None:
    first = ln.ULabel(name="a").save()
    other = Lake.open(lake.root)
    with one_view():
        assert ln.ULabel.get(first.uid).name == "a"  # this state is the one that is read
        with other:
            theirs = other.ULabel.get(name="a")
            theirs.name = "b"
            theirs.save()
            other.ULabel(name="a").save()
        assert lake.ULabel.get(name="a").uid == first.uid
    assert ln.ULabel.get(name="a").uid != first.uid


def test_every_public_method_of_readers_is_an_operation() -> None:
    made_elsewhere = {"objects", "model"}
    for cls in (orm.QuerySet, ln.ULabel, ln.Artifact, ln.Schema, bt.CellType):
        for base in cls.__mro__:
            if not base.__module__.startswith("lakehouse"):
                continue
            for name, member in vars(base).items():
                function = getattr(member, "__func__", getattr(member, "fget", member))
                plain = type(function).__name__ == "function"
                if name.startswith("_") or not plain or name in made_elsewhere:
                    continue
                assert hasattr(function, "one_view"), f"{base.__name__}.{name}"


def test_a_wrapped_function_keeps_its_face() -> None:
    @in_one_view
    def function(a: int, *, b: str = "x") -> str:
        """What it does."""
        return f"{a}{b}"

    assert function(1, b="y") == "1y"
    assert function.__doc__ == "What it does."
