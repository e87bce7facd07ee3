"""Made `lake-format-1.tar.xz`: a lake with one of everything, as a version of lakehouse left it.

Run it in an empty folder with the version that is to be kept, once for each number of the format:

    python make_lake.py && tar cJf lake-format-1.tar.xz lake
"""

from __future__ import annotations

import pandas as pd

import lakehouse as ln
import lakehouse.bionty as bt


def main() -> None:
    ln.setup.init(storage="./lake", modules="bionty")
    lake = ln.current_lake()
    bt.CellType.import_source("blood-cells")
    qc = ln.ULabel(name="QC", is_type=True).save()
    passed = ln.ULabel(name="passed", type=qc, description="first").save()
    gone = ln.ULabel(name="gone").save()
    gone.delete()
    cell_type = ln.Feature(name="cell_type", dtype=bt.CellType).save()
    temperature = ln.Feature(name="temperature", dtype=float).save()
    schema = ln.Schema([cell_type, temperature], name="cells").save()
    run = ln.Run(ln.Transform(key="import.py", kind="script").save()).save()
    for temperatures in ([21.5, 22.0], [21.5, 23.0]):
        frame = pd.DataFrame({"cell_type": ["T cell", "B cell"], "temperature": temperatures})
        artifact = ln.Artifact.from_dataframe(frame, key="cells.parquet", schema=schema, run=run)
        artifact.save()
    artifact.ulabels.add(passed)
    artifact.features.add_values({"temperature": 37.5})
    ln.Collection([artifact], key="atlas").save()
    lake.tag("before")
    gc = ln.Feature(name="gc", dtype=float).save()
    samples = ln.Record(name="Samples", is_type=True, schema=ln.Schema([gc]).save()).save()
    rows = pd.DataFrame({"name": ["S-1", "S-2"], "gc": [0.5, 0.25]})
    ln.Record.from_dataframe(rows, type=samples).save()
    ln.models.ArtifactBlock(artifact=artifact, content="# Read me", kind="readme").save()
    ln.Project(name="Atlas", abbr="AT").save()
    ln.setup.switch("trial", create=True)
    ln.ULabel(name="only here").save()
    passed = ln.ULabel.get(name="passed")
    passed.description = "second"
    passed.save()


if __name__ == "__main__":
    main()
