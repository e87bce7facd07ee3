"""What CELLxGENE demands of genetic perturbations: `uns` describes them, `obs` names them."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from lakehouse.curation.datasets.counts import said
from lakehouse.curation.failure import Failure
from lakehouse.formats.annotated.matrices import Whole

KEY = "genetic_perturbations"
ID = "genetic_perturbation_id"
STRATEGY = "genetic_perturbation_strategy"
DELIMITER = " || "
_NONE = "no perturbations"
_STRATEGIES = (
    _NONE, "control", "CRISPR activation screen", "CRISPR interference screen",
    "CRISPR knockout mutant", "CRISPR knockout screen",
)  # fmt: skip
_NAME = re.compile(r"[^\s/,\"']+")
_TEXTS = {
    "role": re.compile("control|targeting"),
    "protospacer_sequence": re.compile("[ACGT]{14,22}"),
    "protospacer_adjacent_motif": re.compile("3' [ABCDGHKMNRSTVWY]+"),
}


def perturbation_failures(adata: Whole) -> Iterator[Failure]:
    """Yield what is wrong with genetic perturbations."""
    described = adata.uns.get(KEY)
    there = [name for name in (ID, STRATEGY) if name in adata.obs.columns]
    if described is None:
        for name in there:
            fix = f"adata.uns[{KEY!r}] = {{…}}, or del adata.obs[{name!r}]"
            yield said("obs", name, "the column", f"no such column without uns[{KEY!r}]", fix)
        return
    for name in (ID, STRATEGY):
        if name not in there:
            fix = f"adata.obs[{name!r}] = …"
            yield said("obs", name, "no such column", f"it where uns has {KEY!r}", fix)
    if not isinstance(described, Mapping):
        found = f"a value of type {type(described).__name__}"
        yield said("uns", KEY, found, "a dictionary", f"adata.uns[{KEY!r}] = {{…}}")
        return
    for name, one in described.items():
        yield from _described(name, one)
    if len(there) == 2:
        yield from _cells(adata.obs, described)


def _described(name: str, one: Any) -> Iterator[Failure]:
    at = f"{KEY}:{name}"
    fix = f"correct adata.uns[{KEY!r}][{name!r}]"
    if name == "na" or not _NAME.fullmatch(name):
        expected = "a name without spaces, quotes, '/' and ',', and not 'na'"
        yield said("uns", at, "its name", expected, fix)
    if not isinstance(one, Mapping):
        yield said("uns", at, f"a value of type {type(one).__name__}", "a dictionary", fix)
        return
    for key, pattern in _TEXTS.items():
        value = one.get(key)
        if not isinstance(value, str) or not pattern.fullmatch(value):
            yield said("uns", f"{at}:{key}", repr(value), f"a text like {pattern.pattern}", fix)
    if more := sorted(set(one) - {*_TEXTS, "intended_features"}):
        yield said("uns", at, ", ".join(more), "no further keys", fix)


def _cells(obs: Any, described: Mapping[str, Any]) -> Iterator[Failure]:
    pairs = obs[[ID, STRATEGY]].drop_duplicates()
    for ids, strategy in zip(pairs[ID].astype(str), pairs[STRATEGY].astype(str), strict=True):
        fix = f"correct {ID!r} and {STRATEGY!r} of these cells"
        parts = [] if ids == "na" else ids.split(DELIMITER)
        if strategy not in _STRATEGIES:
            expected = ", ".join(_STRATEGIES)
            yield said("obs", STRATEGY, "another word", expected, fix, value=strategy)
        if parts != sorted(set(parts)):
            expected = f"distinct ids in ascending order, joined by {DELIMITER!r}"
            yield said("obs", ID, "another order, or repetitions", expected, fix, value=ids)
        for part in parts:
            if part not in described:
                yield said("obs", ID, "no such key", f"a key of uns[{KEY!r}]", fix, value=part)
        if (strategy == _NONE) is bool(parts):
            expected = f"{_NONE!r} where {ID!r} is 'na', and only there"
            yield said("obs", STRATEGY, f"{ID} is {ids!r}", expected, fix, value=strategy)
        roles = [one.get("role") for p in parts if isinstance(one := described.get(p), Mapping)]
        if strategy == "control" and set(roles) - {"control"}:
            yield said("obs", STRATEGY, "ids of other roles", "the role 'control'", fix, value=ids)
