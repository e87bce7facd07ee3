"""Artifacts: datasets and models with their content, versions, snapshots and labels."""

from lakehouse.registries.artifact.record import Artifact, ArtifactList

__all__ = ["Artifact", "ArtifactList"]
