"""Which sets of rules there are. Adding one is one file and one line."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from lakehouse.curation.failure import Failure
from lakehouse.curation.rules.cases import Permit
from lakehouse.errors import InvalidArgument, near

RULES = {"cellxgene": "lakehouse.curation.datasets.cellxgene:check"}

Terms = Callable[[str, Mapping[str, Any]], Permit]
"""Gives what a stored condition on the terms of a column permits."""


def check_dataset(data: Any, demanded: Mapping[str, Any], terms: Terms) -> tuple[Failure, ...]:
    """Everything that is wrong with a dataset as a whole.

    Args:
        data: An AnnData, or the path of one.
        demanded: The rules' name under `rules`, and their own parameters.
        terms: Resolves conditions on terms.

    Raises:
        InvalidArgument: There are no such rules.
    """
    name = str(demanded.get("rules"))
    if name not in RULES:
        raise InvalidArgument(
            f"There are no rules {name!r} for datasets.",
            expected=", ".join(near(name, list(RULES)) or RULES),
        )
    module, _, function = RULES[name].partition(":")
    check: Callable[..., Iterator[Failure]] = getattr(importlib.import_module(module), function)
    return tuple(check(data, demanded, terms))
