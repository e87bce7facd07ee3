"""Files damaged at random load with a report or fail with the one error; nothing else happens."""

from __future__ import annotations

import random
import re

import pytest

from lakehouse.errors import UnreadableFile
from lakehouse.ontology import closure, read
from tests.ontology.sample import JSON, OBO, OWL, column, owl, owl_class

_PIECES = [b"\\", b'"', b"{", b"}", b"[", b"]", b"!", b":", b"\n", b"\x00", b"\xff", b"<", b"&"]


def _damaged(data: bytes, chance: random.Random) -> bytes:
    spoilt = bytearray(data)
    for _ in range(chance.choice([1, 1, 2, 5])):
        at = chance.randrange(len(spoilt))
        kind = chance.randrange(4)
        if kind == 0:
            spoilt[at] = chance.randrange(256)
        elif kind == 1:
            del spoilt[at : at + chance.randrange(1, 30)]
        elif kind == 2:
            spoilt[at:at] = b"".join(chance.choices(_PIECES, k=3))
        else:
            spoilt[at:at] = spoilt[: chance.randrange(200)]
    return bytes(spoilt)


@pytest.mark.parametrize("data", [OBO.encode(), JSON, OWL], ids=["obo", "json", "owl"])
def test_damage_at_random_is_reported_or_refused(data: bytes):
    chance = random.Random(7)
    outcomes = {"read": 0, "refused": 0}
    for _ in range(60):
        try:
            onto = read(_damaged(data, chance), keep=False)
        except UnreadableFile as error:
            assert error.found
            assert error.hint
            outcomes["refused"] += 1
            continue
        closure(onto.parents)
        terms = set(column(onto, "terms", "id"))
        for table, name in (("parents", "id"), ("parents", "parent"), ("synonyms", "id")):
            assert set(column(onto, table, name)) <= terms
        outcomes["read"] += 1
    assert outcomes["read"] > 5


@pytest.mark.parametrize("data", [JSON, OWL], ids=["json", "owl"])
def test_truncation_is_refused_wherever_it_happens(data: bytes):
    end = len(data.rstrip())
    for size in range(50, end, end // 40):
        with pytest.raises(UnreadableFile):
            read(data[:size], keep=False)


def test_truncated_text_keeps_what_came_before():
    data = OBO.encode()
    start = data.index(b"[Term]\nid: X:0000002")
    for size in range(start, len(data), len(data) // 40):
        assert "X:0000001" in read(data[:size], keep=False).terms["id"].to_pylist()


DEEP = 50_000
UP = '<rdfs:subClassOf rdf:resource="http://purl.obolibrary.org/obo/X_2"/>'


@pytest.mark.parametrize(
    ("before", "inside", "after"),
    [
        ("", f"<owl:Class>{'<rdfs:subClassOf><owl:Class>'}", "</owl:Class></rdfs:subClassOf></owl:Class>"),
        ("<rdfs:subClassOf>", '<owl:Class><owl:intersectionOf rdf:parseType="Collection">',
         "</owl:intersectionOf></owl:Class>"),
        ('<obo:q rdf:datatype="bad">said', "<obo:q>", "</obo:q>"),
        ('<obo:q rdf:parseType="Literal">', "<b>", "</b>"),
    ],
    ids=["classes", "intersections", "dropped", "literal"],
)  # fmt: skip
def test_deep_xml_is_read(before: str, inside: str, after: str):
    closing = re.sub("<([\\w:]+)[^>]*>", r"</\1>", before)
    body = owl_class("1", UP + before + inside * DEEP + after * DEEP + closing)
    onto = read(owl(body), keep=False)
    assert {"id": "X:1", "parent": "X:2"} in onto.parents.to_pylist()


def test_entities_that_grow_are_refused():
    entities = "".join(
        f'<!ENTITY {name} "{("&" + before + ";") * 20}">'
        for before, name in zip("abcdefg", "bcdefgh", strict=True)
    )
    doctype = f'<!DOCTYPE rdf:RDF [<!ENTITY a "{"x" * 1000}">{entities}]>'
    body = owl(owl_class("1", "<rdfs:label>&h;</rdfs:label>")).decode()
    with pytest.raises(UnreadableFile, match="amplification"):
        read(body.replace("<rdf:RDF", f"{doctype}<rdf:RDF", 1).encode(), keep=False)


def test_deep_json_is_refused():
    with pytest.raises(UnreadableFile, match="depth limit"):
        read(b'{"graphs":' + b"[" * DEEP + b"]" * DEEP + b"}", keep=False)
