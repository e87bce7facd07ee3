"""Features: setting values, filtering and showing 100,000 annotated artifacts, importing sheets."""

from __future__ import annotations

import datetime
import itertools
import statistics
from collections.abc import Iterator
from typing import Any

import pyarrow as pa

from benchmarks.harness import Bench, Line, each, median, ms, public_lake, timed

DTYPES: dict[str, Any] = {"score": float, "count": int, "note": str, "day": datetime.date}
CONDITIONS = 50


def features(bench: Bench) -> Iterator[Line]:
    """set_values, filters by features, and data frames with features."""
    import lakehouse as ln

    rows = bench.size(100_000, 10_000)
    theirs = bench.ask("features", rows=bench.size(10_000, 1_000))
    with public_lake(bench) as lake:
        ln.settings.creation.search_names = False
        ln.save([ln.ULabel(name=f"condition {i}") for i in range(CONDITIONS)])
        ln.save([ln.Feature(name=n, dtype=t) for n, t in DTYPES.items()])
        ln.Feature(name="condition", dtype=ln.ULabel).save()
        with open("one.txt", "w") as file:
            file.write("one")
        artifact = ln.Artifact("one.txt", key="one.txt").save()
        seconds = each(lambda i: artifact.features.set_values(values_of(i)), range(60))[10:]
        peer = ms(theirs.get("set_values"))
        yield Line(
            "set_values of 5 features",
            ms(statistics.median(seconds)) or 0.0,
            "ms",
            "≤ 1/2 of lamindb",
            (peer or 25.0) / 2,
            peer,
            "lamindb",
        )
        annotate_many(lake, artifact, rows)
        yield from _filters(ln, rows, theirs)
        yield from _frames(ln, rows)


def values_of(i: int) -> dict[str, Any]:
    """The values of one artifact."""
    return {
        "score": i / 7,
        "count": i,
        "note": f"note {i}",
        "day": datetime.date(2024, 1, 1 + i % 28),
        "condition": f"condition {i % CONDITIONS}",
    }


def _filters(ln: Any, rows: int, theirs: dict[str, Any]) -> Iterator[Line]:
    middle = rows // 2
    score = ln.Feature.get(name="score")
    # every call asks something else, since conditions are remembered as long as nothing changes
    turn = itertools.count()
    queries = {
        "text": lambda: ln.Artifact.filter(note=f"note {middle + next(turn)}"),
        "number": lambda: ln.Artifact.filter(count__gte=rows - 100 - next(turn)),
        "label": lambda: ln.Artifact.filter(
            condition=f"condition {next(turn) % CONDITIONS}", count__lt=1_000 + next(turn)
        ),
        "predicate": lambda: ln.Artifact.filter(score > (rows - 100 - next(turn)) / 7),
        "day, counted": lambda: ln.Artifact.filter(day=datetime.date(2024, 1, 1 + next(turn) % 28)),
    }
    for name, query in queries.items():
        run = (lambda q: q().count()) if "counted" in name else (lambda q: list(q()))
        assert run(query)
        yield Line(
            f"filter by a feature ({name}), {rows:,} annotated artifacts",
            ms(median(lambda q=query, r=run: r(q), 21, warm=2)) or 0.0,
            "ms",
            "≤ 50 ms",
            50.0,
            ms(theirs.get(f"filter {name.partition(',')[0]}")),
            "lamindb",
            note=f"lamindb with {theirs['rows']:,}" if "rows" in theirs else "",
        )


def _frames(ln: Any, rows: int) -> Iterator[Line]:
    def frame() -> None:
        found = ln.Artifact.filter().to_dataframe(include="features", limit=None)
        assert len(found) == rows + 1, len(found)

    yield Line(
        f"all {rows:,} artifacts with 5 features to a data frame",
        median(frame, 5),
        "s",
        "≤ 1 s",
        1.0,
    )


def sheet(bench: Bench) -> Iterator[Line]:
    """Record.from_dataframe of 4 features, and the sheet back as a data frame."""
    import pandas as pd

    import lakehouse as ln

    rows = bench.size(10_000, 1_000)
    theirs = bench.ask("sheet", rows=rows)
    with public_lake(bench):
        ln.settings.creation.search_names = False
        kind = ln.Record(name="Experiments", is_type=True).save()
        ln.save([ln.Record(name=f"E{i}", type=kind) for i in range(10)])
        dtypes: dict[str, Any] = {"a": float, "b": int, "c": str, "e": kind}
        members = [ln.Feature(name=n, dtype=t).save() for n, t in dtypes.items()]
        schema = ln.Schema(members, name="sheet").save()

        def frame(run: int, n: int) -> Any:
            data = {"a": [i / 7 for i in range(n)], "b": range(n), "c": [f"t{i}" for i in range(n)]}
            more = {
                "e": [f"E{i % 10}" for i in range(n)],
                "name": [f"R{run} {i}" for i in range(n)],
            }
            return pd.DataFrame(data | more)

        seconds = []
        for run in range(4):
            target = ln.Record(name=f"Sheet {run}", is_type=True, schema=schema).save()
            data = frame(run, rows)
            seconds.append(
                timed(lambda d=data, t=target: ln.Record.from_dataframe(d, type=t).save())
            )
        peer = theirs.get("from_dataframe")
        yield Line(
            f"Record.from_dataframe, {rows:,} rows x 4 features",
            statistics.median(seconds),
            "s",
            "≥ 40x lamindb",
            (peer or 14.6 * rows / 10_000) / 40,
            peer,
            "lamindb",
        )
        yield Line(
            f"a sheet of {rows:,} rows to a data frame",
            median(target.to_dataframe, 5),
            "s",
            "faster than lamindb",
            theirs.get("to_dataframe"),
            theirs.get("to_dataframe"),
            "lamindb",
        )


def annotate_many(lake: Any, like: Any, rows: int) -> None:
    """Copies of one artifact's row, each with values of five features, in one commit."""
    from lakehouse.engine import Changes
    from lakehouse.features.reference import Known
    from lakehouse.features.write import texts_of, value_table
    from lakehouse.identity import new_uids
    from lakehouse.orm.model.rows import as_table
    from lakehouse.relations.tables import EXTERNAL, link_row

    uids = [uid + "0000" for uid in new_uids(rows)]
    row = {k: v for k, v in like._values.items() if k not in ("hash_key", "uid")}
    made = [{**row, "uid": uid, "key": f"many/{i}.txt"} for i, uid in enumerate(uids)]
    changes = Changes()
    changes.insert("artifact", as_table(like.meta.spec, made))
    data = [values_of(i) for i in range(rows)]
    for feature in lake.Feature.filter():
        known = Known.of(feature._values)
        if known.dtype.is_categorical:
            labels = {r.name: r.uid for r in lake.ULabel.filter()}
            links = [
                link_row(u, "ulabel", labels[d[known.name]], feature_uid=known.uid, slot=EXTERNAL)
                for u, d in zip(uids, data, strict=True)
            ]
            changes.insert("artifact_link", links)
            continue
        column = pa.array([d[known.name] for d in data])
        texts = texts_of(column, known.dtype, convert=False)
        spec = lake.engine.specs["feature_value"]
        stamps = {"created_at": datetime.datetime.now(datetime.UTC)}
        changes.insert("feature_value", value_table(spec, "artifact", uids, known, texts, stamps))
    lake.commit(changes, message="many annotated artifacts")


MEASURES = {"features": features, "sheet": sheet}
