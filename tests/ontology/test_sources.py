"""Where an ontology can come from, in which coding, and what can't be read."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import re
import zipfile
from collections.abc import Callable
from pathlib import Path

import fsspec
import pyarrow as pa
import pytest
from upath import UPath

from lakehouse.errors import InvalidData, StorageError, UnreadableFile
from lakehouse.ontology import read
from lakehouse.ontology.reading import unpack as unpacking
from tests.ontology.sample import HEADER, JSON, OBO, OWL, RDF, column, only, reasons
from tests.optional import installed_or_skip

TEXT = f"{HEADER}[Term]\nid: X:1\nname: caf\u00e9\n"
PLAIN = TEXT.encode()
NOUGHTS = bytes(8 << 20)


@pytest.mark.parametrize("pack", [gzip.compress, bz2.compress, lzma.compress])
def test_compressed(pack: Callable[[bytes], bytes], tmp_path: Path):
    for data in (PLAIN, OWL, JSON):
        path = tmp_path / "packed.bin"
        path.write_bytes(pack(data))
        assert read(path, keep=False).terms.equals(read(data, keep=False).terms)


def test_compressed_twice():
    assert column(read(gzip.compress(gzip.compress(PLAIN)), keep=False), "terms", "id") == ["X:1"]


@pytest.mark.parametrize(
    "data",
    [
        b"\xef\xbb\xbf" + PLAIN,
        PLAIN.replace(b"\n", b"\r\n"),
        PLAIN.replace(b"\n", b"\r"),
        PLAIN.rstrip(b"\n"),
        b"\n\n" + PLAIN,
        TEXT.encode("utf-16"),
        TEXT.encode("utf-16-le"),
        TEXT.encode("utf-16-be"),
        TEXT.encode("utf-32"),
    ],
    ids=["bom", "crlf", "cr", "no newline", "blank lines", "utf16", "le", "be", "utf32"],
)
def test_codings(data: bytes):
    onto = read(data, keep=False)
    assert column(onto, "terms", "name") == ["caf\u00e9"]
    assert onto.repairs == ()


def test_utf8_after_the_first_kilobytes_is_no_guess():
    filler = "".join(f"[Term]\nid: X:{i}\nname: plain {i}\n\n" for i in range(2, 1000))
    onto = read(
        f"{HEADER}{filler}[Term]\nid: X:1\nname: caf\u00e9 \u2192 \u03b1\n".encode(), keep=False
    )
    assert column(onto, "terms", "name")[0] == "caf\u00e9 \u2192 \u03b1"


def test_latin1_lines_are_reported_and_other_lines_kept():
    data = PLAIN + "[Term]\nid: X:2\nname: na\u00efve\n".encode("latin-1")
    onto = read(data, keep=False)
    assert column(onto, "terms", "name") == ["caf\u00e9", "na\u00efve"]
    assert reasons(onto) == [(9, "not valid UTF-8: read as latin-1")]


def test_nul_characters_are_left_out():
    onto = read(PLAIN.replace(b"caf", b"c\x00af"), keep=False)
    assert column(onto, "terms", "name") == ["caf\u00e9"]
    assert only(onto).line_number == 6


def test_paths_handles_and_uris(tmp_path: Path):
    path = tmp_path / "a b.obo"
    path.write_bytes(PLAIN)
    fs = fsspec.filesystem("memory")
    fs.pipe("/onto/x.obo", PLAIN)
    sources = [path, str(path), path.as_uri().replace("%20", " "), "memory://onto/x.obo", PLAIN]
    sources += [bytearray(PLAIN), io.BytesIO(PLAIN), io.StringIO(TEXT)]
    for source in sources:
        assert column(read(source, keep=False), "terms", "id") == ["X:1"]
    with path.open("rb") as handle:
        assert column(read(handle, keep=False), "terms", "id") == ["X:1"]


def test_addresses_are_told_from_paths(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    fsspec.filesystem("memory").pipe("/onto/x.obo", PLAIN)
    odd = ["C:\\x.obo", "a::b.obo", "memory:x.obo", "100%25.obo"]
    for name in odd:
        Path(name).write_bytes(PLAIN)
    with zipfile.ZipFile("x.zip", "w") as archive:
        archive.writestr("y.obo", PLAIN)
    folder = Path("a:", "b")  # with two slashes it looks like an address, and isn't one
    folder.mkdir(parents=True)
    (folder / "x.obo").write_bytes(PLAIN)
    for source in (
        *odd,
        *(f"FILE://{tmp_path}/100%2525.obo", f"file://localhost{tmp_path}/C:%5Cx.obo"),
        *(f"{tmp_path}/a://b/x.obo", "MEMORY://onto/x.obo", UPath("memory://onto/x.obo")),
        *("zip://y.obo::x.zip", f"ZIP://y.obo::file://{tmp_path}/x.zip"),
    ):
        assert column(read(source, keep=False), "terms", "id") == ["X:1"], source


@pytest.mark.parametrize(
    "source",
    [
        *("simplecache::memory://onto/x.obo", "filecache::https://host/x", "zork://a/b.obo"),
        *("reference:///x.json", "file://other.host/x.obo", "zip://a::zip://b::memory://x.zip"),
        UPath("local://other.host/x.obo"),
    ],
)
def test_addresses_that_are_not_followed(source):
    with pytest.raises(UnreadableFile) as error:
        read(source, keep=False)
    assert "InvalidArgument" not in str(error.value)


TRUNCATED = {
    "gz": gzip.compress(OBO.encode())[:-9],
    "bz2": bz2.compress(OBO.encode())[:-9],
    "xz": lzma.compress(OBO.encode())[:-9],
    "json": JSON[:-40],
    "owl": OWL[:-40],
}


@pytest.mark.parametrize("kind", sorted(TRUNCATED))
def test_truncated(kind: str, tmp_path: Path):
    path = tmp_path / f"x.{kind}"
    path.write_bytes(TRUNCATED[kind])
    with pytest.raises(UnreadableFile) as caught:
        read(path, keep=tmp_path / "kept")
    assert str(path) in caught.value.message
    assert "truncated" in str(caught.value.found)
    assert caught.value.expected
    assert caught.value.hint
    assert not (tmp_path / "kept").exists()


@pytest.mark.parametrize(
    ("data", "found"),
    [
        (b"", "an empty file"),
        (b" \n\n\t", "nothing but blanks"),
        (b"<!DOCTYPE html><html><body>404</body></html>", "a web page"),
        (b"a,b\n1,2\n", "text starting with 'a,b'"),
        (b"name: x\n", "text starting with"),
        (b"[1, 2]", "text starting with"),
        (b'{"a": 1}', "no 'graphs'"),
        (b'{"graphs": []}', "no 'graphs'"),
        (b'{"graphs": [{"id": "x", "nodes": []}]}', "without a single term"),
        (b"@prefix a: <b> .", "Turtle"),
        (b"Prefix(:=<http://x>)\nOntology(<http://x>)", "functional syntax"),
        (b'<?xml version="1.0"?><a/>', "XML that isn't RDF/XML"),
        (b'<?xml version="1.0"?><Ontology xmlns="http://www.w3.org/2002/07/owl#"/>', "XML that"),
        (f"{RDF}</rdf:RDF>".encode(), "without a single term"),
        (b"format-version: 1.4\n", "without a single term"),
        (b"\x89PNG\r\n\x1a\n\x00\x00\x00", "starting with"),
        (b"PK\x03\x04\x00", "ZIP"),
        (b"PAR1\x15\x04", "Parquet"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:1", "Git LFS pointer"),
    ],
)
def test_not_an_ontology(data: bytes, found: str, tmp_path: Path):
    path = tmp_path / "x.obo"
    path.write_bytes(data)
    with pytest.raises(UnreadableFile) as caught:
        read(path, keep=False)
    assert found in str(caught.value.found)
    assert str(path) in str(caught.value)
    assert caught.value.hint


@pytest.mark.parametrize("source", ["nowhere/x.obo", Path("nowhere/x.obo"), "memory://none.obo"])
def test_missing(source: str | Path):
    with pytest.raises(UnreadableFile) as caught:
        read(source)
    assert "nothing at this path" in str(caught.value.found)


def test_a_folder_and_an_unknown_protocol(tmp_path: Path):
    with pytest.raises(UnreadableFile, match="a folder"):
        read(tmp_path)
    with pytest.raises(InvalidData, match="zork"):
        read("zork://a/b.obo")


def test_an_unreachable_address_is_a_storage_error(monkeypatch: pytest.MonkeyPatch):
    installed_or_skip("s3fs")
    for name in ("AWS_PROFILE", "AWS_ACCESS_KEY_ID"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "k")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "s")
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
    with pytest.raises(StorageError) as caught:
        read("s3://bucket/x.obo")
    assert "s3://bucket/x.obo" in caught.value.message


def _zipped(method: int = zipfile.ZIP_STORED, **files: bytes) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", method) as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return out.getvalue()


@pytest.mark.parametrize(
    "packed",
    [
        _zipped(x=PLAIN),
        _zipped(**{"x": PLAIN, "__MACOSX/x": b"?"}),
        lzma.compress(PLAIN, format=lzma.FORMAT_ALONE),
        pa.compress(PLAIN, codec="zstd", asbytes=True),
        gzip.compress(PLAIN) + gzip.compress(b"[Term]\nid: X:2\n") + b"\0" * 512,
        gzip.compress(lzma.compress(_zipped(x=bz2.compress(PLAIN)))),
    ],
    ids=["zip", "zip of a Mac", "lzma", "zst", "members", "four times"],
)
def test_more_ways_of_compression(packed: bytes):
    assert column(read(packed, keep=False), "terms", "name")[0] == "caf\u00e9"


@pytest.mark.parametrize(
    "packed",
    [
        gzip.compress(NOUGHTS),
        gzip.compress(NOUGHTS[: 1 << 20]) * 20,
        bz2.compress(NOUGHTS),
        lzma.compress(NOUGHTS),
        pa.compress(NOUGHTS, codec="zstd", asbytes=True),
        _zipped(zipfile.ZIP_DEFLATED, x=NOUGHTS),
        gzip.compress(gzip.compress(NOUGHTS)),
    ],
    ids=["gz", "members", "bz2", "xz", "zst", "zip", "twice"],
)
def test_bombs_are_refused(packed: bytes, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(unpacking, "_HARMLESS", 1 << 20)  # quicker than a real one
    with pytest.raises(UnreadableFile, match=r"bytes inside .* compressed ones") as caught:
        read(packed, keep=False)
    assert "unpack it" in str(caught.value.hint)


@pytest.mark.parametrize("cut", [1, 5, 9, 40])
@pytest.mark.parametrize(
    "pack",
    [
        gzip.compress,
        bz2.compress,
        lzma.compress,
        lambda data: pa.compress(data, codec="zstd", asbytes=True),
        lambda data: _zipped(x=data),
    ],
    ids=["gz", "bz2", "xz", "zst", "zip"],
)
def test_truncated_compression_is_one_error(pack: Callable[[bytes], bytes], cut: int):
    with pytest.raises(UnreadableFile) as caught:
        read(pack(PLAIN)[:-cut], keep=False)
    assert "damaged" in str(caught.value.found)


@pytest.mark.parametrize(
    ("data", "found"),
    [
        (_zipped(x=PLAIN, y=PLAIN), "a ZIP archive of 2 files (x, y)"),
        (b"x.obo".ljust(257, b"\0") + b"ustar" + PLAIN, "a tar archive"),
        (b"# made by hand\n@prefix a: <b> .\n", "Turtle"),
        (b"<http://x> <http://y> <http://z> .\n", "N-Triples or Turtle"),
        (b"Ontology: <http://x>\nClass: a\n", "Manchester"),
        (b"# c\nPrefix(:=<http://x>)\n", "functional"),
        (b'[{"@id": "x"}]', "JSON-LD"),
        (b"graphs:\n- nodes: []\n", "YAML"),
        (b'<?xml version="1.0"?>\n<html></html>', "web page"),
        (b"%PDF-1.4\n[Term]\nid: X:1\n", "PDF"),
        (f"{HEADER}[Term]\nname: a\n".encode(), "line 4: '[Term]': a stanza without an id"),
    ],
)
def test_what_was_found_instead(data: bytes, found: str):
    with pytest.raises(UnreadableFile) as caught:
        read(data, keep=False)
    assert found in str(caught.value.found)
    assert caught.value.hint


def test_cut_wide_characters_are_reported():
    onto = read(TEXT.encode("utf-16")[:-3], keep=False)
    assert "1 characters" in only(onto).reason


def test_graphs_in_the_compression_of_the_guide(tmp_path: Path):
    path = tmp_path / "x.json.zst"
    path.write_bytes(pa.compress(JSON, codec="zstd", asbytes=True))
    assert read(path, keep=False).terms.equals(read(JSON, keep=False).terms)


@pytest.mark.parametrize("data", [b"", b"abc", b"\x28\xb5\x2f\xfd\x00"])
def test_damaged_file_of_the_guide(data: bytes, tmp_path: Path):
    path = tmp_path / "x.json.zst"
    path.write_bytes(data)
    with pytest.raises(UnreadableFile, match=re.escape(str(path))):
        read(path, keep=False)
