"""Datasets that come with Croissant metadata, the JSON-LD vocabulary of MLCommons."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from lakehouse.engine.view import in_one_view
from lakehouse.integrations import _croissant_files, _jsonld
from lakehouse.orm import current_lake
from lakehouse.orm.batch import batch_on
from lakehouse.registries import Artifact, Collection, Project, ULabel
from lakehouse.registries.artifact.placing import home_of

LICENSE = "License"


@in_one_view
def curate_from_croissant(croissant_data: Any, run: Any = None) -> Artifact | Collection:
    """Save the files of a Croissant document, annotated with what it says of them.

    All is saved in one commit, or nothing. The license becomes a label of the type `License`,
    `cr:projectName` a project, the version the version's tag. Files are searched beside the
    document, and then in the working directory; those with a `sha256` or `md5` are checked.

    Args:
        croissant_data: The path or URI of the document, its text, or a dictionary.
        run: The run that does it.

    Returns:
        The artifact; a collection with the dataset's name as key if there are several files.

    Raises:
        InvalidArgument: The document has no name or no files.
        MissingFile: The document, or a file that it lists, isn't there.
        UnreadableFile: The document is no JSON.
        ValidationError: A file has other content than the document says.

    Example:
        >>> path, _ = ln.examples.croissant.mini_immuno()
        >>> artifact = ln.integrations.curate_from_croissant(path)
        >>> artifact.projects.to_list("name")
        ['Mini Immuno Project']
    """
    dataset = _jsonld.read(croissant_data)
    files = _croissant_files.locate(dataset)
    lake = current_lake()
    with batch_on(lake, f"curated the Croissant dataset {dataset.name!r}"):
        labels = list(_labels(dataset.licenses))
        projects = [_one(Project, name=name, is_type=False) for name in dataset.projects]
        told = dataset.name
        if dataset.description:
            told += f" - {dataset.description}"
        artifacts = [
            Artifact(
                file.path,
                key=None if home_of(lake, str(file.path)) else file.key,
                description=told if len(files) == 1 else None,
                kind="dataset",
                version_tag=dataset.version,
                run=run,
            ).save()
            for file in files
        ]
        for artifact in artifacts:
            _annotate(artifact, labels, projects)
        if len(artifacts) == 1:
            return artifacts[0]
        collection = Collection(
            artifacts,
            key=dataset.name,
            description=dataset.description,
            version=dataset.version,
            run=run,
        ).save()
        _annotate(collection, labels, projects)
        return collection


def _labels(licenses: Iterable[str]) -> Iterable[ULabel]:
    if licenses:
        kind = _one(ULabel, name=LICENSE, is_type=True)
        yield from (_one(ULabel, name=name, type=kind, is_type=False) for name in licenses)


def _one(registry: Any, **fields: Any) -> Any:
    """The record with these fields, saved if there is none."""
    return registry.filter(**fields).order_by("uid").first() or registry(**fields).save()


def _annotate(record: Any, labels: list[ULabel], projects: list[Project]) -> None:
    if labels:
        record.ulabels.add(*labels)
    if projects:
        record.projects.add(*projects)
