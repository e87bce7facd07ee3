"""From a path, URI, handle or bytes to decompressed, decoded content of a known format."""

from __future__ import annotations

import hashlib
import io
import re
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, Literal

from lakehouse.errors import LakehouseError, MissingExtra, StorageError, UnreadableFile
from lakehouse.io.uris import (
    READ_ONLY,
    is_chain,
    is_remote,
    local_path,
    name_of,
    remote_filesystem,
    scheme_of,
    text_of,
)
from lakehouse.ontology.model.model import Repair
from lakehouse.ontology.reading.unpack import Damaged, unpack
from lakehouse.ontology.sources.network import check_allowed, stream
from lakehouse.text.redaction import harmless

Format = Literal["obo", "owl", "json"]
Source = str | Path | bytes | IO[Any]

EXPECTED = (
    "an ontology as OBO, OWL (RDF/XML) or OBO-graph JSON, plain or .gz, .bz2, .xz, .zst, .zip"
)
_ONLINE = "download it again, e.g. from https://purl.obolibrary.org/obo/<ontology>.obo"

_CONVERT = "convert it: robot convert -i IN -o OUT.obo"
_OTHER_KINDS: tuple[tuple[tuple[bytes, ...], str, str], ...] = (
    ((b"@prefix", b"@base", b"prefix "), "Turtle", _CONVERT),
    ((b"<http://", b"<https://", b"<urn:", b"_:"), "N-Triples or Turtle", _CONVERT),
    ((b"prefix(", b"ontology("), "OWL functional syntax", _CONVERT),
    ((b"prefix:", b"ontology: <"), "OWL Manchester syntax", _CONVERT),
    ((b"graphs:", b"---\ngraphs:"), "OBO graphs as YAML", "convert it to JSON"),
    ((b"%pdf",), "a PDF document", "pass an ontology file"),
    ((b"par1",), "a Parquet file", "pass the ontology file that it was made from"),
    ((b"\x89hdf",), "an HDF5 file", "pass an ontology file"),
    ((b"sqlite format 3",), "a SQLite database", "pass the ontology file that it was made from"),
    ((b"version https://git-lfs",), "a Git LFS pointer, not the file itself", "run: git lfs pull"),
)


@dataclass(frozen=True)
class Content:
    r"""A source ready to be parsed.

    Attributes:
        name: How errors name it.
        format: Its recognised format.
        data: OBO and JSON as UTF-8 with `\n` line ends; OWL as it was.
        repairs: Lines that were not UTF-8.
    """

    name: str
    format: Format
    data: bytes
    repairs: tuple[Repair, ...]


_BINARY = (
    b"PAR1",
    b"\x89HDF",
    b"SQLite format 3",
    b"%PDF",
    b"\x89PNG",
    b"\xff\xd8\xff",
    b"\x80\x04",
)


def unreadable(name: str, found: str, hint: str = _ONLINE) -> UnreadableFile:
    """The one error for a source that can't be read as an ontology."""
    return UnreadableFile(
        f"{name} can't be read as an ontology.", found=found, expected=EXPECTED, hint=hint
    )


def looks_like_one(path: Path) -> bool:
    """Whether a file begins like OBO or RDF/XML, whatever it is called."""
    try:
        with path.open("rb") as handle:
            head = handle.read(65536)
    except OSError:
        return False
    return _kind(head) in ("obo", "owl")


def fetch(source: Source) -> tuple[str, bytes]:
    """A source's name and raw bytes.

    Raises:
        UnreadableFile: It is missing, a folder, or refused to be read.
        StorageError: A remote address couldn't be reached.
    """
    if isinstance(source, bytes | bytearray | memoryview):
        return f"<{len(source)} bytes>", bytes(source)
    name = str(getattr(source, "name", source)) if hasattr(source, "read") else str(source)
    hint = "check the path; relative ones start at the current folder"
    try:
        return name, _raw_bytes(source)
    except FileNotFoundError:
        found = "nothing at this path"
        if is_remote(name):
            hint = "check address and connection, or download the file and pass its local path"
    except IsADirectoryError:
        found, hint = "a folder", "name the file inside it"
    except PermissionError:
        found, hint = "no permission to read it", f"chmod u+r {name}"
    except (OSError, ValueError) as error:
        if isinstance(error, StorageError):
            raise
        found = f"{type(error).__name__}: {error}"
        if isinstance(error, LakehouseError):
            found = error.message
    raise unreadable(name, found, hint)


def _raw_bytes(source: Any) -> bytes:
    if hasattr(source, "read"):
        data = source.read()
        return data.encode() if isinstance(data, str) else bytes(data)
    if hasattr(source, "read_bytes") and not getattr(source, "protocol", ""):
        return bytes(source.read_bytes())
    text = text_of(source)
    if is_remote(text):
        return _remote(text, getattr(source, "storage_options", None))
    return Path(local_path(text)).read_bytes()


def _remote(uri: str, options: Mapping[str, Any] | None) -> bytes:
    if scheme_of(uri) in READ_ONLY and not options and not is_chain(uri):
        return _from_web(uri)
    try:
        check_allowed(uri)
        member, archive = _member(uri)
        if member is not None:
            with zipfile.ZipFile(io.BytesIO(_raw_bytes(archive))) as opened:
                return opened.read(member)
        fs, path = remote_filesystem(uri, options)
        return bytes(fs.cat_file(path))
    except (FileNotFoundError, IsADirectoryError, ValueError):
        raise
    except KeyError as error:
        raise FileNotFoundError(str(error)) from error
    except ImportError as error:
        raise MissingExtra(
            f"{uri} needs a package that is not installed.",
            found=str(error),
            hint="install it, or download the file and pass its local path",
        ) from error
    except Exception as error:  # noqa: BLE001 - every protocol's client has its own tree of errors
        raise StorageError(
            f"{uri} can't be fetched.",
            found=f"{type(error).__name__}: {error}",
            hint="check address, connection and credentials, or pass a local copy's path",
        ) from harmless(error)


def _member(uri: str) -> tuple[str | None, str]:
    """The name in an archive and the archive, of `zip://name::archive`."""
    if not is_chain(uri):
        return None, uri
    name, _, archive = uri.partition("::")
    if scheme_of(name) != "zip" or is_chain(archive):
        return None, uri
    return name.partition("://")[2], archive


def _from_web(address: str) -> bytes:
    out = io.BytesIO()
    try:
        stream(address, out, name_of(address))
    except OSError as error:
        raise StorageError(
            f"{address} can't be fetched.",
            found=f"{type(error).__name__}: {getattr(error, 'reason', error)}",
            hint="check address and connection, or download the file and pass its local path",
        ) from error
    return out.getvalue()


def content_hash(raw: bytes) -> str:
    """SHA-256 of raw bytes as hex, comparable with the manifests'."""
    return hashlib.sha256(raw).hexdigest()


def prepare(name: str, raw: bytes) -> Content:
    """Decompress, decode and recognise raw bytes.

    Raises:
        UnreadableFile: Empty, truncated, or of another kind.
    """
    try:
        data = unpack(raw)
    except Damaged as error:
        raise unreadable(name, error.found, error.hint or _ONLINE) from error
    if data.startswith(_BINARY) or data[257:262] == b"ustar":
        raise unreadable(name, *_describe(data))
    if not data.strip(b"\x00 \t\r\n\xef\xbb\xbf"):
        raise unreadable(name, "an empty file" if not raw else "nothing but blanks")
    if _kind(data[: 1 << 20]) == "owl":
        return Content(name, "owl", data, ())
    text, repairs = decode(data)
    kind = _kind(text[:65536])
    if kind is None:
        raise unreadable(name, *_describe(data))
    return Content(name, kind, text, tuple(repairs))


def decode(data: bytes) -> tuple[bytes, list[Repair]]:
    r"""Bytes of any usual encoding as UTF-8 with `\n` line ends and a last newline.

    A line that isn't UTF-8 is read as Windows-1252 (a superset of printable latin-1) and
    reported; the other lines are left as they are, so mixed files keep both.
    """
    repairs: list[Repair] = []
    encoding = _wide_encoding(data[:400])
    if encoding:
        data = data.decode(encoding, errors="replace").encode()
        if (lost := data.count("\ufffd".encode())) > 0:
            repairs.append(Repair(0, encoding, f"{lost} characters that it doesn't have: marked"))
    data = data.removeprefix(b"\xef\xbb\xbf")
    if b"\r" in data:
        data = data.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
    if not data.endswith(b"\n"):
        data += b"\n"
    try:
        data.decode()
    except UnicodeDecodeError:
        data = _decode_by_line(data, repairs)
    if b"\x00" in data:
        for number, line in enumerate(data.split(b"\n"), 1):
            if b"\x00" in line:
                repairs.append(Repair(number, line.decode(), "NUL characters left out"))
        data = data.replace(b"\x00", b"")
    return data, repairs


def _wide_encoding(head: bytes) -> str | None:
    if head.startswith((b"\xff\xfe\x00\x00", b"\x00\x00\xfe\xff")):
        return "utf-32"
    if head.startswith((b"\xff\xfe", b"\xfe\xff")):
        return "utf-16"
    zeros = [head[i::2].count(0) for i in (0, 1)]
    for side, encoding in ((1, "utf-16-le"), (0, "utf-16-be")):
        if zeros[side] > len(head) // 4 and zeros[1 - side] == 0:
            return encoding
    return None


def _decode_by_line(data: bytes, repairs: list[Repair]) -> bytes:
    lines = data.split(b"\n")
    for number, line in enumerate(lines, 1):
        try:
            line.decode()
        except UnicodeDecodeError:
            text = line.decode("latin-1").translate(_WESTERN)
            lines[number - 1] = text.encode()
            repairs.append(Repair(number, text, "not valid UTF-8: read as latin-1"))
    return b"\n".join(lines)


def _western(code: int) -> str:
    # five bytes are undefined in Windows-1252; latin-1 has a meaning for every one
    return bytes([code]).decode("cp1252", errors="ignore") or chr(code)


_WESTERN = {code: _western(code) for code in range(128, 160)}

_OBO_START = re.compile(
    rb"^\s*(?:!.*\n\s*)*(?:\[[A-Za-z]\w+\]|(?:format-version|data-version|date|ontology|saved-by|"
    rb"auto-generated-by|default-namespace|subsetdef|synonymtypedef|idspace|import|remark|"
    rb"version|property_value|treat-xrefs-as-[\w-]+|owl-axioms|namespace-id-rule)\s*:)"
)
_OBO_STANZA = re.compile(rb"(?m)^[^\S\n]*\[(?:Term|Typedef)\]")


def _kind(head: bytes) -> Format | None:
    if b"\x00" in head[:400]:
        encoding = _wide_encoding(head[:400])
        head = head[: len(head) // 4 * 4].decode(encoding or "latin-1", "replace").encode()
    head = head.removeprefix(b"\xef\xbb\xbf").lstrip()
    if head.startswith(b"{") or re.match(rb"\[\s*\{", head):
        return "json"
    if head.startswith(b"<"):
        return "owl" if _root(head) == "RDF" else None
    return "obo" if _OBO_START.match(head) or _OBO_STANZA.search(head) else None


_PROLOGUE = re.compile(rb"(?s)\s*(?:<\?.*?\?>|<!--.*?-->|<!DOCTYPE[^\[>]*(?:\[.*?\]\s*)?>)")


def _root(head: bytes) -> str:
    """The name of the root element of XML."""
    at = 0
    while found := _PROLOGUE.match(head, at):
        at = found.end()
    root = re.compile(rb"\s*<(?:[\w.-]+:)?([\w.-]+)[\s/>]").match(head, at)
    return root.group(1).decode(errors="replace") if root else ""


def _describe(data: bytes) -> tuple[str, str]:
    if data[257:262] == b"ustar":
        return "a tar archive", "unpack it and pass the ontology file inside"
    # Turtle and functional syntax may begin with comments
    head = re.sub(rb"\A(?:\s*#[^\n]*\n)+", b"", data[:65536]).lstrip()
    for starts, found, hint in _OTHER_KINDS:
        if head.lower().startswith(starts):
            return found, hint
    if head.startswith(b"<"):
        return _markup(_root(head) or head[:40].decode(errors="replace"))
    first = data[:400].lstrip().split(b"\n", 1)[0][:80]
    if any(byte < 9 for byte in first):
        return f"binary data starting with {first[:16]!r}", _ONLINE
    return f"text starting with {first.decode(errors='replace')!r}", _ONLINE


def _markup(root: str) -> tuple[str, str]:
    if root.lower() in ("html", "!doctype"):
        return "a web page (HTML)", _ONLINE
    if root == "Ontology":
        return "XML that isn't RDF/XML, but OWL/XML", _CONVERT
    if root.startswith("<"):
        return "damaged or truncated XML", _ONLINE
    return f"XML that isn't RDF/XML (its root is {root})", _ONLINE
