"""The same ontology gives the same tables from every format, in every process."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from pathlib import Path

import pyarrow as pa
import pytest

from lakehouse.ontology import read
from lakehouse.ontology.model.model import SCHEMAS
from tests.ontology.sample import HEADER, JSON, OBO, OWL, column

FORMATS = {"obo": OBO.encode(), "json": JSON, "owl": OWL}


@pytest.fixture(params=sorted(FORMATS))
def onto(request: pytest.FixtureRequest):
    return read(FORMATS[request.param], keep=False)


def test_terms(onto):
    assert onto.terms.to_pylist() == [
        {
            "id": "X:0000001",
            "name": "thing",
            "definition": "What there is.",
            "namespace": "things",
            "obsolete": False,
            "replaced_by": [],
            "consider": [],
            "comment": "A root.",
            "stub": False,
        },
        *(
            {
                "id": f"X:000000{number}",
                "name": name,
                "definition": None,
                "namespace": "things",
                "obsolete": number == 4,
                "replaced_by": ["X:0000003"] if number == 4 else [],
                "consider": ["X:0000002"] if number == 4 else [],
                "comment": None,
                "stub": False,
            }
            for number, name in ((2, "wheel"), (3, "cart"), (4, "old cart"))
        ),
    ]
    assert onto.repairs == ()


def test_synonyms_have_scope_and_type(onto):
    assert [tuple(row.values()) for row in onto.synonyms.to_pylist()] == [
        ("X:0000002", "WHL", "EXACT", "ABBR"),
        ("X:0000002", "round thing", "BROAD", None),
    ]


def test_alternative_ids_are_no_terms(onto):
    assert onto.alt_ids.to_pylist() == [{"id": "X:0000002", "alt_id": "X:0000020"}]


def test_xrefs_parents_relations(onto):
    assert onto.xrefs.to_pylist() == [{"id": "X:0000002", "xref": "Wikipedia:Wheel"}]
    assert column(onto, "parents", "parent") == ["X:0000001", "X:0000001"]
    assert onto.relations.to_pylist() == [
        {"id": "X:0000002", "relation": "part_of", "target": "X:0000003"}
    ]


def test_metadata(onto):
    about = onto.metadata
    assert about.ontology.split(".")[0] == "x"
    assert about.title == "Things"
    assert about.version == "2024-05-06"
    assert about.content_hash == hashlib.sha256(FORMATS[about.format]).hexdigest()


def test_schemas(onto):
    for name, schema in SCHEMAS.items():
        assert getattr(onto, name).schema.equals(schema)


def test_printed_form(onto):
    assert "terms=4" in repr(onto)
    assert len(onto) == 4


DIGEST = """
import hashlib, sys
from lakehouse.ontology import read
from lakehouse.ontology.model.model import SCHEMAS
import pyarrow as pa
found = hashlib.sha256()
for path in sys.argv[1:]:
    onto = read(path, keep=False)
    for name in SCHEMAS:
        sink = pa.BufferOutputStream()
        with pa.ipc.new_stream(sink, SCHEMAS[name]) as writer:
            writer.write_table(getattr(onto, name))
        found.update(sink.getvalue())
    found.update(repr(onto.repairs).encode())
print(found.hexdigest())
"""


@pytest.mark.slow
def test_equal_in_processes_with_other_hash_seeds(tmp_path: Path):
    many = "".join(
        f'[Term]\nid: X:{i}\nname: n{i}\nsynonym: "b{i}" EXACT []\nsynonym: "a{i}" EXACT Q{i} []\n'
        f"xref: B:{i}\nxref: A:{i}\nalt_id: X:9{i}\nalt_id: X:8{i}\nis_a: Y:{i}\nis_a: Z:{i}\n\n"
        for i in range(100)
    )
    paths = []
    for name, data in {**FORMATS, "many.obo": (HEADER + many).encode()}.items():
        paths.append(str(tmp_path / name))
        Path(paths[-1]).write_bytes(data)
    digests = {
        subprocess.run(
            [sys.executable, "-c", DIGEST, *paths],
            env={**os.environ, "PYTHONHASHSEED": seed},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for seed in ("1", "2")
    }
    assert len(digests) == 1


def test_relations_of_one_name_stay_apart():
    typedefs = "[Typedef]\nid: RO:1\nname: near to\n\n[Typedef]\nid: near_to\nname: near to\n"
    body = "[Term]\nid: X:1\nrelationship: RO:1 X:2\nrelationship: near_to X:3\n\n"
    onto = read((HEADER + body + typedefs).encode(), keep=False)
    assert [tuple(row.values())[1:] for row in onto.relations.to_pylist()] == [
        ("RO:1", "X:2"),
        ("near_to", "X:3"),
    ]


def test_relation_by_identifier_gets_its_readable_name():
    typedef = (
        "[Typedef]\nid: RO:0002202\nname: develops from\n\n[Typedef]\nid: RO:7\nname: far from\n"
    )
    body = "[Term]\nid: X:1\nrelationship: RO:0002202 X:2\nrelationship: RO:7 X:3\n\n"
    onto = read((HEADER + body + typedef).encode(), keep=False)
    assert column(onto, "relations", "relation") == ["develops_from", "far_from"]


def test_iris_become_short_ids():
    iri = b"http://www.ebi.ac.uk/efo/EFO_0000001"
    data = OWL.replace(b"http://purl.obolibrary.org/obo/X_0000004", iri)
    assert column(read(data, keep=False), "terms", "id")[0] == "EFO:0000001"


def test_a_missing_name_is_null():
    onto = read((HEADER + "[Term]\nid: X:1\n").encode(), keep=False)
    assert column(onto, "terms", "name") == [None]


def test_tables_are_one_chunk(onto):
    assert all(isinstance(getattr(onto, name), pa.Table) for name in SCHEMAS)
    assert all(column.num_chunks <= 1 for column in onto.terms.columns)
