"""Folders of files: an image study, and what a sequencing pipeline leaves behind."""

from __future__ import annotations

import random
from pathlib import Path

from lakehouse.examples.datasets import _media

_MATRIX = ("barcodes.tsv.gz", "features.tsv.gz", "matrix.mtx.gz")
_RUN = (
    "analysis/analysis.csv",
    "cloupe.cloupe",
    "filtered_feature_bc_matrix.h5",
    *(f"filtered_feature_bc_matrix/{name}" for name in _MATRIX),
    "metrics_summary.csv",
    "molecule_info.h5",
    "possorted_genome_bam.bam",
    "possorted_genome_bam.bam.bai",
    "raw_feature_bc_matrix.h5",
    *(f"raw_feature_bc_matrix/{name}" for name in _MATRIX),
    "web_summary.html",
)


def dir_scrnaseq_cellranger(
    sample_name: str,
    basedir: str | Path = "./",
    output_only: bool = True,  # noqa: FBT001, FBT002 - the peer's signature
) -> Path:
    """Write the folder that a Cell Ranger run leaves behind: the right names, mock contents.

    Args:
        sample_name: Name of the sample and of the folder.
        basedir: Where it goes.
        output_only: False also writes the run's inputs, two files in `fastq/`.

    Example:
        >>> dir_scrnaseq_cellranger("sample_001", "runs")
        PosixPath('runs/sample_001')
    """
    base = Path(basedir)
    if not output_only:
        for read in ("R1", "R2"):
            _write(base / "fastq" / f"{sample_name}_{read}_001.fastq.gz", sample_name)
    for name in _RUN:
        _write(base / sample_name / name, sample_name)
    return base / sample_name


def dir_iris_images() -> Path:
    """Write `iris_studies`: drawn images of irises of three studies, with a table for each.

    Example:
        >>> dir_iris_images()
        PosixPath('iris_studies')
    """
    root = Path("iris_studies")
    draw = random.Random(36)
    for study in range(3):
        folder = root / f"study{study}_raw_images"
        folder.mkdir(parents=True, exist_ok=True)
        lines = ["file_name,iris_organism_name"]
        for i in range(12):
            name = f"iris-{study:02d}{i:02d}.jpg"
            petals = [[draw.randrange(60, 220) for _ in range(8)] for _ in range(8)]
            (folder / name).write_bytes(_media.jpeg(petals))
            lines.append(f"{name},{('setosa', 'versicolor', 'virginica')[i % 3]}")
        (folder / "meta.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    return root


def _write(path: Path, sample: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    text = f"{sample} {path.name}\n"
    path.write_bytes(_media.gzipped(text) if path.suffix == ".gz" else text.encode())
