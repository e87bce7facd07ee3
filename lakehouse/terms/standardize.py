"""Replacing values by the terms that they mean, in the registry and in its public source."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa

from lakehouse.config import notify
from lakehouse.curation.failure import quickly
from lakehouse.curation.vocabulary import Keep, Vocabulary, chosen
from lakehouse.terms.inspect import counted, shown


@dataclass
class Standardizing:
    """One call of `standardize`.

    Attributes:
        name: The field of which the values are.
        wanted: The field that is returned.
        synonyms: The column of synonyms, or None.
        case_sensitive: Whether case matters.
        keep: Which of several terms is taken.
        label: The registry, for messages.
        respell: Gives the spelling of a value that is known.
        mapper: What is replaced by what.
        ambiguous: The values that mean several terms, with what they may mean.
        public: The values that only the public source knows.
    """

    name: str
    wanted: str
    synonyms: str | None
    case_sensitive: bool = False
    keep: Keep = "first"
    label: str = "term"
    respell: Callable[[str], str] | None = None
    mapper: dict[Any, Any] = field(default_factory=dict)
    ambiguous: dict[Any, list[Any]] = field(default_factory=dict)
    public: list[Any] = field(default_factory=list)

    @quickly()
    def look_up(self, terms: pa.Table, values: list[Any]) -> list[Any]:
        """Look distinct values up among terms; gives those that aren't found."""
        words = Vocabulary(terms, self.name, self.synonyms, self.respell)
        standards = words.standards(values, case_sensitive=self.case_sensitive)
        options = standards.found
        if self.wanted != self.name:
            wanted = {s for found in options.values() for s in found}
            others = words.other(wanted, self.wanted)
            options = {
                v: list(dict.fromkeys(o for s in found for o in others.get(s, ())))
                for v, found in options.items()
            }
            options = {v: found for v, found in options.items() if found}
        for value, found in options.items():
            if self.wanted == self.name and value in standards.exact:
                continue
            self.mapper[value] = chosen(found, self.keep)
            if len(found) > 1:
                self.ambiguous[value] = found
        return [v for v in values if v not in options]

    def look_up_public(self, terms: pa.Table, values: list[Any]) -> None:
        """Look what the registry doesn't know up in the public source."""
        left = self.look_up(terms, values)
        self.public = [v for v in values if v not in left]

    def tell(self, count: int) -> None:
        """Tell what was replaced, what is ambiguous, and what only the public source knows."""
        changed = [v for v, s in self.mapper.items() if s != v and v not in self.public]
        if changed:
            of = f"{len(changed)}/{counted(count, 'term')}"
            notify(f"standardized {of}")
        if self.ambiguous:
            taken = {"first": "the first is taken", "last": "the last is taken"}
            what = taken.get(str(self.keep), "all are given")
            told = [f"{v!r}: {', '.join(map(str, s[:5]))}" for v, s in self.ambiguous.items()]
            notify(
                f"{counted(len(told), 'value')} mean several terms, {what}: "
                + "; ".join(told[:5])
                + ("; …" if len(told) > 5 else ""),
                "warning",
            )
        if self.public:
            notify(
                f"found {counted(len(self.public), self.name)} in public source: "
                f"{shown(self.public, 10)}; add {self.label} records for them via "
                f".from_values({self.public[:10]!r})",
                "warning",
            )
