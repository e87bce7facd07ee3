"""What a type checker knows of records: the values of fields, relations and queries."""

from typing import reveal_type

import lakehouse as ln

artifact = ln.Artifact.get(key="cells.parquet")
reveal_type(artifact)  # R: lakehouse.registries.artifact.record.Artifact
reveal_type(artifact.uid)  # R: str
reveal_type(artifact.key)  # R: str | None
reveal_type(artifact.size)  # R: int | None
reveal_type(artifact.suffix)  # R: str
reveal_type(artifact.created_at)  # R: datetime.datetime
reveal_type(artifact.is_latest)  # R: bool
reveal_type(artifact.version)  # R: str
reveal_type(artifact.created_by.handle)  # R: str
reveal_type(artifact.run)  # R: lakehouse.registries.run.Run | None
reveal_type(artifact.run_id)  # R: str | None
reveal_type(artifact.storage)  # R: lakehouse.registries.place.Storage
reveal_type(artifact.ulabels.one())  # R: lakehouse.registries.labels.ULabel
reveal_type(artifact.cell_types.first())  # R: lakehouse.bionty.registries.CellType | None
reveal_type(artifact.transform)  # R: lakehouse.registries.run.Transform | None
reveal_type(artifact.save())  # R: lakehouse.registries.artifact.record.Artifact
reveal_type(artifact.versions)  # R: lakehouse.orm.query.queryset.QuerySet[lakehouse.registries.artifact.record.Artifact]
reveal_type(ln.Artifact.key)  # R: lakehouse.orm.model.meta.FieldRef
reveal_type(ln.Artifact.ulabels)  # R: lakehouse.orm.model.meta.FieldRef

labels = ln.ULabel.filter(name="raw")
reveal_type(labels)  # R: lakehouse.orm.query.queryset.QuerySet[lakehouse.registries.labels.ULabel]
reveal_type(labels.one())  # R: lakehouse.registries.labels.ULabel
reveal_type(labels.first())  # R: lakehouse.registries.labels.ULabel | None
reveal_type(labels[0])  # R: lakehouse.registries.labels.ULabel
reveal_type([label.name for label in labels])  # R: list[str]
reveal_type(labels.order_by("name").get(name="raw").type)  # R: lakehouse.registries.labels.ULabel | None
reveal_type(ln.ULabel.from_values(["a"])[0])  # R: lakehouse.registries.labels.ULabel

run = ln.Run(ln.Transform(key="align.py").save(), params={"epochs": 3}).save()
reveal_type(run.transform.key)  # R: str
reveal_type(run.output_artifacts.all().one())  # R: lakehouse.registries.artifact.record.Artifact
reveal_type(ln.Schema([ln.Feature(name="n", dtype=int)]).index)  # R: lakehouse.registries.feature.Feature | None
reveal_type(ln.models.RecordBlock.get("x").record)  # R: lakehouse.registries.record.record.Record

artifact.description = "cells"
artifact.run = run
artifact.keyy  # E: "Artifact" has no attribute "keyy"
artifact.kye = "cells.parquet"  # E: "Artifact" has no attribute "kye"
artifact.key = 3  # E: Incompatible types in assignment (expression has type "int", variable has type "str | None")
artifact.run = artifact  # E: Incompatible types in assignment (expression has type "Artifact", variable has type "Run | None")
artifact.ulabels = [labels.one()]  # E: Incompatible types in assignment
artifact.key.upper()  # E: Item "None" of "str | None" has no attribute "upper"
ln.Artifact.sufix  # E: "type[Artifact]" has no attribute "sufix"
ln.ULabel(nam="raw")  # E: Unexpected keyword argument "nam" for "ULabel"
ln.ULabel("raw")  # E: Too many positional arguments for "ULabel"
ln.ULabel(name="raw", type="kind")  # E: Argument "type" to "ULabel" has incompatible type "str"
ln.Artifact("a.csv", key="a.csv", runn=run)  # E: Unexpected keyword argument "runn" for "Artifact"
ln.Feature(name="n", dtyp=int)  # E: Unexpected keyword argument "dtyp" for "Feature"
