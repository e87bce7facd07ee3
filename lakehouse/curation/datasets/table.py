"""Which sets of rules there are: those that extensions have, CELLxGENE's among them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from lakehouse.curation.failure import Failure
from lakehouse.curation.rules.cases import Permit
from lakehouse.extension import rules_named

Terms = Callable[[str, Mapping[str, Any]], Permit]
"""Gives what a stored condition on the terms of a column permits."""


def check_dataset(data: Any, demanded: Mapping[str, Any], terms: Terms) -> tuple[Failure, ...]:
    """Everything that is wrong with a dataset as a whole.

    Args:
        data: An AnnData, or the path of one.
        demanded: The rules' name under `rules`, and their own parameters.
        terms: Resolves conditions on terms.

    Raises:
        InvalidArgument: There are no such rules: their extension may not be installed.
        BrokenExtension: The extension that has them can't be used.
    """
    check: Callable[..., Iterator[Failure]] = rules_named(
        "dataset_rules", str(demanded.get("rules"))
    )
    return tuple(check(data, demanded, terms))
