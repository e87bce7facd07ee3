"""Adding and removing synonyms of records."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.compute as pc

from lakehouse.curation.vocabulary import SEPARATOR
from lakehouse.engine.query.view import operations
from lakehouse.errors import TypeMismatch, ValidationError
from lakehouse.orm import BaseRecord
from lakehouse.text.printable import encodable

if TYPE_CHECKING:
    from lakehouse.orm.model.meta import FieldDescriptor


@operations
class HasSynonyms(BaseRecord):
    """Records with the field `synonyms`."""

    if TYPE_CHECKING:
        synonyms: FieldDescriptor[str | None]

    def add_synonym(
        self,
        synonym: str | Iterable[str],
        force: bool = False,  # noqa: FBT001, FBT002 - the peer's signature
        save: bool | None = None,  # noqa: FBT001 - as above
    ) -> None:
        """Add synonyms.

        Args:
            synonym: One or several.
            force: Add them even if they are synonyms of other records already.
            save: Save the record; by default if it was saved before.

        Raises:
            ValidationError: Another record has the synonym, or it holds a `|`.

        Example:
            >>> t_cell.add_synonym("T cells")
        """
        new = _texts(synonym)
        if not new:
            return
        if not force:
            self._check_free(new)
        self._set_synonyms([*_split(self.synonyms), *new], save=save)

    def remove_synonym(self, synonym: str | Iterable[str]) -> None:
        """Remove synonyms; what isn't a synonym is passed over.

        Example:
            >>> t_cell.remove_synonym("T cells")
        """
        gone = _texts(synonym)
        if gone:
            self._set_synonyms([s for s in _split(self.synonyms) if s not in gone], save=None)

    def _set_synonyms(self, synonyms: list[str], *, save: bool | None) -> None:
        self.synonyms = SEPARATOR.join(dict.fromkeys(synonyms)) or None
        if save or (save is None and self._saved):
            self.save()

    def _check_free(self, new: list[str]) -> None:
        """Refuse synonyms that other visible records have."""
        record: Any = self
        rows = type(record)._rows()
        rows = rows.filter(pc.is_valid(rows["synonyms"]))
        lists = pc.split_pattern(rows["synonyms"].combine_chunks(), SEPARATOR)
        hits = pc.is_in(pc.list_flatten(lists), value_set=pa.array(new, pa.string()))
        found = pc.unique(pc.list_parent_indices(lists).filter(hits))
        others = [u for u in rows["uid"].take(found).to_pylist() if u != record._values.get("uid")]
        if others:
            holder = type(record)._from_row(
                record._lake, record._lake.state.row(record.meta.table, others[0])
            )
            raise ValidationError(
                f"The synonym can't be given to {record!r}: another record has it.",
                found=repr(holder),
                hint="remove it there, use another one, or pass force=True",
            )


@operations
class HasAbbreviation(HasSynonyms):
    """Records with the fields `synonyms` and `abbr`."""

    if TYPE_CHECKING:
        abbr: FieldDescriptor[str | None]

    def set_abbr(self, value: str) -> None:
        """Set the abbreviation, and add it to the synonyms unless it is the name.

        Example:
            >>> t_cell.set_abbr("TC")
        """
        if value != getattr(self, "name", None):
            self.add_synonym(value, save=False)
        self.abbr = value
        if self._saved:
            self.save()


def _texts(synonym: str | Iterable[str]) -> list[str]:
    given = [synonym] if isinstance(synonym, str) or not isinstance(synonym, Iterable) else synonym
    given = list(given)
    if others := [text for text in given if not isinstance(text, str)]:
        raise TypeMismatch(
            "A synonym is a text.", found=f"{others[0]!r} ({type(others[0]).__name__})"
        )
    found = [text for text in given if text]
    if wrong := [text for text in found if SEPARATOR in text]:
        raise ValidationError("A synonym can't contain '|'!", found=wrong[0])
    if wrong := [text for text in found if not encodable(text)]:
        raise ValidationError("A synonym is a text that can be stored.", found=ascii(wrong[0]))
    return found


def _split(text: str | None) -> list[str]:
    return [s for s in text.split(SEPARATOR) if s] if text else []
