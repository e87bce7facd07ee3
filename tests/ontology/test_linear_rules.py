"""Fixed patterns of this package take time in proportion to the text, whatever it says."""

from __future__ import annotations

import time

import pytest

from lakehouse.ontology.model import ids
from lakehouse.ontology.reading import pronto as _pronto
from lakehouse.ontology.reading import raw, repair, repair_json, repair_owl, source
from lakehouse.ontology.reading.repair_rules import candidates
from lakehouse.redaction import redacted, without_credentials

N = 30_000
PIECES = ["a", "a ", "a_", "_", '"', ' "', '"a', "[", "]", "[a", "{", "} ", " ", "\t", "!", " !",
          "\\", "\\\\\n", "\n", " \n", "EXACT ", " EXACT [", "[]", "a:1 ", "/", "#", "a.", "1.", "%",
          "&", "<!--", "<?", "]>", "://", "a://", "password=", "?a=", "IAO_0100001"]  # fmt: skip
ROUGHLY = 1.0  # seconds; a quadratic rule takes many


def texts():
    for piece in PIECES:
        yield (piece * N)[:N]
        yield (piece * N)[:N] + "\x01"


def within(action):
    start = time.process_time()
    action()
    took = time.process_time() - start
    assert took < ROUGHLY, took


@pytest.mark.slow
@pytest.mark.parametrize("tag", ["def", "synonym", "xref", "is_a", "relationship", "creation_date",
                                 "subsetdef", "is_obsolete", "id", "exact_synonym", "name"])  # fmt: skip
@pytest.mark.parametrize("start", ["", '"'])
def test_rules_of_repair(tag, start):
    for text in texts():
        if "\n" in text:
            continue  # they are given lines
        within(lambda text=text: list(candidates(f"{tag}: {start}{text}")))


def test_patterns_of_ontologies():
    obo = "http://purl.obolibrary.org/obo/"
    for text in texts():
        data = text.encode()
        for action in (
            lambda t=text: _pronto._UNDERSCORED.match(obo + "a" + t),
            lambda t=text: [p.match(obo + t) for p in (ids._PURL, ids._IRI, ids._SPLIT_SHORTHAND)],
            lambda t=text: [p.match(t) for p in (raw._REPLACED, raw._CONSIDER, repair._STANZA)],
            lambda d=data: source._kind(b"x\n" + d),
            lambda d=data: source._root(b"<?xml?>" + d),
            lambda d=data: repair_json._UNDERSCORED.sub(b"", d),
            lambda d=data: [p.search(d) for p in (repair._COMMENT, repair._OPEN_END)],
            lambda d=data: [p.search(d) for p in (repair_owl._DECLARATION, repair_owl._ENTITY)],
        ):
            within(action)


def test_what_is_underscored_stays_the_same():
    obo = "http://purl.obolibrary.org/obo/"
    for name, found in (("UBERON_0001", False), ("a_b_1", True), ("a__1", False), ("a_1_1", False),
                        ("a_1_b_1", True), ("a_b", False), ("a_b_1x", False)):  # fmt: skip
        assert bool(_pronto._UNDERSCORED.match(obo + name)) is found, name


def test_redaction_of_long_texts():
    for text in texts():
        within(lambda t=text: redacted(t + " s3://user:secret@host/x"))
        within(lambda t=text: without_credentials(t + " s3://user:secret@host/x"))
    long = "x" * 100 + "s3://user:secret@host/x"
    assert "secret" not in redacted(long)
    assert "secret" not in without_credentials(long)
