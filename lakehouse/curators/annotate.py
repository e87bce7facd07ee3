"""Annotating an artifact that is saved already with what a curator found in it."""

from __future__ import annotations

from collections.abc import Mapping

from lakehouse.curators.core import Curator
from lakehouse.curators.values import CatVector
from lakehouse.engine.query.view import in_one_view
from lakehouse.errors import InvalidArgument, ValidationError
from lakehouse.orm.session.batch import batch_on
from lakehouse.registries import Artifact


@in_one_view
def annotate_artifact(
    artifact: Artifact,
    *,
    curator: Curator | None = None,
    cat_vectors: Mapping[str, CatVector] | None = None,
) -> Artifact:
    """Annotate a saved artifact with the schema, features and labels of a validated dataset.

    The artifact's content is validated, too: it may not be what the curator was given.

    Args:
        artifact: The artifact.
        curator: A curator that found its dataset to be valid.
        cat_vectors: Validated vectors of values; their terms become labels of the artifact.

    Raises:
        InvalidArgument: The artifact isn't saved, or nothing is given to annotate it with.
        ValidationError: Something isn't validated, or the artifact doesn't match the schema.

    Example:
        >>> curator.validate()
        >>> annotate_artifact(artifact, curator=curator)
    """
    if not artifact._saved:
        raise InvalidArgument("Only a saved artifact can be annotated.", hint="artifact.save()")
    if curator is None and not cat_vectors:
        raise InvalidArgument(
            "There is nothing to annotate the artifact with.", expected="curator= or cat_vectors="
        )
    vectors = cat_vectors or {}
    for name, checked in {"curator": curator, **vectors}.items():
        if checked is not None and not checked.is_validated:
            raise ValidationError(
                f"{name!r} isn't validated.", hint="validate() it, and mend what it finds"
            )
    with batch_on(artifact._lake):
        if curator is not None:
            features = curator._features or None
            again = type(curator)(artifact, curator.schema, features=features)
            again.validate()
            again._annotate(artifact)
        for vector in vectors.values():
            if records := vector.records():
                artifact.labels.add(records, feature=vector.feature)
    return artifact
