"""From gene symbols to Ensembl ids, with a report of what isn't certain."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa

from lakehouse._lazy import require
from lakehouse.bionty._sources.access import local_terms
from lakehouse.curation.vocabulary import Vocabulary, distinct, listed
from lakehouse.errors import OrganismNotSet

_ID = "ensembl_gene_id"


@dataclass(frozen=True)
class SymbolMap:
    """What symbols mean.

    Attributes:
        mapped: Ensembl id by symbol, where there is exactly one.
        ambiguous: Ensembl ids by symbol, where there are several.
        unmapped: Symbols of no known gene.
        renamed: Current symbol by symbol, where the given one is an alias or a previous one.
    """

    mapped: dict[str, str] = field(default_factory=dict)
    ambiguous: dict[str, list[str]] = field(default_factory=dict)
    unmapped: list[str] = field(default_factory=list)
    renamed: dict[str, str] = field(default_factory=dict)

    def __repr__(self) -> str:
        return (
            f"SymbolMap(mapped={len(self.mapped)}, renamed={len(self.renamed)}, "
            f"ambiguous={len(self.ambiguous)}, unmapped={len(self.unmapped)})"
        )

    def to_dataframe(self) -> Any:
        """A pandas data frame with the symbols as index."""
        pd = require("pandas", "make data frames")
        rows = [
            *((s, "mapped", i, self.renamed.get(s, s)) for s, i in self.mapped.items()),
            *((s, "ambiguous", "|".join(i), None) for s, i in self.ambiguous.items()),
            *((s, "unmapped", None, None) for s in self.unmapped),
        ]
        names = ["given", "status", _ID, "symbol"]
        return pd.DataFrame(rows, columns=names).set_index("given")


def map_symbols(registry: type[Any], symbols: Iterable[str], organism: Any) -> SymbolMap:
    """See `Gene.map_symbols`."""
    unique = distinct(listed(symbols)[0])
    species = registry._organism_of("symbol", organism, unique)
    if species is None:
        raise OrganismNotSet(
            "Symbols mean genes of one organism.",
            hint="bt.Gene.map_symbols(…, organism='human'), or bt.settings.organism = 'human'",
        )
    found = SymbolMap()
    left = _mapped(registry._rows(species), unique, found)
    if left:
        terms, _ = local_terms(registry, species, None)
        if terms is not None:
            left = _mapped(terms, left, found)
    found.unmapped.extend(left)
    return found


def _mapped(genes: pa.Table, symbols: list[str], found: SymbolMap) -> list[str]:
    """Map symbols by current ones, then aliases, then previous ones; gives the rest.

    Other spellings by case come last: many tools write all symbols in capitals.
    """
    left = symbols
    words = Vocabulary(genes, "symbol")
    exact = words.known(left)
    meanings = {s: [s] for s in left if s in exact}
    left = [s for s in left if s not in exact]
    columns = [c for c in ("synonyms", "previous_symbols") if c in genes.column_names]
    for case_sensitive, column in ((c, name) for c in (True, False) for name in columns):
        if left:
            words = Vocabulary(genes, "symbol", column)
            by_alias = words.standards(left, case_sensitive=case_sensitive)
            meanings.update(by_alias.found)
            left = [s for s in left if s not in by_alias.found]
    words = Vocabulary(genes, "symbol")
    ids = words.other({c for current in meanings.values() for c in current}, _ID)
    for symbol, current in meanings.items():
        options = [i for c in current for i in ids.get(c, ())]
        if len(options) == 1:
            found.mapped[symbol] = options[0]
            if current != [symbol]:
                found.renamed[symbol] = current[0]
        elif options:
            found.ambiguous[symbol] = options
        else:
            left.append(symbol)
    return left
