"""The registries of a lake. Adding one is a file and a line here."""

from __future__ import annotations

from lakehouse.orm import Directory

DIRECTORY = Directory(
    registries={
        "User": "lakehouse.registries.user:User",
        "Branch": "lakehouse.registries.branch:Branch",
        "Space": "lakehouse.registries.space:Space",
        "Storage": "lakehouse.registries.storage:Storage",
        "Transform": "lakehouse.registries.transform:Transform",
        "Run": "lakehouse.registries.run:Run",
        "ULabel": "lakehouse.registries.ulabel:ULabel",
        "Record": "lakehouse.registries.record:Record",
        "Feature": "lakehouse.registries.feature:Feature",
        "Schema": "lakehouse.registries.schema:Schema",
        "Artifact": "lakehouse.registries.artifact:Artifact",
        "Collection": "lakehouse.registries.collection:Collection",
        "Project": "lakehouse.registries.project:Project",
        "Reference": "lakehouse.registries.reference:Reference",
        "Block": "lakehouse.registries.block:Block",
        "RecordBlock": "lakehouse.registries.block:RecordBlock",
        "ArtifactBlock": "lakehouse.registries.block:ArtifactBlock",
        "TransformBlock": "lakehouse.registries.block:TransformBlock",
        "RunBlock": "lakehouse.registries.block:RunBlock",
        "CollectionBlock": "lakehouse.registries.block:CollectionBlock",
        "SchemaBlock": "lakehouse.registries.block:SchemaBlock",
        "FeatureBlock": "lakehouse.registries.block:FeatureBlock",
        "ProjectBlock": "lakehouse.registries.block:ProjectBlock",
        "ULabelBlock": "lakehouse.registries.block:ULabelBlock",
        "BranchBlock": "lakehouse.registries.block:BranchBlock",
        "bionty.Source": "lakehouse.bionty.source:Source",
        "bionty.Organism": "lakehouse.bionty.organism:Organism",
        "bionty.CellType": "lakehouse.bionty.cell_type:CellType",
        "bionty.Gene": "lakehouse.bionty.gene:Gene",
        "bionty.Tissue": "lakehouse.bionty.terms:Tissue",
        "bionty.Disease": "lakehouse.bionty.terms:Disease",
        "bionty.Phenotype": "lakehouse.bionty.terms:Phenotype",
        "bionty.Pathway": "lakehouse.bionty.terms:Pathway",
        "bionty.ExperimentalFactor": "lakehouse.bionty.terms:ExperimentalFactor",
        "bionty.DevelopmentalStage": "lakehouse.bionty.terms:DevelopmentalStage",
        "bionty.CellLine": "lakehouse.bionty.terms:CellLine",
        "bionty.Ethnicity": "lakehouse.bionty.terms:Ethnicity",
    },
    tables=(
        "lakehouse.orm.edits:TABLES",
        "lakehouse.annotation.tables:TABLES",
    ),
    views=(
        "lakehouse.registries._relations:link_views",
        "lakehouse.bionty.views:closure_views",
    ),
    functions={"dataset": "lakehouse.registries.artifact.dataset:content"},
    describer="lakehouse.annotation.describe:describe",
    sweepers=("lakehouse.registries.artifact.sweep",),
)
