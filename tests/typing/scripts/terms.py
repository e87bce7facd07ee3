"""What a type checker knows of biological entities."""

from typing import reveal_type

import lakehouse.bionty as bt

term = bt.CellType.get(name="T cell")
reveal_type(term)  # R: lakehouse.bionty.registries.CellType
reveal_type(term.name)  # R: str
reveal_type(term.ontology_id)  # R: str | None
reveal_type(term.synonyms)  # R: str | None
reveal_type(term.save())  # R: lakehouse.bionty.registries.CellType
reveal_type(term.is_obsolete)  # R: bool
reveal_type(term.source)  # R: lakehouse.bionty._sources.source.Source | None
reveal_type(term.parents.all())  # R: lakehouse.orm.query.queryset.QuerySet[lakehouse.bionty.registries.CellType]
reveal_type(term.query_parents().first())  # R: lakehouse.bionty.registries.CellType | None
reveal_type(term.artifacts.one())  # R: lakehouse.registries.artifact.record.Artifact
reveal_type(bt.CellType.filter().one())  # R: lakehouse.bionty.registries.CellType
reveal_type(bt.CellType.from_values(["T cell"]).one())  # R: lakehouse.bionty.registries.CellType
reveal_type(bt.CellType.name)  # R: lakehouse.orm.model.meta.FieldRef
reveal_type(bt.CellType.import_source())  # R: lakehouse.bionty._sources.source.Source
reveal_type(bt.models.CellType.get(name="T cell"))  # R: lakehouse.bionty.registries.CellType
reveal_type(bt.base.CellType(version="2026-03-26"))  # R: lakehouse.bionty._sources.public.PublicOntology

gene = bt.Gene(symbol="CD8A", organism="human").save()
reveal_type(gene.symbol)  # R: str | None
reveal_type(gene.ensembl_version)  # R: int | None
reveal_type(gene.organism.scientific_name)  # R: str | None
bt.CellType(name="new", parents=[term], ontology_idd="x")  # E: Unexpected keyword argument "ontology_idd" for "CellType"
term.symbol  # E: "CellType" has no attribute "symbol"
gene.parents  # E: "Gene" has no attribute "parents"
term.name = None  # E: Incompatible types in assignment (expression has type "None", variable has type "str")
