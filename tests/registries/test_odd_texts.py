"""Texts that no table or file name can hold: an error of ours, or an answer, never a raw one."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pandas as pd
import pytest

import lakehouse as ln
from lakehouse import bionty as bt
from lakehouse.errors import LakehouseError
from lakehouse.orm import Lake

ODD = {"nul": "a\0b", "half of a pair": "a\ud800b"}
DOORS: dict[str, Callable[[str], Any]] = {
    "key": lambda text: ln.Artifact("x.txt", key=f"{text}.txt").save(),
    "description": lambda text: ln.Artifact("x.txt", key="x.txt", description=text).save(),
    "path": lambda text: ln.Artifact(f"{text}.txt"),
    "feature value": lambda text: ln.Artifact.get(key="x.txt").features.set_values({"note": text}),
    "filter by feature": lambda text: ln.Artifact.filter(note=text).count(),
    "search": lambda text: list(ln.ULabel.search(text)),
    "get": lambda text: ln.ULabel.get(name=text),
    "uid": lambda text: ln.ULabel.get(text),
    "sql": lambda text: ln.sql(f"SELECT '{text}'").fetchall(),
    "parameter": lambda text: ln.sql("SELECT length(?)", text).fetchall(),
    "tag": lambda text: ln.current_lake().tag(text),
    "branch": lambda text: ln.setup.switch(text, create=True),
    "values": lambda text: bt.CellType.from_values([text], mute=True),
    "inspect": lambda text: bt.CellType.inspect([text], mute=True),
    "standardize": lambda text: bt.CellType.standardize([text], mute=True),
    "synonym": lambda text: bt.CellType(name="c").save().add_synonym(text),
    "storage": lambda text: ln.Storage(root=text).save(),
    "init": lambda text: ln.setup.init(storage=text),
    "connect": lambda text: ln.connect(text),
    "dictionary": lambda text: ln.Record(name="r", extra_data={text: text}).save(),
    # as objects: pandas 3 itself refuses some of them as its own text
    "column": lambda text: ln.Artifact.from_dataframe(
        pd.DataFrame([[text]], columns=pd.Index([text], dtype=object), dtype=object),
        key="odd.parquet",
    ).save(),
}


@pytest.fixture(autouse=True)
def _filled(lake: Lake) -> None:
    with open("x.txt", "w") as file:
        file.write("x")
    ln.Feature(name="note", dtype=str).save()
    ln.Artifact("x.txt", key="x.txt", description="kept").save()


@pytest.mark.slow
@pytest.mark.parametrize("door", DOORS)
def test_no_door_lets_a_raw_error_out(door: str) -> None:
    for text in ODD.values():
        try:
            DOORS[door](text)
        except LakehouseError as error:
            str(error).encode()


@pytest.mark.slow
def test_no_text_field_of_any_registry_does(lake: Lake) -> None:
    refused = 0
    for cls in lake.directory.all():
        for name, field in cls.meta.fields.items():
            if field.exact is not str:
                continue
            for text in ODD.values():
                given = {r: "n" for r in cls.meta.required if r in cls.meta.fields}
                for ask in (
                    lambda c=cls, n=name, t=text, g=given: c(**{**g, n: t}).save(),
                    lambda c=cls, n=name, t=text: c.filter(**{n: t}).count(),
                    lambda c=cls, n=name, t=text: c.filter(**{f"{n}__icontains": t}).count(),
                ):
                    try:
                        ask()
                    except LakehouseError:
                        refused += 1
    assert refused > 100
