"""Which sets of rules there are: those that extensions have, CELLxGENE's among them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from lakehouse.curation.failure import Failure
from lakehouse.curation.rules.cases import Permit
from lakehouse.errors import InvalidArgument, near
from lakehouse.extension import extension, extensions, hint_for, load_of

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
    name = str(demanded.get("rules"))
    owner = name.partition(".")[0]
    known = extension(owner)
    if known is None or name not in known.dataset_rules:
        near_by = near(owner, list(extensions())) if known is None else list(known.dataset_rules)
        raise InvalidArgument(
            f"There are no rules {name!r} for datasets.",
            expected=", ".join(near_by) or None,
            hint=hint_for(name),
        )
    check: Callable[..., Iterator[Failure]] = load_of(owner, known.dataset_rules[name])
    return tuple(check(data, demanded, terms))
