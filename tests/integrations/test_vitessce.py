"""Configurations of Vitessce know what they show."""

from __future__ import annotations

from typing import Any

import pytest

import lakehouse as ln
from lakehouse.errors import InconsistentKey, InvalidArgument

pytestmark = pytest.mark.usefixtures("lake")
save = ln.integrations.save_vitessce_config


class Config:
    """What the package's configurations have in common with any other."""

    def __init__(self, *urls: str, name: Any = "cells") -> None:
        files = [{"fileType": "csv", "url": url} for url in urls]
        self.content = {"version": "1.0.16", "name": name, "datasets": [{"files": files}]}

    def to_dict(self) -> dict[str, Any]:
        return self.content


class Listing(Config):
    """One that lists its artifacts, like those of the package since 3.4."""

    def __init__(self, *artifacts: Any, name: str = "cells") -> None:
        super().__init__(*(f"https://there/{i}" for i, _ in enumerate(artifacts)), name=name)
        self.artifacts = artifacts

    def get_artifacts(self) -> dict[str, Any]:
        return {f"https://there/{i}": a for i, a in enumerate(self.artifacts)}


@pytest.fixture
def shown(tmp_path):
    found = []
    for name in ("a.csv", "b.csv"):
        (tmp_path / name).write_text(f"x\n{name}\n")
        found.append(ln.Artifact(tmp_path / name, key=name).save())
    return found


@pytest.mark.parametrize("kind", [Listing, lambda a: Config(str(a.path))])
def test_one_artifact(kind, shown, lake):
    before = len(list(lake.log()))
    artifact = save(kind(shown[0]), key="cells.vitessce.json", description="The cells")
    assert len(list(lake.log())) == before + 1
    assert (artifact.key, artifact.suffix) == ("cells.vitessce.json", ".vitessce.json")
    assert (artifact.kind, artifact.description) == ("__lamindb_config__", "The cells")
    assert artifact.load()["name"] == "cells"
    transform = artifact.run.transform
    assert (transform.key, transform.kind) == ("save_vitessce_config", "function")
    assert artifact.run.input_artifacts.to_list() == [shown[0]]
    assert ln.Collection.filter().count() == 0


def test_several_artifacts_are_a_collection(shown):
    artifact = save(Listing(*shown, shown[0]), description="Both")
    assert artifact.key is None
    collection = ln.Collection.get(key="Both")
    assert collection.artifacts.to_list() == shown
    assert set(artifact.run.input_artifacts.to_list()) == set(shown)
    save(Listing(*shown, name="again"), key="again.vitessce.json")
    assert ln.Collection.filter().count() == 1
    assert ln.Transform.filter(key="save_vitessce_config").count() == 1


@pytest.mark.parametrize(
    ("config", "text"),
    [
        ("x", "no Vitessce configuration"),
        ({"datasets": []}, "no Vitessce configuration"),
        (Config, "no Vitessce configuration"),
        (Config("https://elsewhere/x.csv"), "must refer to saved artifacts"),
        (Config(), "must refer to saved artifacts"),
        (Listing("x"), "must refer to saved artifacts"),
        (Config("x", name={1}), "JSON"),
    ],
)
def test_wrong_configurations(config, text):
    with pytest.raises(InvalidArgument, match=text):
        save(config)


def test_a_wrong_key_saves_nothing(shown):
    with pytest.raises(InconsistentKey):
        save(Listing(*shown), key="cells.json")
    assert ln.Run.filter().count() == ln.Collection.filter().count() == 0
