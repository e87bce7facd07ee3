"""Configurations of Vitessce, a viewer of spatial and single-cell data (https://vitessce.io)."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from lakehouse.engine.query.view import in_one_view
from lakehouse.errors import InvalidArgument
from lakehouse.orm import current_lake
from lakehouse.orm.session.batch import batch_on
from lakehouse.registries import Artifact, Collection, Run, Transform

KIND = "__lamindb_config__"  # the peer's word, which hides configurations among datasets
SUFFIX = ".vitessce.json"
_TRANSFORM = "save_vitessce_config"


@in_one_view
def save_vitessce_config(
    vitessce_config: Any, key: str | None = None, description: str | None = None
) -> Artifact:
    """Save a Vitessce configuration as an artifact that knows which artifacts it shows.

    The artifact is the output of a run whose inputs are the artifacts shown; if there are
    several, they become a collection. All is one commit.

    Args:
        vitessce_config: A `VitessceConfig`, or any object with `to_dict()`. The artifacts that it
            shows are those of its `get_artifacts()`, else those at the URLs of its datasets.
        key: The artifact's key, which ends in `.vitessce.json`.
        description: What it shows; also the key of the collection.

    Raises:
        InvalidArgument: It is no configuration, or refers to no artifact.
        InconsistentKey: The key has another suffix.

    Example:
        >>> from vitessce import VitessceConfig  # needs vitessce  # doctest: +SKIP
        >>> config = VitessceConfig("1.0.16", "cells")  # needs vitessce  # doctest: +SKIP
        >>> ln.integrations.save_vitessce_config(config, key="cells.vitessce.json")
    """
    content = _content(vitessce_config)
    shown = _shown(vitessce_config, content)
    lake = current_lake()
    with (
        batch_on(lake, "saved a Vitessce configuration"),
        tempfile.TemporaryDirectory(prefix="lakehouse-") as folder,
    ):
        run = _run(shown)
        if len(shown) > 1:
            name = description or key or content.get("name")
            Collection(shown, key=name, run=run).save()
        path = Path(folder) / f"config{SUFFIX}"
        path.write_text(json.dumps(content), encoding="utf-8")
        return Artifact(path, key=key, description=description, kind=KIND, run=run).save()


def _content(config: Any) -> dict[str, Any]:
    """What the configuration says, as JSON can hold it."""
    to_dict = getattr(config, "to_dict", None)
    content = to_dict() if callable(to_dict) and not isinstance(config, type) else None
    if not isinstance(content, Mapping) or "datasets" not in content:
        raise InvalidArgument(
            "This is no Vitessce configuration.",
            found=f"{type(config).__module__}.{type(config).__name__}",
            expected="a VitessceConfig, or an object whose to_dict() has 'datasets'",
        )
    try:
        return dict(json.loads(json.dumps(content)))
    except (TypeError, ValueError) as error:
        raise InvalidArgument(
            "The Vitessce configuration can't be written as JSON.", found=str(error)
        ) from error


def _shown(config: Any, content: Mapping[str, Any]) -> list[Artifact]:
    """The artifacts that a configuration refers to, each once."""
    if callable(getattr(config, "get_artifacts", None)):
        given = config.get_artifacts()
        found = list(given.values() if isinstance(given, Mapping) else given)
    else:
        urls = [*dict.fromkeys(_urls(content))]
        found = list(Artifact.filter(path__in=urls)) if urls else []
    strangers = [a for a in found if not isinstance(a, Artifact) or not a._saved]
    if strangers or not found:
        raise InvalidArgument(
            "A Vitessce configuration must refer to saved artifacts.",
            found=", ".join(map(repr, strangers)) or ", ".join(_urls(content)) or "no files",
            hint="vitessce.AnnDataWrapper(adata_artifact=artifact, …)",
        )
    return list({artifact.uid: artifact for artifact in found}.values())


def _urls(content: Mapping[str, Any]) -> Iterator[str]:
    for dataset in content["datasets"] or ():
        for file in dataset.get("files") or ():
            if url := file.get("url"):
                yield str(url).removeprefix("file://")


def _run(inputs: list[Artifact]) -> Run:
    """A run that made the configuration of the artifacts that it shows."""
    known = Transform.filter(key=_TRANSFORM, kind="function").order_by("-uid").first()
    transform = known or Transform(key=_TRANSFORM, kind="function").save()
    now = datetime.now(UTC)
    run = Run(transform, started_at=now, finished_at=now, status="completed").save()
    run.input_artifacts.add(*inputs)
    return run
