"""What a type checker knows of lakes that are opened beside the current one."""

from typing import reveal_type

import lakehouse as ln

lake = ln.open("./my-lake")
reveal_type(lake)  # R: lakehouse.orm.lake.lake.Lake
reveal_type(lake.ULabel(name="raw").save())  # R: lakehouse.registries.labels.ULabel
reveal_type(lake.Artifact.filter().first())  # R: lakehouse.registries.artifact.record.Artifact | None
reveal_type(lake.bionty.CellType.get(name="T cell"))  # R: lakehouse.bionty.registries.CellType
reveal_type(ln.DB("./other").Record.get(name="S-1"))  # R: lakehouse.registries.record.record.Record
lake.bionty.CelType  # E: "BiontyRegistries" has no attribute "CelType"
lake.ULabel.get(name="raw").nam  # E: "ULabel" has no attribute "nam"
