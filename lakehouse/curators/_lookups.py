"""Terms in nested models: text that is looked up where pydantic judges values of a dataset."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any

import pydantic
from pydantic_core import core_schema

from lakehouse.annotation.row_models import term_test
from lakehouse.annotation.specs import resolver_of
from lakehouse.curation import TermResolver
from lakehouse.orm import current_lake
from lakehouse.registries.feature import feature_dtype

TERM = "lakehouse_term"
_RESOLVER: ContextVar[TermResolver | None] = ContextVar("where terms are looked up", default=None)


@contextmanager
def looked_up() -> Iterator[None]:
    """Terms that models name are looked up in the registries of now."""
    token = _RESOLVER.set(resolver_of(current_lake()))
    try:
        yield
    finally:
        _RESOLVER.reset(token)


@dataclass(frozen=True)
class Term:
    """Marks text in a model that is a term of a registry.

    Attributes:
        of: A registry, a field of one, or a record type.
    """

    of: Any

    def __get_pydantic_core_schema__(
        self, source: Any, handler: pydantic.GetCoreSchemaHandler
    ) -> core_schema.CoreSchema:
        """Text that is compared with the registry inside `looked_up()` only."""

        def check(value: str) -> str:
            resolver = _RESOLVER.get()
            return value if resolver is None else term_test(feature_dtype(self.of), resolver)(value)

        return core_schema.no_info_after_validator_function(
            check, handler(source), metadata={TERM: True}
        )
