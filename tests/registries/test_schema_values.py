"""One rule for values given with a schema, whichever verb, record and kind of key."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

import lakehouse as ln
from lakehouse.errors import ValidationError


@pytest.fixture
def features(lake: ln.Lake) -> dict[str, ln.Feature]:
    made = {"species": str, "split": str, "ex": int, "opt": int}
    return {n: ln.Feature(name=n, dtype=t).save() for n, t in made.items()}


def subject(kind: str, tmp_path: Path, name: str = "a") -> Any:
    if kind == "artifact":
        (tmp_path / "a.txt").write_text(name)
        return ln.Artifact(tmp_path / "a.txt", key=f"{name}.txt").save()
    if kind == "run":
        return ln.Run(ln.Transform(key="t", kind="pipeline").save()).save()
    return ln.Record(name=name).save()


SHORT = {"species": "b"}
FULL = {"species": "b", "split": "t"}
EXTRA = {"species": "b", "split": "t", "ex": 1}
# maximal_set, values, whether they are what the schema demands
CASES: list[tuple[bool, dict[str, Any], bool]] = [
    (False, SHORT, False),
    (False, FULL, True),
    (False, EXTRA, True),
    (True, SHORT, False),
    (True, FULL, True),
    (True, EXTRA, False),
    (True, FULL | {"opt": 3}, True),
]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("kind", "verb"),
    [
        (kind, verb)
        for kind in ("artifact", "run", "record")
        for verb in ("add_values", "set_values", "update_values")
        if (kind, verb) != ("record", "add_values")  # a record's features take one value
    ],
)
def test_a_schema_is_obeyed(
    features: dict[str, ln.Feature], tmp_path: Path, kind: str, verb: str
) -> None:
    members = [features["species"], features["split"], features["opt"].with_config(optional=True)]
    schemas = {m: ln.Schema(members, name=f"{m}", maximal_set=m).save() for m in (False, True)}
    for i, (maximal, values, right) in enumerate(CASES):
        for given in (values, {features[n]: v for n, v in values.items()}):
            record = subject(kind, tmp_path, f"{i}{given is values}")
            if right:
                getattr(record.features, verb)(given, schema=schemas[maximal])
                assert record.features.get_values() == values
            else:
                with pytest.raises(ValidationError):
                    getattr(record.features, verb)(given, schema=schemas[maximal])
                assert record.features.get_values() == {}


def test_an_update_is_judged_with_what_stays(
    features: dict[str, ln.Feature], tmp_path: Path
) -> None:
    schema = ln.Schema([features["species"], features["split"]], name="s").save()
    artifact = subject("artifact", tmp_path)
    artifact.features.set_values(FULL)
    artifact.features.update_values({"split": "u"}, schema=schema)
    assert artifact.features.get_values() == {"species": "b", "split": "u"}
    artifact.features.remove_values("species")
    with pytest.raises(ValidationError, match="missing required features 'species'"):
        artifact.features.update_values({"split": "v"}, schema=schema)
    assert artifact.features.get_values() == {"split": "u"}
