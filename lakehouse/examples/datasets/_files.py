"""Files of raw data: sequencing, cytometry, images, counts."""

from __future__ import annotations

import random
from pathlib import Path
from typing import cast

from upath import UPath

from lakehouse.examples.datasets import _media

_CHANNELS = ("FSC-A", "SSC-A", "CD3", "CD4", "CD8", "CD14", "CD19", "CD56")
_PANEL = (
    *("Time", "Cell_length", "CD57", "Dead", "(Ba138)Dd", "Bead", "CD19", "CD4", "CD8", "IgD"),
    *("CD85j", "CD11c", "CD16", "CD3", "CD38", "CD27", "CD11b", "Cd14", "Ccr6", "CD94", "CD86"),
    *("CXCR5", "CXCR3", "Ccr7", "CD45RA", "CD20", "CD127", "CD33", "CD28", "CD24", "ICOS"),
    *("CD161", "TCRgd", "CD45RO", "CXCR4", "CD123", "CD25", "CD56", "HLA-DR", "PD-1"),
)


def file_fastq(in_storage_root: bool = False) -> Path:  # noqa: FBT001, FBT002 - the peer's signature
    """Write `input.fastq.gz`: ten reads of 36 bases.

    Args:
        in_storage_root: Write into the lake's storage instead of the working directory.
    """
    draw = random.Random(4)
    reads = (
        f"@read{i}\n{''.join(draw.choice('ACGT') for _ in range(36))}\n+\n{'I' * 36}\n"
        for i in range(10)
    )
    return _write("input.fastq.gz", _media.gzipped("".join(reads)), in_storage=in_storage_root)


def file_bam(in_storage_root: bool = False) -> Path:  # noqa: FBT001, FBT002 - the peer's signature
    """Write `output.bam`: an alignment file of one reference sequence and no alignments.

    Args:
        in_storage_root: Write into the lake's storage instead of the working directory.
    """
    return _write("output.bam", _media.bam([("chr1", 248956422)]), in_storage=in_storage_root)


def file_mini_csv(in_storage_root: bool = False) -> Path:  # noqa: FBT001, FBT002 - the peer's signature
    """Write `mini.csv`: one column `test` with the values 1, 2, 3.

    Args:
        in_storage_root: Write into the lake's storage instead of the working directory.
    """
    return _write("mini.csv", b"test\n1\n2\n3\n", in_storage=in_storage_root)


def file_fcs() -> Path:
    """Write `example.fcs`: flow cytometry of 100 made-up events in eight channels."""
    return _write("example.fcs", _cytometry(_CHANNELS, 100, seed=8))


def file_fcs_alpert19(populate_registries: bool = False) -> Path:  # noqa: FBT001, FBT002
    """Write `Alpert19.fcs`: mass cytometry of 100 made-up events with a panel of 40 channels.

    Args:
        populate_registries: Save the species and the assay as terms, as if they were known.
    """
    if populate_registries:
        from lakehouse import bionty as bt

        bt.Organism(name="human", ontology_id="NCBITaxon:9606").save()
        bt.ExperimentalFactor(
            name="fluorescence-activated cell sorting", ontology_id="EFO:0009108"
        ).save()
    return _write("Alpert19.fcs", _cytometry(_PANEL, 100, seed=19))


def file_jpg_paradisi05() -> Path:
    """Write `paradisi05_laminopathic_nuclei.jpg`: a drawn image of bright nuclei on black."""
    shades = _nuclei(24, 32, seed=5)
    return _write("paradisi05_laminopathic_nuclei.jpg", _media.jpeg(shades))


def file_tiff_suo22() -> Path:
    """Write `F121_LP1_4LIV.tiff`: a drawn image of a tissue section, 96 x 96 pixels."""
    return _write("F121_LP1_4LIV.tiff", _media.tiff(_nuclei(96, 96, seed=22)))


def file_tsv_rnaseq_nfcore_salmon_merged_gene_counts(
    populate_registries: bool = False,  # noqa: FBT001, FBT002 - the peer's signature
) -> Path:
    """Write `salmon.merged.gene_counts.tsv`: made-up counts of 100 genes in five samples.

    Args:
        populate_registries: Save the species and the assay as terms, as if they were known.
    """
    if populate_registries:
        from lakehouse import bionty as bt

        bt.Organism(name="saccharomyces cerevisiae", ontology_id="NCBITaxon:4932").save()
        bt.ExperimentalFactor(name="RNA-Seq", ontology_id="EFO:0008896").save()
    draw = random.Random(3)
    treated = ("RAP1_IAA_30M_REP1", "RAP1_UNINDUCED_REP1", "RAP1_UNINDUCED_REP2")
    samples = (*treated, "WT_REP1", "WT_REP2")
    lines = ["\t".join(("gene_id", "gene_name", *samples))]
    for i in range(100):
        name = f"YAL{i:03d}C"
        counts = (str(int(draw.expovariate(0.01))) for _ in samples)
        lines.append("\t".join((name, name, *counts)))
    return _write("salmon.merged.gene_counts.tsv", ("\n".join(lines) + "\n").encode())


def _cytometry(channels: tuple[str, ...], n_events: int, seed: int) -> bytes:
    draw = random.Random(seed)
    return _media.fcs(
        channels, [[draw.lognormvariate(5, 1) for _ in channels] for _ in range(n_events)]
    )


def _nuclei(height: int, width: int, seed: int) -> list[list[int]]:
    """A dark image with a dozen bright discs."""
    draw = random.Random(seed)
    radius = min(height, width) / 8
    discs = [(draw.uniform(0, height), draw.uniform(0, width)) for _ in range(12)]
    image = []
    for y in range(height):
        distances = [min((y - a) ** 2 + (x - b) ** 2 for a, b in discs) for x in range(width)]
        image.append([max(8, int(240 * (1 - d / radius**2))) for d in distances])
    return image


def _write(name: str, content: bytes, *, in_storage: bool = False) -> Path:
    path = Path(name)
    if in_storage:
        from lakehouse.orm import current_lake

        path = cast("Path", UPath(current_lake().root) / name)
    path.write_bytes(content)
    return path
