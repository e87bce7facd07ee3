"""AnnData objects saved as one SOMA experiment."""

from __future__ import annotations

import pyarrow as pa
import pytest

import lakehouse as ln
from lakehouse.errors import InvalidArgument, UnreadableFile, ValidationError
from lakehouse.formats.soma.experiment import read_frame
from lakehouse.formats.soma.write import write_anndata
from tests.optional import installed_or_skip

pytestmark = [
    pytest.mark.usefixtures("lake"),
    pytest.mark.filterwarnings("ignore"),  # of tiledbsoma's dependencies
]
soma = installed_or_skip("tiledbsoma")
save = ln.integrations.save_tiledbsoma_experiment
IDS = {"obs_id_name": "cell_id", "var_id_name": "gene_id"}


def cells(*names, genes=("G1", "G2")):
    anndata = installed_or_skip("anndata")
    import numpy as np
    import pandas as pd

    return anndata.AnnData(
        np.ones((len(names), len(genes)), dtype="float32"),
        obs=pd.DataFrame({"cell_id": names, "batch": ["x"] * len(names)}, index=list(names)),
        var=pd.DataFrame({"gene_id": genes}, index=list(genes)),
    )


def obs_of(artifact):
    with soma.Experiment.open(str(artifact.cache())) as experiment:
        return experiment.obs.read().concat().to_pandas()


def test_written_and_appended_to(tmp_path):
    run = ln.Run(ln.Transform(key="import").save()).save()
    first, path = cells("c1", "c2"), tmp_path / "second.h5ad"
    cells("c3", genes=("G2", "G3")).write_h5ad(path)
    artifact = save([first, path], key="cells.tiledbsoma", description="cells", run=run, **IDS)
    assert (artifact.otype, artifact.suffix, artifact.run) == ("tiledbsoma", ".tiledbsoma", run)
    assert (artifact.n_observations, artifact.description) == (3, "cells")
    assert obs_of(artifact)["lamin_run_uid"].unique().tolist() == [run.uid]
    assert "lamin_run_uid" not in first.obs
    later = ln.Run(run.transform).save()
    more = save([cells("c4")], revises=artifact, run=later, **IDS)
    assert (more.key, more.n_observations) == ("cells.tiledbsoma", 4)
    assert obs_of(more)["lamin_run_uid"].tolist() == [run.uid] * 3 + [later.uid]
    assert obs_of(more)["cell_id"].tolist() == ["c1", "c2", "c3", "c4"]
    assert artifact.uid[:16] == more.uid[:16]


def test_without_a_run_there_is_no_column():
    assert "lamin_run_uid" not in obs_of(save(cells("c1"), key="x.tiledbsoma", **IDS))


def test_wrong_input_saves_nothing(tmp_path):
    with pytest.raises(ValidationError, match="one SOMA experiment"):
        save([cells("c1"), cells("c1")], key="x.tiledbsoma", **IDS)
    with pytest.raises(InvalidArgument, match="needs AnnData"):
        save([], key="x.tiledbsoma")
    with pytest.raises(InvalidArgument, match="made of AnnData"):
        save([5], key="x.tiledbsoma")
    (tmp_path / "a.csv").write_text("x\n1\n")
    table = ln.Artifact(tmp_path / "a.csv", key="a.csv").save()
    with pytest.raises(InvalidArgument, match="appended to"):
        save([cells("c1")], revises=table)
    assert ln.Artifact.filter().to_list("key") == ["a.csv"]


@pytest.mark.slow
def test_categories_are_kept_though_frames_are_made_and_filled_in_one_moment(tmp_path):
    import pandas as pd

    for i in range(40):
        adata = cells("c1", "c2")
        for n in range(4):
            adata.obs[f"type {n}"] = pd.Categorical([f"B {n}", f"T {n}"])
        path = str(tmp_path / f"{i}.tiledbsoma")
        write_anndata(path, adata, "RNA", **IDS)
        with soma.Experiment.open(path) as experiment:
            obs = read_frame(experiment.obs)
            assert experiment.ms["RNA"].X["data"].nnz == 4
        for n in range(4):
            assert obs[f"type {n}"].to_pylist() == [f"B {n}", f"T {n}"]


def test_codes_without_categories_are_told(tmp_path):
    lost = pa.DictionaryArray.from_arrays(
        pa.array([0, 1], pa.int8()), pa.array([], pa.string()), safe=False
    )

    class Frame:
        uri = "cells.tiledbsoma/obs"

        def read(self, column_names):
            return self

        def concat(self):
            return pa.table({"soma_joinid": [0, 1], "cell_type": lost})

    with pytest.raises(UnreadableFile, match=r"'cell_type' are gone.*obs"):
        read_frame(Frame())
