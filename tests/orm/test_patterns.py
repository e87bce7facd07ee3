"""Look-ups by regular expression: one dialect for fields and features, in linear time."""

from __future__ import annotations

import time

import pytest

from lakehouse.errors import LakehouseError
from lakehouse.orm import Lake
from lakehouse.patterns import found_in, refusal

SLOW = ["(a+)+$", "(a|a)*$", "(a|aa)+$", "^(([a-z])+.)+[A-Z]([a-z])+$", "(.*)*x", "(x+x+)+y"]


@pytest.fixture(scope="module")
def notes(tmp_path_factory):
    folder = tmp_path_factory.mktemp("notes")
    lake = Lake.create(str(folder / "lake"))
    lake.Feature(name="note", dtype=str).save()
    for name, text in (("a", "abc STRASSE"), ("b", "xyz straße"), ("c", "a" * 60 + "!")):
        (folder / f"{name}.txt").write_text(name)
        path, key = folder / f"{name}.txt", f"{name}.txt"
        artifact = lake.Artifact(path, key=key, description=text).save()
        artifact.features.set_values({"note": text})
    yield lake
    lake.close()


def asked(lake, **look_up):
    try:
        return sorted(lake.Artifact.filter(**look_up).to_list("key"))
    except LakehouseError as error:
        return type(error).__name__


@pytest.mark.parametrize("pattern", SLOW)
@pytest.mark.parametrize("look_up", ["regex", "iregex"])
def test_fields_and_features_agree_quickly(notes, look_up, pattern):
    begun = time.perf_counter()
    field = asked(notes, **{f"description__{look_up}": pattern})
    feature = asked(notes, **{f"note__{look_up}": pattern})
    assert field == feature
    assert time.perf_counter() - begun < 10  # a backtracking matcher takes years


def test_what_is_not_supported_is_said():
    for pattern in ("(?<=a)b", "(?!a)b", r"(a)\1"):
        assert "aren't supported" in (refusal(pattern) or "")
    assert refusal("a+") is None
    assert found_in("xAx", "a", ignore_case=True)
    assert not found_in("xAx", "a")
