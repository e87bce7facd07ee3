"""Example data sets: tables, annotated matrices, files and folders.

File and folder makers write into the working directory and give the path, relative to it.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from lakehouse.examples.datasets import mini_immuno as mini_immuno
    from lakehouse.examples.datasets._cells import (
        anndata_file_pbmc68k_test as anndata_file_pbmc68k_test,
    )
    from lakehouse.examples.datasets._cells import (
        anndata_human_immune_cells as anndata_human_immune_cells,
    )
    from lakehouse.examples.datasets._cells import (
        anndata_mouse_sc_lymph_node as anndata_mouse_sc_lymph_node,
    )
    from lakehouse.examples.datasets._cells import (
        anndata_pbmc3k_processed as anndata_pbmc3k_processed,
    )
    from lakehouse.examples.datasets._cells import (
        anndata_pbmc68k_reduced as anndata_pbmc68k_reduced,
    )
    from lakehouse.examples.datasets._cells import anndata_with_obs as anndata_with_obs
    from lakehouse.examples.datasets._cells import schmidt22_perturbseq as schmidt22_perturbseq
    from lakehouse.examples.datasets._cellxgene import dict_cellxgene_uns as dict_cellxgene_uns
    from lakehouse.examples.datasets._cellxgene import (
        small_dataset3_cellxgene as small_dataset3_cellxgene,
    )
    from lakehouse.examples.datasets._files import file_bam as file_bam
    from lakehouse.examples.datasets._files import file_fastq as file_fastq
    from lakehouse.examples.datasets._files import file_fcs as file_fcs
    from lakehouse.examples.datasets._files import file_fcs_alpert19 as file_fcs_alpert19
    from lakehouse.examples.datasets._files import file_jpg_paradisi05 as file_jpg_paradisi05
    from lakehouse.examples.datasets._files import file_mini_csv as file_mini_csv
    from lakehouse.examples.datasets._files import file_tiff_suo22 as file_tiff_suo22
    from lakehouse.examples.datasets._files import (
        file_tsv_rnaseq_nfcore_salmon_merged_gene_counts as file_tsv_rnaseq_nfcore_salmon_merged_gene_counts,
    )
    from lakehouse.examples.datasets._folders import dir_iris_images as dir_iris_images
    from lakehouse.examples.datasets._folders import (
        dir_scrnaseq_cellranger as dir_scrnaseq_cellranger,
    )
    from lakehouse.examples.datasets._spatial import (
        anndata_suo22_Visium10X as anndata_suo22_Visium10X,
    )
    from lakehouse.examples.datasets._spatial import (
        anndata_visium_mouse_cellxgene as anndata_visium_mouse_cellxgene,
    )
    from lakehouse.examples.datasets._spatial import (
        mudata_papalexi21_subset as mudata_papalexi21_subset,
    )
    from lakehouse.examples.datasets._spatial import spatialdata_blobs as spatialdata_blobs
    from lakehouse.examples.datasets._tables import df_iris as df_iris
    from lakehouse.examples.datasets._tables import df_iris_in_meter as df_iris_in_meter
    from lakehouse.examples.datasets._tables import (
        df_iris_in_meter_study1 as df_iris_in_meter_study1,
    )
    from lakehouse.examples.datasets._tables import (
        df_iris_in_meter_study2 as df_iris_in_meter_study2,
    )
    from lakehouse.examples.datasets._tables import (
        fake_bio_notebook_titles as fake_bio_notebook_titles,
    )
    from lakehouse.examples.datasets._tables import (
        schmidt22_crispra_gws_IFNG as schmidt22_crispra_gws_IFNG,
    )
    from lakehouse.examples.datasets.mini_immuno import get_dataset1 as small_dataset1  # noqa: F401
    from lakehouse.examples.datasets.mini_immuno import get_dataset2 as small_dataset2  # noqa: F401

_MODULES = {
    "_cells": (
        "anndata_file_pbmc68k_test",
        "anndata_human_immune_cells",
        "anndata_mouse_sc_lymph_node",
        "anndata_pbmc3k_processed",
        "anndata_pbmc68k_reduced",
        "anndata_with_obs",
        "schmidt22_perturbseq",
    ),
    "_cellxgene": ("dict_cellxgene_uns", "small_dataset3_cellxgene"),
    "_files": (
        "file_bam",
        "file_fastq",
        "file_fcs",
        "file_fcs_alpert19",
        "file_jpg_paradisi05",
        "file_mini_csv",
        "file_tiff_suo22",
        "file_tsv_rnaseq_nfcore_salmon_merged_gene_counts",
    ),
    "_folders": ("dir_iris_images", "dir_scrnaseq_cellranger"),
    "_spatial": (
        "anndata_suo22_Visium10X",
        "anndata_visium_mouse_cellxgene",
        "mudata_papalexi21_subset",
        "spatialdata_blobs",
    ),
    "_tables": (
        "df_iris",
        "df_iris_in_meter",
        "df_iris_in_meter_study1",
        "df_iris_in_meter_study2",
        "fake_bio_notebook_titles",
        "schmidt22_crispra_gws_IFNG",
    ),
}
_PLACES = {name: (module, name) for module, names in _MODULES.items() for name in names}
_PLACES |= {
    "small_dataset1": ("mini_immuno", "get_dataset1"),
    "small_dataset2": ("mini_immuno", "get_dataset2"),
}

__all__ = sorted([*_PLACES, "mini_immuno"])


if not TYPE_CHECKING:  # a misspelt name is an error for type checkers

    def __getattr__(name: str) -> Any:
        if name == "mini_immuno":
            return importlib.import_module(f"{__name__}.mini_immuno")
        if name not in _PLACES:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        module, attribute = _PLACES[name]
        return getattr(importlib.import_module(f"{__name__}.{module}"), attribute)


def __dir__() -> list[str]:
    return list(__all__)
