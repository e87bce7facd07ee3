"""The lake, files and objects that the examples in docstrings take for granted.

An example says `artifact.ulabels.add(label)` without saying where both come from. Here is where:
`World.named` gives the object that a name in an example stands for.
"""

from __future__ import annotations

import shutil
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import anndata as ad
import numpy as np
import pandas as pd

import lakehouse as ln
import lakehouse.bionty as bt
from lakehouse.orm import Lake
from lakehouse.orm.model.context import set_process_lake

REPO = Path(__file__).resolve().parents[1]


class World:
    """A folder with a lake `my-lake` and files, all put back on request; beside it what is only read.

    Args:
        base: An empty folder: examples run in `base/work`.
    """

    def __init__(self, base: Path) -> None:
        self.work = base / "work"
        self._whole = base / "whole"
        self.work.mkdir()
        _files(self.work)
        with Lake.create(str(self.work / "my-lake"), modules=["bionty"]) as lake:
            set_process_lake(lake)
            _fill(self.work)
            lake.backup(base / "backups")
        with Lake.create(str(base / "other-lake"), modules=["bionty"]) as other:
            set_process_lake(other)
            ln.ULabel(name="raw").save()
            bt.CellType(name="T cell").save()
            ln.Artifact(self.work / "cells.h5ad", key="cells.h5ad").save()
        set_process_lake(None)
        shutil.copytree(self.work, self._whole)

    def put_back(self) -> None:
        """Make everything as it was at first; the working folder itself stays the same one."""
        for found in self.work.iterdir():
            shutil.rmtree(found) if found.is_dir() else found.unlink()
        shutil.copytree(self._whole, self.work, dirs_exist_ok=True)

    def named(self, name: str, example: str) -> Any:
        """What a name stands for in the examples of a docstring.

        Args:
            name: The name.
            example: The docstring's place, such as `lakehouse.curators.part.rename`.

        Raises:
            KeyError: for names that stand for nothing.
        """
        for place in (example, example.rpartition(".")[0], ""):
            if (made := _NAMED.get((place, name))) is not None:
                return made()
        raise KeyError(name)


def _frame() -> pd.DataFrame:
    return pd.DataFrame({"cell_type": ["B cell", "T cell"], "temperature": [21.6, 22.0]})


def _sheet() -> pd.DataFrame:
    return pd.DataFrame({"name": ["S-1", "S-2"], "gc": [0.5, 0.6]})


def _adata() -> ad.AnnData:
    return ad.AnnData(
        np.ones((2, 2), "float32"),
        obs=_frame().assign(cell_id=["c1", "c2"]).set_index(pd.Index(["c1", "c2"])),
        var=pd.DataFrame({"gene_id": ["g1", "g2"]}, index=["g1", "g2"]),
    )


def _more_cells() -> ad.AnnData:
    adata = _adata()
    adata.obs["cell_id"] = adata.obs_names = ["c3", "c4"]
    return adata


def _curator(schema: str = "cells", **columns: list[str]) -> Any:
    columns = columns or {"cell_type": ["B-cell", "T cell"], "perturbation": ["DMSO", "TNF"]}
    curator = ln.curators.DataFrameCurator(pd.DataFrame(columns), ln.Schema.get(name=schema))
    curator.check()
    return curator


class _Config:
    """Stands for a configuration of Vitessce."""

    def to_dict(self) -> dict[str, Any]:
        artifact = ln.Artifact("cells.h5ad", key="cells.h5ad").save()
        files = [{"fileType": "anndata.h5ad", "url": str(artifact.path)}]
        return {"version": "1.0.16", "name": "cells", "datasets": [{"files": files}]}


def _record(registry: Any, **given: Any) -> Callable[[], Any]:
    return lambda: registry.get(**given)


_USUAL: dict[str, Callable[[], Any]] = {
    "ln": lambda: ln,
    "bt": lambda: bt,
    "pd": lambda: pd,
    "lake": ln.current_lake,
    "df": _frame,
    "adata": _adata,
    "curator": _curator,
    "schema": _record(ln.Schema, name="cells"),
    "artifact": _record(ln.Artifact, key="cells.parquet"),
    "artifact_1": _record(ln.Artifact, key="cells.parquet"),
    "artifact_2": _record(ln.Artifact, key="more.parquet"),
    "artifact_3": _record(ln.Artifact, key="most.parquet"),
    "collection": _record(ln.Collection, key="atlas"),
    "label": _record(ln.ULabel, name="raw"),
    "donor": _record(ln.Feature, name="donor"),
    "perturbation": _record(ln.Feature, name="perturbation"),
    "dmso": _record(ln.ULabel, name="DMSO"),
    "ifng": _record(ln.ULabel, name="IFNG"),
    "samples": _record(ln.Record, name="Samples"),
    "transform": _record(ln.Transform, key="train.py"),
    "t_cell": _record(bt.CellType, name="T cell"),
    "config": _Config,
    **{name: (lambda name=name: getattr(ln, name)) for name in ln.__all__ if name[0].isupper()},
    **{name: (lambda name=name: getattr(bt, name)) for name in ("CellType", "Disease", "Gene")},
}
# Where an example means something else by a name than most do: by module, or by docstring.
_ELSEWHERE: dict[str, dict[str, Callable[[], Any]]] = {
    "lakehouse.curators.annotate": {
        "curator": lambda: _curator(cell_type=["B cell"]),
    },
    "lakehouse.curators.values": {"schema": _record(ln.Schema, name="values")},
    "lakehouse.curators.part": {
        "curator": lambda: _curator("doses", cell_type=["B cell"], dose=["1"], note=["x"]),
    },
    "lakehouse.curators.part.rename": {
        "curator": lambda: _curator(celltype=["B cell"]),
    },
    "lakehouse.curators.model.model": {"df": lambda: _frame().assign(donor=["D1", None])},
    "lakehouse.curators.core.AnnDataCurator": {
        "schema": _record(ln.Schema, name="annotated"),
    },
    "lakehouse.curators.core.curator_of": {"schema": _record(ln.Schema, name="annotated")},
    "lakehouse.engine.engine": {"spec": lambda: ln.ULabel.meta.spec},
    "lakehouse.engine.query.state": {"engine": lambda: ln.current_lake().engine},
    "lakehouse.formats.annotated.base": {
        "artifact": lambda: ln.Artifact("cells.h5ad", key="cells.h5ad").save(),
    },
    "lakehouse.integrations.soma": {"adata1": _adata, "adata2": _more_cells},
    "lakehouse.registries.feature": {"df": lambda: pd.DataFrame({"age": [3], "donor": ["a"]})},
    "lakehouse.registries.record.record": {"df": _sheet},
    "lakehouse.registries.schema.members": {"schema": _record(ln.Schema, name="donors")},
    "lakehouse.registries.record.sheets": {"df": _sheet},
}
_NAMED = {("", name): made for name, made in _USUAL.items()} | {
    (place, name): made for place, names in _ELSEWHERE.items() for name, made in names.items()
}


def _fill(folder: Path) -> None:
    """Records of every kind that examples name, the tags and the branch."""
    lake = ln.current_lake()
    ada = ln.User.get(handle="ada")
    ada.name = "Ada Lovelace"
    ada.save()
    bt.CellType.import_source("blood-cells")
    old = {"is_obsolete": True, "replaced_by": "CL:0000542"}
    bt.CellType(name="obsolete cell", ontology_id="CL:0000001", **old).save()
    human = bt.Organism(name="human").save()
    for symbol, ensembl in {"CD8A": "ENSG00000153563", "CD4": "ENSG00000010610"}.items():
        bt.Gene(symbol=symbol, ensembl_gene_id=ensembl, organism=human).save()
    *_, top, sub = (ln.ULabel(name=n).save() for n in ("raw", "DMSO", "IFNG", "top", "sub"))
    sub.parents.add(top)
    lake.tag("before-cleanup")
    _schemas()
    _datasets(folder)
    materials = ln.Record(name="Materials", is_type=True).save()
    samples = ln.Record(name="Samples", is_type=True, type=materials).save()
    ln.Record(name="S-1", type=samples).save()
    ln.Transform(key="train.py", kind="script").save()
    lake.tag("after")
    ln.setup.switch("my-branch", create=True)
    ln.ULabel(name="of the branch").save()
    ln.setup.switch("main")


def _schemas() -> None:
    dtypes: dict[str, Any] = {
        "cell_type": bt.CellType,
        "temperature": float,
        "donor": str,
        "perturbation": ln.ULabel,
        "gc": float,
        "dose": float,
    }
    features = {n: ln.Feature(name=n, dtype=dtype).save() for n, dtype in dtypes.items()}
    optional = features["perturbation"].with_config(optional=True)
    cells = ln.Schema([features["cell_type"], optional], name="cells").save()
    ln.Schema([features["cell_type"], features["dose"]], name="doses").save()
    ln.Schema([features["donor"]], name="donors").save()
    ln.Schema([features["temperature"]], name="values").save()
    ln.Schema(slots={"obs": cells}, otype="AnnData", name="annotated").save()


def _datasets(folder: Path) -> None:
    for n_rows, name in enumerate(("cells", "cells", "more", "most"), 1):
        frame = pd.DataFrame({"cell_type": ["B cell"] * n_rows, "n": range(n_rows)})
        ln.Artifact.from_dataframe(frame, key=f"{name}.parquet").save()
    ln.Artifact(folder / "table.csv", key="table.csv").save()
    cells = ln.Artifact.get(key="cells.parquet")
    ln.Collection([cells], key="atlas", schema=ln.Schema.get(name="cells")).save()


def _files(folder: Path) -> None:
    """Files that examples name."""
    _frame().to_parquet(folder / "cells.parquet")
    (folder / "table.csv").write_text("x,y\n1,a\n2,b\n")
    shutil.copy(REPO / "ontologies" / "extracts" / "blood-cells.obo", folder)
    run = folder / "project" / "run_1"
    run.mkdir(parents=True)
    (run / "log.txt").write_text("done\n")
    _adata().write_h5ad(folder / "cells.h5ad")
    row = "".join(f'<c t="inlineStr"><is><t>{v}</t></is></c>' for v in ("species", "Symbol"))
    name = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
    with zipfile.ZipFile(folder / "markers.xlsx", "w") as book:
        sheet = f'<worksheet xmlns="{name}"><sheetData><row>{row}</row></sheetData></worksheet>'
        book.writestr("xl/worksheets/sheet1.xml", sheet)
