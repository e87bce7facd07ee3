"""Public sources as they are: to search, look up and compare with, without importing them."""

from __future__ import annotations

import re
from functools import cached_property
from typing import TYPE_CHECKING, Any, Protocol

import polars as pl
import pyarrow as pa
import pyarrow.compute as pc

from lakehouse._lazy import require
from lakehouse.bionty._sources.content import PARENTS, Content
from lakehouse.curation.vocabulary import Keep, Vocabulary, distinct, listed
from lakehouse.engine.query.view import operations
from lakehouse.errors import InvalidArgument, UnknownColumn, UnknownField, near
from lakehouse.ontology import Ontology
from lakehouse.orm.query.completion import attribute_names
from lakehouse.orm.show.tables import HTML_ROWS, html_table
from lakehouse.places import places_of
from lakehouse.registries.table import DIRECTORY
from lakehouse.terms.inspect import InspectResult, advise, inspected, tell_validation
from lakehouse.terms.standardize import Standardizing
from lakehouse.text.printable import html_text, printable_line

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path


# -- Terms of public sources as attributes, for completion


class Origin(Protocol):
    """The public source that a term is from."""

    entity: str
    organism: str | None
    source: str | None
    version: str | None


class PublicLookup:
    """Terms as attributes, named by their values of a field; several of one name as a list.

    Example:
        >>> bt.CellType.public().lookup().t_cell.ontology_id
        'CL:0000084'
    """

    def __init__(self, terms: pa.Table, field: str, origin: Origin) -> None:
        self._terms = terms.filter(pc.is_valid(terms[field]))
        self._field = field
        self._origin = origin

    @cached_property
    def _rows(self) -> dict[str, list[int]]:
        found: dict[str, list[int]] = {}
        for row, name in enumerate(attribute_names(self._terms[self._field])):
            found.setdefault(name, []).append(row)
        return found

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        rows = self._rows.get(name)
        if rows is None:
            close = near(name, list(self._rows))
            raise UnknownField(
                f"No {self._origin.entity} is looked up as {name!r}.",
                expected=", ".join(close) or None,
            )
        return self._given(rows)

    def __getitem__(self, value: str) -> Any:
        hits = places_of(pc.equal(self._terms[self._field], value)).to_pylist()
        if not hits:
            raise KeyError(value)
        return self._given(hits)

    def _given(self, rows: list[int]) -> Any:
        found = [PublicTerm(self._origin, row) for row in self._terms.take(rows).to_pylist()]
        return found[0] if len(found) == 1 else found

    def dict(self) -> dict[str, Any]:
        """All terms by their values of the field."""
        values = self._terms[self._field].to_pylist()
        terms = (PublicTerm(self._origin, row) for row in self._terms.to_pylist())
        return dict(zip(values, terms, strict=True))

    def __dir__(self) -> list[str]:
        return [*self._rows, "dict"]


class PublicTerm:
    """A term of a public source: its fields as attributes.

    A registry makes a record of it: `bt.CellType(bt.CellType.public().lookup().t_cell)`.
    """

    def __init__(self, origin: Origin, values: dict[str, Any]) -> None:
        self._origin = origin
        self._fields = tuple(values)
        self.__dict__.update(values)

    @property
    def origin(self) -> Origin:
        """The source that it is from."""
        return self._origin

    def __getattr__(self, name: str) -> Any:
        if name == "_origin":
            raise AttributeError(name)
        raise AttributeError(f"a term of {self._origin.entity} has no field {name!r}")

    def __getitem__(self, name: str) -> Any:
        return self._asdict()[name]

    def get(self, name: str, default: Any = None) -> Any:
        """The value of a field, if there is one."""
        return self._asdict().get(name, default)

    def _asdict(self) -> dict[str, Any]:
        return {name: self.__dict__[name] for name in self._fields}

    def __repr__(self) -> str:
        shown = {k: v for k, v in self._asdict().items() if v}
        entity = printable_line(self._origin.entity)
        return f"{entity}({', '.join(f'{k}={v!r}' for k, v in shown.items())})"


# -- Ranked search in a table of terms


_WEIGHTS = {"name": 4, "symbol": 4, "synonyms": 2}


def ranked(
    table: pa.Table, text: str, fields: list[str] | None, *, case_sensitive: bool = False
) -> pa.Table:
    """The rows with a text in a field, best first.

    Whole values and whole synonyms rank before whole words, these before beginnings of words,
    these before any other part; names rank before synonyms, synonyms before other fields. Where no
    field has the text, the terms count whose name or synonyms have all its words.
    """
    rows = pl.DataFrame(pl.from_arrow(table))
    texts = [n for n, t in rows.schema.items() if t == pl.String]
    names = [n for n in (fields or texts) if n in texts]
    flag = "" if case_sensitive else "(?i)"
    wanted = flag + re.escape(text.strip())
    exact = f"{flag}(?:^|\\|){re.escape(text.strip())}(?:$|\\|)"
    word = f"{flag}(?:^|\\W){re.escape(text.strip())}(?:$|\\W)"
    start = f"{flag}(?:^|\\W){re.escape(text.strip())}"
    found = pl.any_horizontal(pl.col(n).str.contains(wanted) for n in names)
    hits = rows.with_row_index("#").filter(found.fill_null(value=False))
    if hits.is_empty():
        worded = _worded(text, [n for n in names if n in _WEIGHTS], flag)
        hits = rows.with_row_index("#").filter(worded)
    score = pl.lit(0)
    for name in names:
        column, weight = pl.col(name), _WEIGHTS.get(name, 1)
        one = (
            column.str.contains(exact).cast(pl.Int32) * 100
            + column.str.contains(word).cast(pl.Int32) * 10
            + column.str.contains(start).cast(pl.Int32) * 5
            + column.str.contains(wanted).cast(pl.Int32)
        )
        score = score + one.fill_null(0) * weight
    main = next((n for n in ("name", "symbol") if n in names), names[0])
    length = pl.col(main).str.len_chars().fill_null(1_000_000)
    ordered = hits.sort([-score, length, pl.col("#")])
    return table.take(ordered["#"].to_arrow())


def _worded(text: str, names: list[str], flag: str) -> pl.Expr:
    """Whether one of the columns has all words of a text, in any order."""
    words = [rf"\b{w}\b" if len(w) < 3 else w for w in re.findall(r"\w+", text)]
    if len(words) < 2:
        return pl.lit(value=False)
    return pl.any_horizontal(
        pl.lit(value=False),
        *(pl.all_horizontal(pl.col(n).str.contains(flag + w) for w in words) for n in names),
    ).fill_null(value=False)


_SYNONYMS = "synonyms"
_DEFINITION, _DESCRIPTION = "definition", "description"
_INNER = ("is_obsolete", "broad_synonyms", "narrow_synonyms", "related_synonyms", "replaced_by")


class PublicOntologyField:
    """A field of a public ontology, as its attribute.

    Attributes:
        parent: The ontology.
        name: The field's name.
    """

    def __init__(self, parent: PublicOntology, name: str) -> None:
        self.parent = parent
        self.name = name

    def __str__(self) -> str:
        return self.name

    __repr__ = __str__


@operations
class PublicOntology:
    """A version of a public source: an ontology, or a table of genes, proteins or markers.

    Attributes:
        entity: The registry that it is for, e.g. `CellType`.
        organism: The organism that it is for, or `"all"`.
        source: Its name, e.g. `cl`.
        version: The release.

    Example:
        >>> public = bt.CellType.public()
        >>> public.search("gamma delta T cell")
        >>> public.standardize(["T-cell"])
        ['T cell']
    """

    def __init__(
        self,
        terms: pa.Table,
        content: Content,
        *,
        entity: str,
        organism: str | None,
        source: str | None,
        version: str | None,
        url: str | None = None,
        path: Path | None = None,
    ) -> None:
        self._terms = _with_definitions(terms)
        self._content = content
        self._path = path
        self.entity = entity
        self.organism = organism
        self.source = source
        self.version = version
        self.url = url

    def __repr__(self) -> str:
        lines = (
            "PublicOntology",
            f"Entity: {self.entity}",
            f"Organism: {self.organism}",
            f"Source: {self.source}, {self.version}",
            f"#terms: {len(self)}",
        )
        return "\n".join(map(printable_line, lines))

    def _repr_html_(self) -> str:
        """What it is, and its first terms."""
        told = f"{self.source} {self.version or ''}".strip()
        text = f"{self.entity} of {told} for {self.organism}: {len(self):,} terms"
        shown = [c for c in self._current.column_names if c not in (*_INNER, PARENTS)]
        rows = self._current.select(shown).slice(0, HTML_ROWS).to_pylist()
        cells = (["" if value is None else value for value in row.values()] for row in rows)
        return f"<div><b>PublicOntology</b> {html_text(text)}{html_table(shown, cells)}</div>"

    def __len__(self) -> int:
        return int(self._current.num_rows)

    def __getattr__(self, name: str) -> PublicOntologyField:
        if not name.startswith("_") and self._known(name) in self._terms.column_names:
            return PublicOntologyField(self, self._known(name))
        raise AttributeError(name)

    def __dir__(self) -> list[str]:
        return [*super().__dir__(), *self._terms.column_names]

    @property
    def fields(self) -> set[str]:
        """The names of its fields."""
        return set(self._terms.column_names)

    @cached_property
    def _current(self) -> pa.Table:
        """The terms that aren't obsolete."""
        if "is_obsolete" not in self._terms.column_names:
            return self._terms
        return self._terms.filter(pc.invert(pc.fill_null(self._terms["is_obsolete"], False)))

    def _known(self, name: str) -> str:
        """What a field is called here: descriptions of ontologies are definitions."""
        names = self._terms.column_names
        renamed = name == _DESCRIPTION and name not in names and _DEFINITION in names
        return _DEFINITION if renamed else name

    def _field(self, field: Any) -> str:
        if field is None:
            names = ("name", "symbol")
            return next(n for n in names if n in self._terms.column_names)
        name = self._known(str(getattr(field, "name", field)))
        if name not in self._terms.column_names:
            known = self._terms.column_names
            raise UnknownColumn(
                f"The source {self.source!r} has no field {name!r}.",
                expected=", ".join(near(name, known) or known),
            )
        return name

    def _words(self, field: str, *, synonyms: bool = True) -> Vocabulary:
        named = synonyms and field == self._field(None)
        return Vocabulary(self._current, field, _SYNONYMS if named else None)

    # -- comparing -----------------------------------------------------------------------

    def validate(self, values: Any, field: Any = None, *, mute: bool = False) -> Any:
        """Which values are terms, as an array, also for one text; see `CellType.validate`."""
        import numpy as np

        texts, _ = listed(values)
        name = self._field(field)
        known = self._words(name).known(distinct(texts))
        if not mute:
            tell_validation(InspectResult(texts, known), name)
        return np.fromiter(map(known.__contains__, texts), dtype=bool, count=len(texts))

    def inspect(
        self, values: Any, field: Any = None, *, standardize: bool = True, mute: bool = False
    ) -> InspectResult:
        """Which values are terms, and which are synonyms of terms; see `CellType.inspect`."""
        texts, _ = listed(values)
        name = self._field(field)
        result = inspected(self._words(name, synonyms=standardize), texts, distinct(texts))
        if not mute:
            tell_validation(result, name)
            advise(self.entity, name, result)
        return result

    def standardize(
        self,
        values: Any,
        field: Any = None,
        *,
        return_field: Any = None,
        return_mapper: bool = False,
        case_sensitive: bool = False,
        mute: bool = False,
        keep: Keep = "first",
        synonyms_field: Any = _SYNONYMS,
    ) -> Any:
        """Replace synonyms by the terms that they mean, as a list; see `CellType.standardize`."""
        texts, _ = listed(values)
        name, wanted = self._field(field), self._field(return_field or field)
        synonyms = self._field(synonyms_field) if name == self._field(None) else None
        work = Standardizing(
            name, wanted, synonyms, case_sensitive=case_sensitive, keep=keep, label=self.entity
        )
        unique = distinct(texts)
        work.look_up(self._current, unique)
        if not mute:
            work.tell(len(unique))
        if return_mapper:
            return work.mapper
        get = work.mapper.get
        return [get(v, v) for v in texts]

    # -- looking -------------------------------------------------------------------------

    def search(
        self,
        string: str,
        *,
        field: Any = None,
        limit: int | None = None,
        case_sensitive: bool = False,
    ) -> Any:
        """The terms that match a text as a pandas data frame, best first.

        Args:
            string: What to look for; special characters have no meaning.
            field: One or several fields; all of them by default.
            limit: At most so many terms.
            case_sensitive: Whether case matters.
        """
        if not isinstance(string, str) or not string.strip():
            raise InvalidArgument("A search needs a text.", found=repr(string))
        given: Sequence[Any] = field if isinstance(field, list | tuple) else [field]
        names = None if field is None else [self._field(f) for f in given]
        rows = ranked(self._current, string, names, case_sensitive=case_sensitive)
        return self._frame(rows if limit is None else rows.slice(0, limit))

    def lookup(self, field: Any = None) -> Any:
        """The terms as attributes, for completion: `public.lookup().t_cell`."""
        return PublicLookup(self._current, self._field(field), self)

    def to_dataframe(self) -> Any:
        """All terms as a pandas data frame, by their ids where they have any."""
        return self._frame(self._current)

    def df(self) -> Any:
        """The former name of `to_dataframe`."""
        return self.to_dataframe()

    def _frame(self, rows: pa.Table) -> Any:
        require("pandas", "make data frames")
        shown = [c for c in rows.column_names if c not in _INNER and c != "consider"]
        frame = rows.select(shown).to_pandas()
        if PARENTS in shown:
            frame[PARENTS] = [list(p) for p in frame[PARENTS]]
        return frame.set_index("ontology_id") if "ontology_id" in frame.columns else frame

    def register_source_in_lamindb(self) -> Any:
        """Register the source in the current lake: `bt.Source`, not yet imported.

        Example:
            >>> source = {"source": "ensembl", "organism": "rabbit"}
            >>> rabbit = bt.base.Gene(**source)  # needs the network  # doctest: +SKIP
            >>> rabbit.register_source_in_lamindb()  # needs the network  # doctest: +SKIP
        """
        registry: Any = DIRECTORY.get(f"bionty.{self.entity}")
        return registry.add_source(self)

    def to_pronto(self) -> Any:
        """The ontology as pronto reads it, from its OBO, OWL or JSON file.

        Raises:
            InvalidArgument: It isn't read from such a file.
        """
        import pronto

        if self._path is None or not isinstance(self._content, Ontology):
            raise InvalidArgument(
                f"The source {self.source!r} {self.version or ''} has no file that pronto reads.",
                hint=f"download {self.url} and read it with pronto.Ontology(path, import_depth=0)"
                if self.url
                else None,
            )
        ontology: Any = pronto
        return ontology.Ontology(self._path, import_depth=0)

    def diff(self, compare_to: PublicOntology) -> tuple[Any, Any]:
        """Compare with another version of the source: new, missing and changed terms.

        Args:
            compare_to: The other version.

        Returns:
            Two pandas data frames: the terms that only one of them has, with a column `version`,
            and the terms that changed, with `self` and `other` below each changed field.

        Raises:
            InvalidArgument: It is another source, or the same version.
        """
        for name in ("entity", "source"):
            if getattr(self, name) != getattr(compare_to, name):
                raise InvalidArgument(
                    f"Only versions of one {name} are compared.",
                    found=f"{getattr(self, name)!r} and {getattr(compare_to, name)!r}",
                )
        if self.version == compare_to.version:
            raise InvalidArgument(
                "The versions to compare must differ.", found=f"both are {self.version!r}"
            )
        pd = require("pandas", "compare versions")
        ours, theirs = self.to_dataframe(), compare_to.to_dataframe()
        if PARENTS in ours.columns:
            for frame in (ours, theirs):
                frame[PARENTS] = [tuple(sorted(p)) for p in frame[PARENTS]]
        gone = ours.loc[ours.index.difference(theirs.index)].assign(version=self.version)
        added = theirs.loc[theirs.index.difference(ours.index)].assign(version=compare_to.version)
        common = ours.index.intersection(theirs.index)
        changed = ours.loc[common].compare(theirs.loc[common][ours.columns])
        return pd.concat([added, gone]), changed


def _with_definitions(terms: pa.Table) -> pa.Table:
    """What registries call a description, ontologies call a definition."""
    names = terms.column_names
    if "ontology_id" not in names or _DEFINITION in names:
        return terms
    return terms.rename_columns([_DEFINITION if n == _DESCRIPTION else n for n in names])
