"""Which terms CELLxGENE 7.1 takes in which column, as constraints of a schema.

Written after the published schema (https://github.com/chanzuckerberg/single-cell-curation).
"""

from __future__ import annotations

from typing import Any, NamedTuple

DELIMITER = " || "
HUMAN = "NCBITaxon:9606"
WORM = "NCBITaxon:6239"


class Organism(NamedTuple):
    """An organism of CELLxGENE.

    Attributes:
        gene_organism: The name of the organism in the registry, by which its genes are found.
        ontology_id: Its id.
        stages: Below which terms its stages of development are.
        not_stages: Terms that are no stages, though they are below.
        stage: A stage beside those.
        cells: Below which terms its cell types are, too.
        parts: Below which terms its tissues are, too.
        not_parts: Terms that are no tissues, nor is what is below them.
    """

    gene_organism: str
    ontology_id: str
    stages: tuple[str, ...] = ("UBERON:0000105",)
    not_stages: tuple[str, ...] = ("UBERON:0000071",)
    stage: tuple[str, ...] = ()
    cells: tuple[str, ...] = ()
    parts: tuple[str, ...] = ()
    not_parts: tuple[str, ...] = ()


ORGANISMS = {
    "human": Organism("human", HUMAN, ("HsapDv:0000001",), ()),
    "mouse": Organism("mouse", "NCBITaxon:10090", ("MmusDv:0000001",), ()),
    "zebrafish": Organism(
        "zebrafish",
        "NCBITaxon:7955",
        ("ZFS:0100000",),
        ("ZFS:0000000",),
        cells=("ZFA:0009000",),
        parts=("ZFA:0100000",),
        not_parts=("ZFA:0009000", "ZFA:0001093"),
    ),
    "fruitfly": Organism(
        "fruit fly",
        "NCBITaxon:7227",
        ("FBdv:00007014", "FBdv:00005259"),
        ("FBdv:00007012",),
        cells=("FBbt:00007002",),
        parts=("FBbt:10000000",),
        not_parts=("FBbt:00007002",),
    ),
    "roundworm": Organism(
        "roundworm",
        WORM,
        ("WBls:0000803", "WBls:0000804"),
        (),
        stage=("WBls:0000669",),
        cells=("WBbt:0004017",),
        parts=("WBbt:0005766",),
        not_parts=(
            "WBbt:0007849", "WBbt:0007850", "WBbt:0008595", "WBbt:0004017", "WBbt:0006803",
        ),
    ),
    "rat": Organism("rat", "NCBITaxon:10116"),
    "crab-eating macaque": Organism("crab-eating macaque", "NCBITaxon:9541"),
    "rabbit": Organism("rabbit", "NCBITaxon:9986"),
    "marmoset": Organism("white-tufted-ear marmoset", "NCBITaxon:9483"),
    "gorilla": Organism("gorilla", "NCBITaxon:9595"),
    "macaque": Organism("macaque", "NCBITaxon:9544"),
    "chimpanzee": Organism("chimpanzee", "NCBITaxon:9598"),
    "pig": Organism("pig", "NCBITaxon:9823"),
    "mouse lemur": Organism("mouse lemur", "NCBITaxon:30608"),
}  # fmt: skip

_NOT_CELLS = ["CL:0000255", "CL:0000257", "CL:0000548"]
_WORM_CELLS = "WBbt:0006803"

_SUSPENSIONS: tuple[tuple[list[str], list[str], list[str]], ...] = (
    (
        ["cell", "nucleus"],
        ["EFO:0030080", "EFO:0010184", "EFO:0010010", "EFO:0009919"],
        [
            "EFO:0008722", "EFO:0008780", "EFO:0700010", "EFO:0700011", "EFO:0030060",
            "EFO:0022490", "EFO:0030028",
        ],
    ),
    (["nucleus"], ["EFO:0007045", "EFO:0002761"], ["EFO:0008720", "EFO:0030026"]),
    (
        ["cell"],
        ["EFO:0008919", "EFO:0008853", "EFO:0008953"],
        [
            "EFO:0030002", "EFO:0008796", "EFO:0700003", "EFO:0700004", "EFO:0008679",
            "EFO:0008877",
        ],
    ),
    (["na"], ["EFO:0008994"], ["EFO:0008992"]),
)  # fmt: skip


def cases(organism: Organism) -> dict[str, dict[str, Any]]:
    """What the columns of `obs` may hold, by column."""
    found: dict[str, dict[str, Any]] = {
        "assay": {"cases": [{"allow": {"under": ["EFO:0002772", "EFO:0010183"]}}]},
        "disease": {
            "delimiter": DELIMITER,
            "alone": ["PATO:0000461"],
            "cases": [
                {
                    "allow": {
                        "values": ["PATO:0000461", "MONDO:0021178"],
                        "under": ["MONDO:0000001", "MONDO:0021178"],
                    }
                }
            ],
        },
        "cell_type": _split({"values": ["unknown", "CL:0000000"], **_cells(organism)}, more=["na"]),
        "sex": _split({"values": _sexes(organism)}, instead=["na"]),
        "development_stage": _split(
            {
                "values": ["unknown", *organism.stage],
                "under": [*organism.stages],
                "not": [*organism.not_stages],
            },
            instead=["na"],
        ),
        "tissue": {"cases": _tissues(organism)},
        "self_reported_ethnicity": _ethnicities(organism),
    }
    by_id = {f"{name}_ontology_term_id": c for name, c in found.items()}
    return {
        **by_id,
        "donor_id": _split({"not": ["na"]}, instead=["na"]),
        "suspension_type": {"cases": [_suspension(*row) for row in _SUSPENSIONS]},
    }


def _where(kind: str) -> dict[str, Any]:
    return {"tissue_type": {"values": [kind]}}


def _split(
    allow: dict[str, Any], *, more: list[str] | None = None, instead: list[str] | None = None
) -> dict[str, Any]:
    """One condition for cell lines, another for the rest."""
    lines = (
        {"values": instead} if instead else {**allow, "values": [*allow["values"], *(more or ())]}
    )
    elsewhere = {"tissue_type": {"not": ["cell line"]}}
    return {
        "cases": [
            {"when": elsewhere, "allow": allow},
            {"when": _where("cell line"), "allow": lines},
        ]
    }


def _cells(organism: Organism) -> dict[str, Any]:
    worm = organism.ontology_id == WORM
    return {
        "under": ["CL:0000000", *organism.cells],
        "not": [*_NOT_CELLS, *([_WORM_CELLS] if worm else ())],
        "not_under": [_WORM_CELLS] if worm else [],
    }


def _sexes(organism: Organism) -> list[str]:
    female = [] if organism.ontology_id == WORM else ["PATO:0000383"]
    return [*female, "PATO:0000384", "PATO:0001340", "unknown"]


def _tissues(organism: Organism) -> list[dict[str, Any]]:
    parts = {
        "under": ["UBERON:0001062", *organism.parts],
        "not": [*organism.not_parts],
        "not_under": [*organism.not_parts],
    }
    organoid = {**parts, "not": [*organism.not_parts, "UBERON:0000922"]}
    cultured = _cells(organism)
    return [
        {"when": _where("tissue"), "allow": parts},
        {"when": _where("organoid"), "allow": organoid},
        {"when": _where("primary cell culture"), "allow": {**cultured, "values": ["unknown"]}},
        {"when": _where("cell line"), "allow": {"prefixes": ["CVCL_"]}},
    ]


def _ethnicities(organism: Organism) -> dict[str, Any]:
    if organism.ontology_id != HUMAN:
        return {"cases": [{"allow": {"values": ["na"]}}]}
    groups = {"values": ["unknown"], "under": ["HANCESTRO:0601", "HANCESTRO:0602"]}
    return {
        "delimiter": DELIMITER,
        "alone": ["unknown", "na"],
        **_split(groups, instead=["na"]),
    }


def _suspension(allowed: list[str], under: list[str], exact: list[str]) -> dict[str, Any]:
    assay = {"values": [*under, *exact], "under": under, "words": "an assay for which that is so"}
    return {"when": {"assay_ontology_term_id": assay}, "allow": {"values": allowed}}
