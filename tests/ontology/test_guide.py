"""The files of cellxgene-ontology-guide: read as a stream, damaged ones refused."""

from __future__ import annotations

import json

import pyarrow as pa
import pytest

from lakehouse.errors import UnreadableFile
from lakehouse.ontology import read, registry_rows
from lakehouse.ontology.reading import guide
from lakehouse.ontology.reading.guide import read_guide

TERMS = {
    "ZFA:0000001": {
        "ancestors": {"ZFA:0000002": 1, "ZFA:0000003": 2},
        "cross_ontology_terms": {"UBERON": "UBERON:0001062"},
        "label": "fin",
        "description": 'Holds "},"ZFA:0000009" and {braces}.',
        "synonyms": ["Fin", "flipper", "Fin"],
        "deprecated": False,
    },
    "ZFA:0000002": {"ancestors": {"ZFA:0000003": 1}, "label": "limb", "deprecated": False},
    "ZFA:0000003": {"ancestors": {}, "label": "", "deprecated": False},
    "ZFA:0000004": {
        "ancestors": {"ZFA:0000003": 3},
        "label": "obsolete paw",
        "deprecated": True,
        "replaced_by": "ZFA:0000002",
        "consider": ["obo.ZFA_0000003", "http://purl.obolibrary.org/obo/ZFA_0000001"],
    },
}


@pytest.fixture
def path(tmp_path):
    path = tmp_path / "ZFA-ontology-v2026-03-31.json.zst"
    data = json.dumps(TERMS, separators=(",", ":")).encode()
    path.write_bytes(pa.compress(data, codec="zstd", asbytes=True))
    return path


def test_content(path, tmp_path):
    onto = read_guide(path, keep=tmp_path / "kept")
    assert onto.metadata.version == "2026-03-31"
    assert onto.metadata.ontology == "zfa"
    assert onto.synonyms["synonym"].to_pylist() == ["Fin", "flipper"]
    assert onto.xrefs.to_pylist() == [{"id": "ZFA:0000001", "xref": "UBERON:0001062"}]
    edges = list(zip(*(onto.parents[n].to_pylist() for n in ("id", "parent")), strict=True))
    # where nothing is one step away, the nearest ancestors count
    assert edges == [
        ("ZFA:0000001", "ZFA:0000002"),
        ("ZFA:0000002", "ZFA:0000003"),
        ("ZFA:0000004", "ZFA:0000003"),
    ]
    rows = registry_rows(onto).to_pylist()
    assert [row["name"] for row in rows] == ["fin", "limb", "ZFA:0000003", "obsolete paw"]
    assert (rows[3]["obsolete"], rows[3]["replaced_by"]) == (True, ["ZFA:0000002"])
    assert rows[3]["consider"] == ["ZFA:0000001", "ZFA:0000003"]
    again = read_guide(path, keep=tmp_path / "kept")
    assert again.terms.equals(onto.terms)


@pytest.mark.parametrize("piece", [1, 50, 120, 333])
def test_any_size_of_pieces_gives_the_same(path, tmp_path, monkeypatch, piece):
    whole = read_guide(path, keep=tmp_path / "a")
    monkeypatch.setattr(guide, "_PIECE", piece)
    parts = read_guide(path, keep=tmp_path / "b")
    for name in ("terms", "synonyms", "xrefs", "parents"):
        assert getattr(parts, name).equals(getattr(whole, name))


@pytest.mark.parametrize("content", [b"", b"[1, 2]", b"{}", b'{"A:1": 3}', b'{"A:1":{"label":'])
def test_other_content_is_refused(tmp_path, content):
    path = tmp_path / "X-ontology-v1.json.zst"
    path.write_bytes(pa.compress(content, codec="zstd", asbytes=True))
    with pytest.raises(UnreadableFile, match="X-ontology"):
        read_guide(path, keep=tmp_path / "kept")


def test_damaged_files_are_refused(path, tmp_path):
    data = path.read_bytes()
    for broken in (data[:30], b"no zstd", b""):
        path.write_bytes(broken)
        with pytest.raises(UnreadableFile):
            read_guide(path, keep=tmp_path / "kept")
    with pytest.raises(UnreadableFile):
        read_guide(tmp_path / "missing.json.zst")


def test_read_takes_them_too(path, tmp_path):
    assert len(read(path, keep=tmp_path / "kept")) == 4
    assert len(read(str(path), keep=False)) == 4


def test_parents_are_the_nearest_in_any_order(tmp_path):
    ancestors = {
        "A:1": {"A:5": 1, "A:6": 1, "A:7": 2, "A:8": 10},
        "A:2": {"A:5": 2, "A:6": 1, "A:7": 2},
        "A:3": {"A:5": 1, "A:6": 2, "A:7": 1, "A:8": 12, "A:9": 1},
        "A:4": {"A:5": 11, "A:6": 2, "A:7": 2},
        "A:5": {"A:6": 1},
    }
    path = tmp_path / "A-ontology-v1.json.zst"
    terms = {key: {"ancestors": up, "label": key} for key, up in ancestors.items()}
    data = json.dumps(terms, separators=(",", ":")).encode()
    path.write_bytes(pa.compress(data, codec="zstd", asbytes=True))
    found: dict[str, str] = {}
    for row in read_guide(path, keep=False).parents.to_pylist():
        found[row["id"]] = found.get(row["id"], "") + row["parent"][-1]
    assert found == {"A:1": "56", "A:2": "6", "A:3": "579", "A:4": "67", "A:5": "6"}
