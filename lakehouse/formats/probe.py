"""Finding out what a file really is, and telling it."""

from __future__ import annotations

import os
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from lakehouse.errors import (
    InvalidData,
    LakehouseError,
    NoWriteAccess,
    StorageError,
    UnreadableFile,
)

_HEAD = 1 << 16
_ANY_READER = (OSError, EOFError, zlib.error, RecursionError, OverflowError, UnicodeError)
_TEXTS = {"text", "comma-separated text", "tab-separated text", "JSON", "YAML"}
_MAGIC: tuple[tuple[bytes, str, str], ...] = (
    (b"PAR1", "a Parquet file", ".parquet"),
    (b"PARE", "an encrypted Parquet file", ".parquet"),
    (b"ARROW1", "an Arrow IPC file", ".arrow"),
    (b"FEA1", "a Feather version 1 file", ""),
    (b"\x89HDF\r\n\x1a\n", "an HDF5 file", ".h5ad"),
    (b"\x1f\x8b", "gzip-compressed data", ".gz"),
    (b"PK\x03\x04", "a zip archive (or .xlsx)", ".zip"),
    (b"SQLite format 3\0", "an SQLite database", ".sqlite"),
    (b"\xff\xfe", "UTF-16 text", ""),
    (b"\xfe\xff", "UTF-16 text", ""),
)


def sniff(path: Path) -> tuple[str, str]:
    """What is at a path, in words, and the suffix it should have, if any."""
    if path.is_dir():
        return "a folder", ""
    try:
        with path.open("rb") as file:
            head = file.read(_HEAD)
    except FileNotFoundError:
        return "nothing: the file doesn't exist", ""
    except OSError as error:
        return f"a file that can't be opened: {error.strerror}", ""
    if not head:
        return "an empty file", ""
    for magic, words, suffix in _MAGIC:
        if head.startswith(magic):
            return words, suffix
    if b"\0" in head:
        return "binary data", ""
    return "text", ".csv" if b"," in head else ".tsv" if b"\t" in head else ".txt"


def unreadable(
    path: Path, expected: str, error: BaseException | str | None = None
) -> UnreadableFile:
    """The error for a file that isn't what it should be.

    Args:
        path: The file.
        expected: What it should be, e.g. `"a Parquet file"`.
        error: What the reader said, if the file looked right at first.
    """
    found, suffix = sniff(path)
    zipped = found == "gzip-compressed data" and path.suffix.lower() == ".gz"
    if found == expected or (error and (zipped or found == "text") and expected in _TEXTS):
        detail = " ".join(str(error).split()) if error else "the end is missing"
        found = f"{expected}, truncated or damaged ({detail})"
        hint = "copy or download the file again"
    elif found.startswith("nothing"):
        hint = "check the path"
    elif found == "an empty file":
        hint = "write the file again; its writer probably failed"
    elif suffix:
        hint = f"name it for what it is: {path.stem}{suffix}"
    else:
        hint = "convert it, or store it under a suffix that says what it is"
    if error and expected not in found:
        found = f"{found} ({' '.join(str(error).split())})"
    return UnreadableFile(
        f"The file {str(path)!r} can't be read as {expected}.",
        found=found,
        expected=expected,
        hint=hint,
    )


def starts_with(path: Path, magic: bytes | tuple[bytes, ...], expected: str) -> None:
    """Check the first bytes of a file."""
    several = (magic,) if isinstance(magic, bytes) else magic
    try:
        with path.open("rb") as file:
            found = file.read(max(map(len, several)))
    except OSError as error:
        raise unreadable(path, expected) from error
    if not found.startswith(several):
        raise unreadable(path, expected)


@contextmanager
def reading(path: Path, expected: str, *also: type[Exception]) -> Iterator[None]:
    """Turn a reader's failures into `UnreadableFile`.

    Beside what is named in `also`, that are the failures that any reader may have of bytes which
    somebody made up: sizes beyond memory or 64 bits, nesting without end, text in no encoding.
    """
    failures: tuple[type[Exception], ...] = (*_ANY_READER, *also)
    try:
        yield
    except LakehouseError:
        raise
    except MemoryError as error:
        raise UnreadableFile(
            f"The file {str(path)!r} can't be read: it takes more memory than there is.",
            found=" ".join(str(error).split()) or None,
            expected=expected,
            hint="read some of its columns or rows, with artifact.open(); if it is a small file, "
            "it is damaged, or was made to fill the memory",
        ) from error
    except failures as error:
        raise unreadable(path, expected, error) from error


@contextmanager
def writing(path: Path, kind: str, *also: type[Exception]) -> Iterator[None]:
    """Remove what was written of a file on failure, and say what couldn't be written."""
    try:
        yield
    except BaseException as error:
        if path.is_file():
            os.unlink(path)
        if isinstance(error, PermissionError):
            raise NoWriteAccess(f"Could not write {str(path)!r}.", found=str(error)) from error
        if isinstance(error, OSError) and not isinstance(error, LakehouseError):
            raise StorageError(f"Could not write {str(path)!r}.", found=str(error)) from error
        if isinstance(error, also):
            raise InvalidData(
                f"The object can't be written as {kind}.",
                found=str(error),
                hint="give each column one type, e.g. df[column].astype(str)",
            ) from error
        raise
