"""Sets of artifacts, as a class to test for."""

from __future__ import annotations

from abc import ABCMeta
from typing import Any

from lakehouse.orm import QuerySet


class _OfArtifacts(ABCMeta):
    def __instancecheck__(cls, instance: Any) -> bool:
        return isinstance(instance, QuerySet) and instance._meta.table == "artifact"


class ArtifactSet(metaclass=_OfArtifacts):
    """What queries for artifacts give.

    Example:
        >>> isinstance(ln.Artifact.filter(), ln.models.ArtifactSet)
        True
        >>> isinstance(ln.ULabel.filter(), ln.models.ArtifactSet)
        False
    """
