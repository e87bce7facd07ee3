"""Artifacts: datasets and models with their content, versions, snapshots and labels."""

from lakehouse.registries.artifact.constructors import ArtifactList
from lakehouse.registries.artifact.record import Artifact

__all__ = ["Artifact", "ArtifactList"]
