"""One save at a time, many at once, and files by the folder."""

from __future__ import annotations

import statistics
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from benchmarks import stock_iceberg, tables
from benchmarks.harness import Bench, Line, each, ms, public_lake, timed

GROWTH = 1.5


def commit(bench: Bench) -> Iterator[Line]:
    """The engine alone: one durable one-row commit, now and after 20,000 more."""
    engine = tables.create(bench.fresh("commit"))
    stock = stock_iceberg.one_row_append(bench.fresh("stock"), 30)
    early = each(lambda i: tables.insert_one(engine, f"early {i}"), range(220))[20:]
    first = statistics.median(early)
    yield Line(
        "one-row commit, fsynced (engine)",
        ms(first) or 0.0,
        "ms",
        "faster than stock append",
        ms(stock),
        ms(stock),
        "pyiceberg append",
        note="pyiceberg fsyncs no file",
    )
    commits = bench.size(20_000, 1_000)
    every = each(lambda i: tables.insert_one(engine, f"more {i}"), range(commits))
    # the machine drifts within a minute: the yardstick is a fresh lake measured at the same time
    fresh = tables.create(bench.fresh("commit"))
    each(lambda i: tables.insert_one(fresh, f"early {i}"), range(20))
    late: list[float] = []
    young: list[float] = []
    for i in range(200):
        late += each(lambda n: tables.insert_one(engine, n), [f"late {i}"])
        young += each(lambda n: tables.insert_one(fresh, n), [f"young {i}"])
    then = statistics.median(late)
    yield Line(
        f"  the same after {commits:,} commits",
        ms(then) or 0.0,
        "ms",
        f"≤ {GROWTH}x a fresh lake",
        GROWTH * (ms(statistics.median(young)) or 0.0),
        ms(statistics.median(young)),
        "a fresh lake, interleaved",
        note=f"slowest of all {max(every) * 1e3:.0f} ms",
    )


def one(bench: Bench) -> Iterator[Line]:
    """One label and one small artifact through the public face, early and late."""
    import lakehouse as ln

    times, commits = bench.size(100, 20), bench.size(20_000, 500)
    theirs = bench.ask("save", times=times)
    with public_lake(bench) as lake:
        folder = bench.fresh("files")

        def label(name: str) -> None:
            ln.ULabel(name=name).save()

        def artifact(name: str) -> None:
            ln.Artifact(folder / name, key=f"a/{name}").save()

        def files(stem: str, count: int) -> list[str]:
            names = [f"{stem}{i}.txt" for i in range(count)]
            for name in names:
                (folder / name).write_text(f"content {name}\n" * 100)
            return names

        saves = (("label", label), ("small artifact", artifact))
        early = {}
        for kind, save in saves:
            each(save, files("warm", 10))
            early[kind] = statistics.median(each(save, files("early", times)))
            peer = theirs.get(kind.split()[-1])
            yield Line(
                f"one {kind} saved, fsynced",
                ms(early[kind]) or 0.0,
                "ms",
                "faster than lamindb",
                ms(peer),
                ms(peer),
                "lamindb",
            )
        each(label, (f"more {i}" for i in range(commits)))
    # the machine drifts within minutes: the yardstick is a fresh lake measured at the same time
    with public_lake(bench) as fresh:
        each(label, files("warm", 10))
        each(artifact, files("wall", 10))
        late: dict[str, list[float]] = {kind: [] for kind, _ in saves}
        young: dict[str, list[float]] = {kind: [] for kind, _ in saves}
        for kind, save in saves:
            for i in range(times):
                for found, where in ((late, lake), (young, fresh)):
                    (name,) = files(f"{kind[0]}{id(found)}-{i}-", 1)
                    with _connected(where):
                        found[kind] += each(save, [name])
            now, then = statistics.median(late[kind]), statistics.median(young[kind])
            yield Line(
                f"  {kind}, after {commits:,} commits",
                ms(now) or 0.0,
                "ms",
                f"≤ {GROWTH}x a fresh lake",
                GROWTH * (ms(then) or 0.0),
                ms(then),
                "a fresh lake, interleaved",
            )


@contextmanager
def _connected(lake: Any) -> Iterator[None]:
    from lakehouse.orm.model.context import set_process_lake

    set_process_lake(lake)
    yield


def many(bench: Bench) -> Iterator[Line]:
    """Ten and a hundred thousand labels, constructed and saved in one commit."""
    import lakehouse as ln

    sample = bench.size(3_000, 300)
    theirs = bench.ask("labels", rows=sample).get("labels")
    for rows in (10_000, 100_000):
        seconds = []
        for run in range(3):
            with public_lake(bench):
                ln.ULabel(name="warm").save()
                names = [f"label {run} {i}" for i in range(rows)]
                seconds.append(timed(lambda n=names: ln.save([ln.ULabel(name=x) for x in n])))
                assert ln.ULabel.filter().count() == rows + 1
        peer = None if theirs is None else theirs / sample * rows
        limit = (4.2 * rows / 1000 if peer is None else peer) / 150
        yield Line(
            f"{rows:,} labels constructed and saved",
            statistics.median(seconds),
            "s",
            "≥ 150x lamindb" + (", ≤ 2 s" if rows == 100_000 else ""),
            min(limit, 2.0) if rows == 100_000 else limit,
            peer,
            "lamindb",
            note=f"lamindb scaled from {sample:,} labels; it is linear",
        )


def folder(bench: Bench) -> Iterator[Line]:
    """A thousand small files registered by `from_dir`."""
    import lakehouse as ln

    files = bench.size(1_000, 100)
    theirs = bench.ask("from_dir", files=files).get("from_dir")
    seconds = []
    for _ in range(3):
        with public_lake(bench):
            source = bench.fresh("source") / "files"
            source.mkdir()
            for i in range(files):
                (source / f"f{i:05d}.txt").write_text(f"content {i}\n" * 20)
            seconds.append(timed(lambda s=source: ln.save(ln.Artifact.from_dir(s, key="files"))))
            assert ln.Artifact.filter(key__startswith="files/").count() == files
    yield Line(
        f"{files:,} small files registered by from_dir",
        statistics.median(seconds),
        "s",
        "≥ 8x lamindb",
        (6.5 * files / 1000 if theirs is None else theirs) / 8,
        theirs,
        "lamindb",
    )


MEASURES = {"commit": commit, "one": one, "many": many, "folder": folder}
