"""Every error that lakehouse raises, grouped by what the handler does next.

::

    LakehouseError
    ├─ InvalidArgument            fix the call
    │  ├─ FieldValidationError      a field's value has the wrong type or form
    │  │  └─ UnknownField             a field or registry that doesn't exist
    │  ├─ UnknownColumn             a column, or a slot, that a dataset or schema doesn't have
    │  ├─ InvalidKey                an artifact key that can't be a relative path
    │  ├─ InconsistentKey           a key that contradicts the file or its version family
    │  ├─ UnknownStorageLocation    a storage location that isn't registered
    │  ├─ TypeMismatch              values of another type than the field they're compared with
    │  ├─ NoLoader                  content of a format that is only stored, not loaded
    │  ├─ OrganismNotSet            it isn't said which organism is meant
    │  └─ MixedLakes                objects of two lakes in one operation
    ├─ LookupFailed               change the query
    │  ├─ ObjectDoesNotExist
    │  └─ MultipleObjectsReturned
    ├─ InvalidData                fix the data
    │  ├─ ValidationError           values that don't match a schema; carries the report
    │  │  └─ InvalidFeature           a feature's definition; an InvalidArgument, too
    │  │     └─ UnknownDtype             a dtype outside the dtype language
    │  └─ UnreadableFile            a file that is empty, truncated or of another format
    │     └─ MissingFile               there is no such file or folder
    ├─ IntegrityError             somebody else holds the name or changed the row
    │  ├─ KeyConflict               a unique key is taken
    │  ├─ RowConflict               the row was changed by another commit
    │  ├─ MergeConflict             two branches changed the same things
    │  ├─ BranchAlreadyExists       a branch has this name
    │  └─ ProtectedRecord           the record is still referred to
    ├─ Unavailable                retry, or mend the service
    │  ├─ CommitConflict            the state moved; refresh and retry
    │  ├─ CommitStateUnknown        the outcome could not be learnt
    │  ├─ CatalogUnavailable        the catalog database is locked or unreachable
    │  ├─ SourceUnavailable         a public source is neither on this machine nor reachable
    │  └─ StorageError              bytes could not be read or written
    │     ├─ ContentChanged           stored bytes aren't those that were saved, or are gone
    │     └─ NoWriteAccess
    ├─ LakeError                  open another lake, or another version of the software
    │  ├─ LakeNotFound
    │  ├─ LakeExists
    │  ├─ LakeTooNew
    │  ├─ LakeCorrupt
    │  ├─ UntrustedPlace            found, not named, and not one's own: name it or trust it
    │  └─ ReadOnlyLake
    ├─ MissingExtra               pip install the extra
    └─ BrokenExtension            mend, update or uninstall the extension
"""

from __future__ import annotations

from typing import Any

from lakehouse.text.printable import printable
from lakehouse.text.redaction import redacted


def _told(value: object) -> object:
    return redacted(value) if type(value) is str else value


class LakehouseError(Exception):
    """Base of all errors. Credentials in what it tells are masked, whoever wrote the text.

    Args:
        message: What went wrong, naming the object.
        found: What was found.
        expected: What would have been right.
        hint: The next call or command to type.
    """

    def __init__(
        self,
        message: str,
        *,
        found: object = None,
        expected: object = None,
        hint: str | None = None,
    ) -> None:
        self.message = redacted(message)
        self.found = _told(found)
        self.expected = _told(expected)
        self.hint = None if hint is None else redacted(hint)
        super().__init__(self.message)

    def __str__(self) -> str:
        lines = [self.message]
        if self.found is not None:
            lines.append(f"  found: {self.found}")
        if self.expected is not None:
            lines.append(f"  expected: {self.expected}")
        if self.hint is not None:
            lines.append(f"  → {self.hint}")
        return printable(redacted("\n".join(lines)))


class InvalidArgument(LakehouseError, ValueError):
    """The call itself is wrong."""


class FieldValidationError(InvalidArgument):
    """A field of a record was given a value of the wrong type or form.

    Attributes:
        field: The field's name; several, separated by commas, where more than one is wrong.
    """

    def __init__(self, message: str, *, field: str = "", **kwargs: Any) -> None:
        super().__init__(message, **kwargs)
        self.field = field


class UnknownField(FieldValidationError, AttributeError):
    """A field, look-up or registry that doesn't exist."""


class UnknownColumn(InvalidArgument, KeyError):
    """A column that a dataset doesn't have, or that is none of the kind that is asked for."""


class InvalidKey(InvalidArgument):
    """An artifact key that is absolute, empty or leaves its storage location."""


class InconsistentKey(InvalidArgument):
    """A key that contradicts the file's suffix, its place or its version family."""


class UnknownStorageLocation(InvalidArgument):
    """A storage location that isn't registered in this lake."""


class TypeMismatch(InvalidArgument, TypeError):
    """Values of another type than those they are compared with."""


class NoLoader(InvalidArgument, NotImplementedError):
    """Content of a format that can be stored, but not loaded."""


class OrganismNotSet(InvalidArgument):
    """The call means one organism, and doesn't say which."""


class MixedLakes(InvalidArgument):
    """Objects of two different lakes met in one operation."""


class LookupFailed(LakehouseError, LookupError):
    """A query didn't return exactly what was asked for."""


class ObjectDoesNotExist(LookupFailed):
    """No record matches."""


class MultipleObjectsReturned(LookupFailed):
    """More than one record matches where exactly one was asked for."""


class InvalidData(LakehouseError, ValueError):
    """The data, not the call, is wrong."""


class ValidationError(InvalidData):
    """Data that doesn't match its schema.

    Attributes:
        report: The `lakehouse.curation.Report` with every failure, or None.
    """

    def __init__(self, message: str, *, report: Any = None, **kwargs: Any) -> None:
        super().__init__(message, **kwargs)
        self.report = report


class InvalidFeature(ValidationError, InvalidArgument):
    """A feature whose definition is incomplete, or contradicts the one that exists."""


class UnknownDtype(InvalidFeature):
    """A dtype that the dtype language doesn't have."""


class UnreadableFile(InvalidData):
    """A file that is empty, truncated, or not of the format its suffix names."""


class MissingFile(UnreadableFile, FileNotFoundError):
    """There is no file or folder at a path."""


class IntegrityError(LakehouseError):
    """The change contradicts what is already in the lake."""


class KeyConflict(IntegrityError):
    """A unique key is already taken.

    Attributes:
        table: The table of the key.
        taken: `(key text, uid of the row that holds it)` for every taken key.
    """

    def __init__(
        self, message: str, *, table: str = "", taken: tuple[tuple[str, str], ...] = (), **kw: Any
    ) -> None:
        super().__init__(message, **kw)
        self.table = table
        self.taken = taken


class RowConflict(IntegrityError):
    """The same row was edited or deleted by another commit meanwhile."""


class MergeConflict(IntegrityError):
    """Two branches changed the same names, keys or fields; nothing was merged.

    Attributes:
        conflicts: All of them: what, its value on both sides, and how to resolve it.
    """

    def __init__(self, message: str, *, conflicts: tuple[Any, ...] = (), **kw: Any) -> None:
        super().__init__(message, **kw)
        self.conflicts = conflicts


class BranchAlreadyExists(IntegrityError):
    """A branch has this name already."""


class ProtectedRecord(IntegrityError):
    """A record that others still refer to can't be deleted."""


class Unavailable(LakehouseError):
    """Nothing is wrong with the request; retry it or mend the service."""


class CommitConflict(Unavailable):
    """The lake moved between reading and committing, more often than retries allow."""


class CommitStateUnknown(Unavailable):
    """The connection broke during the commit and its outcome could not be learnt."""


class CatalogUnavailable(Unavailable):
    """The catalog database is locked, missing or unreachable."""


class SourceUnavailable(Unavailable):
    """A public source is neither on this machine nor can it be fetched."""


class StorageError(Unavailable, OSError):
    """Bytes could not be read from or written to a storage location."""


class ContentChanged(StorageError):
    """Bytes aren't those that were saved or judged, or aren't there any more."""


class NoWriteAccess(StorageError, PermissionError):
    """The storage location refuses writes."""


class LakeError(LakehouseError):
    """The lake as a whole can't be used as asked."""


class LakeNotFound(LakeError):
    """There is no lake at this place."""


class LakeExists(LakeError):
    """There already is another lake at this place."""


class LakeTooNew(LakeError):
    """The lake was written by a newer version of lakehouse."""


class LakeCorrupt(LakeError):
    """A file of the lake is missing or damaged, or contradicts others; nothing was changed."""

    def __init__(self, message: str, **kwargs: Any) -> None:
        if kwargs.get("hint") is None:
            kwargs["hint"] = (
                "`lakehouse check` lists what is damaged, and `lakehouse repair` what can be mended"
            )
        super().__init__(message, **kwargs)


class UntrustedPlace(LakeError):
    """A lake or connection that was found, and that nobody whom the user trusts put there."""


class ReadOnlyLake(LakeError):
    """A lake bound to a past state takes no writes."""


class MissingExtra(LakehouseError, ImportError):
    """A package from an optional extra is not installed."""


class BrokenExtension(LakehouseError, ImportError):
    """An extension that is installed, and can't be used, alone or beside another one."""


def near(word: str, known: list[str] | tuple[str, ...] | set[str], n: int = 3) -> list[str]:
    """The known words nearest to a misspelt one, best first."""
    import difflib

    lowered = {k.lower(): k for k in known}
    return [lowered[m] for m in difflib.get_close_matches(word.lower(), list(lowered), n, 0.5)]


def __dir__() -> list[str]:
    return [n for n, v in globals().items() if isinstance(v, type) and issubclass(v, Exception)]
