"""The registries of a lake as attributes, for type checkers.

Attributes of lakes are looked up in their directory, which a package of its own can extend: so
other names aren't errors. That these are the directory's is tested.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from lakehouse import bionty as bt
    from lakehouse import models as ln


class BiontyRegistries:
    """What `lake.bionty` has."""

    if TYPE_CHECKING:
        Source: type[bt.Source]
        Organism: type[bt.Organism]
        Gene: type[bt.Gene]
        Protein: type[bt.Protein]
        CellMarker: type[bt.CellMarker]
        Tissue: type[bt.Tissue]
        CellType: type[bt.CellType]
        Disease: type[bt.Disease]
        CellLine: type[bt.CellLine]
        Phenotype: type[bt.Phenotype]
        Pathway: type[bt.Pathway]
        ExperimentalFactor: type[bt.ExperimentalFactor]
        DevelopmentalStage: type[bt.DevelopmentalStage]
        Ethnicity: type[bt.Ethnicity]


class CoreRegistries:
    """What a lake has, beside its methods."""

    if TYPE_CHECKING:
        User: type[ln.User]
        Branch: type[ln.Branch]
        Space: type[ln.Space]
        Storage: type[ln.Storage]
        Transform: type[ln.Transform]
        Run: type[ln.Run]
        ULabel: type[ln.ULabel]
        Record: type[ln.Record]
        Feature: type[ln.Feature]
        Schema: type[ln.Schema]
        Artifact: type[ln.Artifact]
        Collection: type[ln.Collection]
        Project: type[ln.Project]
        Reference: type[ln.Reference]
        Block: type[ln.Block]
        RecordBlock: type[ln.RecordBlock]
        ArtifactBlock: type[ln.ArtifactBlock]
        TransformBlock: type[ln.TransformBlock]
        RunBlock: type[ln.RunBlock]
        CollectionBlock: type[ln.CollectionBlock]
        SchemaBlock: type[ln.SchemaBlock]
        FeatureBlock: type[ln.FeatureBlock]
        ProjectBlock: type[ln.ProjectBlock]
        ULabelBlock: type[ln.ULabelBlock]
        BranchBlock: type[ln.BranchBlock]
        SpaceBlock: type[ln.SpaceBlock]
        bionty: BiontyRegistries
